"""Rules of the settings that every neural recipe has: how long, how fast, where."""

from __future__ import annotations

from matweave.config import Rule, integer, number, one_of
from matweave.train.optimizers import OPTIMIZERS

TRAINING: dict[str, Rule] = {
    "epochs": integer(1),
    "batch_size": integer(1),
    "learning_rate": number(above=0),
    "weight_decay": number(0),
    "optimizer": one_of(*(name for name, row in OPTIMIZERS.items() if not row.full_batch)),
    "device": lambda value: None if isinstance(value, str) and value else "auto, cpu, cuda, cuda:N or mps",
    "seed": integer(0),
}
"""Give them to `check(self, **TRAINING, ...)`."""
