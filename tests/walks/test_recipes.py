"""Every recipe runs as a user would run it, small, and says what it promises; none is over 80 lines."""

from __future__ import annotations

import gzip
import re
import runpy
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from matweave.threads import set_threads

RECIPES = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.py"))


def found(pattern: str, least: float = 0.0) -> Callable[[str], None]:
    """A check: the pattern is in what was printed, and its number, where it has one, is large enough."""

    def check(out: str) -> None:
        hit = re.search(pattern, out, re.MULTILINE)
        assert hit, out
        assert not hit.groups() or float(hit[1]) >= least, out

    return check


def xor_is_solved(out: str) -> None:
    found(r"^loss reached after [\d,]+ steps")(out)
    assert re.findall(r"(\d) xor (\d) = (\d)", out) == [
        tuple("000"),
        tuple("011"),
        tuple("101"),
        tuple("110"),
    ]


def lines_agree(out: str) -> None:
    off = [float(x) for x in re.findall(r"off by ([\d.e+-]+)", out)]
    assert len(off) == 2
    assert off[0] < 1e-6  # gradient descent
    assert off[1] < 1e-2  # SGD


def blend_is_the_best(out: str) -> None:
    alone = [float(x) for x in re.findall(r"alone (\d\.\d+)", out)]
    assert len(alone) == 3
    found(r"^blend (\d\.\d+) on validation", max(alone))(out)
    found("saved and loaded: Blend of ImplicitALS, NeuMF, SASRec")(out)


def clans_and_orders_are_found(out: str) -> None:
    found(r"^  hits@10 +(\d\.\d+)", 0.9)(out)
    found(r"^  auc_roc +(\d\.\d+)", 0.85)(out)
    found(r"^asymmetry of what was bought then: (\d\.\d+)", 0.9)(out)
    assert len(re.findall(r"^community \d: \['p", out, re.MULTILINE)) == 4
    assert len(re.findall("and its like lead to", out)) == 3


SAYS = {
    "compare_methods": found("implicit_als"),
    "log_to_recommendations": found("saved and loaded: ImplicitALS"),
    "ratings_by_three_solvers": found("alternating least squares"),
    "neural_from_factors": blend_is_the_best,
    "relations": clans_and_orders_are_found,
    "xor": xor_is_solved,
    "linear_regression": lines_agree,
    "digits": found(r"accuracy +(0\.\d+|1\.0+)", 0.8),
    "mnist": found(r"accuracy +(0\.\d+|1\.0+)", 0.8),
    "names": found(r"accuracy +(0\.\d+|1\.0+)", 0.8),
}


def mnist(folder: Path) -> list[str]:
    """Files as MNIST's, of bars that stand or lie."""
    rng = np.random.default_rng(0)
    for prefix, n in (("train", 320), ("t10k", 60)):
        y = rng.integers(0, 2, n)
        x = rng.integers(0, 40, (n, 28, 28))
        for i, lying in enumerate(y):
            at = int(rng.integers(8, 18))
            x[(i, slice(at, at + 4)) if lying else (i, slice(None), slice(at, at + 4))] += 180
        for name, values in (("images-idx3", x), ("labels-idx1", y)):
            head = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
            file = folder / f"{prefix}-{name}-ubyte.gz"
            file.write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes(), 1))
    return [str(folder), "2", "300"]


def names(folder: Path) -> list[str]:
    """Names of two languages that share no letter."""
    rng = np.random.default_rng(0)
    rows = ["language\tname"]
    for i in range(160):
        letters = ("ABCDEFG", "NOPQRST")[i % 2]
        rows.append(f"{('Front', 'Back')[i % 2]}\t{''.join(rng.choice(list(letters), rng.integers(3, 8)))}")
    (folder / "names.tsv").write_text("\n".join(rows) + "\n", encoding="utf8")
    return [str(folder / "names.tsv"), "3"]


ARGUMENTS = {"mnist": mnist, "names": names, "digits": lambda folder: ["2"]}


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_recipe_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_threads(1)  # other tests may run beside this one
    words = ARGUMENTS.get(path.stem, lambda folder: [])(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), *words])
    try:
        runpy.run_path(str(path), run_name="__main__")
    finally:
        set_threads(None)
    SAYS[path.stem](capsys.readouterr().out)


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_recipe_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf8").splitlines()) <= 80
