"""`matweave content`: results on stdout, remarks on stderr, errors as one screen with exit code 2."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from by_hand.cold_items import planted

from matweave.app.cli import main

FAST = ("--set", "epochs=6", "--set", "width=8", "--set", "device=cpu")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["content", *words])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("content")
    log, content, _, kinds, _ = planted()
    rows = zip(log.user_codes.tolist(), log.item_codes.tolist(), strict=True)
    (at / "log.csv").write_text("user,item\n" + "".join(f"{u},{i}\n" for u, i in rows))
    assert content.texts is not None
    rows = zip(content.items.to_list(), content.texts.to_pylist(), strict=True)
    lines = [f"{i},{text},{'xyz'[kinds[int(i)]]}" for i, text in rows]
    (at / "films.csv").write_text("\n".join(["itemId,plot,genre", *lines]) + "\n")
    return at


def test_fit_and_recommend_new_items(files, tmp_path, capsys):
    model = str(tmp_path / "model")
    words = ("--content", str(files / "films.csv"), "--text", "plot", "--attributes", "genre")
    code, out, err = run(capsys, "fit", str(files / "log.csv"), *words, "--out", model, *FAST)
    assert code == 0
    assert "9 are not in the log" in out
    assert "60 with text" in err
    code, out, _ = run(capsys, "recommend", model, "--user", "0", "-k", "4", "--json")
    assert code == 0
    assert {row["item"] for row in json.loads(out)} <= set(range(51, 60))
    code, out, _ = run(
        capsys, "recommend", model, "--all", "--items", "3,55", "--out", str(tmp_path / "recs.csv")
    )
    assert (code, len((tmp_path / "recs.csv").read_text().splitlines()) > 90) == (0, True)
    code, _, err = run(capsys, "recommend", model)
    assert code == 2
    assert "exactly one of" in err


def test_evaluate_prints_recall_among_cold_items(files, tmp_path, capsys):
    words = ("--content", str(files / "films.csv"), "--text", "plot", "--attributes", "genre")
    fast = [
        word.replace("epochs", "content_factors.epochs").replace("width", "content_factors.width")
        for word in FAST
    ]
    fast = [word.replace("device", "content_factors.device") for word in fast]
    to = str(tmp_path / "found.json")
    code, out, err = run(
        capsys, "evaluate", str(files / "log.csv"), *words, "--methods", "content_factors", "-k", "5", *fast,
        "--test-share", "0.2", "--json", to,
    )  # fmt: skip
    assert code == 0
    for name in ("attribute_popularity", "nearest_text", "content_factors"):
        assert f"{name}: full ranking among 10 items" in out
    assert "are cold" in err
    found = json.loads(Path(to).read_text())
    assert list(found["methods"]["content_factors"]) == ["recall@5", "ndcg@5"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--text", "plott"), "did you mean 'plot'"),
        ((), "not said|is named among"),
        (("--text", "plot", "--method", "ease"), "no method that reads content"),
        (("--text", "plot", "--set", "widht=3"), "did you mean 'width'"),
        (("--text", "plot", "--key", "genre"), "stand more than once"),
        (("--text", "plot", "--init", "nowhere"), "holds no saved model"),
    ],
)
def test_what_is_wrong_is_one_screen(files, tmp_path, capsys, words, told):
    code, out, err = run(
        capsys,
        "fit",
        str(files / "log.csv"),
        "--content",
        str(files / "films.csv"),
        "--out",
        str(tmp_path / "m"),
        *words,
    )
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert "mend:" in err
    assert re.search(told, err)
