"""PNG by zlib: read back by pillow and by a reader written from the specification."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import DataError
from matweave.png import data_uri, png_bytes

SHAPES = [(1, 1), (1, 9), (7, 1), (28, 28), (1, 1, 3), (5, 8, 3)]


def read(data: bytes) -> np.ndarray:
    """The pixels of an 8-bit PNG without filters, every length and checksum looked at."""
    assert data[:8] == bytes([137, 80, 78, 71, 13, 10, 26, 10])
    at, found = 8, []
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(kind + body)
        found.append((kind, body))
        at += 12 + length
    assert [kind for kind, _ in found] == [b"IHDR", b"IDAT", b"IEND"]
    width, height, bits, colour, *rest = struct.unpack(">IIBBBBB", found[0][1])
    assert (bits, rest) == (8, [0, 0, 0])
    channels = {0: 1, 2: 3}[colour]
    rows = np.frombuffer(zlib.decompress(found[1][1]), np.uint8).reshape(height, 1 + width * channels)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape((height, width) if channels == 1 else (height, width, 3))


@given(seed=st.integers(0, 999), shape=st.sampled_from(SHAPES))
def test_what_is_written_is_read_back(seed, shape):
    pixels = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    np.testing.assert_array_equal(read(png_bytes(pixels)), pixels)


@pytest.mark.parametrize("shape", SHAPES)
def test_pillow_reads_the_same_pixels(shape):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    with image.open(io.BytesIO(png_bytes(pixels))) as opened:
        assert opened.mode == ("L" if len(shape) == 2 else "RGB")
        np.testing.assert_array_equal(np.asarray(opened), pixels)


def test_views_of_any_order_are_written_as_they_look():
    pixels = np.arange(60, dtype=np.uint8).reshape(3, 4, 5).transpose(2, 1, 0)[::-1, ::2]
    assert png_bytes(pixels) == png_bytes(np.ascontiguousarray(pixels))


def test_the_address_holds_the_file():
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    kind, _, text = data_uri(pixels).partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(text, validate=True) == png_bytes(pixels)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 2), np.float32),
        np.zeros((2, 2), np.int64),
        np.zeros(4, np.uint8),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((0, 3), np.uint8),
        np.zeros((3, 0, 3), np.uint8),
    ],
)
def test_other_types_and_shapes_are_refused(pixels):
    with pytest.raises(DataError, match="pixels are") as caught:
        png_bytes(pixels)
    assert "uint8" in caught.value.mend
