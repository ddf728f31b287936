"""Top 10 for all users of ml-1m with seen items left out, and one user of a million items: ours beside peers.

    python benchmarks/speed/topk.py [--data DIR] [--peers DIR]

Rank 64, random factors, the 80/20 split of seed 7; two threads (set OPENBLAS_NUM_THREADS=2 and MATWEAVE_THREADS=2).
One JSON line per row: median seconds, and the ratio to NumPy's mask + argpartition measured in the same run.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

K, RANK = 10, 64

IMPLICIT = """
import sys, json, time
import numpy as np, scipy.sparse as sp, implicit
a = np.load(sys.argv[1]); X, Y, n, m = a["X"], a["Y"], len(a["X"]), len(a["Y"])
seen = sp.csr_matrix((np.ones(len(a["indices"]), np.float32), a["indices"], a["indptr"]), shape=(n, m))
model = implicit.cpu.als.AlternatingLeastSquares(factors=X.shape[1], num_threads=2)
model.user_factors, model.item_factors = X, Y
times = []
for _ in range(7):
    start = time.perf_counter()
    model.recommend(np.arange(n), seen, N=10)
    times.append(time.perf_counter() - start)
print(json.dumps({"seconds": sorted(times)[3], "version": implicit.__version__}))
"""


def train_rows(data: Path) -> tuple[np.ndarray, np.ndarray, int, int]:
    """indptr and indices of the training part, and the number of users and items."""
    with gzip.open(data / "ml-1m" / "ratings.dat.gz") as f:
        table = np.array(f.read().replace(b"::", b" ").split(), dtype=np.int64).reshape(-1, 4)
    users, items = (np.unique(table[:, c], return_inverse=True)[1] for c in (0, 1))
    train = np.random.default_rng(7).random(len(users)) >= 0.2
    n, m = int(users.max()) + 1, int(items.max()) + 1
    order = np.lexsort((items[train], users[train]))
    indptr = np.r_[0, np.cumsum(np.bincount(users[train], minlength=n))]
    return indptr, items[train][order].astype(np.int32), n, m


def median(work: Callable[[], object], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def emit(what: str, who: str, seconds: float, numpy_seconds: float, **more: object) -> None:
    row = {
        "what": what,
        "who": who,
        "seconds": round(seconds, 5),
        "ratio_to_numpy": round(seconds / numpy_seconds, 3),
    }
    versions = {"numpy": np.__version__, "python": platform.python_version()}
    machine = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2), **versions}
    print(json.dumps(row | more | {"machine": machine}), flush=True)


def numpy_all(
    X: np.ndarray, Y: np.ndarray, indptr: np.ndarray, indices: np.ndarray, block: int = 512
) -> np.ndarray:
    out = []
    for a in range(0, len(X), block):
        S = X[a : a + block] @ Y.T
        lengths = np.diff(indptr[a : a + len(S) + 1])
        S[np.repeat(np.arange(len(S)), lengths), indices[indptr[a] : indptr[a + len(S)]]] = -np.inf
        top = np.argpartition(S, len(Y) - K, axis=1)[:, len(Y) - K :]
        out.append(np.take_along_axis(top, np.argsort(-np.take_along_axis(S, top, 1), 1), 1))
    return np.concatenate(out)


def numpy_one(x: np.ndarray, Y: np.ndarray) -> np.ndarray:
    s = Y @ x
    top = np.argpartition(s, len(s) - K)[len(s) - K :]
    return top[np.argsort(-s[top])]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "peers")))
    args = parser.parse_args()
    peer_python = args.peers / "implicit" / "bin" / "python"

    from matweave.linalg.topk import top_k_factors, top_k_one

    rng = np.random.default_rng(0)
    indptr, indices, n, m = train_rows(args.data)
    X, Y = (rng.normal(size=(size, RANK)).astype(np.float32) for size in (n, m))
    same = (
        numpy_all(X, Y, indptr, indices) == top_k_factors(X, Y, k=K, leave_out=(indptr, indices))[0]
    ).mean()
    theirs = median(lambda: numpy_all(X, Y, indptr, indices), 5)
    what = f"top {K} of {m} items for {n} users, seen left out, rank {RANK}"
    emit(what, "numpy mask + argpartition", theirs, theirs)
    ours = median(lambda: top_k_factors(X, Y, k=K, leave_out=(indptr, indices)), 9)
    emit(what, "matweave", ours, theirs, same_as_numpy=round(float(same), 6))
    product = median(lambda: X @ Y.T, 9)
    emit(what, "numpy product alone, no mask, no selection", product, theirs)
    if peer_python.exists():
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "factors.npz"
            np.savez(path, X=X, Y=Y, indptr=indptr, indices=indices)
            env = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
            done = subprocess.run(
                [str(peer_python), "-W", "ignore", "-c", IMPLICIT, str(path)],
                capture_output=True,
                text=True,
                env=env,
            )
        if done.returncode:
            raise SystemExit(done.stderr)
        peer = json.loads(done.stdout)
        emit(what, f"implicit {peer['version']} recommend", peer["seconds"], theirs)

    Y = rng.normal(size=(1_000_000, RANK)).astype(np.float32)
    x, what = X[0], f"top {K} of a million items, one user, rank {RANK}"
    theirs = median(lambda: numpy_one(x, Y), 30)
    emit(what, "numpy product + argpartition", theirs, theirs)
    ours = median(lambda: top_k_one(x, Y, k=K), 60)
    emit(
        what, "matweave", ours, theirs, same_as_numpy=bool((numpy_one(x, Y) == top_k_one(x, Y, k=K)[0]).all())
    )
    emit(what, "numpy product alone", median(lambda: Y @ x, 30), theirs)


if __name__ == "__main__":
    main()
