"""SVDpp beside Surprise: seconds an epoch on ml-1m, 90/10 at random (seed 0), rank 20, two threads.

    python benchmarks/speed/svdpp.py [--data DIR] [--peers DIR] [--repeats 3] [--peer-epochs 1] [--epochs 20]

Each side runs in a process of its own, from rows in memory. Ours: the mean epoch of a fit of EPOCHS, the exact objective after each of
them included, which Surprise does not compute. Surprise (`cache_ratings`, its faster way, one thread as it is): the mean of a fit of
PEER-EPOCHS. RMSE on the test part stands beside each: with --peer-epochs 20, its default and an hour for three repeats, both are whole fits.
Memory: the highest of the process, its libraries and the rows included. One JSON line a side; the peer's environment is PEERS/surprise.
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

HEAD = """
import json, os, resource, sys, time
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = os.environ["MATWEAVE_THREADS"] = "2"
import numpy as np
from importlib.metadata import version
z, epochs = np.load(sys.argv[1]), int(sys.argv[2])
def told(learning, guess, **more):
    error = float(np.sqrt(np.mean((np.clip(guess, 1, 5) - z["test_values"]) ** 2)))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("RESULT", json.dumps({"seconds_per_epoch": learning / epochs, "rmse": error, "epochs": epochs, "mb": memory, **more}))
"""

OURS = (
    HEAD
    + """
from matweave.data.interactions import Interactions
from matweave.factor.svdpp import SVDpp
log = Interactions.from_codes(z["users"], z["items"], z["values"], n_users=int(z["shape"][0]), n_items=int(z["shape"][1]))
SVDpp(rank=20, epochs=1).fit(log)  # loads the compiled kernels
began = time.perf_counter()
model = SVDpp(rank=20, epochs=epochs).fit(log)
whole = time.perf_counter() - began
guess = model.pair_scores(model.known(np.arange(log.n_users)), z["test_users"], z["test_items"])
told(model.history.seconds, guess, fit_seconds=whole, version=version("matweave"))
"""
)

SURPRISE = (
    HEAD
    + """
import pandas as pd
from surprise import Dataset, Reader, SVDpp
rows = pd.DataFrame({"u": z["users"], "i": z["items"], "r": z["values"]})
train = Dataset.load_from_df(rows, Reader(rating_scale=(1, 5))).build_full_trainset()
model = SVDpp(n_factors=20, n_epochs=epochs, random_state=0, cache_ratings=True)
began = time.perf_counter()
model.fit(train)
whole = time.perf_counter() - began
guess = [model.predict(int(u), int(i)).est for u, i in zip(z["test_users"], z["test_items"])]
told(whole, np.array(guess), fit_seconds=whole, version=version("scikit-surprise"))
"""
)


def ratings(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User codes, item codes, ratings of ml-1m."""
    with gzip.open(data / "ml-1m" / "ratings.dat.gz") as file:
        rows = np.array(file.read().replace(b"::", b" ").split(), dtype=np.int64).reshape(-1, 4)
    users, items = (np.unique(rows[:, c], return_inverse=True)[1].astype(np.int32) for c in (0, 1))
    return users, items, rows[:, 2].astype(np.float32)


def run(python: Path, code: str, file: Path, epochs: int) -> dict | None:
    """One side in a process of its own; None where its environment is absent."""
    if not python.exists():
        return None
    done = subprocess.run([python, "-c", code, file, str(epochs)], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "peers")))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--peer-epochs", type=int, default=1)
    given = parser.parse_args(arguments)
    users, items, values = ratings(given.data)
    held = np.random.default_rng(0).random(len(users)) < 0.1
    sides = {
        "matweave": (Path(sys.executable), OURS, given.epochs),
        "surprise": (given.peers / "surprise" / "bin" / "python", SURPRISE, given.peer_epochs),
    }
    runs: dict[str, list[dict]] = {who: [] for who in sides}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npz"
        arrays = {"users": users, "items": items, "values": values}
        np.savez(
            file,
            shape=[users.max() + 1, items.max() + 1],
            **{name: a[~held] for name, a in arrays.items()},
            **{f"test_{name}": a[held] for name, a in arrays.items()},
        )
        for _ in range(given.repeats):
            for who, (python, code, epochs) in sides.items():
                found = run(python, code, file, epochs)
                if found is not None:
                    runs[who].append(found)
    base = median(r["seconds_per_epoch"] for r in runs["surprise"]) if runs["surprise"] else None
    for who, results in runs.items():
        line: dict = {"benchmark": "SVD++, ml-1m 90/10, rank 20, an epoch", "who": who, "threads": 2}
        if results:
            seconds = median(r["seconds_per_epoch"] for r in results)
            line |= {
                **results[0],
                "seconds_per_epoch": round(seconds, 4),
                "all": [round(r["seconds_per_epoch"], 4) for r in results],
            }
            line |= {
                "rmse": round(results[0]["rmse"], 4),
                "ratio": base and round(seconds / base, 5),
                "must": 0.02,
            }
        else:
            line["not_measured"] = f"no environment at {given.peers / who}"
        line |= {"machine": platform.machine(), "load": round(os.getloadavg()[0], 2)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
