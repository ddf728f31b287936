"""What a training run went through, epoch by epoch; plain numbers, no torch, so that reports need none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final


@final
@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One whole epoch.

    epoch: its number from 1; step: steps taken since the start; loss: mean training loss of an example in it,
    augmented as trained; measures: validation measures after it, by name, empty where none were asked;
    learning_rate: of its last step; seconds: since the start of training, validation included.
    """

    epoch: int
    step: int
    loss: float
    measures: dict[str, float] = field(default_factory=dict)
    learning_rate: float
    seconds: float


@final
@dataclass(frozen=True, kw_only=True)
class TrainHistory:
    """Every epoch, why training ended, and which epoch's weights were kept.

    stopped: "epochs", "early stopping", "interrupted", or what a watcher said. best_epoch: the epoch whose weights were
    kept (the best on `measure`, else the last). examples: training examples in an epoch.

    >>> one = Epoch(epoch=1, step=10, loss=0.5, measures={"accuracy": 0.9}, learning_rate=0.1, seconds=1.0)
    >>> TrainHistory(epochs=(one,), stopped="epochs", best_epoch=1, measure="accuracy", seconds=1.0, examples=64).best
    0.9
    """

    epochs: tuple[Epoch, ...] = ()
    stopped: str = "epochs"
    best_epoch: int = 0
    measure: str = ""
    higher_is_better: bool = False
    seconds: float = 0.0
    examples: int = 0

    @property
    def best(self) -> float | None:
        """The value of `measure` at the epoch kept; None without validation or before the first epoch."""
        found = [e.measures.get(self.measure) for e in self.epochs if e.epoch == self.best_epoch]
        return found[0] if found else None
