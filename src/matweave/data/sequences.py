"""Sequences of any lengths, of numbers or of characters, and how they become one padded array for a network.

Ragged         sequence i is steps[offsets[i]:offsets[i + 1]]: no padding is kept, n sequences cost what their steps cost.
Text           codes 1.. of an alphabet in code point order, 0 for a character outside it. Nothing is lower-cased or
               stripped; a character is a Unicode code point.
Preparation    z = (x - mean) / std, per channel over all steps of the training data, in float64; a channel that never
               changes keeps std 1. Text is recoded: 0 padding, 1 unknown, 2.. the alphabet of the training data.
               Padding is zeros at the end, up to the longest sequence given.
Cost           linear in the steps (ragged) and in n x longest (padded); index arithmetic throughout: data/ragged.py.
Checked by     tests/data/test_sequences.py: loops, permuted, cut and scaled data, a round trip through an artifact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from matweave.data.labels import as_list
from matweave.data.places import SHOWN
from matweave.data.ragged import chosen, code_points, content_digests, padded, taken
from matweave.data.sequence_arrays import joined
from matweave.data.targets import Targets
from matweave.errors import DataError, listed

PADDING, UNKNOWN, FIRST = 0, 1, 2
"""Codes of a prepared text: padding, a character outside the alphabet, the first of the alphabet."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Sequences:
    """n sequences of at least one step each.

    steps: (total, channels) float32, finite; or (total,) int64 codes where `alphabet` is set: 1 for its first
    character, 0 for one outside it. offsets: (n + 1,) int64. names: what to call each in a message. report: what was
    chosen and found on the way here. Raises DataError, with the names, for sequences without steps and values that
    are not finite, and for arrays that do not fit together.

    >>> waves = Sequences.of([[0.5, 1.0, 0.5], [2.0]], ["low", "high"])
    >>> len(waves), waves.lengths.tolist(), waves.channels, waves.targets.labels()
    (2, [3, 1], 1, ['low', 'high'])
    >>> Sequences.of(["Ada", "Bo"]).alphabet
    ('A', 'B', 'a', 'd', 'o')
    """

    steps: np.ndarray
    offsets: np.ndarray
    targets: Targets | None = None
    names: tuple[str, ...] = ()
    alphabet: tuple[str, ...] | None = None
    report: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.offsets) - 1
        problems = []
        wanted, dims = (np.float32, 2) if self.alphabet is None else (np.int64, 1)
        if self.steps.dtype != wanted or self.steps.ndim != dims:
            problems.append(
                f"steps are {self.steps.dtype} of shape {self.steps.shape}, "
                f"but must be {np.dtype(wanted)} with {dims} dimension{'s' * (dims > 1)}"
            )
        elif dims == 2 and not self.steps.shape[1]:
            problems.append("there are no channels")
        o = self.offsets
        if n < 0 or o.dtype != np.int64 or o[0] != 0 or o[-1] != len(self.steps) or (np.diff(o) < 0).any():
            problems.append(f"offsets must be int64, and rise from 0 to the {len(self.steps):,} steps")
        if self.targets is not None and len(self.targets) != n:
            problems.append(f"there are {n:,} sequences, but {len(self.targets):,} targets")
        if len(self.names) != n:
            problems.append(f"there are {n:,} sequences, but {len(self.names):,} names")
        if problems:
            raise _refused("\n".join(problems), "build them with Sequences.of or read_sequences")
        self._refuse_at(np.flatnonzero(self.lengths == 0), "without a single step")
        if self.alphabet is not None:
            if len(self.steps) and not 0 <= self.steps.min() <= self.steps.max() <= len(self.alphabet):
                raise _refused(f"codes are outside 0..{len(self.alphabet)}", "build texts with Sequences.of")
            return
        good = np.isfinite(self.steps)
        if not good.all():
            at = np.flatnonzero(~good.all(axis=1))
            self._refuse_at(np.unique(np.searchsorted(o, at, "right") - 1), "with NaN or infinite values")

    @staticmethod
    def of(x: Any, y: Any = None, *, report: Iterable[str] = ()) -> Sequences:
        """Sequences from arrays or texts.

        x: n arrays (T_i,) or (T_i, channels) of numbers, an array (n, T) or (n, T, channels), or n texts.
        y: Targets, or n labels (text, integers, booleans: classes; floats: numbers), or None.
        Raises DataError, with indices, for empty sequences, other numbers of channels, values that are no finite
        float32, and labels that do not fit.

        >>> Sequences.of(np.zeros((2, 3, 4))).steps.shape
        (6, 4)
        """
        found = joined(x)
        targets = y if y is None or isinstance(y, Targets) else _targets(y)
        names = tuple(f"x[{i}]" for i in range(len(found) if isinstance(found, list) else len(found[1]) - 1))
        if isinstance(found, list):
            return Sequences.of_texts(found, names, targets, report=report)
        return Sequences(steps=found[0], offsets=found[1], targets=targets, names=names, report=tuple(report))

    @staticmethod
    def of_texts(
        texts: list[str],
        names: tuple[str, ...],
        targets: Targets | None = None,
        *,
        report: Iterable[str] = (),
    ) -> Sequences:
        """Texts by character; the alphabet is their own, in code point order.

        >>> Sequences.of_texts(["ba"], ("first",)).steps
        array([2, 1])
        """
        points, offsets = code_points(texts)
        own = np.unique(points)
        codes = np.searchsorted(own, points).astype(np.int64) + 1
        return Sequences(
            steps=codes,
            offsets=offsets,
            targets=targets,
            names=names,
            alphabet=tuple(map(chr, own.tolist())),
            report=tuple(report),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        kind = f"{self.channels} channels" if self.alphabet is None else f"{len(self.alphabet)} characters"
        return f"Sequences({len(self):,} sequences, {len(self.steps):,} steps, {kind})"

    @cached_property
    def lengths(self) -> np.ndarray:
        """Steps of each sequence, (n,) int64."""
        return np.diff(self.offsets)

    @property
    def channels(self) -> int:
        """Numbers in a step; 1 for text."""
        return self.steps.shape[1] if self.alphabet is None else 1

    def sequence(self, i: int) -> np.ndarray:
        """The steps of one sequence: (T, channels), or (T,) codes of text."""
        at = range(len(self))[i]
        return self.steps[self.offsets[at] : self.offsets[at + 1]]

    def text(self, i: int) -> str:
        """One sequence of text as it was read; U+FFFD stands for a character outside the alphabet."""
        if self.alphabet is None:
            raise _refused("these are sequences of numbers, which have no text", "read text by character")
        return "".join(("\ufffd", *self.alphabet)[code] for code in self.sequence(i).tolist())

    def take(self, index: Any) -> Sequences:
        """Some of the sequences, by integer index, mask or slice; classes and alphabet stay whole.

        >>> Sequences.of(["ab", "c"]).take([1]).text(0)
        'c'
        """
        index = chosen(index, len(self))
        steps, offsets = taken(self.offsets, index)
        return Sequences(
            steps=self.steps[steps],
            offsets=offsets,
            targets=None if self.targets is None else self.targets.take(index),
            names=tuple(self.names[i] for i in index.tolist()),
            alphabet=self.alphabet,
            report=self.report,
        )

    def digests(self) -> np.ndarray:
        """(n,) uint64 of the contents alone: equal sequences have equal ones, in other data and alphabets too."""
        if self.alphabet is None:
            return content_digests(self.steps + np.float32(0), self.offsets)  # -0 and 0 are one number
        points, _ = code_points(("\ufffd", *self.alphabet))
        return content_digests(points[self.steps], self.offsets)

    def _refuse_at(self, at: np.ndarray, what: str) -> None:
        if len(at):
            which = listed([self.names[i] for i in at[:SHOWN].tolist()])
            more = f" (+{len(at) - SHOWN:,} more)" if len(at) > SHOWN else ""
            raise _refused(f"{len(at):,} sequences {what}: {which}{more}", "correct them, or leave them out")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SequencePreparation:
    """What was learned from the training data, to make any data ready for a network in the same way.

    mean, std: (channels,) float32, empty for text. alphabet: of the training data, None for numbers.
    max_length: of the training data, told but not imposed.

    >>> train = Sequences.of([[1.0, 3.0], [5.0]])
    >>> x, lengths = SequencePreparation.fit(train).apply(train)
    >>> x[:, :, 0].round(4).tolist(), lengths.tolist()
    ([[-1.2247, 0.0], [1.2247, 0.0]], [2, 1])
    >>> SequencePreparation.fit(Sequences.of(["ab"])).apply(Sequences.of(["cab", "b"]))[0].tolist()
    [[1, 2, 3], [3, 0, 0]]
    """

    mean: np.ndarray
    std: np.ndarray
    channels: int
    alphabet: tuple[str, ...] | None
    max_length: int

    @classmethod
    def fit(cls, sequences: Sequences) -> SequencePreparation:
        """Learn from training data. Raises DataError where there is no sequence.

        The alphabet is that of these sequences: a part that was taken of others keeps theirs, but did not see it.
        """
        if not len(sequences):
            raise _refused("there are no sequences to learn from", "give at least one")
        mean = std = np.zeros(0, np.float32)
        alphabet = sequences.alphabet
        if alphabet is not None:
            used = np.unique(sequences.steps)
            alphabet = tuple(alphabet[code - 1] for code in used[used > 0].tolist())
        if sequences.alphabet is None:
            steps = sequences.steps.astype(np.float64)
            mean, std = steps.mean(axis=0).astype(np.float32), steps.std(axis=0).astype(np.float32)
            std[std == 0] = (
                1  # constant: sums of equal float32 are exact in float64; or too small for float32
            )
        return cls(
            mean=mean,
            std=std,
            channels=sequences.channels,
            alphabet=alphabet,
            max_length=int(sequences.lengths.max()),
        )

    @property
    def codes(self) -> int:
        """How many codes prepared text may hold, padding and unknown included; 0 for numbers."""
        return 0 if self.alphabet is None else FIRST + len(self.alphabet)

    def apply(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """(x, lengths): x (n, T, channels) float32 or (n, T) int64 codes, zeros at the end; lengths (n,) int64.

        T is the longest of the sequences given. Raises DataError for other channels, or text for numbers; TooBig
        where the padded array would have more than 2^32 cells.
        """
        self._check(sequences)
        if self.alphabet is not None:
            return padded(self._recoded(sequences)[sequences.steps], sequences.offsets), sequences.lengths
        with np.errstate(over="ignore"):
            steps = ((sequences.steps - self.mean.astype(np.float64)) / self.std).astype(np.float32)
        beyond = np.flatnonzero(~np.isfinite(steps).all(axis=0))
        if len(beyond):
            raise _refused(
                f"values of channels {listed(beyond.tolist())} lie so far from those of the training data that "
                "they are beyond float32 when standardised",
                "give data in the units of the training data",
            )
        return padded(steps, sequences.offsets), sequences.lengths

    def unseen(self, sequences: Sequences) -> dict[str, int]:
        """Characters that the training data lack, in code point order, with how often they stand here.

        >>> SequencePreparation.fit(Sequences.of(["ab"])).unseen(Sequences.of(["cab", "c"]))
        {'c': 2}
        """
        self._check(sequences)
        if self.alphabet is None:
            return {}
        counts = np.bincount(sequences.steps, minlength=len(sequences.alphabet or ()) + 1)
        strange = np.flatnonzero((self._recoded(sequences) == UNKNOWN) & (counts > 0))
        return {("\ufffd", *(sequences.alphabet or ()))[code]: int(counts[code]) for code in strange.tolist()}

    def _recoded(self, sequences: Sequences) -> np.ndarray:
        """For each code of the data (0 first) the code of the same character here."""
        place = {character: code for code, character in enumerate(self.alphabet or (), FIRST)}
        return np.array([UNKNOWN, *(place.get(c, UNKNOWN) for c in sequences.alphabet or ())], np.int64)

    def _check(self, sequences: Sequences) -> None:
        mine, theirs = (
            "text" if s.alphabet is not None else f"numbers of {s.channels} channel{'s' * (s.channels != 1)}"
            for s in (self, sequences)
        )
        if mine != theirs:
            raise _refused(
                f"the sequences hold {theirs}, but those of the training data {mine}",
                "give data of the same kind, channel for channel",
            )


def _targets(y: Any) -> Targets:
    items = y if isinstance(y, np.ndarray) and y.dtype.kind != "O" else as_list(y)
    if isinstance(items, np.ndarray):
        floats = items.dtype.kind == "f"
    else:
        floats = any(isinstance(v, (float, np.floating)) for v in items)
    return Targets.of_values(y) if floats else Targets.of_labels(y)


def _refused(what: str, mend: str) -> DataError:
    return DataError(what, where="sequences", mend=mend)
