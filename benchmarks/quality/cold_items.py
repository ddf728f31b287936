"""Items on their first day: recall@20 among items of ml-1m that no model has seen, by titles, genres and DBpedia abstracts.

    python benchmarks/quality/cold_items.py [--only content_factors] [--device cuda] [--seeds 3] [--valid] [--stop] [--data DIR]

For each seed `split_cold_items(log, test=0.1, valid=0.1, seed)`: 371 test and 371 other validation items, drawn by chance; all methods are
fitted on the rows of the remaining 2,964 items. Lists of 20 are made of the test items alone, for each user with a row among them; every
rating counts as relevant. Settings were chosen on the validation items of seed 0, with `--valid`, where the test items' rows
are used by nobody. `--stop` ends training by recall@20 on the validation items. One JSON line a method: the mean of the seeds, and each.

The content methods must reach twice the recall of popularity by genres, and pass the cosine of tf-idf vectors (nearest_text), on each seed.
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

from matweave.app.progress import epochs
from matweave.config import settings_of
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.data.read import read_interactions
from matweave.data.read_content import read_content
from matweave.data.split import Split
from matweave.data.split_cold import split_cold_items
from matweave.evaluation.evaluate import evaluate, validation
from matweave.factor.content_baselines import attribute_popularity, nearest_text
from matweave.factor.recommender import Recommender
from matweave.neural.content_factors import ContentFactors
from matweave.neural.two_tower import TwoTower

BASELINES = {"attribute_popularity": attribute_popularity, "nearest_text": nearest_text}
RECIPES: dict[str, Any] = {
    "content_factors": ContentFactors(dropout=0.5, learning_rate=0.001, epochs=25, width=256),
    "two_tower": TwoTower(epochs=1, batch_size=2048, learning_rate=0.003),
}
TIMES, K = 2.0, 20


def data(folder: Path) -> tuple[Interactions, ItemContent]:
    """The log, and titles, genres and abstracts under the ids of the log."""
    films = read_content(
        folder / "movies.dat.gz",
        columns=["id", "title", "genres"],
        text="title",
        attributes="genres",
        encoding="latin-1",
    )
    plots = read_content(folder / "dbpedia_abstracts.json.gz")
    return read_interactions(folder / "ratings.dat.gz"), films.joined(plots)


def recall(model: Recommender, part: Interactions) -> float:
    """recall@20 among the items of the part."""
    found = evaluate(model, part, metrics=[f"recall@{K}"], among=part.items, resamples=2)
    return found.metrics[f"recall@{K}"].mean


def fitted(
    name: str, split: Split, content: ItemContent, seed: int, given: argparse.Namespace
) -> Recommender:
    """One method on one split."""
    if name in BASELINES:
        return BASELINES[name](split.train, content)
    chosen = settings_of(RECIPES[name]) | {"seed": seed, "device": given.device} | json.loads(given.set)
    stop = None
    if given.stop:
        assert split.valid is not None
        stop = validation(split.valid, metric=f"recall@{K}", among=split.valid.items, patience=5)
    with epochs(f"{name}, seed {seed}") as show:
        return type(RECIPES[name])(**chosen).fit(split.train, content=content, validate=stop, watch=show)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--only", help="methods, by parts of their names, with commas between")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--valid", action="store_true", help="judge on the validation items")
    parser.add_argument("--stop", action="store_true", help="stop training by the validation items")
    parser.add_argument("--set", default="{}", help='other settings, as JSON: {"dropout": 0.4}')
    given = parser.parse_args()
    log, content = data(given.data / "ml-1m")
    asked = [n for n in RECIPES if not given.only or any(part in n for part in given.only.split(","))]
    splits = [split_cold_items(log, seed=seed) for seed in range(given.seeds)]
    found: dict[str, list[float]] = {}
    for name in (*BASELINES, *asked):
        began, runs = time.perf_counter(), []
        for seed, split in enumerate(splits):
            part = split.valid if given.valid else split.test
            assert part is not None
            runs.append(recall(fitted(name, split, content, seed, given), part))
        found[name] = runs
        line: dict[str, Any] = {
            "benchmark": f"ml-1m, cold items, recall@{K} among {'validation' if given.valid else 'test'} items",
            "method": name,
            "settings": {} if name in BASELINES else settings_of(RECIPES[name]) | json.loads(given.set),
            f"recall@{K}": round(float(np.mean(runs)), 4),
            "by_seed": [round(run, 4) for run in runs],
            "seconds": round((time.perf_counter() - began) / len(runs), 1),
            "matweave": version("matweave"),
        }
        if name in RECIPES:
            popular, nearest = (np.array(found[base]) for base in BASELINES)
            mine = np.array(runs)
            line["times_popularity"] = [round(float(t), 2) for t in mine / popular]
            line["over_nearest_text"] = [round(float(d), 4) for d in mine - nearest]
            line["ok"] = bool((mine >= TIMES * popular).all() and (mine > nearest).all())
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
