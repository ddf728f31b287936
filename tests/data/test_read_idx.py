"""idx: what is written is read; every byte that is wrong is refused with its file."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from matweave.data.read_idx import idx_parts, is_idx, read_idx
from matweave.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
LABELS = np.array([7, 0, 7, 10, 2], np.uint8)


def images_bytes(images: np.ndarray = IMAGES) -> bytes:
    return struct.pack(">4I", 2051, *images.shape) + images.tobytes()


def labels_bytes(labels: np.ndarray = LABELS) -> bytes:
    return struct.pack(">2I", 2049, len(labels)) + labels.tobytes()


def put(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def put_set(folder: Path, prefix: str, gz: str = "", sign: str = "-") -> Path:
    put(folder, f"{prefix}-labels{sign}idx1-ubyte{gz}", labels_bytes())
    return put(folder, f"{prefix}-images{sign}idx3-ubyte{gz}", images_bytes())


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize("sign", ["-", "."])
def test_a_file_with_its_labels_beside_it(tmp_path, gz, sign) -> None:
    found = read_idx(put_set(tmp_path, "train", gz, sign))
    assert np.array_equal(found.pixels[:, 0], IMAGES)
    assert found.targets is not None
    assert found.targets.classes == ("0", "2", "7", "10")
    assert found.targets.labels() == ["7", "0", "7", "10", "2"]
    assert found.names == tuple(f"train-images[{i}]" for i in range(5))
    assert found.report == (f"labels from train-labels{sign}idx1-ubyte{gz}: 4 classes",)


def test_gzip_is_told_by_the_bytes_and_labels_may_be_packed_otherwise(tmp_path) -> None:
    images = put(tmp_path, "train-images-idx3-ubyte", gzip.compress(images_bytes()))
    put(tmp_path, "train-labels-idx1-ubyte.gz", labels_bytes())
    found = read_idx(images)
    assert np.array_equal(found.pixels[:, 0], IMAGES)
    assert found.targets is not None


def test_labels_elsewhere_or_nowhere(tmp_path) -> None:
    images = put(tmp_path, "digits", images_bytes())
    found = read_idx(images)
    assert found.targets is None
    assert found.report == ("no labels file stands beside digits: read without labels",)
    found = read_idx(images, labels=put(tmp_path, "answers.gz", labels_bytes()))
    assert found.targets is not None
    assert found.targets.labels() == ["7", "0", "7", "10", "2"]


@pytest.mark.parametrize(
    ("prefixes", "parts"),
    [
        (["train", "t10k"], ("train", "test")),
        (["test", "train"], ("train", "test")),
        (["t10k"], ("test",)),
        (["emnist-letters-train", "emnist-letters-test"], ("train", "test")),
        (["digits"], ()),
        (["trains"], ()),
    ],
)
def test_parts(tmp_path, prefixes, parts) -> None:
    for prefix in prefixes:
        file = put_set(tmp_path, prefix)
        assert idx_parts(file) == ()
    assert is_idx(tmp_path)
    assert idx_parts(tmp_path) == parts
    for part in parts:
        name = read_idx(tmp_path, part=part).names[0]
        assert ("train" in name) == (part == "train")


def test_a_folder_of_two_sets_of_one_part_is_refused(tmp_path) -> None:
    put_set(tmp_path, "a-train")
    put_set(tmp_path, "b-train")
    with pytest.raises(DataError, match="holds 2 files of idx images of the part 'train': a-train-images"):
        read_idx(tmp_path, part="train")


def test_of_a_plain_and_a_packed_file_the_plain_one_is_read(tmp_path) -> None:
    put_set(tmp_path, "train")
    put(tmp_path, "train-images-idx3-ubyte.gz", images_bytes(IMAGES[:1]))
    found = read_idx(tmp_path, part="train")
    assert len(found.pixels) == 5
    assert "train-images-idx3-ubyte.gz stands there plain too; the plain file was read" in found.report


def test_what_is_idx(tmp_path) -> None:
    assert not is_idx(tmp_path)
    assert is_idx(put(tmp_path, "x", images_bytes()))
    assert is_idx(put(tmp_path, "y.gz", labels_bytes()))  # to be refused as labels, in those words
    assert not is_idx(put(tmp_path, "z", b""))
    assert not is_idx(put(tmp_path, "text", b"hello"))
    assert not is_idx(put(tmp_path, "broken", gzip.compress(images_bytes())[:5]))


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (images_bytes()[:-1], r"it is truncated: 59 of the 60 bytes that its head says \(5 × 4 × 3\)"),
        (images_bytes() + b"x", "it goes on after the 60 bytes that its head says"),
        (images_bytes()[:10], "it is truncated: 10 of the 16 bytes of its head"),
        (b"", "it is truncated: 0 of the 16 bytes"),
        (labels_bytes(), r"magic number is 2049 \(which is idx labels\), not 2051 \(idx images\)"),
        (b"\x89PNG" + images_bytes(), r"magic number is 2303741511 \(no idx file of bytes\)"),
        (
            struct.pack(">4I", 2051, 2**32 - 1, 2**32 - 1, 2**32 - 1) + b"x",
            "it is truncated: 1 of the 79,228,162,",
        ),
        (struct.pack(">4I", 2051, 0, 4, 3), "no images"),
        (struct.pack(">4I", 2051, 5, 0, 3), "no images"),
    ],
)
def test_images_that_are_refused(tmp_path, gz, data, said) -> None:
    path = put(tmp_path, f"train-images-idx3-ubyte{gz}", data)
    with pytest.raises(DataError, match=said) as caught:
        read_idx(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            labels_bytes(LABELS[:4]),
            "train-images-idx3-ubyte holds 5 images, but train-labels-idx1-ubyte 4 labels",
        ),
        (labels_bytes()[:-2], "it is truncated: 3 of the 5 bytes"),
        (images_bytes(), r"magic number is 2051 \(which is idx images\), not 2049"),
    ],
)
def test_labels_that_are_refused(tmp_path, data, said) -> None:
    images = put_set(tmp_path, "train")
    labels = put(tmp_path, "train-labels-idx1-ubyte", data)
    with pytest.raises(DataError, match=said) as caught:
        read_idx(images)
    assert caught.value.where == str(labels)


def test_broken_gzip_is_refused(tmp_path) -> None:
    whole = gzip.compress(images_bytes())
    for data in (whole[:-9], whole[:20], whole[:30] + b"\0\0\0" + whole[33:], whole[:-8] + b"\0" * 8):
        path = tmp_path / "train-images-idx3-ubyte.gz"
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz is refused"):
            read_idx(path)


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(put_set(tmp_path, "train"), labels=tmp_path / "none")


@pytest.mark.data
def test_mnist(real_data) -> None:
    folder = real_data / "mnist"
    assert idx_parts(folder) == ("train", "test")
    test = read_idx(folder, part="test")
    assert test.pixels.shape == (10_000, 1, 28, 28)
    assert test.targets is not None
    assert test.targets.classes == tuple("0123456789")
    assert test.targets.counts().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert test.targets.labels()[:5] == ["7", "2", "1", "0", "4"]
    train = read_idx(folder, part="train")
    assert train.targets is not None
    assert train.targets.counts().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert train.names[59_999] == "train-images[59999]"
