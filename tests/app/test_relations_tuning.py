"""The search over methods of relations: better than the defaults on validation, by the same loop as `matweave tune`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import matweave as mw
from matweave.app.relations_tuning import search
from matweave.app.relations_verbs import RELATION_METHODS
from matweave.errors import ConfigError, DataError

RING = mw.read_relations(
    [(f"p{k}", name, f"p{(k + step) % 12}") for k in range(12) for name, step in (("next", 1), ("back", 11))]
)
GIVEN: dict[str, Any] = {"trials": 2, "minutes": 1.0, "metric": "mrr", "seed": 0, "quiet": True}


def test_the_best_of_the_trials_is_told_with_what_was_fixed() -> None:
    found = search("rescal", RING, None, fixed=["epochs=3"], **{**GIVEN, "trials": 4})
    values = [row["value"] for row in found["history"] if "value" in row]
    assert (found["method"], found["trials"], found["failed"]) == ("rescal", 4, 4 - len(values))
    assert (
        found["history"][0]["error"] == "every factor is zero where regularization is 10"
    )  # the defaults are far too strong for 24 triples
    assert found["value"] == max(values)
    assert found["settings"]["epochs"] == 3
    assert set(found["settings"]) == {"epochs", *mw.RESCAL.space}
    weak = ["epochs=3", "regularization=0.1"]
    lower = search("rescal", RING, None, fixed=weak, **{**GIVEN, "metric": "mean_rank", "trials": 4})
    assert lower["value"] == min(row["value"] for row in lower["history"] if "value" in row) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", RELATION_METHODS)
def test_every_method_of_relations_is_tuned(name: str) -> None:
    alone = mw.read_relations([(f"p{k}", "next", f"p{(k + 1) % 12}") for k in range(12)])
    one = alone if name == "symmetric_nmf" else RING  # it takes one relation
    fixed = ["epochs=2"] + ["regularization=0.01"] * (name == "rescal")  # the default is for larger data
    found = search(name, one, None, fixed=fixed, **GIVEN)
    assert found["trials"] == 2
    assert found["failed"] < 2


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="fixed by --set"):
        search("rescal", RING, None, fixed=[f"{name}=5" for name in mw.RESCAL.space], **GIVEN)
    strange = mw.read_relations([("x", "next", "y")])
    with pytest.raises(DataError, match="none of the 1 validation triples"):
        search("rescal", RING, strange, fixed=[], **GIVEN)


def test_the_door_prints_the_line_that_fits(tmp_path: Path, cli: Callable[..., tuple[int, str, str]]) -> None:
    file = tmp_path / "ring.tsv"
    file.write_text("".join(f"p{k}\tnext\tp{(k + 1) % 12}\n" for k in range(12)))
    code, out, err = cli(
        "relations",
        "tune",
        "rescal",
        file,
        "--trials",
        2,
        "--set",
        "epochs=2",
        "--json",
        tmp_path / "found.json",
        "-q",
    )
    assert code == 0, err
    assert "on validation, best of 2 trials" in out
    assert json.loads((tmp_path / "found.json").read_text())["trials"] == 2
    words = shlex.split(out.splitlines()[-1].replace("DIR", str(tmp_path / "model")))
    assert cli(*words[1:], "-q")[0] == 0
