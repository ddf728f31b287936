"""BiasedMF beside libmf: seconds to a test RMSE of 0.840 on ml-1m, 90/10 at random (seed 0), rank 64, two threads.

    python benchmarks/speed/biased_mf.py [--data DIR] [--peers DIR] [--repeats 5]

Each side fits with the settings that were chosen for it on a validation cut (libmf: the best of 12, L2 0.05, rate 0.05,
20 epochs) and is timed from a log in memory to its factors; the two alternate, and the medians are compared. libmf's
RMSE is computed from its factors, since its Python `predict` disagrees with them. Ours computes the exact objective
after every epoch, libmf does not. One JSON line a side; the peer's environment is PEERS/libmf (see ../README.md).
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

from matweave.data.interactions import Interactions
from matweave.factor.biased_mf import BiasedMF
from matweave.threads import set_threads

THREADS, RANK = 2, 64

LIBMF = """
import json, sys, time
import numpy as np
from importlib.metadata import version
from libmf import mf
z = np.load(sys.argv[1])
rows = np.ascontiguousarray(np.stack([z["users"], z["items"], z["values"]], 1), np.float32)
def fit(epochs):
    model = mf.MF(k=64, nr_threads=2, nr_bins=20, nr_iters=epochs, lambda_p2=0.05, lambda_q2=0.05, lambda_p1=0.0,
                  lambda_q1=0.0, eta=0.05, quiet=True)
    began = time.perf_counter()
    model.fit(rows)
    return model, time.perf_counter() - began
fit(1)
model, seconds = fit(20)
p, q = model.p_factors(), model.q_factors()
u, j, r = z["test_users"], z["test_items"], z["test_values"]
known = (u < len(p)) & (j < len(q))
guess = np.full(len(r), model.model.b)
guess[known] = (p[u[known]] * q[j[known]]).sum(1)
guess = np.clip(np.where(np.isnan(guess), model.model.b, guess), 1, 5)
print("RESULT", json.dumps({"seconds": seconds, "rmse": float(np.sqrt(np.mean((guess - r) ** 2))),
                            "version": version("libmf"), "settings": "L2 0.05, eta 0.05, 20 epochs"}))
"""


def ratings(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User codes, item codes, ratings of ml-1m."""
    with gzip.open(data / "ml-1m" / "ratings.dat.gz") as file:
        rows = np.array(file.read().replace(b"::", b" ").split(), dtype=np.int64).reshape(-1, 4)
    users, items = (np.unique(rows[:, c], return_inverse=True)[1].astype(np.int32) for c in (0, 1))
    return users, items, rows[:, 2].astype(np.float32)


def ours(train: tuple, test: tuple) -> dict:
    """One timed fit, from a log whose rows are in memory; nothing is cached between fits."""
    log = Interactions.from_codes(
        train[0], train[1], values=train[2], n_users=int(train[0].max()) + 1, n_items=int(test[1].max()) + 1
    )
    began = time.perf_counter()
    model = BiasedMF(rank=RANK).fit(log)
    seconds = time.perf_counter() - began
    guess = model.clip(model.pair_scores(model.known(np.arange(log.n_users)), test[0], test[1]))
    return {
        "seconds": seconds,
        "rmse": float(np.sqrt(np.mean((guess - test[2]) ** 2))),
        "version": version("matweave"),
        "settings": f"defaults, {len(model.history.objective)} epochs",
    }


def peer(python: Path, file: Path) -> dict | None:
    """One timed fit of libmf in a process of its own, after a warm-up; None where it is not installed."""
    if not python.exists():
        return None
    done = subprocess.run([python, "-c", LIBMF, file], capture_output=True, text=True, check=True)
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
    users, items, values = ratings(given.data)
    held = np.random.default_rng(0).random(len(users)) < 0.1
    train, test = ((users[p], items[p], values[p]) for p in (~held, held))
    ours(train, test)  # compiles, or loads the compiled kernels
    runs: dict[str, list[dict]] = {"matweave": [], "libmf": []}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npz"
        names = ("users", "items", "values")
        np.savez(
            file,
            **dict(zip(names, train, strict=True)),
            **{f"test_{n}": a for n, a in zip(names, test, strict=True)},
        )
        for _ in range(given.repeats):
            runs["matweave"].append(ours(train, test))
            theirs = peer(given.peers / "libmf" / "bin" / "python", file)
            if theirs is not None:
                runs["libmf"].append(theirs)
    base = median(r["seconds"] for r in runs["libmf"]) if runs["libmf"] else None
    for who, results in runs.items():
        line = {"benchmark": "biased mf, ml-1m 90/10, rank 64, to RMSE 0.840", "who": who, "threads": THREADS}
        if results:
            seconds = median(r["seconds"] for r in results)
            line |= {
                **results[0],
                "seconds": round(seconds, 4),
                "all": [round(r["seconds"], 3) for r in results],
            }
            line |= {"rmse": round(results[0]["rmse"], 4), "ratio": base and round(seconds / base, 3)}
        else:
            line["not_measured"] = f"no environment at {given.peers / who}"
        line |= {"machine": platform.machine(), "load": round(os.getloadavg()[0], 2)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
