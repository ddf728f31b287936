"""What growing and forgetting without a refit cost: with_users, with_items and without_users beside a full refit, on ml-1m.

    python benchmarks/quality/growth.py [--data DIR] [--methods implicit_als,explicit_als] [--seeds 3]

A tenth of the rows is held out at random (split 0 of ratings.py), and 300 users, 100 items or 300 users are drawn and left out of
training, in turn. `grown` takes them in (or out) by the verb, `refit` is the same recipe fitted on the whole log (or without
them). Told for the drawn users or items (for deletion: for those who stay): `apart`, the root mean square difference of
all scores over their spread in the refit; and the test measure of both: RMSE, or nDCG@10 of the users concerned. One JSON line a
method and verb, the mean of the seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ratings import splits  # beside this file

from matweave.data.interactions import Interactions
from matweave.evaluation.evaluate import evaluate
from matweave.factor.explicit_als import ExplicitALS
from matweave.factor.implicit_als import ImplicitALS
from matweave.factor.recommender import Recommender

RECIPES: dict[str, Any] = {
    "implicit_als": ImplicitALS(rank=64, epochs=16, solver="cholesky"),
    "explicit_als": ExplicitALS(rank=64, epochs=12, solver="cholesky"),
}
MEASURES = {"implicit_als": "ndcg", "explicit_als": "rmse"}
VERBS = ("with_users", "with_items", "without_users")


def scores(model: Recommender, users: list[Any], items: list[Any]) -> np.ndarray:
    """(users, items), by id."""
    rows = model.known(model.users.encode(users)[0])
    return model.scores(rows)[:, model.items.encode(items)[0]]


def one(name: str, verb: str, train: Interactions, test: Interactions, seed: int) -> dict[str, float]:
    """apart, both measures and both times for one draw."""
    recipe, rng = RECIPES[name], np.random.default_rng(seed)
    side = "item" if verb == "with_items" else "user"
    codes = getattr(train, f"{side}_codes")
    known = np.unique(codes)
    drawn = rng.choice(known, 100 if side == "item" else 300, replace=False)
    late = np.isin(codes, drawn)
    few = train.take(~late)
    if verb == "without_users":
        start, whole, ids = recipe.fit(train), few, train.users.decode(drawn).to_pylist()
    else:
        other = "user" if side == "item" else "item"
        met = np.isin(getattr(train, f"{other}_codes"), getattr(train, f"{other}_codes")[~late])
        start, whole, ids = recipe.fit(few), train.take(met), train.take(late & met)
    began = time.perf_counter()
    grown = getattr(start, verb)(ids)
    took = time.perf_counter() - began
    began = time.perf_counter()
    refit = recipe.fit(whole)
    refit_took = time.perf_counter() - began
    chosen = ids if verb == "without_users" else getattr(ids, f"{side}s").to_list()
    users = chosen if verb == "with_users" else whole.users.to_list()
    items = chosen if verb == "with_items" else whole.items.to_list()
    a, b = scores(grown, users, items), scores(refit, users, items)
    concerned = test.take(np.isin(test.user_codes, drawn) != (verb == "without_users"))
    if verb == "with_items":
        concerned = test.take(np.isin(test.item_codes, drawn))
    measure = MEASURES[name]
    judged = []
    for model in (grown, refit):
        found = evaluate(model, concerned, k=10, metrics=[measure])
        judged.append(next(iter(found.metrics.values())).mean)
    return {
        "apart": float(np.sqrt(np.mean((a - b) ** 2)) / b.std()),
        measure: judged[0],
        f"{measure}_refit": judged[1],
        "seconds": took,
        "refit_seconds": refit_took,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--methods", default=",".join(RECIPES))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    rows, held = splits("ml-1m", given.data)[0]
    whole = Interactions.from_codes(*(np.concatenate(pair) for pair in zip(rows, held, strict=True)))
    train, test = whole.take(np.arange(len(rows[0]))), whole.take(np.arange(len(rows[0]), len(whole)))
    for name in given.methods.split(","):
        for verb in VERBS:
            found = [one(name, verb, train, test, seed) for seed in range(given.seeds)]
            line = {"benchmark": "ml-1m, 90/10: grown without a refit", "method": name, "verb": verb}
            line |= {key: round(float(np.mean([run[key] for run in found])), 4) for key in found[0]}
            print(json.dumps(line | {"seeds": given.seeds, "matweave": version("matweave")}), flush=True)


if __name__ == "__main__":
    main()
