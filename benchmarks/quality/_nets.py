"""What the tables of networks share: train a recipe for several seeds on given parts, judge on the test part, one JSON line.

    python benchmarks/quality/NAME.py [--data DIR] [--seeds 3] [--valid]

`--valid` judges on a fifth held out of the training part instead and never opens the test part: settings were chosen by it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from matweave.app.progress import say
from matweave.data.holdout import hold_out
from matweave.data.targets import require_targets
from matweave.nets.network import Network
from matweave.threads import threads

Parts = Callable[[int], tuple[Any, Any]]
"""From a seed to the training and the test part; sets with a fixed split give the same for every seed."""


def arguments(doc: str | None) -> argparse.Namespace:
    """The options that every table has."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--valid", action="store_true", help="judge on a cut of the training part")
    parser.add_argument("--only", help="one row of the table, by a part of its name")
    return parser.parse_args()


def row(
    name: str, recipe: Network, parts: Parts, *, must: float, known: str, given: argparse.Namespace
) -> dict[str, Any]:
    """Train and judge for every seed; accuracies in percent, seconds of training for one seed."""
    found, seconds, size = [], [], 0
    for seed in range(given.seeds):
        train, test = parts(seed)
        if given.valid:
            cut = hold_out(train, 0.2, seed=seed, name="valid")
            train, test = cut.train, cut.test
        began = time.perf_counter()
        model = replace(recipe, seed=seed).fit(train)
        seconds.append(time.perf_counter() - began)
        targets = require_targets(test, "test").with_classes(model.classes or ())
        found.append(100 * float(np.mean(model.probabilities(test).argmax(1) == targets.values)))
        size = model.parameters
        say(f"{name}, seed {seed}: {found[-1]:.2f} % after {seconds[-1]:.0f} s")
    mean = float(np.mean(found))
    return {
        "benchmark": name,
        "net": recipe.net,
        "parameters": size,
        "settings": {k: v for k, v in vars(recipe).items() if v != getattr(Network(), k) and k != "seed"},
        "judged_on": "a fifth of the training part" if given.valid else "test",
        "accuracy": round(mean, 2),
        "by_seed": [round(a, 2) for a in found],
        "must": must,
        "ok": mean >= must,
        "known": known,
        "seconds": round(float(np.mean(seconds)), 1),
        "threads": threads(),
        "matweave": version("matweave"),
        "torch": version("torch"),
    }


def show(lines: Iterable[dict[str, Any]]) -> None:
    """Print as they come."""
    for line in lines:
        print(json.dumps(line, ensure_ascii=False), flush=True)


def wanted(given: argparse.Namespace, name: str) -> bool:
    """Whether a row was asked for."""
    return given.only is None or given.only in name
