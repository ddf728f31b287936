"""Folders of pictures: a class a folder, parts, order, and what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matweave.data.read_image_folder import folder_parts, read_image_folder
from matweave.errors import DataError


def put(root: Path, *names: str, size: tuple[int, int] = (3, 2)) -> Path:
    """A grey picture for each name, of a value of its own: the number in its name."""
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix in (".png", ".bmp", ".PNG"):
            value = int("".join(c for c in file.stem if c.isdigit()) or 0)
            Image.fromarray(np.full(size, value, np.uint8)).save(file)
        else:
            file.write_bytes(b"text")
    return root


def test_classes_and_pictures_in_natural_order(tmp_path) -> None:
    names = ["10/2.png", "10/10.png", "2/7.bmp", "9/1.PNG", "2/deep/er/30.png"]
    found = read_image_folder(put(tmp_path, *names))
    assert found.names == ("2/7.bmp", "2/deep/er/30.png", "9/1.PNG", "10/2.png", "10/10.png")
    assert found.pixels[:, 0, 0, 0].tolist() == [7, 30, 1, 2, 10]
    assert found.pixels.shape == (5, 1, 3, 2)
    assert found.targets is not None
    assert found.targets.classes == ("2", "9", "10")
    assert found.targets.labels() == ["2", "2", "9", "10", "10"]
    assert found.report == ("3 classes, by folder",)


def test_pictures_without_classes(tmp_path) -> None:
    found = read_image_folder(put(tmp_path, "b10.png", "b9.png", "a1.png"))
    assert found.names == ("a1.png", "b9.png", "b10.png")
    assert found.pixels[:, 0, 0, 0].tolist() == [1, 9, 10]
    assert found.targets is None
    assert found.report == ("no folders of classes: read without labels",)


def test_one_picture(tmp_path) -> None:
    found = read_image_folder(put(tmp_path, "a7.png") / "a7.png")
    assert (found.names, found.targets, found.pixels.shape) == (("a7.png",), None, (1, 1, 3, 2))


def test_what_is_not_read_is_told(tmp_path) -> None:
    put(tmp_path, "a/1.png", "b/2.png", "a/notes.txt", "list.csv", "README", "a/.hidden.png", ".git/x.png")
    put(tmp_path, "__MACOSX/a/1.png", "a/more.txt")
    (tmp_path / "empty").mkdir()
    found = read_image_folder(tmp_path)
    assert found.names == ("a/1.png", "b/2.png")
    assert found.report == (
        "2 classes, by folder",
        "folders without a picture are no classes: 'empty'",
        "4 files are no pictures and were not read: 2 .txt, 1 .csv, 1 without a suffix",
        "3 hidden files or folders were not read",
    )


@pytest.mark.parametrize(
    ("folders", "parts"),
    [
        (["train", "test"], ("train", "test")),
        (["test", "val", "train"], ("train", "valid", "test")),
        (["Train", "Validation"], ("train", "valid")),
        (["train"], ("train",)),
    ],
)
def test_parts(tmp_path, folders, parts) -> None:
    for i, folder in enumerate(folders):
        put(tmp_path / folder, f"cat/{i}.png", "dog/9.png")
    put(tmp_path, "README.md", ".cache/x.png")
    assert folder_parts(tmp_path) == parts
    for part in parts:
        found = read_image_folder(tmp_path, part=part)
        assert found.names[1] == "dog/9.png"
        assert found.targets is not None
        assert found.targets.classes == ("cat", "dog")
        assert found.pixels[0, 0, 0, 0] == next(i for i, f in enumerate(folders) if f.lower()[:3] == part[:3])


def test_a_test_part_may_have_no_classes(tmp_path) -> None:
    put(tmp_path, "train/a/1.png", "train/b/2.png", "test/1.png")
    assert folder_parts(tmp_path) == ("train", "test")
    assert read_image_folder(tmp_path, part="test").targets is None


def test_classes_may_be_named_like_parts(tmp_path) -> None:
    put(tmp_path / "vehicles", "train/1.png", "bus/2.png")
    assert folder_parts(tmp_path / "vehicles") == ()
    put(tmp_path / "words", "train/1.png", "test/2.png")
    assert folder_parts(tmp_path / "words") == ()
    assert read_image_folder(tmp_path / "words").targets is not None


def test_two_folders_of_one_part_are_refused(tmp_path) -> None:
    put(tmp_path, "train/a/1.png", "val/a/1.png", "valid/a/1.png")
    with pytest.raises(DataError, match="'val' and 'valid' are both the part 'valid'"):
        folder_parts(tmp_path)


def test_pictures_beside_classes_are_refused(tmp_path) -> None:
    put(tmp_path, "a/1.png", "b/2.png", "x10.png", "x9.png")
    with pytest.raises(DataError) as caught:
        read_image_folder(tmp_path)
    assert caught.value.what == ("2 pictures lie beside the folders of classes 'a', 'b': 'x9.png', 'x10.png'")


def test_links_are_followed_but_not_in_a_circle(tmp_path) -> None:
    put(tmp_path / "elsewhere", "7.png")
    put(tmp_path / "set", "a/1.png")
    (tmp_path / "set" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "up").symlink_to(tmp_path / "set")
    found = read_image_folder(tmp_path / "set")
    assert found.names == ("a/1.png", "b/7.png")
    assert found.report[-1] == "1 links lead to folders that were read already, and were not read again"


def test_a_folder_without_pictures_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match=r"holds no pictures \(.bmp, .gif.*it holds nothing"):
        read_image_folder(tmp_path)
    put(tmp_path, "a/x.txt", "b/y.csv")
    with pytest.raises(DataError, match=r"it holds \.\w\w\w, \.\w\w\w"):
        read_image_folder(tmp_path)


def test_bad_pictures_are_named_by_their_path(tmp_path) -> None:
    put(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "b" / "3.png").touch()
    with pytest.raises(DataError, match=r"1 pictures cannot be read: 'b/3.png' \(zero bytes\)") as caught:
        read_image_folder(tmp_path)
    assert caught.value.where == str(tmp_path)


def test_size_and_channels_reach_the_files(tmp_path) -> None:
    put(tmp_path, "a/1.png")
    put(tmp_path, "b/2.png", size=(9, 9))
    found = read_image_folder(tmp_path, channels=3, size=(4, 5))
    assert found.pixels.shape == (2, 3, 4, 5)
    assert found.pixels[:, 0, 0, 0].tolist() == [1, 2]
    assert "2 of 2 pictures were resized to 4 × 5 (stretched to fit)" in found.report


def test_moving_pictures_to_other_folders_moves_their_labels_only(tmp_path) -> None:
    one = read_image_folder(put(tmp_path / "one", "a/1.png", "a/2.png", "b/3.png"))
    two = read_image_folder(put(tmp_path / "two", "z/1.png", "z/2.png", "y/3.png"))
    assert one.targets is not None
    assert two.targets is not None
    value = {int(p[0, 0, 0]): label for p, label in zip(one.pixels, one.targets.labels(), strict=True)}
    renamed = {int(p[0, 0, 0]): label for p, label in zip(two.pixels, two.targets.labels(), strict=True)}
    assert {v: {"a": "z", "b": "y"}[name] for v, name in value.items()} == renamed
