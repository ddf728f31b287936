"""XOR, the smallest problem that one layer cannot solve: two inputs, four hidden sigmoids, one output, plain SGD.

    python recipes/xor.py

The loop is the same that trains every network here: a task (module and loss), batches, an optimizer, watchers.
"""

from __future__ import annotations

from matweave.deep import nn, seeded, torch
from matweave.train.batches import InMemory
from matweave.train.losses import make_loss
from matweave.train.task import Supervised
from matweave.train.trainer import Trainer
from matweave.train.watchers import Reached


def main(seed: int = 0) -> None:
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = torch.tensor([0.0, 1.0, 1.0, 0.0])
    with seeded(seed, "weights"):
        net = nn.Sequential(nn.Linear(2, 4), nn.Sigmoid(), nn.Linear(4, 1))
    task = Supervised(net, make_loss("binary_cross_entropy"))
    trainer = Trainer(optimizer="sgd", learning_rate=1.0, epochs=2_500, device="cpu", seed=seed)
    done = trainer.fit(task, InMemory([x, y], batch_size=1, seed=seed), watchers=[Reached(loss=0.02)])
    steps = done.history.epochs[-1].step
    print(f"{done.history.stopped} after {steps:,} steps of one example")
    with torch.no_grad():
        for (a, b), p in zip(x.tolist(), torch.sigmoid(done.module(x)[:, 0]).tolist(), strict=True):
            print(f"{a:.0f} xor {b:.0f} = {round(p)}   (probability {p:.3f})")


if __name__ == "__main__":
    main()
