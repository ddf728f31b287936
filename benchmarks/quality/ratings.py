"""RMSE of BiasedMF and ExplicitALS on ml-1m (90/10 at random, three splits) and ml-100k (the five official folds).

    python benchmarks/quality/ratings.py [--data DIR] [--tune] [--sets ml-1m,ml-100k] [--methods biased_mf,explicit_als]

The settings below were chosen by `--tune` alone: a tenth of the training part of split 0 (of fold 1) is held out, the
test part is not looked at; where none stand, the defaults. Without `--tune` the chosen settings are fitted on the whole training part of each split,
with seed 0, 1, 2 (of each fold, with seed 0), and judged on its test part: one JSON line a method and set.
Predictions are clipped to the range of the training values; unseen users and items get what their biases say: 0.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import time
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from matweave.data.interactions import Interactions
from matweave.factor.biased_mf import BiasedMF
from matweave.factor.explicit_als import ExplicitALS

Part = tuple[np.ndarray, np.ndarray, np.ndarray]
"""user codes, item codes, ratings."""

RECIPES: dict[str, Any] = {"biased_mf": BiasedMF, "explicit_als": ExplicitALS}

CHOSEN: dict[str, dict[str, dict[str, Any]]] = {
    "ml-1m": {"biased_mf": {"regularization": 0.03, "epochs": 12}, "explicit_als": {}},
    "ml-100k": {"biased_mf": {}, "explicit_als": {}},
}

GRIDS: dict[str, dict[str, dict[str, list]]] = {
    "ml-1m": {
        "biased_mf": {
            "regularization": [0.030, 0.034, 0.038],
            "learning_rate": [0.052, 0.062, 0.072],
            "epochs": [12, 14, 16],
            "init_scale": [0.001, 0.002, 0.005],
        },
        "explicit_als": {"regularization": [0.05, 0.06, 0.07, 0.08], "epochs": [8, 12]},
    },
    "ml-100k": {
        "biased_mf": {
            "rank": [16, 64, 128],
            "regularization": [0.04, 0.06, 0.08, 0.1],
            "learning_rate": [0.02, 0.03, 0.05],
            "epochs": [20, 30, 50],
            "init_scale": [0.003, 0.03],
        },
        "explicit_als": {
            "rank": [16, 64],
            "regularization": [0.07, 0.09, 0.11, 0.14],
            "bias_regularization": [0.01, 0.04],
        },
    },
}

TARGETS = {
    "ml-1m": {"biased_mf": 0.840, "explicit_als": 0.850},
    "ml-100k": {"biased_mf": 0.930, "explicit_als": 0.930},
}


def read(path: Path, separator: bytes) -> Part:
    """User and item numbers as they stand in the file, and ratings."""
    with gzip.open(path, "rb") as file:
        rows = np.array(file.read().replace(separator, b" ").split(), dtype=np.int64).reshape(-1, 4)
    return rows[:, 0], rows[:, 1], rows[:, 2].astype(np.float32)


def splits(name: str, data: Path) -> list[tuple[Part, Part]]:
    """(train, test) pairs."""
    if name == "ml-100k":
        folder = data / "ml-100k"
        return [
            (read(folder / f"u{n}.base.gz", b"\t"), read(folder / f"u{n}.test.gz", b"\t"))
            for n in range(1, 6)
        ]
    whole = read(data / "ml-1m" / "ratings.dat.gz", b"::")
    found = []
    for seed in range(3):
        test = np.random.default_rng(seed).random(len(whole[0])) < 0.1
        found.append((_part(whole, ~test), _part(whole, test)))
    return found


def _part(rows: Part, kept: np.ndarray) -> Part:
    return rows[0][kept], rows[1][kept], rows[2][kept]


def rmse(recipe: Any, train: Part, test: Part) -> float:
    """Fit on one part, judge on the other."""
    users, user_codes = np.unique(train[0], return_inverse=True)
    items, item_codes = np.unique(train[1], return_inverse=True)
    log = Interactions.from_codes(user_codes, item_codes, values=train[2])
    model = recipe.fit(log)
    at_user = np.minimum(np.searchsorted(users, test[0]), len(users) - 1)
    at_item = np.minimum(np.searchsorted(items, test[1]), len(items) - 1)
    user_known, item_known = users[at_user] == test[0], items[at_item] == test[1]
    scores = model.pair_scores(model.known(np.arange(len(users))), at_user, at_item.astype(np.int32))
    rough = model.mean + model.user_bias[at_user] * user_known + model.item_bias[at_item] * item_known
    scores = model.clip(np.where(user_known & item_known, scores, rough))
    return float(np.sqrt(np.mean((scores - test[2]) ** 2)))


def tune(name: str, method: str, train: Part) -> None:
    """Print a grid's results on a tenth of the training part, the best last."""
    held = np.random.default_rng(100).random(len(train[0])) < 0.1
    fit, check = _part(train, ~held), _part(train, held)
    grid, found = GRIDS[name][method], []
    for values in itertools.product(*grid.values()):
        settings = dict(zip(grid, values, strict=True))
        found.append((round(rmse(RECIPES[method](**settings), fit, check), 4), settings))
    for value, settings in sorted(found, key=lambda row: -row[0])[-12:]:
        line = {"set": name, "method": method, "validation_rmse": value, "settings": settings}
        print(json.dumps(line), flush=True)


def report(name: str, method: str, parts: list[tuple[Part, Part]]) -> None:
    """Fit the chosen settings on every split and print the mean test RMSE."""
    settings, began = CHOSEN[name][method], time.perf_counter()
    runs = []
    for number, (train, test) in enumerate(parts):
        seed = number if name == "ml-1m" else 0
        runs.append(rmse(RECIPES[method](**settings, seed=seed), train, test))
    line = {
        "benchmark": f"{name}, " + ("90/10 random" if name == "ml-1m" else "official folds"),
        "method": method,
        "settings": settings,
        "rmse": round(mean(runs), 4),
        "runs": [round(r, 4) for r in runs],
        "must": TARGETS[name][method],
        "ok": mean(runs) <= TARGETS[name][method],
        "seconds": round((time.perf_counter() - began) / len(runs), 2),
        "matweave": version("matweave"),
    }
    print(json.dumps(line), flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--tune", action="store_true", help="search the grids on a validation cut")
    parser.add_argument("--sets", default=",".join(CHOSEN))
    parser.add_argument("--methods", default=",".join(RECIPES))
    given = parser.parse_args(arguments)
    for name in given.sets.split(","):
        parts = splits(name, given.data)
        for method in given.methods.split(","):
            if given.tune:
                tune(name, method, parts[0][0])
            else:
                report(name, method, parts)


if __name__ == "__main__":
    main()
