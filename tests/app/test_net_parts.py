"""Dividing a source: nothing on two sides, parts of its own taken and read alike, and what does not fit refused first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matweave.app.net_data import Reading
from matweave.app.net_parts import Parts, divide
from matweave.data.sequences import Sequences
from matweave.data.tables import Table
from matweave.errors import ConfigError, DataError

TABLE = Reading(kind="table")


def divided(reading: Reading, path: Path, **said: Any) -> Parts:
    return divide(
        reading, path, **{"test": None, "test_share": None, "valid": 0.1, "seed": 0, "quiet": True, **said}
    )


def sizes(parts: Parts) -> tuple[int | None, ...]:
    return tuple(None if p is None else len(p) for p in (parts.train, parts.valid, parts.test))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, (32, 4, 4)),
        ({"test_share": 0.0}, (36, 4, None)),
        ({"valid": 0.0}, (36, None, 4)),
        ({"test_share": 0.0, "valid": 0.0}, (40, None, None)),
        ({"test_share": 0.5, "valid": 0.5}, (10, 10, 20)),
    ],
)
def test_shares_are_held_out_and_nothing_is_on_two_sides(
    said: dict[str, Any], expected: tuple[int | None, ...], files: Path
) -> None:
    parts = divided(TABLE, files / "plants.csv", **said)
    assert sizes(parts) == expected
    digests = [p.digests() for p in (parts.train, parts.valid, parts.test) if p is not None]
    whole = np.sort(TABLE.read(files / "plants.csv").digests())
    np.testing.assert_array_equal(np.sort(np.concatenate(digests)), whole)
    assert parts.reading == Reading(kind="table", target="label")


def test_a_seed_draws_the_parts(files: Path) -> None:
    def held(seed: int) -> list[int]:
        parts = divided(TABLE, files / "plants.csv", seed=seed)
        assert parts.test is not None
        return parts.test.digests().tolist()

    assert held(1) == held(1) != held(2)


def test_what_is_done_is_said(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = divided(TABLE, files / "plants.csv", quiet=False)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"{files / 'plants.csv'}:"
    assert said[-len(parts.report) :] == list(parts.report)
    divided(TABLE, files / "plants.csv")
    assert capsys.readouterr().err == ""


def test_a_test_file_is_read_as_the_training_file(files: Path, tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("code,x,label\n" + "a,1,3\n7,2,4\n" * 12)
    test.write_text("x,code,more,label\n1.5,007,z,4\n2,7,z,3\n")
    parts = divided(TABLE, train, test=test, valid=0.0)
    assert isinstance(parts.test, Table)
    assert parts.test.features.column("code").to_pylist() == ["007", "7"]  # text, as in training
    assert parts.test.features.column_names == ["x", "code"]
    assert parts.test.targets is not None
    assert parts.test.targets.labels() == ["4", "3"]


def test_few_whole_numbers_in_a_test_file_are_numbers_where_training_had_numbers(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("x,label\n" + "".join(f"{i},{i}.5\n" for i in range(20)))
    test.write_text("x,label\n0.5,30\n1,10\n0.7,30\n")
    parts = divided(TABLE, train, test=test)
    assert parts.test is not None
    assert parts.test.targets is not None
    assert parts.test.targets.classes is None
    assert parts.test.targets.values.tolist() == [30.0, 10.0, 30.0]


def test_codes_of_a_test_file_are_those_of_training(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("x,label\n" + "".join(f"{i},{'abc'[i % 3]}\n" for i in range(30)))
    test.write_text("x,label\n0.5,c\n1,b\n")  # its own codes are 1 and 0
    parts = divided(TABLE, train, test=test)
    assert parts.test is not None
    assert parts.test.targets is not None
    assert parts.test.targets.values.tolist() == [2, 1]


def test_examples_that_training_has_seen_are_told(files: Path) -> None:
    parts = divided(TABLE, files / "plants.csv", test=files / "plants.csv")
    assert "leak: 40 of 40 test examples are equal to a training example" in parts.report


def ts(path: Path, labels: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [",".join(f"{v:.3f}" for v in rng.normal(size=3)) + f":{label}" for label in labels]
    path.write_text("@univariate true\n@classLabel true a b\n@data\n" + "\n".join(rows) + "\n")


def test_the_sources_own_test_part_is_taken_unless_a_share_is_said(tmp_path: Path) -> None:
    ts(tmp_path / "W_TRAIN.ts", "ab" * 10, 0)
    ts(tmp_path / "W_TEST.ts", "ab" * 3, 1)
    reading = Reading(kind="sequence")
    own = divided(reading, tmp_path, valid=0.2)
    assert sizes(own) == (16, 4, 6)
    assert "test: the source's own test part" in own.report
    assert sizes(divided(reading, tmp_path, valid=0.2, test_share=0.5)) == (8, 2, 10)
    assert sizes(divided(reading, tmp_path, valid=0.0, test_share=0.0)) == (20, None, None)
    assert isinstance(own.test, Sequences)


def test_the_sources_own_validation_part_is_taken(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, n in (("train", 5), ("val", 2), ("test", 3)):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 256, (4, 4)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{i}.png")
    reading = Reading(kind="image")
    parts = divided(reading, tmp_path)
    assert sizes(parts) == (10, 4, 6)
    assert "valid: the source's own valid part" in parts.report
    assert sizes(divided(reading, tmp_path, valid=0.0)) == (10, None, 6)


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ("x,label\n1,a\n2,a\n", None, "all 2 examples are of class 'a'"),
        ("x,kind\n1,a\n2,b\n", None, "no column is named like a target"),
        ("x,label\n1,a\n2,b\n", None, "there is no test part: none of 2 examples can be held out"),
        ("x,label\n" + "1,a\n1,b\n" * 9, None, "there is no test part: all 18 examples are equal"),
        ("x,label\n1,a\n2,b\n", "x,label\n1,c\n", "outside the 2 known classes: 'c'"),
        ("x,label\n1,a\n2,b\n", "x,label\n1,\n", "the target 'label' is missing: line 2"),
        ("x,label\n1,a\n2,b\n", "x,kind\n1,a\n", "there is no column 'label'"),
        ("x,label\n1,0.5\n2,1.5\n", "x,label\n1,a\n", "the network predicts numbers"),
    ],
)
def test_what_cannot_be_learned_or_judged_is_refused(
    train: str, test: str | None, said: str, tmp_path: Path
) -> None:
    (tmp_path / "train.csv").write_text(train)
    (tmp_path / "test.csv").write_text(test or "")
    with pytest.raises(DataError, match=said) as error:
        divided(TABLE, tmp_path / "train.csv", test=tmp_path / "test.csv" if test else None, valid=0.0)
    if "no test part" in said:
        assert (error.value.where, "--test-share 0" in error.value.mend) == ("--test-share", True)
    else:
        assert str(tmp_path) in error.value.where


def test_too_few_for_validation_names_its_own_option(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,label\n1,a\n2,b\n")
    with pytest.raises(DataError, match="there is no valid part") as error:
        divided(TABLE, tmp_path / "t.csv", test_share=0.0)
    assert "--valid 0" in error.value.mend


def test_data_without_labels_are_named_by_their_file(files: Path) -> None:
    with pytest.raises(DataError, match="have no labels") as error:
        divided(Reading(kind="sequence", target="-"), files / "bare_waves.csv")
    assert error.value.where == str(files / "bare_waves.csv")


def test_a_test_file_and_a_test_share_are_one_too_many(files: Path) -> None:
    with pytest.raises(ConfigError, match="both given"):
        divided(TABLE, files / "plants.csv", test=files / "plants.csv", test_share=0.1)


def test_a_part_of_the_source_that_is_not_used_is_told(tmp_path: Path) -> None:
    for part in ("train", "test"):
        rows = "".join(
            f"{'ab'[i % 2]},{i},{i + 1},{part == 'test'!s}\n".replace("True", "1").replace("False", "0")
            for i in range(20)
        )
        (tmp_path / f"{part}.csv").write_text("label,v0,v1,v2\n" + rows)
    reading = Reading(kind="sequence")
    own, drawn = (divided(reading, tmp_path, **said) for said in ({}, {"test_share": 0.2}))
    assert not any("not used" in line for line in own.report)
    assert "the source's own test part is not used" in drawn.report
