"""Artifacts: every storable value comes back as it went; every damaged folder is refused with its reason."""

from __future__ import annotations

import json
import math
import os
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file

from matweave import artifact
from matweave.artifact import CARD, load, read_card, save, write_atomically
from matweave.errors import ArtifactError, ConfigError


@final
@dataclass(frozen=True)
class Part:
    array: np.ndarray
    name: str = "part"


@final
@dataclass(frozen=True)
class Thing:
    value: Any
    made: int = field(default=7, init=False)  # not an argument: not stored


KINDS = {"Thing": Thing, "Part": Part}
TYPES = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
]


def there_and_back(value: Any, folder: Path) -> Any:
    return load(save(Thing(value), folder), KINDS).value


def same(a: Any, b: Any) -> bool:
    """Equal in value and type, NaN being equal to itself and arrays equal bit for bit."""
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()
    if isinstance(a, Part):
        return type(b) is Part and a.name == b.name and same(a.array, b.array)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return (
        type(a) is type(b) and a == b and math.copysign(1, a) == math.copysign(1, b)
        if _is_number(a)
        else a == b
    )


def _is_number(a: Any) -> bool:
    return isinstance(a, (int, float))


# what goes in comes out


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, -(2**80), 1.5, -0.0, 5e-324, math.inf, -math.inf, math.nan, "", "naïve \u0000 \ud800",
        (), [], {}, ((),), [[]], {"": {}}, (1, [2.0, ("x", None)], {"a": math.nan}),
        {"array": "not one"}, {"kind": "Thing", "fields": {}}, {"float": "nan"}, {"tuple": [1]}, {"dict": {}},
        Part(np.arange(3.0), "inner"), [Part(np.zeros(0, np.int8))], {"a.b": Part(np.ones(2))},
    ],
)  # fmt: skip
def test_plain_values(value: Any, tmp_path: Path) -> None:
    assert same(value, there_and_back(value, tmp_path))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 5), (3, 0, 2), (2, 3), (2, 1, 3)])
def test_arrays_of_every_type_and_shape(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = np.asarray(np.random.default_rng(0).standard_normal(shape) * 50, dtype)
    assert same(array, there_and_back(array, tmp_path))


def test_arrays_of_other_layouts(tmp_path: Path) -> None:
    whole = np.arange(24, dtype=np.float32).reshape(4, 6)
    for view in (
        whole.T,
        whole[:, ::2],
        whole[::-1],
        np.asfortranarray(whole),
        np.broadcast_to(whole[0], (3, 6)),
    ):
        back = there_and_back(view, tmp_path)
        assert np.array_equal(view, back)
        assert back.dtype == np.float32
    swapped = whole.astype(">f4")
    assert np.array_equal(there_and_back(swapped, tmp_path), whole)


def test_special_floats_in_arrays_keep_their_bits(tmp_path: Path) -> None:
    array = np.array([np.nan, -np.inf, np.inf, -0.0, 5e-324])
    assert same(array, there_and_back(array, tmp_path))


@pytest.mark.parametrize(
    ("value", "plain"),
    [(np.float32(0.5), 0.5), (np.int64(3), 3), (np.bool_(True), True), (np.float64("nan"), math.nan)],
)
def test_numpy_scalars_come_back_as_numbers(value: Any, plain: Any, tmp_path: Path) -> None:
    assert same(plain, there_and_back(value, tmp_path))


ARROW = [
    pa.array(["u1", "ü", "", "u1"]),
    pa.array(["a", None]),
    pa.array(["a"], pa.large_string()),
    pa.array([1, 2**62]),
    pa.array([1, 2], pa.uint8()),
    pa.array([], pa.string()),
    pa.array([], pa.int32()),
    pa.array([b"\x00\xff", b""]),
    pa.array([b"1234"], pa.binary(4)),
    pa.array([1.5, math.inf]),
    pa.array([date(1970, 1, 2)]),
    pa.array([datetime(2020, 1, 1, tzinfo=UTC)]),
    pa.array([datetime(2020, 1, 1)], pa.timestamp("ns")),
    pa.array([Decimal("1.20")]),
    pa.array([True, False]),
    pa.array(["a", "b", "a"]).dictionary_encode(),
    pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.UUID(int=5).bytes], pa.binary(16))),
]


@pytest.mark.parametrize("array", ARROW, ids=lambda a: str(a.type))
def test_arrow_arrays_of_many_types(array: pa.Array, tmp_path: Path) -> None:
    back = there_and_back(array, tmp_path)
    assert back.type == array.type
    assert back.equals(array)


def test_arrow_slices_and_chunks(tmp_path: Path) -> None:
    array = pa.array(["x" * 1000, "a", "b"])
    assert there_and_back(array[1:], tmp_path).to_pylist() == ["a", "b"]
    assert sum(f.stat().st_size for f in tmp_path.iterdir()) < 4000  # the part cut off is not stored
    chunks = pa.chunked_array([["a"], ["b", "c"]])
    assert there_and_back(chunks, tmp_path).equals(pa.array(["a", "b", "c"]))
    assert there_and_back(pa.chunked_array([], pa.int8()), tmp_path).equals(pa.array([], pa.int8()))


def test_names_that_meet_do_not_mix(tmp_path: Path) -> None:
    value = {"a.b": np.zeros(1), "a": {"b": np.ones(2), "b'": np.full(3, 2.0)}}
    assert same(value, there_and_back(value, tmp_path))


def test_loaded_arrays_can_be_read_by_other_tools(tmp_path: Path) -> None:
    save(Thing({"x": np.arange(4)}), tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    assert np.array_equal(load_file(file)["value.x"], np.arange(4))


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    | hnp.arrays(st.sampled_from(TYPES), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)),
    lambda inner: st.lists(inner, max_size=3)
    | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(st.text(string.ascii_letters + ".'", max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NESTED)
def test_anything_storable_survives(tmp_path: Path, value: Any) -> None:
    assert same(value, there_and_back(value, tmp_path))


# what cannot be stored


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({1, 2}, "value is a set"),
        ([1, object()], r"value\.1 is a object"),
        ({"x": np.array(["a"])}, r"value\.x is an array of <U1"),
        (np.array([object()]), "array of object"),
        (np.array(["2020"], "M8[D]"), "array of datetime64"),
        (np.zeros(1, np.complex128), "array of complex128"),
        (np.longdouble(1), "longdouble"),
        (np.datetime64("2020-01-01"), "datetime64"),
        ({1: "a"}, "has the key 1"),
        (b"bytes", "bytes"),
        (Part, "is a type"),
    ],
)
def test_what_cannot_be_stored_is_named_and_nothing_written(value: Any, why: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=why):
        save(Thing(value), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_notes_are_kept_and_must_be_json(tmp_path: Path) -> None:
    notes = {"command": ["fit", "caf\udce9.csv"], "seconds": 1.5, "none": None}
    card = read_card(save(Thing(1), tmp_path / "a", notes=notes))
    assert card["notes"] == notes
    with pytest.raises(TypeError):
        save(Thing(1), tmp_path / "b", notes={"x": object()})
    assert not (tmp_path / "b").exists()


# damage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(Thing({"x": np.arange(100), "name": "first"}), tmp_path / "model")


def tensors_of(folder: Path) -> Path:
    (file,) = folder.glob("model-*.safetensors")
    return file


def forge(folder: Path, change: Callable[[dict], object]) -> None:
    """Change the card and write a checksum that fits, as one with bad intent would."""
    card = json.loads((folder / CARD).read_text())
    del card["sha256"]
    change(card)
    card["sha256"] = artifact._digest(card)
    (folder / CARD).write_text(json.dumps(card))


def refused(folder: Path, reason: str) -> None:
    with pytest.raises(ArtifactError, match=reason) as error:
        load(folder, KINDS)
    assert str(folder) in error.value.what
    assert error.value.mend


def test_no_folder_and_no_card(tmp_path: Path) -> None:
    refused(tmp_path / "absent", r"holds no saved model: model\.json cannot be read")
    refused(tmp_path, "holds no saved model")


@pytest.mark.parametrize("keep", [0, 1, 50, -1, -2])
def test_a_card_cut_short(folder: Path, keep: int) -> None:
    data = (folder / CARD).read_bytes()
    (folder / CARD).write_bytes(data[:keep])
    refused(folder, "truncated or not a matweave model")


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "3",
        '"x"',
        "null",
        "{}",
        "[" * 100_000,
        '{"sha256": 1}',
        "\x00",
        '{"sha256":"","format":Infinity}',
    ],
)
def test_a_card_that_is_none(folder: Path, text: str) -> None:
    (folder / CARD).write_text(text)
    refused(folder, "truncated or not a matweave model")


def test_an_edited_card(folder: Path) -> None:
    text = (folder / CARD).read_text()
    assert '"first"' in text
    (folder / CARD).write_text(text.replace('"first"', '"other"'))
    refused(folder, "edited or damaged: its checksum does not match")


def test_tensors_missing_short_long_or_edited(folder: Path) -> None:
    file = tensors_of(folder)
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    refused(folder, r"truncated: [\d,]+ of [\d,]+ bytes")
    file.write_bytes(data + b"\x00")
    refused(folder, "checksum does not match")
    flipped = bytearray(data)
    flipped[-1] ^= 1
    file.write_bytes(flipped)
    refused(folder, "checksum does not match")
    file.unlink()
    refused(folder, "cannot be read")
    file.mkdir()
    refused(folder, "cannot be read")


def test_tensors_of_another_model(folder: Path, tmp_path: Path) -> None:
    other = save(Thing({"x": np.ones(100, np.int64), "name": "first"}), tmp_path / "other")
    tensors_of(folder).write_bytes(tensors_of(other).read_bytes())
    refused(folder, "checksum does not match")


def test_a_later_format_asks_for_an_upgrade(folder: Path) -> None:
    forge(folder, lambda card: card.update(format=artifact.FORMAT + 1, matweave="9.9"))
    with pytest.raises(ArtifactError, match=r"of format 2, made by matweave 9\.9") as error:
        load(folder, KINDS)
    assert "upgrade" in error.value.mend


def test_a_kind_that_the_caller_did_not_expect(folder: Path) -> None:
    with pytest.raises(ArtifactError, match="holds a Thing, which is not expected here") as error:
        load(folder, {"Thin": Part})
    assert "did you mean 'Thin'" in error.value.what
    forge(folder, lambda card: card["model"].update(kind="os.system"))
    refused(folder, r"holds a os\.system")


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card["model"]["fields"].update(stranger=1),
        lambda card: card["model"]["fields"].clear(),
        lambda card: card["model"]["fields"].update(value={"array": "absent"}),
        lambda card: card["model"]["fields"].update(value={"array": ["a", "list"]}),
        lambda card: card["model"]["fields"].update(value={"arrow": "value.x"}),
        lambda card: card["model"]["fields"].update(value={"float": "no number"}),
        lambda card: card["model"]["fields"].update(value={"tuple": 3}),
        lambda card: card["model"]["fields"].update(value={"dict": [1]}),
        lambda card: card["model"]["fields"].update(value={"strange": 1}),
        lambda card: card["model"].update(fields=[1]),
        lambda card: card["model"].update(kind=["Thing"]),
        lambda card: card.pop("model"),
        lambda card: card.pop("tensors"),
        lambda card: card.update(tensors=[]),
        lambda card: card["tensors"].update(file=None),
        lambda card: card["tensors"].update(file=""),
        lambda card: card["tensors"].update(file=".."),
        lambda card: card["tensors"].update(bytes="many"),
    ],
)
def test_a_forged_card_is_refused_and_nothing_else_raised(folder: Path, change: Callable) -> None:
    forge(folder, change)
    with pytest.raises(ArtifactError):
        load(folder, KINDS)


def test_forged_tensors_are_refused(folder: Path) -> None:
    import hashlib

    rubbish = b"\xff" * 5000
    tensors_of(folder).write_bytes(rubbish)
    digest = hashlib.sha256(rubbish).hexdigest()
    forge(folder, lambda card: card["tensors"].update(bytes=len(rubbish), sha256=digest))
    refused(folder, "do not make a model of this version")


def test_a_path_in_the_card_leads_nowhere(folder: Path, tmp_path: Path) -> None:
    file = tensors_of(folder)
    secret = tmp_path / "secret.safetensors"
    file.rename(secret)  # the right bytes, in the wrong place
    for path in (f"../{secret.name}", str(secret)):
        forge(folder, lambda card, path=path: card["tensors"].update(file=path))
        refused(folder, "cannot be read")


# replacing


def test_a_new_model_replaces_the_old_one_whole(folder: Path) -> None:
    save(Thing("second"), folder)
    assert load(folder, KINDS).value == "second"
    assert sorted(p.name for p in folder.iterdir()) == sorted([CARD, tensors_of(folder).name])
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    save(Thing("second"), folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


@pytest.mark.parametrize("crash_at", [1, 2])
def test_a_crash_while_replacing_leaves_the_old_model(
    folder: Path, crash_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def replace(a: Any, b: Any) -> None:
        calls.append(b)
        if len(calls) == crash_at:
            raise OSError("power cut")
        real(a, b)

    real = os.replace
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="power cut"):
        save(Thing({"x": np.zeros(9), "name": "second"}), folder)
    monkeypatch.undo()
    assert load(folder, KINDS).value["name"] == "first"
    assert not list(folder.glob(".*"))  # no temporary file is left
    save(Thing({"x": np.zeros(9), "name": "third"}), folder)
    assert load(folder, KINDS).value["name"] == "third"
    assert len(list(folder.iterdir())) == 2  # what the crash had left is gone


def test_the_old_model_stays_readable_until_the_card_is_renamed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = os.replace

    def replace(a: Any, b: Any) -> None:
        seen.append(load(folder, KINDS).value["name"])
        real(a, b)
        seen.append(load(folder, KINDS).value["name"])

    monkeypatch.setattr(os, "replace", replace)
    save(Thing({"x": np.zeros(9), "name": "second"}), folder)
    assert seen == ["first", "first", "first", "second"]


def test_a_damaged_model_can_be_replaced(folder: Path) -> None:
    for damage in (b"", (folder / CARD).read_bytes()[:80]):
        (folder / CARD).write_bytes(damage)
        save(Thing("again"), folder)
        assert load(folder, KINDS).value == "again"


@pytest.mark.parametrize(
    "name", ["thesis.txt", "model.json", "model-00001-of-00002.safetensors", "model-best.safetensors"]
)
def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"architectures": ["theirs"]}')
    with pytest.raises(ArtifactError, match=f"holds other files .*{name}"):
        save(Thing(1), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_what_an_earlier_run_of_ours_left_is_no_stranger(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / ".model.json.x1y2").write_bytes(b"cut off")
    (tmp_path / "model-0123456789abcdef.safetensors").write_bytes(b"orphan")
    save(Thing("new"), tmp_path)
    assert load(tmp_path, KINDS).value == "new"
    assert not (tmp_path / "model-0123456789abcdef.safetensors").exists()


def test_files_beside_a_model_are_left_alone(folder: Path) -> None:
    (folder / "model-mine.safetensors").write_bytes(b"mine")
    (folder / "notes.txt").write_text("mine")
    save(Thing("second"), folder)
    assert (folder / "model-mine.safetensors").read_bytes() == b"mine"
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("x")
    with pytest.raises(ArtifactError, match="is a file"):
        save(Thing(1), tmp_path / "model")
    assert (tmp_path / "model").read_text() == "x"


def test_parents_are_made_and_files_are_for_all_whom_the_umask_lets(tmp_path: Path) -> None:
    folder = save(Thing(1), tmp_path / "a" / "b" / "c")
    mask = os.umask(0o022)
    os.umask(mask)
    assert {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o666 & ~mask}


def test_write_atomically_leaves_the_old_file_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, b"new")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_an_os_error_names_the_file_asked_for_not_the_temporary_one(tmp_path: Path, monkeypatch) -> None:
    wanted = tmp_path / "none" / "scores.json"
    with pytest.raises(FileNotFoundError) as ended:
        artifact.write_atomically(wanted, b"x")
    assert ended.value.filename == str(wanted)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifact.os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as ended:
        artifact.write_atomically(tmp_path / "scores.json", b"x")
    assert ended.value.filename == str(tmp_path / "scores.json")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    artifact.refuse_unwritable(tmp_path / "new" / "model", folder=True)
    artifact.refuse_unwritable(tmp_path / "file")
    for path, folder in (("new/scores.json", False), ("file/model", True), (".", False), ("file/x", False)):
        with pytest.raises(ConfigError, match="cannot be written"):
            artifact.refuse_unwritable(tmp_path / path, folder=folder)
    monkeypatch.setattr(artifact.os, "access", lambda path, mode: False)
    with pytest.raises(ConfigError, match="may not be written to"):
        artifact.refuse_unwritable(tmp_path / "scores.json")


def test_remove_takes_what_save_wrote_and_nothing_else(tmp_path: Path) -> None:
    artifact.save({"a": np.ones(2)}, tmp_path / "m")
    (tmp_path / "m" / ".model.json.abcd1234").touch()  # half written by a killed run
    (tmp_path / "m" / "epoch1.pt").touch()
    artifact.remove(tmp_path / "m")
    assert [p.name for p in (tmp_path / "m").iterdir()] == ["epoch1.pt"]
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "model.json").write_text("{}")
    artifact.remove(tmp_path / "theirs")
    assert (tmp_path / "theirs" / "model.json").exists()
