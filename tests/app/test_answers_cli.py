"""recommend, similar and predict as a user types them: bounds, draws, pairs, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv as csv
import pytest

import matweave as mw


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("answers")
    log = mw.simulate_log(users=60, items=40, interactions=700, newcomers=0, seed=0).log
    mw.ExplicitALS(rank=3, epochs=5).fit(log).save(at / "sure")
    mw.BiasedMF(rank=2, epochs=2).fit(log).save(at / "unsure")
    users, items = log.users.to_list(), log.items.to_list()
    pairs = [(users[u], items[i]) for u, i in ((3, 4), (0, 1), (3, 2))]
    (at / "pairs.csv").write_text("user,item\n" + "".join(f"{u},{i}\n" for u, i in pairs))
    mw.ImplicitALS(rank=2, epochs=2).fit(log).save(at / "ranks")
    strange = [(users[0], "no-such-item"), ("nobody", items[0]), ("nobody", "nothing"), (users[3], items[4])]
    (at / "strange.csv").write_text("user,item\n" + "".join(f"{u},{i}\n" for u, i in strange))
    return at


def rows(cli: Callable, *words: object) -> list[dict]:
    code, out, err = cli(*words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_lists_by_a_bound_are_those_of_the_model(cli: Callable, folder: Path) -> None:
    model = mw.load(folder / "sure")
    user = model.users.to_list()[5]
    for words, how in (
        (("--uncertainty", "ucb", "--width", "2"), dict(uncertainty="ucb", width=2.0)),
        (("--uncertainty", "lower"), dict(uncertainty="lower")),
        (("--uncertainty", "thompson", "--seed", "3"), dict(uncertainty="thompson", seed=3)),
    ):
        found = rows(cli, "recommend", folder / "sure", "--user", user, "-k", 4, *words)
        assert found == model.recommend([user], 4, **how).to_pylist()
    item = model.items.to_list()[0]
    found = rows(cli, "recommend", folder / "sure", "--history", f"{item}=5", "-k", 3, "--uncertainty", "ucb")
    assert found == model.recommend_for([item], 3, values=[5], uncertainty="ucb").to_pylist()
    assert (
        rows(cli, "similar", folder / "sure", "--item", item, "-k", 2) == model.similar(item, 2).to_pylist()
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--uncertainty", "uc"), "did you mean 'ucb'"),
        (("--width", "2"), "width has an effect"),
        (("--seed", "2", "--uncertainty", "ucb"), "seed has an effect"),
    ],
)
def test_what_would_have_no_effect_is_refused(cli: Callable, folder: Path, words: tuple, said: str) -> None:
    code, out, err = cli("recommend", folder / "sure", "--all", *words)
    assert (code, out) == (2, "")
    assert said in err
    code, _, err = cli("recommend", folder / "unsure", "--all", "--uncertainty", "ucb")
    assert code == 2
    assert "bayesian_mf, factorization_machine, explicit_als, implicit_als" in err


def test_pairs_are_predicted_in_their_order(cli: Callable, folder: Path, tmp_path: Path) -> None:
    model = mw.load(folder / "sure")
    users, items = model.users.to_list(), model.items.to_list()
    wanted = model.predict([users[3], users[0], users[3]], [items[4], items[1], items[2]], interval=0.8)
    found = rows(cli, "predict", folder / "sure", folder / "pairs.csv", "--interval", 0.8, "-q")
    assert found == wanted.to_pylist()
    plain = rows(cli, "predict", folder / "unsure", folder / "pairs.csv", "-q")
    assert list(plain[0]) == ["user", "item", "score"]
    code, _, err = cli("predict", folder / "sure", folder / "pairs.csv", "--out", tmp_path / "p.csv")
    assert code == 0
    assert "3 rows" in err
    assert csv.read_csv(tmp_path / "p.csv")["user"].to_pylist() == [users[3], users[0], users[3]]


def test_what_a_recommender_cannot_do_is_told(cli: Callable, folder: Path) -> None:
    for words, said in (
        (("pairs.csv", "--target", "x"), "--target is for networks, but this is a recommender"),
        (("pairs.csv", "--probabilities"), "--probabilities is for networks"),
        (("pairs.csv", "--interval", "1"), "between 0 and 1"),
    ):
        code, out, err = cli("predict", folder / "sure", folder / words[0], *words[1:])
        assert (code, out) == (2, "")
        assert said in err


def test_pairs_of_strangers_go_by_the_other_side_or_are_left_out(cli: Callable, folder: Path) -> None:
    model = mw.load(folder / "sure")
    code, out, err = cli("predict", folder / "sure", folder / "strange.csv", "--json", "--interval", 0.9)
    assert code == 0, err
    assert (
        "3 of 4 pairs have a user or item that training lacks: predicted by the other side (no interval)"
        in err
    )
    found = json.loads(out)
    first = model.users.to_list()[0], model.items.to_list()[0]
    assert [(str(row["user"]), str(row["item"])) for row in found[:2]] == [
        (str(first[0]), "no-such-item"), ("nobody", str(first[1]))
    ]  # fmt: skip
    assert len({row["score"] for row in found}) == 4
    assert [row["lower"] is None for row in found] == [True, True, True, False]
    code, out, err = cli("predict", folder / "ranks", folder / "strange.csv", "--json", "--interval", 0.9)
    assert code == 0, err
    assert "3 of 4 pairs have a user or item that training lacks: left out" in err
    assert "ImplicitALS predicts no values: lower and upper are bounds of the expected score" in err
    assert len(json.loads(out)) == 1
    (folder / "all.csv").write_text("user,item\nnobody,nothing\n")
    code, out, err = cli("predict", folder / "ranks", folder / "all.csv")
    assert (code, out) == (2, "")
    assert "none of the 1 pairs" in err


def test_a_network_is_asked_as_before(cli: Callable, plant_net, files: Path) -> None:
    found = rows(cli, "predict", plant_net.folder, files / "plants.csv", "-q")
    assert len(found) == 40
    code, _, err = cli("predict", plant_net.folder, files / "plants.csv", "--interval", 0.9)
    assert code == 2
    assert "--interval is for recommenders, but this is a network" in err
