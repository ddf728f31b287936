"""Trained networks as frozen forms: the same bits after saving, the same answers in any batch, and bad folders refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from matweave.artifact import CARD, save
from matweave.data.images import Images
from matweave.data.interactions import Interactions
from matweave.data.sequences import Sequences
from matweave.data.tables import Table
from matweave.data.targets import Targets
from matweave.deep import torch
from matweave.errors import ArtifactError, DataError
from matweave.factor.popularity import Popularity
from matweave.nets.inputs import Inputs
from matweave.nets.model import FORMS, Data, NetModel, inputs_of, load_net, prepared, rebuilt, softmax
from matweave.nets.network import Network

N = 24


def targets(kind: str) -> Targets:
    if kind == "numbers":
        return Targets.of_values(np.linspace(-3, 50, N))
    return Targets.of_labels([("ape", "bee", "cat")[i % 3] for i in range(N)])


@cache
def data(kind: str) -> Data:
    rng = np.random.default_rng(3)
    if kind == "images":
        return Images.of(rng.integers(0, 256, (N, 1, 8, 8)).astype(np.uint8), targets(kind))
    if kind == "sequences":
        return Sequences.of([rng.normal(size=(1 + i % 5, 2)) for i in range(N)], targets(kind))
    if kind == "texts":
        return Sequences.of(["xyz"[: 1 + i % 3] + "ab"[i % 2] for i in range(N)], targets(kind))
    columns = {"a": rng.normal(size=N), "b": rng.integers(0, 9, N), "c": ["red", None, "blue"] * (N // 3)}
    return Table(features=pa.table(columns), targets=targets(kind))


NETS = {"images": "small_cnn", "sequences": "gru", "texts": "lstm", "table": "mlp", "numbers": "mlp"}
KINDS = list(NETS)


@cache
def trained(kind: str) -> NetModel:
    return Network(net=NETS[kind], epochs=1, batch_size=8).fit(data(kind))


def same(a: Any, b: Any) -> bool:
    """Whether two forms hold the same bits, types and order."""
    if is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a) if f.init
        )
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_comes_back_with_the_same_bits(kind: str, tmp_path: Path) -> None:
    model = trained(kind)
    model.save(tmp_path / "a", notes={"why": "a test"})
    back = load_net(tmp_path / "a")
    assert same(model, back)
    np.testing.assert_array_equal(model.outputs_for(data(kind)), back.outputs_for(data(kind)))
    back.save(tmp_path / "b", notes={"why": "a test"})
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_depends_on_neither_batch_nor_order(kind: str) -> None:
    model, given = trained(kind), data(kind)
    whole = model.outputs_for(given)
    order = np.random.default_rng(0).permutation(N)
    np.testing.assert_allclose(model.outputs_for(given.take(order)), whole[order], atol=1e-5)
    for i in (0, 4, N - 1):
        np.testing.assert_allclose(model.outputs_for(given.take([i])), whole[[i]], atol=1e-5)
    assert np.ptp(whole, axis=0).max() > 1e-3  # they do differ between examples


def test_a_linear_model_is_the_formula() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(2.0, 5.0, (40, 3))
    y = ["low" if row.sum() < 6 else "high" for row in x]
    table = Table(features=pa.table(dict(zip("abc", x.T, strict=True))), targets=Targets.of_labels(y))
    model = Network(net="linear", epochs=3).fit(table)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    weight, bias = (model.weights[n].astype(np.float64) for n in sorted(model.weights, reverse=True))
    scores = np.exp(z @ weight.T + bias)
    by_hand = scores / scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.probabilities(table), by_hand, atol=1e-5)
    assert model.classes == ("high", "low")
    assert model.predict(table).tolist() == [model.classes[c] for c in by_hand.argmax(axis=1)]
    assert model.parameters == 3 * 2 + 2


def test_numbers_are_in_the_units_of_the_targets() -> None:
    model, given = trained("numbers"), data("numbers")
    values = targets("numbers").values
    assert (model.center, model.scale) == pytest.approx((values.mean(), values.std()))
    expected = values.mean() + values.std() * model.outputs_for(given)[:, 0].astype(np.float64)
    np.testing.assert_allclose(model.predict(given), expected, rtol=1e-12)
    assert model.predict(given).dtype == np.float64
    with pytest.raises(DataError, match="has no probabilities"):
        model.probabilities(given)


@pytest.mark.parametrize("kind", ["images", "texts", "table"])
def test_probabilities_are_a_softmax_that_sums_to_one(kind: str) -> None:
    p = trained(kind).probabilities(data(kind))
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(p, softmax(trained(kind).outputs_for(data(kind)).astype(np.float64)))


def test_softmax_is_unmoved_by_a_shift_and_by_size() -> None:
    z = np.random.default_rng(0).normal(size=(5, 4))
    np.testing.assert_allclose(softmax(z), np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(softmax(z + 1e4), softmax(z))
    assert np.isfinite(softmax(z * 1e300)).all()


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("images", Inputs(kind="image", size=(1, 8, 8))),
        ("sequences", Inputs(kind="sequence", size=(2,))),
        ("texts", Inputs(kind="tokens", size=(7,))),  # a b x y z, padding and unknown
        ("table", Inputs(kind="features", size=(5,))),  # a, b, c=blue, c=red, c is missing
    ],
)
def test_inputs_follow_from_the_preparation(kind: str, inputs: Inputs) -> None:
    assert inputs_of(trained(kind).preparation) == inputs == trained(kind).inputs


def test_data_of_another_kind_or_form_are_refused() -> None:
    model = trained("table")
    with pytest.raises(DataError, match="was trained on table data, not image") as error:
        model.predict(data("images"))
    assert "read_table" in error.value.mend
    with pytest.raises(DataError, match="there are no examples"):
        model.predict(data("table").take(np.arange(0)))
    with pytest.raises(DataError, match="'b' is missing"):
        model.predict(Table(features=pa.table({"a": [1.0], "c": ["red"]})))
    with pytest.raises(DataError, match="those of training of 8 × 8"):
        trained("images").predict(Images.of(np.zeros((1, 9, 9), np.uint8)))
    with pytest.raises(DataError, match="numbers of 1 channel"):
        trained("sequences").predict(Sequences.of([[1.0]]))
    with pytest.raises(DataError, match="hold text"):
        trained("sequences").predict(data("texts"))


def test_outputs_that_are_not_finite_are_named_and_never_given() -> None:
    model = Network(net="linear", epochs=1).fit(
        Table(features=pa.table({"a": np.arange(8.0)}), targets=Targets.of_values(np.arange(8.0)))
    )
    weights = {name: a * np.float32(1e38) for name, a in model.weights.items()}
    broken = replace(model, weights=weights)
    some = Table(features=pa.table({"a": [3.5, 1e6, 3.5, -1e6]}))
    with pytest.raises(DataError, match="no finite numbers for 2 of 4 examples: index 1, 3"):
        broken.predict(some)


def spoil(folder: Path, how: Callable[[bytes], bytes], name: str) -> None:
    path = next(folder.glob(name))
    path.write_bytes(how(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "how", "said"),
    [
        ("*.safetensors", lambda b: b[:-1], "truncated"),
        ("*.safetensors", lambda b: b[:-1] + bytes([b[-1] ^ 1]), "edited or damaged"),
        (CARD, lambda b: b.replace(b'"mlp"', b'"cnn"', 1), "edited or damaged"),
        (CARD, lambda b: b[: len(b) // 2], "truncated"),
        (CARD, lambda b: b"", "truncated"),
    ],
    ids=["short", "bit", "net", "half", "empty"],
)
def test_a_folder_that_was_changed_is_refused(
    name: str, how: Callable[[bytes], bytes], said: str, tmp_path: Path
) -> None:
    trained("table").save(tmp_path)
    spoil(tmp_path, how, name)
    with pytest.raises(ArtifactError, match=said):
        load_net(tmp_path)


def test_weights_of_another_network_are_refused_with_every_difference(tmp_path: Path) -> None:
    model = trained("table")
    first, *rest = model.weights
    others = {n: model.weights[n] for n in rest} | {"more": np.zeros(1, np.float32)}
    replace(model, weights=others).save(tmp_path)
    with pytest.raises(ArtifactError, match=f"{first} is missing; more is not in the network"):
        load_net(tmp_path).predict(data("table"))


def test_a_folder_of_something_else_is_named(tmp_path: Path) -> None:
    Popularity().fit(Interactions.from_codes([0, 1], [0, 0])).save(tmp_path / "recommender")
    with pytest.raises(ArtifactError, match="holds a ItemModel, not a network") as error:
        load_net(tmp_path / "recommender")
    assert "recommend" in error.value.mend
    save(trained("table").preparation, tmp_path / "part")
    with pytest.raises(ArtifactError, match="holds a TablePreparation, not a network"):
        load_net(tmp_path / "part")
    with pytest.raises(ArtifactError, match="no saved model"):
        load_net(tmp_path / "nowhere")


def test_every_form_is_in_the_table() -> None:
    def kinds(value: Any) -> set[str]:
        if is_dataclass(value) and not isinstance(value, type):
            inner = (kinds(getattr(value, f.name)) for f in fields(value) if f.init)
            return {type(value).__name__}.union(*inner)
        if isinstance(value, (tuple, list)):
            return set().union(*map(kinds, value)) if value else set()
        return set()

    assert set().union(*(kinds(trained(kind)) for kind in KINDS)) == set(FORMS)
    assert all(name == form.__name__ for name, form in FORMS.items())


def test_rebuilding_leaves_the_callers_draws_alone() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(2)
    torch.manual_seed(5)
    module = rebuilt(trained("texts"))
    assert torch.equal(torch.rand(2), wanted)
    assert not module.training
    assert all(np.array_equal(t.numpy(), trained("texts").weights[n]) for n, t in module.state_dict().items())


def test_prepared_gives_lengths_to_sequences_alone() -> None:
    assert len(prepared(trained("table").preparation, data("table"))) == 1
    x, lengths = prepared(trained("texts").preparation, data("texts"))
    assert x.shape == (N, 4)
    np.testing.assert_array_equal(lengths, (x > 0).sum(axis=1))
