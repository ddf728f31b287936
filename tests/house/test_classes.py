"""Classes are abstract or final; data classes are frozen and take their fields by name."""

from __future__ import annotations

import ast
import builtins
from pathlib import Path

from house.rooms import classes, classes_of, home_of, name_of, relative

FREE = {"Protocol", "NamedTuple", "TypedDict", "Enum", "IntEnum", "StrEnum", "Flag"}
"""Bases whose children are told apart by the type checker itself."""

ALL = list(classes())


def bases(node: ast.ClassDef) -> list[str]:
    return [name_of(base) for base in node.bases]


def is_exception(name: str, path: Path) -> bool:
    home = home_of(name, path)
    if home is not None:
        return any(is_exception(base, home) for base in bases(classes_of(home)[name]))
    known = getattr(builtins, name, None)
    return isinstance(known, type) and issubclass(known, BaseException)


def is_abstract(node: ast.ClassDef) -> bool:
    return "ABC" in bases(node) or any(
        name_of(mark) == "abstractmethod"
        for method in node.body
        if isinstance(method, ast.FunctionDef)
        for mark in method.decorator_list
    )


def is_final(node: ast.ClassDef) -> bool:
    return "final" in map(name_of, node.decorator_list)


def test_every_class_is_abstract_or_final_and_never_both() -> None:
    assert len(ALL) > 40
    wrong = [
        f"{relative(path)}:{node.lineno} {node.name}"
        for path, node in ALL
        if not FREE & set(bases(node))
        and not is_exception(node.name, path)
        and is_abstract(node) == is_final(node)
    ]
    assert wrong == []


def test_nothing_derives_from_a_final_class() -> None:
    wrong = []
    for path, node in ALL:
        for base in bases(node):
            home = home_of(base, path)
            if home is not None and is_final(classes_of(home)[base]):
                wrong.append(f"{relative(path)}:{node.lineno} {node.name} from {base}")
    assert wrong == []


WORKING = {
    "BadRowList": "counts while a file is read",
    "Job": "what the workers that read a file share",
}
"""Data classes that are written to after they are made, and why; none of them is handed to a caller."""


def test_data_classes_are_frozen_and_keyword_only() -> None:
    loose = []
    for path, node in ALL:
        for mark in node.decorator_list:
            if name_of(mark) != "dataclass":
                continue
            said = {k.arg: getattr(k.value, "value", None) for k in getattr(mark, "keywords", [])}
            several = sum(isinstance(field, ast.AnnAssign) for field in node.body) > 1
            if not (said.get("frozen") or node.name in WORKING) or (several and not said.get("kw_only")):
                loose.append(f"{relative(path)}:{node.lineno} {node.name}")
    assert loose == []
