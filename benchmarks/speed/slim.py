"""SLIM beside LensKit and scikit-learn on one objective: seconds to the weights of 3,706 items (ncf-ml-1m), two threads.

    python benchmarks/speed/slim.py [--data DIR] [--peers DIR] [--repeats 3] [--l1 5] [--l2 200] [--columns 40]

Objective: ½|X - XW|² + l2/2 |W|² + l1 |W|₁ over W >= 0 with a zero diagonal; LensKit's `l1_reg` and `l2_reg` are the same
numbers. Every side starts from the training log in memory and ends with the weights; the objective each reached is summed in
float64 here (what a lower one is worth: the quality of both is that of the same weights). scikit-learn's ElasticNet takes
minutes for all items, so it solves --columns of them, drawn at random, and its time is scaled up. RecTools 0.19 has no SLIM.
LensKit runs once in a process of its own, in which its log is made before the clock starts. Peak memory is of the process.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
import scipy.sparse as sp

from matweave.data.interactions import Interactions
from matweave.evaluation.machine import peak_memory
from matweave.factor.slim import SLIM
from matweave.threads import set_threads

THREADS = 2
SHAPE = (6040, 3706)

PEER = """
import json, os, resource, sys, time
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "2"
os.environ["LK_NUM_THREADS"] = os.environ["LK_NUM_BACKEND_THREADS"] = os.environ["RAYON_NUM_THREADS"] = "2"
import warnings; warnings.simplefilter("ignore")
import numpy as np, pandas as pd, scipy.sparse as sp
from importlib.metadata import version
from lenskit.data import from_interactions_df
from lenskit.knn import SLIMScorer
from lenskit.training import TrainingOptions
z = np.load(sys.argv[1])
log = from_interactions_df(pd.DataFrame(dict(user_id=z["users"], item_id=z["items"])))
model = SLIMScorer(l1_reg=float(sys.argv[2]), l2_reg=float(sys.argv[3]))
began = time.perf_counter(); model.train(log, TrainingOptions(rng=0)); spent = time.perf_counter() - began
w = sp.coo_array(model.weights); ids = np.asarray(model.items.ids())
np.savez(sys.argv[4], rows=ids[w.row], columns=ids[w.col], values=w.data)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print("RESULT", json.dumps({"seconds": spent, "peak_mb": peak, "version": version("lenskit")}))
"""


def objective(x: sp.csr_array, w: sp.csr_array, l1: float, l2: float) -> float:
    """The objective of all columns, in float64, by blocks of users."""
    total = l1 * float(abs(w).sum()) + 0.5 * l2 * float(w.multiply(w).sum())
    for low in range(0, x.shape[0], 512):
        rest = (x[low : low + 512] - x[low : low + 512] @ w).toarray()
        total += 0.5 * float((rest.astype(np.float64) ** 2).sum())
    return total


def ours(users: np.ndarray, items: np.ndarray, l1: float, l2: float) -> tuple[float, float, sp.csr_array]:
    """Seconds of the whole fit, the log's sparse form included, peak memory, and the weights."""
    log = Interactions.from_codes(users, items, n_users=SHAPE[0], n_items=SHAPE[1])
    with peak_memory() as peak:
        began = time.perf_counter()
        model = SLIM(regularization=l2, l1=l1).fit(log)
        spent = time.perf_counter() - began
    return spent, peak[0], model.weights.matrix.scipy()


def lenskit(
    python: Path, users: np.ndarray, items: np.ndarray, l1: float, l2: float
) -> tuple[dict, sp.csr_array] | None:
    """Its figures and weights; None where it is not installed."""
    if not python.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder) / "rows.npz", Path(folder) / "weights.npz"
        np.savez(table, users=users, items=items)
        words = [python, "-c", PEER, table, str(l1), str(l2), out]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
        w = np.load(out)
        found = sp.csr_array((w["values"], (w["rows"], w["columns"])), shape=(SHAPE[1], SHAPE[1]))
    return json.loads(line.removeprefix("RESULT ")), found


def scikit_learn(
    x: sp.csr_array, columns: int, l1: float, l2: float
) -> tuple[float, sp.csc_array, np.ndarray]:
    """Seconds scaled to all items, and the weights of those that were solved."""
    from sklearn.linear_model import ElasticNet

    chosen = np.sort(np.random.default_rng(0).choice(SHAPE[1], columns, replace=False))
    table, found = x.tocsc().astype(np.float64), []
    table.indptr, table.indices = table.indptr.astype(np.int32), table.indices.astype(np.int32)
    net = ElasticNet(
        alpha=(l1 + l2) / SHAPE[0], l1_ratio=l1 / (l1 + l2), positive=True, fit_intercept=False,
        tol=1e-4, max_iter=1000, selection="cyclic",
    )  # fmt: skip
    began = time.perf_counter()
    for j in chosen:
        target = table[:, [j]].toarray().ravel()
        held = table.data[table.indptr[j] : table.indptr[j + 1]].copy()
        table.data[table.indptr[j] : table.indptr[j + 1]] = 0  # the item does not predict itself
        found.append(net.fit(table, target).sparse_coef_)
        table.data[table.indptr[j] : table.indptr[j + 1]] = held
    spent = (time.perf_counter() - began) * SHAPE[1] / columns
    return spent, sp.csc_array(sp.vstack(found).T), chosen


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "peers")))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--l1", type=float, default=5.0)
    parser.add_argument("--l2", type=float, default=200.0)
    parser.add_argument("--columns", type=int, default=40)
    given = parser.parse_args(arguments)
    set_threads(THREADS)
    with gzip.open(given.data / "ncf-ml-1m" / "ml-1m.train.rating.gz") as file:
        rows = np.array(file.read().split(), dtype=np.int64).reshape(-1, 4)
    users, items = rows[:, 0], rows[:, 1]
    x = sp.csr_array((np.ones(len(rows), np.float32), (users, items)), shape=SHAPE)
    penalties = given.l1, given.l2
    ours(users, items, *penalties)  # compiles
    runs = [ours(users, items, *penalties) for _ in range(given.repeats)]
    mine = median(run[0] for run in runs)
    w = runs[0][2]
    lines = [
        {"who": "matweave", "version": version("matweave"), "seconds": round(mine, 3),
         "all": [round(run[0], 3) for run in runs], "peak_mb": round(max(run[1] for run in runs)),
         "weights": w.nnz, "objective": round(objective(x, w, *penalties), 1)}
    ]  # fmt: skip
    peer = lenskit(given.peers / "lenskit" / "bin" / "python", users, items, *penalties)
    if peer is None:
        lines.append({"who": "lenskit", "not_measured": f"no environment at {given.peers / 'lenskit'}"})
    else:
        found, theirs = peer
        lines.append(
            {"who": "lenskit", "version": found["version"], "seconds": round(found["seconds"], 3),
             "peak_mb": round(found["peak_mb"]), "weights": theirs.nnz,
             "objective": round(objective(x, theirs, *penalties), 1), "ratio": round(mine / found["seconds"], 4)}
        )  # fmt: skip
    if given.columns:
        spent, theirs, chosen = scikit_learn(x, given.columns, *penalties)
        away = float(abs(theirs - sp.csc_array(w)[:, chosen]).max())
        lines.append(
            {"who": "scikit-learn", "version": version("scikit-learn"), "seconds": round(spent, 1),
             "solved": given.columns, "largest_difference": round(away, 5), "ratio": round(mine / spent, 4)}
        )  # fmt: skip
    name = f"SLIM, ncf-ml-1m, 3,706 items, l1 {given.l1:g}, l2 {given.l2:g}"
    for line in lines:
        line = {"benchmark": name, "threads": THREADS, **line, "machine": platform.machine()}
        print(json.dumps(line | {"load": round(os.getloadavg()[0], 2)}), flush=True)


if __name__ == "__main__":
    main()
