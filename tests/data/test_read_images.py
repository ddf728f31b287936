"""One door for every source of images: the same set by each of them, and what does not fit refused in words."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from matweave.data.images import Images
from matweave.data.pixels import resize, to_channels
from matweave.data.read_images import as_size, check_channels, parts_of, read_images
from matweave.errors import ConfigError, DataError, MatweaveError

X = np.random.default_rng(0).integers(0, 256, (6, 8, 7), dtype=np.uint8)
Y = np.array([1, 10, 2, 1, 2, 2], np.uint8)


def idx(folder: Path, prefixes: tuple[str, ...] = ("train", "t10k")) -> Path:
    folder.mkdir()
    for at, prefix in enumerate(prefixes):
        x, y = X[at:], Y[at:]
        images = struct.pack(">4I", 2051, *x.shape) + x.tobytes()
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, len(y)) + y.tobytes())
    return folder


def npz(path: Path, parts: tuple[str, ...] = ("train", "test")) -> Path:
    arrays: dict[str, Any] = {f"x_{part}": X[at:] for at, part in enumerate(parts)}
    arrays |= {f"y_{part}": Y[at:] for at, part in enumerate(parts)}
    np.savez(path, **arrays)
    return path


def pictures(folder: Path, parts: tuple[str, ...] = ("train", "test")) -> Path:
    for at, part in enumerate(parts):
        for i in range(at, len(X)):
            file = folder / part / str(Y[i]) / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(X[i]).save(file)
    return folder


def contents(images: Images) -> set[tuple[bytes, str]]:
    assert images.targets is not None
    return {(p.tobytes(), label) for p, label in zip(images.pixels, images.targets.labels(), strict=True)}


def test_every_source_gives_the_same_set(tmp_path) -> None:
    sources = [idx(tmp_path / "idx"), npz(tmp_path / "set.npz"), pictures(tmp_path / "pictures")]
    for at, part in enumerate(("train", "test")):
        wanted = contents(Images.of(X[at:], Y[at:]))
        for source in sources:
            assert parts_of(source) == ("train", "test")
            found = read_images(source, part=part)
            assert contents(found) == wanted
            assert found.targets is not None
            assert found.targets.classes == ("1", "2", "10")
            assert found.pixels.dtype == np.uint8
            assert found.report[0] == f"{6 - at} images of 8 × 7, 1 channel, part {part}"
            assert len(set(found.names)) == len(found)


def test_one_part_is_read_without_being_named(tmp_path) -> None:
    for source in (
        idx(tmp_path / "idx", ("train",)),
        npz(tmp_path / "set.npz", ("train",)),
        pictures(tmp_path / "p", ("train",)),
    ):
        assert parts_of(source) == ("train",)
        assert contents(read_images(source)) == contents(read_images(str(source), part="train"))


def test_of_several_parts_one_must_be_named(tmp_path) -> None:
    for source in (idx(tmp_path / "idx"), npz(tmp_path / "set.npz"), pictures(tmp_path / "p")):
        with pytest.raises(
            ConfigError, match=r"comes in parts: train, test; which to read is not said\n(.|\n)*part='train'"
        ):
            read_images(source)
        with pytest.raises(
            ConfigError, match="comes in parts: train, test; part is 'tset'; did you mean 'test'"
        ):
            read_images(source, part="tset")
    single = tmp_path / "idx" / "train-images-idx3-ubyte.gz"
    assert parts_of(single) == ()
    assert len(read_images(single)) == 6
    with pytest.raises(ConfigError, match="does not come in parts; part is 'train'"):
        read_images(single, part="train")


def test_size_and_channels_are_the_same_for_every_source(tmp_path) -> None:
    wanted = resize(to_channels(X[:, None], 3, "here"), (5, 4))
    for source in (idx(tmp_path / "idx"), npz(tmp_path / "set.npz"), pictures(tmp_path / "p")):
        found = read_images(source, part="train", channels=3, size="5x4")
        assert found.shape == (3, 5, 4)
        assert {p.tobytes() for p in found.pixels} == {p.tobytes() for p in wanted}
        assert found.report[0] == "6 images of 5 × 4, 3 channels, part train"
        assert len([line for line in found.report if "became RGB" in line]) == 1
        assert len([line for line in found.report if "resized" in line]) == 1
        same = read_images(source, part="train", channels=1, size=(8, 7))
        assert not any("became" in line or "resized" in line for line in same.report)


def test_labels_of_a_file_stand_where_they_are_said(tmp_path) -> None:
    folder = idx(tmp_path / "idx")
    away = tmp_path / "answers"
    (folder / "train-labels-idx1-ubyte").rename(away)
    file = folder / "train-images-idx3-ubyte.gz"
    assert read_images(file).targets is None
    assert contents(read_images(file, labels=away)) == contents(Images.of(X, Y))
    for source in (folder, npz(tmp_path / "set.npz"), pictures(tmp_path / "p")):
        with pytest.raises(ConfigError, match="only a file of idx images takes its labels"):
            read_images(source, labels=away, part="train")


def test_one_picture_and_a_heap_of_them_can_be_predicted(tmp_path) -> None:
    Image.fromarray(X[0]).save(tmp_path / "one.png")
    found = read_images(tmp_path / "one.png")
    assert (len(found), found.targets, parts_of(tmp_path / "one.png")) == (1, None, ())
    assert np.array_equal(found.pixels[0, 0], X[0])
    assert read_images(tmp_path).names == ("one.png",)


@pytest.mark.parametrize("name", ["text.csv", "none", "none.npz", "none.png"])
def test_what_is_no_source_of_images(tmp_path, name) -> None:
    (tmp_path / "text.csv").write_text("a,b\n1,2\n")
    said = "is no file of images" if name == "text.csv" else "does not exist"
    for ask in (parts_of, read_images):
        with pytest.raises(DataError, match=f"{name} {said}") as caught:
            ask(tmp_path / name)
        assert "MNIST idx" in caught.value.mend


def test_labels_given_as_images_are_told_apart(tmp_path) -> None:
    folder = idx(tmp_path / "idx")
    with pytest.raises(DataError, match="which is idx labels"):
        read_images(folder / "train-labels-idx1-ubyte")


def test_sizes() -> None:
    assert as_size(None) is None
    for given_size in (
        28,
        "28",
        np.int64(28),
        (28,),
        "28x28",
        "28X28",
        "28×28",
        (28, 28),
        [28, 28],
        "28 x 28",
    ):
        assert as_size(given_size) == (28, 28), given_size
    assert as_size("28x32") == (28, 32)


@pytest.mark.parametrize(
    "size", [0, -1, True, 2.5, "", "x", "28x", "axb", "1x2x3", (1, 2, 3), (), (0, 3), (2.0, 3), object()]
)
def test_sizes_that_are_refused(size) -> None:
    with pytest.raises(ConfigError, match="must be a height and width >= 1"):
        as_size(size)


def test_channels_that_are_refused() -> None:
    for good in (None, 1, 3, np.int64(3)):
        check_channels(good)
    for bad in (0, 2, 4, True, "3", 1.0):
        with pytest.raises(ConfigError, match="must be 1"):
            check_channels(bad)


@pytest.mark.parametrize("how", [{"size": "big"}, {"channels": 2}, {"size": 0}])
def test_bad_settings_are_told_before_anything_is_read(tmp_path, how) -> None:
    with pytest.raises(ConfigError):
        read_images(tmp_path / "none", **how)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch) -> None:
    pictures(tmp_path / "p", ("train",))

    def refuse(path: Path):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", refuse)
        with pytest.raises(DataError, match=r"p cannot be read \(Permission denied\)"):
            parts_of(tmp_path / "p")
    listed = os.scandir

    def scandir(path):
        return listed(path) if "2" not in Path(path).name else refuse(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=r"train/2 cannot be read \(Permission denied\)"):
        read_images(tmp_path / "p" / "train")


def test_errors_are_of_exit_code_two(tmp_path) -> None:
    with pytest.raises(MatweaveError) as caught:
        read_images(tmp_path)
    assert caught.value.exit_code == 2


@pytest.mark.data
def test_mnist_in_another_size(real_data) -> None:
    found = read_images(real_data / "mnist", part="test", size=14)
    assert found.shape == (1, 14, 14)
    assert found.report == (
        "10,000 images of 14 × 14, 1 channel, part test",
        "labels from t10k-labels-idx1-ubyte.gz: 10 classes",
        "all images were resized from 28 × 28 to 14 × 14 (stretched to fit)",
    )
