"""Small pictures as PNG, with zlib alone: for pages that hold everything they show, where no pillow is installed.

One chunk each of header, pixels (8 bits per channel, grey or RGB, no filter, no interlace) and end.
Source: W3C, PNG Specification (2nd edition), sections 5 (chunks), 9 (filter 0) and 11.2 (IHDR, IDAT, IEND).
Checked by pillow's reader and by a reader written from the specification: tests/test_png.py.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from matweave.errors import DataError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2


def png_bytes(pixels: np.ndarray) -> bytes:
    """A PNG file of uint8 pixels: (height, width) grey levels, 0 black, or (height, width, 3) red, green, blue.

    The same pixels are the same bytes with one version of zlib. Raises DataError for other types and shapes.

    >>> png_bytes(np.zeros((2, 3), np.uint8))[1:4]
    b'PNG'
    """
    pixels = np.asarray(pixels)
    good = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if not good or pixels.dtype != np.uint8 or not pixels.size:
        raise DataError(
            f"pixels are {pixels.dtype} of shape {pixels.shape}",
            where="png_bytes",
            mend="give uint8 of shape (height, width) or (height, width, 3), neither of them 0",
        )
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + pixels[0].size), np.uint8)  # each row opens with its filter: 0, as it is
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, _GREY if pixels.ndim == 2 else _RGB, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def data_uri(pixels: np.ndarray) -> str:
    """The PNG of `png_bytes` as text for `src` or `href`. Raises DataError as it does.

    >>> data_uri(np.zeros((2, 3), np.uint8))[:32]
    'data:image/png;base64,iVBORw0KGg'
    """
    return "data:image/png;base64," + base64.b64encode(png_bytes(pixels)).decode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
