"""Importing is quick and light: no torch anywhere in the core, nothing heavy behind `import matweave`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from house.rooms import SRC, name_of, project, relative, sources, tree

LIMIT = 0.3  # seconds
HEAVY = ("torch", "numba", "numpy", "pyarrow", "scipy", "matplotlib", "pandas", "polars", "typer", "optuna")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_matweave_is_quick_and_loads_nothing_heavy() -> None:
    code = f"""
import sys, time
began = time.perf_counter()
import matweave
print(time.perf_counter() - began)
print([name for name in {HEAVY} if name in sys.modules])
"""
    best, loaded = min((run(code).splitlines() for _ in range(3)), key=lambda lines: float(lines[0]))
    assert float(best) < LIMIT
    assert loaded == "[]"


ON_TORCH = "rows_torch.py"
"""The one file of linalg on torch, imported where device="cuda" asks for it."""

ON_EXTRAS = {"deep": "torch", "train": "torch", "nets": "torch", "neural": "torch", "sklearn": "sklearn"}
"""Rooms that need an extra, and its module; what opens their doors (app/net_*) needs it too, but for the commands."""
FREE = {"history.py", "net_cli.py", "net_options.py", "net_data.py"}
"""Files among them that are loaded where the extra is absent: what reports and the command line read."""


def on_an_extra(path: Path) -> bool:
    room = path.relative_to(SRC).parts[0].removesuffix(".py")
    if path.name == ON_TORCH:
        return True
    return path.name not in FREE and (room in ON_EXTRAS or (path.name.startswith("net_") and room == "app"))


def test_the_whole_core_is_imported_without_torch_or_an_extra() -> None:
    """Every module, so that nothing below the doors needs what `pip install matweave` does not bring."""
    modules = [
        ".".join(("matweave", *p.relative_to(SRC).with_suffix("").parts))
        for p in sources()
        if "__" not in p.name and not on_an_extra(p)
    ]
    assert len(modules) > 50
    extras = ("torch", "matplotlib", "optuna", "pandas", "polars", "sklearn", "faiss", "fastapi")
    code = f"""
import importlib, sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {extras}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
for name in {modules}:
    importlib.import_module(name)
print([name for name in {extras} if name in sys.modules])
"""
    assert run(code).strip() == "[]"


def test_extras_are_imported_in_one_place_and_their_absence_names_the_pip_line() -> None:
    places: dict[str, set[str]] = {"torch": set(), "sklearn": set()}
    for path in sources():
        for node in ast.walk(tree(path)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in names:
                if name.partition(".")[0] in places:
                    places[name.partition(".")[0]].add(relative(path))
    assert places["torch"] == {"src/matweave/deep.py"}
    assert len(places["sklearn"]) == 1
    for module, extra, absent in (("deep", "deep", "torch"), ("sklearn", "sklearn", "sklearn")):
        code = f"""
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == {absent!r}:
            raise ModuleNotFoundError(name, name={absent!r})
sys.meta_path.insert(0, Absent())
from matweave.errors import MissingExtra
try:
    from matweave.{module} import *
except MissingExtra as error:
    print(error.mend)
"""
        assert run(code).strip() == f"pip install 'matweave[{extra}]'"


def test_without_torch_the_catalogue_is_there_and_a_neural_method_names_the_pip_line(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,timestamp\n1,1,1\n1,2,2\n2,1,3\n", encoding="utf-8")
    code = f"""
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(name, name="torch")
sys.meta_path.insert(0, Absent())
from matweave.app.catalogue import METHODS, method, recipe_of
assert "sas_rec" in METHODS and len(METHODS) == len(list(METHODS)) and recipe_of("ease", [], 0)
from matweave.app.cli import main
for name in ("implicit_als", "sas_rec"):
    try:
        main(["fit", name, {str(tmp_path / "log.csv")!r}, "--out", {str(tmp_path)!r} + "/" + name, "--quiet"])
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    print("ended", name, code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert [line for line in done.stdout.splitlines() if line.startswith("ended")] == [
        "ended implicit_als 0",
        "ended sas_rec 2",
    ], done.stderr
    assert "pip install 'matweave[deep]'" in done.stderr
    assert not (tmp_path / "sas_rec").exists()


UNSAFE = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


def test_nothing_is_pickled_or_evaluated() -> None:
    found = []
    for path in sources():
        for node in ast.walk(tree(path)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if UNSAFE & {n.partition(".")[0] for n in names}:
                found.append(f"{relative(path)}:{node.lineno}")
            if isinstance(node, ast.Call):
                loose = any(k.arg == "allow_pickle" and getattr(k.value, "value", 1) for k in node.keywords)
                if loose or getattr(node.func, "id", "") in ("eval", "exec"):
                    found.append(f"{relative(path)}:{node.lineno}")
    assert found == []


def test_every_room_has_its_floor() -> None:
    floors, torch = project()["tool"]["importlinter"]["contracts"]
    assert floors["type"] == "layers"
    assert floors["exhaustive"]
    placed = {room.strip() for layer in floors["layers"] for room in layer.split("|")}
    rooms = {
        p.stem
        for p in SRC.iterdir()
        if (p.is_dir() or p.suffix == ".py") and p.stem not in ("__init__", "__pycache__")
    }
    assert placed == rooms
    core = {"linalg", "data", "metrics", "factor", "evaluation"} & rooms
    assert {f"matweave.{room}" for room in core} <= set(torch["source_modules"])
    assert torch["forbidden_modules"] == ["torch"]


def test_kernels_release_the_gil_and_start_no_threads_of_their_own() -> None:
    """Decision 3. The entry points are cached on disk as well; helpers are compiled into their callers."""
    wrong, kernels = [], 0
    for path in sources():
        for node in ast.walk(tree(path)):
            for mark in getattr(node, "decorator_list", []):
                if name_of(mark) not in ("njit", "jit"):
                    continue
                kernels += 1
                said = {k.arg: getattr(k.value, "value", None) for k in getattr(mark, "keywords", [])}
                if said.get("nogil") is not True or said.get("parallel"):
                    wrong.append(f"{relative(path)}:{node.lineno} {node.name}")
    assert kernels > 20
    assert wrong == []
