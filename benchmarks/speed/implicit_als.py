"""ImplicitALS beside implicit 0.7.3 and irspack 0.5.2: seconds an epoch on ml-1m at equal quality, two threads.

    python benchmarks/speed/implicit_als.py [--data DIR] [--peers DIR] [--ranks 64,128,256] [--rounds 3] [--solvers cg]

Every rating counts as 1, 20 % of the rows are held out (seed 7). In each round the peers and we take turns; each fits
once with 1 and once with 9 epochs. `epoch` is the difference over 8 (no set-up), `with_setup` a whole fit of 8 over 8;
medians over the rounds. nDCG@20 is computed here from everyone's factors after 9 epochs, full ranking without training
items. irspack and we minimise the same loss (ω = 0.1, 0.01 scaled by frequency); implicit its own (alpha 10, λ 20).
Ours computes the exact objective in every epoch, the peers do not. One JSON line per rank and method.
The peers' environment is PEERS/implicit (see ../README.md).
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
from matweave.evaluation.machine import peak_memory
from matweave.factor.implicit_als import ImplicitALS
from matweave.threads import set_threads

EPOCHS, K = 8, 20

PEERS = """
import json, logging, resource, sys, time
from importlib.metadata import version
import numpy as np, scipy.sparse as sp
import irspack
from implicit.als import AlternatingLeastSquares
logging.disable(logging.WARNING)
z, rank, solver, epochs, out = np.load(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]
train = sp.csr_matrix((np.ones(len(z["users"]), np.float32), (z["users"], z["items"])))

def implicit(n):
    m = AlternatingLeastSquares(factors=rank, iterations=n, regularization=20.0, alpha=10.0, use_cg=solver == "cg",
                                num_threads=2, use_gpu=False, random_state=0)
    began = time.perf_counter()
    m.fit(train, show_progress=False)
    return time.perf_counter() - began, m.user_factors, m.item_factors

def irs(n):
    kind = {"cg": "CG", "cholesky": "CHOLESKY", "block": "IALSPP"}[solver]
    m = irspack.IALSRecommender(train, n_components=rank, alpha0=0.1, reg=0.01, train_epochs=n, solver_type=kind,
                                n_threads=2, random_seed=0)
    began = time.perf_counter()
    m.learn()
    return time.perf_counter() - began, m.get_user_embedding(), m.get_item_embedding()

for name, fit in {"irspack": irs, **({} if solver == "block" else {"implicit": implicit})}.items():
    if name == "implicit" and solver == "cholesky" and rank > 64:
        continue  # 15 s a fit at 128
    fit(1)
    one, whole, more = fit(1)[0], fit(epochs)[0], fit(1 + epochs)
    np.savez(f"{out}-{name}.npz", x=more[1], y=more[2])
    row = {"epoch": (more[0] - one) / epochs, "with_setup": whole / epochs, "version": version(name)}
    row["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # of the process so far
    print("RESULT", name, json.dumps(row))
"""


def split(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User codes, item codes, and which rows are held out."""
    with gzip.open(data / "ml-1m" / "ratings.dat.gz") as file:
        rows = np.array(file.read().replace(b"::", b" ").split(), dtype=np.int64).reshape(-1, 4)
    users, items = (np.unique(rows[:, c], return_inverse=True)[1].astype(np.int32) for c in (0, 1))
    return users, items, np.random.default_rng(7).random(len(users)) < 0.2


def ours(log: Interactions, rank: int, solver: str) -> tuple[dict, np.ndarray, np.ndarray]:
    """Ours, timed as the peers are; nothing is kept between fits but the log's two sparse matrices."""

    def fit(epochs: int):
        recipe = ImplicitALS(
            rank=rank,
            solver=solver,
            epochs=epochs,
            tolerance=0.0,
            unobserved_weight=0.1,
            regularization=0.01,
            regularization_exponent=1.0,
        )
        began = time.perf_counter()
        model = recipe.fit(log)
        return time.perf_counter() - began, model

    fit(1)
    one, whole, (most, model) = fit(1)[0], fit(EPOCHS)[0], fit(1 + EPOCHS)
    with peak_memory() as peak:  # apart from the clock: it looks every 20 ms, which an epoch would feel
        fit(2)
    row = {"epoch": (most - one) / EPOCHS, "with_setup": whole / EPOCHS, "version": version("matweave")}
    row["peak_mb"] = peak[0]
    return row, model.user_factors, model.item_factors


def ndcg(x: np.ndarray, y: np.ndarray, users: np.ndarray, items: np.ndarray, held: np.ndarray) -> float:
    """nDCG@20 of the held-out items, training items left out, mean over users who have any."""
    scores = (x @ y.T).astype(np.float32)
    scores[users[~held], items[~held]] = -np.inf
    top = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    hidden = np.zeros(scores.shape, bool)
    hidden[users[held], items[held]] = True
    discount = 1 / np.log2(np.arange(K) + 2)
    gain = (np.take_along_axis(hidden, top, 1) * discount).sum(1)
    count = hidden.sum(1)
    best = np.cumsum(discount)[np.minimum(count, K) - 1]
    return float((gain / best)[count > 0].mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "peers")))
    parser.add_argument("--ranks", default="64,128,256")
    parser.add_argument("--solvers", default="cg", help="cg, cholesky, block")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    set_threads(2)
    users, items, held = split(given.data)
    log = Interactions.from_codes(
        users[~held], items[~held], n_users=int(users.max()) + 1, n_items=int(items.max()) + 1
    )
    assert log.by_user.nnz == log.by_item.nnz  # made before the clock starts, as the peers' matrix is
    python = given.peers / "implicit" / "bin" / "python"
    for rank in map(int, given.ranks.split(",")):
        for solver in given.solvers.split(","):
            compare(log, rank, solver, python, (users, items, held), given.rounds)


def compare(log: Interactions, rank: int, solver: str, python: Path, rows: tuple, rounds: int) -> None:
    """One rank and solver: the peers and we take turns; prints a line for each."""
    users, items, held = rows
    runs: dict[str, list[dict]] = {}
    quality: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/train.npz", users=users[~held], items=items[~held])
        for _ in range(rounds):
            if python.exists():
                environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}
                arguments = [f"{folder}/train.npz", str(rank), solver, str(EPOCHS), f"{folder}/factors"]
                done = subprocess.run(
                    [python, "-W", "ignore", "-c", PEERS, *arguments],
                    capture_output=True,
                    text=True,
                    env=environment,
                    check=True,
                )
                for line in done.stdout.splitlines():
                    if "RESULT" in line:  # irspack's progress bar stands before it
                        name, row = line.split("RESULT", 1)[1].split(maxsplit=1)
                        runs.setdefault(name, []).append(json.loads(row))
            row, x, y = ours(log, rank, solver)
            runs.setdefault("matweave", []).append(row)
            quality["matweave"] = ndcg(x, y, users, items, held)
        for name in runs:
            if name != "matweave":
                z = np.load(f"{folder}/factors-{name}.npz")
                quality[name] = ndcg(z["x"], z["y"], users, items, held)
    middle = {
        name: {k: median(r[k] for r in rows) for k in ("epoch", "with_setup", "peak_mb")}
        for name, rows in runs.items()
    }
    fastest = min((m["epoch"] for name, m in middle.items() if name != "matweave"), default=None)
    for name, figures in middle.items():
        line = {
            "benchmark": "implicit ALS, ml-1m, 80/20",
            "rank": rank,
            "solver": solver,
            "who": name,
            "version": runs[name][0]["version"],
            "epoch_seconds": round(figures["epoch"], 4),
            "with_setup": round(figures["with_setup"], 4),
            "peak_mb": round(figures["peak_mb"]),
            "ratio_to_fastest_peer": None if fastest is None else round(figures["epoch"] / fastest, 3),
            "ndcg@20": round(quality[name], 4),
            "rounds": rounds,
            "machine": {
                "threads": 2,
                "load": round(os.getloadavg()[0], 2),
                "python": platform.python_version(),
            },
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
