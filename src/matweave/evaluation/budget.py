"""A time budget for one fit: learning in epochs is ended after the epoch that passes it; nothing else can be."""

from __future__ import annotations

import time
from typing import final

from matweave.factor.loop import FitState, Watch


@final
class Budget:
    """Watches one fit from now on, beside another watcher; what was learned by then is kept.

    seconds: None for no end. `ended`: the epoch after which it ended the fit, and how many there were to be; None until then.

    >>> budget = Budget(0.0)
    >>> budget(FitState(epoch=3, arrays={}), 10), budget.ended, budget.told(0.5)
    (True, (3, 10), 'ended by the budget of 0 s, after epoch 3 of 10')
    """

    def __init__(self, seconds: float | None, beside: Watch | None = None) -> None:
        self.seconds, self.beside = seconds, beside
        self.began = time.perf_counter()
        self.ended: tuple[int, int] | None = None

    def __call__(self, state: FitState, epochs: int, /) -> bool | None:
        stop = self.beside is not None and self.beside(state, epochs)
        over = self.seconds is not None and time.perf_counter() - self.began >= self.seconds
        if over and not stop and state.epoch < epochs:
            self.ended = state.epoch, epochs
        return bool(stop or self.ended)

    def told(self, spent: float) -> str:
        """How a fit of `spent` seconds went over the budget; empty where it kept it."""
        if self.seconds is None:
            return ""
        budget = f"the budget of {spell(self.seconds)}"
        if self.ended is not None:
            return f"ended by {budget}, after epoch {self.ended[0]} of {self.ended[1]}"
        return (
            f"took {spent:.1f} s, over {budget}: it has no epoch to end after" if spent > self.seconds else ""
        )


def spell(seconds: float) -> str:
    """Whole minutes as minutes, anything else in seconds.

    >>> spell(300.0), spell(90.0), spell(0.6)
    ('5 min', '90 s', '0.6 s')
    """
    return f"{seconds / 60:g} min" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g} s"
