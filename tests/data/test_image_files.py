"""Picture files: each kind is read as it is, and each bad file is named."""

from __future__ import annotations

import sys
import warnings
import zlib
from pathlib import Path
from struct import pack

import numpy as np
import pytest
from PIL import Image

from matweave.data import image_files
from matweave.data.image_files import SUFFIXES, read_files
from matweave.errors import DataError, MissingExtra, TooBig

GREY = np.random.default_rng(0).integers(0, 256, (6, 5), dtype=np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8)
RGBA = np.dstack([RGB, np.full((6, 5), 255, np.uint8)])
DEEP = np.random.default_rng(2).integers(0, 65536, (6, 5)).astype(np.uint16)


def put(folder: Path, name: str, pixels, **how) -> Path:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(folder / name, **how)
    return folder / name


def read(*files: Path, **how):
    return read_files(files, [f.name for f in files], "here", **how)


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tiff", "pgm", "webp"])
def test_grey_pictures_without_loss(tmp_path, suffix) -> None:
    how = {"lossless": True} if suffix == "webp" else {}
    pixels, told = read(put(tmp_path, f"a.{suffix}", GREY, **how))
    wanted = (
        GREY[None, None] if suffix != "webp" else np.repeat(GREY[None, None], 3, axis=1)
    )  # WebP has no grey
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, wanted)
    assert len(told) == (suffix == "webp")


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm"])
def test_colour_pictures_without_loss(tmp_path, suffix) -> None:
    pixels, told = read(put(tmp_path, f"a.{suffix}", RGB))
    assert np.array_equal(pixels[0], np.moveaxis(RGB, 2, 0))
    assert told == []


def test_jpeg_nearly(tmp_path) -> None:
    smooth = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)
    pixels, _ = read(put(tmp_path, "a.jpg", smooth, quality=95))
    assert np.abs(pixels[0, 0].astype(int) - smooth).max() < 12


def test_alpha_is_a_channel_unless_channels_are_said(tmp_path) -> None:
    half = RGBA.copy()
    half[:3, :, 3] = 0
    file = put(tmp_path, "a.png", half)
    pixels, told = read(file)
    assert np.array_equal(pixels[0], np.moveaxis(half, 2, 0))
    assert told == []
    pixels, told = read(file, channels=3)
    assert (pixels[0, :, :3] == 255).all()
    assert np.array_equal(pixels[0, :, 3:], np.moveaxis(RGB, 2, 0)[:, 3:])
    assert told == ["1 of 1 pictures, RGB and alpha, became RGB, alpha over white"]


@pytest.mark.parametrize(
    ("image", "channels"),
    [
        (Image.fromarray(GREY > 127), 1),
        (Image.fromarray(RGB).convert("P"), 3),
        (Image.fromarray(GREY // 8 * 8).convert("P", palette=Image.Palette.ADAPTIVE), 1),
        (Image.fromarray(GREY).quantize(16).convert("RGB").quantize(16), 1),
        (Image.fromarray(RGBA).convert("LA"), 4),
        (Image.fromarray(RGB).convert("CMYK"), 3),
        (Image.fromarray(RGB).convert("YCbCr"), 3),
    ],
)
def test_modes(tmp_path, image, channels) -> None:
    suffix = "tiff" if image.mode in ("CMYK", "YCbCr") else "png"
    pixels, _ = read(put(tmp_path, f"a.{suffix}", image))
    base = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    wanted = np.asarray(image.convert(base))
    assert np.array_equal(pixels[0], wanted[None] if channels == 1 else np.moveaxis(wanted, 2, 0))


@pytest.mark.parametrize("suffix", ["gif", "tiff", "png", "bmp"])
@pytest.mark.parametrize(
    ("image", "channels"), [(Image.fromarray(RGB), 3), (Image.fromarray(RGB).convert("L"), 1)]
)
def test_palettes_of_every_format(tmp_path, suffix, image, channels) -> None:
    file = put(tmp_path, f"a.{suffix}", image.quantize(8))
    with Image.open(file) as again:
        wanted = np.asarray(again.convert("RGB"))
    pixels, _ = read(file)
    assert pixels.shape[1] == channels
    assert (np.moveaxis(pixels[0], 0, 2) == wanted).all()  # grey stands against each of three equal channels


def test_a_palette_with_a_clear_colour_has_alpha(tmp_path) -> None:
    pixels, _ = read(put(tmp_path, "a.png", Image.fromarray(RGB).convert("P"), transparency=0))
    assert pixels.shape[1] == 4


def test_sixteen_bits_are_numbers_in_the_unit_interval(tmp_path) -> None:
    deep = put(tmp_path, "a.png", DEEP)
    pixels, told = read(deep)
    assert pixels.dtype == np.float32
    assert pixels[0, 0] == pytest.approx(DEEP / 65535)
    assert told == ["1 of 1 pictures have 16 bits: all pixels are float32 in 0..1"]
    pixels, told = read(deep, put(tmp_path, "b.png", GREY))
    assert pixels[1, 0] == pytest.approx(GREY / 255)
    assert told == ["1 of 2 pictures have 16 bits: all pixels are float32 in 0..1"]
    pixels, _ = read(deep, channels=3, size=(3, 2))
    assert pixels.shape == (1, 3, 3, 2)
    assert pixels.max() <= 1


def test_a_set_of_grey_and_rgb_is_refused_or_converted(tmp_path) -> None:
    files = [put(tmp_path, "a.png", GREY), put(tmp_path, "b.png", RGB), put(tmp_path, "c.png", GREY)]
    with pytest.raises(DataError) as caught:
        read(*files)
    assert caught.value.what == (
        "the pictures are of 2 kinds: grey (1 channels): 2 pictures, as 'a.png'; RGB (3 channels): 1 pictures, as 'b.png'"
    )
    assert caught.value.mend == "give channels=1 (all grey) or channels=3 (all RGB)"
    pixels, told = read(*files, channels=3)
    assert np.array_equal(pixels[0], np.repeat(GREY[None], 3, axis=0))
    assert np.array_equal(pixels[1], np.moveaxis(RGB, 2, 0))
    assert told == ["2 of 3 pictures, grey, became RGB"]
    pixels, told = read(*files, channels=1)
    assert pixels.shape == (3, 1, 6, 5)
    assert told == ["1 of 3 pictures, RGB, became grey"]


def test_mixed_sizes_are_refused_or_resized(tmp_path) -> None:
    files = [put(tmp_path, "a.png", GREY), put(tmp_path, "b.png", GREY.T), put(tmp_path, "c.png", GREY)]
    with pytest.raises(DataError) as caught:
        read(*files)
    assert (
        caught.value.what
        == "the pictures are of 2 sizes: 6 × 5: 2 pictures, as 'a.png'; 5 × 6: 1 pictures, as 'b.png'"
    )
    assert 'size="64x64"' in caught.value.mend
    pixels, told = read(*files, size=(6, 5))
    assert np.array_equal(pixels[[0, 2], 0], [GREY, GREY])
    assert told == ["1 of 3 pictures were resized to 6 × 5 (stretched to fit)"]


def test_all_problems_come_at_once(tmp_path) -> None:
    empty = tmp_path / "empty.png"
    empty.touch()
    with pytest.raises(DataError) as caught:
        read(
            put(tmp_path, "a.png", GREY), empty, put(tmp_path, "b.png", RGB), put(tmp_path, "c.png", RGB[:3])
        )
    assert [line.partition(":")[0] for line in caught.value.what.splitlines()] == [
        "1 pictures cannot be read",
        "the pictures are of 2 sizes",
        "the pictures are of 2 kinds",
    ]
    assert len(caught.value.mend.split("; ")) == 3


def test_unreadable_files_are_named(tmp_path) -> None:
    whole = put(tmp_path, "good.png", GREY).read_bytes()
    bad = {"empty.png": b"", "text.jpg": b"hello", "head.png": whole[:20]}
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.png").mkdir()
    names = ["good.png", *bad, "none.png", "folder.png"]
    with pytest.raises(DataError) as caught:
        read(*(tmp_path / n for n in names))
    said = caught.value.what
    assert said.startswith(
        "5 pictures cannot be read: 'empty.png' (zero bytes), 'text.jpg' (no picture that pillow knows)"
    )
    assert all(name in said for name in names[1:])
    assert "good.png" not in said
    assert "\n" not in said


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_pictures_cut_short_are_named(tmp_path, suffix) -> None:
    good = put(tmp_path, f"good.{suffix}", np.repeat(np.repeat(GREY, 20, 0), 20, 1))
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(good.read_bytes()[: good.stat().st_size * 2 // 3])
    with pytest.raises(DataError, match=rf"1 pictures cannot be read: 'cut.{suffix}' \(") as caught:
        read(good, cut)
    assert caught.value.mend == "replace or remove the files named"


def test_the_first_ten_are_named(tmp_path) -> None:
    files = [tmp_path / f"{i}.png" for i in range(12)]
    for file in files:
        file.touch()
    with pytest.raises(DataError, match=r"12 pictures cannot be read: .*'9.png' \(zero bytes\) \(\+2 more\)"):
        read(*files)


def test_a_bomb_is_named_not_unpacked(tmp_path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    file = tmp_path / "bomb.png"
    head = pack(">2I5B", 12_000, 12_000, 8, 0, 0, 0, 0)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as outside the tests, where a warning stops nothing
        with pytest.raises(DataError, match=r"'bomb.png' \(Image size \(144000000 pixels\) exceeds limit"):
            read(file)


def test_too_many_pixels_are_refused_before_they_are_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(image_files, "_LIMIT", 59)
    file = put(tmp_path, "a.png", GREY)
    with pytest.raises(TooBig, match=r"2 pictures of 6 × 5 take 0.0 GiB"):
        read(file, file)
    assert read(file)[0].size == 30


def test_a_picture_is_turned_as_its_orientation_says(tmp_path) -> None:
    image = Image.fromarray(GREY)
    exif = image.getexif()
    exif[0x0112] = 6  # the camera lay on its side: turn it clockwise
    pixels, told = read(put(tmp_path, "a.png", image, exif=exif))
    assert np.array_equal(pixels[0, 0], np.rot90(GREY, -1))
    assert told == ["1 of 1 pictures were turned by their EXIF orientation"]


def test_of_several_frames_the_first_is_read(tmp_path) -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    pixels, told = read(put(tmp_path, "a.tiff", frames[0], save_all=True, append_images=frames[1:]))
    assert np.array_equal(pixels[0, 0], GREY)
    assert told == ["1 of 1 pictures have several frames: the first was read"]


def test_grey_in_three_channels_is_told(tmp_path) -> None:
    file = put(tmp_path, "a.png", np.dstack([GREY] * 3))
    assert read(file)[1] == ["all pictures are grey in three equal channels: channels=1 reads them as one"]
    assert read(file, put(tmp_path, "b.png", RGB))[1] == []
    assert np.array_equal(read(file, channels=1)[0][0, 0], GREY)


def test_a_kind_that_is_not_read_is_named(tmp_path) -> None:
    file = put(tmp_path, "a.tiff", GREY.astype(np.float32))
    with pytest.raises(DataError, match=r"'a.tiff' \(pixels of mode F are not read\)"):
        read(file)
    file = put(tmp_path, "b.tiff", np.full((2, 2), 70_000, np.int32))
    with pytest.raises(DataError, match=r"'b.tiff' \(pixels beyond 16 bits are not read\)"):
        read(file)


def test_without_pillow_the_extra_is_named(tmp_path, monkeypatch) -> None:
    file = put(tmp_path, "a.png", GREY)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match=r"pillow(.|\n)*pip install 'matweave\[deep\]'"):
        read(file)


def test_every_suffix_is_one_that_pillow_knows() -> None:
    assert set(Image.registered_extensions()) >= SUFFIXES
