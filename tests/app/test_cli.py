"""The command line in process: exit codes, streams, and that help names every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matweave.app.cli import main


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for command in ("demo", "doctor", "data", "fit", "compare", "evaluate", "recommend", "similar", "tune"):
        assert command in out


def test_unknown_options_and_commands_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "fti")[0] == 2
    assert run(capsys, "fit", "ease")[0] == 2
    assert run(capsys, "recommend", "x", "--usr", "1")[0] == 2


def test_an_error_goes_to_stderr_with_its_mend(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "recommend", "no-such-folder", "--user", "1")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "mend:" in err


def test_an_unwritable_place_is_one_screen_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item\n" + "".join(f"{u},{i}\n" for u in range(9) for i in range(u, u + 4)))
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, "fit", "popularity", str(log), "--out", str(tmp_path / "file" / "model"), "-q")
    assert code == 2
    assert "Traceback" not in err
    assert "mend:" in err


def test_json_on_stdout_is_nothing_but_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item\n" + "".join(f"{u},{(u + i) % 12}\n" for u in range(30) for i in range(6)))
    words = (
        "compare",
        str(log),
        "--split",
        "random",
        "--methods",
        "popularity",
        "--json",
        "-",
        "--test-share",
        "0.3",
    )
    code, out, err = run(capsys, *words)
    assert code == 0
    assert json.loads(out)["results"][0]["method"] == "popularity"
    assert "fitting popularity" in err


@pytest.mark.parametrize("option", ["--json", "--report"])
def test_results_that_could_not_be_written_are_refused_first(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "compare", "no-such-log.csv", option, str(tmp_path / "none" / "x"))
    assert (code, out) == (2, "")
    assert "cannot be written" in err


def test_help_says_how_a_setting_of_compare_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    for command, words in (
        ("compare", ["METHOD.NAME=VALUE", "implicit_als.rank=128"]),
        ("fit", ["NAME=VALUE"]),
    ):
        code, out, _ = run(capsys, command, "--help")
        assert code == 0
        assert all(word in out for word in words)
        assert ("METHOD.NAME" in out) == (command == "compare")
    for command in ("fit", "tune"):
        assert "docs/reference.md" in run(capsys, command, "--help")[1]
