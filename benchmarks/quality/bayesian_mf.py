"""RMSE and coverage of BayesianMF and FactorizationMachine on ml-1m (90/10 at random, three splits) and on ml-100k's folds u1 and u3, with and without side data.

    python benchmarks/quality/bayesian_mf.py [--data DIR] [--tune] [--only ml-1m,u3-side] [--seeds 3]

`--tune` holds out a tenth of the training part of split 0 (of the fold), and does not look at the test part. It chose the rank of ml-1m, which
the rows with side data and with sets take over, and the settings of u1-side; rank 10 of u3 is that of the published figures. Without `--tune` each row is fitted on the whole training part, with seed 0, 1, 2 (on ml-1m each with
its own split, as ratings.py has them), and judged on the test part: one JSON line a row with the mean over seeds. Users
and items are all that the data set lists; of those without training rows a model says what their attributes and the
priors do. Predictions are posterior means, clipped once; `coverage` is how many test ratings lie in their 90 % interval,
mean ± 1.645 √(variance of the expected score + noise), which is not clipped.

Side data: of users gender, age (bands; ml-100k's by decade) and occupation; of items genres, the year of release (single years from
1980 on, decades before). All of them come with the data sets, and are levels.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import re
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from ratings import Part, splits

from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.factor.bayesian_mf import BayesianMF
from matweave.factor.factorization_machine import FactorizationMachine

Contents = tuple[ItemContent | None, ItemContent | None]

ROWS: dict[str, dict[str, Any]] = {
    "ml-1m": {"set": "ml-1m", "fold": None, "side": False, "must": 0.837},
    "ml-1m-implicit": {"set": "ml-1m", "fold": None, "side": False, "must": 0.833},
    "ml-1m-side": {"set": "ml-1m", "fold": None, "side": True, "must": 0.833},
    "u1-side": {"set": "ml-100k", "fold": 0, "side": True, "must": 0.910},
    "u3": {"set": "ml-100k", "fold": 2, "side": False, "must": 0.895},
    "u3-side": {"set": "ml-100k", "fold": 2, "side": True, "must": 0.886},
    "u3-both": {"set": "ml-100k", "fold": 2, "side": True, "must": 0.886},
    "u3-machine": {"set": "ml-100k", "fold": 2, "side": False, "must": 0.895},
    "u3-machine-side": {"set": "ml-100k", "fold": 2, "side": True, "must": 0.886},
}

CHOSEN: dict[str, dict[str, Any]] = {
    "ml-1m": {"rank": 32},
    "ml-1m-implicit": {"rank": 32, "implicit": True},
    "ml-1m-side": {"rank": 32},
    "u1-side": {"rank": 16, "implicit": True},
    "u3": {"rank": 10},
    "u3-side": {"rank": 10},
    "u3-both": {"rank": 10, "implicit": True},
    "u3-machine": {"rank": 10},
    "u3-machine-side": {"rank": 10},
}

GRIDS: dict[str, dict[str, list]] = {
    "ml-1m": {"rank": [16, 32, 48]},
    "ml-1m-implicit": {"rank": [16, 32], "implicit": [True]},
    "ml-1m-side": {"rank": [32]},
    "u1-side": {"rank": [5, 10, 16, 32], "implicit": [False, True]},
    "u3": {"rank": [10]},
    "u3-side": {"rank": [10]},
    "u3-both": {"rank": [10], "implicit": [True]},
    "u3-machine": {"rank": [10]},
    "u3-machine-side": {"rank": [10]},
}


def levels(name: str, column: list[str]) -> tuple[np.ndarray, list[str]]:
    """0 and 1 for each level of a column; a cell may name several, with | between."""
    cells = [set(cell.split("|")) for cell in column]
    known = sorted(set().union(*cells))
    return np.array([[level in cell for level in known] for cell in cells], np.float32), [
        f"{name}={level}" for level in known
    ]


def table(ids: list[int], **columns: list[str]) -> ItemContent:
    """Content of levels alone."""
    made = [levels(name, column) for name, column in columns.items()]
    names = [name for _, some in made for name in some]
    return ItemContent.of(ids, attributes=np.concatenate([values for values, _ in made], axis=1), names=names)


def lines(path: Path, separator: str) -> list[list[str]]:
    with gzip.open(path, "rt", encoding="latin-1") as file:
        return [line.rstrip("\n").split(separator) for line in file]


def era(year: int) -> str:
    return str(year) if year >= 1980 else f"{year // 10 * 10}s"


def contents(name: str, data: Path) -> tuple[ItemContent, ItemContent]:
    """Attributes of all users and items of a data set."""
    if name == "ml-1m":
        users, items = lines(data / name / "users.dat.gz", "::"), lines(data / name / "movies.dat.gz", "::")
        years = [int(re.findall(r"\((\d{4})\)", row[1])[-1]) for row in items]
        return (
            table(
                [int(row[0]) for row in users],
                gender=[r[1] for r in users], age=[r[2] for r in users], occupation=[r[3] for r in users],
            ),
            table([int(row[0]) for row in items], genres=[r[2] for r in items], year=[era(y) for y in years]),
        )  # fmt: skip
    users, items = lines(data / name / "u.user.gz", "|"), lines(data / name / "u.item.gz", "|")
    decade = [str(int(row[1]) // 10 * 10) for row in users]
    genres = ["|".join(str(g) for g, flag in enumerate(row[5:24]) if flag == "1") for row in items]
    year = [era(int(row[2][-4:])) if row[2] else "unknown" for row in items]
    return (
        table([int(row[0]) for row in users], gender=[r[2] for r in users], age=decade, occupation=[r[3] for r in users]),
        table([int(row[0]) for row in items], genres=genres, year=year),
    )  # fmt: skip


def recipe_of(row: str) -> type:
    """FactorizationMachine, by Gibbs sampling, in the rows named after it."""
    return FactorizationMachine if "machine" in row else BayesianMF


def judge(
    recipe: BayesianMF | FactorizationMachine,
    known: tuple[list[int], list[int]],
    train: Part,
    test: Part,
    side: Contents,
) -> dict[str, float]:
    """Fit on one part; RMSE and coverage on the other."""
    users, items = (np.array(ids) for ids in known)

    def codes(part: Part) -> tuple[np.ndarray, np.ndarray]:
        return np.searchsorted(users, part[0]), np.searchsorted(items, part[1])

    log = Interactions.from_codes(*codes(train), values=train[2], user_ids=known[0], item_ids=known[1])
    began = time.perf_counter()
    model = recipe.fit(log, user_features=side[0], item_features=side[1])
    seconds = time.perf_counter() - began
    every, (at_user, at_item) = np.arange(len(users)), codes(test)
    scores = model.pair_scores(model.known(every), at_user, at_item)
    spread = model.spread(model.seen, every)
    width = 1.645 * np.sqrt(spread.pair_deviations(at_user, at_item) ** 2 + spread.noise)
    return {
        "rmse": float(np.sqrt(np.mean((model.clip(scores) - test[2]) ** 2))),
        "coverage": float(np.mean(np.abs(test[2] - scores) <= width)),
        "seconds": seconds,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--tune", action="store_true", help="search the grids on a validation cut")
    parser.add_argument("--only", default=",".join(ROWS))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args(arguments)
    for name in given.only.split(","):
        row = ROWS[name]
        every = splits(row["set"], given.data)
        people, things = contents(row["set"], given.data)
        side: Contents = (people, things) if row["side"] else (None, None)
        known = (sorted(people.items.to_list()), sorted(things.items.to_list()))
        if given.tune:
            train = every[row["fold"] or 0][0]
            held = np.random.default_rng(100).random(len(train[0])) < 0.1
            fit, check = (tuple(column[part] for column in train) for part in (~held, held))
            for values in itertools.product(*GRIDS[name].values()):
                settings = dict(zip(GRIDS[name], values, strict=True))
                found = judge(recipe_of(name)(**settings), known, fit, check, side)  # type: ignore[arg-type]
                print(json.dumps({"row": name, "validation": found, "settings": settings}), flush=True)
            continue
        runs = []
        for seed in range(given.seeds):
            train, test = every[seed if row["fold"] is None else row["fold"]]
            runs.append(judge(recipe_of(name)(**CHOSEN[name], seed=seed), known, train, test, side))
        rmse, coverage = (mean(run[key] for run in runs) for key in ("rmse", "coverage"))
        line = {
            "benchmark": f"{recipe_of(name).__name__}, {name}: " + ("90/10 random" if row["fold"] is None else f"official fold {row['fold'] + 1}"),
            "settings": CHOSEN[name],
            "rmse": round(rmse, 4),
            "runs": [round(run["rmse"], 4) for run in runs],
            "coverage": round(coverage, 4),
            "must": row["must"],
            "ok": rmse <= row["must"] and 0.88 <= coverage <= 0.92,
            "seconds": round(mean(run["seconds"] for run in runs), 1),
            "matweave": version("matweave"),
        }  # fmt: skip
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
