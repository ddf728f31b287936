"""README and docs speak of what exists: targets, commands, options, methods, files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from house.rooms import ROOT, project, relative

from matweave.app.catalogue import METHODS
from matweave.app.cli import app
from matweave.app.groups import GROUPS

PAGES = sorted([*ROOT.glob("README*.md"), *ROOT.glob("CONTRIBUTING*.md"), *(ROOT / "docs").rglob("*.md")])
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
RUN = {ROOT / path for path in project()["tool"]["pytest"]["ini_options"]["testpaths"]}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, *kinds: str) -> Iterator[str]:
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind in kinds:
            yield text


def commands(page: Path) -> Iterator[list[str]]:
    """The commands of console blocks, as words."""
    for text in blocks(page, "console", "bash", "sh", "shell"):
        for line in text.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                yield shlex.split(line[2:], comments=True)


def leaf(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and the words after it."""
    here: Any = typer.main.get_command(app)
    while hasattr(here, "commands") and words and not words[0].startswith("-"):
        known = here.commands
        assert words[0] in known, f"matweave has no command {words[0]!r}"
        here, words = known[words[0]], words[1:]
    return here, words


def test_the_readme_is_there_in_both_languages_with_commands() -> None:
    assert {"README.md", "README.zh.md", "CONTRIBUTING.md"} <= {p.name for p in PAGES}
    assert len(list(commands(ROOT / "README.md"))) > 5


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_command_shown_exists_with_its_options(page: Path) -> None:
    for words in commands(page):
        if words[0] == "make":
            assert set(words[1:]) <= TARGETS, words
        if words[0] != "matweave":
            continue
        command, rest = leaf(words[1:])
        options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        used = {w.partition("=")[0] for w in rest if w.startswith("-") and len(w) > 1}
        assert used <= options, f"{' '.join(words)}: no option {used - options}"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_method_named_in_a_command_exists(page: Path) -> None:
    for words in commands(page):
        if words[:2] in (["matweave", "fit"], ["matweave", "tune"]) and len(words) > 2:
            assert words[2] in METHODS or words[2].isupper(), words
        if "--methods" in words:
            named = words[words.index("--methods") + 1].split(",")
            assert set(named) <= {*METHODS, *GROUPS}, words


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_python_shown_can_be_run(page: Path) -> None:
    """Sessions (>>>) are run by pytest itself where the page is in its list; the rest must at least compile."""
    for text in blocks(page, "python", "py"):
        if ">>> " not in text:
            compile(text, relative(page), "exec")
    if ">>> " in page.read_text(encoding="utf-8"):
        assert page in RUN or page.name.startswith("README"), f"{page.name} has examples that nothing runs"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path = target.partition("#")[0]
        if (
            path
            and "://" not in path
            and not path.startswith("mailto:")
            and not (page.parent / path).exists()
        ):
            lost.append(target)
    assert lost == []


def test_the_changelog_knows_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## Unreleased" in text or f"## {project()['project']['version']}" in text


def test_the_targets_promised_are_there() -> None:
    assert {"setup", "demo", "test", "check", "slow", "bench", "reproduce", "docs"} <= TARGETS
