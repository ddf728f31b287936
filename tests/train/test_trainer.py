"""The loop: the steps of a plain one, bit for bit; resumed from anywhere as if never stopped; and nothing left behind."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from by_hand.states import arrays_equal
from by_hand.training import (
    blobs,
    busy_run,
    cnn,
    images,
    measure,
    mlp,
    plain_loop,
    same_end,
    timeless,
    weights,
)

from matweave import deep
from matweave.deep import Tensor, nn, torch
from matweave.errors import ArtifactError, ConfigError, Diverged
from matweave.threads import set_threads
from matweave.train import trainer as loop
from matweave.train.batches import InMemory
from matweave.train.checkpoints import Checkpoints, TrainState
from matweave.train.losses import make_loss
from matweave.train.optimizers import OPTIMIZERS, make_optimizer
from matweave.train.rules import Accumulated
from matweave.train.run import Run, arrays_of, load_arrays
from matweave.train.schedules import Schedule
from matweave.train.task import Batch, Supervised
from matweave.train.trainer import Trained, Trainer
from matweave.train.watchers import Moment, Order, Record, Save, Stop


class Watch:
    """Does something at every moment, and orders what that gives."""

    each_step = True

    def __init__(self, does: Callable[[Moment], Order | None]) -> None:
        self.does = does

    def __call__(self, moment: Moment) -> Order | None:
        return self.does(moment)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def pressing(at: int, times: int = 1) -> Watch:
    """Ctrl-C after a step."""

    def does(moment: Moment) -> None:
        if moment.at in ("step", "epoch") and moment.step == at:
            for _ in range(times):
                press()

    return Watch(does)


def fit(
    module: nn.Module | None = None,
    *,
    n: int = 22,
    batch_size: int | None = 7,
    data: Batch | None = None,
    validated: bool = False,
    task: Supervised | None = None,
    seed: int = 0,
    more: dict[str, Any] | None = None,
    **settings: Any,
) -> Trained:
    """A small run without anything that is not asked for; `more` goes to `fit`, settings to the trainer."""
    told = {"validation": blobs(9, seed=2), "measures": measure, "measure": "log_loss"} if validated else {}
    made = task or Supervised(mlp() if module is None else module, make_loss("cross_entropy"), **told)
    batches = InMemory(blobs(n) if data is None else data, batch_size=batch_size, seed=seed)
    settings = {"optimizer": "sgd", "epochs": 3, "device": "cpu", "seed": seed, **settings}
    return Trainer(**settings).fit(made, batches, **(more or {}))


# the plain loop


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("kind", ["features", "dropout", "images"])
def test_the_loop_is_the_plain_loop(name: str, kind: str) -> None:
    module, same = (
        cnn() if kind == "images" else mlp(dropout=0.4 if kind == "dropout" else 0.0) for _ in range(2)
    )
    data = images(22) if kind == "images" else blobs(22)
    size = None if OPTIMIZERS[name].full_batch else 7
    done = fit(module, data=data, batch_size=size, optimizer=name, weight_decay=0.01, seed=4)
    source = InMemory(data, batch_size=size, seed=4)
    batches = [[source.batch(e, at) for at in range(source.steps_per_epoch)] for e in range(3)]
    if kind == "images":
        same.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = make_optimizer(name, same, weight_decay=0.01)
    state = torch.get_rng_state()
    told = plain_loop(
        same, optimizer, lambda b: nn.functional.cross_entropy(same(b[0]), b[1]), batches, seed=4
    )
    torch.set_rng_state(state)
    assert arrays_equal(arrays_of(done.module), arrays_of(same))
    assert [e.loss for e in done.history.epochs] == told
    assert not arrays_equal(arrays_of(same), arrays_of(cnn() if kind == "images" else mlp()))


def test_pieces_train_as_the_whole_batch() -> None:
    x, y = blobs(22)
    settings: dict[str, Any] = {"data": (x.double(), y), "optimizer": "momentum"}
    whole = fit(mlp().double(), **settings)
    pieces = fit(mlp().double(), more={"rule": Accumulated(pieces=3)}, **settings)
    for name, array in weights(whole.module).items():
        np.testing.assert_allclose(weights(pieces.module)[name], array, rtol=1e-9, atol=1e-12)


def test_the_rule_handed_in_fills_the_gradients() -> None:
    class Frozen:
        def __call__(self, task: Any, batch: Batch, loss: Callable[[Batch], Tensor]) -> Tensor:
            assert all(p.grad is None for p in task.module.parameters())
            for p in task.module.parameters():
                p.grad = torch.ones_like(p)
            return torch.tensor(2.0)

    before = weights(mlp())
    done = fit(learning_rate=0.25, epochs=2, more={"rule": Frozen()})
    for name, array in weights(done.module).items():
        np.testing.assert_allclose(array, before[name] - 6 * 0.25, rtol=1e-5)
    assert [e.loss for e in done.history.epochs] == [2.0, 2.0]


def test_it_trains_in_place_and_gives_the_module_back_for_use() -> None:
    module = mlp(dropout=0.5)
    done = fit(module)
    assert done.module is module
    assert not any(part.training for part in module.modules())


def test_no_epochs_leave_the_weights_as_they_were() -> None:
    assert arrays_equal(arrays_of(fit(epochs=0).module), arrays_of(mlp()))


# the same numbers


def test_two_runs_are_one_and_seeds_differ() -> None:
    torch.manual_seed(1)
    first = busy_run()
    torch.manual_seed(2)
    assert same_end(first, busy_run())
    assert not arrays_equal(weights(fit(seed=1).module), weights(fit(seed=2).module))


def test_watching_keeping_and_judging_change_nothing() -> None:
    def draws(outputs: Tensor, y: Tensor) -> dict[str, float]:
        return {"chance": float(torch.rand(()))}

    plain = fit(mlp(dropout=0.5))
    watched = fit(mlp(dropout=0.5), more={"watchers": [Watch(lambda m: Save())], "store": lambda state: None})
    assert same_end(plain, watched)
    told = Supervised(
        mlp(dropout=0.5), make_loss("cross_entropy"), validation=blobs(9), measures=draws, measure=""
    )
    judged = fit(task=told)
    assert arrays_equal(arrays_of(judged.module), arrays_of(plain.module))
    assert len({e.measures["chance"] for e in judged.history.epochs}) == 3


def test_validation_is_in_eval_mode_without_gradients_and_training_goes_on_in_train_mode() -> None:
    seen: list[tuple[bool, bool]] = []
    module = mlp(dropout=0.5)
    module.register_forward_hook(lambda m, i, o: seen.append((m.training, torch.is_grad_enabled())))
    fit(module, validated=True, epochs=2)
    assert seen == [*[(True, True)] * 3, (False, False), *[(True, True)] * 3, (False, False)]


# resumed


def states_on_disk(folder: Path) -> tuple[Callable[[TrainState], None], Callable[[], Iterator[TrainState]]]:
    """A store that keeps every state in a folder of its own, and what reads them back."""

    def at(step: int) -> Checkpoints:
        return Checkpoints(folder=folder / str(step), fingerprint="f")

    def read() -> Iterator[TrainState]:
        for name in sorted(folder.iterdir(), key=lambda p: int(p.name)):
            yield at(int(name.name)).latest()

    return lambda state: at(state.step)(state), read


@pytest.mark.parametrize("convolutional", [True, False])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_resumed_after_any_step_ends_with_the_bits_of_the_unbroken_one(
    name: str, convolutional: bool, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"convolutional": convolutional, "epochs": 2 if convolutional else 4}
    store, read = states_on_disk(tmp_path)
    whole = busy_run(name, store=store, **settings)
    steps = []
    for state in read():
        steps.append(state.step)
        assert same_end(whole, busy_run(name, resume=state, **settings)), f"resumed after step {state.step}"
    each = 1 if OPTIMIZERS[name].full_batch else 3
    assert steps == list(range(1, each * len(whole.history.epochs) + 1))
    assert whole.history.stopped == ("epochs" if convolutional else "early stopping")


def test_the_busy_run_has_everything_in_it() -> None:
    """Else the test above would show less than it says."""
    run = busy_run(convolutional=False)
    scheduled = [1e-3 * Schedule(kind="cosine", warmup=0.2).factor(3 * e - 1, 12) for e in (1, 2, 3, 4)]
    cuts = [e.learning_rate / s for e, s in zip(run.history.epochs, scheduled, strict=True)]
    assert cuts == pytest.approx([1, 1, 0.7, 0.49])  # by Plateau
    assert (run.history.stopped, run.history.best_epoch) == ("early stopping", 1)
    part = [type(p).__name__ for p in busy_run(epochs=1).module.modules()]
    assert {"Conv2d", "BatchNorm2d", "Dropout", "MaxPool2d"} <= set(part)


def test_a_resumed_run_may_be_stopped_and_resumed_again() -> None:
    whole, states = busy_run(epochs=3), []
    for step in (2, 4, 5, 8):
        busy_run(
            epochs=3, store=states.append, resume=states[-1] if states else None, every=None,
            watchers=[pressing(step)],
        )  # fmt: skip
        assert states[-1].step == step
    assert same_end(whole, busy_run(epochs=3, resume=states[-1]))


def test_losses_read_in_windows_are_resumed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def windowed(*about: Any) -> Run:
        run = Run(*about)
        run.window = 16  # as on an accelerator
        return run

    whole = busy_run(epochs=2)
    monkeypatch.setattr(loop, "Run", windowed)
    states: list[TrainState] = []
    assert same_end(whole, busy_run(epochs=2, store=states.append))
    assert all(same_end(whole, busy_run(epochs=2, resume=state)) for state in states)


def test_the_record_of_a_resumed_run_is_complete(tmp_path: Path) -> None:
    def lines(path: Path) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in path.read_text().splitlines()]
        return [{k: v for k, v in line.items() if k != "seconds"} for line in found]

    states: list[TrainState] = []
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    busy_run(watchers=[Record(path=whole)])
    stop = Watch(lambda m: Stop("killed") if m.step == 8 else None)
    busy_run(watchers=[Record(path=cut), stop], store=states.append)
    for at in (-1, 3, 0):  # from the last state, and from older ones: what was recorded after them goes
        busy_run(watchers=[Record(path=cut)], resume=states[at])
        assert lines(cut) == lines(whole)
    assert [line["epoch"] for line in lines(cut)] == [1, 2, 3, 4]


def test_a_state_of_another_network_is_refused_with_every_difference() -> None:
    states: list[TrainState] = []
    busy_run(epochs=1, convolutional=False, store=states.append)
    wider = nn.Sequential(nn.Linear(5, 9), nn.BatchNorm1d(9), nn.Tanh(), nn.Linear(9, 3))
    with pytest.raises(ArtifactError) as error:
        fit(wider, more={"resume": states[0]})
    told = error.value.what
    assert "3.weight is missing" in told
    assert "4.bias is not in the network" in told
    assert "0.weight is float32 (8, 5), not float32 (9, 5)" in told


def test_a_state_of_another_optimizer_is_refused() -> None:
    states: list[TrainState] = []
    fit(optimizer="adam", more={"store": states.append, "watchers": [Watch(lambda m: Save())]})
    with pytest.raises(ArtifactError, match="saved state does not fit"):
        fit(optimizer="momentum", more={"resume": states[3]})


# Ctrl-C


@pytest.fixture
def handler() -> Iterator[Any]:
    def mine(number: int, frame: object) -> None:
        raise AssertionError("the caller's handler was called during a fit")

    before = signal.signal(signal.SIGINT, mine)
    yield mine
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 6, 8])
def test_ctrl_c_keeps_the_best_and_a_state_that_goes_on(handler: Any, step: int) -> None:
    whole, states = busy_run(epochs=3), []
    every = busy_run(epochs=3, watchers=[Watch(lambda m: Save())], store=states.append)
    assert same_end(whole, every)
    before = states[:]
    states.clear()
    cut = busy_run(epochs=3, every=None, watchers=[pressing(step)], store=states.append)
    assert signal.getsignal(signal.SIGINT) is handler
    assert cut.history.stopped == "interrupted"
    assert len(cut.history.epochs) == step // 3
    kept = next(s for s in before if s.step == step)
    best = kept.best if step >= 3 else kept.module  # before the first epoch, the weights of now
    assert arrays_equal(arrays_of(cut.module), best)
    assert not cut.module.training
    assert states[-1].step == step
    assert same_end(whole, busy_run(epochs=3, resume=states[-1]))


def test_ctrl_c_without_a_store_is_no_error(handler: Any) -> None:
    done = fit(more={"watchers": [pressing(4)]})
    assert (done.history.stopped, len(done.history.epochs)) == ("interrupted", 1)


def test_a_second_ctrl_c_raises_at_once(handler: Any) -> None:
    later: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        fit(more={"watchers": [pressing(4, times=2), Watch(lambda m: later.append(m.step))]})
    assert later == [0, 1, 2, 3]
    assert signal.getsignal(signal.SIGINT) is handler


# not a number


@pytest.mark.parametrize("window", [1, 16])
@pytest.mark.parametrize("example", [0, 11, 21])
def test_the_step_whose_batch_holds_nan_is_named(
    example: int, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def windowed(*about: Any) -> Run:
        run = Run(*about)
        run.window = window
        return run

    monkeypatch.setattr(loop, "Run", windowed)
    x, y = blobs(22)
    codes = InMemory([torch.arange(22)], batch_size=2, seed=0)
    step = next(at for at in range(codes.steps_per_epoch) if example in codes.batch(0, at)[0].tolist())
    x[example, 0] = torch.nan
    with pytest.raises(Diverged) as error:
        fit(data=(x, y), batch_size=2)
    assert error.value.what == (
        f"the loss is not a finite number at step {step + 1}: "
        "the inputs of the batch hold NaN or infinity in 1 of 2 examples"
    )


def test_a_rate_that_is_too_high_is_told_with_the_mend() -> None:
    x, y = blobs(22)
    with pytest.raises(Diverged, match=r"at step [2-9]: ") as error:
        fit(task=Supervised(mlp(outputs=1), make_loss("mse")), data=(x, 1e3 * y.float()), learning_rate=1e18)
    assert "lower learning_rate" in error.value.mend


def test_first_weights_that_are_not_finite() -> None:
    module = mlp()
    with torch.no_grad():
        module[0].weight[0, 0] = torch.nan  # pyright: ignore[reportIndexIssue, reportArgumentType]
    with pytest.raises(Diverged, match=r"at step 1: the weights 0\.weight are no longer finite"):
        fit(module)


def test_a_layer_that_breaks_in_one_draw_of_dropout_is_found_by_drawing_again() -> None:
    class Narrow(nn.Module):
        """Logarithm of what dropout leaves: infinite where it takes anything."""

        def forward(self, x: Tensor) -> Tensor:
            return x.log()

    module = nn.Sequential(nn.Dropout(0.003), Narrow(), nn.Linear(5, 3))
    ones = (torch.ones(22, 5), blobs(22)[1])
    with pytest.raises(Diverged, match=r"the layer 1 \(Narrow\) is the first"):
        fit(module, data=ones, epochs=50, learning_rate=1e-6)


# nothing left behind


def test_draws_threads_and_handlers_of_the_caller_are_as_before(
    handler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep, "_SMALL", 0)  # no work is too small for several threads

    def state() -> tuple[Any, ...]:
        numbers = np.random.get_state()[1].tolist()  # noqa: NPY002
        return (
            torch.get_rng_state().tolist(),
            numbers,
            torch.get_num_threads(),
            signal.getsignal(signal.SIGINT),
        )

    inside: list[int] = []
    set_threads(torch.get_num_threads() + 1)
    try:
        before = state()
        fit(mlp(dropout=0.3), more={"watchers": [Watch(lambda m: inside.append(torch.get_num_threads()))]})
        assert state() == before
        assert set(inside) == {before[2] + 1}
        x, y = blobs(22)
        with pytest.raises(Diverged):
            fit(mlp(dropout=0.3), data=(x * math.inf, y))
        assert state() == before

        def fails(moment: Moment) -> None:
            raise KeyError

        with pytest.raises(KeyError):
            fit(more={"watchers": [Watch(fails)]})
        assert state() == before
    finally:
        set_threads(None)


def test_a_loss_on_threads_of_its_own_leaves_torch_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep, "_SMALL", 1)  # any work is enough for several threads
    seen: list[int] = []
    told = {"watchers": [Watch(lambda m: seen.append(torch.get_num_threads()))]}
    task = Supervised(mlp(), make_loss("cross_entropy"))
    set_threads(torch.get_num_threads() + 1)
    try:
        fit(task=task, more=told)
        assert min(seen) > 1
        seen.clear()
        task.threaded = True
        fit(task=task, more=told)
    finally:
        set_threads(None)
    assert set(seen) == {1}


# devices, precision, compilation


def test_bfloat16_computes_in_it_and_keeps_weights_in_float32() -> None:
    seen: list[torch.dtype] = []
    module = mlp()
    module[0].register_forward_hook(lambda m, i, o: seen.append(o.dtype))  # pyright: ignore[reportIndexIssue]
    data = blobs(22)
    done = fit(module, precision="bfloat16", epochs=20, data=data, validated=True)
    assert set(seen) == {torch.bfloat16}  # in training and in validation
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    losses = [e.loss for e in done.history.epochs]
    assert losses[-1] < 0.5 * losses[0]
    exact = fit(data=data, epochs=20).history.epochs[-1].loss
    assert losses[-1] == pytest.approx(exact, rel=0.1)
    assert losses[-1] != exact


def test_compilation_is_asked_for_by_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(torch, "compile", lambda forward: compiled.append(forward.__self__) or forward)
    fit()
    assert compiled == []
    module = mlp()
    fit(module, compile=True)
    assert compiled == [module]


def test_images_train_in_channels_last_memory() -> None:
    seen: list[bool] = []
    module = cnn()
    module[0].register_forward_hook(  # pyright: ignore[reportIndexIssue]
        lambda m, i, o: seen.append(o.is_contiguous(memory_format=torch.channels_last))
    )
    fit(module, data=images(22), epochs=1)
    assert seen == [True] * 3


def test_the_task_and_the_batches_are_moved_with_the_module() -> None:
    moved: list[str] = []

    class Noting(Supervised):  # pyright: ignore[reportGeneralTypeIssues]
        def to(self, device: torch.device) -> None:
            moved.append(device.type)

    fit(task=Noting(mlp(), make_loss("cross_entropy")))
    assert moved == ["cpu"]


# refused


def test_gradient_descent_wants_all_examples_at_once() -> None:
    module = mlp()
    before = arrays_of(module)
    with pytest.raises(ConfigError, match="an epoch has 3 batches") as error:
        fit(module, optimizer="gd")
    assert "batch_size=None" in error.value.mend
    assert arrays_equal(arrays_of(module), before)
    assert len(fit(optimizer="gd", batch_size=None).history.epochs) == 3


def test_settings_out_of_range_are_all_told() -> None:
    with pytest.raises(ConfigError) as error:
        Trainer(
            optimizer="adan",
            learning_rate=0.0,
            weight_decay=-1.0,
            momentum=1.5,
            epochs=-1,
            precision="half",
            compile="yes",  # pyright: ignore[reportArgumentType]
            seed=-1,
        )
    assert len(error.value.what.splitlines()) == 8
    assert "did you mean 'adam'" in error.value.what


@pytest.mark.parametrize(("settings", "told"), [({"device": "cuda:99"}, "device"), ({"device": 3}, "device")])
def test_a_device_that_is_not_there_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        fit(**settings)


def test_the_best_weights_are_those_that_were_measured() -> None:
    states: list[TrainState] = []
    save = Watch(lambda m: Save() if m.at == "epoch" else None)
    done = fit(validated=True, learning_rate=3.0, epochs=8, more={"watchers": [save], "store": states.append})
    history = done.history
    values = [e.measures["log_loss"] for e in history.epochs]
    assert history.best_epoch == 1 + values.index(min(values)) < 8
    assert history.best == min(values)
    x, y = blobs(9, seed=2)
    with torch.no_grad():
        assert measure(done.module(x), y)["log_loss"] == min(values)
    again = mlp()
    load_arrays(again, states[history.best_epoch - 1].module)
    assert arrays_equal(arrays_of(again), arrays_of(done.module))


def test_a_finished_run_resumed_is_the_finished_run() -> None:
    states: list[TrainState] = []
    whole = busy_run(store=states.append)
    assert same_end(whole, busy_run(resume=states[-1]))
    longer = busy_run(resume=replace(states[-1], seconds=0.0), epochs=4)
    assert timeless(longer.history) == timeless(whole.history)
