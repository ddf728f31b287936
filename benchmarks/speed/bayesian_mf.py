"""BayesianMF beside SMURFF and myFM: seconds a Gibbs sweep on ml-1m, 90/10 at random (seed 0), rank 32, two threads.

    python benchmarks/speed/bayesian_mf.py [--data DIR] [--peers DIR] [--sweeps 100] [--repeats 3]

Each side runs its own Gibbs sampler for as many sweeps from a log in memory, in a process of its own, and is timed by the sweep: the
median of the times between its steps, after the first five. Ours draws biases, two full Wishart precisions and the noise; SMURFF
(BPMF) two full Wishart precisions, the noise adaptive, no biases; myFM (one thread: it has no more) one
variance a column, by coordinates, with biases. RMSE: of the mean over the later half of the sweeps, clipped, on the test part.
The sides alternate; medians are compared with the fastest peer's. One JSON line a side; environments are PEERS/smurff
and PEERS/myfm (see ../README.md). Memory: the process's peak in MB, the data included.
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

THREADS, RANK = 2, 32

HEAD = """
import json, resource, sys, time
import numpy as np
from importlib.metadata import version
z = np.load(sys.argv[1])
sweeps, rank, threads = (int(word) for word in sys.argv[2:5])
train = [z[n] for n in ("users", "items", "values")]
test = [z["test_" + n] for n in ("users", "items", "values")]
def told(marks, scores, who, settings):
    steps = np.diff(marks)[5:]
    guess = np.clip(scores, 1, 5)
    print("RESULT", json.dumps({
        "sweep": float(np.median(steps)), "rmse": float(np.sqrt(np.mean((guess - test[2]) ** 2))),
        "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024), "version": version(who), "settings": settings}))
"""

OURS = """
from matweave.data.interactions import Interactions
from matweave.factor.bayesian_mf import BayesianMF
from matweave.threads import set_threads
set_threads(threads)
log = Interactions.from_codes(*train[:2], values=train[2], n_users=6040, n_items=int(max(train[1].max(), test[1].max())) + 1)
BayesianMF(rank=rank, burn_in=1, samples=2, thinning=1).fit(log)  # compiles, or loads what is compiled
marks = []
half = sweeps // 2
model = BayesianMF(rank=rank, burn_in=sweeps - half, samples=half, thinning=1).fit(
    log, watch=lambda state, epochs: marks.append(time.perf_counter()))
scores = model.pair_scores(model.known(np.arange(log.n_users)), *test[:2])
told(marks, scores, "matweave", "defaults but for the sweeps")
"""

SMURFF = """
import scipy.sparse as sp
import smurff
shape = (6040, int(max(train[1].max(), test[1].max())) + 1)
middle = train[2].mean()
known, held = (sp.coo_matrix((part[2] - middle, (part[0], part[1])), shape=shape) for part in (train, test))
half = sweeps // 2
session = smurff.BPMFSession(
    known, Ytest=held, is_scarce=True, num_latent=rank, burnin=sweeps - half, nsamples=half, num_threads=threads, verbose=0, seed=0)
session.init()
marks = [time.perf_counter()]
while session.step():
    marks.append(time.perf_counter())
found = sorted(session.getTestPredictions(), key=lambda p: p.coords)
order = np.lexsort((test[1], test[0]))
scores = np.empty(len(test[2]))
scores[order] = [p.pred_avg + middle for p in found]
told(marks, scores, "smurff", "BPMFSession, values minus their mean")
"""

MYFM = """
import scipy.sparse as sp
import myfm
columns = 6040 + int(max(train[1].max(), test[1].max())) + 1
def design(part):
    n = len(part[2])
    at = np.stack([part[0], 6040 + part[1]], 1).ravel()
    return sp.csr_matrix((np.ones(2 * n), at, np.arange(0, 2 * n + 1, 2)), shape=(n, columns))
marks = []
def watch(i, fm, hyper, history):
    marks.append(time.perf_counter())
    return False, None
model = myfm.MyFMRegressor(rank=rank, random_seed=0)
model.fit(design(train), train[2].astype(float), n_iter=sweeps, n_kept_samples=sweeps // 2, callback=watch,
          grouping=[0] * 6040 + [1] * (columns - 6040))
told(marks, model.predict(design(test)), "myfm", "MyFMRegressor, groups of users and items, one thread")
"""

SIDES = {"matweave": OURS, "smurff": SMURFF, "myfm": MYFM}


def ratings(data: Path) -> dict[str, np.ndarray]:
    """The train and test parts by name."""
    with gzip.open(data / "ml-1m" / "ratings.dat.gz") as file:
        rows = np.array(file.read().replace(b"::", b" ").split(), dtype=np.int64).reshape(-1, 4)
    users, items = (np.unique(rows[:, c], return_inverse=True)[1].astype(np.int32) for c in (0, 1))
    held = np.random.default_rng(0).random(len(rows)) < 0.1
    columns = {"users": users, "items": items, "values": rows[:, 2].astype(np.float32)}
    return {n: a[~held] for n, a in columns.items()} | {f"test_{n}": a[held] for n, a in columns.items()}


def timed(python: Path, code: str, file: Path, sweeps: int) -> dict | None:
    """One run in a process of its own; None where the environment is absent."""
    if not python.exists():
        return None
    held = {name: str(THREADS) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MATWEAVE_THREADS")}
    done = subprocess.run(
        [python, "-c", HEAD + code, file, str(sweeps), str(RANK), str(THREADS)],
        capture_output=True, text=True, check=False, env={**os.environ, **held},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "peers")))
    parser.add_argument("--sweeps", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    runs: dict[str, list[dict]] = {who: [] for who in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npz"
        np.savez(file, allow_pickle=False, **ratings(given.data))
        for _ in range(given.repeats):
            for who, code in SIDES.items():
                own = Path(sys.executable) if who == "matweave" else given.peers / who / "bin" / "python"
                found = timed(own, code, file, given.sweeps)
                if found is not None:
                    runs[who].append(found)
    sweep = {who: median(run["sweep"] for run in some) for who, some in runs.items() if some}
    fastest = min((seconds for who, seconds in sweep.items() if who != "matweave"), default=None)
    for who, some in runs.items():
        line = {
            "benchmark": "a Gibbs sweep, ml-1m 90/10, rank 32",
            "who": who,
            "threads": 1 if who == "myfm" else THREADS,
        }
        if some:
            line |= {
                **some[0],
                "sweep": round(sweep[who], 4),
                "all": [round(run["sweep"], 4) for run in some],
                "rmse": round(some[0]["rmse"], 4),
                "sweeps": given.sweeps,
                "ratio": fastest and round(sweep[who] / fastest, 3),
            }
        else:
            line["not_measured"] = f"no environment at {given.peers / who}"
        line |= {"machine": platform.machine(), "load": round(os.getloadavg()[0], 2)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
