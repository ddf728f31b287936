"""Every file of the package has one test twin, in the same room; no twin is left behind by its file."""

from __future__ import annotations

from house.rooms import SRC, TESTS, sources

ROOMS_OF_TESTS = {"by_hand", "contracts", "golden", "house", "walks"}
"""Rooms of tests that mirror no room of the package."""


def test_every_file_has_its_twin_and_every_twin_its_file() -> None:
    files = {p.relative_to(SRC) for p in sources() if not p.name.startswith("__")}
    twins = {
        p.relative_to(TESTS)
        for p in TESTS.rglob("test_*.py")
        if p.relative_to(TESTS).parts[0] not in ROOMS_OF_TESTS
    }
    wanted = {f.with_name(f"test_{f.name}") for f in files}
    assert sorted(map(str, wanted - twins)) == [], "files without a twin"
    assert sorted(map(str, twins - wanted)) == [], "twins without a file"


def test_every_test_file_would_be_found() -> None:
    helpers = {"conftest.py", "rooms.py", "recommender.py", "relations.py"}
    lost = [
        p.name
        for p in TESTS.rglob("*.py")
        if not p.name.startswith("test_") and p.name not in helpers and p.parent.name != "by_hand"
    ]
    assert lost == []
    assert not list(TESTS.rglob("__init__.py"))
