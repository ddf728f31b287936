"""Full-ranking nDCG@10 of 6,040 users of ml-1m from factors, then ten metrics in one pass, beside RecBole's evaluator.

    python benchmarks/speed/evaluation.py [--data DIR] [--peers DIR]

Rank 64 (truncated SVD of the training part), the 80/20 split of seed 7, training items left out; two threads
(set OPENBLAS_NUM_THREADS=2 and MATWEAVE_THREADS=2). All times start at the factors and end at the mean. The peer
gets its Collector and Evaluator, scores by blocks of 512 users, and the same factors. Median of warm calls.
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
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as sparse_linalg

K, RANK = 10, 64
TEN = [
    "ndcg",
    "recall",
    "precision",
    "hit_rate",
    "average_precision",
    "mrr",
    "coverage",
    "gini",
    "novelty",
    "popularity_lift",
]

RECBOLE = """
import sys, json, time
import numpy as np, torch, scipy.sparse as sp
torch.set_num_threads(2)
from recbole.config import Config
from recbole.evaluator import Collector, Evaluator
import recbole
sys.argv, path = sys.argv[:1], sys.argv[1]
a = np.load(path); X, Y, n, m = a["X"], a["Y"], len(a["X"]), len(a["Y"])
rows = lambda name: sp.csr_matrix((np.ones(len(a[name + "_indices"]), np.float32), a[name + "_indices"], a[name + "_indptr"]), shape=(n, m))
train, test = rows("train"), rows("test")
config = Config(model="BPR", dataset="ml-100k", config_dict=dict(metrics=["NDCG"], topk=[10], valid_metric="NDCG@10",
    use_gpu=False, show_progress=False, state="ERROR", metric_decimal_place=10))
evaluator, collector = Evaluator(config), Collector(config)
def once():
    for b in range(0, n, 512):
        scores = torch.from_numpy(X[b:b + 512] @ Y.T)
        u, i = train[b:b + 512].nonzero()
        scores[torch.from_numpy(u).long(), torch.from_numpy(i).long()] = -np.inf
        u, i = test[b:b + 512].nonzero()
        collector.eval_batch_collect(scores, None, torch.from_numpy(u).long(), torch.from_numpy(i).long())
    return float(evaluator.evaluate(collector.get_data_struct())["ndcg@10"])
once(); times = []
for _ in range(7):
    start = time.perf_counter(); value = once(); times.append(time.perf_counter() - start)
print(json.dumps({"seconds": sorted(times)[3], "value": value, "version": recbole.__version__}))
"""


def split(data: Path) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    with gzip.open(data / "ml-1m" / "ratings.dat.gz") as f:
        table = np.array(f.read().replace(b"::", b" ").split(), dtype=np.int64).reshape(-1, 4)
    users, items = (np.unique(table[:, c], return_inverse=True)[1] for c in (0, 1))
    held = np.random.default_rng(7).random(len(users)) < 0.2
    shape = int(users.max()) + 1, int(items.max()) + 1
    parts = [
        sp.csr_matrix((np.ones(s.sum(), np.float32), (users[s], items[s])), shape=shape)
        for s in (~held, held)
    ]
    return parts[0], parts[1]


def median(work: Callable[[], object], repeats: int = 9) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "peers")))
    args = parser.parse_args()
    peer_python = args.peers / "recbole" / "bin" / "python"

    from matweave.linalg.topk import top_k_factors
    from matweave.metrics.evidence import Evidence
    from matweave.metrics.table import measure, parse_all

    train, test = split(args.data)
    n, m = train.shape
    u, s, vt = sparse_linalg.svds(train.astype(np.float64), RANK, v0=np.ones(min(n, m)))
    X, Y = (u * s).astype(np.float32), np.ascontiguousarray(vt.T).astype(np.float32)
    seen, relevant = (train.indptr, train.indices), (test.indptr, test.indices)
    popularity = np.bincount(train.indices, minlength=m)

    def ours(names: list[str]) -> dict[str, float]:
        codes, _, counts = top_k_factors(X, Y, k=K, leave_out=seen)
        evidence = Evidence(
            codes=codes,
            counts=counts,
            relevant=relevant,
            n_items=m,
            popularity=popularity,
            n_users=n,
            histories=seen,
        )
        return {name: float(np.nanmean(v)) for name, v in measure(parse_all(names, k=K), evidence).items()}

    def emit(what: str, who: str, seconds: float, **more: object) -> None:
        machine = {
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 2),
            "python": platform.python_version(),
        }
        row = {"what": what, "who": who, "seconds": round(seconds, 5)} | more | {"machine": machine}
        print(json.dumps(row), flush=True)

    one = median(lambda: ours(["ndcg"]))
    ten = median(lambda: ours(TEN))
    peer = None
    if peer_python.exists():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "case.npz"
            rows = {
                f"{name}_{part}": getattr(a, part)
                for name, a in (("train", train), ("test", test))
                for part in ("indptr", "indices")
            }
            np.savez(path, X=X, Y=Y, **rows)
            command = [str(peer_python), "-W", "ignore", "-c", RECBOLE, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        if done.returncode:
            raise SystemExit(done.stderr)
        peer = json.loads(done.stdout.strip().splitlines()[-1])
    what = f"nDCG@{K}, full ranking of {m} items, {n} users, rank {RANK}"
    value = ours(["ndcg"])["ndcg@10"]
    everyone = (
        value * np.count_nonzero(np.diff(test.indptr)) / n
    )  # the peer counts users without test items as 0
    if peer:
        emit(what, f"RecBole {peer['version']}", peer["seconds"], value=round(peer["value"], 6))
    ratio = {"ratio_to_recbole": round(one / peer["seconds"], 3)} if peer else {}
    emit(
        what, "matweave", one, value=round(value, 6), value_over_all_users=round(float(everyone), 6), **ratio
    )
    emit(
        "ten metrics in one pass, same lists",
        "matweave",
        ten,
        ratio_to_one=round(ten / one, 3),
        values=ours(TEN),
    )


if __name__ == "__main__":
    main()
