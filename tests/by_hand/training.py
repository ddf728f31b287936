"""The training loop in ten lines, and one small run with everything random in it, for tests of resuming."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from by_hand.states import arrays_equal

from matweave.deep import Tensor, functional, generator, nn, seeded, torch
from matweave.randomness import child_seed, stepped
from matweave.train.augment_images import ImageAugmentation
from matweave.train.batches import InMemory
from matweave.train.history import TrainHistory
from matweave.train.losses import make_loss
from matweave.train.optimizers import OPTIMIZERS
from matweave.train.rules import Accumulated, Clipped
from matweave.train.run import arrays_of
from matweave.train.schedules import Schedule
from matweave.train.task import Batch, Supervised
from matweave.train.trainer import Trained, Trainer
from matweave.train.watchers import EarlyStop, Every, Plateau


def plain_loop(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Batch], Tensor],
    batches: Sequence[Sequence[Batch]],
    *,
    seed: int = 0,
) -> list[float]:
    """Trains as everybody's first loop does; batches[epoch][at]. The mean loss of every epoch, over its examples."""
    module.train()
    told, step = [], 0
    for epoch in batches:
        total, seen = 0.0, 0
        for batch in epoch:
            torch.manual_seed(stepped(child_seed(seed, "draws"), step))  # what dropout draws
            optimizer.zero_grad()
            value = loss(batch)
            value.backward()
            optimizer.step()
            total, seen, step = total + value.item() * len(batch[0]), seen + len(batch[0]), step + 1
        told.append(total / seen)
    return told


def blobs(n: int, *, classes: int = 3, size: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """x (n, size) about one centre for each class, and codes y (n,)."""
    draws = generator(seed, "blobs")
    centres = 2 * torch.randn(classes, size, generator=draws)
    y = torch.randint(classes, (n,), generator=draws)
    return centres[y] + torch.randn(n, size, generator=draws), y


def mlp(seed: int = 0, *, size: int = 5, outputs: int = 3, dropout: float = 0.0) -> nn.Module:
    """Two dense layers; batch normalization and dropout between them where `dropout` is over 0."""
    with seeded(seed, "weights"):
        between = [nn.BatchNorm1d(8), nn.Dropout(dropout)] if dropout else []
        return nn.Sequential(nn.Linear(size, 8), *between, nn.Tanh(), nn.Linear(8, outputs))


def cnn(seed: int = 0) -> nn.Module:
    """Images (2, 6, 6) to three logits, by convolutions, batch normalization, pooling and dropout."""
    with seeded(seed, "weights"):
        return nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(54, 3),
        )


def images(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """x (n, 2, 6, 6) and codes y (n,): how bright each of the channels is tells the class."""
    draws = generator(seed, "images")
    y = torch.randint(3, (n,), generator=draws)
    bright = torch.stack([y.float() - 1, 1 - y.float()], 1)[:, :, None, None]
    return bright + torch.randn(n, 2, 6, 6, generator=draws), y


def measure(outputs: Tensor, y: Tensor) -> dict[str, float]:
    """Accuracy and log loss."""
    return {
        "accuracy": float((outputs.argmax(1) == y).double().mean()),
        "log_loss": float(functional.cross_entropy(outputs, y)),
    }


def busy_run(
    optimizer: str = "adam",
    *,
    convolutional: bool = True,
    every: int | None = 1,
    epochs: int = 4,
    watchers: Sequence[Any] = (),
    **more: Any,
) -> Trained:
    """A run of 3 steps an epoch (1 for gd) with dropout, batch normalization, augmentation, pieces, clipping, a schedule,
    Plateau, EarlyStop and checkpoints; store and resume go to the trainer.

    Features are validated on blobs about other centres: the first epoch is the best, the rate is cut, and the run stops.
    """
    n = 22
    x, y = images(n) if convolutional else blobs(n)
    held = images(9, 1) if convolutional else blobs(9, seed=1)
    module = cnn() if convolutional else mlp(dropout=0.3)
    task = Supervised(
        module,
        make_loss("cross_entropy", label_smoothing=0.1),
        validation=held,
        measures=measure,
        measure="log_loss",
    )
    batches = InMemory(
        [x, y],
        batch_size=None if OPTIMIZERS[optimizer].full_batch else 7,  # 7, 7 and 8: one is left over
        seed=3,
        augmentation=ImageAugmentation(shift=0.1, rotate=10, erase=0.3, mixup=0.2, classes=3)
        if convolutional
        else jitter,
    )
    own = [
        Schedule(kind="cosine", warmup=0.2),
        Plateau(patience=1, factor=0.7),
        EarlyStop(patience=3),
        Every(steps=every),
    ]
    trainer = Trainer(optimizer=optimizer, weight_decay=0.01, epochs=epochs, device="cpu", seed=5)
    rule = Clipped(norm=0.5, rule=Accumulated(pieces=2))
    return trainer.fit(task, batches, rule=rule, watchers=[*own, *watchers], **more)


def jitter(batch: Batch, draws: torch.Generator) -> Batch:
    """The smallest augmentation: noise on the features."""
    x, y = batch
    return x + 0.1 * torch.randn(x.shape, generator=draws), y


def timeless(history: TrainHistory) -> TrainHistory:
    """A history without its clock."""
    return replace(history, seconds=0.0, epochs=tuple(replace(e, seconds=0.0) for e in history.epochs))


def same_end(a: Trained, b: Trained) -> bool:
    """Whether two runs ended with the same bits and the same history, clock aside."""
    return arrays_equal(arrays_of(a.module), arrays_of(b.module)) and timeless(a.history) == timeless(
        b.history
    )


def weights(module: nn.Module) -> dict[str, np.ndarray]:
    """The parameters alone, as arrays of their own."""
    return {n: p.detach().numpy().copy() for n, p in module.named_parameters()}
