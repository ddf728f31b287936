"""BPR, WARP and LogisticMF on the given split of NCF (He et al. 2017): HR@10 and nDCG@10 over 99 given negatives.

    python benchmarks/quality/pairwise_ncf.py [--data DIR] [--tune] [--methods bpr,warp,logistic_mf]

The protocol is that of `ncf_linear.py`. Settings were chosen by hand on its validation cut, each user's last training row held out, with one
seed; `--tune` searches the grid about them on the same cut, and does not open the test files. Published for BPR: 0.6305 / 0.3730; measured here with the peers' best of a few settings
(rank 64): cornac BPR 0.688 / 0.408, lightfm WARP 0.692 / 0.415, implicit BPR 0.602 / 0.354 (its negatives are
drawn by popularity). One JSON line a method: the mean of three seeds, and each seed.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ncf_linear import judge, log_of, settings_of, table, test_candidates, validation_cut  # beside this file

from matweave.factor.bpr import BPR
from matweave.factor.logistic_mf import LogisticMF
from matweave.factor.warp import WARP

RECIPES = {"bpr": BPR, "warp": WARP, "logistic_mf": LogisticMF}

CHOSEN = {
    "bpr": {"rank": 128, "regularization": 0.004, "epochs": 60},
    "warp": {"rank": 128, "regularization": 0.01, "max_norm": 2.5, "max_sampled": 30, "epochs": 30},
    "logistic_mf": {"rank": 32, "alpha": 10.0, "regularization": 20.0, "learning_rate": 0.3, "epochs": 60},
}

GRIDS = {
    "bpr": {
        "rank": [64, 128, 256],
        "regularization": [0.003, 0.004, 0.005, 0.0075, 0.01],
        "epochs": [60, 100],
    },
    "warp": {
        "rank": [64, 128, 256],
        "regularization": [0.0, 0.01],
        "max_norm": [None, 2.0, 2.5, 3.0],
        "max_sampled": [10, 30, 100],
        "epochs": [20, 30],
    },
    "logistic_mf": {
        "rank": [16, 32, 64],
        "alpha": [3.0, 10.0, 30.0],
        "regularization": [10.0, 20.0, 40.0],
        "epochs": [60, 100],
    },
}

MUST = {"bpr": (0.69, 0.41), "warp": (0.695, 0.415)}


def tune(name: str, rows: np.ndarray) -> None:
    """Print a grid's results on the validation cut, one seed, the best sum of HR@10 and nDCG@10 last."""
    kept, candidates = validation_cut(rows)
    log, found = log_of(kept), []
    for settings in settings_of(GRIDS[name]):
        hr, ndcg = judge(RECIPES[name](**settings).fit(log), candidates)
        found.append({"validation_ndcg@10": round(ndcg, 4), "hr@10": round(hr, 4), "settings": settings})
    for line in sorted(found, key=lambda line: line["validation_ndcg@10"] + line["hr@10"])[-12:]:
        print(json.dumps({"method": name, **line}), flush=True)


def report(name: str, rows: np.ndarray, candidates: np.ndarray, seeds: tuple[int, ...] = (0, 1, 2)) -> dict:
    """The chosen settings on the whole training file, judged on the test files."""
    log, began = log_of(rows), time.perf_counter()
    runs = [judge(RECIPES[name](**CHOSEN[name], seed=seed).fit(log), candidates) for seed in seeds]
    hr, ndcg = (float(v) for v in np.mean(runs, axis=0))
    line = {
        "benchmark": "ncf-ml-1m, leave-one-out, 99 given negatives",
        "method": name,
        "settings": CHOSEN[name],
        "seeds": len(seeds),
        "hr@10": round(hr, 4),
        "ndcg@10": round(ndcg, 4),
        "by_seed": [[round(v, 4) for v in run] for run in runs],
    }
    if name in MUST:
        line |= {"must": MUST[name], "ok": hr >= MUST[name][0] and ndcg >= MUST[name][1]}
    return line | {
        "seconds": round((time.perf_counter() - began) / len(seeds), 2),
        "matweave": version("matweave"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--tune", action="store_true", help="search the grids on the validation cut")
    parser.add_argument("--methods", default=",".join(RECIPES))
    given = parser.parse_args()
    folder = given.data / "ncf-ml-1m"
    rows = table(folder / "ml-1m.train.rating.gz")
    for name in given.methods.split(","):
        if given.tune:
            tune(name, rows)
        else:
            print(json.dumps(report(name, rows, test_candidates(folder))), flush=True)


if __name__ == "__main__":
    main()
