"""Pixels: layouts, types, conversions; resizing against a loop and against pillow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from matweave.data.pixels import (
    as_pixels,
    by,
    refuse_not_finite,
    resize,
    shape_told,
    to_channels,
)
from matweave.errors import DataError


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((2, 5, 6), (2, 1, 5, 6)),
        ((2, 1, 5, 6), (2, 1, 5, 6)),
        ((2, 3, 5, 6), (2, 3, 5, 6)),
        ((2, 4, 5, 6), (2, 4, 5, 6)),
        ((2, 5, 6, 1), (2, 1, 5, 6)),
        ((2, 5, 6, 3), (2, 3, 5, 6)),
        ((2, 5, 3, 4), (2, 4, 5, 3)),
        ((2, 3, 3), (2, 1, 3, 3)),
    ],
)
def test_layouts(shape, wanted) -> None:
    x = noise(*shape)
    found = as_pixels(x, "x")
    assert found.shape == wanted
    assert found.flags.c_contiguous
    last = x.ndim == 4 and wanted[1] != shape[1]
    assert np.array_equal(found, x.reshape(wanted) if not last else np.moveaxis(x, 3, 1))


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((2, 3, 5, 3), "both the second and the last dimension could be the channels"),
        ((2, 1, 28, 1), "both"),
        ((2, 5, 6, 2), "no dimension is the channels"),
        ((2, 36), r"shape \(2, 36\): flat rows need their height and width"),
        ((2,), r"shape \(2,\)"),
        ((1, 1, 1, 1, 1), "shape"),
        ((0, 5, 6), "there are no images: 0×1×5×6 pixels"),
        ((2, 0, 6), "there are no images"),
    ],
)
def test_layouts_that_are_refused(shape, said) -> None:
    with pytest.raises(DataError, match=said):
        as_pixels(np.zeros(shape, np.uint8), "x")


def test_a_layout_that_is_said_is_not_guessed() -> None:
    x = noise(2, 3, 5, 3)
    assert np.array_equal(as_pixels(x, "x", channels_last=False), x)
    assert np.array_equal(as_pixels(x, "x", channels_last=True), np.moveaxis(x, 3, 1))
    assert as_pixels(noise(2, 2, 5, 6), "x", channels_last=False).shape == (2, 2, 5, 6)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([0, 255], np.uint8), np.uint8),
        (np.array([0, 255], np.int64), np.uint8),
        (np.array([0, 16], np.uint16), np.uint8),
        (np.array([-1, 255], np.int16), np.float32),
        (np.array([0, 256], np.int64), np.float32),
        (np.array([0, 1 << 24], np.int64), np.float32),
        (np.array([0.0, 255.0]), np.float32),
        (np.array([0.25, 1.0], np.float16), np.float32),
        (np.array([False, True]), np.float32),
    ],
)
def test_types_keep_their_values(values, kind) -> None:
    found = as_pixels(values.reshape(1, 1, 2), "x")
    assert found.dtype == kind
    assert found.ravel().astype(np.float64).tolist() == values.astype(np.float64).tolist()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([0, (1 << 24) + 1]), "whole numbers from 0 to 16,777,217, which float32 cannot hold"),
        (np.array([np.iinfo(np.int64).min, 0]), "float32 cannot hold"),
        (np.array([1j, 0]), "type complex128"),
        (np.array(["a", "b"]), "type <U1"),
        (np.array([None, 1]), "type object"),
        (np.array([1e300, 0]), "index 0"),
        (np.array([-np.inf, 0]), "index 0"),
    ],
)
def test_types_that_are_refused(values, said) -> None:
    with pytest.raises(DataError, match=said):
        as_pixels(values.reshape(1, 1, 2), "x")


def test_images_with_nan_are_named_by_index_or_name() -> None:
    x = np.zeros((30, 1, 2, 2), np.float32)
    x[5, 0, 1, 1] = np.nan
    x[29] = np.inf
    with pytest.raises(
        DataError, match=r"2 of 30 images have pixels that are NaN or infinite: index 5, 29\n"
    ):
        as_pixels(x, "x")
    with pytest.raises(DataError, match="infinite: 'f5', 'f29'\n"):
        refuse_not_finite(x, "x", [f"f{i}" for i in range(30)])
    x[:12] = np.nan
    with pytest.raises(DataError, match=r"index 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 \(\+3 more\)"):
        as_pixels(x, "x")


def test_channels() -> None:
    rgb = noise(3, 3, 4, 5)
    grey = to_channels(rgb, 1, "x")
    by_hand = 0.299 * rgb[:, 0].astype(float) + 0.587 * rgb[:, 1] + 0.114 * rgb[:, 2]
    assert grey.dtype == np.uint8
    assert np.abs(grey[:, 0] - by_hand).max() <= 0.5001
    back = to_channels(grey, 3, "x")
    assert all(np.array_equal(back[:, c], grey[:, 0]) for c in range(3))
    assert np.array_equal(to_channels(back, 1, "x"), grey)  # grey in three channels is the same grey
    assert to_channels(rgb, 3, "x") is rgb
    with pytest.raises(DataError, match="images of 2 channels cannot be turned into grey ones"):
        to_channels(noise(1, 2, 4, 5), 1, "x")


def test_alpha_lies_over_white() -> None:
    rgba = np.zeros((3, 4, 1, 1), np.uint8)
    rgba[:, 0] = 200
    rgba[:, 3, 0, 0] = [255, 0, 51]
    assert to_channels(rgba, 3, "x")[..., 0, 0].tolist() == [[200, 0, 0], [255, 255, 255], [244, 204, 204]]
    unit = (rgba / 255).astype(np.float32)
    assert to_channels(unit, 3, "x")[0, :, 0, 0] == pytest.approx([200 / 255, 0, 0])
    assert to_channels(unit, 1, "x")[1, 0, 0, 0] == pytest.approx(1)


def resized_by_hand(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    out = np.zeros(size)
    scales = image.shape[0] / size[0], image.shape[1] / size[1]
    for i, j in np.ndindex(size):
        total = weight = 0.0
        for a, b in np.ndindex(image.shape):
            w = 1.0
            for at, old, scale in ((i, a, scales[0]), (j, b, scales[1])):
                w *= max(0.0, 1 - abs(old + 0.5 - (at + 0.5) * scale) / max(scale, 1.0))
            total, weight = total + w * float(image[a, b]), weight + w
        out[i, j] = total / weight
    return out


@pytest.mark.parametrize("size", [(3, 4), (9, 11), (5, 6), (1, 1), (10, 2)])
def test_resizing_is_the_sum_written_out(size) -> None:
    x = noise(2, 2, 5, 6).astype(np.float32)
    found = resize(x, size)
    assert found.shape == (2, 2, *size)
    for n, c in np.ndindex(2, 2):
        assert found[n, c] == pytest.approx(resized_by_hand(x[n, c], size), rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("size", [(7, 9), (40, 64), (100, 30), (1, 1)])
def test_resizing_is_pillows(size) -> None:
    x = noise(1, 1, 40, 50)
    theirs = np.asarray(Image.fromarray(x[0, 0]).resize(size[::-1], Image.Resampling.BILINEAR))
    ours = resize(x, size)
    assert ours.dtype == np.uint8
    assert np.abs(ours[0, 0].astype(int) - theirs.astype(int)).max() <= 1


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 255))
def test_a_flat_image_stays_flat(height, width, value) -> None:
    assert (resize(np.full((1, 1, 5, 7), value, np.uint8), (height, width)) == value).all()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_resizing_commutes_with_mirrors_and_transposition(height, width, seed) -> None:
    x = noise(1, 1, 5, 7, seed=seed).astype(np.float32)
    made = resize(x, (height, width))
    assert resize(x[..., ::-1], (height, width)) == pytest.approx(made[..., ::-1], rel=1e-4, abs=1e-3)
    assert resize(x.swapaxes(2, 3), (width, height)) == pytest.approx(made.swapaxes(2, 3), rel=1e-4, abs=1e-3)


def test_many_images_are_as_each_alone() -> None:
    x = noise(70, 3, 300, 200)  # several chunks
    alone = [69, 0, 35]
    assert np.array_equal(
        resize(x, (8, 8))[alone], np.concatenate([resize(x[i : i + 1], (8, 8)) for i in alone])
    )
    assert np.array_equal(to_channels(x, 1, "x")[alone], to_channels(x[alone], 1, "x"))


def test_words() -> None:
    assert by((2, 3)) == "2 × 3"
    assert (shape_told((1, 2, 3)), shape_told((3, 2, 3))) == ("2 × 3, 1 channel", "2 × 3, 3 channels")
