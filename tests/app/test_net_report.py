"""What the report of a network is made of: facts, the hardest examples in their own form, learned curves, a sheet."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matweave.app.net_data import Data, Reading
from matweave.app.net_parts import Parts, divide
from matweave.app.net_report import curves, facts, hard_examples, sheet, write
from matweave.app.net_verbs import TrainedNet, train
from matweave.nets.network import Network


def trained(reading: Reading, path: Path, out: Path, **settings: Any) -> TrainedNet:
    parts = divide(reading, path, test=None, test_share=0.25, valid=0.2, seed=0, quiet=True)
    return train(Network(epochs=1, **settings), parts, out, quiet=True)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    at = tmp_path_factory.mktemp("pictures")
    pixels = np.random.default_rng(0).integers(0, 256, (24, 6, 6)).astype(np.uint8)
    np.savez(at / "x.npz", x=pixels, y=["cat", "dog", "elk"] * 8)
    return trained(Reading(kind="image"), at / "x.npz", at / "m", net="linear", augment="shift,flip")


def judged(done: TrainedNet) -> tuple[Any, Any, Data]:
    assert done.judged is not None
    assert done.parts.test is not None
    return done.model, done.judged, done.parts.test


def test_facts_are_short_texts(plant_net: TrainedNet) -> None:
    model, _, test = judged(plant_net)
    found = facts(model, test, plant_net.parts)
    assert found["net"] == "linear"
    assert found["parameters"] == f"{model.parameters:,}"
    assert found["training examples"] == str(len(plant_net.parts.train))
    assert found["test examples"] == str(len(test))
    assert found["optimizer"] == "adam at 0.1"
    assert found["augmentation"] == "none"
    assert "training examples" not in facts(model, test)


def test_the_hardest_come_first_with_truth_and_answer(plant_net: TrainedNet) -> None:
    model, said, test = judged(plant_net)
    hard = hard_examples(model, said, test)
    assert test.targets is not None
    p, truth = model.probabilities(test), test.targets.values
    losses = -np.log(p[np.arange(len(test)), truth])
    order = np.argsort(-losses, kind="stable")
    assert [h.truth for h in hard] == [model.classes[c] for c in truth[order]]
    assert [h.predicted for h in hard] == [model.classes[c] for c in p[order].argmax(axis=1)]
    np.testing.assert_allclose([h.probability for h in hard], p[order].max(axis=1))
    assert hard[0].kind == "row"
    assert set(hard[0].content) == {"height", "width", "colour"}  # pyright: ignore[reportArgumentType]
    assert hard[0].name == test.named([int(order[0])])


@pytest.mark.parametrize(
    ("name", "reading", "net", "kind"),
    [
        ("waves.csv", Reading(kind="sequence"), "gru", "sequence"),
        ("names.csv", Reading(kind="sequence", text="name"), "lstm", "text"),
        ("houses.csv", Reading(kind="table", target="price"), "linear", "row"),
    ],
)
def test_an_example_is_shown_in_its_own_form(
    name: str, reading: Reading, net: str, kind: str, files: Path, tmp_path: Path
) -> None:
    done = trained(reading, files / name, tmp_path / "m", net=net)
    model, said, test = judged(done)
    hard = hard_examples(model, said, test)
    assert {h.kind for h in hard} == {kind}
    assert len(hard) == min(24, len(test))
    page = write(tmp_path / "r.html", model, said, test, done.parts).read_text(encoding="utf8")
    assert "<html" in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    if kind == "text":
        assert isinstance(hard[0].content, str)
        assert hard[0].name.startswith("names.csv line ")
    if kind == "row":
        assert np.isnan(hard[0].probability)
        float(hard[0].truth)


def test_a_sheet_shows_augmentation_where_there_is_some(pictures: TrainedNet, plant_net: TrainedNet) -> None:
    assert sheet(plant_net.model, plant_net.parts.train) is None
    first = sheet(pictures.model, pictures.parts.train)
    assert first is not None
    assert first == sheet(pictures.model, pictures.parts.train)  # the same draws
    assert {h.kind for h in hard_examples(*judged(pictures))} == {"image"}


def test_learned_activations_are_shown_beside_their_start(plant_parts: Parts, tmp_path: Path) -> None:
    recipe = Network(net="mlp", settings={"activation": "prelu", "hidden": (4,)}, learning_rate=0.1, epochs=2)
    done = train(recipe, plant_parts, tmp_path / "m", quiet=True)
    (curve,) = curves(done.model)
    x = np.asarray(curve.x)
    slope = next(a for n, a in done.model.weights.items() if a.size == 1 and "weight" in n)
    np.testing.assert_allclose(
        curve.before, np.where(x > 0, x, 0.25 * x), atol=1e-6
    )  # torch starts it at 1/4
    np.testing.assert_allclose(curve.after, np.where(x > 0, x, float(slope.item()) * x), atol=1e-5)
    assert curves(replace(done.model, training={})) != []


def test_a_plain_network_has_no_curves(plant_net: TrainedNet) -> None:
    assert curves(plant_net.model) == []


def test_the_report_is_one_file_that_names_what_it_is_of(pictures: TrainedNet, tmp_path: Path) -> None:
    model, said, test = judged(pictures)
    page = write(tmp_path / "r.html", model, said, test, pictures.parts).read_text(encoding="utf8")
    assert "linear on image data" in page
    for word in ("cat", "dog", "elk", "shift,flip"):
        assert word in page
    assert list(tmp_path.iterdir()) == [tmp_path / "r.html"]
    alone = write(tmp_path / "e.html", model, said, test, title="Later").read_text(encoding="utf8")
    assert "Later" in alone
    assert len(alone) < len(page)
