"""Where every network begins: XOR, linear regression against its closed form, and digits of 8 x 8 pixels.

XOR: a 2-4-1 network of sigmoids by SGD, one example a step, 20 seeds; solved when all four answers are right with a mean
loss of at most 0.05. Linear regression: 500 planted examples of 5 columns; gradient descent and SGD against the
normal equations. Digits: scikit-learn's 1,797 bundled images, 70/30 by class, three seeds; an MLP was measured at 97.7 %.
"""

from __future__ import annotations

import time

import numpy as np
from _nets import arguments, row, show, wanted  # beside this file
from sklearn.datasets import load_digits

from matweave.data.holdout import hold_out
from matweave.data.images import Images
from matweave.deep import nn, seeded, torch
from matweave.nets.closed_form import least_squares
from matweave.nets.network import Network
from matweave.randomness import child
from matweave.train.batches import InMemory
from matweave.train.losses import make_loss
from matweave.train.schedules import Schedule
from matweave.train.task import Supervised
from matweave.train.trainer import Trainer
from matweave.train.watchers import Reached

DIGITS = Network(
    net="small_cnn",
    optimizer="adamw",
    learning_rate=1e-2,
    weight_decay=0.01,
    schedule="one_cycle",
    epochs=30,
    batch_size=64,
    augment="shift=0.1,rotate=10,scale=0.1",
)


def xor(seeds: int = 20) -> dict:
    """How many seeds solve XOR within 10,000 steps, and the longest time of one."""
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = torch.tensor([0.0, 1.0, 1.0, 0.0])
    solved, seconds, steps = 0, [], []
    Trainer(optimizer="sgd", epochs=1).fit(  # what torch loads at its first step is not XOR's
        Supervised(nn.Linear(2, 1), make_loss("mse")), InMemory([x, y[:, None]], batch_size=4)
    )
    for seed in range(seeds):
        with seeded(seed, "weights"):
            net = nn.Sequential(nn.Linear(2, 4), nn.Sigmoid(), nn.Linear(4, 1))
        task = Supervised(net, make_loss("binary_cross_entropy"))
        trainer = Trainer(optimizer="sgd", learning_rate=1.0, epochs=2_500, device="cpu", seed=seed)
        batches = InMemory([x, y], batch_size=1, seed=seed)
        began = time.perf_counter()
        past = trainer.fit(task, batches, watchers=[Reached(loss=0.05)]).history
        seconds.append(time.perf_counter() - began)
        steps.append(past.epochs[-1].step)
        right = bool(((net(x)[:, 0] > 0) == (y > 0.5)).all())
        solved += right and past.stopped == "loss reached"
    return {
        "benchmark": "xor, 2-4-1 sigmoid, SGD",
        "solved": solved,
        "of": seeds,
        "steps_median": int(np.median(steps)),
        "steps_most": max(steps),
        "seconds_most": round(max(seconds), 2),
        "must": "19 within 10,000 steps, < 1 s each",
        "ok": solved >= 19 and max(seconds) < 1,
    }


def linear(seed: int = 0) -> dict:
    """The largest difference of a coefficient between the closed form and what GD and SGD end at."""
    rng = child(seed, "linear regression")
    x = rng.normal(size=(500, 5))
    y = x @ np.array([3.0, -2.0, 0.5, 0.0, 1.0]) + 4.0 + 0.1 * rng.normal(size=500)
    exact = least_squares(x, y)
    found = {}
    for name, trainer, size in (
        ("gd", Trainer(optimizer="gd", learning_rate=0.2, epochs=400, device="cpu"), None),
        ("sgd", Trainer(optimizer="sgd", learning_rate=0.05, epochs=60, device="cpu"), 10),
    ):
        net = nn.Linear(5, 1).double()
        task = Supervised(net, make_loss("mse"))
        data = InMemory([torch.from_numpy(x), torch.from_numpy(y)], batch_size=size, seed=seed)
        trainer.fit(task, data, watchers=[Schedule(kind="cosine")] if size else [])
        learned = np.append(net.weight.detach().numpy(), net.bias.detach().numpy())
        found[name] = float(np.abs(learned - np.append(exact.coefficients, exact.intercept)).max())
    return {
        "benchmark": "linear regression against the closed form",
        "greatest_difference": found,
        "must": {"gd": 1e-6, "sgd": 1e-2},
        "ok": found["gd"] <= 1e-6 and found["sgd"] <= 1e-2,
    }


def digits_parts(seed: int):
    """Scikit-learn's digits, 70/30 by class."""
    bundled = load_digits()
    images = Images.of((bundled.images / 16).astype(np.float32), [str(d) for d in bundled.target])
    cut = hold_out(images, 0.3, seed=seed)
    return cut.train, cut.test


def main() -> None:
    given = arguments(__doc__)
    rows = [
        ("xor", xor),
        ("linear", linear),
        (
            "digits",
            lambda: row("digits, CNN", DIGITS, digits_parts, must=98.5, known="MLP 97.7", given=given),
        ),
    ]
    show(made() for name, made in rows if wanted(given, name))


if __name__ == "__main__":
    main()
