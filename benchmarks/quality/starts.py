"""What a start from factors saves each neural recommender: epochs and seconds to equal quality, and the quality in the end.

    python benchmarks/quality/starts.py [--only SASRec] [--on ml-100k] [--seeds 3] [--seconds 60] [--threads 2] [--data DIR]

Each method is fitted twice on the same training part, once from its own random start and once with `init` from factors of its rank, 64 at most: ImplicitALS
for methods that rank, ExplicitALS for methods that predict ratings. Both stop early, by a look at the validation part every few epochs,
or after `--seconds` of training. The target is the best that the random start has on the validation part; told are the epochs and the seconds of
training until each network reaches it (the factors' own seconds counted, looks not; None: it does not), and what each kept, and the factors
alone, have on the test part.

Ranking: each user's last five rows are the test part, the five before them validation; nDCG@10, all items ranked but the user's training
items. Ratings: a tenth of the rows at random each; RMSE, told negative so that more is better. Three seeds of everything that is drawn by a fit. Settings are SETTINGS
below (BEGUN: what differs from factors), and the defaults where nothing stands; they were not tuned for this set. One JSON line a method.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median
from typing import Any

import matweave as mw
from matweave.app.catalogue import method as method_of
from matweave.app.progress import say
from matweave.deep import torch
from matweave.factor.loop import Validation
from matweave.factor.recommender import Recommender
from matweave.threads import set_threads

FILES = {"ml-100k": "ml-100k/u.data.gz", "ml-1m": "ml-1m/ratings.dat.gz"}
RANKING, RATING = "ndcg@10", "rmse"
WIDE = {"layers": 0, "batch_size": 100}
SETTINGS: dict[str, tuple[int, dict[str, Any]]] = {
    "GMF": (1, {"regularization": 0.007, "learning_rate": 0.003}),
    "NeuMF": (1, {"regularization": 0.005, "learning_rate": 0.003, "mlp_rank": 16, "width": 32}),
    "DeepMF": (2, {}),
    "LightGCN": (2, {}),
    "TwoTower": (1, {}),
    "MultDAE": (2, {**WIDE, "weight_decay": 3e-4}),
    "MultVAE": (2, {**WIDE, "weight_decay": 1e-4, "learning_rate": 0.003, "anneal_steps": 200}),
    "RecVAE": (2, {"batch_size": 100}),
    "GRU4Rec": (2, {}),
    "Caser": (1, {}),
    "SASRec": (2, {}),
    "BERT4Rec": (10, {"length": 100}),
    "DotProduct": (2, {}),
    "AutoRec": (4, {}),
}
"""Epochs between looks, and settings that differ from the defaults."""
BEGUN = {"GMF": {"learning_rate": 0.0005}, "NeuMF": {"learning_rate": 0.0005}}
"""Settings of the start from factors alone: at the random start's rate neither reached the target with any seed."""
PATIENCE, MOST = 6, 1000


def run(
    recipe: Any, split: mw.Split, metric: str, every: int, limit: float, init: Recommender | None
) -> tuple[list[tuple[int, float, float]], Recommender]:
    """(epoch, seconds of training, value on the validation part) of each look, and the model that was kept."""
    check = mw.validation(split.valid, metric=metric)
    looks: list[tuple[int, float, float]] = []
    looking, began = 0.0, time.perf_counter()

    def measure(model: Recommender) -> float:
        nonlocal looking
        start = time.perf_counter()
        value = check.measure(model)
        looks.append(((len(looks) + 1) * every, start - began - looking, value))
        looking += time.perf_counter() - start
        return value

    model = recipe.fit(
        split.train,
        validate=Validation(measure=measure, patience=PATIENCE, every=every, name=metric),
        watch=lambda state, _: time.perf_counter() - began - looking > limit,
        init=init,
    )
    return looks, model


def until(looks: list[tuple[int, float, float]], target: float) -> tuple[int, float] | None:
    """Epoch and seconds of the first look that has the target."""
    return next(((epoch, spent) for epoch, spent, value in looks if value >= target), None)


def row_of(name: str, splits: dict[str, mw.Split], given: argparse.Namespace) -> dict[str, Any]:
    """A method's line: means over seeds, and each seed's own figures."""
    every, settings = SETTINGS[name]
    kind = method_of(name)
    rates = getattr(kind, "predicts_values", False)
    metric = RATING if rates else RANKING
    split, sign = splits[metric], -1.0 if rates else 1.0
    found: list[dict[str, Any]] = []
    for seed in range(given.seeds):
        recipe = kind(**settings, epochs=MOST, device="cpu", seed=seed)
        rank = getattr(recipe, "rank", getattr(recipe, "hidden", 0))
        start = (mw.ExplicitALS if rates else mw.ImplicitALS)(rank=min(rank, 64), seed=seed)
        began = time.perf_counter()
        factors = start.fit(split.train)
        spent = time.perf_counter() - began

        def test(model: Recommender) -> float:
            return sign * mw.evaluate(model, split.test, metrics=[metric]).metrics[metric].mean

        plain, plain_model = run(recipe, split, metric, every, given.seconds, None)
        begun_recipe = replace(recipe, **BEGUN.get(name, {}))
        begun, begun_model = run(begun_recipe, split, metric, every, given.seconds, factors)
        begun = [(epoch, seconds + spent, value) for epoch, seconds, value in begun]
        target = max(value for _, _, value in plain)
        found.append(
            {
                "target": round(target, 4),
                "random start": until(plain, target),
                "from factors": until(begun, target),
                "best": [round(max(v for _, _, v in looks), 4) for looks in (plain, begun)],
                "test": [round(test(m), 4) for m in (factors, plain_model, begun_model)],
            }
        )
        say(f"{name} seed {seed}: {json.dumps(found[-1])}")
    return {
        "method": name,
        "metric": metric,
        "settings": settings,
        "every": every,
        **told(found),
        "seeds": found,
    }


def told(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of epochs and seconds over the seeds (None where fewer than all seeds reach), means of the rest."""
    line: dict[str, Any] = {}
    for side in ("random start", "from factors"):
        there = [row[side] for row in found]
        whole = None if None in there else [round(median(column), 1) for column in zip(*there, strict=True)]
        line[f"{side}, epochs and seconds"] = whole
        line[f"{side}, reached"] = sum(at is not None for at in there)
    names = ("factors alone", "random start", "from factors")
    line["test"] = {n: round(mean(row["test"][at] for row in found), 4) for at, n in enumerate(names)}
    return line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--on", choices=sorted(FILES), default="ml-100k")
    parser.add_argument("--only", default=",".join(SETTINGS), help="methods, joined by commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0, help="of training, at most, for each fit")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    names = [name.strip() for name in given.only.split(",")]
    unknown = [name for name in names if name not in SETTINGS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(SETTINGS)}")
    set_threads(given.threads)
    torch.set_num_threads(given.threads)
    log = mw.read_interactions(given.data / FILES[given.on])
    splits = {
        RANKING: mw.split_leave_last_out(log, n=5, valid=5),
        RATING: mw.split_randomly(log, test=0.1, valid=0.1, seed=0),
    }
    for name in names:
        line = row_of(name, splits, given)
        print(
            json.dumps(
                {
                    "benchmark": f"starts, {given.on}",
                    **line,
                    "threads": given.threads,
                    "matweave": version("matweave"),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
