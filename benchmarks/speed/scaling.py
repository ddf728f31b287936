"""How time and memory of each factorization grow: users, items, interactions and rank (of relations: entities, relations, triples
and rank), each alone, doubled and doubled again.

    python benchmarks/speed/scaling.py [--methods implicit_als,ease] [--factors 1,2,4] [--epochs 4]

Each cell is a process of its own: a drawn log (each row a user and an item by chance, popular items more often; a triple any cell), a fit of a few epochs,
the median epoch (closed forms: the fit) and the peak of memory above what the process held before the fit (Linux). `slope` is the exponent of a
power of the size, by least squares on logarithms: 1 is in proportion, 2 is the square. `limit_s` is the least time that the operations of the
base size (by the formula in `operations`, from the head of the method's file) take at the multiply-add rate that a large float32 product reaches in this
run, and `of_limit` how many times that the method takes. One JSON line a method. Two threads.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

THREADS = 2
BASE = {"users": 6000, "items": 3000, "interactions": 600_000, "rank": 64}
TRIPLES = {"entities": 5000, "relations": 10, "triples": 250_000, "rank": 50}

Sizes = dict[str, int]

OPERATIONS: dict[str, Callable[[Sizes], float]] = {
    "implicit_als": lambda s: (
        24 * s["interactions"] * s["rank"] + 4 * (s["users"] + s["items"]) * s["rank"] ** 2
    ),
    "explicit_als": lambda s: (
        24 * s["interactions"] * s["rank"] + 4 * (s["users"] + s["items"]) * s["rank"] ** 2
    ),
    "biased_mf": lambda s: 16 * s["interactions"] * s["rank"],
    "svdpp": lambda s: 20 * s["interactions"] * s["rank"],
    "bpr": lambda s: 12 * s["interactions"] * s["rank"],
    "logistic_mf": lambda s: 8 * s["users"] * s["items"] * s["rank"],
    "bayesian_mf": lambda s: (
        4 * s["interactions"] * s["rank"] ** 2 + (s["users"] + s["items"]) * s["rank"] ** 3 / 3
    ),
    "factorization_machine": lambda s: 8 * s["interactions"] * s["rank"],
    "nmf": lambda s: 4 * s["interactions"] * s["rank"] + 8 * (s["users"] + s["items"]) * s["rank"] ** 2,
    "ease": lambda s: s["items"] ** 3 + s["interactions"] ** 2 / s["users"],
    "rescal": lambda s: (
        4 * s["triples"] * s["rank"] + (6 * s["entities"] + 2 * s["rank"]) * s["rank"] ** 2 * s["relations"]
    ),
    "tri_factorization": lambda s: (
        4 * s["triples"] * s["rank"] + (6 * s["entities"] + 8 * s["rank"]) * s["rank"] ** 2 * s["relations"]
    ),
}
"""Of an epoch, or of the fit of a closed form: floating-point operations. A method without a formula has no limit told."""

OF_RELATIONS = ("rescal", "dedicom", "tri_factorization", "symmetric_nmf")
METHODS = tuple(dict.fromkeys([
    *OPERATIONS, "warp", "probabilistic_mf", "slim", "rp3beta", "pure_svd", "item_knn", *OF_RELATIONS
]))  # fmt: skip
EPOCHS_BY = {
    "bayesian_mf": {"burn_in": 0, "samples": 2},
    "factorization_machine": {"burn_in": 0, "samples": 2},
    "symmetric_nmf": {"tolerance": 0.0},
}
"""Settings in place of `epochs`, for samplers: the draws kept are part of what is measured."""


def one(method: str, sizes: Sizes, epochs: int) -> dict[str, float]:
    """Seconds of an epoch and peak MB, in this process."""
    from matweave.app.catalogue import METHODS as TABLE
    from matweave.app.relations_verbs import RELATION_METHODS
    from matweave.config import names
    from matweave.threads import set_threads

    set_threads(THREADS)
    log = triples(sizes) if method in OF_RELATIONS else interactions(sizes)
    kind = RELATION_METHODS[method] if method in OF_RELATIONS else TABLE[method]
    given: dict[str, Any] = {"rank": sizes["rank"]}
    if "epochs" in names(kind):
        given |= {"epochs": epochs, "tolerance": 0.0}
    given = {k: v for k, v in given.items() if k in names(kind)} | EPOCHS_BY.get(method, {})
    marks: list[float] = []
    began = time.perf_counter()
    kind(**given).fit(log.take(np.arange(2000)))  # compiles
    before = resident(reset=True)
    began = time.perf_counter()
    kind(**given).fit(log, watch=lambda state, _: marks.append(state.seconds))
    whole = time.perf_counter() - began
    steps = np.diff(marks)
    peak = resident()
    seconds = float(median(steps)) if len(steps) else whole
    return {"seconds": seconds, "mb": (peak["VmHWM"] - before["VmRSS"]) / 1024, "rows": len(log)}


def triples(sizes: Sizes) -> Any:
    """Cells by chance, each relation alike."""
    from matweave.data.relations import Relations

    n, count = sizes["entities"], sizes["relations"]
    cells = np.unique(np.random.default_rng(0).integers(count * n * n, size=sizes["triples"]))
    return Relations.from_codes(cells // n % n, cells // (n * n), cells % n, n_entities=n, n_kinds=count)


def interactions(sizes: Sizes) -> Any:
    """A user and an item by chance, popular items more often."""
    from matweave.data.interactions import Interactions

    rng = np.random.default_rng(0)
    users, items, n = sizes["users"], sizes["items"], sizes["interactions"]
    weights = 1 / (np.arange(items) + 20.0)
    cells = np.unique(rng.integers(users, size=2 * n) * np.int64(items)
                      + rng.choice(items, 2 * n, p=weights / weights.sum()))  # fmt: skip
    cells = np.sort(rng.choice(cells, min(n, len(cells)), replace=False))
    log = Interactions.from_codes(
        cells // items, cells % items, rng.integers(1, 6, len(cells)), n_users=users, n_items=items
    )
    log.by_user, log.by_item  # noqa: B018  made once, before the clock
    return log


def resident(*, reset: bool = False) -> dict[str, int]:
    """What Linux tells of this process in kB: held now (VmRSS), and the most since the last reset (VmHWM)."""
    if reset:
        ctypes.CDLL(None).malloc_trim(
            0
        )  # what was freed goes back first, or the fit would find it and seem to need nothing
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "VmHWM"))}


def child(method: str, sizes: Sizes, epochs: int) -> dict[str, float]:
    """`one` in a process of its own."""
    said = json.dumps([method, sizes, epochs])
    done = subprocess.run(
        [sys.executable, __file__, "--one", said], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def ceiling() -> float:
    """Operations a second of a float32 product of 2,048 squared, the best of five."""
    from matweave.threads import blas_threads

    a = np.random.default_rng(0).standard_normal((2048, 2048), np.float32)
    best = np.inf
    with blas_threads(THREADS):
        for _ in range(5):
            began = time.perf_counter()
            a @ a
            best = min(best, time.perf_counter() - began)
    return 2 * 2048**3 / best


def slope(sizes: list[float], found: list[float]) -> float | None:
    """The exponent by least squares on logarithms; None where a measure is nothing."""
    if min(found) <= 0:
        return None
    return round(float(np.polyfit(np.log(sizes), np.log(found), 1)[0]), 2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--factors", default="1,2,4")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(*json.loads(given.one))))
        return
    factors, rate = [int(f) for f in given.factors.split(",")], ceiling()
    for method in given.methods.split(","):
        sizes_of = TRIPLES if method in OF_RELATIONS else BASE
        if method == "symmetric_nmf":  # of one relation
            sizes_of = sizes_of | {"relations": 1}
        base = child(method, sizes_of, given.epochs)
        line: dict[str, Any] = {
            "benchmark": "scaling",
            "method": method,
            "base": sizes_of,
            "threads": THREADS,
        }
        line |= {"seconds": round(base["seconds"], 4), "mb": round(base["mb"], 1)}
        if method in OPERATIONS:
            limit = OPERATIONS[method](sizes_of) / rate
            line |= {"limit_s": round(limit, 5), "of_limit": round(base["seconds"] / limit, 1)}
        for name in sizes_of:
            if method == "symmetric_nmf" and name == "relations":
                continue
            runs = [
                base if f == 1 else child(method, sizes_of | {name: sizes_of[name] * f}, given.epochs)
                for f in factors
            ]
            sizes = [
                float(r["rows"]) if name in ("interactions", "triples") else float(f)
                for r, f in zip(runs, factors, strict=True)
            ]
            line[f"slope_{name}"] = slope(sizes, [r["seconds"] for r in runs])
            line[f"mb_slope_{name}"] = slope(sizes, [r["mb"] for r in runs])
        line |= {
            "gflops": round(rate / 1e9),
            "load": round(os.getloadavg()[0], 2),
            "matweave": version("matweave"),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
