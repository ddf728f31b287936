"""NMF beside scikit-learn (all cells) and cornac (seen cells), ml-1m, two threads.

    python benchmarks/speed/nmf.py [--data DIR] [--peers DIR] [--repeats 3] [--only frobenius,kl,masked] [--ranks 32,64]

frobenius, kl   The 994,169 clicks of ncf-ml-1m as ones, all cells, no penalty. scikit-learn (coordinate descent; for KL its
                multiplicative updates, the only way it has) runs ITERATIONS from a random start; ours starts at random as well and stops after
                the first epoch whose objective is no higher. Seconds to that objective, set-up included, are compared.
masked          ml-1m, ratings, 90/10 at random (seed 0): seconds to the better test RMSE of cornac's two ways, its defaults (k 15, 50 epochs)
                without and with biases, which a fit of ours at rank 16 with as few epochs as it takes must not exceed; beside it
                a whole fit of ours, and seconds an epoch of each. Ours computes its objective after every epoch.
Each side runs in a process of its own, rows in memory; memory is the highest of the process, its libraries included. One JSON line a side.
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

ITERATIONS = {"frobenius": 50, "kl": 30}

HEAD = """
import json, os, resource, sys, time, warnings
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = os.environ["MATWEAVE_THREADS"] = "2"
warnings.simplefilter("ignore")
import numpy as np
from importlib.metadata import version
z, ask = np.load(sys.argv[1]), json.loads(sys.argv[2])
def told(**more):
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("RESULT", json.dumps({"mb": memory, **more}))
"""

OURS = (
    HEAD
    + """
from matweave.data.interactions import Interactions
from matweave.factor.nmf import NMF
n_users, n_items = map(int, z["shape"])
log = Interactions.from_codes(z["users"], z["items"], z["values"], n_users=n_users, n_items=n_items)
masked = ask["what"] == "masked"
settings = dict(rank=ask["rank"], loss="frobenius" if masked else ask["what"], seed=ask["seed"])
settings |= dict(missing="masked", regularization=0.08) if masked else dict(regularization=0.0, tolerance=0.0, epochs=500)
NMF(**{**settings, "epochs": 1}).fit(log)  # loads the compiled kernels
target = ask.get("target")
if "rmse" in ask:
    settings["epochs"] = 1
stop = None if target is None else lambda state, _: state.objective[-1] <= target
began = time.perf_counter()
model = NMF(**settings).fit(log, watch=stop)
seconds = time.perf_counter() - began
more = {}
if masked:
    def error(model):
        guess = model.clip(model.pair_scores(model.known(np.arange(n_users)), z["test_users"], z["test_items"]))
        return float(np.sqrt(np.mean((guess - z["test_values"]) ** 2)))
    while "rmse" in ask and error(model) > ask["rmse"]:
        settings["epochs"] = settings.get("epochs", 0) + 1
        began = time.perf_counter()
        model = NMF(**settings).fit(log)
        seconds = time.perf_counter() - began
    more["rmse"] = error(model)
epochs = model.history.epoch
told(seconds=seconds, epochs=epochs, seconds_per_epoch=seconds / epochs, objective=model.history.objective[-1],
     version=version("matweave"), **more)
"""
)

SKLEARN = (
    HEAD
    + """
import scipy.sparse as sp
from sklearn.decomposition import NMF
x = sp.csr_matrix((z["values"], (z["users"], z["items"])), shape=tuple(z["shape"]))
kl = ask["what"] == "kl"
settings = dict(n_components=ask["rank"], init="random", tol=0, random_state=ask["seed"])
settings |= dict(solver="mu", beta_loss="kullback-leibler") if kl else dict(solver="cd")
NMF(**settings, max_iter=1).fit_transform(x)
model = NMF(**settings, max_iter=ask["iterations"])
began = time.perf_counter()
model.fit_transform(x)
seconds = time.perf_counter() - began
error = model.reconstruction_err_ ** 2 / 2  # both losses: the root of twice the divergence
told(seconds=seconds, epochs=model.n_iter_, seconds_per_epoch=seconds / model.n_iter_, objective=float(error),
     version=version("scikit-learn"))
"""
)

CORNAC = (
    HEAD
    + """
from cornac.data import Dataset
from cornac.models import NMF
rows = list(zip(z["users"].tolist(), z["items"].tolist(), z["values"].tolist()))
data = Dataset.from_uir(rows, seed=0)
model = NMF(k=15, max_iter=ask["epochs"], use_bias=ask["bias"], num_threads=2, seed=ask["seed"])
NMF(k=15, max_iter=1, num_threads=2, seed=0).fit(data)
began = time.perf_counter()
model.fit(data)
seconds = time.perf_counter() - began
users, items = data.uid_map, data.iid_map
guess = [model.rate(users[u], items[i]) if u in users and i in items else data.global_mean
         for u, i in zip(z["test_users"].tolist(), z["test_items"].tolist())]
error = float(np.sqrt(np.mean((np.clip(guess, 1, 5) - z["test_values"]) ** 2)))
told(seconds=seconds, epochs=ask["epochs"], seconds_per_epoch=seconds / ask["epochs"], rmse=error, version=version("cornac"))
"""
)


def run(python: Path, code: str, file: Path, ask: dict) -> dict | None:
    """One side in a process of its own; None where its environment is absent."""
    if not python.exists():
        return None
    done = subprocess.run(
        [python, "-c", code, file, json.dumps(ask)], capture_output=True, text=True, check=True
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


def show(benchmark: str, who: str, results: list[dict], base: float | None, by: str, **more: object) -> None:
    """One line: medians, every run, the ratio to the peer."""
    line: dict = {"benchmark": benchmark, "who": who, "threads": 2, **more}
    if results:
        middle = median(r[by] for r in results)
        line |= {**results[0], by: round(middle, 4), "all": [round(r[by], 4) for r in results]}
        line["ratio"] = base and round(middle / base, 3)
    else:
        line["not_measured"] = "no environment"
    line |= {"machine": platform.machine(), "load": round(os.getloadavg()[0], 2)}
    print(json.dumps(line), flush=True)


def all_cells(what: str, rank: int, file: Path, repeats: int) -> None:
    """Seconds to scikit-learn's objective."""
    here, ours, theirs = Path(sys.executable), [], []
    for seed in range(repeats):
        ask = {"what": what, "rank": rank, "seed": seed, "iterations": ITERATIONS[what]}
        found = run(here, SKLEARN, file, ask)
        assert found is not None
        theirs.append(found)
        mine = run(here, OURS, file, {**ask, "target": found["objective"]})
        assert mine is not None
        ours.append(mine)
    base = median(r["seconds"] for r in theirs)
    label = f"NMF, {what}, all cells, ncf-ml-1m, rank {rank}, to scikit-learn's objective"
    show(label, "matweave", ours, base, "seconds", must=0.7)
    show(label, "scikit-learn", theirs, base, "seconds")


def seen_cells(file: Path, peers: Path, repeats: int) -> None:
    """Seconds to cornac's RMSE."""
    python, here = peers / "cornac" / "bin" / "python", Path(sys.executable)
    names = ("matweave, to cornac's RMSE", "matweave, whole fit", "cornac", "cornac, biases")
    runs: dict[str, list[dict]] = {who: [] for who in names}
    for seed in range(repeats):
        ask = {"what": "masked", "rank": 16, "seed": seed}
        found = {
            names[2]: run(python, CORNAC, file, {"bias": False, "epochs": 50, "seed": seed}),
            names[3]: run(python, CORNAC, file, {"bias": True, "epochs": 50, "seed": seed}),
            names[1]: run(here, OURS, file, ask),
        }
        reached = [one["rmse"] for who, one in found.items() if one and who in names[2:]]
        if reached:
            found[names[0]] = run(here, OURS, file, {**ask, "rmse": min(reached)})
        for who, one in found.items():
            runs[who] += [] if one is None else [one]
    base = median(r["seconds"] for r in runs["cornac"]) if runs["cornac"] else None
    for who, results in runs.items():
        show("NMF, seen cells, ml-1m 90/10", who, results, base, "seconds")


def rows_of(path: Path) -> np.ndarray:
    with gzip.open(path) as file:
        return np.array(file.read().replace(b"::", b" ").split(), dtype=np.int64).reshape(-1, 4)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "peers")))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="frobenius,kl,masked")
    parser.add_argument("--ranks", default="32,64")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        clicks, ratings = Path(folder) / "clicks.npz", Path(folder) / "ratings.npz"
        rows = rows_of(given.data / "ncf-ml-1m" / "ml-1m.train.rating.gz")
        ones = np.ones(len(rows), np.float32)
        np.savez(clicks, users=rows[:, 0], items=rows[:, 1], values=ones, shape=[6040, 3706])
        rows = rows_of(given.data / "ml-1m" / "ratings.dat.gz")
        codes = [np.unique(rows[:, c], return_inverse=True)[1].astype(np.int32) for c in (0, 1)]
        columns = {"users": codes[0], "items": codes[1], "values": rows[:, 2].astype(np.float32)}
        held = np.random.default_rng(0).random(len(rows)) < 0.1
        np.savez(
            ratings,
            shape=[codes[0].max() + 1, codes[1].max() + 1],
            **{name: a[~held] for name, a in columns.items()},
            **{f"test_{name}": a[held] for name, a in columns.items()},
        )
        for what in given.only.split(","):
            if what == "masked":
                seen_cells(ratings, given.peers, given.repeats)
                continue
            for rank in map(int, given.ranks.split(",")):
                all_cells(what, rank, clicks, given.repeats)


if __name__ == "__main__":
    main()
