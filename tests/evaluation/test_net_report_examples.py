"""Cards of single examples: what is shown is what was given, small, and never markup."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import DataError
from matweave.evaluation.net_report_examples import HardExample, cards, sparkline, thumbnail

NASTY = '<script>alert("x")</script> & <b>'


def example(kind: str, content: object, **more) -> HardExample:
    given = dict(truth="4", predicted="9", probability=0.987, name="test[7]") | more
    return HardExample(kind=kind, content=content, **given)


def shown(one: HardExample) -> str:
    return cards([one]).markup


def test_pixels_arrive_as_they_are():
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for pixels in (rng.integers(0, 256, (1, 9, 7), np.uint8), rng.integers(0, 256, (3, 9, 7), np.uint8)):
        found = re.search(r'src="data:image/png;base64,([^"]*)"', shown(example("image", pixels)))
        assert found is not None
        read = np.asarray(image.open(io.BytesIO(base64.b64decode(found[1]))))
        wanted = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
        np.testing.assert_array_equal(read, wanted)


def test_levels_of_other_numbers_run_from_black_to_white():
    ramp = np.linspace(-3, 5, 6).reshape(2, 3)
    assert thumbnail(ramp).tolist() == [[0, 51, 102], [153, 204, 255]]
    assert thumbnail(np.array([[0.0, 0.5]])).tolist() == [[0, 128]]  # a share of white
    assert thumbnail(np.array([[0, 7]], np.int64)).tolist() == [[0, 255]]
    assert thumbnail(np.array([[False, True]])).tolist() == [[0, 255]]
    assert thumbnail(np.full((2, 2), 9.0)).tolist() == [[0, 0], [0, 0]]
    assert thumbnail(np.array([[np.nan, 1.0, np.inf]])).tolist() == [[0, 255, 255]]
    faint = np.array([[10, 12]], np.uint8)
    assert thumbnail(faint).tolist() == [[10, 12]]


def test_other_numbers_of_channels_are_shown_as_their_mean():
    pixels = np.stack([np.zeros((4, 4)), np.ones((4, 4))])
    assert np.unique(thumbnail(pixels)).tolist() == [128]
    assert thumbnail(np.zeros((4, 5, 6), np.uint8)).shape == (5, 6)


@given(h=st.integers(1, 400), w=st.integers(1, 400), c=st.sampled_from([1, 3]))
def test_no_side_is_above_the_limit(h, w, c):
    found = thumbnail(np.full((c, h, w), 200, np.uint8))
    assert max(found.shape[:2]) <= 96
    assert found.min() == found.max() == 200
    assert found.shape[:2] == ((h, w) if max(h, w) <= 96 else found.shape[:2])


def test_large_images_are_averaged():
    board = (np.indices((192, 192)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert np.unique(thumbnail(board)).tolist() == [128]


@pytest.mark.parametrize("shape", [(4,), (1, 2, 3, 4), (3, 0, 2)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(DataError, match="an image to show has shape"):
        shown(example("image", np.zeros(shape)))


def points(svg: str) -> list[list[tuple[float, float]]]:
    return [
        [tuple(map(float, pair.split(","))) for pair in line.split()]
        for line in re.findall(r'points="([^"]*)"', svg)
    ]


def test_lines_rise_with_the_numbers_and_share_one_scale():
    steps = np.array([[0.0, 10.0], [5.0, 10.0], [10.0, 0.0]])
    one, two = points(sparkline(steps, "x"))
    assert one == [(2, 57), (100, 30), (198, 3)]
    assert two == [(2, 3), (100, 3), (198, 57)]


def test_long_wide_broken_and_short_sequences_are_drawn():
    long = points(sparkline(np.random.default_rng(0).normal(size=(5000, 12)), "x"))
    assert len(long) == 8
    assert {len(line) for line in long} == {240}
    gap = sparkline(np.array([[1.0], [2.0], [np.nan], [3.0]]), "x")
    assert [len(line) for line in points(gap)] == [2]
    assert gap.count("<circle") == 1
    assert sparkline(np.array([[4.0]]), "x").count("<circle") == 1
    assert sparkline(np.full((3, 1), np.nan), "x").count("<polyline") == 0
    assert "<svg" in sparkline(np.zeros((0, 2)), "x")
    assert points(sparkline(np.full((2, 1), 7.0), "x")) == [[(2, 57), (198, 57)]]
    assert "<polyline" in shown(example("sequence", np.arange(5)))
    with pytest.raises(DataError, match="a sequence to show has shape"):
        shown(example("sequence", np.zeros((2, 2, 2))))


def test_text_is_cut_and_shown_as_it_is():
    assert "<p class=quote>short</p>" in shown(example("text", "short"))
    cut = re.search(r"<p class=quote>(.*?)</p>", shown(example("text", "ab " * 400)))
    assert cut is not None
    assert len(cut[1]) <= 280
    assert cut[1].endswith("…")


def test_rows_show_their_first_columns_and_count_the_rest():
    fields = {f"column {i}": i / 3 for i in range(10)} | {"last": None}
    found = shown(example("row", fields))
    assert found.count("<div><span>") == 8
    assert "<span>column 1</span><span>0.33333</span>" in found
    assert "and 3 more columns" in found
    assert "<span>–</span>" in shown(example("row", {"a": None}))
    assert "more" not in shown(example("row", {"a": "b"}))


@pytest.mark.parametrize(
    ("kind", "content"),
    [("image", np.zeros((2, 2))), ("sequence", np.zeros(3)), ("text", NASTY), ("row", {NASTY: NASTY})],
)
def test_nothing_given_becomes_markup(kind, content):
    found = shown(example(kind, content, truth=NASTY, predicted=NASTY + "2", name=NASTY))
    assert "<script" not in found
    assert "<b>" not in found
    assert 'alert("' not in found
    assert found.count("&lt;script&gt;") >= 3


def test_a_wrong_class_is_marked_and_a_number_is_not():
    assert "<span class=bad>9</span> <small>98.7\u00a0%</small>" in shown(example("text", "x"))
    assert "class=bad" not in shown(example("text", "x", predicted="4"))
    number = shown(example("text", "x", probability=float("nan")))
    assert "class=bad" not in number
    assert "<small>" not in number


def test_another_kind_is_refused_with_the_nearest():
    with pytest.raises(DataError, match="no example is of kind 'images'; did you mean 'image'"):
        example("images", np.zeros((2, 2)))
    assert cards([]).markup == ""
