"""Configs: frozen, keyword-only, checked at birth with every problem told at once."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.config import (
    build,
    check,
    config,
    flag,
    integer,
    names,
    number,
    one_of,
    optional,
    parse_settings,
    settings_of,
)
from matweave.errors import ConfigError


@config
class Ridge:
    rank: int = 8
    regularization: float = 0.1
    solver: str = "cg"
    centred: bool = False
    decay: float | None = None

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1, 512),
            regularization=number(0),
            solver=one_of("cg", "cholesky"),
            centred=flag(),
            decay=optional(number(above=0)),
        )


@config
class Needy:
    path: str
    size: int = 3

    def __post_init__(self) -> None:
        check(self, size=integer(1))


@config
class Bare:
    pass


def told(error: pytest.ExceptionInfo[ConfigError]) -> list[str]:
    return error.value.what.split("\n")


def test_all_problems_are_listed_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        Ridge(rank=0, regularization=-1, solver="choleski", centred=1, decay=0)
    assert told(error) == [
        "rank is 0, but must be an integer in [1, 512]",
        "regularization is -1, but must be a number >= 0",
        "solver is 'choleski', but must be one of cg, cholesky; did you mean 'cholesky'?",
        "centred is 1, but must be true or false",
        "decay is 0, but must be a number > 0, or none",
    ]
    assert error.value.where == "Ridge"


def test_unknown_names_are_told_with_the_wrong_values() -> None:
    with pytest.raises(ConfigError) as error:
        Ridge(rnak=3, zzz=1, regularization=-1)  # type: ignore[call-arg]
    assert told(error) == [
        "unknown setting 'rnak'; did you mean 'rank'?",
        "unknown setting 'zzz'",
        "regularization is -1, but must be a number >= 0",
    ]
    assert error.value.mend == "the settings are: rank, regularization, solver, centred, decay"


def test_settings_without_a_default_must_be_given() -> None:
    with pytest.raises(ConfigError) as error:
        Needy(sise=2)  # type: ignore[call-arg]
    assert told(error) == ["unknown setting 'sise'; did you mean 'size'?", "path is not given"]
    assert Needy(path="x").size == 3


@pytest.mark.parametrize("kind", [Ridge, Needy, Bare])
def test_positions_are_refused(kind: type) -> None:
    with pytest.raises(ConfigError, match="by name, not by position"):
        kind(3)


def test_frozen_and_replaced_with_checks() -> None:
    ridge = Ridge(rank=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        ridge.rank = 4  # type: ignore[misc]
    assert dataclasses.replace(ridge, decay=2.0) == Ridge(rank=3, decay=2.0)
    with pytest.raises(ConfigError, match="rank is 0"):
        dataclasses.replace(ridge, rank=0)
    assert len({Ridge(), Ridge(), Ridge(rank=9)}) == 2


def test_the_signature_is_the_plain_one() -> None:
    assert list(inspect.signature(Ridge).parameters) == names(Ridge)
    assert inspect.signature(Ridge).parameters["rank"].default == 8


@pytest.mark.parametrize("good", [1, 5, 9, np.int32(9), np.uint8(3)])
def test_integers_taken(good: object) -> None:
    assert integer(1, 9)(good) is None


@pytest.mark.parametrize("bad", [0, 10, True, 1.0, "3", None, math.nan, np.float32(3), np.bool_(True), [3]])
def test_integers_refused(bad: object) -> None:
    assert integer(1, 9)(bad) == "an integer in [1, 9]"


@pytest.mark.parametrize("good", [0, 0.5, 1, 1.0, np.float32(0.25), np.int64(1)])
def test_numbers_taken(good: object) -> None:
    assert number(0, 1)(good) is None


@pytest.mark.parametrize("bad", [-1e-9, 1.1, math.inf, -math.inf, math.nan, False, "0.5", None, 1j, 10**400])
def test_numbers_refused(bad: object) -> None:
    assert number(0, 1)(bad) == "a number in [0, 1]"


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan, np.float32("inf")])
def test_numbers_are_finite_without_bounds_too(bad: float) -> None:
    assert number()(bad) == "a number"
    assert (number(0)(bad), number(high=0)(bad)) == ("a number >= 0", "a number <= 0")
    assert number(above=0)(bad) == "a number > 0"


def test_bounds_are_told_as_they_are() -> None:
    assert integer()(None) == "an integer"
    assert integer(high=3)(4) == "an integer <= 3"
    assert number(above=0)(0) == "a number > 0"
    assert number(above=0)(1e-12) is None
    assert number(high=1, above=0)(2) == "a number <= 1 and > 0"


def test_optional_leaves_none_alone_only() -> None:
    rule = optional(integer(1))
    assert rule(None) is None
    assert rule(2) is None
    assert rule(0) == "an integer >= 1, or none"


def test_settings_come_out_plain_and_build_the_same() -> None:
    ridge = Ridge(rank=np.int64(3), regularization=np.float64(0.5))
    assert json.loads(json.dumps(settings_of(ridge))) == settings_of(ridge)
    assert type(settings_of(ridge)["rank"]) is int
    assert build(Ridge, settings_of(ridge)) == Ridge(rank=3, regularization=0.5)
    assert settings_of(Bare()) == {}


def test_texts_become_typed_values() -> None:
    texts = ["rank = 64", "regularization=1e-3", "solver=cholesky", "centred=True", "decay=None"]
    assert parse_settings(Ridge, texts) == {
        "rank": 64,
        "regularization": 1e-3,
        "solver": "cholesky",
        "centred": True,
        "decay": None,
    }
    assert parse_settings(Ridge, []) == {}


@pytest.mark.parametrize("text", ["a=b", "x y", "1.2.3", "[1", '"', "9" * 5000, "[" * 100_000, "=", ""])
def test_what_is_no_json_is_text(text: str) -> None:
    assert parse_settings(Needy, [f"path={text}"]) == {"path": text}


def test_all_problems_of_texts_are_listed_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        parse_settings(Ridge, ["rank", "=4", "rnak=3", "decay=1", "decay=2"])
    assert told(error) == [
        "'rank' is not NAME=VALUE",
        "'=4' is not NAME=VALUE",
        "decay is set twice",
        "unknown setting 'rnak'; did you mean 'rank'?",
    ]


@given(st.integers(1, 512), st.floats(0, 1e6), st.sampled_from(["cg", "cholesky"]), st.booleans())
def test_any_good_settings_survive_being_written_as_text(
    rank: int, regularization: float, solver: str, centred: bool
) -> None:
    ridge = Ridge(rank=rank, regularization=regularization, solver=solver, centred=centred)
    texts = [f"{name}={value}" for name, value in settings_of(ridge).items()]
    assert build(Ridge, parse_settings(Ridge, texts)) == ridge
