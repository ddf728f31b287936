"""Small tables, sequences and pictures on disk, and a network trained on one of them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from matweave.app import net_verbs
from matweave.app.net_data import Reading
from matweave.app.net_parts import Parts, divide
from matweave.nets.network import Network


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with plants.csv (classes), houses.csv (numbers), waves.csv (wide), steps.csv (long), names.csv (text)."""
    at = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40)).round(3)
    colours = ["red", "blue", "red", "green"] * 10
    rows = [f"{x},{y},{c},{'oak' if x > 0 else 'fern'}" for x, y, c in zip(a, b, colours, strict=True)]
    (at / "plants.csv").write_text("\n".join(["height,width,colour,label", *rows]) + "\n")
    rows = [f"{x},{y},{3 * x - y + 50:.2f}" for x, y in zip(a, b, strict=True)]
    (at / "houses.csv").write_text("\n".join(["size,age,price", *rows]) + "\n")
    waves, steps = ["label,t0,t1,t2,t3"], ["id,time,x,y,kind"]
    for i in range(24):
        up = i % 2
        values = rng.normal(size=4) + (2 if up else -2)
        waves.append(f"{'up' if up else 'down'}," + ",".join(f"{v:.3f}" for v in values))
        steps += [f"s{i},{t},{v:.3f},{t * v:.2f},{'up' if up else 'down'}" for t, v in enumerate(values)]
    (at / "waves.csv").write_text("\n".join(waves) + "\n")
    (at / "bare_waves.csv").write_text("\n".join(line.partition(",")[2] for line in waves) + "\n")
    (at / "headless.csv").write_text("\n".join(waves[1:]) + "\n")
    (at / "steps.csv").write_text("\n".join(steps) + "\n")
    names = [f"{'ab' * (1 + i % 3)}{'xyz'[i % 3]}{i % 7},{('even', 'odd')[i % 2]}" for i in range(42)]
    (at / "names.csv").write_text("\n".join(["name,kind", *names]) + "\n")
    return at


@pytest.fixture(scope="session")
def idx() -> Callable[[Path, np.ndarray], None]:
    """Writes an array of bytes as an idx file."""

    def write(path: Path, values: np.ndarray) -> None:
        head = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
        path.write_bytes(head + values.astype(np.uint8).tobytes())

    return write


@pytest.fixture(scope="session")
def plant_parts(files: Path) -> Parts:
    return divide(
        Reading(kind="table"),
        files / "plants.csv",
        test=None,
        test_share=0.2,
        valid=0.2,
        seed=0,
        quiet=True,
    )


@pytest.fixture(scope="session")
def plant_net(plant_parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> net_verbs.TrainedNet:
    """A linear network trained on plants.csv by the verb."""
    recipe = Network(net="linear", learning_rate=0.1, epochs=4)
    return net_verbs.train(recipe, plant_parts, tmp_path_factory.mktemp("plant") / "net", quiet=True)
