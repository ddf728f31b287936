"""EASE beside SciPy's Cholesky inverse, RecTools and LensKit: seconds to the weights of 3,706 items (ncf-ml-1m), two threads.

    python benchmarks/speed/ease.py [--data DIR] [--peers DIR] [--repeats 5]

Every side starts from the training log in memory, in the shape it takes (a sparse matrix; codes for ours), and ends
with the weights, λ = 500. The bar is the route anyone can write: sparse Gram matrix, Cholesky factor and `spotri` by
SciPy. Sides alternate; medians are compared. `difference` is the largest distance to the bar's weights.
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
import scipy.linalg as sl
import scipy.sparse as sp

from matweave.data.interactions import Interactions
from matweave.evaluation.machine import peak_memory
from matweave.factor.ease import EASE
from matweave.threads import blas_threads, set_threads

THREADS, REGULARIZATION = 2, 500.0
SHAPE = (6040, 3706)

HEAD = """
import json, os, resource, sys, time
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "2"
os.environ["LK_NUM_THREADS"] = os.environ["LK_NUM_BACKEND_THREADS"] = "2"
import warnings; warnings.simplefilter("ignore")
import numpy as np, pandas as pd
from importlib.metadata import version
z = np.load(sys.argv[1]); best = []
"""

PEERS = {
    "rectools": HEAD
    + """
from rectools.dataset import Dataset
from rectools.models import EASEModel
rows = pd.DataFrame(dict(user_id=z["users"], item_id=z["items"], weight=1.0, datetime=pd.Timestamp("2000-01-01")))
log = Dataset.construct(rows)
for _ in range(2):
    model = EASEModel(regularization=500); began = time.perf_counter(); model.fit(log)
    best.append(time.perf_counter() - began)
print("RESULT", json.dumps({"seconds": best[-1], "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "version": version("rectools")}))
""",
    "lenskit": HEAD
    + """
from lenskit.data import from_interactions_df
from lenskit.knn import EASEScorer
from lenskit.training import TrainingOptions
log = from_interactions_df(pd.DataFrame(dict(user_id=z["users"], item_id=z["items"])))
for _ in range(2):
    model = EASEScorer(regularization=500); began = time.perf_counter(); model.train(log, TrainingOptions(rng=0))
    best.append(time.perf_counter() - began)
print("RESULT", json.dumps({"seconds": best[-1], "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "version": version("lenskit")}))
""",
}


def scipy_route(train: sp.csr_matrix) -> tuple[float, np.ndarray]:
    """Sparse Gram matrix, Cholesky factor, spotri, mirror, scale."""
    n = train.shape[1]
    with blas_threads(THREADS):
        began = time.perf_counter()
        gram = (train.T @ train).toarray()
        gram[np.diag_indices(n)] += REGULARIZATION
        factor = sl.cholesky(gram.T, lower=True, overwrite_a=True, check_finite=False)
        (spotri,) = sl.get_lapack_funcs(("potri",), (factor,))
        inverse = np.tril(spotri(factor, lower=1, overwrite_c=1)[0])
        inverse += np.tril(inverse, -1).T
        weights = inverse / -np.diag(inverse)
        weights[np.diag_indices(n)] = 0
        return time.perf_counter() - began, weights


def ours(users: np.ndarray, items: np.ndarray) -> tuple[float, np.ndarray]:
    """The whole fit; the log's sparse form is made inside the clock."""
    log = Interactions.from_codes(users, items, n_users=SHAPE[0], n_items=SHAPE[1])
    began = time.perf_counter()
    model = EASE(regularization=REGULARIZATION).fit(log)
    return time.perf_counter() - began, model.weights.matrix


def peer(python: Path, code: str, file: Path) -> dict | None:
    """The second of two fits in a process of its own; None where the peer is not installed."""
    if not python.exists():
        return None
    done = subprocess.run([python, "-c", code, file], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "peers")))
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args(arguments)
    set_threads(THREADS)
    with gzip.open(given.data / "ncf-ml-1m" / "ml-1m.train.rating.gz") as file:
        rows = np.array(file.read().split(), dtype=np.int64).reshape(-1, 4)
    users, items = rows[:, 0], rows[:, 1]
    train = sp.csr_matrix((np.ones(len(rows), np.float32), (users, items)), shape=SHAPE)
    bar, mine = scipy_route(train)[1], ours(users, items)[1]
    difference = float(np.abs(bar - mine).max())
    times: dict[str, list[float]] = {"matweave": [], "scipy": []}
    peaks: dict[str, float] = {}
    for _ in range(given.repeats):
        with peak_memory() as peak:
            times["matweave"].append(ours(users, items)[0])
        peaks["matweave"] = max(peaks.get("matweave", 0.0), peak[0])
        with peak_memory() as peak:
            times["scipy"].append(scipy_route(train)[0])
        peaks["scipy"] = max(peaks.get("scipy", 0.0), peak[0])
    versions = {"matweave": version("matweave"), "scipy": version("scipy")}
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "rows.npz"
        np.savez(table, users=users, items=items)
        for name, code in PEERS.items():
            found = peer(given.peers / name / "bin" / "python", code, table)
            times[name] = [found["seconds"]] if found else []
            versions[name] = found["version"] if found else ""
            peaks[name] = found["mb"] if found else 0.0
    for who, seconds in times.items():
        line = {"benchmark": "EASE, ncf-ml-1m, 3,706 items, λ 500", "who": who, "threads": THREADS}
        if seconds:
            line |= {"version": versions[who], "seconds": round(median(seconds), 4)}
            line |= {"all": [round(s, 3) for s in seconds], "peak_mb": round(peaks[who])}
            line |= {"ratio": round(median(seconds) / median(times["scipy"]), 3)}
        else:
            line["not_measured"] = f"no environment at {given.peers / who}"
        if who == "matweave":
            line["difference"] = difference
        line |= {"machine": platform.machine(), "load": round(os.getloadavg()[0], 2)}
        print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
