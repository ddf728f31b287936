"""The main jobs of networks through the command line: from a file to a trained, judged, saved model and its answers."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import matweave as mw
from matweave.app import net_verbs
from matweave.train.watchers import Moment, Order, Save


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, and the place where commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ok(cli) -> Any:
    """Runs a command that must go well: words to (stdout, stderr)."""

    def run(*words: object) -> tuple[str, str]:
        code, out, err = cli(*words)
        assert code == 0, err
        return out, err

    return run


def plants(path: Path, n: int = 160, seed: int = 0) -> list[str]:
    """A table whose first column tells the class, with missing cells; the labels."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    labels = ["oak" if v > 0 else "fern" for v in a]
    rows = ["height,width,colour,label"]
    for i in range(n):
        rows.append(f"{a[i]:.4f},{'' if i % 9 == 0 else round(b[i], 3)},{('red', 'blue')[i % 2]},{labels[i]}")
    path.write_text("\n".join(rows) + "\n")
    return labels


def test_a_table_of_classes(ok: Any, home: Path) -> None:
    plants(home / "plants.csv")
    labels = plants(home / "later.csv", 60, seed=5)
    words = ("--optimizer", "soap", "--learning-rate", 0.03, "--epochs", 12, "--report", "report.html")
    out, err = ok("train", "table", "plants.csv", "--out", "model", *words)
    assert "mlp: trained for 12 epochs" in out
    assert "judged on the test part: 16 examples of 2 classes" in out
    assert "missing cells" in err
    assert "missing cells" in (home / "report.html").read_text(encoding="utf8")
    assert "160 examples: 144 for training, 16 (10.0%) for test" in err
    bare = "\n".join(line.rpartition(",")[0] for line in (home / "later.csv").read_text().splitlines())
    (home / "bare.csv").write_text(bare + "\n")
    rows = json.loads(ok("predict", "model", "bare.csv", "--json")[0])
    assert np.mean([row["prediction"] == label for row, label in zip(rows, labels, strict=True)]) > 0.9
    found = json.loads(ok("evaluate", "model", "later.csv", "--json", "-")[0])
    right = np.mean([row["prediction"] == label for row, label in zip(rows, labels, strict=True)])
    assert found["metrics"]["accuracy"]["mean"] == pytest.approx(right)
    again = mw.load("model").predict(mw.read_table("later.csv"))  # pyright: ignore[reportAttributeAccessIssue]
    assert again.tolist() == [row["prediction"] for row in rows]


def test_a_table_of_numbers(ok: Any, home: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    y = 1000 + 300 * x[:, 0] - 50 * x[:, 1]
    rows = [f"{a:.5f},{b:.5f},{v:.4f}" for (a, b), v in zip(x, y, strict=True)]
    (home / "houses.csv").write_text("\n".join(["size,age,price", *rows]) + "\n")
    words = "--target price --net linear --optimizer gd --schedule constant --learning-rate 0.3 --epochs 80"
    out, _ = ok("train", "table", "houses.csv", "--out", "model", *words.split(), "--json", "-", "-q")
    found = json.loads(out)
    assert found["test"]["metrics"]["rmse"]["mean"] < 0.05
    assert found["test"]["metrics"]["r2"]["mean"] > 0.9999
    (home / "new.csv").write_text("age,size\n0,0\n1,2\n")
    rows = json.loads(ok("predict", "model", "new.csv", "--json", "-q")[0])
    assert [row["prediction"] for row in rows] == pytest.approx([1000, 1550], abs=0.2)
    (home / "few.csv").write_text(
        "age,size,price\n0,0,1000\n1,2,1550\n"
    )  # few whole numbers look like classes
    found = json.loads(ok("evaluate", "model", "few.csv", "--json", "-", "-q")[0])
    assert found["metrics"]["rmse"]["mean"] < 0.2


def idx(path: Path, values: np.ndarray) -> None:
    head = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(head + values.astype(np.uint8).tobytes())


def halves(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures 8 x 8 that are bright on the left (0) or on the right (1)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    x = rng.integers(0, 80, (n, 8, 8))
    for picture, right in zip(x, y, strict=True):
        picture[:, 4:] += 120 * right
        picture[:, :4] += 120 * (1 - right)
    return x, y


def test_images_with_parts_of_their_own(ok: Any, home: Path) -> None:
    (home / "set").mkdir()
    for prefix, n, seed in (("train", 120, 0), ("t10k", 40, 1)):
        x, y = halves(n, seed)
        idx(home / "set" / f"{prefix}-images-idx3-ubyte", x)
        idx(home / "set" / f"{prefix}-labels-idx1-ubyte", y)
    words = ("--augment", "shift=0.1,erase", "--optimizer", "muon", "--epochs", 5, "--threads", 1)
    out, err = ok("train", "image", "set", "--out", "model", *words, "--learning-rate", 0.01)
    assert "test: the source's own test part" in err
    assert "muon" in err
    assert "small_cnn: trained for 5 epochs" in out
    found = json.loads(ok("evaluate", "model", "set", "--json", "-", "-q")[0])
    assert found["n"] == 40
    assert found["metrics"]["accuracy"]["mean"] > 0.9
    rows = json.loads(ok("predict", "model", "set", "--part", "train", "--json", "-q")[0])
    assert len(rows) == 120
    assert rows[7]["example"] == "train-images[7]"


def test_pictures_in_folders(ok: Any, home: Path) -> None:
    x, y = halves(40, 2)
    for i, (pixels, right) in enumerate(zip(x, y, strict=True)):
        at = home / "photos" / ("right" if right else "left")
        at.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(at / f"{i}.png")
    words = ("--net", "linear", "--learning-rate", 0.05, "--epochs", 8, "--report", "r.html")
    ok("train", "image", "photos", "--out", "model", *words, "-q")
    assert "left" in (home / "r.html").read_text(encoding="utf8")
    new, _ = halves(1, 7)
    Image.fromarray(new[0].astype(np.uint8)).resize((20, 20)).convert("RGB").save(home / "one.png")
    out, _ = ok("predict", "model", "one.png", "--size", 8, "--channels", 1, "--json", "-q")
    (row,) = json.loads(out)
    assert row["example"] == "one.png"
    assert row["prediction"] in ("left", "right")


def test_sequences_wide_and_long(ok: Any, home: Path) -> None:
    rng = np.random.default_rng(0)
    wide, long = ["label,t0,t1,t2,t3,t4,t5"], ["id,time,x,label"]
    for i in range(60):
        values = np.cumsum(rng.normal(size=6) * 0.2 + (1 if i % 2 else -1))
        label = "up" if i % 2 else "down"
        wide.append(f"{label}," + ",".join(f"{v:.3f}" for v in values))
        long += [f"{i},{t},{v:.3f},{label}" for t, v in enumerate(values)]
    (home / "wide.csv").write_text("\n".join(wide) + "\n")
    (home / "long.csv").write_text("\n".join(long) + "\n")
    answers = []
    for name in ("wide", "long"):
        words = ("--net", "gru", "--set", "hidden=8", "--learning-rate", 0.03, "--epochs", 6, "-q")
        ok("train", "sequence", f"{name}.csv", "--out", name, *words)
        rows = json.loads(ok("predict", name, f"{name}.csv", "--json", "-q")[0])
        answers.append([row["probability"] for row in rows])
        assert sum(row["prediction"] == ("down", "up")[i % 2] for i, row in enumerate(rows)) > 54
    assert answers[0] == answers[1]  # the same sequences, however they are laid out


def test_texts(ok: Any, home: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["word,language"]
    for i in range(120):
        word = "".join(rng.choice(list("aeiou" if i % 2 else "krstz"), 5))
        rows.append(f"{word},{'soft' if i % 2 else 'hard'}")
    (home / "words.csv").write_text("\n".join(rows) + "\n")
    words = (
        "--text",
        "word",
        "--target",
        "language",
        "--net",
        "lstm",
        "--epochs",
        3,
        "--learning-rate",
        0.02,
    )
    ok("train", "sequence", "words.csv", "--out", "model", *words, "-q")
    (home / "new.txt").write_text("aeaoi\nkzzst\n")
    out, err = ok("predict", "model", "new.txt", "--json")
    assert [row["prediction"] for row in json.loads(out)] == ["soft", "hard"]
    assert "one in each line" in err


def test_a_rate_that_is_found_trains(ok: Any, home: Path) -> None:
    plants(home / "plants.csv")
    _, err = ok("train", "table", "plants.csv", "--out", "model", "--find-rate", "--epochs", 3)
    assert "by a range test of" in err
    assert (
        "nothing to resume"
        in ok(
            "train", "table", "plants.csv", "--out", "model", "--find-rate", "--epochs", 3, "--resume", "-q"
        )[1]
    )


def weights_of(folder: str) -> tuple[str, bytes]:
    (file,) = Path(folder).glob("*.safetensors")
    return file.name, file.read_bytes()


def test_ctrl_c_keeps_the_best_and_the_run_goes_on(
    cli, ok: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plants(home / "plants.csv")
    words = ("train", "table", "plants.csv", "--epochs", 6, "--batch-size", 16, "-q")
    ok(*words, "--out", "whole")

    class Stopping:
        each_step = True

        def __init__(self, seconds: float) -> None:
            pass

        def __call__(self, moment: Moment) -> Order | None:
            if moment.at == "step" and moment.step == 20:
                signal.raise_signal(signal.SIGINT)
            return Save() if moment.at == "epoch" else None

    with monkeypatch.context() as patch:
        patch.setattr(net_verbs, "Timely", Stopping)
        code, out, err = cli(*words, "--out", "cut")
    assert code == 130
    assert "interrupted after 2 epochs" in out
    assert "Add --resume" in err
    assert json.loads(ok("predict", "cut", "plants.csv", "--json", "-q")[0])  # the best so far answers
    _, err = ok(*words, "--out", "cut", "--resume")
    assert "resuming from" in err
    assert "after step 20" in err
    assert weights_of("cut") == weights_of("whole")
    assert sorted(os.listdir("cut")) == sorted(os.listdir("whole"))


KILLED = """
import os, signal, sys
from matweave.app import net_verbs
from matweave.app.cli import main
from matweave.train.watchers import Save

class Killed:
    each_step = True

    def __init__(self, seconds):
        pass

    def __call__(self, moment):
        if moment.step == 50:
            os.kill(os.getpid(), signal.SIGKILL)
        return Save() if moment.step % 7 == 0 and moment.at in ("step", "epoch") else None

net_verbs.Timely = Killed
main(sys.argv[1:])
"""


def test_a_killed_run_goes_on_to_the_same_bits(ok: Any, home: Path) -> None:
    plants(home / "plants.csv")
    words = ["train", "table", "plants.csv", "--epochs", "6", "--batch-size", "8", "--threads", "1", "-q"]
    words += ["--set", "dropout=0.2", "--optimizer", "momentum"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words, "--out", "cut"], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert os.listdir("cut") == ["checkpoint"]
    _, err = ok(*words, "--out", "cut", "--resume")
    assert "after step 49" in err
    ok(*words, "--out", "whole")
    assert weights_of("cut") == weights_of("whole")
    assert not (home / "cut" / "checkpoint").exists()
