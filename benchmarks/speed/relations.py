"""RESCAL beside the published algorithm in plain NumPy: seconds an epoch on kinships, rank 100, two threads.

    python benchmarks/speed/relations.py [--data DIR] [--rank 100] [--epochs 10] [--repeats 5]

The twin is alternating least squares as Nickel, Tresp & Kriegel 2011 and the authors' code have it, written anew: A from one
sum of products over the relations and one solve, then each R_k by the singular values of A; products of NumPy and SciPy's
sparse ones, on the same threads. Both start from the same eigenvectors and run the same epochs without a tolerance; sides
alternate, medians are compared. An epoch of ours is an A and all R_k as well; its objective is computed inside, the twin's
is not (the authors' code computes it by default: `with_objective` is the twin that does). `auc_pr` is the mean of the first two of
ten folds for both sides, scaled as the authors do: equal quality. How both time and memory grow: scaling.py.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh

from matweave.data.read_relations import read_relations
from matweave.data.relations import Relations
from matweave.data.split_relations import fold_cells
from matweave.evaluation.machine import peak_memory
from matweave.evaluation.relation_cells import evaluate_cells
from matweave.factor.rescal import RESCAL
from matweave.metrics.relations import auc_pr
from matweave.threads import blas_threads, set_threads

THREADS, RIDGE = 2, 10.0


def start(slices: list[sp.csr_matrix], rank: int) -> np.ndarray:
    """Eigenvectors of Σ_k X_k + X_kᵀ of the largest eigenvalues."""
    whole = sum((x + x.T for x in slices), start=sp.csr_matrix(slices[0].shape))
    if rank >= whole.shape[0] - 1:
        values, vectors = np.linalg.eigh(whole.toarray())
        order = np.argsort(-np.abs(values))[:rank]
        return np.ascontiguousarray(vectors[:, order])
    return eigsh(whole.astype(np.float64), rank)[1]


def cores(slices: list[sp.csr_matrix], a: np.ndarray, ridge: float) -> list[np.ndarray]:
    """Each R_k exactly, by the singular value decomposition of A."""
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    shrink = np.kron(s, s)
    shrink = (shrink / (shrink**2 + ridge)).reshape(len(s), len(s))
    return [vt.T @ (shrink * (u.T @ (x @ u))) @ vt for x in slices]


def entities(slices: list[sp.csr_matrix], a: np.ndarray, r: list[np.ndarray], ridge: float) -> np.ndarray:
    """A from both sides of every relation, A held fixed on the other."""
    rank = a.shape[1]
    top, bottom = np.zeros_like(a), ridge * np.eye(rank)
    gram = a.T @ a
    for x, core in zip(slices, r, strict=True):
        top += x @ (a @ core.T) + x.T @ (a @ core)
        bottom += core @ gram @ core.T + core.T @ gram @ core
    return np.linalg.solve(bottom.T, top.T).T


def objective(slices: list[sp.csr_matrix], a: np.ndarray, r: list[np.ndarray], ridge: float) -> float:
    """Half the squared error and the ridge, by dense residuals, as the authors' code computes its fit."""
    total = ridge * (float((a**2).sum()) + sum(float((core**2).sum()) for core in r))
    return total + sum(
        float(np.square(x.toarray() - a @ core @ a.T).sum()) for x, core in zip(slices, r, strict=True)
    )


def twin(
    slices: list[sp.csr_matrix], rank: int, epochs: int, *, with_objective: bool = False
) -> tuple[float, np.ndarray, list[np.ndarray]]:
    """Seconds an epoch, after the start; A and R."""
    with blas_threads(THREADS):
        a = start(slices, rank)
        r = cores(slices, a, RIDGE)
        began = time.perf_counter()
        for _ in range(epochs):
            a = entities(slices, a, r, RIDGE)
            r = cores(slices, a, RIDGE)
            if with_objective:
                objective(slices, a, r, RIDGE)
        return (time.perf_counter() - began) / epochs, a, r


def ours(relations: Relations, rank: int, epochs: int) -> tuple[float, object]:
    """Seconds an epoch between the first epoch's end and the last's, and the model."""
    ends: list[float] = []
    recipe = RESCAL(
        rank=rank, regularization=RIDGE, core_regularization=RIDGE, epochs=epochs + 1, tolerance=0.0
    )
    model = recipe.fit(relations, watch=lambda state, total: ends.append(time.perf_counter()))
    return (ends[-1] - ends[0]) / epochs, model


def matrices(relations: Relations) -> list[sp.csr_matrix]:
    """The slices as the authors' code takes them."""
    return [sp.csr_matrix(x, dtype=np.float64) for x in relations.slices()]


def quality(tensor: Relations, rank: int, epochs: int) -> dict[str, float]:
    """AUC-PR of both sides on the same two folds."""
    found: dict[str, list[float]] = {"matweave": [], "numpy": []}
    for fold in itertools.islice(fold_cells(tensor, 10, seed=0), 2):
        model = ours(fold.train, rank, epochs)[1]
        found["matweave"].append(evaluate_cells(model, fold, scaled=True).metrics["auc_pr"].mean)  # type: ignore[arg-type]
        _, a, r = twin(matrices(fold.train), rank, epochs)
        scores = np.stack([a @ core @ a.T for core in r])
        scores /= np.linalg.norm(scores, axis=0)
        found["numpy"].append(auc_pr(fold.values > 0, scores.ravel()[fold.cells]))
    return {name: round(float(np.mean(values)), 4) for name, values in found.items()}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--rank", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args(arguments)
    set_threads(THREADS)
    tensor = read_relations(given.data / "kinships" / "alyawarra_tensor.csv.gz")
    slices = matrices(tensor)
    ours(tensor, given.rank, 1)  # compiles
    times: dict[str, list[float]] = {"matweave": [], "numpy": [], "numpy, with_objective": []}
    peaks: dict[str, float] = {}
    for _ in range(given.repeats):
        for who in times:
            with peak_memory() as peak:
                if who == "matweave":
                    seconds = ours(tensor, given.rank, given.epochs)[0]
                else:
                    seconds = twin(slices, given.rank, given.epochs, with_objective="objective" in who)[0]
            times[who].append(seconds)
            peaks[who] = max(peaks.get(who, 0.0), peak[0])
    reached = quality(tensor, given.rank, given.epochs)
    for who, seconds in times.items():
        line = {
            "benchmark": f"RESCAL epoch, kinships tensor, rank {given.rank}",
            "who": who,
            "threads": THREADS,
            "version": version("matweave" if who == "matweave" else "numpy"),
            "seconds": round(median(seconds), 5),
            "all": [round(s, 5) for s in seconds],
            "ratio": round(median(seconds) / median(times["numpy"]), 3),
            "peak_mb": round(peaks[who], 1),
            "auc_pr": reached[who.partition(",")[0]],
            "machine": platform.machine(),
            "load": round(os.getloadavg()[0], 2),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
