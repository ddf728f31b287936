"""Pictures named by item id."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data.content_images import holds_pictures, read_item_images
from matweave.errors import ConfigError, DataError

Image = pytest.importorskip("PIL.Image")


def draw(folder, name, value, size=(8, 6)):
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(folder / name)


def test_pictures_are_of_the_ids_in_their_names_and_of_one_size(tmp_path):
    draw(tmp_path, "10.png", 200)
    draw(tmp_path, "9.png", 100, size=(20, 20))
    (tmp_path / "notes.txt").write_text("x")
    assert holds_pictures(tmp_path)
    found = read_item_images(tmp_path, size="5x4")
    assert found.items.to_list() == [9, 10]
    assert found.pixels is not None
    assert found.pixels.shape == (2, 3, 5, 4)
    assert found.pixels[:, 0, 0, 0].tolist() == [100, 200]
    assert any("1 files" in line for line in found.report)
    grey = read_item_images(tmp_path, size=4, channels=1)
    assert grey.pixels is not None
    assert grey.pixels.shape == (2, 1, 4, 4)


def test_what_is_wrong_with_a_folder_is_told(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        read_item_images(tmp_path / "none")
    with pytest.raises(DataError, match="no pictures"):
        read_item_images(tmp_path)
    draw(tmp_path, "a.png", 1)
    draw(tmp_path, "a.bmp", 1)
    with pytest.raises(DataError, match=r"of one item: 'a\.bmp', 'a\.png'"):
        read_item_images(tmp_path)
    (tmp_path / "a.bmp").write_bytes(b"broken")
    (tmp_path / "a.bmp").rename(tmp_path / "b.bmp")
    with pytest.raises(DataError, match=r"b\.bmp"):
        read_item_images(tmp_path)
    with pytest.raises(ConfigError, match="size"):
        read_item_images(tmp_path, size=None)
    assert not holds_pictures(tmp_path / "a.png")
