"""BPR, WARP and LogisticMF beside implicit, cornac and lightfm: seconds of an epoch of ncf-ml-1m (994,169 rows), rank 64, two threads.

    python benchmarks/speed/pairwise.py [--data DIR] [--peers DIR] [--repeats 5]

Each side fits with the settings chosen for it on a validation cut (peers: the better of a few at rank 64; ours: `quality/pairwise_ncf.py`'s, at rank 64),
and is timed over its epochs from a log in memory to its factors, in a process of its own; sides alternate, and the medians of seconds per
epoch are compared. One epoch is one sample (BPR) or one search for a violation (WARP) for each row. Quality beside it: HR@10 and nDCG@10
over the 99 given negatives of the test files. BPR's bar is implicit, which is faster than cornac; its negatives are drawn by popularity.
One more run of ours shows how it grows: at twice the rank. One JSON line a side; environments: ../README.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

THREADS = 2
SHAPE = (6040, 3706)

HEAD = """
import json, os, resource, sys, time
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = os.environ["MATWEAVE_THREADS"] = "2"
import warnings; warnings.simplefilter("ignore")
import numpy as np
from importlib.metadata import version
z = np.load(sys.argv[1]); users, items, candidates = z["users"], z["items"], z["candidates"]
rank = int(sys.argv[2]); shape = (6040, 3706)

def judge(x, y, c):
    s = np.einsum("ur,ucr->uc", x, y[candidates]) + c[candidates]
    other = candidates[:, 1:] != candidates[:, :1]
    place = (other & (s[:, 1:] > s[:, :1])).sum(1) + 0.5 * (other & (s[:, 1:] == s[:, :1])).sum(1)
    hit = place < 10
    return float(hit.mean()), float((hit / np.log2(place + 2)).mean())

def tell(package, seconds, epochs, x, y, c, settings):
    hr, ndcg = judge(x, y, c)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("RESULT", json.dumps({"seconds": seconds / epochs, "hr@10": hr, "ndcg@10": ndcg, "peak_mb": round(peak),
                                "version": version(package), "settings": settings}))
"""

OURS = """
from matweave.data.interactions import Interactions
from matweave.factor.{module} import {name}
log = Interactions.from_codes(users, items, n_users=shape[0], n_items=shape[1])
{name}(**{{**{settings}, "rank": rank, "epochs": 1}}).fit(log)  # compiles, or loads what was compiled
log = Interactions.from_codes(users, items, n_users=shape[0], n_items=shape[1])
began = time.perf_counter()
model = {name}(**{settings}, rank=rank).fit(log)
seconds = time.perf_counter() - began
x, y, c = model.user_factors, model.item_factors, model.item_bias
tell("matweave", seconds, len(model.history.objective), x, y, c, {settings})
"""

IMPLICIT = """
import scipy.sparse as sp
from implicit.{module} import {name}
log = sp.csr_matrix((np.ones(len(users), np.float32), (users, items)), shape=shape)
made = {name}({settings}, factors=rank, num_threads=2, use_gpu=False, random_state=0)
began = time.perf_counter(); made.fit(log, show_progress=False); seconds = time.perf_counter() - began
tell("implicit", seconds, made.iterations, made.user_factors, made.item_factors, np.zeros(shape[1]), "{said}")
"""

CORNAC = (
    HEAD
    + """
from cornac.data import Dataset
from cornac.models import BPR
log = Dataset.from_uir(list(zip(users.tolist(), items.tolist(), [1.0] * len(users))), seed=0)
made = BPR(k=rank, max_iter=60, learning_rate=0.05, lambda_reg=0.01, num_threads=2, seed=0)
began = time.perf_counter(); made.fit(log); seconds = time.perf_counter() - began
x, y, c = np.zeros((shape[0], rank)), np.zeros((shape[1], rank)), np.full(shape[1], -9.0)
x[list(log.uid_map)] = made.u_factors; y[list(log.iid_map)] = made.i_factors; c[list(log.iid_map)] = made.i_biases
tell("cornac", seconds, 60, x, y, c, "lr 0.05, reg 0.01, 60 epochs")
"""
)

LIGHTFM = (
    HEAD
    + """
import scipy.sparse as sp
from lightfm import LightFM
log = sp.coo_matrix((np.ones(len(users), np.float32), (users, items)), shape=shape)
made = LightFM(no_components=rank, loss="warp", learning_rate=0.05, random_state=0)
began = time.perf_counter(); made.fit(log, epochs=10, num_threads=2); seconds = time.perf_counter() - began
tell("lightfm", seconds, 10, made.user_embeddings, made.item_embeddings, made.item_biases, "lr 0.05, no reg, 10 epochs, 10 draws")
"""
)


def ours(module: str, name: str, **settings: object) -> str:
    """The program of one of our methods."""
    return HEAD + OURS.format(module=module, name=name, settings=settings)


IMPLICIT_BPR = "learning_rate=0.05, regularization=0.02, iterations=60"
IMPLICIT_LMF = "learning_rate=1.0, regularization=0.6, iterations=30"

SIDES = {
    "BPR": {
        "matweave": ours("bpr", "BPR", regularization=0.004, epochs=60),
        "implicit": HEAD
        + IMPLICIT.format(
            module="bpr",
            name="BayesianPersonalizedRanking",
            settings=IMPLICIT_BPR,
            said="lr 0.05, reg 0.02, 60 epochs",
        ),
        "cornac": CORNAC,
    },
    "WARP": {
        "matweave": ours("warp", "WARP", regularization=0.01, max_norm=3.0, max_sampled=30, epochs=20),
        "lightfm": LIGHTFM,
    },
    "LogisticMF": {
        "matweave": ours("logistic_mf", "LogisticMF", alpha=10.0, regularization=20.0, epochs=60),
        "implicit": HEAD
        + IMPLICIT.format(
            module="lmf",
            name="LogisticMatrixFactorization",
            settings=IMPLICIT_LMF,
            said="defaults: lr 1, reg 0.6, 30 epochs, 30 sampled unseen cells per seen one",
        ),
    },
}
"""What runs, side by side; the second of each is the bar."""


def table(path: Path) -> np.ndarray:
    """Rows of user, item, rating, time."""
    with gzip.open(path, "rb") as file:
        return np.array(file.read().split(), dtype=np.int64).reshape(-1, 4)


def prepared(data: Path, file: Path) -> None:
    """Training rows and (users, 100) candidates, the test item first, for every side's process."""
    rows, target = (table(data / "ncf-ml-1m" / f"ml-1m.{part}.rating.gz") for part in ("train", "test"))
    with gzip.open(data / "ncf-ml-1m" / "ml-1m.test.negative.gz", "rt") as lines:
        negative = np.array([line.split("\t")[1:] for line in lines], dtype=np.int64)
    candidates = np.concatenate([target[:, 1:2], negative], axis=1)
    np.savez(
        file,
        users=rows[:, 0].astype(np.int32),
        items=rows[:, 1].astype(np.int32),
        candidates=candidates,
    )


def once(python: Path, code: str, file: Path, rank: int = 64) -> dict | None:
    """One timed fit in a process of its own; None where the side is not installed."""
    if not python.exists():
        return None
    done = subprocess.run([python, "-c", code, file, str(rank)], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "peers")))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--methods", default=",".join(SIDES))
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npz"
        prepared(given.data, file)
        for method in given.methods.split(","):
            compared(method, file, given.peers, given.repeats)


def compared(method: str, file: Path, peers: Path, repeats: int) -> None:
    """Run the sides of a method in turns, and print a line for each."""
    pythons = {
        who: Path(sys.executable) if who == "matweave" else peers / who / "bin" / "python"
        for who in SIDES[method]
    }
    runs: dict[str, list[dict]] = {who: [] for who in pythons}
    for _ in range(repeats):
        for who, python in pythons.items():
            found = once(python, SIDES[method][who], file)
            if found is not None:
                runs[who].append(found)
    bar = list(SIDES[method])[1]
    base = median(r["seconds"] for r in runs[bar]) if runs[bar] else None
    for who, results in runs.items():
        line = {"benchmark": f"{method} epoch, ncf-ml-1m, rank 64", "who": who, "threads": THREADS}
        if results:
            seconds = median(r["seconds"] for r in results)
            line |= {**results[0], "seconds": round(seconds, 4)}
            line |= {"hr@10": round(results[0]["hr@10"], 4), "ndcg@10": round(results[0]["ndcg@10"], 4)}
            line |= {
                "all": [round(r["seconds"], 4) for r in results],
                "ratio": base and round(seconds / base, 3),
            }
        else:
            line["not_measured"] = f"no environment at {pythons[who].parent.parent}"
        if who == "matweave" and results:
            wide = once(pythons[who], SIDES[method][who], file, 128)
            line["seconds_at_rank_128"] = wide and round(wide["seconds"], 4)
        line |= {"machine": platform.machine(), "load": round(os.getloadavg()[0], 2)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
