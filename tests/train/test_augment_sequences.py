"""Augmentation of sequences: padding stays zero and is never read, warps rise from end to end, planted draws."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import augment as by_hand
from hypothesis import given
from hypothesis import strategies as st

from matweave.deep import generator, torch
from matweave.errors import ConfigError, DataError
from matweave.train.augment_sequences import (
    UNKNOWN,
    WAVES,
    SequenceAugmentation,
    _waves,
    resampled,
    warp,
)

EVERYTHING = SequenceAugmentation(**SequenceAugmentation.strengths)
LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=6)
SETTINGS = st.fixed_dictionaries(
    {}, optional={name: st.floats(0, 0.9) for name in SequenceAugmentation.strengths}
)


def padded(lengths, channels=2, seed=0, extra=1):
    """Sequences of normal draws, padded with zeros; none is as long as the batch."""
    x = torch.randn(len(lengths), max(lengths) + extra, channels, generator=generator(seed, "sequences"))
    lengths = torch.tensor(lengths)
    return torch.where(valid(x, lengths)[:, :, None], x, 0), lengths


def valid(x, lengths):
    return torch.arange(x.shape[1]) < lengths[:, None]


def applied(augmentation, x, lengths, seed=0):
    y = torch.zeros(len(x), dtype=torch.int64)
    return augmentation((x, lengths, y), generator(seed, "draws"))[0]


def plant(monkeypatch, share):
    """Every draw in ± most is this share of it."""
    monkeypatch.setattr(
        SequenceAugmentation, "_drawn", lambda _, n, generator, most, like: torch.full((n,), share * most)
    )


def test_everything_off_is_the_same_batch():
    batch = *padded([3, 5]), torch.tensor([0, 1])
    found = SequenceAugmentation()(batch, generator(0))
    assert all(a is b for a, b in zip(found, batch, strict=True))
    assert not SequenceAugmentation().mixes


@given(lengths=LENGTHS, settings=SETTINGS, seed=st.integers(0, 99))
def test_padding_is_zero_and_never_read_and_nothing_is_changed_in_place(lengths, settings, seed):
    augmentation = SequenceAugmentation(**settings)
    x, lengths = padded(lengths, seed=seed)
    y, before, inside = torch.arange(len(x)), x.clone(), valid(x, lengths)
    found, same_lengths, same_y = augmentation((x, lengths, y), generator(seed, "draws"))
    assert same_lengths is lengths
    assert same_y is y
    assert torch.equal(x, before)
    assert found.shape == x.shape
    assert (found[~inside] == 0).all()
    assert torch.equal(found, applied(augmentation, x, lengths, seed))
    if any(settings.values()):
        garbage = torch.where(inside[:, :, None], x, torch.nan)
        assert torch.equal(applied(augmentation, garbage, lengths, seed), found)


def test_everything_drawn_goes_to_the_device_of_the_batch():
    x, lengths = (t.to("meta") for t in padded([9, 4, 12]))  # it refuses tensors of the CPU
    found = EVERYTHING((x, lengths, lengths), generator(0))
    assert [t.device.type for t in found] == ["meta"] * 3
    assert found[0].shape == x.shape


def test_another_state_is_another_result():
    x, lengths = padded([9, 4, 12])
    assert not torch.equal(applied(EVERYTHING, x, lengths, 0), applied(EVERYTHING, x, lengths, 1))


@given(lengths=LENGTHS, most=st.floats(0.01, 0.9), seed=st.integers(0, 999))
def test_warps_rise_from_the_first_step_to_the_last_at_bounded_speed(lengths, most, seed):
    waves = _waves(len(lengths), most, generator(seed))
    assert waves.shape == (len(lengths), WAVES)
    assert (waves.abs().sum(1) <= most * 1.00001).all()
    places = warp(torch.tensor(lengths), 14, waves)
    for length, row, wave in zip(lengths, places.tolist(), waves.tolist(), strict=True):
        assert row[0] == 0
        assert row[length - 1] == length - 1
        assert not any(row[length:])
        speeds = np.diff(row[:length])
        assert (speeds > 1 - most - 1e-4).all()
        assert (speeds < 1 + most + 1e-4).all()
        np.testing.assert_allclose(row[:length], by_hand.warp(length, np.array(wave)), atol=1e-4)


def test_warps_of_long_sequences_reach_both_sides():
    places = warp(torch.full((500,), 101), 101, _waves(500, 0.5, generator(0)))
    middle = places[:, 50] - 50
    assert 1 < float(middle.std()) < 10
    assert abs(float(middle.mean())) < 1
    assert float(places.diff(dim=1).min()) < 0.65
    assert float(places.diff(dim=1).max()) > 1.35


@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_sequences_are_read_as_by_hand(lengths, seed):
    x, lengths = padded(lengths, channels=3, seed=seed)
    places = warp(lengths, x.shape[1], _waves(len(lengths), 0.8, generator(seed)))
    found = resampled(x, places, lengths)
    for i, n in enumerate(lengths.tolist()):
        wanted = by_hand.resampled(x[i, :n].numpy(), places[i, :n].numpy())
        np.testing.assert_allclose(found[i, :n].numpy(), wanted, atol=1e-5)


def test_a_warp_leaves_what_is_constant_and_the_ends_of_everything():
    x, lengths = padded([7, 1, 12, 2])
    flat = torch.where(valid(x, lengths)[:, :, None], torch.tensor([2.0, -3.0]), 0)
    warped = SequenceAugmentation(time_warp=0.8)
    assert torch.equal(applied(warped, flat, lengths), flat)
    found = applied(warped, x, lengths)
    rows = torch.arange(4)
    assert torch.equal(found[:, 0], x[:, 0])
    assert torch.equal(found[rows, lengths - 1], x[rows, lengths - 1])
    assert not torch.equal(found, x)


@pytest.mark.parametrize(("share", "moved"), [(1, [2, 1, 4, 0]), (-1, [-2, -1, -4, 0])])
def test_the_furthest_shift_moves_whole_steps_and_brings_zeros(monkeypatch, share, moved):
    plant(monkeypatch, share)
    x, lengths = padded([6, 3, 12, 1])
    found = applied(SequenceAugmentation(shift=1 / 3), x, lengths)
    for i, (n, by) in enumerate(zip(lengths.tolist(), moved, strict=True)):
        wanted = torch.zeros(n, 2)
        if by >= 0:
            wanted[by:] = x[i, : n - by]
        else:
            wanted[:by] = x[i, -by:n]
        assert torch.equal(found[i, :n], wanted), i


def test_shifts_go_both_ways_and_no_further_than_asked():
    x, lengths = torch.zeros(400, 21, 1), torch.full((400,), 21)
    x[:, 10] = 1
    at = applied(SequenceAugmentation(shift=0.2), x, lengths)[:, :, 0].argmax(1) - 10
    assert set(at.tolist()) == set(range(-4, 5))


def test_scale_is_one_factor_for_each_sequence():
    x, lengths = padded([8] * 300)
    ratio = (applied(SequenceAugmentation(scale=0.3), x, lengths) / x)[:, :8].flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    assert 0.7 <= float(ratio.min()) < 0.75
    assert 1.25 < float(ratio.max()) <= 1.3


def test_jitter_has_the_deviation_asked_for():
    x, lengths = padded([50] * 100)
    noise = (applied(SequenceAugmentation(jitter=0.3), x, lengths) - x)[:, :50]
    assert float(noise.std()) == pytest.approx(0.3, rel=0.03)
    assert abs(float(noise.mean())) < 0.01


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize(("mask", "most"), [(0.3, 3), (1.0, 9), (0.01, 0)])
def test_a_mask_is_one_block_of_any_length_up_to_the_share(tokens, mask, most):
    lengths = torch.full((2000,), 10)
    x = torch.full((2000, 12), 7) if tokens else torch.full((2000, 12, 2), 7.0)
    x[:, 10:] = 0
    found = applied(SequenceAugmentation(mask=mask), x, lengths)
    assert found.dtype == x.dtype
    assert not found[:, 10:].any()
    inner = found[:, :10] if tokens else found[:, :10, 0]
    lost = inner == (UNKNOWN if tokens else 0)
    assert ((inner == 7) | lost).all()
    if not tokens:
        assert torch.equal(found[:, :, 0], found[:, :, 1])
    sizes = lost.sum(1)
    counts = torch.bincount(sizes, minlength=most + 1)
    assert len(counts) == most + 1
    assert counts.min() > 0.7 * 2000 / (most + 1)
    edges = torch.nn.functional.pad(lost.int(), (1, 1)).diff(dim=1).abs().sum(1)
    assert torch.equal(edges, 2 * (sizes > 0))
    if most:
        assert lost.float().sum(0).min() > 50


def test_one_step_is_always_left():
    x, lengths = padded([1, 2, 3] * 50)
    found = applied(SequenceAugmentation(mask=1.0), x, lengths)
    assert (found != 0).any(2).any(1).all()


def test_codes_can_only_be_masked_and_all_others_are_named():
    x, lengths = torch.tensor([[2, 3, 0]]), torch.tensor([2])
    with pytest.raises(ConfigError) as caught:
        applied(EVERYTHING, x, lengths)
    assert [line.split()[0] for line in caught.value.what.splitlines()] == [
        "jitter",
        "scale",
        "time_warp",
        "shift",
    ]


@pytest.mark.parametrize("y", [torch.zeros(2, 4).long(), torch.zeros(2, 4, 3)])
def test_answers_for_every_step_forbid_what_moves_steps(y):
    x, lengths = padded([3, 2])
    with pytest.raises(ConfigError) as caught:
        EVERYTHING((x, lengths, y), generator(0))
    assert [line.split()[0] for line in caught.value.what.splitlines()] == ["time_warp", "shift"]
    assert SequenceAugmentation(jitter=0.1, mask=0.5, scale=0.1)((x, lengths, y), generator(0))[2] is y


@pytest.mark.parametrize(
    "batch",
    [
        (torch.zeros(2, 3, 1), torch.tensor([3, 3])),
        (torch.zeros(2, 3), torch.tensor([3, 3]), torch.zeros(2)),
        (torch.zeros(2, 3, 1).long(), torch.tensor([3, 3]), torch.zeros(2)),
        (torch.zeros(2, 3, 1), torch.tensor([3]), torch.zeros(2)),
        (torch.zeros(2, 3, 1), torch.tensor([3.0, 3.0]), torch.zeros(2)),
    ],
)
def test_other_batches_are_refused(batch):
    with pytest.raises(DataError, match="the batch is"):
        SequenceAugmentation(mask=0.1)(batch, generator(0))


def test_all_settings_out_of_range_are_told_at_once():
    wrong = dict(jitter=-1, scale=1, time_warp=1, mask=1.1, shift="far")
    with pytest.raises(ConfigError) as caught:
        SequenceAugmentation(**wrong)
    assert [line.split()[0] for line in caught.value.what.splitlines()] == list(wrong)
