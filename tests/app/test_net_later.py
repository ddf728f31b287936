"""Data for a trained network: read as in training whatever the new file looks like, and never by guess."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matweave.app.net_data import Data, Reading
from matweave.app.net_later import read_later
from matweave.app.net_verbs import TrainedNet
from matweave.data.images import Images
from matweave.data.sequences import Sequences
from matweave.data.tables import Table
from matweave.errors import ConfigError, DataError
from matweave.nets.model import NetModel
from matweave.nets.network import Network

Read = Callable[..., Data]


def trained(reading: Reading, path: Path, **settings: Any) -> tuple[NetModel, Reading]:
    data, kept = reading.read_settled(path)
    return Network(epochs=1, **settings).fit(data), kept


@pytest.fixture
def plants(plant_net: TrainedNet) -> Read:
    return partial(read_later, plant_net.model, plant_net.parts.reading)


@pytest.fixture(scope="module")
def waves(files: Path) -> tuple[NetModel, Reading]:
    return trained(Reading(kind="sequence"), files / "waves.csv", net="gru")


def features(data: Data) -> dict[str, list[Any]]:
    assert isinstance(data, Table)
    return data.features.to_pydict()


def lengths(data: Data) -> list[int]:
    assert isinstance(data, Sequences)
    return data.lengths.tolist()


@pytest.mark.parametrize(
    "text",
    [
        "height,width,colour\n0.5,1,red\n",
        "colour,width,height\nred,1,0.5\n",  # another order
        "height,width,colour,label\n0.5,1,red,\n",  # the target is to be found out
        "height,width,colour,label\n0.5,1,red,7\n",  # of another type
        "height,width,colour,far\n0.5,1,red,inf\n",  # a column that the model never saw
    ],
)
def test_a_table_needs_the_columns_of_the_model_and_no_others(
    text: str, plants: Read, tmp_path: Path
) -> None:
    (tmp_path / "new.csv").write_text(text)
    found = plants(tmp_path / "new.csv", targets=False)
    assert found.targets is None
    assert features(found) == {"height": [0.5], "width": [1], "colour": ["red"]}


def test_text_of_training_is_text_whatever_it_looks_like(plants: Read, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("height,width,colour,label\n0.5,1,007,oak\n0.5,1,8,fern\n")
    said: list[str] = []
    found = plants(tmp_path / "new.csv", say=said.append)
    assert features(found)["colour"] == ["007", "8"]
    assert said[-1] == "  column 'colour': 2 cells such as training never saw, which count as none"
    assert said[0] == f"{tmp_path / 'new.csv'}:"


def test_to_judge_a_table_its_target_must_be_there(plants: Read, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("height,width,colour,kind\n0.5,1,red,oak\n")
    with pytest.raises(DataError, match="there is no column 'label'"):
        plants(tmp_path / "new.csv")
    found = plants(tmp_path / "new.csv", target="kind")
    assert found.targets is not None
    assert found.targets.labels() == ["oak"]


def test_options_that_mean_nothing_for_a_table_are_refused(plants: Read, files: Path) -> None:
    for said, wrong in (
        (dict(part="test"), "does not come in parts"),
        (dict(targets=False, target="label"), "no targets are read to predict from a table"),
        (dict(layout="wide"), "layout means nothing for a table"),
        (dict(size="8"), "size means nothing for a table"),
    ):
        with pytest.raises(ConfigError, match=wrong):
            plants(files / "plants.csv", **said)
    assert plants(files / "plants.csv", targets=False, target="-").targets is None


def test_what_was_dropped_in_training_need_not_be_there(files: Path, tmp_path: Path) -> None:
    model, kept = trained(Reading(kind="table", drop=("colour",)), files / "plants.csv", net="linear")
    (tmp_path / "new.csv").write_text("height,width\n0.5,1\n")
    assert features(read_later(model, kept, tmp_path / "new.csv", targets=False)) == {
        "height": [0.5],
        "width": [1],
    }


@pytest.mark.parametrize(
    "text",
    ["t0,t1,t2,t3\n1,2,3,4\n", "label,t0,t1,t2,t3\n,1,2,3,4\n", "label,t0,t1,t2,t3\n9,1,2,3,4\n"],
    ids=["absent", "empty", "a number"],
)
def test_a_target_is_never_taken_for_a_step(
    text: str, waves: tuple[NetModel, Reading], tmp_path: Path
) -> None:
    (tmp_path / "new.csv").write_text(text)
    found = read_later(*waves, tmp_path / "new.csv", targets=False)
    assert isinstance(found, Sequences)
    assert found.targets is None
    assert found.sequence(0)[:, 0].tolist() == [1, 2, 3, 4]


def test_long_sequences_of_one_step_are_long(files: Path, tmp_path: Path) -> None:
    model, kept = trained(Reading(kind="sequence", target="kind"), files / "steps.csv", net="gru")
    (tmp_path / "new.csv").write_text("id,time,x,y\nq,0,1,2\nr,0,3,4\n")
    found = read_later(model, kept, tmp_path / "new.csv", targets=False)
    assert lengths(found) == [1, 1]
    assert isinstance(found, Sequences)
    assert found.channels == 2


def test_the_first_column_without_a_name_is_a_target_only_where_it_fits(
    files: Path, waves: tuple[NetModel, Reading], tmp_path: Path
) -> None:
    model, kept = trained(Reading(kind="sequence"), files / "headless.csv", net="gru")
    assert lengths(read_later(model, kept, files / "headless.csv", targets=False)) == [4] * 24
    bare = tmp_path / "bare.csv"
    lines = (files / "headless.csv").read_text().splitlines()
    bare.write_text("\n".join(line.partition(",")[2] for line in lines) + "\n")
    with pytest.raises(DataError, match="has no header, and its first column") as error:
        read_later(model, kept, bare, targets=False)
    assert "--target -" in error.value.mend
    assert lengths(read_later(model, kept, bare, targets=False, target="-")) == [4] * 24
    assert lengths(read_later(model, kept, bare, targets=False, target="0")) == [3] * 24
    assert lengths(read_later(*waves, bare, targets=False, target="-")) == [4] * 24


def test_texts_come_from_columns_and_from_lines(files: Path, tmp_path: Path) -> None:
    model, kept = trained(Reading(kind="sequence", text="name"), files / "names.csv", net="lstm")
    (tmp_path / "new.txt").write_text("abx1\nżab\n")
    (tmp_path / "new.csv").write_text("name\nabx1\nżab\n")
    for name in ("new.txt", "new.csv"):
        said: list[str] = []
        found = read_later(model, kept, tmp_path / name, targets=False, say=said.append)
        assert isinstance(found, Sequences)
        assert [found.text(i) for i in range(2)] == ["abx1", "żab"]
        assert said[-1] == "  1 characters that training never saw, read as unknown: 'ż'"


def test_a_ts_file_may_say_that_its_classes_are_unknown(
    waves: tuple[NetModel, Reading], tmp_path: Path
) -> None:
    (tmp_path / "new.ts").write_text("@univariate true\n@classLabel true up down\n@data\n1,2,3:?\n")
    assert lengths(read_later(*waves, tmp_path / "new.ts", targets=False)) == [3]
    with pytest.raises(DataError, match="no class after the last colon"):
        read_later(*waves, tmp_path / "new.ts")


def test_of_a_source_with_parts_the_test_part_is_taken(
    waves: tuple[NetModel, Reading], tmp_path: Path
) -> None:
    for part, label in (("TRAIN", "up"), ("TEST", "down")):
        text = f"@univariate true\n@classLabel true up down\n@data\n1,2,3:{label}\n"
        (tmp_path / f"X_{part}.ts").write_text(text)
    for part, label in ((None, "down"), ("test", "down"), ("train", "up")):
        targets = read_later(*waves, tmp_path, part=part).targets
        assert targets is not None
        assert targets.labels() == [label]
    with pytest.raises(ConfigError, match="no part 'valid'"):
        read_later(*waves, tmp_path, part="valid")


def test_images_are_brought_to_the_size_that_is_said(
    tmp_path: Path, idx: Callable[[Path, np.ndarray], None]
) -> None:
    rng = np.random.default_rng(0)
    idx(tmp_path / "train.idx", rng.integers(0, 256, (8, 6, 6)))
    idx(tmp_path / "labels.idx", np.array([0, 1] * 4))
    said = Reading(kind="image", labels=str(tmp_path / "labels.idx"))
    model, kept = trained(said, tmp_path / "train.idx", net="linear")
    idx(tmp_path / "new.idx", rng.integers(0, 256, (3, 9, 9)))  # other than the labels of training
    found = read_later(model, kept, tmp_path / "new.idx", targets=False)
    assert found.targets is None
    with pytest.raises(DataError, match="those of training of 6 × 6"):
        model.predict(found)
    small = read_later(model, kept, tmp_path / "new.idx", targets=False, size="6")
    assert isinstance(small, Images)
    assert len(model.predict(small)) == 3
    judged = read_later(model, kept, tmp_path / "train.idx", labels=str(tmp_path / "labels.idx"))
    assert judged.targets is not None
