"""Checkpoints of training: what the next step needs, so that a killed run ends with the bits of an unbroken one.

    FOLDER/step-00000120/model.json + model-<hash>.safetensors      one artifact each, whole or not there

The last `keep` are kept. Order of data, augmentation and dropout are functions of seed and step, so no generator has to
be stored: weights, buffers, optimizer state, the best weights so far and the history are everything.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np

from matweave.artifact import CARD, load, remove, save
from matweave.config import check, integer
from matweave.errors import ArtifactError
from matweave.train.history import Epoch

Arrays = dict[str, np.ndarray]
_NAME = re.compile(r"step-(\d{8,})")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TrainState:
    """Training after `step` steps; loss_sum and loss_count belong to the epoch under way."""

    step: int
    module: Arrays
    optimizer: Arrays
    best: Arrays = field(default_factory=dict)
    best_epoch: int = 0
    epochs: tuple[Epoch, ...] = ()
    loss_sum: float = 0.0
    loss_count: int = 0
    rates: tuple[float, ...] = ()
    seconds: float = 0.0


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpointed:
    """What one checkpoint holds: the state, and a fingerprint of everything that the run depends on."""

    fingerprint: str
    state: TrainState


@final
@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """A folder of the last `keep` checkpoints of one run; called with a state, it writes one.

    Later steps than the one written are of a run that was given up, and go. The one before the last is for the day on
    which the last cannot be read: the same run from there, a little later.

    fingerprint: a text that is equal for two runs only if they go the same way (settings, data, versions).
    """

    folder: Path
    fingerprint: str
    keep: int = 2

    def __post_init__(self) -> None:
        check(self, keep=integer(1))

    def __call__(self, state: TrainState) -> None:
        at = self.folder / f"step-{state.step:08d}"
        save(Checkpointed(fingerprint=self.fingerprint, state=state), at)
        there = self.found()
        here = there.index(at) + 1
        for old in (*there[: max(0, here - self.keep)], *there[here:]):
            remove(old)

    def found(self) -> list[Path]:
        """The folders of whole checkpoints, oldest first."""
        if not self.folder.is_dir():
            return []
        there = [p for p in self.folder.iterdir() if _NAME.fullmatch(p.name) and (p / CARD).exists()]
        return sorted(there, key=lambda p: int(p.name.partition("-")[2]))

    def latest(self) -> TrainState:
        """The newest state that can be read. Raises ArtifactError where there is none, or it is of another run."""
        there = self.found()
        if not there:
            raise ArtifactError(
                f"{self.folder} holds no checkpoint",
                where=str(self.folder),
                mend="give the --out of the run that was stopped, or start anew without --resume",
            )
        kinds = {"Checkpointed": Checkpointed, "TrainState": TrainState, "Epoch": Epoch}
        damaged = []
        for folder in reversed(there):
            try:
                stored = load(folder, kinds)
            except ArtifactError as error:
                damaged.append(error.what)
                continue
            if not isinstance(stored, Checkpointed) or stored.fingerprint != self.fingerprint:
                raise ArtifactError(
                    f"{folder} was made with another network, other settings or other data",
                    where=str(folder),
                    mend="resume with the same command, or start anew without --resume",
                )
            return stored.state
        raise ArtifactError("\n".join(damaged), where=str(self.folder), mend="start anew without --resume")

    def remove(self) -> None:
        """Forget every checkpoint, after the model itself is safe; files that are not ours stay."""
        if not self.folder.is_dir():
            return
        for part in self.folder.iterdir():
            if part.is_dir() and _NAME.fullmatch(part.name):
                remove(part)
        with suppress(OSError):  # something else lies there
            self.folder.rmdir()
