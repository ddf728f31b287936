"""Files of negatives: both forms, typed as the log, bad lines counted by kind and named by line."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.given import read_negatives
from matweave.data.interactions import Interactions
from matweave.errors import BadRows, ConfigError, DataError

LOG = Interactions.from_codes([0, 1, 2], [0, 1, 2], n_items=6)  # integer ids
TEXT = Interactions.from_codes([0, 1], [0, 1], user_ids=["ann", "bob"], item_ids=["x", "y"])


@pytest.fixture
def write(tmp_path):
    def _write(text, name="test.negative"):
        path = tmp_path / name
        data = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return _write


@pytest.mark.parametrize("name", ["test.negative", "test.negative.gz"])
def test_lists(write, name):
    found = read_negatives(write("(0,3)\t1\t2\n(2,0)\t5\t3\t4\t\r\n\n", name), log=LOG)
    assert len(found) == 2
    assert found.users.to_pylist() == [0, 2]
    assert found.items.to_pylist() == [3, 0]
    assert found.negatives.to_pylist() == [[1, 2], [5, 3, 4]]
    assert found.users.type == LOG.users.ids.type
    assert found.report == ("2 lists with 5 negatives",)


def test_ids_have_the_type_of_the_log(write):
    found = read_negatives(write("(bob, 07)\tx\t7\n"), log=TEXT)
    assert (found.users.to_pylist(), found.items.to_pylist()) == (["bob"], ["07"])
    assert found.negatives.to_pylist() == [["x", "7"]]


def test_a_target_among_its_own_negatives_is_kept_and_told(write):
    found = read_negatives(write("(0,3)\t1\t3\n(1,2)\t4\t5\n"), log=LOG)
    assert found.negatives.to_pylist()[0] == [1, 3]
    assert "in 1 lists the target stands among its own negatives too; kept as given" in found.report


BAD = "(0,3)\t1\n0,3\t1\n(0,3)\n(0,3)\t1\t\t2\n(a,3)\t1\n(0,3)\t1.5\n(0,1,2)\t4\n(1,2)\t3\n"


def test_bad_lines_are_counted_by_kind_and_named(write):
    with pytest.raises(BadRows) as error:
        read_negatives(write(BAD), log=LOG)
    said = error.value.what
    assert said.startswith("6 of 8 lines are bad: ")
    for kind in (
        "2 with no (user,item) at its start",
        "1 with no negatives",
        "1 with empty id",
        "2 with id is not int64",
    ):
        assert kind in said
    for line in (
        "line 2: no (user,item)",
        "line 3: no negatives",
        "line 4: empty id",
        "line 5: id is not int64",
    ):
        assert line in said
    assert "drop" in error.value.mend


def test_bad_lines_can_be_dropped_and_are_told(write):
    found = read_negatives(write(BAD), log=LOG, on_bad_rows="drop")
    assert found.negatives.to_pylist() == [[1], [3]]
    assert found.report[0].startswith("dropped: 6 of 8 lines are bad: ")


def test_ten_bad_lines_are_named_of_many(write):
    with pytest.raises(BadRows) as error:
        read_negatives(write("(0,1)\t2\n" + "(0,1)\n" * 40), log=LOG)
    assert "40 of 41" in error.value.what
    assert "line 11: no negatives" in error.value.what
    assert "line 12" not in error.value.what


def test_broken_encoding_is_a_bad_line(write):
    with pytest.raises(BadRows, match="1 with broken encoding"):
        read_negatives(write(b"(ann,x)\ty\n(b\xffb,x)\ty\n"), log=TEXT)


def test_files_that_cannot_be_read(write, tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_negatives(tmp_path / "absent", log=LOG)
    with pytest.raises(DataError, match="is empty"):
        read_negatives(write("\n\n"), log=LOG)
    cut = write("(0,1)\t2\n" * 1000, "cut.gz")
    cut.write_bytes(cut.read_bytes()[:30])
    with pytest.raises(DataError, match="cannot be read"):
        read_negatives(cut, log=LOG)
    with pytest.raises(ConfigError, match="on_bad_rows is 'skip'"):
        read_negatives(write("(0,1)\t2\n"), log=LOG, on_bad_rows="skip")
    with pytest.raises(BadRows):  # all bad: dropping would leave nothing
        read_negatives(write("(0,1)\n"), log=LOG, on_bad_rows="drop")


TEST = Interactions.from_codes([0, 1, 1, 2], [5, 4, 3, 5])


@pytest.mark.parametrize(
    "text",
    [
        "user\tnegative\n1\t0\n0\t1\n1\t2\n",
        "1\t0\n0\t1\n1\t2\n",
        "User_ID,item\n1,0\n0,1\n1,2\n",
        '"user";"item"\n"1";"0"\n"0";"1"\n"1";"2"\n',
        "1::0\n0::1\n1::2\n",
    ],
)
def test_pairs_take_their_targets_from_the_test_part(write, text):
    found = read_negatives(write(text), log=LOG, test=TEST)
    assert found.users.to_pylist() == [0, 1, 1]
    assert found.items.to_pylist() == [5, 4, 3]
    assert found.negatives.to_pylist() == [[1], [0, 2], [0, 2]]
    assert "1 test rows have a user without negatives and are left out" in found.report


def test_pairs_need_a_test_part(write):
    with pytest.raises(DataError, match="do not say what to rank") as error:
        read_negatives(write("1\t0\n"), log=LOG)
    assert "test=" in error.value.mend
    with pytest.raises(BadRows, match="1 with not two fields"):
        read_negatives(write("1\t0\n1\t0\t3\n"), log=LOG, test=TEST)


def test_targets_are_compared_with_the_test_part(write):
    found = read_negatives(write("(0,5)\t1\n(1,5)\t1\n(9,5)\t1\n"), log=LOG, test=TEST)
    assert "2 targets are not rows of the test part" in found.report
    assert len(found) == 3


def test_lay_counts_what_the_model_does_not_know(write):
    found = read_negatives(write("(0,3)\t1\t99\t2\n(7,0)\t1\n(2,50)\t1\n(1,0)\t98\n"), log=LOG)
    laid = found.lay(LOG.users, LOG.items)
    assert laid.rows.tolist() == [0, 3]
    assert (laid.user_codes.tolist(), laid.item_codes.tolist()) == ([0, 1], [3, 0])
    assert laid.indptr.tolist() == [0, 2, 2]
    assert laid.negatives.tolist() == [1, 2]
    assert (laid.lost_lists, laid.unknown_negatives) == (2, 2)
    assert laid.negatives.dtype == np.int32


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 5), st.lists(st.integers(0, 5), min_size=1)), min_size=1
    )
)
def test_what_is_written_is_read(tmp_path_factory, lists):
    path = tmp_path_factory.mktemp("given") / "n"
    path.write_text("".join(f"({u},{i})\t" + "\t".join(map(str, js)) + "\n" for u, i, js in lists))
    found = read_negatives(path, log=LOG)
    assert found.users.to_pylist() == [u for u, _, _ in lists]
    assert found.items.to_pylist() == [i for _, i, _ in lists]
    assert found.negatives.to_pylist() == [js for _, _, js in lists]
    laid = found.lay(LOG.users, LOG.items)
    codes = {id: code for code, id in enumerate(LOG.items.to_list())}
    kept = [codes[j] for u, i, js in lists for j in js]
    assert laid.negatives.tolist() == kept


@pytest.mark.data
def test_the_negatives_of_ncf_as_they_are(real_data):
    folder = real_data / "ncf-ml-1m"
    train = np.loadtxt(
        folder / "ml-1m.train.rating.gz", dtype=np.int64, delimiter="\t", usecols=(0, 1), max_rows=300_000
    )
    log = Interactions.of(users=train[:, 0], items=train[:, 1])
    found = read_negatives(folder / "ml-1m.test.negative.gz", log=log)
    assert len(found) == 6040
    assert found.users.to_pylist() == list(range(6040))
    assert set(found.negatives.value_lengths().to_pylist()) == {99}
    assert "in 156 lists the target stands among its own negatives too; kept as given" in found.report
    laid = found.lay(log.users, log.items)
    assert laid.lost_lists + len(laid.user_codes) == 6040
    assert len(laid.negatives) + laid.unknown_negatives == 99 * len(laid.user_codes)
