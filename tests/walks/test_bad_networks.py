"""Bad input to networks: one screen with what, where and the mend, exit code 2, and nothing written."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import matweave as mw

TS = "@univariate true\n@classLabel true up down\n@data\n"


def idx(path: Path, values: np.ndarray) -> None:
    head = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(head + values.astype(np.uint8).tobytes())


def pictures(folder: Path, names: tuple[str, ...] = ("cat", "dog"), n: int = 6, mode: str = "L") -> None:
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(n):
            pixels = Image.fromarray(rng.integers(0, 256, (8, 8)).astype(np.uint8))
            pixels.convert(mode).save(folder / name / f"{i}.png")


def spoilt(folder: Path, how: Callable[[Path], Any]) -> None:
    """Pictures of which one is not as it should be."""
    pictures(folder)
    how(folder / "cat" / "bad.png")


def resized(path: Path, width: int, height: int, mode: str = "L") -> None:
    Image.fromarray(np.zeros((height, width), np.uint8)).convert(mode).save(path)


def truncated(path: Path) -> None:
    path.write_bytes((path.parent / "0.png").read_bytes()[:60])


def write_inputs(at: Path) -> None:
    """Every bad source once, beside a good table, a good set of sequences and good pictures."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=30)
    good = "".join(f"{v:.3f},{i % 4},{'xy'[int(v > 0)]}\n" for i, v in enumerate(a))
    waves = "".join(f"{'ab'[i % 2]},{i}.5,{i * i % 7},{-i}\n" for i in range(20))
    texts = {
        "good.csv": "a,b,label\n" + good,
        "waves.csv": "label,t0,t1,t2\n" + waves,
        "empty.csv": "",
        "header.csv": "a,b,label\n",
        "one.csv": "a,label\n" + "".join(f"{i},x\n" for i in range(9)),
        "alike.csv": "a,price\n" + "".join(f"{i},5\n" for i in range(9)),
        "infinite.csv": "a,label\n1,x\ninf,y\n-inf,x\n",
        "hole.csv": "a,label\n1,x\n2,\n3,y\n",
        "ragged.csv": "a,label\n1,x\n2,y,3\n",
        "constant.csv": "a,label\n1,x\n1,y\n",
        "other_classes.csv": "a,b,label\n0.5,1,x\n0.5,1,z\n",
        "fewer.csv": "b,label\n1,x\n",
        "words.csv": "a,b,label\nmuch,1,x\n0.5,1,y\n",
        "nan.csv": "label,t0,t1\na,1,nan\nb,2,3\n",
        "steps.csv": "label,t0,t1\na,,\nb,2,3\n",
        "gap.csv": "label,t0,t1\na,,1\nb,2,3\n",
        "letters.csv": "label,t0,t1\na,1,x\nb,2,3\n",
        "no_steps.ts": TS + ":up\n1,2:down\n",
        "strange.ts": TS + "1,2:up\n1,2:sideways\n",
        "headless.ts": "1,2:up\n",
        "blank.txt": "Ada\n\nBo\n",
        "plain.txt": "Ada\nBo\n",
    }
    for name, text in texts.items():
        (at / name).write_text(text)
    (at / "binary.csv").write_bytes(b"\0\1\2" * 50)
    pictures(at / "good")
    spoilt(at / "zero", lambda p: p.touch())
    spoilt(at / "junk", lambda p: p.write_text("no picture"))
    spoilt(at / "cut", truncated)
    spoilt(at / "sizes", lambda p: resized(p, 5, 9))
    spoilt(at / "colours", lambda p: resized(p, 8, 8, "RGB"))
    pictures(at / "single", ("cat",))
    pictures(at / "birds", ("cat", "owl"))
    pictures(at / "rgb", mode="RGB")
    (at / "void").mkdir()
    x, y = rng.integers(0, 256, (12, 8, 8)).astype(np.uint8), np.array([0, 1] * 6)
    np.savez(at / "nan.npz", x=np.where(x > 200, np.nan, x).astype(np.float32), y=y)
    np.savez(at / "short.npz", x=x, y=y[:5])
    np.savez(at / "flat.npz", x=x.reshape(12, 64), y=y)
    np.savez(at / "large.npz", x=np.zeros((4, 9, 9), np.uint8), y=[0, 1, 0, 1])
    np.savez(at / "good.npz", x=x, y=y)
    idx(at / "pics.idx", x)
    idx(at / "few.idx", y[:7])
    (at / "cut.idx").write_bytes((at / "pics.idx").read_bytes()[:-9])
    (at / "thesis").mkdir()
    (at / "thesis" / "chapter.txt").write_text("1")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("bad")
    write_inputs(at)
    table, kept = mw.read_table(at / "good.csv"), dict(reading={"kind": "table", "target": "label"})
    mw.Network(net="linear", epochs=1).fit(table).save(at / "net", notes=kept)
    waves = mw.read_sequences(at / "waves.csv")
    kept = dict(reading={"kind": "sequence", "target": "label", "layout": "wide"})
    mw.Network(net="gru", settings={"hidden": 4}, epochs=1).fit(waves).save(at / "wave_net", notes=kept)
    images = mw.read_images(at / "good.npz")
    mw.Network(net="linear", epochs=1).fit(images).save(
        at / "image_net", notes=dict(reading={"kind": "image"})
    )
    mw.Popularity().fit(mw.Interactions.from_codes([0, 1], [0, 0])).save(at / "recommender")
    for name, how in (("edited", lambda b: b[:-1] + b"\0"), ("truncated", lambda b: b[:-1])):
        mw.Network(net="linear", epochs=1).fit(table).save(at / name)
        (file,) = (at / name).glob("*.safetensors")
        file.write_bytes(how(file.read_bytes()))
    (at / "hollow").mkdir()
    return at


@pytest.fixture
def refused(cli, place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a command that must be refused; returns its one screen."""
    monkeypatch.chdir(place)

    def there() -> set[tuple[str, int]]:
        return {(str(p), p.stat().st_mtime_ns) for p in place.rglob("*")}

    def run(*words: object) -> str:
        before = there()
        code, out, err = cli(*words)
        assert code == 2, (code, out, err)
        assert out == ""
        assert "Traceback" not in err
        error = err[err.index("error: ") :]
        assert error.count("where: ") == 1
        assert error.count("mend:  ") == 1
        assert error.partition("mend:  ")[2].strip()
        assert len(error.splitlines()) <= 25
        assert there() == before, "something was written"
        return error

    return run


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.csv", ("nowhere.csv",)),
        ("empty.csv", ("empty.csv is empty",)),
        ("header.csv", ("has no rows",)),
        ("one.csv", ("all 9 examples are of class 'x'", "two or more classes")),
        ("infinite.csv", ("infinite values stand in 'a' (lines 3, 4)",)),
        ("hole.csv", ("the target 'label' is missing: line 3",)),
        ("ragged.csv", ("line 3 has 3",)),
        ("constant.csv", ("--test-share 0",)),
        ("binary.csv", ("binary.csv",)),
        (
            "good.csv --batch-size 100",
            ("batch_size is 100, but the training data hold", "give batch_size from 1"),
        ),
        ("good.csv --test other_classes.csv", ("'z' (1 examples)", "other_classes.csv", "'x', 'y'")),
        ("good.csv --test fewer.csv", ("column 'a' is missing", "where: the test part")),
        ("good.csv --test words.csv", ("column 'a' is", "'much' (line 2)")),
        ("good.csv --test header.csv", ("has no rows",)),
        ("good.csv --target price", ("no column 'price'", "'a', 'b', 'label'")),
        ("good.csv --target label --task regress", ("give numbers to regress on",)),
        ("good.csv --target -", ("have no labels",)),
        ("good.csv --drop colour", ("'colour'",)),
        ("alike.csv --target price --task regress", ("targets are 5",)),
        ("good.csv --net gru", ("GRU takes sequence or tokens", "linear, mlp")),
        ("good.csv --augment shift", ("not for tables",)),
        ("good.csv --device cuda:99", ("'cuda:99' is not on this machine",)),
        ("good.csv --device gpu", ("unknown device 'gpu'",)),
        ("good.csv --momentum 0.5", ("momentum is 0.5, but adam has none to set",)),
        ("good.csv --optimizer gd --batch-size 4", ("gd takes one step on all examples",)),
        ("good.csv --learning-rate 1e30", ("not finite", "lower learning_rate")),
        (
            "good.csv --learning-rate 1e30 --optimizer sgd --valid 0 --checkpoint-every 0",
            ("at step 2", "layer"),
        ),
        ("good.csv --resume", ("neither a checkpoint nor a model to resume",)),
    ],
)
def test_tables(source: str, said: tuple[str, ...], refused: Callable[..., str]) -> None:
    error = refused("train", "table", *source.split(), "--out", "new", "--epochs", 3)
    assert all(words in error for words in said), error


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nan.csv", ("NaN or infinite values", "line 2")),
        ("steps.csv", ("without a single step: line 2",)),
        ("gap.csv", ("empty cells before the last value: line 2",)),
        ("letters.csv", ("line 2, 't1': 'x'",)),
        ("no_steps.ts", ("without a single step: line 4",)),
        ("strange.ts", ("none of the header's: 'up', 'down': line 5",)),
        ("headless.ts", ("before @data",)),
        ("blank.txt", ("the line is empty: line 2",)),
        ("plain.txt", ("have no labels", "plain.txt")),
        ("waves.csv --layout long", ("id of a sequence",)),
        ("waves.csv --layout tall", ("layout is 'tall'",)),
        ("waves.csv --text label --layout wide", ("layout and time are not for it",)),
        ("waves.csv --drop t0", ("drop means nothing for a sequence",)),
        ("waves.csv --net mlp", ("MLP takes features or image, not sequence",)),
        ("waves.csv --augment rotate", ("unknown augmentation 'rotate'", "time_warp")),
        ("waves.csv --augment jitter=much", ("jitter is 'much'",)),
        ("waves.csv --test no_steps.ts", ("without a single step",)),
        ("good.csv --text word", ("there is no column 'word'",)),
    ],
)
def test_sequences(source: str, said: tuple[str, ...], refused: Callable[..., str]) -> None:
    error = refused("train", "sequence", *source.split(), "--out", "new", "--epochs", 3)
    assert all(words in error for words in said), error


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("zero", ("'cat/bad.png' (zero bytes)",)),
        ("junk", ("'cat/bad.png' (no picture",)),
        ("cut", ("'cat/bad.png'", "cannot be read")),
        ("sizes", ("8 × 8: 12 pictures", "'cat/bad.png'", "size=")),
        ("colours", ("'cat/bad.png'", "channels=")),
        ("single", ("all 6 examples are of class 'cat'",)),
        ("void", ("holds no pictures",)),
        ("nowhere", ("nowhere does not exist",)),
        ("good.csv", ("good.csv is no file of images",)),
        ("good --test birds", ("'owl' (6 examples)", "birds")),
        ("good --test rgb", ("3 channels, but those of training", "1 channel")),
        ("good --test void", ("holds no pictures",)),
        ("good --size big", ("size is 'big'",)),
        ("good --channels 2", ("channels is 2",)),
        ("good --net lenet5", ("too small for LeNet5", "16 x 16")),
        ("good --augment spin", ("unknown augmentation 'spin'", "rotate")),
        ("good --labels x", ("only a file of idx images",)),
        ("nan.npz", ("NaN or infinite: index",)),
        ("short.npz", ("x holds 12 images, but y 5 labels",)),
        ("flat.npz", ("flat.npz",)),
        ("pics.idx --labels few.idx", ("pics.idx holds 12 images, but few.idx 7 labels",)),
        ("cut.idx --labels few.idx", ("cut.idx",)),
        ("good.npz --test large.npz", ("9 × 9", "8 × 8")),
    ],
)
def test_images(source: str, said: tuple[str, ...], refused: Callable[..., str]) -> None:
    error = refused("train", "image", *source.split(), "--out", "new", "--epochs", 3, "--valid", 0)
    assert all(words in error for words in said), error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("predict nowhere good.csv", ("nowhere holds no saved model",)),
        ("predict hollow good.csv", ("hollow holds no saved model",)),
        ("predict edited good.csv", ("its checksum does not match",)),
        ("predict truncated good.csv", ("it is truncated",)),
        ("evaluate edited good.csv", ("its checksum does not match",)),
        ("predict recommender good.csv", ("no column is named like the users", "--user NAME")),
        ("recommend net --user 1", ("holds a network, not a recommender", "matweave predict")),
        ("similar net --item 1", ("holds a network, not a recommender",)),
        ("predict net nowhere.csv", ("nowhere.csv",)),
        ("predict net fewer.csv", ("column 'a' is missing", "where: fewer.csv")),
        ("predict net words.csv", ("'much' (line 2)",)),
        ("predict net header.csv", ("has no rows",)),
        ("predict net empty.csv", ("is empty",)),
        ("predict net good.csv --part test", ("does not come in parts",)),
        ("predict net good.csv --target label", ("no targets are read",)),
        ("predict net good.csv --layout wide", ("layout means nothing for a table",)),
        ("predict net good.csv --out p.txt", (".parquet",)),
        ("predict net good.csv --out none/p.csv", ("there is no folder none",)),
        ("predict wave_net words.csv", ("line 2, 'a': 'much'",)),
        ("predict wave_net steps.csv", ("without a single step: line 2",)),
        ("predict wave_net plain.txt", ("hold text",)),
        ("predict image_net large.npz", ("9 × 9", "8 × 8", "where: large.npz")),
        ("predict image_net rgb", ("3 channels",)),
        ("predict image_net zero", ("'cat/bad.png' (zero bytes)",)),
        ("evaluate net other_classes.csv", ("'z' (1 examples)", "other_classes.csv")),
        ("evaluate net hole.csv", ("the target 'label' is missing",)),
        ("evaluate net good.csv --target b", ("column 'b' is missing",)),
        ("evaluate net good.csv --target c", ("no column 'c'",)),
        ("evaluate net good.csv -k 3", ("--k is for recommenders",)),
        ("evaluate net good.csv --report none/r.html", ("cannot be written",)),
        ("evaluate image_net birds", ("'cat' (6 examples)", "'owl'", "where: birds")),
        ("evaluate recommender good.csv --size 8", ("--size is for networks",)),
        ("train table good.csv --out thesis", ("other files (chapter.txt)",)),
        ("train table good.csv --out good.csv", ("good.csv is a file",)),
        ("train table good.csv --out net --resume", ("other settings or other data",)),
        ("train table good.csv --out recommender --resume", ("other settings or other data",)),
        ("train tables.csv good.csv --out new", ("unknown kind of data",)),
    ],
)
def test_models_and_folders(words: str, said: tuple[str, ...], refused: Callable[..., str]) -> None:
    error = refused(*words.split())
    assert all(part in error for part in said), error


@pytest.mark.parametrize(
    "words",
    [
        "train",
        "train table good.csv",
        "train table good.csv --out new --epochs many",
        "train table good.csv --out new --valid 0.9",
        "train table good.csv --out new --test-share nan",
        "train table good.csv --out new --threads 0",
        "train table good.csv --out new --epohcs 3",
        "predict net",
    ],
)
def test_misspelt_commands_end_with_code_2(
    words: str, cli, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    code, out, err = cli(*words.split())
    assert (code, out) == (2, "")
    assert "Usage" in err
    assert not (place / "new").exists()


def test_a_folder_that_may_not_be_written_to(
    refused: Callable[..., str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # for root everything may be written
    monkeypatch.setattr(os, "access", lambda path, mode, **_: not mode & os.W_OK)
    assert "may not be written to" in refused("train", "table", "good.csv", "--out", "new")
    assert "may not be written to" in refused("predict", "net", "good.csv", "--out", "p.csv")
