"""Augmentation of images: planted draws, areas counted, mixtures read back, one state one result."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from by_hand import augment as by_hand
from hypothesis import given
from hypothesis import strategies as st

from matweave.deep import generator, torch
from matweave.errors import ConfigError, DataError
from matweave.train import augment_images
from matweave.train.augment_images import ERASED, LONGEST, ImageAugmentation

EVERYTHING = ImageAugmentation(**ImageAugmentation.strengths, classes=5)


def images(shape, seed=0):
    return torch.randn(shape, generator=generator(seed, "images"))


def codes(n, classes=5):
    return torch.arange(n) % classes


def applied(augmentation, x, y=None, seed=0):
    return augmentation((x, codes(len(x)) if y is None else y), generator(seed, "draws"))


def plant(monkeypatch, **draws):
    """Draws of a map or a hole, 0 where not given: in [-1, 1], the middle of each range."""
    names = {8: ("turn", "lean", "size", "right", "down", "side", "crop_right", "crop_down")}

    def planted(_, n, k):
        return tuple(torch.full((n,), float(draws.get(name, 0))) for name in names[k])

    monkeypatch.setattr(augment_images, "_uniform", planted)


def test_everything_off_is_the_same_batch():
    x, y = images((4, 3, 6, 5)), codes(4)
    a, b = applied(ImageAugmentation(), x, y)
    assert a is x
    assert b is y


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(6, 1, 9, 9), (6, 3, 8, 9)])
def test_one_state_is_one_result_in_either_memory_format_and_nothing_is_changed_in_place(shape, layout):
    x, y = images(shape).contiguous(memory_format=layout), codes(6)
    before = x.clone(), y.clone()
    found = applied(EVERYTHING, x, y)
    again = applied(EVERYTHING, x.contiguous(), y)
    other = applied(EVERYTHING, x, y, seed=1)
    assert all(map(torch.equal, found, again))
    assert not torch.equal(found[0], other[0])
    assert all(map(torch.equal, (x, y), before))
    assert found[0].is_contiguous(memory_format=layout)
    assert found[0].shape == x.shape
    assert found[0].dtype == x.dtype
    assert found[0].isfinite().all()


@pytest.mark.parametrize("name", ["flip", "crop", "everything"])
def test_everything_drawn_goes_to_the_device_of_the_batch(name):
    settings = (
        ImageAugmentation.strengths if name == "everything" else {name: ImageAugmentation.strengths[name]}
    )
    x, y = (
        torch.zeros(6, 3, 8, 9, device="meta"),
        torch.zeros(6, device="meta"),
    )  # it refuses tensors of the CPU
    found = applied(ImageAugmentation(**settings), x, y)
    assert [t.device.type for t in found] == ["meta", "meta"]
    assert [t.shape for t in found] == [x.shape, y.shape]


def test_a_flip_mirrors_half_of_the_images_to_the_bit_and_twice_is_none():
    x = images((200, 2, 4, 5))
    once, _ = applied(ImageAugmentation(flip=True), x)
    mirrored = (once == x.flip(3)).flatten(1).all(1)
    assert torch.equal(once[~mirrored], x[~mirrored])
    assert 70 < int(mirrored.sum()) < 130
    assert torch.equal(applied(ImageAugmentation(flip=True), once)[0], x)


def test_a_crop_moves_by_every_whole_number_of_pixels_evenly():
    x = torch.zeros(2000, 1, 7, 7)
    x[:, :, 3, 3] = 1
    found, _ = applied(ImageAugmentation(crop=2), x)
    assert (found.flatten(1).sum(1) == 1).all()
    counts = found.sum(0)[0]
    assert counts[1:6, 1:6].sum() == 2000
    assert counts[1:6, 1:6].min() > 40
    assert counts[1:6, 1:6].max() < 130


@pytest.mark.parametrize("sign", [1, -1])
def test_the_furthest_shift_is_a_roll(monkeypatch, sign):
    plant(monkeypatch, right=sign, down=-sign)
    x = torch.zeros(3, 2, 8, 12)
    x[:, :, 2:6, 3:9] = images((3, 2, 4, 6))
    found, _ = applied(ImageAugmentation(shift=0.25), x)
    torch.testing.assert_close(found, x.roll((-2 * sign, 3 * sign), (2, 3)), atol=1e-5, rtol=0)


def test_the_middle_of_every_range_is_no_change(monkeypatch):
    plant(monkeypatch)
    x = images((3, 1, 6, 7))
    strong = ImageAugmentation(shift=0.5, rotate=90, scale=0.5, shear=30, crop=2)
    torch.testing.assert_close(applied(strong, x)[0], x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_furthest_turn_is_a_quarter(monkeypatch, sign):
    plant(monkeypatch, turn=sign)
    x = images((3, 2, 6, 6))
    found, _ = applied(ImageAugmentation(rotate=90), x)
    torch.testing.assert_close(found, torch.rot90(x, -sign, (2, 3)), atol=1e-5, rtol=0)


def test_the_smallest_scale_halves_a_square(monkeypatch):
    plant(monkeypatch, size=-1)
    x, wanted = torch.zeros(2, 3, 2, 8, 8)
    x[:, :, 2:6, 2:6] = 1
    wanted[:, :, 3:5, 3:5] = 1
    found, _ = applied(ImageAugmentation(scale=0.5), x)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_the_furthest_shear_rolls_each_row_by_its_height(monkeypatch):
    plant(monkeypatch, lean=1)
    x = torch.zeros(1, 1, 5, 11)
    x[..., 4:7] = images((1, 1, 5, 3))
    found, _ = applied(ImageAugmentation(shear=45), x)
    wanted = torch.stack([x[..., i, :].roll(i - 2, -1) for i in range(5)], 2)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


@given(draws=st.tuples(*[st.floats(-1, 1, width=32)] * 8))
def test_all_moves_are_one_map_the_inverse_of_what_is_done(draws):
    settings = ImageAugmentation(shift=0.2, rotate=40, scale=0.3, shear=20, flip=True, crop=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augment_images, "_uniform", lambda *_: tuple(torch.tensor([d]) for d in draws))
        found = settings._maps(torch.zeros(1, 1, 20, 30), generator(0))[0]
    turn, lean, size, right, down, side, crop_right, crop_down = draws
    moves = [0.2 * 30 * right + round(3.5 * crop_right), 0.2 * 20 * down + round(3.5 * crop_down)]
    if (
        max(abs(crop_right), abs(crop_down)) < 0.999
    ):  # the last half pixel is held back, whatever its rounding
        wanted = by_hand.map_of(40 * turn, 20 * lean, 1 + 0.3 * size, side < 0, *moves)
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-4)


@pytest.mark.parametrize(
    "settings", [dict(rotate=180, shift=0.5), dict(crop=5), dict(elastic=0.2, shear=40), dict(erase=1)]
)
@pytest.mark.parametrize("fill", [None, (0.5, -1.0)])
def test_the_background_of_each_image_comes_in_or_the_one_given(settings, fill):
    ground = torch.tensor([[-0.4, 2.0], [0.7, -3.0], [5.0, 5.0]])[:, :, None, None]
    x = ground.expand(3, 2, 9, 9).clone()
    if fill is None:
        x[:, :, 3:6, 3:6] += 1  # so that every value lies between the background and one more
        for seed in range(5):
            found, _ = applied(ImageAugmentation(**settings), x, seed=seed)
            assert (found - ground).min() > -1e-5
            assert (found - ground).max() < 1 + 1e-5
            assert ((found - ground).abs() < 1e-5).float().mean() > 0.5
        assert torch.allclose(applied(ImageAugmentation(**settings), ground.expand(3, 2, 9, 9))[0], ground)
    else:
        found, _ = applied(ImageAugmentation(**settings, fill=fill), x)
        given_fill = torch.tensor(fill).view(1, 2, 1, 1)
        low, high = torch.minimum(ground, given_fill), torch.maximum(ground, given_fill)
        assert ((found >= low - 1e-5) & (found <= high + 1e-5)).all()
        assert ((found - given_fill).abs() < 1e-5).any()


def test_one_fill_serves_all_channels():
    x = images((3, 2, 6, 6))
    one = applied(ImageAugmentation(crop=3, fill=0.5), x)[0]
    assert torch.equal(one, applied(ImageAugmentation(crop=3, fill=(0.5, 0.5)), x)[0])


def test_bending_has_the_deviation_asked_for_everywhere_and_is_smooth():
    field = ImageAugmentation(elastic=0.05)._bent(torch.zeros(3000, 1, 14, 28), generator(0, "bend"))
    deviation = field.std(0)
    torch.testing.assert_close(deviation[0], torch.full((14, 28), 0.05 * 28), rtol=0.08, atol=0)
    torch.testing.assert_close(deviation[1], torch.full((14, 28), 0.05 * 14), rtol=0.08, atol=0)
    assert field.diff(dim=3).std() < 0.3 * field.std()  # neighbours of 28 go together


def test_holes_are_rectangles_of_the_areas_and_ratios_asked_for():
    x = torch.ones(3000, 1, 40, 40)
    found, _ = applied(ImageAugmentation(erase=0.4, fill=0.0), x)
    hole = (found == 0)[:, 0]
    hit = hole.flatten(1).any(1)
    assert 0.36 < hit.float().mean() < 0.44
    tall, wide = (hole.any(d).sum(1)[hit].float() for d in (2, 1))
    area = hole.sum((1, 2))[hit].float()
    assert torch.equal(area, tall * wide)
    slack = 0.04  # sides are whole pixels
    assert area.min() / 1600 > ERASED[0] * (1 - 5 * slack)
    assert area.max() / 1600 < ERASED[1] + slack
    ratio = (tall / wide)[area > 200]
    assert ratio.min() > 1 / LONGEST - slack
    assert ratio.max() < LONGEST + slack * 10
    assert ratio.log().mean().abs() < 0.1
    places = hole[hit].float().mean(0)
    for edge in (places[0], places[-1], places[:, 0], places[:, -1]):
        assert places[20, 20] > 2 * edge.mean() > 0


def mixed(settings, n=400, side=8, seed=0):
    """Images of the value of their own number, labels of the same number: the result tells who was mixed with whom."""
    x = torch.arange(float(n)).view(n, 1, 1, 1).expand(n, 1, side, side).clone()
    found, y = applied(ImageAugmentation(**settings, classes=n), x, torch.arange(n), seed=seed)
    return found[:, 0], y


@pytest.mark.parametrize("settings", [dict(mixup=0.4), dict(cutmix=1.0), dict(mixup=0.4, cutmix=1.0)])
def test_mixed_answers_are_probabilities_of_two_classes(settings):
    assert ImageAugmentation(**settings).mixes
    _, y = mixed(settings)
    assert y.dtype == torch.float32
    assert (y >= 0).all()
    torch.testing.assert_close(y.sum(1), torch.ones(400))
    assert int((y > 0).sum(1).max()) == 2


def test_mixup_mixes_answers_as_it_mixes_pixels():
    x, y = mixed(dict(mixup=1.0))
    numbers = torch.arange(400.0)
    torch.testing.assert_close(y @ numbers, x[:, 0, 0], rtol=1e-4, atol=1e-3)
    assert (x == x[:, :1, :1]).all()
    assert (x >= 0).all()
    assert (x <= 399).all()


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixup_weights_are_of_the_beta_distribution(alpha):
    kept = torch.cat([mixed(dict(mixup=alpha), seed=s)[1].diagonal() for s in range(5)])
    assert abs(float(kept.mean()) - 0.5) < 0.03
    assert float(kept.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_cutmix_weighs_answers_by_the_pixels_kept_to_the_bit():
    x, y = mixed(dict(cutmix=1.0))
    own = torch.arange(400.0)[:, None, None]
    kept = (x == own).sum((1, 2)) / 64
    assert torch.equal(y.diagonal()[y.diagonal() < 1], kept[y.diagonal() < 1])
    assert len(set(kept.tolist())) > 15
    partner = torch.where(x == own, -1.0, x).flatten(1).max(1).values
    for i in range(400):
        foreign = x[i] != own[i]
        assert (x[i][foreign] == partner[i]).all()
        assert foreign.any(0).sum() * foreign.any(1).sum() == foreign.sum()  # a rectangle


def test_where_both_are_on_each_pair_is_one_of_the_two():
    x, y = mixed(dict(mixup=1.0, cutmix=1.0), n=600)
    numbers = torch.arange(600.0)
    flat = (x == x[:, :1, :1]).flatten(1).all(1)
    assert 200 < int(flat.sum()) < 400
    torch.testing.assert_close(y @ numbers, x.mean((1, 2)), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("settings", [dict(mixup=1.0), dict(cutmix=1.0)])
@pytest.mark.parametrize("shape", [(50,), (50, 3)])
def test_numbers_are_mixed_too_and_need_no_classes(settings, shape):
    x = torch.arange(50.0).view(50, 1, 1, 1).expand(50, 1, 6, 6).clone()
    y = torch.arange(50.0).view(50, *[1] * (len(shape) - 1)).expand(shape).clone()
    found, answers = applied(ImageAugmentation(**settings), x, y)
    wanted = found.mean((1, 2, 3)).view(50, *[1] * (len(shape) - 1)).expand(shape)
    torch.testing.assert_close(answers, wanted, rtol=1e-4, atol=1e-3)
    assert not torch.equal(answers, y)


def test_float64_stays_and_agrees_with_float32():
    x = images((6, 2, 8, 8))
    double, single = applied(EVERYTHING, x.double()), applied(EVERYTHING, x)
    assert double[0].dtype == double[1].dtype == torch.float64
    torch.testing.assert_close(double[0].float(), single[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "x", [torch.zeros(2, 3, 4), torch.zeros(2, 1, 4, 4).byte(), torch.zeros(2, 1, 4, 4).half()]
)
def test_other_batches_are_refused(x):
    with pytest.raises(DataError, match="the batch is"):
        applied(ImageAugmentation(flip=True), x)
    with pytest.raises(DataError, match="the batch is"):
        ImageAugmentation()((torch.zeros(2, 1, 4, 4),), generator(0))


@pytest.mark.parametrize("y", [[0, 5], [-1, 0], [[0], [1]]])
def test_codes_outside_the_classes_are_refused(y):
    with pytest.raises(DataError, match="the answers are") as caught:
        applied(ImageAugmentation(mixup=1, classes=5), torch.zeros(2, 1, 4, 4), torch.tensor(y))
    assert "[0, 4]" in caught.value.mend


def test_all_settings_that_do_not_suit_the_batch_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        applied(ImageAugmentation(crop=4, fill=(1.0, 2.0), mixup=1), torch.zeros(2, 3, 9, 4))
    assert [line.split()[0] for line in caught.value.what.splitlines()] == ["crop=4", "fill", "mixup"]


def test_all_settings_out_of_range_are_told_at_once():
    wrong = dict(
        shift=-0.1, rotate=181, scale=1, shear=90, elastic=2, flip=1, crop=1.5, erase=2, mixup=-1, cutmix="a"
    )
    with pytest.raises(ConfigError) as caught:
        ImageAugmentation(**wrong, fill=("red",), classes=0)
    assert [line.split()[0] for line in caught.value.what.splitlines()] == [*wrong, "fill", "classes"]
    for fill in ((), "red", float("nan"), True):
        with pytest.raises(ConfigError, match="fill"):
            ImageAugmentation(fill=fill)


def test_a_batch_of_small_images_takes_far_less_time_than_a_step():
    everything = replace(EVERYTHING, classes=10)
    x, y = images((128, 1, 28, 28)), codes(128, 10)
    before, seconds = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        for seed in range(20):
            began = time.thread_time()
            applied(everything, x, y, seed=seed)
            seconds.append(time.thread_time() - began)
    finally:
        torch.set_num_threads(before)
    assert min(seconds) < 0.015
