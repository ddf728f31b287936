"""Linear regression three ways: the normal equations, gradient descent and SGD end at the same line.

    python recipes/linear_regression.py

The closed form solves (XᵀX) w = Xᵀy at once; gradient descent walks down the same bowl on all examples, SGD on a few at a time.
"""

from __future__ import annotations

import numpy as np

from matweave.deep import nn, torch
from matweave.nets.closed_form import least_squares
from matweave.randomness import child
from matweave.train.batches import InMemory
from matweave.train.losses import make_loss
from matweave.train.schedules import Schedule
from matweave.train.task import Supervised
from matweave.train.trainer import Trainer


def main(seed: int = 0) -> None:
    rng = child(seed, "planted line")
    truth = np.array([3.0, -2.0, 0.5])
    x = rng.normal(size=(400, 3))
    y = x @ truth + 4.0 + 0.1 * rng.normal(size=400)
    exact = least_squares(x, y)
    print(f"planted            {truth} + 4.0")
    print(f"normal equations   {exact.coefficients.round(4)} + {float(exact.intercept):.4f}")
    ways = {
        "gradient descent": (Trainer(optimizer="gd", learning_rate=0.2, epochs=200, device="cpu"), None),
        "sgd, batches of 10": (Trainer(optimizer="sgd", learning_rate=0.05, epochs=40, device="cpu"), 10),
    }
    for name, (trainer, size) in ways.items():
        net = nn.Linear(3, 1).double()
        task = Supervised(net, make_loss("mse"))
        data = InMemory([torch.from_numpy(x), torch.from_numpy(y)], batch_size=size, seed=seed)
        trainer.fit(task, data, watchers=[Schedule(kind="cosine")] if size else [])
        w = net.weight.detach().numpy()[0]
        off = np.abs(w - exact.coefficients).max()
        print(f"{name:18s} {w.round(4)} + {net.bias.item():.4f}   (off by {off:.1e})")


if __name__ == "__main__":
    main()
