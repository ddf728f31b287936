"""From the loop to what `fit` promises: the best look kept, patience, stopping, resuming to the same bits, Ctrl-C."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matweave.config import settings_of
from matweave.data.interactions import Interactions
from matweave.data.simulate import simulate_log
from matweave.deep import nn, seeded, torch
from matweave.errors import ArtifactError, DataError, Diverged
from matweave.factor.checkpoint import Checkpoint, fingerprint
from matweave.factor.fold import ProjectionFold
from matweave.factor.forms import FactorModel
from matweave.factor.loop import FitState, History, Validation
from matweave.neural.fitting import Course, fit_state, history_of, train, train_state
from matweave.train.batches import InMemory
from matweave.train.history import Epoch, TrainHistory
from matweave.train.task import Batch
from matweave.train.watchers import Moment, Rate

LOG = simulate_log(users=30, items=20, rank=2, interactions=200, newcomers=0, seed=1).log


class Dot(nn.Module):
    """User and item vectors, with dropout so that draws matter."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(LOG.n_users, 3), nn.Embedding(LOG.n_items, 3)
        self.drop = nn.Dropout(0.3)


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A recipe with all that `train` asks of one; `lives` counts the forms frozen within training."""

    epochs: int = 6
    batch_size: int = 64
    learning_rate: float = 0.05
    weight_decay: float = 0.0
    optimizer: str = "adam"
    device: str = "cpu"
    seed: int = 0

    def course(self, lives: list[History] | None = None, log: Interactions = LOG, **more: Any) -> Course:
        with seeded(self.seed, "weights"):
            module = Dot()

        def freeze(history: History, *, live: bool) -> FactorModel:
            if live and lives is not None:
                lives.append(history)
            return FactorModel(
                method="Toy",
                settings=settings_of(self),
                users=log.users,
                items=log.items,
                seen=log.by_user,
                history=history,
                user_factors=module.users.weight.detach().numpy().copy(),
                item_factors=module.items.weight.detach().numpy().copy(),
                fold=ProjectionFold(),
            )

        def loss(batch: Batch) -> torch.Tensor:
            users, items, values = batch
            return ((module.drop(module.users(users)) * module.items(items)).sum(1) - values).square().mean()

        tensors = [torch.from_numpy(a.astype(np.int64)) for a in (log.user_codes, log.item_codes)]
        batches = InMemory(
            [*tensors, torch.ones(len(log))], batch_size=min(self.batch_size, len(log)), seed=self.seed
        )
        return Course(module=module, loss=loss, batches=batches, freeze=freeze, **more)

    def fit(self, lives: list[History] | None = None, **more: Any) -> FactorModel:
        own = {k: more.pop(k) for k in ("watchers",) if k in more}
        found = train(self, self.course(lives, **own), **more)
        assert isinstance(found, FactorModel)
        return found


def bits(model: FactorModel) -> bytes:
    told = repr(replace(model.history, seconds=0.0)).encode()
    return model.user_factors.tobytes() + model.item_factors.tobytes() + told


def weights(model: FactorModel) -> bytes:
    return model.user_factors.tobytes() + model.item_factors.tobytes()


def planted(values: dict[int, float], **more: Any) -> Validation:
    """A measure that says what is planted for each epoch."""
    return Validation(measure=lambda model: values[model.history.epoch], name="planted", **more)


def up_to(epochs: int) -> bytes:
    return weights(replace(Toy(), epochs=epochs).fit())


# without anything, and with looks


def test_the_last_weights_are_kept_and_the_objective_is_the_loss_of_each_epoch() -> None:
    model = Toy().fit()
    history = model.history
    assert (history.stopped, history.epoch, history.validation, history.validation_name) == (
        "epochs",
        6,
        (),
        "",
    )
    assert len(history.objective) == 6
    assert history.objective[-1] < history.objective[0]
    assert weights(model) == up_to(6)


@pytest.mark.parametrize(
    ("every", "values", "best"),
    [
        (1, {1: 0.1, 2: 0.5, 3: 0.4, 4: 0.3, 5: 0.5, 6: 0.2}, 2),
        (2, {2: 0.1, 4: 0.5, 6: 0.4}, 4),
        (3, {3: -5.0, 6: -7.0}, 3),
        (4, {4: -9.0}, 4),
        (5, {5: -math.inf}, 5),
    ],
)
def test_the_best_look_is_kept(every: int, values: dict[int, float], best: int) -> None:
    lives: list[History] = []
    model = Toy().fit(lives, validate=planted(values, every=every, patience=9))
    assert model.history.validation == tuple(values.items())
    assert (model.history.epoch, model.history.stopped) == (best, "epochs")
    assert weights(model) == up_to(best)
    assert [h.epoch for h in lives] == list(values)  # looked at as often as asked, and no oftener
    assert [len(h.objective) for h in lives] == list(values)


def test_without_a_look_the_last_weights_are_kept() -> None:
    model = Toy().fit(validate=planted({}, every=7))
    assert (model.history.epoch, model.history.validation, model.history.stopped) == (6, (), "epochs")
    assert weights(model) == up_to(6)


@pytest.mark.parametrize(
    ("every", "patience", "values", "end"),
    [
        (1, 1, [3.0, 2.0], 2),
        (1, 2, [1.0, 3.0, 2.0, 3.0], 4),  # an equal is not better
        (2, 1, [3.0, 2.0], 4),
        (2, 2, [3.0, 2.0, 1.0], 6),
        (3, 2, [1.0, 2.0], 6),
    ],
)
def test_patience_counts_looks(every: int, patience: int, values: list[float], end: int) -> None:
    looks = {every * (i + 1): v for i, v in enumerate(values)}
    model = Toy().fit(validate=planted(looks, every=every, patience=patience))
    late = end // every - [*values].index(max(values)) - 1 >= patience
    assert model.history.stopped == ("early stopping" if late else "epochs")
    assert len(model.history.objective) == end


def test_a_look_does_not_change_training() -> None:
    seen: list[bytes] = []

    def draws(model: FactorModel) -> float:
        seen.append(weights(model))
        torch.rand(100)  # a measure may draw
        return float(len(seen))

    model = Toy().fit(validate=Validation(measure=draws))
    assert weights(model) == up_to(6)
    assert seen == [up_to(e) for e in range(1, 7)]


def test_a_measure_that_is_not_a_number_is_told() -> None:
    with pytest.raises(DataError, match="planted is not a number after epoch 2"):
        Toy().fit(validate=planted({1: 0.0, 2: math.nan}))


# watching and going on


def test_a_watcher_sees_every_epoch_and_stops_training() -> None:
    seen: list[tuple[int, int, int]] = []

    def watch(state: FitState, epochs: int) -> bool:
        seen.append((state.epoch, len(state.objective), epochs))
        return state.epoch == 3

    model = Toy().fit(watch=watch)
    assert seen == [(1, 1, 6), (2, 2, 6), (3, 3, 6)]
    assert (model.history.stopped, model.history.epoch) == ("interrupted", 3)
    assert weights(model) == up_to(3)


def killed(tmp_path: Path, recipe: Toy, stop: int, **more: Any) -> FitState:
    """A state after epoch `stop`, through a folder."""
    kept = Checkpoint(folder=tmp_path / "checkpoint", fingerprint=fingerprint(recipe, LOG))
    recipe.fit(watch=lambda state, _: kept.write(state) or state.epoch == stop, **more)
    return kept.read()


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("every", [0, 1, 2])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_killed_fit_goes_on_from_disk_to_the_same_bits(
    tmp_path: Path, stop: int, every: int, optimizer: str
) -> None:
    recipe = Toy(optimizer=optimizer)
    values = {1: 0.5, 2: 0.9, 3: 0.2, 4: 0.3, 5: 0.1, 6: 0.05}
    more: dict[str, Any] = {"validate": planted(values, every=every, patience=2)} if every else {}
    state = killed(tmp_path, recipe, stop, **more)
    wanted = recipe.fit(**more)
    assert bits(recipe.fit(resume=state, **more)) == bits(wanted)
    watched = recipe.fit(resume=state, watch=lambda state, _: None, **more)  # watched otherwise than before
    assert bits(watched) == bits(wanted)


def test_the_callers_state_is_not_written_to(tmp_path: Path) -> None:
    state = killed(tmp_path, Toy(), 2)
    before = {n: a.copy() for n, a in state.arrays.items()}
    Toy().fit(resume=state)
    assert all(np.array_equal(a, state.arrays[n]) for n, a in before.items())


class Halved:
    """A course's own watcher: half the rate from the third epoch on."""

    each_step = False

    def __call__(self, moment: Moment) -> Rate | None:
        return Rate(0.5) if (moment.at, moment.epoch) == ("epoch", 2) else None


def test_a_rate_that_was_lowered_stays_so_when_watched_otherwise(tmp_path: Path) -> None:
    state = killed(tmp_path, Toy(), 4, watchers=[Halved()])
    wanted = Toy().fit(watchers=[Halved()])
    assert weights(wanted) != up_to(6)
    assert bits(Toy().fit(resume=state, watchers=[Halved()])) == bits(wanted)


def ctrl_c_in(step: int) -> tuple[Callable[[Course], Course], list[int]]:
    """A course whose loss is interrupted once, at that step."""
    seen: list[int] = []

    def wrap(course: Course) -> Course:
        def loss(batch: Batch) -> torch.Tensor:
            seen.append(len(batch[0]))
            if len(seen) == step:
                signal.raise_signal(signal.SIGINT)
            return course.loss(batch)

        return replace(course, loss=loss)

    return wrap, seen


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("step", [2, 6, 8, 23])  # within the first epoch, the second, at an end, in the last
def test_ctrl_c_within_an_epoch_keeps_what_was_learned_and_goes_on(
    tmp_path: Path, step: int, validated: bool
) -> None:
    recipe, each = Toy(), -(-len(LOG) // 64)
    more: dict[str, Any] = {}
    if validated:
        more = {"validate": planted({1: 0.2, 2: 0.9, 3: 0.3, 4: 0.4, 5: 1.0, 6: 0.1}, patience=5)}
    kept = Checkpoint(folder=tmp_path / "checkpoint", fingerprint="f")
    wrap, seen = ctrl_c_in(step)
    stopped = train(recipe, wrap(recipe.course()), watch=lambda state, _: kept.write(state) or None, **more)
    assert stopped.history.stopped == "interrupted"
    assert len(stopped.history.objective) == step // each
    assert len(seen) == step
    wanted = recipe.fit(**more)
    wrap, seen = ctrl_c_in(0)
    found = train(recipe, wrap(recipe.course()), resume=kept.read(), **more)
    assert isinstance(found, FactorModel)
    assert bits(found) == bits(wanted)
    assert len(seen) == 6 * each - step  # from the step that was not taken, not from the epoch's first


# what is refused


def test_a_state_of_another_kind_of_model_is_refused() -> None:
    with pytest.raises(ArtifactError, match="another kind of model"):
        Toy().fit(resume=FitState(epoch=1, arrays={"user_factors": np.zeros(3)}))


def test_a_state_of_other_batches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="batch size"):
        Toy(batch_size=16).fit(resume=killed(tmp_path, Toy(), 2))


def test_a_rate_far_too_high_diverges_with_the_mend() -> None:
    with pytest.raises(Diverged) as error:
        Toy(learning_rate=1e30, optimizer="sgd").fit()
    assert "learning_rate" in error.value.mend


def test_a_course_without_examples_is_frozen_as_it_starts() -> None:
    class None_:
        examples = steps_per_epoch = 0

        def batch(self, epoch: int, at: int) -> Batch:
            raise AssertionError("there is none")

        def to(self, device: torch.device) -> None: ...

    course = replace(Toy().course(), batches=None_())
    model = train(Toy(), course, validate=planted({}))
    assert isinstance(model, FactorModel)
    assert model.history == History(stopped="epochs")
    assert weights(model) == course.freeze(History(), live=False).user_factors.tobytes() + (  # type: ignore[attr-defined]
        model.item_factors.tobytes()
    )


# the two kinds of state


def test_states_go_there_and_back() -> None:
    seen: list[FitState] = []
    check = planted({2: 0.5, 4: 0.25, 6: 0.1}, every=2, patience=9)
    Toy().fit(validate=check, watch=lambda state, _: seen.append(state))
    for state in seen:
        back = fit_state(train_state(state, check), check)
        assert {n: a.tobytes() for n, a in back.arrays.items()} == {
            n: a.tobytes() for n, a in state.arrays.items()
        }
        assert {n: a.tobytes() for n, a in back.best_arrays.items()} == {
            n: a.tobytes() for n, a in state.best_arrays.items()
        }
        assert replace(back, arrays={}, best_arrays={}) is not state
        assert (back.epoch, back.objective, back.validation, back.best_epoch, back.seconds) == (
            state.epoch,
            state.objective,
            state.validation,
            state.best_epoch,
            state.seconds,
        )
    assert [s.best_epoch for s in seen] == [0, 2, 2, 2, 2, 2]


def test_the_history_is_told_in_every_recipes_words() -> None:
    epochs = tuple(
        Epoch(epoch=e, step=3 * e, loss=1 / e, measures={"planted": -1.0 / e}, learning_rate=0.1, seconds=e)
        for e in (1, 2, 3, 4)
    )
    found = TrainHistory(
        epochs=epochs, stopped="early stopping", best_epoch=2, measure="planted", seconds=4.5
    )
    history = history_of(found, planted({}, every=2))
    assert history == History(
        objective=(1.0, 1 / 2, 1 / 3, 1 / 4),
        validation=((2, -1 / 2), (4, -1 / 4)),
        validation_name="planted",
        stopped="early stopping",
        epoch=2,
        seconds=4.5,
    )
    assert history_of(found, None).validation == ()
