"""Shared options of networks: each explained, each taken by a reader, none said twice in two ways."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

import pytest
import typer

from matweave.app import net_options
from matweave.app.cli import app
from matweave.app.net_data import Reading

COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
SHARED = {name: get_args(kind)[1] for name, kind in vars(net_options).items() if len(get_args(kind)) == 2}


def options(command: str) -> dict[str, Any]:
    return {p.name: p for p in COMMANDS[command].params}


def test_every_option_is_explained() -> None:
    assert len(SHARED) >= 12
    for name, option in SHARED.items():
        assert option.help.endswith("."), name


def test_every_choice_of_a_reading_can_be_said_in_training() -> None:
    assert {f.name for f in fields(Reading)} <= options("train").keys()


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_later_commands_have_no_reading_of_their_own(command: str) -> None:
    known = options("train")
    own = {f.name for f in fields(Reading)} & options(command).keys()
    assert {"target", "size", "channels"} <= own
    for name in own - {"time"} if command == "evaluate" else own:  # there it is of recommenders
        assert options(command)[name].help == known[name].help
        assert options(command)[name].opts == known[name].opts
