"""`matweave relations` through the door: fit, predict, similar, communities, evaluate, report; errors on one screen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv as csv
import pytest

Cli = Callable[..., tuple[int, str, str]]

GROUPS = (["ant", "bee", "cat", "dog"], ["fig", "kiwi", "lime", "plum"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two groups, each related within and hardly between, as edges of an undirected graph; and a split of a ring."""
    at = tmp_path_factory.mktemp("relations")
    edges = [(a, b) for group in GROUPS for a in group for b in group if a < b]
    (at / "edges.csv").write_text(
        "source,target\n" + "".join(f"{a},{b}\n" for a, b in [*edges, ("dog", "fig")])
    )
    ring = [
        f"p{k}\t{name}\tp{(k + step) % 9}\n" for k in range(9) for name, step in (("next", 1), ("back", 8))
    ]
    (at / "train.tsv").write_text("".join(ring[:-2]))
    (at / "test.tsv").write_text("".join(ring[-2:]))
    return at


def test_triples_are_fitted_judged_and_completed(home: Path, cli: Cli) -> None:
    code, out, err = cli("relations", "fit", "rescal", home / "train.tsv", "--out", home / "m", "--set", "rank=4",
                         "--set", "regularization=0.1", "--set", "epochs=4", "--report", home / "m.html", "--seed", 1)  # fmt: skip
    assert code == 0, err
    assert out.splitlines()[-2:] == [f"model: {home / 'm'}", f"report: {home / 'm.html'}"]
    assert "columns by place (there is no header): head '1', relation '2', tail '3'; no value" in err
    assert "Who leads to whom" in (home / "m.html").read_text()
    code, out, _ = cli("relations", "evaluate", home / "m", home / "test.tsv", "--json", "-", "-q",
                       "--known", home / "train.tsv", "--metrics", "mrr,hits@3")  # fmt: skip
    found = json.loads(out)
    assert code == 0
    assert (list(found["metrics"]), found["counts"]["triples judged"]) == (["mrr", "hits@3"], 2)
    code, out, _ = cli(
        "relations", "predict", home / "m", "--head", "p1", "--relation", "next", "--known", "--json", "-k", 1
    )
    assert json.loads(out)[0]["entity"] == "p2"
    code, out, _ = cli("relations", "similar", home / "m", "p1", "-k", 2)
    assert out.split()[:3] == ["entity", "similarity", "rank"]
    code, _, err = cli(
        "relations", "predict", home / "m", "--triples", home / "test.tsv", "--out", home / "scores.csv"
    )
    assert (code, csv.read_csv(home / "scores.csv").column_names) == (
        0,
        ["head", "relation", "tail", "score"],
    )
    assert "2 rows" in err
    code, out, _ = cli("relations", "communities", home / "m", "--components", "-k", 1)
    assert (code, len(out.splitlines())) == (0, 5)


def test_files_are_scored_and_judged_by_the_columns_that_are_named(home: Path, cli: Cli) -> None:
    cli("relations", "fit", "rescal", home / "train.tsv", "--out", home / "c", "--set", "rank=4", "-q")
    (home / "named.csv").write_text("to,what,from,sure\np8,next,p7,1\np3,next,p1,0\np7,back,p8,1\n")
    columns = ("--head-column", "from", "--relation-column", "what", "--tail-column", "to")
    code, out, err = cli(
        "relations", "predict", home / "c", "--triples", home / "named.csv", *columns, "--json"
    )
    assert code == 0, err
    assert [(row["head"], row["tail"]) for row in json.loads(out)] == [
        ("p7", "p8"),
        ("p1", "p3"),
        ("p8", "p7"),
    ]
    code, out, err = cli("relations", "evaluate", home / "c", home / "named.csv", *columns, "--value-column", "sure",
                         "--json", "-")  # fmt: skip
    assert code == 0, err
    counts = json.loads(out)["counts"]
    assert counts == {
        "triples judged": 2, "triples lost": 0, "triples that do not hold": 1, "triples that training had": 1
    }  # fmt: skip


def test_one_relation_of_a_file_is_chosen(home: Path, cli: Cli) -> None:
    code, _, err = cli("relations", "fit", "symmetric_nmf", home / "train.tsv", "--out", home / "s", "-q")
    assert code == 2
    assert "--relation NAME" in err
    code, _, err = cli("relations", "fit", "symmetric_nmf", home / "train.tsv", "--out", home / "s", "-q",
                       "--relation", "next", "--set", "rank=2", "--set", "self_loops=false")  # fmt: skip
    assert code == 0, err
    code, out, _ = cli("relations", "predict", home / "s", "--head", "p1", "--json", "-k", 9)
    found = [row["entity"] for row in json.loads(out)]
    assert not {"p0", "p1", "p2"} & set(found)  # itself, and whom training has on either side


def test_communities_are_found_in_a_graph_without_direction(home: Path, cli: Cli) -> None:
    code, _, err = cli("relations", "fit", "symmetric_nmf", home / "edges.csv", "--out", home / "g", "--undirected",
                       "--set", "rank=2")  # fmt: skip
    assert code == 0, err
    assert "undirected: 13 inverse triples added" in err
    code, out, _ = cli("relations", "communities", home / "g", "--json", "--out", home / "members.parquet")
    rows = json.loads(out)
    members = {n: {row["entity"] for row in rows if row["community"] == n} for n in (1, 2)}
    assert sorted(map(sorted, members.values())) == [sorted(group) for group in GROUPS]
    assert (home / "members.parquet").exists()
    code, out, _ = cli("relations", "report", home / "g", "--out", home / "g.html")
    assert (code, out) == (0, f"report: {home / 'g.html'}\n")
    assert "Communities" in (home / "g.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "rescl", "train.tsv", "--out", "x"], "did you mean 'rescal'"),
        (["fit", "rescal", "train.tsv", "--out", "x", "--set", "rank=0"], "rank is 0"),
        (["fit", "rescal", "trian.tsv", "--out", "x"], "did you mean 'train.tsv'"),
        (
            ["fit", "rescal", "train.tsv", "--out", "x", "--head-column", "who"],
            "no column 'who' for the head",
        ),
        (["fit", "rescal", "train.tsv", "--out", "x", "--report", "no/r.html"], "there is no folder no"),
        (["fit", "rescal", "train.tsv", "--out", "x", "--absent", "gone"], "absent is 'gone'"),
        (["predict", "m", "--head", "p1", "--triples", "test.tsv"], "--triples says what to score"),
        (["predict", "m", "--head", "p1", "--tail-column", "t"], "--tail-column says how a file is read"),
        (["predict", "m", "--triples", "test.tsv", "--known"], "--known is of lists"),
        (["predict", "m", "--head", "p1"], "none is named: 'next', 'back'"),
        (["fit", "rescal", "train.tsv", "--out", "x", "--metric", "mrr"], "add --valid FILE"),
        (["predict", "m", "--relation", "next"], "neither a head nor a tail"),
        (["predict", "m", "--head", "p1", "--relation", "nxt"], "did you mean 'next'"),
        (["communities", "m"], "add --components"),
        (["similar", "nowhere", "p1"], "nowhere holds no saved model"),
        (["evaluate", "m", "test.tsv", "--metrics", "map"], "use mrr, mean_rank, or hits@k"),
        (["communities", "m", "--out", "x.txt"], "ends in neither .parquet nor .csv"),
    ],
)
def test_errors_fit_on_one_screen_and_exit_2(
    home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(home)
    if "m" in words and not (home / "m").exists():
        cli(
            "relations",
            "fit",
            "rescal",
            "train.tsv",
            "--out",
            "m",
            "--set",
            "rank=2",
            "--set",
            "epochs=2",
            "-q",
        )
    code, out, err = cli("relations", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert "mend:" in err
    assert len(err.splitlines()) < 20


def test_a_recommender_is_not_asked_as_a_model_of_relations(home: Path, cli: Cli) -> None:
    (home / "log.csv").write_text("user,item\n" + "".join(f"u{k % 4},i{k}\n" for k in range(8)))
    cli("fit", "popularity", home / "log.csv", "--out", home / "pop", "-q")
    code, _, err = cli("relations", "similar", home / "pop", "i1")
    assert code == 2
    assert "mend:" in err
