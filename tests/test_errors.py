"""Errors say what, where and the mend; they survive pickling, and can be caught by their built-in kind."""

from __future__ import annotations

import copy
import pickle

import pytest

from matweave import errors
from matweave.errors import MatweaveError, UnknownId, listed, missing_extra, nearest

KINDS = {
    "ConfigError": ValueError,
    "DataError": ValueError,
    "BadRows": errors.DataError,
    "UnknownId": KeyError,
    "ArtifactError": ValueError,
    "DownloadError": OSError,
    "Diverged": ArithmeticError,
    "TooBig": MemoryError,
    "MissingExtra": ImportError,
}


def test_every_error_class_is_in_the_table_above() -> None:
    made = {n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, MatweaveError)}
    assert made == {*KINDS, "MatweaveError"}


@pytest.mark.parametrize(("name", "base"), KINDS.items())
def test_each_is_one_of_ours_and_of_its_built_in_kind(name: str, base: type[BaseException]) -> None:
    error = getattr(errors, name)("it broke", where="here", mend="do that")
    assert isinstance(error, MatweaveError)
    assert isinstance(error, base)
    assert str(error) == "it broke\n  where: here\n  mend:  do that"
    assert error.exit_code == 2


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("twice", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_each_survives_a_copy_and_another_process(name: str, twice) -> None:
    error = twice(getattr(errors, name)("what", where="where", mend="mend"))
    assert type(error).__name__ == name
    assert (error.what, error.where, error.mend) == ("what", "where", "mend")


def test_where_and_mend_cannot_be_left_out() -> None:
    with pytest.raises(TypeError, match="mend"):
        UnknownId("what", where="where")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "known", "wanted"),
    [
        ("Rank", ["rank", "epochs"], "; did you mean 'rank'?"),
        ("userid", ["userId", "movieId"], "; did you mean 'userId'?"),
        ("zzz", ["rank", "epochs"], ""),
        ("rank", [], ""),
        ("12", [11, 120], "; did you mean 120?"),
    ],
)
def test_nearest(name: str, known: list, wanted: str) -> None:
    assert nearest(name, known) == wanted


def test_listed_counts_the_rest() -> None:
    assert listed([]) == ""
    assert listed(["a"], limit=1) == "'a'"
    assert listed(range(25)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 (+15 more)"


def test_missing_extra_names_the_pip_line() -> None:
    error = missing_extra("tune", "optuna", "matweave tune")
    assert "matweave tune needs optuna" in error.what
    assert error.mend == "pip install 'matweave[tune]'"
