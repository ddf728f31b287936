"""Progress of long work: a bar with rate and remaining time on a terminal, plain lines otherwise.

Everything goes to stderr, so that stdout holds nothing but results.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from matweave.factor.loop import FitState, Watch

console = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """One plain line on stderr."""
    console.print(text, markup=False, soft_wrap=True)


@contextmanager
def epochs(title: str, *, quiet: bool = False) -> Iterator[Watch]:
    """A watcher that shows epochs, objective, rate and remaining time of one fit."""
    if quiet:
        yield lambda state, total: None
    elif console.is_terminal:
        with bars() as shown:
            yield _Bar(shown, shown.add_task(title, total=None, note=""))
    else:
        yield _Lines(title)


def bars() -> Progress:
    """A bar with a note of its own, gone when it is done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _note(state: FitState) -> str:
    rate = state.epoch / state.seconds if state.seconds > 0 else 0.0
    parts = [f"objective {state.objective[-1]:.6g}", f"{rate:.3g} epochs/s"]
    if state.validation:
        parts.append(
            f"validation {state.validation[-1][1]:.4f} (best {max(v for _, v in state.validation):.4f})"
        )
    return ", ".join(parts)


@final
class _Bar:
    def __init__(self, bars: Progress, task: Any) -> None:
        self.bars, self.task = bars, task

    def __call__(self, state: FitState, epochs: int) -> bool | None:
        self.bars.update(self.task, completed=state.epoch, total=epochs, note=_note(state))
        return None


@final
class _Lines:
    """A line at the first epoch, at each doubling of the time since, and at the last."""

    def __init__(self, title: str) -> None:
        self.title, self.next, self.gap = title, 0.0, 1.0

    def __call__(self, state: FitState, epochs: int) -> bool | None:
        now = time.perf_counter()
        if now >= self.next or state.epoch == epochs:
            left = state.seconds / state.epoch * (epochs - state.epoch)
            say(f"{self.title}: epoch {state.epoch}/{epochs}, {_note(state)}, at most {left:.1f} s left")
            self.next, self.gap = now + self.gap, min(2 * self.gap, 30.0)
        return None


@final
class Bytes:
    """Progress of a download: called with (bytes done, bytes in all or None)."""

    def __init__(self, title: str) -> None:
        self.title, self.next = title, 0.0

    def __call__(self, done: int, total: int | None) -> None:
        now = time.perf_counter()
        if now < self.next and done != total:
            return
        self.next = now + (0.2 if console.is_terminal else 5.0)
        share = f"{done / total:4.0%} of {total / 1e6:,.1f} MB" if total else f"{done / 1e6:,.1f} MB"
        end = "\r" if console.is_terminal and done != total else "\n"
        console.print(f"{self.title}: {share}", end=end, markup=False)
