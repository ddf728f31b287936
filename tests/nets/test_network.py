"""The recipe of a network: planted truth, the same numbers from any checkpoint, the best epoch kept, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from matweave.data.images import Images
from matweave.data.sequences import Sequences
from matweave.data.tables import Table
from matweave.data.targets import Targets
from matweave.deep import torch
from matweave.errors import ConfigError, Diverged
from matweave.metrics.classification import accuracy, log_loss
from matweave.metrics.regression import rmse
from matweave.nets.network import Network
from matweave.train.checkpoints import TrainState
from matweave.train.rules import Accumulated, Clipped, Plain
from matweave.train.watchers import Every, Moment, Stop


def table(
    n: int = 60, *, numbers: bool = False, seed: int = 0, names: tuple[str, str] = ("up", "down")
) -> Table:
    """Two columns; the first decides the class, and both the number."""
    a, b = np.random.default_rng(seed).normal(size=(2, n))
    y = (
        Targets.of_values(2 * a - b + 3)
        if numbers
        else Targets.of_labels([names[0] if v > 0 else names[1] for v in a])
    )
    return Table(features=pa.table({"a": a, "b": b}), targets=y)


def same_weights(a: Any, b: Any) -> bool:
    return list(a.weights) == list(b.weights) and all(
        a.weights[n].tobytes() == b.weights[n].tobytes() for n in a.weights
    )


def test_a_planted_line_is_found() -> None:
    model = Network(net="linear", optimizer="gd", learning_rate=0.3, schedule="constant", epochs=60).fit(
        table(numbers=True)
    )
    new = table(numbers=True, seed=9)
    assert new.targets is not None
    np.testing.assert_allclose(model.predict(new), new.targets.values, atol=1e-3)


def test_planted_classes_are_found_and_new_names_change_names_alone() -> None:
    recipe = Network(net="linear", learning_rate=0.1, epochs=20)
    first = recipe.fit(table())
    second = recipe.fit(table(names=("z", "y")))  # the order of the classes stays
    new = table(seed=9)
    assert new.targets is not None
    assert accuracy(first.probabilities(new), new.targets.values) >= 0.95
    assert same_weights(first, second)
    assert [{"up": "z", "down": "y"}[label] for label in first.predict(new)] == second.predict(new).tolist()


def test_numbers_in_other_units_are_learned_alike() -> None:
    one = table(numbers=True)
    assert one.targets is not None
    other = replace(one, targets=Targets.of_values(1e6 * one.targets.values - 7e5))
    recipe = Network(net="mlp", epochs=3, batch_size=16)
    np.testing.assert_allclose(
        recipe.fit(other).predict(one), 1e6 * recipe.fit(one).predict(one) - 7e5, rtol=1e-4
    )


def test_a_seed_is_all_that_training_depends_on() -> None:
    recipe = Network(net="mlp", settings={"dropout": 0.3}, epochs=2, batch_size=16)
    torch.manual_seed(1)
    first = recipe.fit(table())
    drawn = torch.rand(1)
    torch.manual_seed(2)
    assert same_weights(first, recipe.fit(table()))
    assert not same_weights(first, replace(recipe, seed=1).fit(table()))
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), drawn)  # the caller's draws are where they were


@pytest.mark.parametrize("judge", ["log_loss", "accuracy", "rmse"])
def test_the_best_epoch_is_kept(judge: str) -> None:
    train, check = table(40, numbers=judge == "rmse"), table(20, numbers=judge == "rmse", seed=4)
    recipe = Network(
        net="linear",
        optimizer="sgd",
        learning_rate=0.9 if judge == "rmse" else 3.0,  # too large, so that the last epoch is not the best
        schedule="constant",
        judge=judge,
        epochs=6,
        batch_size=4,
    )
    model = recipe.fit(train, validation=check)
    past = model.history
    values = [epoch.measures[judge] for epoch in past.epochs]
    best = max(values) if judge == "accuracy" else min(values)
    assert past.best == best
    assert past.best_epoch == values.index(best) + 1
    assert best != values[-1] or judge == "accuracy"  # else this shows nothing
    assert check.targets is not None
    if judge == "rmse":
        found = rmse(model.predict(check), check.targets.values)
    else:
        found = {"log_loss": log_loss, "accuracy": accuracy}[judge](
            model.probabilities(check), check.targets.values
        )
    assert found == pytest.approx(best, rel=1e-5)


def test_without_validation_the_last_epoch_is_kept() -> None:
    model = Network(net="linear", epochs=3).fit(table())
    assert (model.history.best_epoch, model.history.measure, model.history.stopped) == (3, "", "epochs")
    assert all(epoch.measures == {} for epoch in model.history.epochs)


def test_patience_stops_early() -> None:
    recipe = Network(
        net="linear", optimizer="sgd", learning_rate=30.0, schedule="constant", epochs=50, patience=2
    )
    past = recipe.fit(table(40), validation=table(20, seed=4)).history
    assert past.stopped == "early stopping"
    assert len(past.epochs) == past.best_epoch + 2


def images(n: int = 24) -> Images:
    rng = np.random.default_rng(5)
    return Images.of(rng.integers(0, 256, (n, 6, 6)).astype(np.uint8), ["a", "b", "c"] * (n // 3))


def texts(n: int = 24) -> Sequences:
    return Sequences.of(["ab" * (1 + i % 3) + "xyz"[i % 3] for i in range(n)], ["a", "b", "c"] * (n // 3))


RESUMED = {
    "table": (table(32), dict(net="mlp", settings={"dropout": 0.2}, optimizer="momentum")),
    "images": (images(), dict(net="cnn", augment="shift,mixup", optimizer="muon")),
    "texts": (texts(), dict(net="gru", optimizer="adam", accumulate=2, clip=1.0)),
}


@pytest.mark.parametrize("kind", RESUMED)
def test_from_any_checkpoint_to_the_same_bits(kind: str) -> None:
    data, settings = RESUMED[kind]
    recipe = Network(**settings, epochs=2, batch_size=8)
    check = data.take(np.arange(6))
    states: list[TrainState] = []
    whole = recipe.fit(data, validation=check, watchers=[Every(steps=1)], store=states.append)
    assert len(states) > 4
    for state in states[:: len(states) - 2]:
        again = recipe.fit(data, validation=check, resume=state)
        assert same_weights(whole, again), state.step
        assert again.history.best_epoch == whole.history.best_epoch
        assert [e.loss for e in again.history.epochs] == [e.loss for e in whole.history.epochs]


def test_a_best_epoch_before_the_break_is_kept() -> None:
    train, check = table(40, numbers=True), table(20, numbers=True, seed=4)
    recipe = Network(
        net="linear", optimizer="sgd", learning_rate=0.9, schedule="constant", epochs=4, batch_size=4
    )
    states: list[TrainState] = []
    whole = recipe.fit(train, validation=check, watchers=[Every()], store=states.append)
    assert whole.history.best_epoch == 1  # the rate is too large
    again = recipe.fit(train, validation=check, resume=states[2])
    assert again.history.best_epoch == 1
    assert same_weights(whole, again)


def test_a_watcher_is_heard() -> None:
    class Enough:
        each_step = False

        def __call__(self, moment: Moment) -> Stop | None:
            return Stop("enough") if moment.epoch == 2 else None

    past = Network(net="linear", epochs=9).fit(table(), watchers=[Enough()]).history
    assert (past.stopped, len(past.epochs)) == ("enough", 2)


def test_the_rule_follows_from_the_settings() -> None:
    assert Network().rule() == Plain()
    assert Network(clip=2.0).rule() == Clipped(norm=2.0, rule=Plain())
    assert Network(accumulate=3).rule() == Accumulated(pieces=3)
    assert Network(clip=2.0, accumulate=3).rule() == Clipped(norm=2.0, rule=Accumulated(pieces=3))


def test_pieces_of_a_batch_are_the_batch() -> None:
    recipe = Network(net="mlp", optimizer="sgd", epochs=2, batch_size=12)
    one, three = recipe.fit(table()), replace(recipe, accumulate=3).fit(table())
    for name, weight in one.weights.items():
        np.testing.assert_allclose(three.weights[name], weight, atol=1e-5)


def test_settings_that_are_wrong_are_all_named() -> None:
    with pytest.raises(ConfigError) as error:
        Network(optimizer="adma", epochs=0, valid=1, settings=3)  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert "did you mean" in error.value.what
    with pytest.raises(ConfigError) as error:
        Network(optimizer="adma", epochs=0, settings=3, label_smoothing=1.0, seed=-1)  # pyright: ignore[reportArgumentType]
    for name in ("optimizer", "epochs", "settings", "label_smoothing", "seed"):
        assert f"{name} is" in error.value.what
    with pytest.raises(ConfigError, match="did you mean 'mlp'"):
        Network(net="mlpp")
    with pytest.raises(ConfigError, match="unknown setting 'hiden'"):
        Network(net="mlp", settings={"hiden": (3,)})
    assert Network(net="MLP".lower()).net == "mlp"


def test_a_fingerprint_tells_every_run_that_would_go_another_way() -> None:
    data, recipe = table(12), Network(net="mlp")
    assert data.targets is not None
    marks = {
        "the run": recipe.fingerprint(data),
        "a setting": replace(recipe, epochs=3).fingerprint(data),
        "of the net": replace(recipe, settings={"dropout": 0.1}).fingerprint(data),
        "the seed": replace(recipe, seed=1).fingerprint(data),
        "a validation part": recipe.fingerprint(data, data),
        "another example": recipe.fingerprint(table(12, seed=1)),
        "order": recipe.fingerprint(data.take(np.arange(12)[::-1])),
        "a label": recipe.fingerprint(
            replace(data, targets=replace(data.targets, values=data.targets.values[::-1].copy()))
        ),
        "a name": recipe.fingerprint(table(12, names=("z", "down"))),
        "columns": recipe.fingerprint(replace(data, features=data.features.select(["b", "a"]))),
        "text": recipe.fingerprint(texts(3)),
        "more characters elsewhere": recipe.fingerprint(
            replace(texts(3), alphabet=(*(texts(3).alphabet or ()), "ż"))
        ),
    }
    assert len(set(marks.values())) == len(marks)
    assert marks["the run"] == Network(net="mlp").fingerprint(table(12))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (dict(learning_rate=1e30, epochs=3), "the loss is not a finite number at step 2"),
        (dict(learning_rate=1e38, epochs=1), "after the last step"),
    ],
)
def test_what_diverged_is_no_model(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(Diverged, match=said) as error:
        Network(net="mlp", optimizer="sgd", **settings).fit(table(40, numbers=True))
    assert "lower learning_rate" in error.value.mend


def test_validation_outputs_that_are_not_finite_stop_training() -> None:
    with pytest.raises(Diverged, match=r"not finite for \d+ of 20 validation examples"):
        Network(net="mlp", optimizer="sgd", learning_rate=1e38, epochs=1).fit(
            table(40, numbers=True), validation=table(20, numbers=True, seed=1)
        )
