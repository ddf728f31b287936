"""One fit laid out: what it is made of, measured by hand, and every misfit refused before the first step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from matweave.data.sequences import Sequences
from matweave.data.tables import Table
from matweave.data.targets import Targets
from matweave.deep import torch
from matweave.errors import ConfigError, DataError, Diverged
from matweave.nets.network import Network
from matweave.nets.plan import JUDGES, Plan, measure_classes, refuse_alike, refuse_infinite


def table(n: int = 20, y: Any = None, seed: int = 0) -> Table:
    x = np.random.default_rng(seed).normal(size=n)
    targets = y if isinstance(y, Targets) or y is None else Targets.of_labels(y)
    return Table(features=pa.table({"x": x}), targets=targets)


def labelled(n: int = 20, seed: int = 0) -> Table:
    return table(n, ["no", "yes"] * (n // 2), seed)


def valued(n: int = 20, seed: int = 0) -> Table:
    return table(n, Targets.of_values(np.arange(n, dtype=float) * 2 + 100), seed)


def test_the_parts_fit_together() -> None:
    plan = Network(epochs=7, seed=3).plan(labelled())
    assert (plan.outputs, plan.inputs.size, plan.kind) == (2, (1,), "table")
    assert plan.batches.batch_size == 20  # fewer than 64
    assert (plan.trainer.epochs, plan.trainer.seed) == (7, 3)
    assert plan.task.measure == ""
    assert plan.spec.accepts == ("features", "image")
    assert Network().plan(labelled(100)).batches.batch_size == 64
    assert Network(optimizer="gd").plan(labelled(100)).batches.batch_size == 100


def test_first_weights_depend_on_the_seed_alone() -> None:
    def first(seed: int) -> list[torch.Tensor]:
        return list(Network(seed=seed).plan(labelled()).module.state_dict().values())

    torch.manual_seed(1)
    a = first(0)
    torch.manual_seed(2)
    assert all(map(torch.equal, a, first(0)))
    assert not all(map(torch.equal, a, first(1)))


def test_the_preparation_knows_nothing_of_validation() -> None:
    wide = table(10, ["no", "yes"] * 5)
    wide = replace(wide, features=pa.table({"x": np.linspace(-1e6, 1e6, 10)}))
    alone, both = Network().plan(labelled()), Network().plan(labelled(), wide)
    np.testing.assert_array_equal(alone.preparation.mean, both.preparation.mean)
    assert both.task.measure == "log_loss"


def test_numbers_are_standardised_and_measured_in_their_units() -> None:
    data = valued()
    assert data.targets is not None
    plan = Network(net="linear").plan(data, valued(10, seed=1))
    values = data.targets.values
    y = plan.batches.tensors[-1].double().numpy()
    np.testing.assert_allclose(y, (values - values.mean()) / values.std(), atol=1e-6)
    outputs, truth = torch.tensor([[0.5], [-1.0]]), torch.tensor([0.0, 1.0])
    found = plan._measure_values(outputs, truth)
    errors = np.array([0.5, -2.0]) * values.std()
    assert found["rmse"] == pytest.approx(np.sqrt((errors**2).mean()))
    assert found["r2"] == pytest.approx(1 - 4.25 / 0.5)


def test_classes_are_measured_from_logits() -> None:
    logits = np.array([[2.0, 0.0, -1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 3.0]])
    truth = np.array([0, 2, 1])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = measure_classes(torch.tensor(logits), torch.tensor(truth))
    assert found["log_loss"] == pytest.approx(-np.log(p[np.arange(3), truth]).mean())
    assert found["accuracy"] == pytest.approx(1 / 3)
    assert set(found) < set(JUDGES)


def test_validation_labels_are_coded_as_the_training_labels() -> None:
    train = table(9, ["a", "b", "c"] * 3)
    check = table(4, ["b", "c", "c", "b"])  # its own codes are 0 and 1
    plan = Network(net="linear").plan(train, check)
    assert plan.task.validation is not None
    assert plan.task.validation[-1].tolist() == [1, 2, 2, 1]


def test_classes_that_count_alike_weigh_by_their_number() -> None:
    data = table(20, ["often"] * 16 + ["seldom"] * 4)
    even = Network(net="linear", class_weights="balanced").plan(data).task
    plain = Network(net="linear").plan(data).task
    zero = torch.zeros(20, 2)
    zero[:, 0] = 1.0
    y = torch.tensor([0] * 16 + [1] * 4)
    each = -torch.log_softmax(zero, 1)[[0, 0], [0, 1]]
    assert float(plain.loss_of(zero, y)) == pytest.approx(float((16 * each[0] + 4 * each[1]) / 20))
    assert float(even.loss_of(zero, y)) == pytest.approx(float((each[0] + each[1]) / 2))


@pytest.mark.parametrize(
    ("data", "settings", "error", "said"),
    [
        (table(), {}, DataError, "have no labels"),
        (table(4, ["a"] * 4), {}, DataError, "all 4 examples are of class 'a'"),
        (table(4, Targets.of_values([2.0] * 4)), {}, DataError, "all 4 targets are 2"),
        (table(2, Targets.of_values([0.0, 5e-324])), {}, DataError, "beyond what can be standardised"),
        (labelled(), {"batch_size": 21}, ConfigError, "batch_size is 21, but the training data hold 20"),
        (labelled(), {"net": "gru"}, ConfigError, "GRU takes sequence or tokens, not features"),
        (labelled(), {"net": "lenet5"}, ConfigError, "takes image, not features"),
        (labelled(), {"augment": "shift"}, ConfigError, "not for tables"),
        (labelled(), {"patience": 2}, ConfigError, "there is none"),
        (labelled(), {"judge": "accuracy"}, ConfigError, "there is none"),
        (labelled(), {"judge": "rmse"}, ConfigError, "use log_loss or accuracy"),
        (labelled(), {"loss": "huber"}, ConfigError, "use cross_entropy"),
        (valued(), {"loss": "cross_entropy"}, ConfigError, "use mse or huber"),
        (valued(), {"label_smoothing": 0.1}, ConfigError, "label_smoothing is for classes"),
        (valued(), {"class_weights": "balanced"}, ConfigError, "class_weights are for classes"),
    ],
)
def test_misfits_are_refused(
    data: Table, settings: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Plan(Network(**settings), data, None)


def test_all_misfits_of_one_recipe_are_told_at_once() -> None:
    recipe = Network(loss="cross_entropy", judge="accuracy", label_smoothing=0.1, class_weights="balanced")
    with pytest.raises(ConfigError) as error:
        recipe.plan(valued(), valued())
    assert len(error.value.what.splitlines()) == 4


@pytest.mark.parametrize(
    ("train", "check", "said"),
    [
        (labelled(), table(2, ["yes", "perhaps"]), r"outside the 2 known classes: 'perhaps' \(1 examples\)"),
        (labelled(), valued(), "these targets are numbers"),
        (
            valued(),
            labelled(),
            "the training targets are numbers, but those of the validation data are classes",
        ),
        (labelled(), table(3), "have no labels"),
    ],
)
def test_a_validation_part_of_another_kind_is_refused(train: Table, check: Table, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Network().plan(train, check)


def test_a_validation_part_of_another_form_is_refused() -> None:
    train = Sequences.of([[1.0, 2.0], [2.0, 1.0]], ["a", "b"])
    check = Sequences.of([np.zeros((2, 3))], ["a"])
    with pytest.raises(DataError, match="numbers of 3 channels"):
        Network().plan(train, check)


def test_the_usual_net_of_the_data_is_taken() -> None:
    assert type(Network().plan(labelled()).spec).__name__ == "MLP"
    words = Sequences.of(["ab", "c"] * 3, ["x", "y"] * 3)
    plan = Network().plan(words)
    assert plan.inputs.kind == "tokens"
    model = plan.model({}, plan.model({}, None).history)  # pyright: ignore[reportArgumentType]
    assert model.net == plan.model({}, None).net  # pyright: ignore[reportArgumentType]
    assert model.training["batch_size"] == 6


def test_numbers_that_are_none_or_alike_are_refused() -> None:
    refuse_alike(np.array([1.0, 1.0 + 1e-15]), "here")
    with pytest.raises(DataError, match="no examples"):
        refuse_alike(np.zeros(0), "here")


def test_outputs_of_any_shape_are_looked_at() -> None:
    refuse_infinite(torch.zeros(3, 2, 2))
    bad = torch.zeros(3, 2, 2)
    bad[1, 1, 0] = torch.inf
    with pytest.raises(Diverged, match="for 1 of 3"):
        refuse_infinite(bad)


# what would fail later is refused before anything runs


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (dict(net="mlp", settings={"norm": "batch"}, batch_size=1), "one example at a time"),
        (dict(net="mlp", settings={"norm": "batch"}, batch_size=8, accumulate=8), "one example at a time"),
        (dict(net="mlp", optimizer="gd", batch_size=4), "one step on all examples"),
    ],
)
def test_what_would_fail_at_the_first_step_is_refused_now(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Network(**settings).plan(labelled())


def test_a_net_that_answers_every_step_is_refused_for_one_target_each() -> None:
    waves = Sequences.of(np.zeros((6, 4)) + np.arange(6)[:, None], ["a", "b"] * 3)
    with pytest.raises(ConfigError, match="output='steps'"):
        Network(net="gru", settings={"output": "steps"}).plan(waves)


def test_a_network_is_tried_on_the_longest_example_of_a_part_and_stays_as_it_was() -> None:
    def waves(longest: int) -> Sequences:
        return Sequences.of([np.arange(3.0), np.arange(float(longest))] * 3, ["a", "b"] * 3)

    plan = Network(net="transformer", settings={"positions": "learned", "max_length": 10}).plan(waves(8))
    before = {name: p.clone() for name, p in plan.module.named_parameters()}
    plan.try_on(plan.preparation.apply(waves(10)))  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match="10"):
        plan.try_on(plan.preparation.apply(waves(11)))  # pyright: ignore[reportArgumentType]
    assert all(torch.equal(p, before[name]) for name, p in plan.module.named_parameters())
    assert plan.module.training


@pytest.mark.parametrize(
    "part", [Sequences.of(np.zeros((2, 3)), ["no", "yes"]), labelled().take(np.arange(0))]
)
def test_validation_data_of_another_kind_or_none_are_refused(part: Any) -> None:
    with pytest.raises(DataError, match="the training data are table data"):
        Network().plan(labelled(), part)


def test_the_rate_that_is_used_is_kept_with_the_model() -> None:
    assert Network(epochs=1).fit(labelled()).training["learning_rate"] == 1e-3  # adam's own
    assert Network(epochs=1, learning_rate=0.5).fit(labelled()).training["learning_rate"] == 0.5
