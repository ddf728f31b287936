"""Our training loop beside a hand-written one, skorch 1.4.0 and Lightning 2.6.6: seconds an epoch, two threads.

    python benchmarks/speed/training_loop.py [--peers DIR] [--rounds 5] [--epochs 4] [--models mlp,cnn]

Two networks: an MLP 784-256-10 on 20,000 rows, by Adam and by SGD with momentum, and our SmallCNN on 10,000 images of
28 x 28, by Nesterov; batches of 128, in memory. All sides train the same network from the same weights on the same
examples, planted classes under noise, a fifth of the labels random so that the loss does not go to zero; the order is
another one in each round. _training_sides.py says what each side does.

In each round the sides take turns, each in a process of its own (memory that one keeps would speed up the next). An epoch
is timed from the end of the one before it to its own; the first is left out. `epoch_seconds` is the median over rounds
of the median epoch, a ratio the median over rounds of the ratio within the round. One JSON line for each network and
side, then one of ratios against what must be reached. The peers' environment is PEERS/loops (see ../README.md).

To try it out: --share 0.1 takes a tenth of the examples; on a busy machine only --threads 1 and the ratios by CPU time
say something, for two threads wait for each other at every product.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from matweave.deep import seeded
from matweave.nets.inputs import Inputs
from matweave.nets.table import net
from matweave.randomness import child
from matweave.train.run import arrays_of

SIDES = Path(__file__).parent / "_training_sides.py"
BATCH, NOISE = 128, 0.05
LOOPS = ("skorch", "lightning")

# model -> our net, its settings, its inputs, examples
MODELS: dict[str, tuple[str, dict[str, Any], Inputs, int]] = {
    "mlp, adam": ("mlp", {"hidden": (256,)}, Inputs(kind="features", size=(784,)), 20_000),
    "mlp, momentum": ("mlp", {"hidden": (256,)}, Inputs(kind="features", size=(784,)), 20_000),
    "cnn, nesterov": ("small_cnn", {}, Inputs(kind="image", size=(1, 28, 28)), 10_000),
}


def examples(n: int, size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Ten planted patterns under noise, float32 (n, ...), and codes (n,) of which a fifth is random."""
    rng = child(0, "training loop")
    coarse = rng.normal(size=(10, 7, 7))
    patterns = np.kron(coarse, np.ones((4, 4))).reshape(10, *size)
    y = rng.integers(0, 10, n)
    x = 0.5 * patterns[y] + rng.normal(size=(n, *size))
    y = np.where(rng.random(n) < 0.2, rng.integers(0, 10, n), y)
    return x.astype(np.float32), y.astype(np.int64)


def file_of(model: str, share: float, folder: Path) -> tuple[Path, int]:
    """The file that all sides read, and its steps in an epoch."""
    name, settings, inputs, n = MODELS[model]
    n = int(n * share)
    with seeded(0, "weights"):
        weights = arrays_of(net(name, settings).build(inputs, 10))
    x, y = examples(n, inputs.size)
    path = folder / "training.npz"
    np.savez(path, x=x, y=y, **{f"weights/{k}": v for k, v in weights.items()})  # pyright: ignore[reportArgumentType]
    return path, -(-n // BATCH)


def run(
    python: Path, who: str, model: str, file: Path, epochs: int, threads: int, seed: int
) -> dict[str, Any]:
    """One side in a process of its own."""
    pinned = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL", "OPENBLAS")}
    done = subprocess.run(
        [python, SIDES, who, model, file, str(epochs + 1), str(seed)],
        capture_output=True,
        text=True,
        env=os.environ | pinned,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{who}, {model}:\n{done.stderr}")
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


def compare(model: str, peers: Path, rounds: int, epochs: int, share: float, threads: int) -> None:
    """One network: the sides take turns; prints a line for each, and one of ratios."""
    loops = peers / "loops" / "bin" / "python"
    pythons = {
        "matweave": Path(sys.executable),
        "hand": Path(sys.executable),
        "hand_tuned": Path(sys.executable),
    }
    if model.startswith("cnn"):
        pythons["hand_nhwc"] = Path(sys.executable)
    if loops.exists():
        pythons |= dict.fromkeys(LOOPS, loops)
    found: dict[str, list[dict[str, Any]]] = {who: [] for who in pythons}
    with tempfile.TemporaryDirectory() as folder:
        file, steps = file_of(model, share, Path(folder))
        for turn in range(rounds):
            order = list(pythons)
            for who in order[turn % len(order) :] + order[: turn % len(order)]:
                found[who].append(run(pythons[who], who, model, file, epochs, threads, turn))
    wall = {who: [median(r["wall"]) for r in rows] for who, rows in found.items()}
    cpu = {who: [median(r["cpu"]) for r in rows] for who, rows in found.items()}
    losses = {who: median(r["losses"][-1] for r in rows) for who, rows in found.items()}
    head = {"benchmark": f"training loop, {model}", "threads": threads}
    tail = {"machine": platform.machine(), "load": round(os.getloadavg()[0], 2)}
    for who, rows in found.items():
        line = {"who": who, "versions": rows[0]["versions"], "epoch_seconds": round(median(wall[who]), 4)}
        line |= {"all": [round(s, 4) for s in wall[who]], "cpu_seconds": round(median(cpu[who]), 4)}
        line |= {"final_loss": round(losses[who], 4), "steps": steps, "rounds": rounds, "epochs": epochs}
        print(json.dumps(head | line | tail), flush=True)
    for who in (*LOOPS,) if not loops.exists() else ():
        print(json.dumps(head | {"who": who, "not_measured": f"no environment at {peers / 'loops'}"} | tail))
    ratios = {w: _ratio(wall["matweave"], wall[w]) for w in wall if w != "matweave"}
    must: dict[str, float] = {"hand": 1.05, "skorch": 1.0, "lightning": 1.0}
    ok = {who: ratios[who] <= most for who, most in must.items() if who in ratios}
    by_cpu = {w: _ratio(cpu["matweave"], cpu[w]) for w in cpu if w != "matweave"}
    line = {"matweave_over": ratios, "by_cpu_time": by_cpu, "must_at_most": must, "ok": ok}
    if model.startswith("cnn"):
        times = _ratio(wall["hand"], wall["matweave"])
        line |= {"hand_nchw_over_matweave": times, "must_at_least": 1.5}
        ok["hand_nchw"] = times >= 1.5
    beyond = median(a - b for a, b in zip(wall["matweave"], wall["hand_tuned"], strict=True)) / steps
    line |= {"microseconds_a_step_beyond_hand_tuned": round(1e6 * beyond, 1)}
    spread = max(losses.values()) / min(losses.values()) - 1
    line |= {"loss_spread": round(spread, 4), "losses_agree": spread <= NOISE}
    print(json.dumps(head | line | tail), flush=True)


def _ratio(a: list[float], b: list[float]) -> float:
    return round(median(x / y for x, y in zip(a, b, strict=True)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "peers")))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4, help="timed ones; one more goes before them")
    parser.add_argument("--models", default="mlp,cnn", help="beginnings of names, by commas")
    parser.add_argument("--share", type=float, default=1.0, help="share of the examples, to try it out")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    for model in MODELS:
        if model.startswith(tuple(given.models.split(","))):
            compare(model, given.peers, given.rounds, given.epochs, given.share, given.threads)


if __name__ == "__main__":
    main()
