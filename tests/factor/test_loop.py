"""The loop: when it ends, what it keeps, what it refuses, and that a killed fit goes on to the same bits."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from by_hand.states import arrays_equal

from matweave.errors import ConfigError, DataError, Diverged
from matweave.factor.loop import FitState, History, Validation, iterate
from matweave.randomness import child


def fit(
    *,
    objective: Callable[[int], float] = lambda e: 1.0 / (e + 1),
    epochs: int = 8,
    in_place: bool = True,
    during: Callable[[int], object] = lambda e: None,
    **more: Any,
) -> Any:
    """A method whose arrays depend on every epoch before; epoch e is seeded by e, as in a real one."""

    def start() -> dict[str, np.ndarray]:
        return {"x": np.ones(4), "count": np.zeros(1, np.int64)}

    def epoch(e: int, arrays: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], float]:
        if not in_place:
            arrays = {name: array.copy() for name, array in arrays.items()}
        arrays["x"] *= 0.9
        arrays["x"] += child(3, e).standard_normal(4)
        during(e)
        arrays["count"] += 1
        return arrays, objective(e)

    def model(arrays: dict[str, np.ndarray], history: History) -> Any:
        return SimpleNamespace(arrays={n: a.copy() for n, a in arrays.items()}, history=history)

    return iterate(method="Toy", start=start, epoch=epoch, model=model, epochs=epochs, **more)


def copied(state: FitState) -> FitState:
    def copies(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: array.copy() for name, array in arrays.items()}

    return replace(state, arrays=copies(state.arrays), best_arrays=copies(state.best_arrays))


def epochs_of(model: Any) -> int:
    return int(model.arrays["count"][0])


def peak_at(best: int) -> Callable[[Any], float]:
    """A measure that is highest after epoch `best`."""
    return lambda model: -abs(epochs_of(model) - best)


# ending


def test_all_epochs_without_a_reason_to_stop() -> None:
    model = fit()
    assert epochs_of(model) == 8
    assert model.history.objective == tuple(1.0 / (e + 1) for e in range(8))
    assert (model.history.stopped, model.history.epoch) == ("epochs", 8)
    assert model.history.validation == ()
    assert model.history.seconds > 0


@pytest.mark.parametrize(("tolerance", "epochs"), [(0.0, 8), (0.099, 8), (0.1, 3), (0.49, 3), (0.5, 2)])
def test_tolerance_is_relative_to_the_last_value(tolerance: float, epochs: int) -> None:
    values = [100.0, 50.0, 45.0, 25.0, 12.0, 6.0, 3.0, 1.5]
    model = fit(objective=lambda e: values[e], tolerance=tolerance)
    assert epochs_of(model) == epochs
    assert model.history.stopped == ("epochs" if epochs == 8 else "tolerance")


def test_a_flat_objective_of_zero_ends_by_tolerance() -> None:
    assert epochs_of(fit(objective=lambda e: 0.0, tolerance=1e-9)) == 2


def test_a_rise_is_not_flat() -> None:
    values = [1.0, 2.0, 1.999]
    assert epochs_of(fit(objective=lambda e: values[min(e, 2)], tolerance=1e-3)) == 3


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1001.0])
def test_divergence_is_an_error_with_the_trail_and_the_mend(bad: float) -> None:
    with pytest.raises(Diverged) as error:
        fit(objective=lambda e: bad if e == 2 else 1.0, mend="halve the rate")
    assert "Toy diverged in epoch 3" in error.value.what
    assert f"1, 1, {bad:.4g}" in error.value.what
    assert error.value.mend == "halve the rate"


def test_growth_below_a_thousandfold_is_let_be() -> None:
    assert epochs_of(fit(objective=lambda e: 1.0 if e == 0 else 999.0)) == 8
    assert epochs_of(fit(objective=lambda e: -5.0 - e)) == 8


def test_a_first_value_of_nothing_is_measured_by_the_rounding() -> None:
    assert epochs_of(fit(objective=lambda e: 5e-10 * (e > 0), rounding=1e-11)) == 8
    with pytest.raises(Diverged):
        fit(objective=lambda e: 5e-10 * (e > 0), rounding=1e-13)


def test_overflow_on_the_way_is_told_as_divergence_and_not_as_a_warning() -> None:
    with pytest.raises(Diverged, match="inf"):
        fit(objective=lambda e: float(np.float32(1e30) * np.float32(1e30)) if e == 1 else 1.0)


def test_divergence_in_the_first_epoch() -> None:
    with pytest.raises(Diverged, match="epoch 1"):
        fit(objective=lambda e: math.nan)


# validation


@pytest.mark.parametrize("in_place", [True, False])
def test_early_stopping_keeps_the_best(in_place: bool) -> None:
    model = fit(in_place=in_place, validate=Validation(measure=peak_at(3), patience=2, name="ndcg"))
    assert epochs_of(model) == 3
    assert arrays_equal(model.arrays, fit(epochs=3).arrays)
    history = model.history
    assert (history.stopped, history.epoch, history.validation_name) == ("early stopping", 3, "ndcg")
    assert history.validation == ((1, -2.0), (2, -1.0), (3, 0.0), (4, -1.0), (5, -2.0))
    assert len(history.objective) == 5


def test_looks_every_few_epochs_and_patience_counts_looks() -> None:
    model = fit(epochs=20, validate=Validation(measure=peak_at(4), patience=3, every=2))
    assert [e for e, _ in model.history.validation] == [2, 4, 6, 8, 10]
    assert model.history.epoch == 4


def test_an_equal_score_is_no_new_best() -> None:
    model = fit(validate=Validation(measure=lambda m: 1.0, patience=3))
    assert (model.history.epoch, len(model.history.objective)) == (1, 4)


def test_the_best_is_kept_where_the_epochs_run_out() -> None:
    model = fit(epochs=5, validate=Validation(measure=peak_at(4), patience=3))
    assert (epochs_of(model), model.history.stopped) == (4, "epochs")


def test_no_look_yet_keeps_the_last() -> None:
    model = fit(epochs=2, validate=Validation(measure=peak_at(1), every=5))
    assert (epochs_of(model), model.history.validation) == (2, ())


def test_a_measure_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(DataError, match="ndcg is not a number after epoch 1"):
        fit(validate=Validation(measure=lambda m: math.nan, name="ndcg"))


def test_validation_checks_its_settings() -> None:
    with pytest.raises(ConfigError) as error:
        Validation(measure=peak_at(1), patience=0, every=0)
    assert error.value.what.count("\n") == 1


# watching and resuming


def test_the_watcher_sees_every_epoch_and_may_stop() -> None:
    seen: list[tuple[int, int]] = []

    def watch(state: FitState, epochs: int) -> bool:
        seen.append((state.epoch, epochs))
        return state.epoch == 3

    model = fit(watch=watch)
    assert seen == [(1, 8), (2, 8), (3, 8)]
    assert (model.history.stopped, epochs_of(model)) == ("interrupted", 3)


VALIDATIONS = {
    "none": None,
    "stops": Validation(measure=peak_at(3), patience=2),
    "runs out": Validation(measure=peak_at(6), patience=4, every=2),
}


@pytest.mark.parametrize("validate", VALIDATIONS.values(), ids=list(VALIDATIONS))
@pytest.mark.parametrize("tolerance", [0.0, 0.19])
@pytest.mark.parametrize("in_place", [True, False])
def test_a_fit_resumed_from_any_epoch_is_the_unbroken_one(
    validate: Validation | None, tolerance: float, in_place: bool
) -> None:
    states: list[FitState] = []
    settings = {"validate": validate, "tolerance": tolerance, "in_place": in_place}
    whole = fit(watch=lambda state, _: states.append(copied(state)), **settings)
    assert len(states) == len(whole.history.objective)
    for state in states:
        before = copied(state)
        resumed = fit(resume=state, **settings)
        assert arrays_equal(whole.arrays, resumed.arrays)
        assert replace(whole.history, seconds=0.0) == replace(resumed.history, seconds=0.0)
        assert resumed.history.seconds >= state.seconds
        assert arrays_equal(state.arrays, before.arrays)  # the caller's state is not written to


def test_a_state_beyond_the_epochs_is_answered_as_it_is() -> None:
    states: list[FitState] = []
    fit(watch=lambda state, _: states.append(copied(state)))
    model = fit(epochs=2, resume=states[-1])
    assert (epochs_of(model), model.history.epoch) == (8, 8)


# Ctrl-C


@pytest.fixture
def handler() -> Iterator[Any]:
    """A handler of the caller's own, which every fit must give back."""

    def mine(number: int, frame: object) -> None:
        raise AssertionError("the caller's handler was called during a fit")

    before = signal.signal(signal.SIGINT, mine)
    yield mine
    signal.signal(signal.SIGINT, before)


def press(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


def test_ctrl_c_keeps_the_last_whole_epoch_and_tells_the_watcher_first(handler: Any) -> None:
    seen: list[int] = []
    model = fit(during=lambda e: press() if e == 2 else None, watch=lambda state, _: seen.append(state.epoch))
    assert arrays_equal(model.arrays, fit(epochs=3).arrays)
    assert model.history.stopped == "interrupted"
    assert seen == [1, 2, 3]  # a checkpoint holds the last epoch
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_keeps_the_best_where_there_is_validation(handler: Any) -> None:
    validate = Validation(measure=peak_at(2), patience=9)
    model = fit(during=lambda e: press() if e == 4 else None, validate=validate)
    assert (model.history.epoch, epochs_of(model), len(model.history.objective)) == (2, 2, 5)


def test_a_second_ctrl_c_raises_at_once(handler: Any) -> None:
    later: list[int] = []

    def during(e: int) -> None:
        if e == 1:
            press()
            press()
            later.append(e)

    with pytest.raises(KeyboardInterrupt):
        fit(during=during)
    assert later == []
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_handler_is_given_back_after_an_error(handler: Any) -> None:
    with pytest.raises(Diverged):
        fit(objective=lambda e: math.nan)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_fit_on_another_thread_leaves_signals_alone() -> None:
    found: list[Any] = []
    worker = threading.Thread(target=lambda: found.append(fit()))
    worker.start()
    worker.join()
    assert epochs_of(found[0]) == 8


def test_arrays_equal_asks_for_bits() -> None:
    a = {"x": np.array([0.0, np.nan])}
    assert arrays_equal(a, {"x": np.array([0.0, np.nan])})
    assert not arrays_equal(a, {"x": np.array([-0.0, np.nan])})
    assert not arrays_equal(a, {"y": a["x"]})
    assert not arrays_equal(a, {})
    assert not arrays_equal(a, {"x": a["x"][:1]})
