"""The house as its own tests see it: files, rooms, classes, read without importing anything."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "matweave"
TESTS = ROOT / "tests"

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def sources() -> tuple[Path, ...]:
    """Every Python file of the package."""
    return tuple(sorted(p for p in SRC.rglob("*.py") if "__pycache__" not in p.parts))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def classes_of(path: Path) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)}


def home_of(name: str, path: Path) -> Path | None:
    """The file of the package in which the class that `path` calls `name` is defined; None: not one of ours."""
    if name in classes_of(path):
        return path
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("matweave."):
            continue
        if name in {alias.asname or alias.name for alias in node.names}:
            home = SRC.joinpath(*str(node.module).split(".")[1:]).with_suffix(".py")
            return home if name in classes_of(home) else None
    return None


def classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    """Every class of the package, those within functions too."""
    for path in sources():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                yield path, node


def public(path: Path) -> Iterator[Definition]:
    """The functions and classes of a file's top level whose names say that others may use them."""
    for node in tree(path).body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node


def name_of(node: ast.expr) -> str:
    """`typing.final` -> final; `njit(nogil=True)` -> njit."""
    if isinstance(node, (ast.Call, ast.Subscript)):
        return name_of(node.func if isinstance(node, ast.Call) else node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def tracked() -> tuple[Path, ...]:
    """The files that are the project's: those under version control, or, in a plain copy, those it came with."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return tuple(ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())
    skipped = {".venv", "__pycache__", "build", "dist", ".git"}
    return tuple(p for p in sorted(ROOT.rglob("*")) if p.is_file() and not skipped & set(p.parts))
