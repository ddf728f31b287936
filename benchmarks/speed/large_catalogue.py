"""SASRec on a catalogue of a million items: seconds a step and peak memory, by loss.

    python benchmarks/speed/large_catalogue.py [--items 1000000] [--users 20000] [--length 50] [--steps 20] [--loss sampled]

A simulated log: popularity falls as 1 / rank^0.8, and every third item follows from the one before. Two threads; the peak is the
process's own largest resident size, imports and the log included. With --loss softmax the whole catalogue is scored at each
step, blocked by steps and items: bounded memory, but a product of steps x items x width. One JSON line.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from importlib.metadata import version

import numpy as np

from matweave.data.interactions import Interactions
from matweave.deep import torch
from matweave.neural.sas_rec import SASRec
from matweave.randomness import child
from matweave.threads import set_threads


def simulated(users: int, items: int, length: int) -> Interactions:
    """users x length rows over all items, each of which stands in the catalogue."""
    rng = child(0, "large catalogue")
    weights = np.cumsum(1.0 / np.arange(1, items + 1) ** 0.8)
    drawn = np.searchsorted(weights, rng.random((users, length)) * weights[-1]).astype(np.int64)
    follows = np.arange(length) % 3 == 2
    drawn[:, follows] = (drawn[:, np.flatnonzero(follows) - 1] * 7 + 1) % items
    owners = np.repeat(np.arange(users), length)
    times = np.tile(np.arange(length), users)
    return Interactions.from_codes(owners, drawn.ravel(), times=times, n_users=users, n_items=items)


def peak_gb() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--loss", default="sampled", choices=("sampled", "softmax", "bce", "gbce"))
    parser.add_argument("--batch", type=int, default=128)
    given = parser.parse_args()
    set_threads(2)
    torch.set_num_threads(2)
    log = simulated(given.users, given.items, given.length)
    before = peak_gb()
    recipe = SASRec(
        rank=given.rank,
        length=given.length,
        loss=given.loss,
        batch_size=given.batch,
        epochs=1,
        device="cpu",
        seed=0,
    )
    began = time.perf_counter()
    model = recipe.fit(log)
    seconds = time.perf_counter() - began
    steps = -(-given.users // given.batch)
    ask = time.perf_counter()
    model.recommend(users=log.users.to_list()[:100], k=10)
    row = {
        "benchmark": "large catalogue",
        "items": given.items,
        "rank": given.rank,
        "loss": given.loss,
        "rows": len(log),
        "steps": steps,
        "seconds": round(seconds, 1),
        "seconds_per_step": round(seconds / steps, 3),
        "objective": round(model.history.objective[-1], 4),
        "recommend_100_users_seconds": round(time.perf_counter() - ask, 2),
        "peak_gb": round(peak_gb(), 2),
        "peak_gb_before_training": round(before, 2),
        "threads": 2,
        "machine": platform.processor() or platform.machine(),
        "matweave": version("matweave"),
        "torch": torch.__version__,
    }
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
