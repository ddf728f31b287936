"""Side features at the doors: files read, names in either, fits that differ by them, strangers asked for by attributes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import matweave as mw
from matweave.app import feature_files as f
from matweave.app.cli import main
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.factor.ease import EASE
from matweave.factor.implicit_als import ImplicitALS


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = [f"{u},{i}" for u in range(40) for i in range(20) if (u + i) % 2 == 0 and rng.random() < 0.6]
    (tmp_path / "log.csv").write_text("user,item\n" + "\n".join(rows))
    people = [f"{u},{'FM'[u % 2]},{(18, 25, 40)[u % 3]}" for u in range(40)]
    (tmp_path / "people.csv").write_text("id,gender,age\n" + "\n".join(people))
    (tmp_path / "plain.dat").write_text("\n".join(p.replace(",", "::") for p in people))
    things = [f"{i},{'odd' if i % 2 else 'even'}|all,{i}" for i in range(22)]
    (tmp_path / "things.csv").write_text("item,genres,size\n" + "\n".join(things))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_all_columns_or_those_named_in_either_file(files, capsys):
    both = (files / "people.csv", None), (files / "things.csv", None)
    found = f.read(*both)
    assert found["user_features"].attribute_names == ("gender=F", "gender=M", "age")
    assert found["item_features"].attribute_names == ("genres=all", "genres=even", "genres=odd", "size")
    assert "attribute 'age': numbers" in capsys.readouterr().err
    found = f.read(*both, attributes="gender,genres", levels="age", quiet=True)
    assert found["user_features"].attribute_names[2:] == ("age=18", "age=25", "age=40")
    assert "size" not in found["item_features"].attribute_names
    found = f.read((files / "plain.dat", "id,sex,age"), (None, None), levels="age", quiet=True)
    assert found["user_features"].attribute_names[0] == "sex=F"
    assert capsys.readouterr().err == ""


def test_names_without_a_file_and_names_of_no_column_are_refused(files):
    with pytest.raises(ConfigError, match="--item-columns, --levels"):
        f.read((None, None), (None, "a,b"), levels="age")
    with pytest.raises(DataError, match=r"no column 'gendre'.*did you mean"):
        f.read((files / "people.csv", None), (None, None), attributes="gendre")
    with pytest.raises(DataError, match=r"no column of .*things.csv is named"):
        f.read((files / "people.csv", None), (files / "things.csv", None), attributes="gender")
    with pytest.raises(ConfigError, match="EASE reads no attributes: --user-features"):
        f.for_recipe(EASE(), f.read((files / "people.csv", None), (None, None)))


def test_items_of_training_alone_are_compared(files):
    found = f.read((None, None), (files / "things.csv", None))
    log = Interactions.from_codes([0, 1], [0, 1], item_ids=[3, 21])
    assert f.of_training(found, log)["item_features"].items.to_list() == [3, 21]
    assert f.for_recipe(ImplicitALS(), found) == found


def test_from_files_to_strangers(files, capsys):
    words = ("fit", "implicit_als", files / "log.csv", "--set", "rank=4", "--set", "epochs=3", "-q")
    sides = ("--user-features", files / "people.csv", "--item-features", files / "things.csv")
    out = files / "model"
    assert run(capsys, *words, *sides, "--levels", "age", "--out", out)[0] == 0
    model = mw.load(out)
    assert len(model.items) == 22  # two that the log does not know
    for asked, parity in (("gender=F,age=25", 0), ("gender=M", 1)):
        code, told, _ = run(capsys, "recommend", out, "--attributes", asked, "-k", "3", "--json")
        assert code == 0
        assert all(row["item"] % 2 == parity for row in json.loads(told))
    code, told, _ = run(capsys, "recommend", out, "--attributes", "gender=F", "--history", "2,4", "--json")
    assert {2, 4}.isdisjoint(row["item"] for row in json.loads(told))
    for wrong, said in (
        (("--attributes", "gender=X"), "no level 'X'"),
        (("--attributes", "gender"), "not NAME=VALUE"),
        (("--attributes", "gender=F", "--user", "1"), "exactly one of"),
        (("--attributes", "gender=F", "--seen"), "no effect"),
    ):
        code, _, err = run(capsys, "recommend", out, *wrong)
        assert code == 2
        assert said in err


def test_a_fit_is_resumed_with_the_same_features_alone(files, capsys):
    words = ("fit", "implicit_als", files / "log.csv", "--set", "rank=4", "--set", "epochs=2", "-q")
    out, sides = ("--out", files / "model"), ("--user-features", files / "people.csv")
    assert run(capsys, *words, *sides, *out)[0] == 0
    assert "nothing to resume" in run(capsys, *words, *sides, *out, "--resume")[2]
    code, _, err = run(capsys, *words, *sides, "--levels", "age", *out, "--resume")
    assert (code, "other settings or another log" in err) == (2, True)


def test_compare_and_tune_hand_them_to_methods_that_take_them(files, capsys):
    pytest.importorskip("optuna")
    sides = ("--item-features", files / "things.csv", "--attributes", "genres")
    found = files / "found.json"
    words = ("compare", files / "log.csv", "--split", "random", "--methods", "popularity,implicit_als")
    fast = ("--set", "implicit_als.rank=4", "--set", "implicit_als.epochs=2")
    assert run(capsys, *words, *fast, *sides, "--json", found, "-q")[0] == 0
    assert all(one["error"] is None for one in json.loads(found.read_text())["results"])
    words = ("tune", "implicit_als", files / "log.csv", "--trials", "1", "--set", "epochs=2", "-q")
    code, told, _ = run(capsys, *words, *sides, "--set", "rank=4", "--json", found)
    assert code == 0
    settings = json.loads(found.read_text())["settings"]
    assert "item_weight" in settings
    assert "user_weight" not in settings
    assert f"--item-features {files / 'things.csv'}" in told
    assert run(capsys, "tune", "ease", files / "log.csv", *sides)[0] == 2


def test_features_that_no_method_reads_are_refused() -> None:
    people = mw.ItemContent.of([1], attributes=[[1.0]], names=["a"])
    with pytest.raises(ConfigError, match="none of ease reads attributes: --user-features"):
        f.refuse_unread({"ease": EASE()}, {"user_features": people})
    f.refuse_unread({"ease": EASE(), "als": ImplicitALS()}, {"user_features": people})


def test_how_many_of_the_log_the_attributes_reach_is_told(files, capsys):
    few = (files / "people.csv").read_text().split("\n")[:4]
    (files / "few.csv").write_text("\n".join(few))
    code, _, err = run(
        capsys, "fit", "implicit_als", files / "log.csv", "--out", files / "told", "--user-features", files / "few.csv",
        "--set", "rank=2", "--set", "epochs=1",
    )  # fmt: skip
    assert code == 0, err
    assert "attributes of 3 of 40 users of the log" in err
