"""Augmentation: training examples changed at random, so that a network learns what does not matter.

An augmentation is frozen settings, applied to a whole batch of tensors with a generator that is handed in:

    batch of images     (x, y)            x float (n, channels, height, width)
    batch of sequences  (x, lengths, y)   x float (n, steps, channels), or int64 codes (n, steps); padding at the end

Random numbers are drawn by a CPU generator and moved to the device of the batch: the same generator state gives the
same changes everywhere, and the same bits on the same machine. What happens to an example may depend on the others of
its batch (mixup, cutmix), and on its place in it. A batch is never changed in place.

The settings are in `train/augment_images.py` and `train/augment_sequences.py`. A strength of a name is the most that is done: how much
is drawn anew for every example, evenly over the range, except where the docstrings say otherwise.
Checked by tests/train/test_augment.py: what can be written in one line, what is refused, all problems at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from matweave.deep import Tensor, torch
from matweave.errors import ConfigError, nearest

TOKENS_CAN = ("mask",)
"""What can be done to sequences of codes: nothing lies between two characters."""


class Augmentation(ABC):
    """What both kinds share. `strengths` are the settings that `from_names` knows, with sensible values."""

    strengths: ClassVar[Mapping[str, float | bool]]

    @property
    def mixes(self) -> bool:
        """Whether answers are mixed too: class codes (n,) then become probabilities (n, classes)."""
        return False

    @abstractmethod
    def __call__(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        """The batch with its examples changed, shapes, devices and memory formats as they were.

        generator: on the CPU, whatever the device of the batch. Raises DataError for batches of other shapes or types,
        ConfigError where the settings do not suit the batch.
        """


def from_names(text: str, *, kind: str, classes: int | None = None) -> Augmentation:
    """The augmentation that a line of names describes, "shift,rotate" or "shift=0.2,rotate=10".

    kind: image, sequence, or tokens (sequences of codes). classes: how many there are, None where the answers are
    numbers; needed by mixup and cutmix alone. A name without strength gets the value in `strengths` of its class.
    Raises ConfigError that lists all problems: unknown names, strengths out of range, names given twice.

    >>> from_names("shift,rotate=10", kind="image")
    ImageAugmentation(shift=0.1, rotate=10, ...)
    >>> from_names("rotat,jitter=-1", kind="sequence")
    Traceback (most recent call last):
    matweave.errors.ConfigError: unknown augmentation 'rotat'
    jitter is -1, but must be a number >= 0
      where: augmentation 'rotat,jitter=-1'
      mend:  write NAME or NAME=STRENGTH, separated by commas; for sequence there are jitter, scale, ...
    """
    # here, since both files take their base class from this one
    from matweave.train.augment_images import ImageAugmentation
    from matweave.train.augment_sequences import SequenceAugmentation

    made: dict[str, type[Augmentation]] = {
        "image": ImageAugmentation,
        "sequence": SequenceAugmentation,
        "tokens": SequenceAugmentation,
    }
    if kind not in made:
        raise ConfigError(
            f"there is no augmentation of {kind!r}{nearest(kind, made)}",
            where="augmentation",
            mend=f"give one of {', '.join(made)}",
        )
    known = {n: s for n, s in made[kind].strengths.items() if kind != "tokens" or n in TOKENS_CAN}
    settings, problems = _parsed(text, known)
    if kind == "image":
        settings["classes"] = classes
    try:
        found = made[kind](**settings)
    except ConfigError as error:
        problems.append(error.what)
    else:
        if not problems:
            return found
    raise ConfigError(
        "\n".join(problems),
        where=f"augmentation {text!r}",
        mend=f"write NAME or NAME=STRENGTH, separated by commas; for {kind} there are {', '.join(known)}",
    )


def _parsed(text: str, known: Mapping[str, float | bool]) -> tuple[dict[str, Any], list[str]]:
    """The settings named, and what is wrong with the line."""
    settings: dict[str, Any] = {}
    problems = []
    for part in text.split(","):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not name:
            problems.append(f"{part.strip()!r} names no augmentation")
        elif name not in known:
            problems.append(f"unknown augmentation {name!r}{nearest(name, known)}")
        elif name in settings:
            problems.append(f"{name} is given twice")
        else:
            settings[name] = _strength(value) if sign else known[name]
    return settings, problems


def _strength(text: str) -> object:
    """A whole number, a number, true or false; anything else is left to the rules of the settings."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.casefold(), text)
