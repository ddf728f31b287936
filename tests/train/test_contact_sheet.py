"""The contact sheet: read back as XML, tile by tile, pixel by pixel."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from matweave.deep import generator, torch
from matweave.errors import ConfigError
from matweave.png import data_uri
from matweave.train.augment import from_names
from matweave.train.augment_images import ImageAugmentation
from matweave.train.augment_sequences import SequenceAugmentation
from matweave.train.contact_sheet import CHANNELS, TILE, contact_sheet

SHIFTED = from_names("shift,rotate", kind="image")
OFF = ImageAugmentation()


def images(n=5, channels=1, side=6):
    return torch.randn(n, channels, side, side, generator=generator(0)), torch.arange(n) % 3


def sequences(n=4, steps=9, channels=2):
    return torch.randn(n, steps, channels, generator=generator(0)), torch.arange(n) + 2, torch.arange(n) % 3


def tiles(markup):
    """The groups of a sheet that is a tile each, by row."""
    root = ElementTree.fromstring(markup)
    assert root.tag == "svg"
    rows = {}
    for tile in root.findall("g"):
        left, top = re.fullmatch(r"translate\((\S+) (\S+)\)", tile.attrib["transform"]).groups()
        rows.setdefault(float(top), []).append((float(left), tile))
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    assert all(
        0 <= left <= width - TILE and 0 <= top <= height - 30 for top, r in rows.items() for left, _ in r
    )
    return [[tile for _, tile in sorted(row, key=lambda t: t[0])] for _, row in sorted(rows.items())]


def words(row):
    return ["".join(text.text for text in tile.findall("text")) for tile in row]


@pytest.mark.parametrize(("count", "rows"), [(3, 2), (8, 4), (1, 0)])
def test_one_tile_for_each_example_in_each_row(count, rows):
    found = tiles(contact_sheet(images(5), SHIFTED, seed=0, count=count, rows=rows))
    assert [len(row) for row in found] == [min(count, 5)] * (rows + 1)
    assert all(len(tile.findall("image")) == 1 for row in found for tile in row)
    found = tiles(contact_sheet(sequences(4), SequenceAugmentation(jitter=1), seed=0, count=count, rows=rows))
    assert [len(row) for row in found] == [min(count, 4)] * (rows + 1)
    assert all(len(tile.findall("polyline")) == 2 for row in found for tile in row)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_originals_are_shown_pixel_by_pixel_and_so_is_what_an_augmentation_that_is_off_leaves(channels):
    x, y = images(4, channels)
    low, high = x.amin((0, 2, 3), keepdim=True), x.amax((0, 2, 3), keepdim=True)
    levels = ((x - low) / (high - low) * 255).round().numpy().astype(np.uint8)
    if channels == 4:
        levels = np.rint(levels.mean(1, keepdims=True)).astype(np.uint8)
    wanted = [data_uri(one[0] if channels != 3 else one.transpose(1, 2, 0)) for one in levels]
    for row in tiles(contact_sheet((x, y), OFF, seed=0, rows=2)):
        assert [tile.find("image").attrib["href"] for tile in row] == wanted


def test_flat_images_and_values_beyond_the_originals_are_drawn():
    flat = torch.full((2, 1, 4, 4), 3.0), torch.tensor([0, 1])
    sheet = contact_sheet(flat, ImageAugmentation(crop=2, fill=1e6), seed=0)
    assert data_uri(np.zeros((4, 4), np.uint8)) in sheet
    assert len(tiles(sheet)) == 5
    contact_sheet(
        (torch.zeros(2, 5, 1), torch.tensor([5, 1]), torch.zeros(2)), SequenceAugmentation(jitter=9), seed=0
    )


def test_rows_differ_seeds_differ_and_one_seed_is_one_sheet():
    sheet = contact_sheet(images(), SHIFTED, seed=3)
    assert sheet == contact_sheet(images(), SHIFTED, seed=3)
    assert sheet != contact_sheet(images(), SHIFTED, seed=4)
    rows = [[tile.find("image").attrib["href"] for tile in row] for row in tiles(sheet)]
    assert len(set(map(tuple, rows))) == 5


@pytest.mark.parametrize("batch", [images(), sequences()])
def test_nothing_points_outside_and_no_colour_is_fixed(batch):
    off = OFF if len(batch) == 2 else SequenceAugmentation()
    sheet = contact_sheet(batch, off, seed=0)
    text = re.sub(r"data:image/png;base64,[\w+/=]+", "", sheet)
    assert "currentColor" in text
    for outside in ("http", "url(", "<script", "#", "black", "white", "rgb"):
        assert outside not in text
    assert 'role="img"' in text
    assert "aria-label=" in text


def test_captions_name_classes_and_what_was_mixed():
    classes = ["<c>", "d&g", "owl"]
    sheet = contact_sheet(
        images(3), from_names("mixup=9", kind="image", classes=3), seed=0, rows=3, classes=classes
    )
    assert "<c>" not in sheet
    found = tiles(sheet)
    assert words(found[0]) == classes
    mixed = [word for row in found[1:] for word in words(row)]
    two = [m for w in mixed if (m := re.fullmatch(r"(.+) (\d+)% \+ (.+) (\d+)%", w))]
    assert two
    for match in two:
        assert {match[1], match[3]} <= set(classes)
        assert abs(int(match[2]) + int(match[4]) - 100) <= 1
    assert set(mixed) - {m[0] for m in two} <= {f"{c} 100%" for c in classes}


def test_long_captions_are_cut_and_whole_in_the_title():
    classes = ["automobile of the year", "ship", "aeroplane"]
    row = tiles(contact_sheet(images(3), OFF, seed=0, classes=classes))[0]
    assert words(row) == ["automobile of th…", "ship", "aeroplane"]
    assert [title.text for tile in row for title in tile.findall("title")] == classes[:1]
    batch = torch.rand(2, 1, 4, 4), torch.tensor([0, 2])
    mixup = from_names("mixup=1000", kind="image", classes=3)
    rows = tiles(contact_sheet(batch, mixup, seed=0, rows=9, classes=classes))[1:]
    long = [tile for row in rows for tile in row if "+" in words([tile])[0]]
    assert long
    for tile in long:
        assert set(re.findall(r"\w[\w ]+\w(?= \d)", tile.find("title").text)) == {classes[0], classes[2]}
        assert set(re.findall(r"\w+…(?= \d)", tile.find("text").text)) == {"aut…", "aer…"}


def test_captions_without_names_are_codes_or_numbers():
    assert words(tiles(contact_sheet(images(3), OFF, seed=0))[0]) == ["0", "1", "2"]
    x, _ = images(2)
    assert words(tiles(contact_sheet((x, torch.tensor([0.12345, 7])), OFF, seed=0))[0]) == ["0.123", "7"]
    assert words(tiles(contact_sheet((x, torch.tensor([[0.5, 2], [1, 3]])), OFF, seed=0))[0]) == [
        "0.5 2",
        "1 3",
    ]


def test_lines_show_a_sequence_over_its_own_length_on_one_scale():
    x, lengths, y = sequences(3, steps=9, channels=CHANNELS + 2)
    row = tiles(contact_sheet((x, lengths, y), SequenceAugmentation(), seed=0))[1]
    for tile, length in zip(row, lengths.tolist(), strict=True):
        lines = tile.findall("polyline")
        assert len(lines) == CHANNELS
        assert len({line.attrib["opacity"] for line in lines}) == CHANNELS
        for line in lines:
            points = [tuple(map(float, p.split(","))) for p in line.attrib["points"].split()]
            assert len(points) == length
            assert [a for a, _ in points] == pytest.approx([TILE / 8 * t for t in range(length)], abs=0.06)
    first = row[0].find("polyline").attrib["points"].split()
    heights = [float(p.split(",")[1]) for p in first]
    scale = np.ptp(x.numpy()) / (0.9 * TILE)
    assert heights[0] - heights[1] == pytest.approx(float(x[0, 1, 0] - x[0, 0, 0]) / scale, abs=0.11)


def test_codes_are_written_in_their_alphabet_and_masks_are_seen():
    x = torch.tensor([[2, 3, 4, 2, 0], [4, 1, 0, 0, 0], [2] * 5])
    batch = x, torch.tensor([4, 2, 5]), torch.tensor([0, 0, 1])
    masked = SequenceAugmentation(mask=0.9)
    found = tiles(contact_sheet(batch, masked, seed=0, alphabet="a<c", classes=["-", "-"]))
    assert words(found[0]) == ["a<ca-", "c▯-", "aaaaa-"]
    assert any("▯▯" in word for row in found[1:] for word in words(row))
    assert words(tiles(contact_sheet(batch, masked, seed=0))[0])[0] == "2 3 4 2" + "0"
    long = torch.full((1, 40), 2), torch.tensor([40]), torch.tensor([0])
    assert words(tiles(contact_sheet(long, masked, seed=0, alphabet="a"))[0]) == ["a" * 12 + "…" + "0"]


def test_wrong_settings_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        contact_sheet(images(), OFF, seed=0, count=0, rows=1.5)
    assert [line.split()[0] for line in caught.value.what.splitlines()] == ["count", "rows"]
    with pytest.raises(ConfigError, match="seed"):
        contact_sheet(images(), OFF, seed=-1)
