"""`.ts` files: every header line, every kind of problem, and the archive's own JapaneseVowels."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.read_ts import read_ts
from matweave.errors import DataError

HEADER = "# a comment\n@problemName Waves\n@univariate false\n@classLabel true up down\n@data\n"


@pytest.fixture
def read(tmp_path):
    def write(text, name="waves.ts"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
        return read_ts(path)

    return write


def test_a_file_by_hand(read):
    text = HEADER + "1,2,3:4,5,6:up\n\n# within\n-1e1:+.5:down\r\n 7 , 8 : 9 , 10 : up \n"
    for name in ("waves.ts", "waves.ts.gz"):
        waves = read(text, name)
        assert [waves.sequence(i).tolist() for i in range(3)] == [
            [[1, 4], [2, 5], [3, 6]],
            [[-10, 0.5]],
            [[7, 9], [8, 10]],
        ]
        assert waves.targets.labels() == ["up", "down", "up"]
        assert waves.names == tuple(f"{name} line {n}" for n in (6, 9, 10))
        assert waves.report[0] == f"{name}: 3 sequences of 2 channels, 1 to 3 steps long"


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    channels=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_what_is_written_is_read_back(tmp_path_factory, lengths, channels, seed):
    rng = np.random.default_rng(seed)
    wanted = [rng.normal(size=(t, channels)).astype(np.float32) for t in lengths]
    rows = [":".join(",".join(map(str, c.tolist())) for c in s.T) + f":{len(s)}" for s in wanted]
    path = tmp_path_factory.mktemp("ts") / "a.ts"
    path.write_text(f"@dimensions {channels}\n@classLabel true 1 2 3 4 5 6\n@data\n" + "\n".join(rows))
    found = read_ts(path)
    for i, steps in enumerate(wanted):
        np.testing.assert_array_equal(found.sequence(i), steps)
    assert found.targets.labels() == [str(t) for t in lengths]


def test_targets_of_numbers_and_none(read):
    waves = read("@univariate true\n@targetLabel true\n@data\n1,2:0.5\n3:-2\n")
    assert waves.targets.values.tolist() == [0.5, -2.0]
    waves = read("@classLabel false\n@data\n1,2:3,4\n")
    assert waves.targets is None
    assert waves.channels == 2
    assert "no targets" in waves.report[1]


def test_classes_of_the_header_that_do_not_occur_are_told(read):
    waves = read("@classLabel true c a b\n@data\n1:b\n2:a\n")
    assert waves.targets.classes == ("a", "b")
    assert waves.report[-1] == "classes of the header without a sequence here are left out: 'c'"


def test_classes_need_not_be_listed(read):
    assert read("@classLabel true\n@data\n1:10\n2:9\n").targets.classes == ("9", "10")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("@classLabel false\n1:2\n", "line 2: a sequence, or something else, stands before @data"),
        ("@classLabel false\n", "there is no line @data"),
        ("@data\n", "neither @classLabel nor @targetLabel"),
        ("@timeStamps true\n@classLabel false\n@data\n", "a time for each value are not read"),
        (
            "@univariate yes\n@classLabel false\n@data\n",
            "line 1: @univariate must be followed by true or false",
        ),
        (
            "@dimensions 0\n@classLabel false\n@data\n",
            "line 1: @dimensions must be followed by a whole number",
        ),
        (
            "@univariate true\n@dimensions 2\n@classLabel false\n@data\n",
            "@univariate true, but @dimensions 2",
        ),
        ("@clasLabel false\n@data\n", "@claslabel is unknown; did you mean 'classlabel'?"),
        ("@classLabel true a\n@targetLabel true\n@data\n", "cannot both be true"),
        ("@\n@classLabel false\n@data\n", "line 1: @ is unknown"),
    ],
)
def test_headers_that_cannot_be_used(read, header, said):
    with pytest.raises(DataError) as error:
        read(header + ("1:2\n" if "@data" in header else ""))
    assert said in error.value.what


def test_every_problem_of_the_sequences_is_named_by_line(read):
    rows = ["1,2:3,4:up", "1,2:3,4", "1,2:3,4:left", "1,2:up", ":up", "1,?:3,4:up", "1,2:3:up", "1,2:3,4:?"]
    with pytest.raises(DataError) as error:
        read(HEADER.replace("@data", "@dimensions 2\n@data") + "\n".join(rows))
    assert error.value.what.splitlines() == [
        "there is no class after the last colon: line 14",
        "the class is none of the header's: 'up', 'down': lines 8, 9",
        "without a single step: line 11",
        "missing values ('?'): line 12",
        "not 2 channels, as the header says: lines 8, 10",
        "channels of different lengths within one sequence: line 13",
    ]


def test_channels_are_those_of_the_first_sequence_where_the_header_does_not_say(read):
    with pytest.raises(DataError, match=r"not 2 channels, as the first sequence has: line 7"):
        read(HEADER + "1:2:up\n1:2:3:up\n")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("1,x", "a value is no number: line 7"),
        ("1,", "a value is no number: line 7"),
        ("1,,2", "a value is no number: line 7"),
        ("1,1_0", "a value is no number: line 7"),
        ("1,NaN", "NaN or infinite values, or beyond float32: line 7"),
        ("-inf,1", "NaN or infinite values, or beyond float32: line 7"),
        ("1,1e39", "NaN or infinite values, or beyond float32: line 7"),
    ],
)
def test_values_that_are_no_finite_numbers_are_named(read, values, said):
    with pytest.raises(DataError) as error:
        read(HEADER + f"1,2:up\n{values}:down\n3:up\n")
    assert error.value.what == said


def test_lengths_that_are_said_to_be_equal_must_be(read):
    rows = "@data\n1,2:a\n1:a\n1,2,3:a\n"
    with pytest.raises(DataError, match=r"not 2 steps.*lines 5, 6"):
        read("@equalLength true\n@classLabel true a\n" + rows)
    with pytest.raises(DataError, match=r"not 3 steps.*lines 4, 5"):
        read("@seriesLength 3\n@classLabel true a\n" + rows)


def test_targets_that_are_no_numbers_are_named(read):
    with pytest.raises(DataError) as error:
        read("@targetLabel true\n@data\n1:2.5\n1:x\n1:nan\n1:\n")
    assert error.value.what.splitlines() == [
        "there is no target: line 6",
        "the target is no finite number: lines 4, 5",
    ]


def test_a_file_without_sequences(read):
    with pytest.raises(DataError, match="no sequence below @data"):
        read("@classLabel false\n@data\n\n# end\n")


@pytest.mark.data
def test_japanese_vowels_as_its_card_says(real_data):
    folder = real_data / "japanese-vowels"
    train, test = (read_ts(folder / f"JapaneseVowels_{part}.ts.gz") for part in ("TRAIN", "TEST"))
    assert (len(train), len(test), train.channels, test.channels) == (270, 370, 12, 12)
    assert (train.lengths.min(), test.lengths.max()) == (7, 29)
    assert train.targets.classes == test.targets.classes == tuple("123456789")
    assert train.targets.counts().tolist() == [30] * 9
    assert (test.targets.counts().min(), test.targets.counts().max()) == (24, 88)
    with gzip.open(folder / "JapaneseVowels_TRAIN.ts.gz", "rt") as file:
        text = file.read().split("@data\n")[1].splitlines()
    for i in (0, 100, 269):
        *channels, label = text[i].split(":")
        wanted = np.array([c.split(",") for c in channels], np.float32).T
        np.testing.assert_array_equal(train.sequence(i), wanted)
        assert train.targets.labels()[i] == label


def test_classes_that_are_not_to_be_read_may_be_anything_but_absent(tmp_path):
    path = tmp_path / "w.ts"
    path.write_text(HEADER + "1,2:3,4:?\n5,6:7,8:\n1,2:3,4:sideways\n")
    found = read_ts(path, targets=False)
    assert found.targets is None
    assert found.sequence(1).tolist() == [[5, 7], [6, 8]]
    assert "targets are not read" in found.report
    path.write_text(HEADER + "1,2\n")
    with pytest.raises(DataError, match="no class after the last colon: line 6"):
        read_ts(path, targets=False)
