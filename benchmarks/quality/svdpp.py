"""RMSE of SVDpp, ProbabilisticMF and masked NMF on ml-1m, 90/10 at random, the three splits of `ratings.py`.

    python benchmarks/quality/svdpp.py [--data DIR] [--tune] [--methods "svdpp;nmf, masked"]

Settings were chosen by hand on a tenth of the training part of split 0, held out; `--tune` searches the grid about them there, and looks at
no test part. Without `--tune` the chosen settings are fitted on the training part of splits 0, 1, 2 with seeds 0, 1, 2 and judged on their test parts: one JSON
line a method. Predictions are clipped to the range of training; unseen users and items get the mean and known biases.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from ratings import Part, splits  # beside this file

from matweave.data.interactions import Interactions
from matweave.evaluation.rating_protocol import predicted_ratings
from matweave.factor.nmf import NMF
from matweave.factor.probabilistic_mf import ProbabilisticMF
from matweave.factor.svdpp import SVDpp

PMF = {"rank": 32, "regularization": 16.0}
CHOSEN: dict[str, tuple[Any, dict[str, Any]]] = {
    "svdpp": (
        SVDpp,
        {
            "rank": 128,
            "regularization": 0.026,
            "learning_rate": 0.04,
            "implicit_rate": 0.08,
            "init_scale": 0.002,
            "epochs": 16,
        },
    ),
    "svdpp, defaults": (SVDpp, {}),
    "probabilistic_mf": (ProbabilisticMF, {**PMF, "regularization": 14.0}),
    "probabilistic_mf, adaptive": (ProbabilisticMF, {**PMF, "priors": "adaptive", "prior_share": 0.3}),
    "probabilistic_mf, adaptive, constrained": (
        ProbabilisticMF,
        {**PMF, "priors": "adaptive", "prior_share": 0.5, "constrained": True},
    ),
    "nmf, masked": (NMF, {"rank": 32, "missing": "masked", "regularization": 0.08}),
    "nmf, masked, kl": (NMF, {"rank": 16, "missing": "masked", "loss": "kl", "regularization": 0.03}),
}
GRIDS: dict[str, dict[str, list]] = {
    "svdpp": {
        "rank": [64, 128],
        "regularization": [0.026, 0.03, 0.034],
        "learning_rate": [0.04, 0.05],
        "implicit_rate": [0.08, 0.12],
        "epochs": [12, 16],
    },
    "probabilistic_mf": {"rank": [16, 32], "regularization": [10.0, 14.0, 18.0]},
    "probabilistic_mf, adaptive": {
        "rank": [32, 64],
        "regularization": [12.0, 16.0, 20.0],
        "prior_share": [0.3, 0.5],
    },
    "probabilistic_mf, adaptive, constrained": {
        "rank": [32, 64],
        "regularization": [12.0, 16.0, 20.0],
        "history_regularization": [0.3, 1.0, 3.0],
    },
    "nmf, masked": {"rank": [8, 16, 32], "regularization": [0.04, 0.06, 0.08, 0.12]},
    "nmf, masked, kl": {"rank": [8, 16, 32], "regularization": [0.01, 0.02, 0.04]},
}
MUST = {"svdpp": 0.840}


def log_of(part: Part) -> Interactions:
    """A log with the file's own ids."""
    return Interactions.of(users=part[0], items=part[1], values=part[2])


def rmse(recipe: Any, train: Part, test: Part) -> float:
    """Fit on one part, judge on the other."""
    judged = log_of(test)
    found, _ = predicted_ratings(recipe.fit(log_of(train)), judged)
    assert judged.values is not None
    return float(np.sqrt(np.mean((found.astype(np.float64) - judged.values) ** 2)))


def tune(method: str, train: Part) -> list[dict]:
    """Results on a tenth of the training part, the best last."""
    held = np.random.default_rng(100).random(len(train[0])) < 0.1
    fit, check = (tuple(column[rows] for column in train) for rows in (~held, held))
    kind, chosen = CHOSEN[method]
    grid, found = GRIDS[method], []
    for values in itertools.product(*grid.values()):
        settings = {**chosen, **dict(zip(grid, values, strict=True))}
        value = round(rmse(kind(**settings), fit, check), 4)
        found.append({"method": method, "validation_rmse": value, "settings": settings})
    return sorted(found, key=lambda line: -line["validation_rmse"])


def report(method: str, parts: list[tuple[Part, Part]]) -> dict:
    """The chosen settings on every split."""
    (kind, settings), began = CHOSEN[method], time.perf_counter()
    runs = [rmse(kind(**settings, seed=seed), *part) for seed, part in enumerate(parts)]
    line = {
        "benchmark": "ml-1m, 90/10 random",
        "method": method,
        "settings": settings,
        "rmse": round(mean(runs), 4),
        "runs": [round(r, 4) for r in runs],
    }
    if method in MUST:
        line |= {"must": MUST[method], "ok": mean(runs) <= MUST[method]}
    return line | {
        "seconds": round((time.perf_counter() - began) / len(runs), 2),
        "matweave": version("matweave"),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--tune", action="store_true", help="search the grids on a validation cut")
    parser.add_argument("--methods", help="separated by ;", default=None)
    given = parser.parse_args(arguments)
    parts = splits("ml-1m", given.data)
    methods = given.methods.split(";") if given.methods else list(GRIDS if given.tune else CHOSEN)
    for method in methods:
        for line in tune(method, parts[0][0])[-8:] if given.tune else [report(method, parts)]:
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
