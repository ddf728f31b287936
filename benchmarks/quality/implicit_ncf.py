"""ImplicitALS, rank 192, on the given split of NCF (He et al. 2017): HR@10 and nDCG@10 over 99 given negatives.

    python benchmarks/quality/implicit_ncf.py [--data DIR] [--tune]

The protocol is that of `ncf_linear.py`. Settings were chosen by `--tune` alone, on each user's next-to-last rating
held out of the training rows; the test files are not opened there. Published: 0.7294 / 0.4523 (Rendle et al. 2021,
arXiv 2110.14037, iALS at d = 192). One JSON line: the mean of three seeds, and each seed.
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

from matweave.factor.implicit_als import ImplicitALS

CHOSEN = {
    "rank": 192,
    "unobserved_weight": 0.2,
    "regularization": 0.008,
    "regularization_exponent": 1.0,
    "epochs": 16,
    "init_scale": 0.1,
    "tolerance": 0.0,
}
GRID = {
    "unobserved_weight": [0.2, 0.25, 0.3, 0.4],
    "regularization": [0.005, 0.006, 0.007, 0.008, 0.009],
    "epochs": [4, 6, 8, 12, 16],
}
MUST = (0.729, 0.452)


def tune(rows: np.ndarray, seeds: tuple[int, ...] = (0, 1, 2)) -> list[dict]:
    """Results on the validation cut, mean of the seeds, the best nDCG@10 last."""
    kept, candidates = validation_cut(rows)
    log, found = log_of(kept), []
    for settings in settings_of(GRID):
        runs = [
            judge(ImplicitALS(**{**CHOSEN, **settings, "seed": seed}).fit(log), candidates) for seed in seeds
        ]
        hr, ndcg = np.mean(runs, axis=0)
        found.append({"validation_ndcg@10": round(ndcg, 4), "hr@10": round(hr, 4), "settings": settings})
    return sorted(found, key=lambda line: line["validation_ndcg@10"])


def report(rows: np.ndarray, candidates: np.ndarray, seeds: tuple[int, ...] = (0, 1, 2)) -> dict:
    """The chosen settings on the whole training file, judged on the test files."""
    log, began = log_of(rows), time.perf_counter()
    runs = [judge(ImplicitALS(**{**CHOSEN, "seed": seed}).fit(log), candidates) for seed in seeds]
    hr, ndcg = np.mean(runs, axis=0)
    return {
        "benchmark": "ncf-ml-1m, leave-one-out, 99 given negatives",
        "method": "implicit_als",
        "settings": CHOSEN,
        "seeds": len(seeds),
        "hr@10": round(float(hr), 4),
        "ndcg@10": round(float(ndcg), 4),
        "by_seed": [[round(v, 4) for v in run] for run in runs],
        "must": MUST,
        "ok": bool(hr >= MUST[0] and ndcg >= MUST[1]),
        "seconds": round((time.perf_counter() - began) / len(seeds), 2),
        "matweave": version("matweave"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--tune", action="store_true", help="search the grid on the validation cut")
    given = parser.parse_args()
    folder = given.data / "ncf-ml-1m"
    rows = table(folder / "ml-1m.train.rating.gz")
    for line in tune(rows) if given.tune else [report(rows, test_candidates(folder))]:
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
