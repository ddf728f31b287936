"""Progress of training: lines without a terminal, a bar on one, nothing where it is to be quiet; results stay apart."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from matweave.app import net_progress
from matweave.app import progress as shared
from matweave.app.net_progress import note, training
from matweave.train.history import Epoch
from matweave.train.watchers import Moment

DONE = Epoch(epoch=1, step=10, loss=0.5, measures={"accuracy": 0.75}, learning_rate=0.1, seconds=2.0)
MOMENT = Moment(
    at="epoch",
    step=10,
    steps=40,
    epoch=1,
    epochs=4,
    loss=0.5,
    learning_rate=0.1,
    seconds=2.0,
    examples=100,
    history=(DONE,),
    measure="accuracy",
    higher_is_better=True,
    best_epoch=1,
)


def test_a_note_tells_loss_measures_and_rate() -> None:
    assert note(MOMENT) == "loss 0.5, accuracy 0.75, 50 examples/s"  # a quarter of 4 epochs of 100 in 2 s
    start = replace(MOMENT, at="start", step=0, epoch=0, loss=math.nan, seconds=0.0, history=())
    assert note(start) == ""


def test_lines_tell_the_first_epoch_the_last_and_few_between(capsys: pytest.CaptureFixture[str]) -> None:
    with training("mlp") as watchers:
        (watch,) = watchers
        assert not watch.each_step
        for epoch in (1, 2, 3, 4):
            now = replace(MOMENT, epoch=epoch, step=10 * epoch, seconds=2.0 * epoch)
            assert watch(now) is None
        watch(replace(MOMENT, at="end", epoch=4))
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "mlp: epoch 1/4, loss 0.5, accuracy 0.75, 50 examples/s, at most 6 s left"
    assert lines[-1].startswith("mlp: epoch 4/4")
    assert len(lines) == 2


def test_quiet_says_nothing() -> None:
    with training("mlp", quiet=True) as watchers:
        assert watchers == []


def test_a_bar_follows_the_steps_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160)
    monkeypatch.setattr(net_progress, "console", console)
    monkeypatch.setattr(shared, "console", console)
    with training("[b]mlp") as watchers:
        (watch,) = watchers
        assert watch.each_step
        watch(replace(MOMENT, at="start", step=0, epoch=0))
        watch(replace(MOMENT, at="step", step=11))  # too soon after: not shown
        watch(MOMENT)
    shown = screen.getvalue()
    assert "10/40" in shown
    assert "11/40" not in shown
    assert "accuracy 0.75" in shown
