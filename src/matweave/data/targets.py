"""What examples are to be learned to: a class each, or a number each.

Classes are text. An example holds the code of its class, its place in `classes`, which stand in natural order:
'2' before '10', 'item2' before 'item10', and labels that are all numbers by their value. A code means nothing
outside its own `classes`; labels of other data are recoded by name (`with_classes`), never by place.

Nothing is guessed: a missing label (None, NaN, empty text), a value that is not finite, or labels of several
types (1 and '1') are refused, with the first ten named by index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np

from matweave.data.labels import as_list, distinct, is_number, natural_order, refuse_at, refused
from matweave.errors import DataError, listed, nearest


class HasTargets(Protocol):
    """Data of any kind: images, sequences, tables."""

    @property
    def targets(self) -> Targets | None:
        """Its targets, or None for data that are only to be predicted."""
        ...


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """The targets of n examples.

    values: (n,) int64 codes into `classes`, or (n,) float64 numbers where `classes` is None.
    classes: the labels by code, in natural order; some may have no example here (a part of a set keeps them all).

    Raises DataError where the arrays do not fit that.

    >>> targets = Targets.of_labels(["cat", "dog", "cat"])
    >>> targets.classes, targets.values
    (('cat', 'dog'), array([0, 1, 0]))
    """

    values: np.ndarray
    classes: tuple[str, ...] | None

    def __post_init__(self) -> None:
        kind = np.int64 if self.classes is not None else np.float64
        if self.values.ndim != 1 or self.values.dtype != kind:
            raise refused(
                f"targets are an array of {self.values.dtype} of shape {self.values.shape}, "
                f"but must be one {kind.__name__} for each example"
            )
        if self.classes is None:
            refuse_at(~np.isfinite(self.values), self.values, "targets are not finite numbers")
            return
        if len(set(self.classes)) < len(self.classes):
            raise refused(f"a class stands twice among {listed(self.classes)}")
        outside = (self.values < 0) | (self.values >= len(self.classes))
        refuse_at(outside, self.values, f"codes are outside the {len(self.classes)} classes")

    @classmethod
    def of_labels(cls, labels: Iterable[Any], *, where: str = "labels") -> Targets:
        """Targets of classes, from n labels: text, integers, booleans, or floats (whole ones lose their '.0').

        Raises DataError for missing labels, labels of several types, or none of these types, named by index.

        >>> Targets.of_labels([10, 2, 10]).classes
        ('2', '10')
        """
        found, codes = distinct(labels, where)
        order = natural_order(found)
        place = {name: code for code, name in enumerate(order)}
        recode = np.fromiter((place[name] for name in found), np.int64, len(found))
        return cls(values=recode[codes], classes=tuple(order))

    @classmethod
    def of_values(cls, values: Iterable[Any], *, where: str = "targets") -> Targets:
        """Targets of numbers (regression), from n numbers.

        Raises DataError for values that are no finite numbers, named by index.

        >>> Targets.of_values([1, 2.5]).values
        array([1. , 2.5])
        """
        given = values if isinstance(values, np.ndarray) else as_list(values)
        if isinstance(given, list) or given.dtype.kind not in "iuf":
            items = list(given)
            wrong = np.fromiter((not is_number(v) for v in items), bool, len(items))
            refuse_at(wrong, items, "targets are not numbers", where)
            given = np.array([float(v) for v in items])
        given = given.astype(np.float64)
        if given.ndim == 1:
            refuse_at(~np.isfinite(given), given, "targets are not finite numbers", where)
        return cls(values=given, classes=None)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        kind = "numbers" if self.classes is None else f"{self.n_classes} classes"
        return f"Targets({self.n:,} examples, {kind})"

    @property
    def n(self) -> int:
        """How many examples."""
        return len(self.values)

    @property
    def n_classes(self) -> int:
        """How many classes there are names for; 0 for numbers."""
        return len(self.classes or ())

    def labels(self) -> list[str]:
        """The class of each example, by name. Raises DataError for numbers."""
        names = self._names("labels()")
        return [names[code] for code in self.values.tolist()]

    def take(self, index: Any) -> Targets:
        """The targets of some examples, by integer index, mask or slice; the classes stay whole.

        >>> Targets.of_labels("aab").take([2]).labels()
        ['b']
        """
        return Targets(values=self.values[as_index(index)], classes=self.classes)

    def counts(self) -> np.ndarray:
        """How many examples each class has: (n_classes,) int64. Raises DataError for numbers.

        >>> Targets.of_labels("aab").counts()
        array([2, 1])
        """
        return np.bincount(self.values, minlength=len(self._names("counts()"))).astype(np.int64)

    def balance(self) -> list[str]:
        """A line for each class: its name, count and share, in columns; for numbers one line of their range.

        >>> Targets.of_labels("aab").balance()
        ['a  2  66.7%', 'b  1  33.3%']
        >>> Targets.of_values([1.0, 3.0]).balance()
        ['2 numbers from 1 to 3, mean 2, standard deviation 1']
        """
        if self.classes is None:
            if not self.n:
                return ["0 numbers"]
            low, high = float(self.values.min()), float(self.values.max())
            # scaled, so that no sum or square overflows
            scale = max(abs(low), abs(high)) or 1.0
            mean, spread = (
                float((self.values / scale).mean()) * scale,
                float((self.values / scale).std()) * scale,
            )
            said = f"{self.n:,} numbers from {low:.6g} to {high:.6g}"
            return [f"{said}, mean {mean:.6g}, standard deviation {spread:.6g}"]
        counts = self.counts()
        rows = [
            (name, f"{count:,}", f"{count / max(1, self.n):.1%}")
            for name, count in zip(self.classes, counts.tolist(), strict=True)
        ]
        wide = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
        return [f"{a:<{wide[0]}}  {b:>{wide[1]}}  {c:>{wide[2]}}" for a, b, c in rows]

    def with_classes(self, classes: Sequence[str], *, where: str = "labels") -> Targets:
        """The same labels by the codes of other classes, those of a model for instance.

        Raises DataError that lists the labels outside them, with how many examples each has.

        >>> Targets.of_labels(["b", "b"]).with_classes(("a", "b")).values
        array([1, 1])
        """
        names = self._names("with_classes()", where)
        place = {name: code for code, name in enumerate(classes)}
        counts = self.counts()
        strange = [
            f"{name!r} ({count:,} examples){nearest(name, classes)}"
            for name, count in zip(names, counts.tolist(), strict=True)
            if count and name not in place
        ]
        if strange:
            more = f" (+{len(strange) - 10} more)" if len(strange) > 10 else ""
            raise DataError(
                f"labels are outside the {len(place)} known classes: {', '.join(strange[:10])}{more}",
                where=where,
                mend=f"the classes are {listed(list(classes))}: correct these labels, or leave these examples out",
            )
        recode = np.fromiter((place.get(name, -1) for name in names), np.int64, len(names))
        return Targets(values=recode[self.values], classes=tuple(classes))

    def refuse_one_class(self, where: str) -> None:
        """Raise DataError where there is no example, or all examples are of one class; numbers pass.

        >>> Targets.of_labels("aaa").refuse_one_class("digits.npz")
        Traceback (most recent call last):
        matweave.errors.DataError: all 3 examples are of class 'a', so there is nothing to tell apart
          where: digits.npz
          mend:  give examples of two or more classes
        """
        if not self.n:
            raise DataError("there are no examples", where=where, mend="give data with at least two examples")
        if self.classes is not None and np.count_nonzero(self.counts()) == 1:
            name = self.classes[int(self.values[0])]
            raise DataError(
                f"all {self.n:,} examples are of class {name!r}, so there is nothing to tell apart",
                where=where,
                mend="give examples of two or more classes",
            )

    def _names(self, asked: str, where: str = "targets") -> tuple[str, ...]:
        if self.classes is None:
            raise DataError(
                f"these targets are numbers, and {asked} is of classes",
                where=where,
                mend="give class labels (Targets.of_labels)",
            )
        return self.classes


def require_targets(data: HasTargets, where: str) -> Targets:
    """The targets of images, sequences or a table. Raises DataError where they have none.

    >>> from types import SimpleNamespace
    >>> require_targets(SimpleNamespace(targets=None), "photos")
    Traceback (most recent call last):
    matweave.errors.DataError: these data have no labels, so nothing can be learned or judged from them
      where: photos
      mend:  give data with a label for each example: a target column, a folder for each class, a labels file
    """
    if data.targets is None:
        raise DataError(
            "these data have no labels, so nothing can be learned or judged from them",
            where=where,
            mend="give data with a label for each example: a target column, a folder for each class, a labels file",
        )
    return data.targets


def as_index(index: Any) -> Any:
    """An index for NumPy from a slice, a mask or integers; none at all is an empty one.

    >>> as_index([])
    array([], dtype=int64)
    """
    return index if isinstance(index, slice) else np.asarray(index, None if len(index) else np.int64)
