"""The door: kinds of files, folders, parts, settings."""

from __future__ import annotations

import gzip

import pytest

from matweave.data.read_sequences import has_columns, parts_of, read_sequences, read_with_columns
from matweave.data.sequence_columns import Asked
from matweave.errors import ConfigError, DataError

TS = "@classLabel true up down\n@data\n1,2,3:up\n4,5:down\n"
WIDE = "up,1,2,3\ndown,4,5,\nup,1,1,1\n"


def put(folder, **files):
    for name, text in files.items():
        name = name.replace("__", ".")
        (folder / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())


def test_kinds_of_files_by_name(tmp_path):
    put(
        tmp_path,
        a__ts=TS,
        b__csv=WIDE,
        c__csv__gz=WIDE,
        d__tsv=WIDE.replace(",", "\t"),
        e__data=WIDE,
        f__txt=WIDE,
    )
    found = {p.name: read_sequences(p) for p in tmp_path.iterdir()}
    assert {name: s.channels for name, s in found.items() if s.alphabet is None} == {
        "a.ts": 1, "b.csv": 1, "c.csv.gz": 1, "d.tsv": 1, "e.data": 1,
    }  # fmt: skip
    assert len({tuple(s.digests()[:2].tolist()) for s in found.values() if s.alphabet is None}) == 1
    assert found["f.txt"].text(1) == "down,4,5,"
    assert found["d.tsv"].report[0] == "d.tsv: columns between tabs"
    assert read_sequences(str(tmp_path / "A.TS".lower())).targets.classes == ("down", "up")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Waves_TRAIN.ts", "Waves_TEST.ts"),
        ("Waves_TRAIN.ts.gz", "Waves_TEST.ts"),
        ("train.csv", "test.csv"),
        ("train.csv.gz", "test.csv.gz"),
        ("my-train.tsv", "my-test.tsv"),
    ],
)
def test_parts_of_a_folder(tmp_path, train, test):
    text = TS if ".ts" in train and "tsv" not in train else WIDE
    put(tmp_path, **{train: text, test: text, "README.md": "waves"})
    assert parts_of(tmp_path) == parts_of(str(tmp_path)) == ("train", "test")
    assert read_sequences(tmp_path, part="train").names[0].startswith(train)
    assert read_sequences(tmp_path, part="test").names[0].startswith(test)
    assert parts_of(tmp_path / train) == ()
    assert len(read_sequences(tmp_path / train)) >= 2
    with pytest.raises(ConfigError, match="comes in parts: train and test"):
        read_sequences(tmp_path)
    with pytest.raises(ConfigError, match="has no part 'valid': it has train and test"):
        read_sequences(tmp_path, part="valid")


def test_a_folder_with_one_file_is_that_file(tmp_path):
    put(tmp_path, **{"names.csv": WIDE, "README.md": "about", ".hidden.csv": WIDE})
    assert parts_of(tmp_path) == ()
    assert len(read_sequences(tmp_path)) == 3
    with pytest.raises(ConfigError, match="it comes with no parts"):
        read_sequences(tmp_path, part="train")
    put(tmp_path, **{"more.csv": WIDE})
    with pytest.raises(DataError, match=r"several files of sequences: 'more.csv', 'names.csv'"):
        read_sequences(tmp_path)


def test_one_part_alone_is_no_parts(tmp_path):
    put(tmp_path, train__csv=WIDE)
    assert parts_of(tmp_path) == ()
    assert len(read_sequences(tmp_path)) == 3


def test_several_files_for_a_part_are_refused(tmp_path):
    put(tmp_path, a_TRAIN__ts=TS, b_TRAIN__ts=TS, a_TEST__ts=TS)
    with pytest.raises(DataError, match=r"the train part may be 'a_TRAIN.ts', 'b_TRAIN.ts'"):
        parts_of(tmp_path)


def test_folders_without_sequences_and_files_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="no file of sequences: it is empty"):
        read_sequences(tmp_path)
    put(tmp_path, **{"README.md": "about"})
    with pytest.raises(DataError, match=r"no file of sequences: 'README.md'"):
        read_sequences(tmp_path)
    with pytest.raises(DataError, match="there is no file"):
        read_sequences(tmp_path / "none.ts")
    assert parts_of(tmp_path / "none") == ()


def test_settings_of_tables_are_refused_for_ts_files(tmp_path):
    put(tmp_path, a__ts=TS)
    with pytest.raises(ConfigError, match="target, layout say what the columns"):
        read_sequences(tmp_path / "a.ts", target="x", layout="long")


def test_settings_are_checked_before_the_file_is_opened(tmp_path):
    with pytest.raises(ConfigError, match="layout is 'tall'"):
        read_sequences(tmp_path / "none.csv", layout="tall")
    with pytest.raises(ConfigError, match="task is 'guess'"):
        read_sequences(tmp_path / "none.csv", task="guess")


def test_columns_may_be_said_by_place(tmp_path):
    put(tmp_path, a__csv="1,2,5\n3,4,5\n")
    found = read_sequences(tmp_path / "a.csv", target=2)
    assert found.targets.labels() == ["5", "5"]
    assert found.steps[:, 0].tolist() == [1, 2, 3, 4]


@pytest.mark.data
def test_parts_of_the_real_sets(real_data):
    assert parts_of(real_data / "japanese-vowels") == ("train", "test")
    assert parts_of(real_data / "mnist1d") == ("train", "test")
    assert parts_of(real_data / "names") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("label,t0,t1\n,1,2\nup,3,4\n", {}),
        ("label,t0,t1\n?,1,2\nup,3,4\n", {"target": "label"}),
        ("t0,t1\n1,2\n3,4\n", {"target": "label", "layout": "wide"}),
        (",1,2\nup,3,4\n", {}),
        ("1,2\n3,4\n", {"target": "-"}),
        ("id,x,label\na,1,\na,2,up\nb,3,\nb,4,\n", {}),
        ("id,x\na,1\na,2\nb,3\nb,4\n", {"target": "label", "id": "id"}),
    ],
    ids=["wide", "named", "absent", "headless", "headless bare", "long", "long bare"],
)
def test_a_target_that_is_not_to_be_read_is_no_step_and_may_be_anything(text, said, tmp_path):
    (tmp_path / "w.csv").write_text(text)
    found = read_sequences(tmp_path / "w.csv", targets=False, **said)
    assert found.targets is None
    assert [found.sequence(i)[:, 0].tolist() for i in range(2)] == [[1, 2], [3, 4]]


def test_the_columns_that_were_chosen_are_given(tmp_path):
    (tmp_path / "w.csv").write_text("label,t0,t1\n,1,2\nup,3,4\n")
    _, columns = read_with_columns(tmp_path / "w.csv", Asked(), targets=False)
    assert (columns.layout, columns.target, columns.header) == ("wide", "label", True)
    (tmp_path / "w.ts").write_text(TS.replace("up\n", "?\n"))
    found, columns = read_with_columns(tmp_path / "w.ts", Asked(), targets=False)
    assert columns is None
    assert found.targets is None
    with pytest.raises(DataError, match="no class after the last colon"):
        read_sequences(tmp_path / "w.ts")


def test_a_text_file_has_columns_where_one_of_them_is_there(tmp_path):
    (tmp_path / "a.txt").write_text("name\tkind\nAda\tx\n")
    (tmp_path / "b.txt").write_text("Ada\nBo\n")
    assert has_columns(tmp_path / "a.txt", text="name")
    assert not has_columns(tmp_path / "b.txt", text="name")
    put(tmp_path, X_TRAIN__ts=TS, X_TEST__ts=TS)
    assert not has_columns(tmp_path, part="train")
