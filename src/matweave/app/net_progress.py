"""Progress of training: a bar with loss, rate and remaining time on a terminal, plain lines otherwise; all on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

from matweave.app.progress import bars, console, say
from matweave.train.watchers import Moment, Order, Watcher


@contextmanager
def training(title: str, *, quiet: bool = False) -> Iterator[list[Watcher]]:
    """Watchers that show a run; none where it is to be quiet."""
    if quiet:
        yield []
    elif console.is_terminal:
        with bars() as shown:
            yield [_Bar(shown, shown.add_task(title, total=None, note=""))]
    else:
        yield [_Lines(title)]


def note(moment: Moment) -> str:
    """Loss, validation, rate and rate of examples, in a few words."""
    parts = [] if moment.loss != moment.loss else [f"loss {moment.loss:.4g}"]  # NaN: nothing yet
    last = moment.history[-1].measures if moment.history else {}
    parts += [f"{name} {value:.4g}" for name, value in last.items()]
    if moment.seconds > 0 and moment.step:
        done = moment.examples * moment.epochs * moment.step / moment.steps
        parts.append(f"{done / moment.seconds:,.0f} examples/s")
    return ", ".join(parts)


@final
class _Bar:
    each_step = True

    def __init__(self, shown: Any, task: Any) -> None:
        self.shown, self.task, self.next = shown, task, 0.0

    def __call__(self, moment: Moment) -> Order | None:
        now = time.perf_counter()
        if now >= self.next or moment.at != "step":
            self.shown.update(self.task, completed=moment.step, total=moment.steps, note=note(moment))
            self.next = now + 0.1
        return None


@final
class _Lines:
    """A line after the first epoch, at each doubling of the time since, and after the last."""

    each_step = False

    def __init__(self, title: str) -> None:
        self.title, self.next, self.gap = title, 0.0, 1.0

    def __call__(self, moment: Moment) -> Order | None:
        now = time.perf_counter()
        if moment.at == "epoch" and (now >= self.next or moment.epoch == moment.epochs):
            left = moment.seconds / moment.step * (moment.steps - moment.step)
            say(
                f"{self.title}: epoch {moment.epoch}/{moment.epochs}, {note(moment)}, at most {left:.0f} s left"
            )
            self.next, self.gap = now + self.gap, min(2 * self.gap, 30.0)
        return None
