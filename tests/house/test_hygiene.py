"""What must not be in the project's files: somebody's machine, a registry's host, unfinished work."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from house.rooms import ROOT, project, relative, sources, tracked

# written in parts, so that this file does not hold what it looks for
FORBIDDEN = {
    "a path of a developer's machine": r"(?<![\w.])/(?:wo" r"rk|ro" r"ot|Us" r"ers|home/\w+)/\w|[A-Z]:\\+Us" r"ers",
    "a host of a package registry": r"py" r"pi\.org|python" r"hosted|download\.py" r"torch|ana" r"conda\.org|arti"
    r"factory|(?:^|\s)--(?:extra-)?index" r"-url",
    "a key": r"BEGIN [A-Z ]*PRIVATE " r"KEY|\bgh[pousr]_\w{30}|AKIA[0-9A-Z]{16}",
    "a conflict left": r"^(?:<{7}|>{7}) ",
}  # fmt: skip


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode("utf-8", errors="replace")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = [
        f"{relative(path)}: {hit.group()}"
        for path in tracked()
        for hit in [pattern.search(text_of(path))]
        if hit
    ]
    assert found == []


def test_the_patterns_find_what_they_are_for() -> None:
    for what, text in {
        "a path of a developer's machine": "open('/" + "work/main/x')",
        "a host of a package registry": "pip install --index" + "-url x",
        "a conflict left": "a\n<<<<<<" + "< HEAD",
    }.items():
        assert re.search(FORBIDDEN[what], text, re.MULTILINE)
    assert not re.search(
        FORBIDDEN["a path of a developer's machine"], "see ../shared/work/x and /sys/fs/cgroup"
    )


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XXX|HACK)\b|raise NotImplemented" r"Error")
    found = [
        f"{relative(p)}:{n}"
        for p in sources()
        for n, line in enumerate(text_of(p).splitlines(), 1)
        if later.search(line)
    ]
    assert found == []


def test_what_is_made_is_not_kept() -> None:
    made = [
        relative(p)
        for p in tracked()
        if re.search(r"__pycache__|\.pyc$|\.egg-info|\.nb[ic]$|/\.venv/", str(p))
    ]
    assert made == []
    big = {relative(p): p.stat().st_size for p in tracked() if p.stat().st_size > 500_000}
    assert big == {}


def test_everything_installed_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line.strip() and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^\s;]+(?:\s*;.*)?", pin) for pin in pins)
    pinned = {normal(pin.partition("==")[0]) for pin in pins}
    assert "torch==2.13.0" in pins
    about = project()["project"]
    wanted = [*about["dependencies"], *chain.from_iterable(about["optional-dependencies"].values())]
    assert {normal(re.split(r"[<>=!~\[; ]", need)[0]) for need in wanted} <= pinned


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_package_says_that_it_is_typed_and_under_which_licence() -> None:
    assert (ROOT / "src/matweave/py.typed").exists()
    assert project()["tool"]["setuptools"]["package-data"]["matweave"] == ["py.typed"]
    assert project()["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_ci_runs_the_checks_and_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert {"make check", "make test"} <= set(script.read_text(encoding="utf-8").splitlines())
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert config["tool"]["pytest"]["ini_options"]["filterwarnings"][0] == "error"
