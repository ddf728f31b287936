"""`matweave blend` through the door: two folders and a log in, one model out, errors on one screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.csv as csv
import pytest

import matweave as mw

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    log = mw.simulate_log(users=80, items=40, interactions=1000, seed=0).log
    split = mw.split_leave_last_out(log)
    assert split.valid is not None
    for name, part in (("train", split.train), ("valid", split.valid), ("test", split.test)):
        csv.write_csv(part.to_frame("arrow"), tmp_path / f"{name}.csv")
    before = [
        *(tmp_path / "train.csv").read_text().splitlines(),
        *(tmp_path / "valid.csv").read_text().splitlines()[1:],
    ]
    (tmp_path / "before.csv").write_text("\n".join(before) + "\n")
    mw.EASE(regularization=20.0).fit(split.train).save(tmp_path / "ease")
    mw.SASRec(rank=8, blocks=1, length=8, epochs=2, device="cpu").fit(split.train).save(tmp_path / "sas")
    return tmp_path


def test_models_are_mixed_and_the_blend_answers(home: Path, cli: Cli) -> None:
    code, out, _ = cli("blend", home / "ease", home / "sas", "--valid", home / "valid.csv", "--out", home / "mix",
                       "--steps", 4, "--metric", "recall@5")  # fmt: skip
    assert code == 0
    assert f"ease ({home / 'ease'}), alone" in out
    assert "recall@5" in out
    assert out.splitlines()[-1] == f"model: {home / 'mix'}"
    one, two = mw.load(home / "mix").items.to_list()[:2]  # type: ignore[union-attr]
    code, out, _ = cli("recommend", home / "mix", "--history", f"{one},{two}", "-k", 3)
    assert (code, len(out.splitlines())) == (0, 4)
    code, out, _ = cli(
        "evaluate", home / "mix", home / "test.csv", "--known", home / "before.csv", "--json", "-", "-q"
    )
    assert code == 0
    assert '"method": "blend"' in out


def test_errors_are_one_screen(home: Path, cli: Cli) -> None:
    code, _, err = cli("blend", home / "ease", "--valid", home / "valid.csv", "--out", home / "mix", "-q")
    assert code == 2
    assert "two models or more" in err
    code, _, err = cli(
        "blend", home / "ease", home / "gone", "--valid", home / "valid.csv", "--out", home / "mix"
    )
    assert code == 2
    assert "gone" in err
    assert not (home / "mix").exists()


def test_the_known_log_is_what_users_had(home: Path, cli: Cli) -> None:
    """A network of sequences answers from the last item before the test, which only the known log has."""
    found = {}
    for name, words in (("training", []), ("known", ["--known", home / "before.csv"])):
        code, out, _ = cli("evaluate", home / "sas", home / "test.csv", "--metrics", "ndcg@10", "-q", *words)
        assert code == 0
        found[name] = out.splitlines()[1]
    assert found["training"] != found["known"]
    model, before = mw.load(home / "sas"), mw.read_interactions(home / "before.csv")
    assert isinstance(model, mw.Recommender)
    judged = mw.evaluate(model, mw.read_interactions(home / "test.csv"), known=before, metrics=["ndcg@10"])
    assert f"{judged.metrics['ndcg@10'].mean:.4f}" in found["known"]


def test_a_history_is_taken_in_the_order_given(home: Path, cli: Cli) -> None:
    ids = mw.load(home / "sas").items.to_list()[:4]  # type: ignore[union-attr]
    there, back = (cli("recommend", home / "sas", "--history", ",".join(h))[1] for h in (ids, ids[::-1]))
    assert there != back
    same = [cli("recommend", home / "ease", "--history", ",".join(h))[1] for h in (ids, ids[::-1])]
    assert same[0] == same[1]
