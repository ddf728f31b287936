"""Held-out parts: a partition, stratified to the example, with no example on both sides."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.holdout import HeldOut, count_shared, hold_out
from matweave.data.images import Images
from matweave.data.targets import Targets
from matweave.errors import ConfigError, DataError


def data(labels=None, contents=None, values=None) -> Images:
    """Images of one pixel: `contents` says which are equal; by default none are."""
    n = len(next(given for given in (labels, values, contents) if given is not None))
    x = np.arange(n) if contents is None else np.array(contents)
    targets = Targets.of_labels(labels) if labels is not None else None
    targets = Targets.of_values(values) if values is not None else targets
    return Images.of(x.astype(np.float32).reshape(n, 1, 1), targets)


def counts(part: Images) -> dict[str, int]:
    assert part.targets is not None
    return dict(Counter(part.targets.labels()))


def assert_partition(whole: Images, held: HeldOut[Images]) -> None:
    assert sorted([*held.train_index, *held.test_index]) == list(range(len(whole)))
    for part, index in ((held.train, held.train_index), (held.test, held.test_index)):
        assert len(index) > 0
        assert sorted(index.tolist()) == index.tolist()  # the order of the data is kept
        assert part.names == tuple(whole.names[i] for i in index)
        assert np.array_equal(part.pixels, whole.pixels[index])
    assert not set(held.train.digests().tolist()) & set(held.test.digests().tolist())
    assert count_shared(held.train, held.test) == 0


some_labels = st.lists(st.sampled_from("abcd"), min_size=6, max_size=60).filter(
    lambda labels: max(Counter(labels).values()) > 1
)
shares = st.sampled_from([0.05, 0.1, 0.2, 1 / 3, 0.5, 0.7, 0.9])


@given(some_labels, shares, st.integers(0, 99))
def test_classes_are_held_out_by_largest_remainders(labels, share, seed) -> None:
    whole = data(labels)
    held = hold_out(whole, share, seed=seed)
    assert_partition(whole, held)
    total, taken = counts(whole), counts(held.test)
    room = sum(n - 1 for n in total.values())
    wanted = min(max(1, round(share * len(labels))), len(labels) - 1, room)
    assert len(held.test) == wanted
    for name, n in total.items():
        assert taken.get(name, 0) <= n - 1  # each class is learned from
        low, high = math.floor(share * n), math.ceil(share * n)
        # within the rounding, but where small classes could not give theirs
        if wanted == round(share * len(labels)) and all(
            math.ceil(share * m) <= m - 1 for m in total.values()
        ):
            assert low <= taken.get(name, 0) <= high


@given(st.lists(st.integers(2, 40), min_size=2, max_size=6), shares)
def test_no_other_rounding_is_nearer(sizes, share) -> None:
    """Largest remainders are the nearest whole numbers of that sum: checked by all moves of one example."""
    labels = [str(k) for k, n in enumerate(sizes) for _ in range(n)]
    taken = counts(hold_out(data(labels), share, seed=0).test)
    got = [taken.get(str(k), 0) for k in range(len(sizes))]
    exact = [Fraction(share) * n for n in sizes]

    def off(quotas: list[int]) -> Fraction:
        return sum((abs(q - e) for q, e in zip(quotas, exact, strict=True)), Fraction(0))

    for a in range(len(sizes)):
        for b in range(len(sizes)):
            moved = [q + (k == a) - (k == b) for k, q in enumerate(got)]
            if all(0 <= q <= n - 1 for q, n in zip(moved, sizes, strict=True)):
                assert off(moved) >= off(got) - Fraction(1, 10**9)


def test_by_hand() -> None:
    labels = ["a"] * 50 + ["b"] * 30 + ["c"] * 19 + ["d"]
    held = hold_out(data(labels), 0.25, seed=3)
    # shares 12.5, 7.5, 4.75, 0.25 of 25: whole 12 + 7 + 4 + 0, then c, then one of a and b by chance
    taken = counts(held.test)
    assert taken["c"] == 5
    assert (taken["a"], taken["b"]) in ((13, 7), (12, 8))
    both = {counts(hold_out(data(labels), 0.25, seed=seed).test)["a"] for seed in range(20)}
    assert both == {12, 13}


@given(
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from("abc")), min_size=2, max_size=40),
    shares,
    st.integers(0, 9),
)
def test_equal_examples_stay_on_one_side_whatever_their_labels(examples, share, seed) -> None:
    contents, labels = zip(*examples, strict=True)
    whole = data(labels, contents)
    try:
        held = hold_out(whole, share, seed=seed)
    except DataError as error:
        assert "held out" in error.what  # noqa: PT017
        groups = {}
        for content, label in examples:
            groups.setdefault(content, []).append(label)
        total = Counter(labels)
        able = [g for g in groups.values() if all(m < total[k] for k, m in Counter(g).items())]
        assert not able or all(n == 1 for n in total.values())
        return
    assert_partition(whole, held)
    assert set(counts(held.train)) == set(labels)  # no class is lost to training


@given(st.lists(st.integers(0, 12), min_size=2, max_size=40), shares, st.integers(0, 9), st.booleans())
def test_numbers_and_nothing_are_drawn_by_chance(contents, share, seed, numbers) -> None:
    if len(set(contents)) == 1:
        return
    whole = data(contents=contents, values=np.arange(len(contents)) if numbers else None)
    held = hold_out(whole, share, seed=seed)
    assert_partition(whole, held)
    wanted = round(share * len(contents))
    if len(set(contents)) == len(contents):
        assert len(held.test) == min(max(1, wanted), len(contents) - 1)
    assert "drawn at random" in held.report[0]


def test_pairs_are_divided_to_the_whole_though_classes_are_odd() -> None:
    labels = [str(k) for k in range(10) for _ in range(50)]
    held = hold_out(data(labels, np.arange(500) // 2), 0.1, seed=0)
    assert len(held.test) == 50  # five pairs of some classes, though each class asks for five examples
    assert set(counts(held.test).values()) == {4, 6}
    assert "  500 examples are equal to others, in 250 groups; each group stays on one side" in held.report


def test_one_class_does_not_stand_in_for_the_duplicates_of_another() -> None:
    labels = ["a"] * 40 + ["b"] * 20  # 10 and 5 are asked for; b comes in pairs
    held = hold_out(data(labels, [*range(40), *(100 + np.arange(20) // 2)]), 0.25, seed=0)
    assert counts(held.test) == {"a": 10, "b": 4}
    assert "  15 were asked for; equal examples and small classes allow 14" in held.report


def test_a_group_has_about_the_chance_of_an_example() -> None:
    contents = [0] * 10 + list(range(1, 91))
    times = sum(0 in hold_out(data(contents=contents), 0.3, seed=s).test.pixels for s in range(300))
    assert 50 < times < 130  # of 300 at 0.3; 4.9 standard deviations


def test_every_example_has_the_same_chance() -> None:
    labels = ["a"] * 6 + ["b"] * 4
    times = np.zeros(10)
    for seed in range(600):
        times[hold_out(data(labels), 0.5, seed=seed).test_index] += 1
    assert np.abs(times - 300).max() < 60  # 4.9 standard deviations of a binomial


def test_when_every_group_is_larger_than_asked_the_smallest_goes() -> None:
    held = hold_out(data(contents=[0] * 5 + [1] * 4), 0.1, seed=0)
    assert held.test_index.tolist() == [5, 6, 7, 8]
    assert "  1 were asked for; equal examples and small classes allow 4" in held.report


def test_the_same_again_and_another_with_another_seed_or_name() -> None:
    whole = data(list("abcd") * 25)
    first = hold_out(whole, 0.2, seed=1)
    assert hold_out(whole, 0.2, seed=1).test_index.tolist() == first.test_index.tolist()
    assert hold_out(whole, 0.2, seed=2).test_index.tolist() != first.test_index.tolist()
    assert hold_out(whole, 0.2, seed=1, name="valid").test_index.tolist() != first.test_index.tolist()


def test_names_of_classes_do_not_matter_where_their_order_does_not_change() -> None:
    one = hold_out(data(["a", "b"] * 20), 0.3, seed=5)
    two = hold_out(data(["x", "y"] * 20), 0.3, seed=5)
    assert one.test_index.tolist() == two.test_index.tolist()


def test_one_stratum_where_it_is_said() -> None:
    labels = ["a"] * 90 + ["b"] * 10
    taken = {counts(hold_out(data(labels), 0.2, seed=s, stratify=False).test).get("b", 0) for s in range(20)}
    assert len(taken) > 1
    assert {counts(hold_out(data(labels), 0.2, seed=s).test)["b"] for s in range(20)} == {2}


def test_the_report() -> None:
    labels = ["cat"] * 12 + ["dog"] * 8 + ["cow"] + ["ant"] * 2
    held = hold_out(data(labels, [0, 0, *range(2, 23)]), 0.2, seed=0, name="valid")
    assert str(held).splitlines() == [
        "23 examples: 18 for training, 5 (21.7%) for valid; drawn by class, seed 0",
        "  ant: 2 (11.1%) in train, 0 (0.0%) in valid",
        "  cat: 9 (50.0%) in train, 3 (60.0%) in valid",
        "  cow: 1 (5.6%) in train, 0 (0.0%) in valid",
        "  dog: 6 (33.3%) in train, 2 (40.0%) in valid",
        "  1 classes have one example, which stays in train: 'cow'",
        "  1 classes have none in valid, too small or all equal: 'ant'",
        "  2 examples are equal to others, in 1 groups; each group stays on one side",
    ]


def test_many_classes_are_told_in_part() -> None:
    held = hold_out(data([f"{k}" for k in range(50)] * 4), 0.25, seed=0)
    assert len(held.report) == 22
    assert held.report[-1] == "  (+30 more classes)"


def test_equal_examples_with_different_targets_are_told() -> None:
    held = hold_out(data(list("aabbab"), [0, 1, 1, 2, 3, 4]), 0.3, seed=0)
    assert held.report[-1] == "  1 of these groups hold equal examples with different targets"
    held = hold_out(data(contents=[0, 0, 1, 2], values=[1.0, 1.0, 2, 3]), 0.3, seed=0)
    assert "different" not in str(held)


def test_a_class_without_an_example_here_is_no_matter() -> None:
    part = data(list("aabbccdd")).take(slice(2, None))
    held = hold_out(part, 0.5, seed=0)
    assert len(held.test) == 3
    assert "  a:" not in str(held)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, 0.0, 1.0, float("nan"), True, "0.2", None])
def test_shares_that_are_refused(share) -> None:
    with pytest.raises(ConfigError, match="must be a number between 0 and 1"):
        hold_out(data(list("aabb")), share, seed=0)


def test_a_seed_that_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed is -1"):
        hold_out(data(list("aabb")), 0.5, seed=-1)


@pytest.mark.parametrize(
    ("whole", "said"),
    [
        (data(["a"]), "of 1 examples none can be held out"),
        (data(list("aabb")).take([]), "of 0 examples none"),
        (data(list("aabb"), [7] * 4), "all 4 examples are equal"),
        (data(list("abcd")), r"each class has one example, or equal ones only\n(.|\n)*stratify=False"),
        (data(list("aabb"), [1, 1, 2, 2]), "equal ones only"),
    ],
)
def test_what_cannot_be_divided(whole, said) -> None:
    with pytest.raises(DataError, match=said):
        hold_out(whole, 0.5, seed=0)


def test_what_cannot_be_divided_by_class_can_be_without() -> None:
    assert len(hold_out(data(list("abcd")), 0.5, seed=0, stratify=False).test) == 2
    assert len(hold_out(data(list("aabb"), [1, 1, 2, 2]), 0.5, seed=0, stratify=False).test) == 2


def test_two_examples() -> None:
    held = hold_out(data(list("aa")), 0.01, seed=0)
    assert (len(held.train), len(held.test)) == (1, 1)
    assert len(hold_out(data(list("aa")), 0.99, seed=0).train) == 1


def test_anything_with_targets_and_digests_can_be_divided() -> None:
    def make(index: Any) -> Any:
        return Rows(np.arange(10)[index])

    class Rows:
        def __init__(self, rows: np.ndarray) -> None:
            self.rows, self.targets = rows, None
            self.take = lambda index: Rows(rows[index])
            self.digests = lambda: np.array([b"%d" % r for r in rows])  # bytes are digests too

        def __len__(self) -> int:
            return len(self.rows)

    held = hold_out(make(slice(None)), 0.3, seed=0)
    assert sorted([*held.train.rows, *held.test.rows]) == list(range(10))


def test_what_parts_share_is_counted() -> None:
    train = SimpleNamespace(digests=lambda: np.array([1, 2, 3], np.uint64))
    test = SimpleNamespace(digests=lambda: np.array([3, 3, 4], np.uint64))
    assert count_shared(train, test) == 2  # type: ignore[arg-type]


@pytest.mark.data
def test_mnist_class_by_class(real_data) -> None:
    from matweave.data.read_images import read_images

    train = read_images(real_data / "mnist", part="train")
    held = hold_out(train, 0.1, seed=0, name="valid")
    assert (len(held.train), len(held.test)) == (54_000, 6_000)
    assert train.targets is not None
    assert held.test.targets is not None
    assert np.abs(held.test.targets.counts() - train.targets.counts() * 0.1).max() < 1
