"""The main job through the real door: a stranger's commands, their output and exit codes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

import matweave as mw
from matweave.factor.checkpoint import Checkpoint


def run(*words: object, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """A command in a folder of its own, away from the project."""
    done = subprocess.run(
        [sys.executable, "-m", "matweave", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log of ratings, one of clicks, and a fitted model."""
    folder = tmp_path_factory.mktemp("walk")
    ratings = mw.simulate_log(users=250, items=90, interactions=6_000, shape="ratings", seed=1).log
    write_csv(ratings, folder / "ratings.csv")
    later = np.arange(5_000, 6_000)
    write_csv(ratings.take(np.arange(5_000)), folder / "earlier.csv")
    write_csv(ratings.take(later), folder / "later.csv")
    run(
        "fit",
        "implicit_als",
        "earlier.csv",
        "--out",
        "model",
        "--set",
        "rank=8",
        "--set",
        "epochs=4",
        cwd=folder,
    )
    return folder


def write_csv(log: mw.Interactions, path: Path) -> None:
    users, items = log.users.decode(log.user_codes), log.items.decode(log.item_codes)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", "rating", "timestamp"])
        values, times = log.values, log.times
        assert values is not None
        assert times is not None
        for row in zip(users.to_pylist(), items.to_pylist(), values, times // 1_000_000, strict=True):
            writer.writerow(row)


def test_recommend_known_users_a_stranger_and_everyone(home: Path) -> None:
    model = mw.load(home / "model")
    user = model.users.to_list()[3]
    one = json.loads(run("recommend", "model", "--user", user, "-k", 5, "--json", cwd=home).stdout)
    assert [row["rank"] for row in one] == [1, 2, 3, 4, 5]
    assert {row["user"] for row in one} == {user}
    items = [row["item"] for row in one]
    again = run(
        "recommend", "model", "--user", user, "-k", 4, "--exclude", items[0], "--json", cwd=home
    ).stdout
    assert [row["item"] for row in json.loads(again)] == items[1:]
    stranger = run("recommend", "model", "--history", ",".join(items[:2]), "-k", 3, "--json", cwd=home).stdout
    assert len(json.loads(stranger)) == 3
    assert not {row["item"] for row in json.loads(stranger)} & set(items[:2])
    run("recommend", "model", "--all", "--out", "recs.parquet", cwd=home)
    table = parquet.read_table(home / "recs.parquet")
    assert table.column_names == ["user", "item", "score", "rank"]
    assert len(table) == 10 * len(model.users)
    run("recommend", "model", "--all", "-k", 2, "--out", "recs.csv", cwd=home)
    assert len((home / "recs.csv").read_text().splitlines()) == 2 * len(model.users) + 1


def test_similar_prints_a_table(home: Path) -> None:
    item = mw.load(home / "model").items.to_list()[0]
    lines = run("similar", "model", "--item", item, "-k", 4, cwd=home).stdout.splitlines()
    assert lines[0].split() == ["item", "similarity", "rank"]
    assert len(lines) == 5


def test_evaluate_and_compare_as_json_and_report(home: Path) -> None:
    split = ("--split", "random", "--methods", "popularity,ease,implicit_als", "--set", "implicit_als.rank=8")
    done = run("compare", "ratings.csv", *split, "--json", "-", "--report", "report.html", cwd=home)
    found = json.loads(done.stdout)
    assert {result["method"] for result in found["results"]} == {"popularity", "ease", "implicit_als"}
    for result in found["results"]:
        assert {"method", "settings", "metrics", "seconds", "peak_mb", "split", "versions"} <= set(result)
        for interval in result["metrics"].values():
            assert interval["low"] <= interval["mean"] <= interval["high"]
    page = (home / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<html" in page
    judged = json.loads(run("evaluate", "model", "later.csv", "--json", "-", cwd=home).stdout)
    assert "ndcg@10" in judged["results"][0]["metrics"]
    liked = json.loads(
        run("evaluate", "model", "later.csv", "--threshold", 4, "--json", "-", cwd=home).stdout
    )
    rows = [found["results"][0]["counts"]["test rows judged"] for found in (judged, liked)]
    assert 0 < rows[1] < rows[0]
    again = run("evaluate", "model", "earlier.csv", cwd=home, expect=2).stderr
    assert "in the training log already" in again


def test_given_splits_with_negatives(home: Path) -> None:
    rows = [(u, (u * 3 + s) % 40) for u in range(60) for s in range(8)]
    (home / "train.tsv").write_text("".join(f"{u}\t{i}\t5\t{t}\n" for t, (u, i) in enumerate(rows)))
    tests = [(u, (u * 3 + 9) % 40) for u in range(60)]
    (home / "test.tsv").write_text("".join(f"{u}\t{i}\t5\t9999\n" for u, i in tests))
    lines = [f"({u},{i})\t" + "\t".join(str((i + 11 + n) % 40) for n in range(20)) for u, i in tests]
    (home / "test.negative").write_text("\n".join(lines) + "\n")
    words = ("--train", "train.tsv", "--test", "test.tsv", "--negatives", "test.negative")
    found = json.loads(
        run("compare", *words, "--methods", "popularity,item_knn", "--json", "-", cwd=home).stdout
    )
    assert all("sampled" in result["protocol"] for result in found["results"])


def test_a_killed_fit_resumes_to_the_same_bits(home: Path) -> None:
    words = (
        "fit",
        "biased_mf",
        "ratings.csv",
        "--set",
        "rank=16",
        "--set",
        "epochs=400",
        "--set",
        "tolerance=0",
    )
    run(*words, "--out", "whole", cwd=home)
    killed = subprocess.Popen(
        [sys.executable, "-m", "matweave", *words, "--out", "cut"],
        cwd=home,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert killed.stderr is not None
    for line in killed.stderr:  # the first progress line comes after the first checkpoint
        if "epoch" in line:
            break
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stderr.close()
    assert not (home / "cut" / "model.json").exists()
    stored = Checkpoint(folder=home / "cut" / "checkpoint", fingerprint="").folder
    assert (stored / "model.json").exists()
    done = run(*words, "--out", "cut", "--resume", cwd=home)
    assert "resuming" in done.stderr
    a, b = mw.load(home / "whole"), mw.load(home / "cut")
    assert isinstance(a, mw.FactorModel)
    assert isinstance(b, mw.FactorModel)
    np.testing.assert_array_equal(a.user_factors, b.user_factors)
    np.testing.assert_array_equal(a.item_factors, b.item_factors)
    assert a.history.objective == b.history.objective
    assert not stored.exists()
    assert "nothing to resume" in run(*words, "--out", "cut", "--resume", cwd=home).stderr


def test_ctrl_c_keeps_what_was_learned(home: Path) -> None:
    words = (
        "fit",
        "biased_mf",
        "ratings.csv",
        "--set",
        "epochs=100000",
        "--set",
        "tolerance=0",
        "--out",
        "stopped",
    )
    fit = subprocess.Popen(
        [sys.executable, "-m", "matweave", *words],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert fit.stderr is not None
    for line in fit.stderr:
        if "epoch" in line:
            break
    fit.send_signal(signal.SIGINT)
    out, err = fit.communicate(timeout=120)
    assert fit.returncode == 130, err
    assert "interrupted" in out
    assert mw.load(home / "stopped").history.stopped == "interrupted"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fit", "implicit_asl", "ratings.csv", "--out", "x"), "did you mean 'implicit_als'"),
        (("fit", "implicit_als", "absent.csv", "--out", "x"), "absent.csv"),
        (("fit", "implicit_als", "ratings.csv", "--out", "x", "--set", "rnak=3"), "did you mean 'rank'"),
        (("fit", "implicit_als", "ratings.csv", "--out", "x", "--set", "rank=0"), "rank is 0"),
        (("fit", "implicit_als", "ratings.csv", "--out", "x", "--user", "usr_id"), "did you mean 'user_id'"),
        (("fit", "implicit_als", "bad.csv", "--out", "x"), "line 3"),
        (("fit", "implicit_als", "empty.csv", "--out", "x"), "empty"),
        (("recommend", "nowhere", "--user", "1"), "no saved model"),
        (("recommend", "model", "--user", "nobody"), "nobody"),
        (("recommend", "model"), "exactly one of"),
        (("compare", "ratings.csv", "--split", "tiem"), "did you mean 'time'"),
        (("compare", "ratings.csv", "--metrics", "ngcd@10"), "did you mean"),
        (("data", "get", "ml-1n"), "did you mean 'ml-1m'"),
    ],
)
def test_mistakes_end_with_code_2_and_the_mend(home: Path, words: tuple[str, ...], said: str) -> None:
    (home / "bad.csv").write_text("user_id,item_id,rating\na,b,4\nc,,5\n")
    (home / "empty.csv").write_text("")
    done = run(*words, cwd=home, expect=2)
    assert said in done.stderr
    assert "mend:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "x").exists() or not os.listdir(home / "x")


def test_doctor_and_data_list_answer_as_json(home: Path) -> None:
    found = json.loads(run("doctor", "--json", "-", cwd=home).stdout)
    assert all(test["ok"] for test in found["self_test"])
    assert found["environment"]["threads"] >= 1
    sets = json.loads(run("data", "list", "--json", cwd=home).stdout)
    assert {"ml-100k", "ml-1m"} <= {entry["name"] for entry in sets}
