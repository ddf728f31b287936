"""Checkpoints: a killed fit goes on where it was, to the same result.

A checkpoint is an artifact that holds a `FitState` and the fingerprint of the recipe and the log. It is
refused for another recipe or another log, since the result would be neither run's.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from matweave.artifact import CARD, load, remove, save
from matweave.config import settings_of
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.errors import ArtifactError
from matweave.factor.loop import FitState


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """What a checkpoint folder holds."""

    fingerprint: str
    state: FitState


@final
@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A watcher that writes the state to `folder` after an epoch, so often that it costs a tenth at most.

    The first epoch is always written, and the last one too; a fit that ends in between is for the caller to
    `write`, so that it can go on where it was.
    """

    folder: Path
    fingerprint: str
    share: float = 0.1
    _clock: dict[str, float] = field(default_factory=dict, repr=False)

    def __call__(self, state: FitState, epochs: int) -> bool | None:
        now = time.perf_counter()
        due = self._clock.get("due", -1.0)
        if now >= due or state.epoch == epochs:
            self.write(state)
            cost = time.perf_counter() - now
            self._clock["due"] = time.perf_counter() + cost / self.share
        return None

    def write(self, state: FitState) -> None:
        """Write the state, replacing the one before."""
        save(Stored(fingerprint=self.fingerprint, state=state), self.folder)

    def read(self) -> FitState:
        """The state to go on from. Raises ArtifactError where there is none, or it is of another run."""
        stored = load(self.folder, {"Stored": Stored, "FitState": FitState})
        if stored.fingerprint != self.fingerprint:
            raise ArtifactError(
                f"{self.folder} was made with other settings or another log",
                where=str(self.folder),
                mend="resume with the same command, or start anew without --resume",
            )
        return stored.state

    def remove(self) -> None:
        """Forget the checkpoint, after the model itself is safe; files that are not ours stay."""
        remove(self.folder)

    @property
    def exists(self) -> bool:
        """Whether one was written whole: a run killed during its first leaves a folder without a card."""
        return (self.folder / CARD).exists()


def fingerprint(recipe: Any, *logs: Interactions | None) -> str:
    """A digest of a recipe's settings and of every number and id of the logs it is fitted and validated on.

    >>> from matweave.factor.popularity import Popularity
    >>> log = Interactions.from_codes([0, 1], [0, 0])
    >>> fingerprint(Popularity(), log) == fingerprint(Popularity(half_life_days=1.0), log)
    False
    """
    digest = hashlib.sha256(json.dumps([type(recipe).__name__, settings_of(recipe)], default=str).encode())
    for log in logs:
        if log is None:
            digest.update(b"none")
            continue
        for array in (log.user_codes, log.item_codes, log.values, log.times):
            digest.update(b"none" if array is None else np.ascontiguousarray(array).data)
        for vocabulary in (log.users, log.items):
            # as values: Arrow's buffers also hold what lies before and after a slice
            digest.update(f"{vocabulary.ids.type}{vocabulary.to_list()!r}".encode())
    return digest.hexdigest()


def digest(content: ItemContent) -> str:
    """A fingerprint of ids, texts, attributes and images.

    >>> digest(ItemContent.of([1], texts=["a"])) == digest(ItemContent.of([1], texts=["b"]))
    False
    """
    found = hashlib.sha256(f"{content.items.to_list()!r}{content.attribute_names!r}".encode())
    found.update(b"" if content.texts is None else repr(content.texts.to_pylist()).encode())
    for array in (content.attributes, content.pixels, content.picture):
        found.update(b"none" if array is None else np.ascontiguousarray(array).data)
    return found.hexdigest()
