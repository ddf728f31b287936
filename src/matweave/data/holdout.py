"""Hold a share of the examples out, class by class, with equal examples on one side.

Of n examples round(share · n) are held out. Stratified, a class of n_k examples gives share · n_k of them, rounded by
largest remainders so that the whole is met; at most n_k - 1, so that none is missing in training (a class of one
example stays there). Ties are broken by chance.

Examples that are equal (the same digest) form a group, and a group is never divided: an example of the training part is
not in the test part again. Groups are taken in random order while they fit what is left of their classes, then, where
classes are short, while they fit the whole; what duplicates make impossible to meet is told. Without classes (numbers,
no targets, or stratify=False) all examples are one stratum.

Cost: time n log n, memory O(n). The same data, share, seed and name give the same parts. Checked by hand and by
properties: a partition, no digest on both sides, counts within the rounding, no effect of the classes' names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Generic, Protocol, Self, TypeVar, final

import numpy as np

from matweave.data.targets import Targets
from matweave.errors import ConfigError, DataError, listed
from matweave.randomness import child

_SHOWN = 20  # classes whose balance is told one by one


class Examples(Protocol):
    """What can be held out from: images, sequences, tables."""

    @property
    def targets(self) -> Targets | None:
        """Classes or numbers, or None."""
        ...

    def __len__(self) -> int: ...

    def take(self, index: Any) -> Self:
        """Some of the examples, by index."""
        ...

    def digests(self) -> np.ndarray:
        """A fingerprint of each example: equal examples have equal ones."""
        ...


E = TypeVar("E", bound=Examples)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut(Generic[E]):
    """The two parts, each in the order of the data; `train_index` and `test_index` say which examples they are.

    `test` is the part held out, whatever it is for. `report`: sizes, balance, and what could not be met, in lines.
    """

    train: E
    test: E
    train_index: np.ndarray
    test_index: np.ndarray
    report: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.report)


def hold_out(data: E, share: float, *, seed: int, stratify: bool = True, name: str = "test") -> HeldOut[E]:
    """Divide examples into a training part and one held out, called `name` in the report.

    share: of the examples, in (0, 1). stratify: class by class where there are classes. Different names draw
    differently, so that a validation part is not drawn as the test part was.
    Raises ConfigError for a bad share or seed, DataError for fewer than two examples, or where nothing can be held out
    because the examples are all equal, or each the only one of its class.

    >>> from matweave.data.images import Images
    >>> data = Images.of(np.arange(10 * 4).reshape(10, 2, 2), ["a"] * 5 + ["b"] * 5)
    >>> print(hold_out(data, 0.4, seed=0))
    10 examples: 6 for training, 4 (40.0%) for test; drawn by class, seed 0
      a: 3 (50.0%) in train, 2 (50.0%) in test
      b: 3 (50.0%) in train, 2 (50.0%) in test
    """
    n = len(data)
    if not isinstance(share, Real) or isinstance(share, bool) or not 0 < share < 1:
        raise ConfigError(
            f"the share to hold out is {share!r}, but must be a number between 0 and 1",
            where="hold_out",
            mend="give 0.2 to hold a fifth of the examples out",
        )
    rng = child(seed, "hold_out", name)
    if n < 2:
        raise DataError(
            f"of {n} examples none can be held out", where="hold_out", mend="give at least two examples"
        )
    targets = data.targets if stratify else None
    by_class = targets is not None and targets.classes is not None
    strata = targets.values if targets is not None and by_class else np.zeros(n, np.int64)
    counts = np.bincount(strata)
    wanted = min(max(1, round(float(share) * n)), n - 1)
    _, group, sizes = np.unique(data.digests(), return_inverse=True, return_counts=True)
    held = _draw(strata, counts, _quotas(counts, float(share), wanted, rng), group, sizes, rng)
    if not held.any():
        raise _nothing(sizes, n)
    train, test = np.flatnonzero(~held), np.flatnonzero(held)
    how = f"drawn {'by class' if by_class else 'at random'}, seed {seed}"
    report = [
        f"{n:,} examples: {len(train):,} for training, {len(test):,} ({len(test) / n:.1%}) for {name}; {how}"
    ]
    if len(test) != wanted:
        report.append(f"  {wanted:,} were asked for; equal examples and small classes allow {len(test):,}")
    if targets is not None and targets.classes is not None:
        report += _balance(targets, train, test, name)
    report += _told_groups(group, sizes, data.targets)
    return HeldOut(
        train=data.take(train),
        test=data.take(test),
        train_index=train,
        test_index=test,
        report=tuple(report),
    )


def count_shared(train: Examples, test: Examples) -> int:
    """How many examples of `test` are equal to one of `train`: for parts that were not drawn here.

    >>> from matweave.data.images import Images
    >>> count_shared(Images.of(np.zeros((3, 2, 2))), Images.of(np.arange(8.0).reshape(2, 2, 2)))
    0
    """
    return int(np.isin(test.digests(), train.digests()).sum())


def _quotas(counts: np.ndarray, share: float, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """How many each stratum gives: share · count by largest remainders, at most count - 1, `wanted` in all if it can be."""
    most = np.maximum(counts - 1, 0)
    quotas = np.minimum(np.floor(share * counts).astype(np.int64), most)
    chance = rng.random(len(counts))
    while (left := wanted - int(quotas.sum())) > 0 and (quotas < most).any():
        open_ones = np.flatnonzero(quotas < most)
        short = share * counts[open_ones] - quotas[open_ones]
        best = open_ones[np.lexsort((chance[open_ones], -short))]
        quotas[best[:left]] += 1
    return quotas


def _draw(
    strata: np.ndarray,
    counts: np.ndarray,
    quotas: np.ndarray,
    group: np.ndarray,
    sizes: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Which examples are held out: whole groups, in random order, first as the quotas allow, then as the whole does."""
    needs = _needs(strata, group, sizes)
    order = rng.permutation(len(sizes)).tolist()
    left, spare = quotas.tolist(), (counts - 1).tolist()
    total = sum(left)
    taken = np.zeros(len(sizes), bool)

    def take(g: int) -> None:
        nonlocal total
        taken[g] = True
        for k, m in needs[g]:
            left[k] -= m
            spare[k] -= m
            total -= m

    for g in order:
        if not total:
            break
        if all(left[k] >= m for k, m in needs[g]):
            take(g)
    for g in order if total else ():
        short = any(left[k] > 0 for k, _ in needs[g])
        if short and not taken[g] and sizes[g] <= total and all(spare[k] >= m for k, m in needs[g]):
            take(g)
    if not taken.any() and total:  # every group is larger than what was asked for: the smallest that can go
        able = [g for g in order if all(spare[k] >= m for k, m in needs[g])]
        if able:
            take(min(able, key=sizes.__getitem__))
    return taken[group]


def _needs(strata: np.ndarray, group: np.ndarray, sizes: np.ndarray) -> Sequence[tuple[tuple[int, int], ...]]:
    """For each group, how many examples of which strata are in it."""
    width = int(strata.max()) + 1
    pairs, found = np.unique(group * np.int64(width) + strata, return_counts=True)
    needs: list[tuple[tuple[int, int], ...]] = [()] * len(sizes)
    for pair, m in zip(pairs.tolist(), found.tolist(), strict=True):
        g, k = divmod(pair, width)
        needs[g] += ((k, m),)
    return needs


def _balance(targets: Targets, train: np.ndarray, test: np.ndarray, name: str) -> list[str]:
    classes = targets.classes or ()
    parts = [targets.take(index).counts() for index in (train, test)]
    there = [k for k in range(len(classes)) if parts[0][k] + parts[1][k]]
    lines = [
        f"  {classes[k]}: "
        + ", ".join(
            f"{part[k]:,} ({part[k] / part.sum():.1%}) in {to}"
            for part, to in zip(parts, ("train", name), strict=True)
        )
        for k in there[:_SHOWN]
    ]
    if len(there) > _SHOWN:
        lines.append(f"  (+{len(there) - _SHOWN:,} more classes)")
    alone = [classes[k] for k in there if parts[0][k] + parts[1][k] == 1]
    if alone:
        lines.append(f"  {len(alone):,} classes have one example, which stays in train: {listed(alone)}")
    absent = [classes[k] for k in there if not parts[1][k] and parts[0][k] > 1]
    if absent:
        lines.append(
            f"  {len(absent):,} classes have none in {name}, too small or all equal: {listed(absent)}"
        )
    return lines


def _told_groups(group: np.ndarray, sizes: np.ndarray, targets: Targets | None) -> list[str]:
    several = sizes > 1
    if not several.any():
        return []
    lines = [
        f"  {sizes[several].sum():,} examples are equal to others, in {several.sum():,} groups; "
        "each group stays on one side"
    ]
    if targets is not None:
        low, high = np.full(len(sizes), np.inf), np.full(len(sizes), -np.inf)
        np.minimum.at(low, group, targets.values)
        np.maximum.at(high, group, targets.values)
        if mixed := int(np.count_nonzero(low < high)):
            lines.append(f"  {mixed:,} of these groups hold equal examples with different targets")
    return lines


def _nothing(sizes: np.ndarray, n: int) -> DataError:
    if len(sizes) == 1:
        what = f"all {n:,} examples are equal, so none can be held out apart from the others"
        return DataError(what, where="hold_out", mend="give examples that differ")
    return DataError(
        f"none of {n:,} examples can be held out: each class has one example, or equal ones only",
        where="hold_out",
        mend="give more examples of each class, or stratify=False",
    )
