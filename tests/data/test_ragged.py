"""Index arithmetic against loops."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data import ragged
from matweave.errors import TooBig

lengths_of = st.lists(st.integers(0, 5), min_size=1, max_size=8)


def cut(steps, offsets):
    return [steps[a:b].tolist() for a, b in pairwise(offsets)]


@given(lengths=lengths_of, data=st.data())
def test_taken_is_what_a_loop_takes(lengths, data):
    offsets = ragged.offsets_of(lengths)
    assert offsets.dtype == np.int64
    steps = np.arange(offsets[-1]) * 10
    n = len(lengths)
    index = data.draw(
        st.one_of(
            st.lists(st.integers(-n, n - 1), max_size=6),
            st.lists(st.booleans(), min_size=n, max_size=n),
            st.slices(n),
        )
    )
    at, new = ragged.taken(offsets, index)
    wanted = np.arange(n)[index if isinstance(index, slice) or index else []]
    if not isinstance(index, slice):
        wanted = np.arange(n)[np.array(index, bool if index and isinstance(index[0], bool) else int)]
    whole = cut(steps, offsets)
    assert cut(steps[at], new) == [whole[i] for i in wanted]


def test_an_index_outside_is_an_error():
    for wrong in ([3], [-4], [True]):
        with pytest.raises(IndexError):
            ragged.taken(np.array([0, 1, 2, 3]), wrong)


@given(lengths=lengths_of, channels=st.integers(1, 4))
def test_step_major_turns_channels_into_columns(lengths, channels):
    lengths = np.array(lengths, np.int64)
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(t, channels)) for t in lengths]
    flat = np.concatenate([s.T.ravel() for s in sequences])
    found = flat[ragged.step_major(lengths, channels)]
    np.testing.assert_array_equal(found, np.concatenate(sequences))


@given(lengths=lengths_of, channels=st.sampled_from([(), (1,), (3,)]))
def test_padded_is_what_a_loop_pads(lengths, channels):
    offsets = ragged.offsets_of(lengths)
    steps = np.random.default_rng(1).normal(size=(offsets[-1], *channels)).astype(np.float32)
    wanted = np.zeros((len(lengths), max(lengths), *channels), np.float32)
    for i, length in enumerate(lengths):
        wanted[i, :length] = steps[offsets[i] : offsets[i + 1]]
    found = ragged.padded(steps, offsets)
    assert found.dtype == steps.dtype
    np.testing.assert_array_equal(found, wanted)


def test_padding_that_would_fill_the_memory_is_refused():
    offsets = np.array([0, 1 << 20, *range((1 << 20) + 1, (1 << 20) + 5000)])
    with pytest.raises(TooBig, match="padded to the longest"):
        ragged.padded(np.zeros((offsets[-1], 1), np.float32), offsets)


def test_digests_tell_contents_and_cuts_apart():
    steps = np.array([1, 2, 3, 1, 2, 3, 1, 2], np.float32)[:, None]
    digests = ragged.content_digests(steps, np.array([0, 3, 6, 8]))
    assert digests.dtype == np.uint64
    assert digests[0] == digests[1] != digests[2]
    assert len(ragged.content_digests(steps[:0], np.array([0]))) == 0


@given(texts=st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=5))
def test_code_points_are_those_of_python(texts):
    points, offsets = ragged.code_points(texts)
    assert [[ord(c) for c in t] for t in texts] == cut(points, offsets)
