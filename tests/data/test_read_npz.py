"""npz: names, parts, labels of every kind; nothing pickled, truncated or mismatched passes."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from matweave.data.read_npz import npz_parts, read_npz
from matweave.errors import DataError

X = np.random.default_rng(0).integers(0, 256, (4, 6, 5), dtype=np.uint8)
Y = np.array([2, 10, 2, 1])


def put(tmp_path, **arrays):
    path = tmp_path / "set.npz"
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize(
    "names", [("x", "y"), ("X", "Y"), ("images", "labels"), ("data", "target"), ("x", "labels")]
)
def test_names(tmp_path, names) -> None:
    found = read_npz(put(tmp_path, **dict(zip(names, (X, Y), strict=True)), other=np.zeros(2)))
    assert np.array_equal(found.pixels[:, 0], X)
    assert found.targets is not None
    assert found.targets.classes == ("1", "2", "10")
    assert found.names[3] == f"{names[0]}[3]"
    assert found.report == (f"labels from {names[1]}: 3 classes",)


@pytest.mark.parametrize("form", ["{k}_{p}", "{p}_{k}", "{k}{p}"])
@pytest.mark.parametrize("valid", ["valid", "val", "validation"])
def test_parts(tmp_path, form, valid) -> None:
    arrays = {}
    for at, p in enumerate(("test", valid, "train")):
        arrays[form.format(k="x", p=p)] = X[: at + 1]
        arrays[form.format(k="y", p=p)] = Y[: at + 1]
    path = put(tmp_path, **arrays)
    assert npz_parts(path) == ("train", "valid", "test")
    assert [len(read_npz(path, part=p).pixels) for p in npz_parts(path)] == [3, 2, 1]
    assert read_npz(path, part="test").targets is not None


def test_no_parts(tmp_path) -> None:
    assert npz_parts(put(tmp_path, x=X, y=Y)) == ()


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        (np.array(["b", "a", "b", "c"]), ["b", "a", "b", "c"]),
        (Y[:, None], ["2", "10", "2", "1"]),
        (Y.astype(np.float64), ["2", "10", "2", "1"]),
        (Y > 2, ["False", "True", "False", "False"]),
    ],
)
def test_labels(tmp_path, labels, wanted) -> None:
    targets = read_npz(put(tmp_path, x=X, y=labels)).targets
    assert targets is not None
    assert targets.labels() == wanted


def test_numbers_to_predict_are_told(tmp_path) -> None:
    found = read_npz(put(tmp_path, x=X, y=Y / 4))
    assert found.targets is not None
    assert found.targets.classes is None
    assert found.targets.values.tolist() == [0.5, 2.5, 0.5, 0.25]
    assert found.report == ("y holds numbers with a fraction: numbers to predict, no classes",)


def test_without_labels(tmp_path) -> None:
    found = read_npz(put(tmp_path, x=X))
    assert found.targets is None
    assert found.report == ("x has no labels beside it: read without labels",)


def test_layouts(tmp_path) -> None:
    colour = np.random.default_rng(1).random((4, 6, 5, 3))
    found = read_npz(put(tmp_path, x=colour))
    assert found.pixels.dtype == np.float32
    assert np.array_equal(found.pixels, np.moveaxis(colour, 3, 1).astype(np.float32))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": X, "y": Y[:3]}, "x holds 4 images, but y 3 labels"),
        ({"x": X, "y": np.eye(4)}, r"shape \(4, 4\), but must be one for each image\n.*\n.*argmax"),
        ({"x": X, "y": np.array([1.0, np.nan, 1, 1])}, r"labels are missing: nan \(index 1\)"),
        ({"x": X, "y": np.array(["a", "", "a", "b"])}, r"labels are missing: '' \(index 1\)"),
        ({"x": X, "images": X}, "holds 'x', 'images': which is meant is not clear"),
        ({"x": X, "y": Y, "labels": Y}, "holds 'y', 'labels': which is meant"),
        ({"faces": X}, "holds no array of images; it holds 'faces'"),
        ({}, "holds no array of images; it holds nothing"),
        ({"x": np.zeros((4, 3, 5, 3))}, "both the second and the last"),
        (
            {"x": np.full((4, 6, 5), np.nan)},
            "4 of 4 images have pixels that are NaN or infinite: index 0, 1, 2, 3",
        ),
        ({"x": X[:0]}, "there are no images"),
        (
            {"x": np.array([None, {}], object)},
            "its array 'x' holds Python objects, which are never unpickled",
        ),
        ({"x": X, "y": np.array(["a", None, "b", 1], object)}, "its array 'y' holds Python objects"),
    ],
)
def test_what_is_refused(tmp_path, arrays, said) -> None:
    path = put(tmp_path, **arrays)
    with pytest.raises(DataError, match=said) as caught:
        read_npz(path)
    assert str(path) in caught.value.where


def test_archives_that_are_broken(tmp_path) -> None:
    whole = put(tmp_path, x=X, y=Y).read_bytes()
    middle = len(whole) // 3
    for data in (b"", b"hello", whole[:-30], whole[:middle] + bytes(40) + whole[middle + 40 :]):
        path = tmp_path / "broken.npz"
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"broken.npz is refused"):
            read_npz(path)
    with pytest.raises(DataError, match="refused: it is no whole"):
        npz_parts(path.with_name("broken.npz")) if path.write_bytes(b"no") else None


def test_an_archive_that_is_no_numpy_archive(tmp_path) -> None:
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.png", b"not an array")
    with pytest.raises(DataError, match=r"holds no array of images; it holds 'x.png'"):
        read_npz(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"not an array")
    with pytest.raises(DataError):
        read_npz(path)
