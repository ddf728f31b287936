"""The book-keeping of a run, driven by hand: losses, epochs, the best weights, orders, and the state to go on from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from by_hand.states import arrays_equal
from by_hand.training import timeless

from matweave.deep import Tensor, nn, torch
from matweave.errors import ArtifactError, ConfigError, DataError
from matweave.train.batches import InMemory
from matweave.train.checkpoints import TrainState
from matweave.train.history import TrainHistory
from matweave.train.losses import make_loss
from matweave.train.optimizers import make_optimizer
from matweave.train.run import Run, arrays_of, is_better, load_arrays
from matweave.train.task import Supervised
from matweave.train.watchers import EarlyStop, Moment, Order, Rate, Save, Stop

CPU, ACCELERATOR = torch.device("cpu"), torch.device("meta")  # one whose losses are read sixteen at a time


class Gone(Exception):
    """What a run is told to raise where a loss is not finite; it holds the step."""


class Watch:
    """Notes every moment, and answers with a planted order."""

    def __init__(self, answer: Callable[[Moment], Order | None] = lambda m: None, *, each_step: bool = True):
        self.answer, self.each_step, self.seen = answer, each_step, list[Moment]()

    def __call__(self, moment: Moment) -> Order | None:
        self.seen.append(moment)
        return self.answer(moment)


def on(at: str, step: int, order: Order) -> Watch:
    return Watch(lambda m: order if (m.at, m.step) == (at, step) else None)


def made(
    watchers: Sequence[Any] = (),
    *,
    n: int = 10,
    size: int = 4,
    epochs: int = 3,
    device: torch.device = CPU,
    measure: str = "",
    higher: bool = False,
    store: Callable[[TrainState], bool | None] | None = None,
    optimizer: str = "momentum",
) -> Run:
    """A run of steps of 4, 4 and 2 examples; the module's one weight is set by `drive`."""
    module = nn.Linear(1, 1, bias=False)
    task = Supervised(module, make_loss("mse"))
    task.measure, task.higher_is_better = measure, higher
    rule = make_optimizer(optimizer, module, learning_rate=0.5)
    return Run(
        task, InMemory([torch.zeros(n, 1)], batch_size=size), rule, watchers, store, epochs, device, Gone
    )


def drive(
    run: Run,
    losses: Callable[[int], float] = lambda step: 1.0 / step,
    values: Callable[[int], dict[str, float]] = lambda epoch: {},
    resume: TrainState | None = None,
    during: Callable[[int], Any] = lambda step: None,
) -> TrainHistory:
    """What the loop does, with planted losses by step and measures by epoch; the weight becomes the step's number."""
    run.begin(resume)
    while run.stopped is None and run.step < run.steps:
        step = run.step + 1
        batch = run.batches.batch(*divmod(run.step, run.batches.steps_per_epoch))
        run.saw(torch.tensor(losses(step), dtype=torch.float64), len(batch[0]))
        with torch.no_grad():
            weight(run).fill_(float(step))
        run.advance(lambda: values(len(run.history) + 1))
        during(step)
    return run.end()


def weight(run: Run) -> Tensor:
    return next(run.task.module.parameters())


# losses and epochs


@pytest.mark.parametrize("device", [CPU, ACCELERATOR])
def test_the_loss_of_an_epoch_is_the_mean_over_its_examples(device: torch.device) -> None:
    history = drive(made(device=device), losses=float)
    wanted = [(4 * a + 4 * (a + 1) + 2 * (a + 2)) / 10 for a in (1, 4, 7)]
    assert [e.loss for e in history.epochs] == wanted
    assert [(e.epoch, e.step, e.learning_rate, e.measures) for e in history.epochs] == [
        (1, 3, 0.5, {}),
        (2, 6, 0.5, {}),
        (3, 9, 0.5, {}),
    ]
    assert (history.stopped, history.examples, history.measure, history.best_epoch) == ("epochs", 10, "", 3)
    assert [e.seconds for e in history.epochs] == sorted(e.seconds for e in history.epochs)
    assert history.seconds >= history.epochs[-1].seconds > 0


def test_losses_read_in_windows_are_the_same_numbers() -> None:
    def losses(step: int) -> float:
        return 1 / 3 + math.sin(step)

    one, many = (drive(made(n=90, device=d, epochs=2), losses) for d in (CPU, ACCELERATOR))
    assert timeless(one) == timeless(many)


def test_no_epochs_is_nothing_done() -> None:
    watch = Watch()
    history = drive(made([watch], epochs=0))
    assert (history.stopped, history.epochs, history.best_epoch, history.best) == ("epochs", (), 0, None)
    assert [m.at for m in watch.seen] == ["start", "end"]


# not a number


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("device", [CPU, ACCELERATOR])
@pytest.mark.parametrize("step", [1, 2, 15, 16, 17, 23, 24, 40, 46])
def test_the_step_of_a_loss_that_is_not_finite(device: torch.device, step: int, bad: float) -> None:
    # 23 steps an epoch: windows of 16 and 7
    run = made(n=90, device=device, epochs=2)
    with pytest.raises(Gone, match=f"^{step}$"):
        drive(run, lambda s: bad if s == step else 0.1 if s < step else math.nan)
    windows = [16, 23, 39, 46] if device is ACCELERATOR else range(47)
    assert run.step + 1 == min(w for w in windows if w >= step)  # told at the first look


@pytest.mark.parametrize("order", [Save(), Stop("enough")])
def test_what_was_not_looked_at_is_looked_at_before_it_is_kept(order: Order) -> None:
    stored: list[TrainState] = []
    run = made([on("step", 5, order)], n=90, device=ACCELERATOR, store=stored.append)
    with pytest.raises(Gone, match=r"^3$"):
        drive(run, lambda s: math.nan if s == 3 else 1.0)
    assert stored == []
    assert run.step == 5


def test_ctrl_c_does_not_keep_what_has_gone_astray() -> None:
    stored: list[TrainState] = []
    run = made(n=90, device=ACCELERATOR, store=stored.append)
    with pytest.raises(Gone, match=r"^2$"):
        drive(run, lambda s: math.nan if s == 2 else 1.0, during=lambda s: s == 4 and run.interrupt())
    assert stored == []


# the best


CASES = {
    "lower": ([0.5, 0.3, 0.4], False, 2),
    "higher": ([0.5, 0.3, 0.4], True, 1),
    "the first of equals": ([0.4, 0.3, 0.3], False, 2),
    "the last": ([3.0, 2.0, 1.0], False, 3),
    "infinite": ([math.inf, 2.0, 3.0], False, 2),
}


@pytest.mark.parametrize("case", CASES)
def test_the_weights_of_the_best_epoch_are_loaded(case: str) -> None:
    values, higher, best = CASES[case]
    run = made(measure="m", higher=higher)
    history = drive(run, values=lambda e: {"m": values[e - 1], "other": float(e)})
    assert (history.best_epoch, history.best, history.measure) == (best, values[best - 1], "m")
    assert history.higher_is_better is higher
    assert weight(run).item() == 3 * best
    assert not run.task.module.training


def test_without_a_measure_the_last_weights_stay() -> None:
    run = made()
    history = drive(run, values=lambda e: {"m": float(e)})
    assert (weight(run).item(), history.best_epoch, history.best) == (9, 3, None)
    assert [e.measures for e in history.epochs] == [{"m": 1.0}, {"m": 2.0}, {"m": 3.0}]


def test_a_measure_that_is_not_given_is_refused() -> None:
    with pytest.raises(ConfigError, match="judged by 'm', but measures 'n', 'o'"):
        drive(made(measure="m"), values=lambda e: {"n": 1.0, "o": 2.0})
    with pytest.raises(ConfigError, match="measures nothing"):
        drive(made(measure="m"))


def test_a_measure_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(DataError, match="'m' is not a number after epoch 2"):
        drive(made(measure="m"), values=lambda e: {"m": math.nan if e == 2 else 1.0})


def test_nan_is_never_better() -> None:
    assert not is_better(math.nan, 1.0, True)
    assert not is_better(math.nan, 1.0, False)
    assert is_better(2.0, 1.0, True)
    assert not is_better(1.0, 1.0, True)
    assert not is_better(1.0, 1.0, False)


# moments and orders


def test_the_moments_of_a_run() -> None:
    every, sparse = Watch(), Watch(each_step=False)
    drive(made([every, sparse], measure="m"), losses=float, values=lambda e: {"m": -float(e)})
    assert [(m.at, m.step, m.epoch) for m in every.seen] == [
        ("start", 0, 0),
        ("step", 1, 0),
        ("step", 2, 0),
        ("epoch", 3, 1),
        ("step", 4, 1),
        ("step", 5, 1),
        ("epoch", 6, 2),
        ("step", 7, 2),
        ("step", 8, 2),
        ("epoch", 9, 3),
        ("end", 9, 3),
    ]
    assert [m.at for m in sparse.seen] == ["start", "epoch", "epoch", "epoch", "end"]
    assert math.isnan(every.seen[0].loss)
    assert [m.loss for m in every.seen[1:7]] == [1.0, 1.5, 1.8, 4.0, 4.5, 4.8]
    assert [m.best_epoch for m in every.seen] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3]
    for m in every.seen:
        assert (m.steps, m.epochs, m.examples, m.measure, m.higher_is_better) == (9, 3, 10, "m", False)
        assert len(m.history) == m.epoch
    with pytest.raises(AttributeError):
        every.seen[0].step = 3  # pyright: ignore[reportAttributeAccessIssue]


def rates(run: Run) -> float:
    (rate,) = {group["lr"] for group in run.optimizer.param_groups}
    assert rate == run.learning_rate
    return rate


def test_factors_of_watchers_multiply_and_stay_until_said_otherwise() -> None:
    told: list[float] = []
    falls = Watch(lambda m: Rate(0.5**m.epoch) if m.at == "epoch" else None)
    first = on("start", 0, Rate(0.1))
    run = made([first, falls, Watch()])
    history = drive(run, during=lambda step: told.append(rates(run)))
    assert told == pytest.approx([0.05, 0.05, 0.025, 0.025, 0.025, 0.0125, 0.0125, 0.0125, 0.00625])
    assert [e.learning_rate for e in history.epochs] == pytest.approx(
        [0.05, 0.025, 0.0125]
    )  # of its last step


def test_a_watcher_stops_the_run_and_says_why() -> None:
    stop, later = on("step", 4, Stop("enough")), on("step", 4, Stop("too"))
    run = made([stop, later])
    history = drive(run)
    assert (run.step, history.stopped, len(history.epochs)) == (4, "enough", 1)
    assert weight(run).item() == 4


def test_a_stop_with_the_last_epoch_gives_its_own_reason() -> None:
    assert drive(made([on("epoch", 9, Stop("enough"))])).stopped == "enough"
    assert drive(made([on("start", 0, Stop("at once"))])).stopped == "at once"


def test_a_state_is_stored_after_every_order_of_the_moment() -> None:
    stored: list[TrainState] = []
    run = made([on("step", 2, Save()), on("step", 2, Rate(0.25))], store=stored.append)
    drive(run)
    assert [s.step for s in stored] == [2]
    assert stored[0].rates == (1.0, 0.25)
    assert stored[0].optimizer["lr"].tolist() == [0.125]
    drive(made([on("step", 2, Save())]))  # no store: nothing to do


@pytest.mark.parametrize(
    ("at", "step", "why"),
    [("step", 2, "interrupted"), ("epoch", 6, "interrupted"), ("epoch", 9, "interrupted")],
)
def test_a_store_that_answers_true_ends_training_with_that_step(at: str, step: int, why: str) -> None:
    stored: list[TrainState] = []
    run = made([on(at, step, Save())], store=lambda state: stored.append(state) or True)
    history = drive(run)
    assert ([s.step for s in stored], run.step, history.stopped) == ([step], step, why)


def test_a_reason_that_was_given_before_the_stores_stays() -> None:
    run = made([on("epoch", 3, Stop("enough")), on("epoch", 3, Save())], store=lambda state: True)
    assert drive(run).stopped == "enough"


def test_a_store_that_answers_false_changes_nothing() -> None:
    assert drive(made([on("epoch", 3, Save())], store=lambda state: False)).stopped == "epochs"


def test_a_state_is_an_array_of_its_own() -> None:
    stored: list[TrainState] = []
    run = made([on("step", 2, Save())], store=stored.append)
    drive(run)
    assert stored[0].module["weight"].item() == 2.0


def test_ctrl_c_stores_the_state_and_keeps_the_best() -> None:
    stored: list[TrainState] = []
    run = made(store=stored.append, measure="m", higher=True)
    history = drive(run, values=lambda e: {"m": -float(e)}, during=lambda s: s == 7 and run.interrupt())
    assert (history.stopped, history.best_epoch, len(history.epochs)) == ("interrupted", 1, 2)
    assert [s.step for s in stored] == [7]
    assert stored[0].module["weight"].item() == 7.0
    assert weight(run).item() == 3.0


def test_ctrl_c_at_the_very_end_is_the_end() -> None:
    stored: list[TrainState] = []
    run = made(store=stored.append)
    assert drive(run, during=lambda s: s == 9 and run.interrupt()).stopped == "epochs"
    assert stored == []


# going on


@pytest.mark.parametrize("device", [CPU, ACCELERATOR])
def test_a_run_goes_on_from_every_step(device: torch.device) -> None:
    def watchers() -> list[Any]:
        falls = Watch(lambda m: Rate(0.9**m.epoch), each_step=False)
        ordered_once = on("step", 2, Rate(0.5))  # is only told to the run that saw it
        return [falls, ordered_once, EarlyStop(patience=2), Watch(lambda m: Save())]

    def one(**more: Any) -> tuple[TrainHistory, float, float]:
        run = made(watchers(), measure="m", device=device, store=stored.append, epochs=4)
        history = drive(run, math.sqrt, lambda e: {"m": abs(e - 2.0)}, **more)
        return timeless(history), rates(run), weight(run).item()

    stored: list[TrainState] = []
    whole = one()
    assert (whole[0].stopped, whole[0].best_epoch, whole[2]) == ("early stopping", 2, 6.0)
    # the order of the second step is in the states from there on
    states = [s for s in stored if s.step >= 2]
    assert len(states) == 12
    for state in states:
        assert one(resume=state) == whole, state.step


def test_the_clock_goes_on() -> None:
    stored: list[TrainState] = []
    drive(made([on("epoch", 6, Save())], store=stored.append))
    history = drive(made(), resume=replace(stored[0], seconds=100.0))
    assert 100 < history.epochs[-1].seconds <= history.seconds < 200
    assert history.epochs[0].seconds < 100


def test_the_rate_of_a_state_does_not_outlive_watchers_that_are_gone() -> None:
    stored: list[TrainState] = []
    drive(made([on("start", 0, Rate(0.1)), on("epoch", 3, Save())], store=stored.append))
    assert stored[0].optimizer["lr"].tolist() == [0.05]
    run = made()
    drive(run, resume=stored[0])
    assert rates(run) == 0.5


def test_a_state_beyond_the_epochs_is_answered_as_it_is() -> None:
    stored: list[TrainState] = []
    drive(made([on("epoch", 9, Save())], store=stored.append))
    run = made(epochs=2)
    assert len(drive(run, resume=stored[0]).epochs) == 3
    assert weight(run).item() == 9.0


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_state_of_other_epochs_is_refused(size: int) -> None:
    stored: list[TrainState] = []
    drive(made([on("step", 7, Save())], store=stored.append))
    run = made(size=size)
    before = weight(run).item()
    with pytest.raises(ArtifactError, match="after step 7 in epoch 3, but an epoch has") as error:
        drive(run, resume=stored[0])
    assert "batch size" in error.value.mend
    assert weight(run).item() == before


def test_the_callers_state_is_not_written_to() -> None:
    stored: list[TrainState] = []
    drive(made([on("step", 4, Save())], measure="m", store=stored.append), values=lambda e: {"m": 1.0 / e})
    copies = {name: a.copy() for name, a in stored[0].module.items()}
    drive(made(measure="m"), values=lambda e: {"m": 1.0 / e}, resume=stored[0])
    assert arrays_equal(stored[0].module, copies)
    assert stored[0].best["weight"].item() == 3.0


# arrays of a module


def normalised() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.Linear(4, 2, bias=False))


def test_weights_and_buffers_come_back_to_the_bit() -> None:
    first, second = normalised().to(memory_format=torch.channels_last), normalised()  # pyright: ignore[reportCallIssue]
    first(torch.randn(4, 2, 5, 5))
    arrays = arrays_of(first)
    assert arrays["1.num_batches_tracked"].item() == 1
    assert arrays["0.weight"].shape == (3, 2, 2, 2)
    load_arrays(second, arrays)
    assert arrays_equal(arrays_of(second), arrays)
    load_arrays(first, arrays)
    assert first[0].weight.is_contiguous(memory_format=torch.channels_last)  # as it lay before
    with torch.no_grad():
        second[2].weight.zero_()
    assert arrays["2.weight"].any()  # nothing is shared


def test_every_difference_is_told() -> None:
    arrays = arrays_of(normalised())
    del arrays["1.bias"]
    arrays["extra"] = np.zeros(2)
    arrays["0.weight"] = arrays["0.weight"][:, :1]
    arrays["2.weight"] = arrays["2.weight"].astype(np.float64)
    module = normalised()
    before = arrays_of(module)
    with pytest.raises(ArtifactError) as error:
        load_arrays(module, arrays)
    assert error.value.what == (
        "the weights are of another network: 1.bias is missing; extra is not in the network; "
        "0.weight is float32 (3, 1, 2, 2), not float32 (3, 2, 2, 2); "
        "2.weight is float64 (2, 4), not float32 (2, 4)"
    )
    assert arrays_equal(arrays_of(module), before)


def test_many_differences_are_counted() -> None:
    with pytest.raises(ArtifactError, match=r"\(\+2 more\)"):
        load_arrays(nn.Sequential(*(nn.Linear(1, 1) for _ in range(6))), {})
