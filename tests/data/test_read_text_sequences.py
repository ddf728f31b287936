"""Texts by character, from tables and lines."""

from __future__ import annotations

import csv
import gzip
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.read_sequences import read_sequences
from matweave.errors import DataError

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")


@pytest.fixture
def read(tmp_path):
    def write(text, /, name="names.tsv", **said):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return read_sequences(path, **said)

    return write


@given(texts=st.lists(st.text(CHARACTERS, min_size=1, max_size=9), min_size=1, max_size=6))
def test_what_csv_writes_is_read_back_letter_by_letter(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("text") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["text", "label"])
        writer.writerows([text, len(text)] for text in texts)
    found = read_sequences(path)
    assert [found.text(i) for i in range(len(found))] == texts
    assert found.targets.labels() == [str(len(t)) for t in texts]


@given(
    texts=st.lists(
        st.text(CHARACTERS.filter(lambda c: c != "\n"), min_size=1, max_size=9), min_size=1, max_size=6
    ),
    ends=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
)
def test_lines_are_texts(tmp_path_factory, texts, ends, last):
    texts = [t.replace("\ufeff", "x") for t in texts]
    if not "".join(texts).strip():
        texts[0] = "x"
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    path.write_bytes((ends.join(texts) + ends * last).encode())
    found = read_sequences(path)
    assert [found.text(i) for i in range(len(found))] == texts
    assert found.targets is None


def test_nothing_is_lowered_stripped_or_taken_for_missing(read):
    found = read("name\tlabel\n Ann \t1\nNA\t1\nnull\t2\n007\t2\n")
    assert [found.text(i) for i in range(4)] == [" Ann ", "NA", "null", "007"]
    assert found.alphabet == tuple(sorted(set(" Ann NAnull007")))
    assert found.report[-1] == "4 texts of 2 to 5 characters, 8 different ones"


def test_empty_texts_are_named_by_line(read):
    with pytest.raises(DataError, match="the text 'name' is empty: lines 3, 5"):
        read("name\tlabel\nAnn\t1\n\t1\nBo\t2\n\t2\n")
    with pytest.raises(DataError, match="the line is empty: lines 2, 4"):
        read("Ann\n\nBo\n\n", "names.txt")


def test_text_files_are_tables_where_columns_are_said(read):
    text = "name\tlabel\nAnn\t1\nBo\t2\n"
    assert read(text, "names.txt").text(1) == "Ann\t1"
    found = read(text, "names.txt", text="name")
    assert found.text(1) == "Bo"
    assert found.targets.classes == ("1", "2")


def test_ids_name_the_texts(read):
    assert read("id\tname\tlabel\n01\tAnn\t1\n02\tBo\t1\n").names == ("01", "02")
    assert read("name\tlabel\nAnn\t1\n\nBo\t1\n").names == ("names.tsv line 2", "names.tsv line 4")


@pytest.mark.data
def test_the_names_as_their_card_says(real_data):
    names = read_sequences(real_data / "names", target="language")
    assert len(names) == 20_050
    assert names.targets.n_classes == 18
    counts = dict(zip(names.targets.classes, names.targets.counts().tolist(), strict=True))
    assert (counts["Russian"], counts["English"], counts["Arabic"], counts["Vietnamese"]) == (
        9384,
        3668,
        2000,
        73,
    )
    with gzip.open(real_data / "names" / "names.tsv.gz", "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    assert [names.text(i) for i in range(len(names))] == [name for _, name in rows]
    assert names.targets.labels() == [language for language, _ in rows]
    assert names.alphabet == tuple(sorted(Counter(c for _, name in rows for c in name)))
    assert len(set(names.digests().tolist())) == len({name for _, name in rows})
