"""Autoencoders on ml-1m: RMSE of AutoRec (90/10 at random), and lists for users never trained on (strong generalization).

    python benchmarks/quality/autoencoders.py [--data DIR] [--device auto] [--seeds 3] [--only "auto_rec,mult_vae from factors"] [--valid] [--tune] [--set METHOD.NAME=VALUE]

Ratings: the three splits of `ratings.py`, as in Sedhain et al. 2015; a test user or item without a training rating is given 3, as
there. Lists: ratings of 4 and more, users of at least 5 such; 600 test and 600 validation users held out whole (`split_by_user`), 80 % of
their rows folded in, nDCG@100 on the others (Liang et al. 2018, section 4.2, on their ML-20M). A seed is a split and the draws.

Settings were chosen by a tenth of the training part of split 0, or by the validation users, alone; `--valid` judges on these, and `--tune` searches a grid on them (one line for each of its settings,
best last), so that the test part is not looked at. Networks for lists stop early on the validation users of their own split. "from factors":
started from ImplicitALS as its row has it. One JSON line a method.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from ratings import Part, splits  # beside this file

import matweave as mw
from matweave.app.catalogue import recipes_of
from matweave.config import settings_of
from matweave.data.interactions import Interactions
from matweave.data.split import Split
from matweave.factor.loop import Validation

MUST_RMSE = 0.834
METRIC, PATIENCE, FROM = "ndcg@100", 10, " from factors"
LISTS: dict[str, dict[str, Any]] = {
    "popularity": {},
    "ease": {"regularization": 500.0},
    "implicit_als": {"rank": 128, "unobserved_weight": 0.3, "regularization": 0.007, "epochs": 16},
    "mult_dae": {"layers": 0, "batch_size": 100, "weight_decay": 3e-4, "epochs": 150},
    "mult_vae": {
        "layers": 0,
        "batch_size": 100,
        "weight_decay": 1e-3,
        "dropout": 0.3,
        "anneal_steps": 3000,
        "epochs": 200,
    },
    "mult_vae from factors": {
        "layers": 0,
        "batch_size": 100,
        "weight_decay": 3e-4,
        "dropout": 0.3,
        "anneal_steps": 3000,
        "epochs": 150,
    },
    "rec_vae": {"epochs": 60},
    "rec_vae from factors": {"batch_size": 100, "dropout": 0.3, "epochs": 60},
}
RATINGS: dict[str, dict[str, Any]] = {
    "auto_rec": {
        "regularization": 150.0,
        "input_regularization": 600.0,
        "batch_size": 4096,  # all items at once
        "learning_rate": 0.003,
        "epochs": 81,
    }
}
GRIDS: dict[str, dict[str, list]] = {
    "auto_rec": {
        "regularization": [100.0, 150.0, 200.0, 300.0],
        "input_regularization": [500.0, 600.0, 800.0, 2000.0],
        "learning_rate": [0.001, 0.002, 0.003],
    },
    "ease": {"regularization": [100.0, 250.0, 500.0, 750.0, 1000.0, 2000.0]},
    "implicit_als": {
        "unobserved_weight": [0.05, 0.1, 0.2, 0.3],
        "regularization": [0.003, 0.007, 0.01, 0.03],
        "rank": [64, 128, 256],
    },
    "mult_dae": {"rank": [128, 200], "dropout": [0.5, 0.6], "weight_decay": [1e-4, 3e-4]},
    "mult_vae": {"weight_decay": [3e-4, 1e-3, 2e-3], "dropout": [0.15, 0.3, 0.5]},
    "rec_vae": {"gamma": [0.0025, 0.005, 0.01], "dropout": [0.3, 0.5, 0.7]},
}


def rmse(recipe: Any, train: Part, test: Part, *, stop: bool = False) -> tuple[float, int]:
    """Fit on one part, judge on the other: RMSE, and the epochs it took; stop: early, by the part that is judged."""
    users, user_codes = np.unique(train[0], return_inverse=True)
    items, item_codes = np.unique(train[1], return_inverse=True)
    at_user = np.minimum(np.searchsorted(users, test[0]), len(users) - 1)
    at_item = np.minimum(np.searchsorted(items, test[1]), len(items) - 1)
    known = (users[at_user] == test[0]) & (items[at_item] == test[1])

    def error(model: Any) -> float:
        scores = model.pair_scores(model.known(np.arange(len(users))), at_user, at_item.astype(np.int32))
        scores = np.where(known, model.clip(scores), 3.0)
        return float(np.sqrt(np.mean((scores - test[2]) ** 2)))

    look = (
        Validation(measure=lambda model: -error(model), patience=4, every=3, name="-rmse") if stop else None
    )
    model = recipe.fit(Interactions.from_codes(user_codes, item_codes, values=train[2]), validate=look)
    return error(model), model.history.epoch


def cut(train: Part) -> tuple[Part, Part]:
    """A training part without a tenth of its rows, and those."""
    held = np.random.default_rng(100).random(len(train[0])) < 0.1
    return tuple(column[~held] for column in train), tuple(column[held] for column in train)  # type: ignore[return-value]


def liked(data: Path) -> Interactions:
    """Ratings of at least 4 of users with at least 5 of them."""
    log = mw.read_interactions(data / "ml-1m" / "ratings.dat.gz")
    assert log.values is not None
    log = log.take(log.values >= 4)
    return log.take(np.bincount(log.user_codes)[log.user_codes] >= 5)


def ndcg(recipe: Any, split: Split, *, valid: bool, start: Any = None) -> tuple[float, int]:
    """nDCG@100 of the test users, or of the validation users, and the epoch that was kept; start: a recipe whose factors
    a network begins with."""
    assert split.valid is not None
    network = "device" in recipe.__dataclass_fields__
    stop = (
        mw.validation(split.valid, metric=METRIC, patience=PATIENCE, known=split.valid_known)
        if network
        else None
    )
    init = start.fit(split.train) if network and start is not None else None
    model = recipe.fit(split.train, validate=stop, init=init) if network else recipe.fit(split.train)
    rows, known = (split.valid, split.valid_known) if valid else (split.test, split.test_known)
    return mw.evaluate(model, rows, metrics=[METRIC], known=known).metrics[METRIC].mean, model.history.epoch


def line(
    name: str, recipe: Any, runs: list[tuple[float, int]], seconds: float, **said: Any
) -> dict[str, Any]:
    """What is told of a method; the settings are those of its first seed."""
    values = [value for value, _ in runs]
    return {
        **said,
        "method": name,
        "settings": settings_of(recipe),
        "mean": round(mean(values), 4),
        "spread": round(stdev(values), 4) if len(values) > 1 else None,
        "runs": [round(value, 4) for value in values],
        "epochs": [epochs for _, epochs in runs],
        "seconds": round(seconds / len(runs), 1),
        "matweave": version("matweave"),
    }


def tune(
    names: list[str],
    data: Path,
    recipe: Callable[[str, dict[str, Any], int], Any],
    start: Callable[[str, int], Any],
) -> None:
    """Print a grid's results on validation data of seed 0, the best last; networks stop early."""
    for name in [name for name in names if name.removesuffix(FROM) in GRIDS]:
        grid, found = GRIDS[name.removesuffix(FROM)], []
        rated = cut(splits("ml-1m", data)[0][0]) if name in RATINGS else None
        split = None if rated else mw.split_by_user(liked(data), 600, 600, seed=0)
        for values in itertools.product(*grid.values()):
            settings = dict(zip(grid, values, strict=True)) | ({"epochs": 200} if rated else {})
            made = recipe(name, {**RATINGS.get(name, LISTS.get(name, {})), **settings}, 0)
            value, epoch = (
                rmse(made, *rated, stop=True)
                if rated
                else ndcg(made, split, valid=True, start=start(name, 0))
            )  # type: ignore[arg-type]
            found.append({"method": name, "valid": round(value, 4), "epoch": epoch, "settings": settings})
            print(json.dumps(found[-1]), flush=True)
        if found:
            best = (min if rated else max)(found, key=lambda row: row["valid"])
            print(json.dumps({"best": best}), flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default=",".join([*RATINGS, *LISTS]))
    parser.add_argument("--valid", action="store_true", help="judge on validation data, seed 0")
    parser.add_argument("--tune", action="store_true", help="search the grids on validation data, seed 0")
    parser.add_argument("--set", action="append", default=[], metavar="METHOD.NAME=VALUE")
    given = parser.parse_args(arguments)
    asked = given.only.split(",")
    seeds = range(1 if given.valid else given.seeds)

    def recipe(name: str, settings: dict[str, Any], seed: int) -> Any:
        kind = name.removesuffix(FROM)
        mine = [text for text in given.set if text.startswith(f"{kind}.")]
        usual = [f"{kind}.{n}={json.dumps(v)}" for n, v in settings.items() if not any(
            text.startswith(f"{kind}.{n}=") for text in mine
        )]  # fmt: skip
        made = recipes_of([kind], [*usual, *mine], seed)[kind]
        if "device" in made.__dataclass_fields__:
            made = replace(made, device=given.device)
        return made

    def start(name: str, seed: int) -> Any:
        return recipe("implicit_als", LISTS["implicit_als"], seed) if name.endswith(FROM) else None

    if given.tune:
        tune(asked, given.data, recipe, start)
        return

    part = "validation" if given.valid else "test"
    for name in [n for n in RATINGS if n in asked]:
        parts = splits("ml-1m", given.data)
        pairs = [cut(parts[0][0])] if given.valid else [parts[seed] for seed in seeds]
        began = time.perf_counter()
        runs = [rmse(recipe(name, RATINGS[name], seed), *pairs[seed]) for seed in seeds]
        found = line(name, recipe(name, RATINGS[name], 0), runs, time.perf_counter() - began,
                     benchmark="ml-1m, 90/10 random", metric="rmse", part=part)  # fmt: skip
        print(json.dumps({**found, "must": MUST_RMSE, "ok": found["mean"] <= MUST_RMSE}), flush=True)
    listed, log, best = [n for n in LISTS if n in asked], None, 0.0
    if listed:
        log = liked(given.data)
    for name in listed:
        assert log is not None
        began, runs = time.perf_counter(), []
        for seed in seeds:
            split = mw.split_by_user(log, 600, 600, seed=seed)
            runs.append(
                ndcg(recipe(name, LISTS[name], seed), split, valid=given.valid, start=start(name, seed))
            )
        found = line(name, recipe(name, LISTS[name], 0), runs, time.perf_counter() - began,
                     benchmark="ml-1m, ratings >= 4, 600 unseen users", metric=METRIC, part=part)  # fmt: skip
        if name in ("ease", "implicit_als"):
            best = max(best, found["mean"])
        if name.removesuffix(FROM) in ("mult_dae", "mult_vae", "rec_vae") and best:
            found |= {"must": round(best - 0.01, 4), "ok": found["mean"] >= best - 0.01}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
