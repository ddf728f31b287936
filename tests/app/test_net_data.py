"""Reading at the doors: options that fit the kind, what was chosen kept for later, and targets as those of a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matweave.app.net_data import KINDS, Reading, reading_of, targets_like
from matweave.data.sequences import Sequences
from matweave.data.targets import Targets
from matweave.errors import ConfigError, DataError

WAVE = "@univariate true\n@classLabel true up down\n@data\n1,2,3:up\n3,2:down\n"


@pytest.mark.parametrize("kind", KINDS)
def test_options_of_other_kinds_are_refused_all_at_once(kind: str) -> None:
    every = {f.name: ("a",) if f.name == "drop" else "a" for f in fields(Reading) if f.name != "kind"}
    with pytest.raises(ConfigError) as error:
        Reading(kind=kind, **every)
    refused = {line.partition(" ")[0] for line in error.value.what.splitlines()}
    taken = set(every) - refused
    assert refused
    assert taken
    assert all(name in error.value.mend for name in taken)
    assert f"for {'an' if kind == 'image' else 'a'} {kind}" in error.value.what
    Reading(kind=kind, **{name: every[name] for name in taken})


@pytest.mark.parametrize(
    "reading",
    [
        Reading(kind="table", target="y", drop=("a", "b")),
        Reading(kind="sequence", target="-", layout="long", id="x"),
        Reading(kind="image", channels=3, size="8x9"),
    ],
)
def test_what_was_said_is_kept_as_json(reading: Reading) -> None:
    notes = json.loads(json.dumps({"reading": reading.chosen()}))
    assert reading_of(notes, "table") == reading
    assert all(notes["reading"].values())  # nothing that was not said


def test_of_a_model_saved_from_python_the_kind_is_known() -> None:
    assert reading_of({}, "sequence") == Reading(kind="sequence")


@pytest.mark.parametrize(
    ("name", "said", "settled"),
    [
        ("plants.csv", dict(kind="table"), dict(target="label")),
        ("houses.csv", dict(kind="table", target="price"), dict(target="price")),
        ("waves.csv", dict(kind="sequence"), dict(target="label", layout="wide")),
        ("headless.csv", dict(kind="sequence"), dict(layout="wide")),
        (
            "steps.csv",
            dict(kind="sequence", target="kind"),
            dict(target="kind", layout="long", id="id", time="time"),
        ),
        ("names.csv", dict(kind="sequence", text="name"), dict(target="kind", text="name")),
    ],
)
def test_what_the_reader_chose_is_kept(
    name: str, said: dict[str, Any], settled: dict[str, Any], files: Path
) -> None:
    found, kept = Reading(**said).read_settled(files / name)
    assert kept == Reading(**{**said, **settled})
    again, same = kept.read_settled(files / name)
    assert same == kept
    np.testing.assert_array_equal(found.digests(), again.digests())
    assert found.targets is not None
    assert again.targets is not None
    assert found.targets.classes == again.targets.classes
    np.testing.assert_array_equal(found.targets.values, again.targets.values)


def test_a_file_without_columns_settles_nothing(tmp_path: Path) -> None:
    (tmp_path / "w.ts").write_text(WAVE)
    reading = Reading(kind="sequence")
    assert reading.read_settled(tmp_path / "w.ts")[1] == reading


def test_everything_the_reader_found_is_said(files: Path) -> None:
    said: list[str] = []
    found = Reading(kind="table").read(files / "plants.csv", say=said.append)
    assert said == [f"{files / 'plants.csv'}:", *(f"  {line}" for line in found.report)]
    assert any("target 'label'" in line for line in said)


def test_parts_of_each_kind(files: Path, tmp_path: Path, idx: Callable[[Path, np.ndarray], None]) -> None:
    assert Reading(kind="table").parts(files / "plants.csv") == ()
    for name in ("a_TRAIN.ts", "a_TEST.ts"):
        (tmp_path / name).write_text(WAVE)
    assert Reading(kind="sequence").parts(tmp_path) == ("train", "test")
    idx(tmp_path / "train-images-idx3-ubyte", np.zeros((2, 4, 4)))
    assert Reading(kind="image").parts(tmp_path) == ("train",)


def test_images_are_read_with_their_options(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 6, 6), np.uint8), y=[0, 1, 0, 1])
    found = Reading(kind="image", size="4x5", channels=3).read(tmp_path / "x.npz")
    assert found.pixels.shape == (4, 3, 4, 5)  # pyright: ignore[reportAttributeAccessIssue]


def test_another_path_is_read_as_the_first_but_for_what_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "w.ts").write_text(WAVE)
    (tmp_path / "names.txt").write_text("Ada\nBo\n")
    (tmp_path / "table.txt").write_text("name\tkind\nAda\teven\n")
    csv, text = tmp_path / "x.csv", Reading(kind="sequence", text="name", target="kind")
    csv.write_text("name,kind\nAda,even\n")
    wide = Reading(kind="sequence", target="label", layout="wide")
    assert wide.again(csv) == wide
    assert wide.again(tmp_path / "w.ts") == Reading(kind="sequence")
    assert wide.again(csv, text="name").layout is None
    assert text.again(csv) == text.again(tmp_path / "table.txt") == text
    assert text.again(tmp_path / "names.txt") == Reading(kind="sequence")
    assert text.again(csv, layout="wide").text is None
    assert text.again(csv, target="-") == Reading(kind="sequence", text="name", target="-")
    image = Reading(kind="image", labels="old.idx", size="8")
    assert image.again(csv) == Reading(kind="image", size="8")
    assert image.again(csv, size="9", labels="new.idx") == Reading(kind="image", size="9", labels="new.idx")
    assert Reading(kind="table", target="y", drop=("a",)).again(csv) == Reading(kind="table", target="y")


def test_known_columns_of_a_table_are_read_and_others_told(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("code,far,height,label,code2\n1,inf,0.5,oak,x\n2,3,0.25,fern,y\n")
    found = Reading(kind="table").read_known(path, None, ["height", "code", "gone"], ["code", "gone"])
    assert found.features.to_pydict() == {"code": ["1", "2"], "height": [0.5, 0.25]}
    assert found.target == "label"
    assert "the model does not know are left out: 'far', 'code2'" in found.report[0]
    path.write_text("other\n1\n")
    none = Reading(kind="table", target="-").read_known(path, None, ["gone"], [])
    assert none.features.column_names == ["other"]  # for the model to say what it misses
    with pytest.raises(ConfigError, match="does not come in parts"):
        Reading(kind="table").read_known(path, "test", ["height"], [])


def test_sequences_are_read_with_or_without_targets(files: Path) -> None:
    reading = Reading(kind="sequence")
    with_targets, columns = reading.read_columns(files / "waves.csv", part=None)
    without, same = reading.read_columns(files / "waves.csv", part=None, targets=False)
    assert columns is not None
    assert columns == same
    assert columns.target == "label"
    assert isinstance(without, Sequences)
    assert without.targets is None
    assert with_targets.targets is not None
    np.testing.assert_array_equal(without.digests(), with_targets.digests())


def test_targets_become_those_of_the_model_by_name_and_by_value() -> None:
    few = Targets.of_labels([30, 10, 30])
    assert targets_like(few, None, "f").values.tolist() == [30.0, 10.0, 30.0]
    assert targets_like(few, None, "f").classes is None
    many = Targets.of_values([10.0, 30.0])
    assert targets_like(many, ("9", "10", "30"), "f").values.tolist() == [1, 2]
    some = Targets.of_labels(["b", "b"])
    assert targets_like(some, ("a", "b"), "f").values.tolist() == [1, 1]
    numbers = Targets.of_values([0.5])
    assert targets_like(numbers, None, "f") is numbers


def test_targets_of_another_kind_are_refused_with_the_file() -> None:
    with pytest.raises(DataError, match=r"classes \('oak'\), but the network predicts numbers") as error:
        targets_like(Targets.of_labels(["oak", 3, "5"][:1]), None, "new.csv")
    assert error.value.where == "new.csv"
    with pytest.raises(DataError, match=r"outside the 2 known classes: '0.5' \(1 examples\)") as error:
        targets_like(Targets.of_values([0.5]), ("a", "b"), "new.csv")
    assert error.value.where == "new.csv"
