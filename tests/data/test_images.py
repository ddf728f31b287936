"""Images and their normalisation: against the same in float64, and metamorphic."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave import artifact
from matweave.data.images import ImagePreparation, Images
from matweave.data.targets import Targets
from matweave.errors import DataError


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# the set


def test_of_arrays() -> None:
    x = noise(4, 5, 6)
    images = Images.of(x, ["b", "a", "b", "b"])
    assert (len(images), images.shape, images.names[3]) == (4, (1, 5, 6), "x[3]")
    assert np.array_equal(images.pixels[:, 0], x)
    assert images.targets is not None
    assert images.targets.labels() == ["b", "a", "b", "b"]
    assert Images.of(noise(4, 2, 5, 6)).shape == (2, 5, 6)  # n x c x h x w is said, not guessed
    assert Images.of(noise(4, 3, 5, 3)).shape == (3, 5, 3)
    assert Images.of(noise(4, 2, 4, 4)).shape == (2, 4, 4)
    assert Images.of(noise(4, 8, 4, 4)).shape == (8, 4, 4)
    assert Images.of(x.tolist()).pixels.dtype == np.uint8
    values = Targets.of_values([1, 2, 3, 4.5])
    assert Images.of(x, values).targets is values
    assert repr(Images.of(x, values)) == "Images(4 of 5 × 6, 1 channel, numbers)"
    assert repr(Images.of(x)) == "Images(4 of 5 × 6, 1 channel, no labels)"


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (noise(4, 28, 28, 3), None, "have their channels last"),
        (noise(4, 36), None, "flat rows"),
        (noise(0, 5, 6), None, "there are no images"),
        (noise(4, 5, 6), ["a"] * 3, "there are 4 images, but 3 labels"),
        (noise(4, 5, 6), ["a", None, "b", "c"], r"labels are missing: None \(index 1\)"),
        (np.full((4, 5, 6), np.nan), None, "NaN or infinite: index 0, 1, 2, 3"),
    ],
)
def test_arrays_that_are_refused(x, y, said) -> None:
    with pytest.raises(DataError, match=said):
        Images.of(x, y)


def test_all_that_does_not_fit_is_listed() -> None:
    with pytest.raises(DataError) as caught:
        Images(pixels=np.zeros((2, 3)), targets=Targets.of_labels("abc"), names=("a",))
    assert caught.value.what.splitlines() == [
        "pixels are float64 of shape (2, 3)",
        "there are 2 images, but 1 names",
        "there are 2 images, but 3 labels",
    ]


@given(st.lists(st.integers(0, 5), max_size=8))
def test_taking(index) -> None:
    x = noise(6, 2, 2)
    images = Images.of(x, list("abcabc"))
    part = images.take(index)
    assert np.array_equal(part.pixels[:, 0], x[index] if index else x[:0])
    assert part.names == tuple(f"x[{i}]" for i in index)
    assert part.targets is not None
    assert part.targets.labels() == ["abcabc"[i] for i in index]
    assert np.array_equal(part.digests(), images.digests()[index] if index else images.digests()[:0])


def test_taking_by_mask_and_slice() -> None:
    images = Images.of(noise(4, 2, 2))
    mask = np.array([True, False, False, True])
    assert images.take(mask).names == images.take([0, 3]).names == images.take(slice(0, 4, 3)).names
    assert images.take(mask).targets is None


def test_digests_are_of_the_pixels_alone() -> None:
    x = noise(5, 1, 3, 4)
    x[3] = x[1]
    images = Images.of(x, list("abcde"))
    digests = images.digests()
    assert digests.dtype == np.uint64
    by_hand = [hashlib.blake2b(p.tobytes(), digest_size=8).digest() for p in x]
    assert digests.tobytes() == b"".join(by_hand)
    assert len(set(digests.tolist())) == 4
    assert digests[3] == digests[1]
    order = [4, 2, 0, 1, 3]
    assert np.array_equal(images.take(order).digests(), digests[order])
    assert np.array_equal(Images.of(x[:, :, ::-1][:, :, ::-1]).digests(), digests)  # strides do not matter
    floats = x.astype(np.float32) + np.float32(0.5)
    assert len(set(Images.of(floats).digests().tolist())) == 4


# normalisation


def by_hand(train: np.ndarray, x: np.ndarray, unit: float) -> np.ndarray:
    train, x = train.astype(np.float64) / unit, x.astype(np.float64) / unit
    mean, std = train.mean(axis=(0, 2, 3), keepdims=True), train.std(axis=(0, 2, 3), keepdims=True)
    return (x - mean) / np.where(std == 0, 1, std)


@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_are_normalised_as_written_out(channels) -> None:
    train, test = noise(9, channels, 5, 6), noise(4, channels, 5, 6, seed=1)
    prepared = ImagePreparation.fit(Images.of(train))
    assert prepared.shape == (channels, 5, 6)
    assert prepared.mean == pytest.approx(train.mean(axis=(0, 2, 3)) / 255, rel=1e-6)
    assert prepared.std == pytest.approx(train.std(axis=(0, 2, 3)) / 255, rel=1e-6)
    for x in (train, test):
        out = prepared.apply(Images.of(x))
        assert out.dtype == np.float32
        assert out == pytest.approx(by_hand(train, x, 255), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("scale", "shift"), [(1, 0), (1 / 255, 0), (1000, -5e4), (1e-30, 0), (1e30, 0), (1, 1e5)]
)
def test_numbers_are_normalised_whatever_their_scale(scale, shift) -> None:
    train = (noise(9, 2, 5, 6) * float(scale) + shift).astype(np.float32)
    out = ImagePreparation.fit(Images.of(train)).apply(Images.of(train))
    assert out == pytest.approx(by_hand(train, train, 1), rel=1e-4, abs=1e-4)


def test_many_images_are_as_each_alone() -> None:
    x = noise(3000, 2, 16, 17)  # several pieces of each kind
    for pixels in (x, x.astype(np.float32)):
        images = Images.of(pixels)
        prepared = ImagePreparation.fit(images)
        assert prepared.mean.astype(float) * (255 if pixels is x else 1) == pytest.approx(
            x.mean(axis=(0, 2, 3)), rel=1e-6
        )
        out = prepared.apply(images)
        for i in (0, 1499, 2999):
            assert np.array_equal(out[i : i + 1], prepared.apply(images.take([i])))


def test_a_constant_channel_has_std_one() -> None:
    for x in (np.full((3, 2, 4, 4), 77, np.uint8), np.full((3, 2, 4, 4), 0.3, np.float32)):
        x = x.copy()
        x[:, 1] = noise(3, 4, 4) if x.dtype == np.uint8 else noise(3, 4, 4) / 255
        prepared = ImagePreparation.fit(Images.of(x))
        assert prepared.std[0] == 1
        out = prepared.apply(Images.of(x))
        assert np.abs(out[:, 0]).max() < 1e-6
        assert out[:, 1].std() == pytest.approx(1, rel=1e-5)


@given(st.permutations(range(6)), st.integers(0, 99))
def test_the_order_of_training_images_does_not_matter(order, seed) -> None:
    images = Images.of(noise(6, 1, 3, 3, seed=seed))
    a, b = ImagePreparation.fit(images), ImagePreparation.fit(images.take(order))
    assert np.array_equal(a.mean, b.mean)
    assert np.array_equal(a.std, b.std)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_bytes_and_their_numbers_in_the_unit_interval_are_one_thing(kind) -> None:
    x = noise(8, 1, 4, 4)
    unit = (x / 255).astype(np.float32)
    prepared = ImagePreparation.fit(Images.of(x if kind is np.uint8 else unit))
    assert prepared.scale == ("bytes" if kind is np.uint8 else "unit")
    assert prepared.apply(Images.of(x)) == pytest.approx(prepared.apply(Images.of(unit)), abs=1e-5)


def test_after_larger_numbers_bytes_are_taken_as_they_are() -> None:
    x = np.minimum(noise(8, 1, 4, 4), 16)
    prepared = ImagePreparation.fit(Images.of(x.astype(np.float64)))
    assert prepared.scale == "numbers"
    assert prepared.apply(Images.of(x)) == pytest.approx(
        prepared.apply(Images.of(x.astype(np.float32))), abs=1e-5
    )


def test_larger_numbers_after_bytes_are_refused() -> None:
    prepared = ImagePreparation.fit(Images.of(noise(8, 1, 4, 4)))
    with pytest.raises(DataError, match=r"numbers from 0 to 16.5, but those of training were bytes"):
        prepared.apply(Images.of(np.full((1, 1, 4, 4), 16.5)))
    with pytest.raises(DataError, match=r"numbers from -0.5 to 0, but"):
        prepared.apply(Images.of(np.full((1, 1, 4, 4), -0.5)))


def test_another_shape_is_refused_with_the_mend() -> None:
    prepared = ImagePreparation.fit(Images.of(noise(2, 1, 28, 32)))
    with pytest.raises(DataError) as caught:
        prepared.apply(Images.of(noise(2, 3, 28, 28)))
    assert caught.value.what == (
        "the images are of 28 × 28, 3 channels, but those of training of 28 × 32, 1 channel"
    )
    assert caught.value.mend == 'read them with size="28x32" and channels=1'


def test_pixels_that_are_not_finite_are_refused() -> None:
    bad = np.zeros((3, 1, 2, 2), np.float32)
    bad[2, 0, 0, 0] = np.nan
    images = Images(pixels=bad, targets=None, names=("a", "b", "c"))
    for prepared in (
        ImagePreparation.fit(Images.of(noise(2, 2, 2))),
        ImagePreparation.fit(images.take([0, 1])),
    ):
        with pytest.raises(DataError, match="1 of 3 images have pixels that are NaN or infinite: 'c'"):
            prepared.apply(images)
    with pytest.raises(DataError, match="infinite: 'c'"):
        ImagePreparation.fit(images)
    with pytest.raises(DataError, match="no images"):
        ImagePreparation.fit(images.take([]))
    assert ImagePreparation.fit(images.take([0])).apply(images.take([])).shape == (0, 1, 2, 2)


def test_what_overflows_in_float32_is_named() -> None:
    prepared = ImagePreparation.fit(Images.of(np.array([[[0.0, 1e-30]]])))
    with pytest.raises(DataError, match=r"infinite: 'x\[0\]'"):
        prepared.apply(Images.of(np.array([[[1e30, 0.0]]])))


def test_neither_the_images_nor_the_callers_array_are_touched() -> None:
    x = noise(3, 1, 4, 4).astype(np.float32)
    before = x.copy()
    prepared = ImagePreparation.fit(Images.of(x))
    prepared.apply(Images.of(x))[:] = 0
    assert np.array_equal(x, before)


def test_it_is_saved_and_loaded(tmp_path) -> None:
    images = Images.of(noise(3, 3, 4, 4))
    prepared = ImagePreparation.fit(images)
    again = artifact.load(artifact.save(prepared, tmp_path), {"ImagePreparation": ImagePreparation})
    assert np.array_equal(again.apply(images), prepared.apply(images))
    assert again.shape == prepared.shape


@pytest.mark.data
def test_mnist_has_its_known_mean_and_deviation(real_data) -> None:
    from matweave.data.read_images import read_images

    train = read_images(real_data / "mnist", part="train")
    prepared = ImagePreparation.fit(train)
    assert prepared.mean == pytest.approx([0.1306604762738429], rel=1e-6)  # as known of the data set
    assert prepared.std == pytest.approx([0.3081078038564622], rel=1e-6)
    assert len(np.unique(train.digests())) == 60_000
