"""Ragged sequences and their preparation: against loops, and what must and must not change them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave import artifact
from matweave.data.sequences import SequencePreparation, Sequences
from matweave.data.targets import Targets
from matweave.errors import ArtifactError, DataError


def random(seed, n=12, channels=3, longest=9):
    rng = np.random.default_rng(seed)
    x = [rng.normal(2, 3, (rng.integers(1, longest + 1), channels)) for _ in range(n)]
    return Sequences.of(x, rng.integers(0, 3, n))


def test_fields_of_numbers_and_texts():
    waves = Sequences.of([[1.0, 2.0], [3.0]], ["b", "a"])
    assert waves.offsets.dtype == waves.lengths.dtype == np.int64
    assert (waves.channels, waves.alphabet, waves.names) == (1, None, ("x[0]", "x[1]"))
    texts = Sequences.of(["bą", "a"], report=["told"])
    assert texts.steps.dtype == np.int64
    assert (texts.steps.tolist(), texts.alphabet) == ([2, 3, 1], ("a", "b", "ą"))
    assert (texts.channels, texts.report, texts.targets) == (1, ("told",), None)
    assert [texts.text(i) for i in (0, 1, -1)] == ["bą", "a", "a"]
    assert "2 sequences, 3 steps, 3 characters" in repr(texts)


@pytest.mark.parametrize(
    ("y", "classes", "values"),
    [
        (["b", "a"], ("a", "b"), [1, 0]),
        (np.array([3, 1]), ("1", "3"), [1, 0]),
        ([0.5, 2], None, [0.5, 2.0]),
        (np.array([1.0, 2.0]), None, [1.0, 2.0]),
        (Targets.of_labels([7, 7]), ("7",), [0, 0]),
    ],
)
def test_targets_of_each_kind(y, classes, values):
    targets = Sequences.of([[1], [2]], y).targets
    assert targets.classes == classes
    assert targets.values.tolist() == values


@given(texts=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6))
def test_texts_come_back_as_they_were(texts):
    found = Sequences.of(texts)
    assert [found.text(i) for i in range(len(found))] == texts
    assert list(found.alphabet) == sorted(set("".join(texts)))
    assert found.steps.min() == 1
    assert found.steps.max() == len(found.alphabet)


@given(seed=st.integers(0, 99), data=st.data())
def test_take_is_what_a_loop_takes(seed, data):
    whole = random(seed)
    index = data.draw(st.lists(st.integers(-12, 11), max_size=8))
    part = whole.take(index)
    assert len(part) == len(index)
    for i, j in enumerate(index):
        np.testing.assert_array_equal(part.sequence(i), whole.sequence(j))
        assert part.names[i] == whole.names[j]
    assert part.targets.values.tolist() == [int(whole.targets.values[j]) for j in index]
    assert part.targets.classes == whole.targets.classes
    mask = np.arange(12) % 3 == 0
    np.testing.assert_array_equal(whole.take(mask).steps, whole.take(slice(None, None, 3)).steps)


def test_digests_are_of_the_contents_alone():
    whole = Sequences.of([[1.0, 0.0], [1.0, -0.0], [1.0], [1.0, 0.0, 0.0]], [0, 1, 0, 1])
    digests = whole.digests()
    assert digests.dtype == np.uint64
    assert digests[0] == digests[1]
    assert len(set(digests.tolist())) == 3
    assert whole.take([3, 0]).digests().tolist() == [digests[3], digests[0]]


def test_digests_of_texts_do_not_hang_on_the_alphabet():
    assert Sequences.of(["ab", "b"]).digests()[1] == Sequences.of(["b", "zebra"]).digests()[0]
    assert Sequences.of(["ab", "ba"]).digests()[0] != Sequences.of(["ab", "ba"]).digests()[1]


def fields(**other):
    made = dict(
        steps=np.ones((3, 2), np.float32),
        offsets=np.array([0, 1, 3]),
        names=("first.csv line 1", "b"),
        targets=None,
    )
    return {**made, **other}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (dict(steps=np.ones((3, 2))), "steps are float64 of shape (3, 2), but must be float32"),
        (dict(steps=np.ones(3, np.float32)), "of shape (3,)"),
        (dict(steps=np.ones((3, 0), np.float32)), "there are no channels"),
        (dict(offsets=np.array([0, 1, 2])), "rise from 0 to the 3 steps"),
        (dict(offsets=np.array([0, 4, 3])), "rise from 0"),
        (dict(offsets=np.array([0, 1, 3], np.int32)), "must be int64"),
        (dict(names=("a",)), "2 sequences, but 1 names"),
        (dict(targets=Targets.of_labels("a")), "2 sequences, but 1 targets"),
        (dict(offsets=np.array([0, 0, 3])), "1 sequences without a single step: 'first.csv line 1'"),
        (
            dict(steps=np.array([[1, 1], [1, np.nan], [np.inf, 1]], np.float32)),
            "1 sequences with NaN or infinite values: 'b'",
        ),
        (dict(alphabet=("a",)), "but must be int64 with 1 dimension"),
        (dict(alphabet=("a",), steps=np.array([0, 1, 2])), "codes are outside 0..1"),
    ],
)
def test_parts_that_do_not_fit_are_refused(other, said):
    with pytest.raises(DataError) as error:
        Sequences(**fields(**other))
    assert said in error.value.what


def test_text_of_numbers_is_refused():
    with pytest.raises(DataError, match="have no text"):
        Sequences(**fields()).text(0)


def test_every_prepared_number_by_hand():
    train = Sequences.of([[[1, 10], [3, 10]], [[5, 10]]])
    preparation = SequencePreparation.fit(train)
    spread = np.sqrt(8 / 3)
    np.testing.assert_allclose(preparation.mean, [3, 10])
    np.testing.assert_allclose(preparation.std, [spread, 1], rtol=1e-6)
    assert (preparation.channels, preparation.max_length, preparation.codes) == (2, 2, 0)
    x, lengths = preparation.apply(Sequences.of([[[5, 11]], [[1, 10], [1, 9], [3, 10]]]))
    assert x.dtype == np.float32
    assert lengths.tolist() == [1, 3]
    wanted = [[[2 / spread, 1], [0, 0], [0, 0]], [[-2 / spread, 0], [-2 / spread, -1], [0, 0]]]
    np.testing.assert_allclose(x, wanted, rtol=1e-6)


@given(seed=st.integers(0, 99), channels=st.integers(1, 4))
def test_prepared_training_data_have_mean_0_and_spread_1_and_are_padded_at_the_end(seed, channels):
    train = random(seed, channels=channels)
    x, lengths = SequencePreparation.fit(train).apply(train)
    assert x.shape == (12, lengths.max(), channels)
    real = np.arange(x.shape[1]) < lengths[:, None]
    np.testing.assert_allclose(x[real].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x[real].std(axis=0), 1, rtol=1e-5)
    assert not x[~real].any()


@given(seed=st.integers(0, 99))
def test_neither_order_nor_units_matter(seed):
    train = random(seed)
    order = np.random.default_rng(seed).permutation(12)
    x, _ = SequencePreparation.fit(train).apply(train)
    moved, _ = SequencePreparation.fit(train.take(order)).apply(train.take(order))
    np.testing.assert_allclose(moved, x[order], atol=1e-5)
    other = Sequences.of([train.sequence(i) * [2, 0.5, 8] + [100, -4, 0] for i in range(12)])
    np.testing.assert_allclose(SequencePreparation.fit(other).apply(other)[0], x, atol=1e-4)


def test_a_part_is_prepared_as_it_is_within_the_whole():
    train = random(4)
    preparation = SequencePreparation.fit(train)
    whole, lengths = preparation.apply(train)
    part, few = preparation.apply(train.take([3, 8]))
    assert part.shape[1] == few.max() == max(lengths[[3, 8]])
    np.testing.assert_array_equal(part, whole[[3, 8], : part.shape[1]])


@pytest.mark.parametrize("value", [0.1, 1e-40, 16_777_216.0, 3e38])
def test_a_constant_channel_becomes_zero(value):
    train = Sequences.of(np.full((49, 61), value))
    preparation = SequencePreparation.fit(train)
    assert preparation.std.tolist() == [1]
    assert not preparation.apply(train)[0].any()


def test_spreads_below_float32_do_not_divide_by_zero():
    train = Sequences.of([[0.0, 1e-44]])
    assert np.isfinite(SequencePreparation.fit(train).apply(train)[0]).all()


def test_values_beyond_float32_when_standardised_are_refused():
    train = Sequences.of([[[0.0, 0.0], [1e-30, 1.0]]])
    with pytest.raises(DataError, match="channels 0 lie so far"):
        SequencePreparation.fit(train).apply(Sequences.of([[[1e30, 1.0]]]))


def test_text_is_recoded_by_character_never_by_code():
    preparation = SequencePreparation.fit(Sequences.of(["bd", "b"]))
    assert (preparation.codes, preparation.max_length, preparation.mean.shape) == (4, 2, (0,))
    codes, lengths = preparation.apply(Sequences.of(["abcd", "d"]))
    assert codes.dtype == np.int64
    assert codes.tolist() == [[1, 2, 1, 3], [3, 0, 0, 0]]
    assert lengths.tolist() == [4, 1]
    assert preparation.unseen(Sequences.of(["abcd", "ca"])) == {"a": 2, "c": 2}
    assert preparation.unseen(Sequences.of(["db"])) == {}


def test_a_character_outside_its_own_alphabet_is_unknown_too():
    odd = Sequences(
        steps=np.array([0, 1]), offsets=np.array([0, 2]), names=("odd",), alphabet=("b",), targets=None
    )
    assert odd.text(0) == "\ufffdb"
    preparation = SequencePreparation.fit(Sequences.of(["b"]))
    assert preparation.apply(odd)[0].tolist() == [[1, 2]]
    assert preparation.unseen(odd) == {"\ufffd": 1}


def test_no_sequences_are_prepared_as_none():
    for train in (random(0), Sequences.of(["ab"])):
        x, lengths = SequencePreparation.fit(train).apply(train.take([]))
        assert x.shape[:2] == (0, 0)
        assert len(lengths) == 0


@pytest.mark.parametrize(
    ("train", "later", "said"),
    [
        (
            [[1.0, 2.0]],
            [[[1.0, 2.0]]],
            "numbers of 2 channels, but those of the training data numbers of 1 channel",
        ),
        ([[1.0, 2.0]], ["ab"], "hold text, but those of the training data numbers of 1 channel"),
        (["ab"], [[1.0]], "numbers of 1 channel, but those of the training data text"),
    ],
)
def test_data_of_another_kind_are_refused(train, later, said):
    preparation = SequencePreparation.fit(Sequences.of(train))
    for ask in (preparation.apply, preparation.unseen):
        with pytest.raises(DataError) as error:
            ask(Sequences.of(later))
        assert said in error.value.what


def test_nothing_is_learned_from_nothing():
    with pytest.raises(DataError, match="no sequences to learn from"):
        SequencePreparation.fit(random(0).take([]))


@pytest.mark.parametrize("train", [random(1), Sequences.of(["Łuk", "a\tb", "\ud800"])])
def test_a_preparation_comes_back_from_its_folder(tmp_path, train):
    preparation = SequencePreparation.fit(train)
    artifact.save(preparation, tmp_path)
    back = artifact.load(tmp_path, {"SequencePreparation": SequencePreparation})
    np.testing.assert_array_equal(back.apply(train)[0], preparation.apply(train)[0])
    assert (back.alphabet, back.max_length, back.codes) == (
        preparation.alphabet,
        preparation.max_length,
        preparation.codes,
    )
    with pytest.raises(ArtifactError):
        artifact.load(tmp_path, {})


def test_the_alphabet_learned_is_that_of_the_part_alone() -> None:
    texts = ["aa", "ab", "bz", "zq"]
    whole = Sequences.of(texts)
    part, alone = (SequencePreparation.fit(s) for s in (whole.take([0, 1]), Sequences.of(texts[:2])))
    assert part.alphabet == alone.alphabet == ("a", "b")
    assert part.unseen(whole) == {"q": 1, "z": 2}
    np.testing.assert_array_equal(part.apply(whole)[0], alone.apply(whole)[0])


@pytest.mark.parametrize(
    "y",
    [pd.Series([0.5, 0.7]), pa.array([0.5, 0.7]), [np.float32(0.5), np.float32(0.7)], np.array([0.5, 0.7])],
)
def test_floats_in_any_container_are_numbers(y) -> None:
    targets = Sequences.of(np.zeros((2, 3)), y).targets
    assert targets is not None
    assert targets.classes is None
