"""Learning-rate schedules, one table: the factor of the base rate as a function of progress alone.

With t = step / steps, after a linear rise over the first `warmup` share of training:

    constant     1
    linear       1 - t
    cosine       ½ (1 + cos πt)                     (Loshchilov, Hutter 2017, without restarts)
    one_cycle    rises to 1 over the first 0.3, then falls as a cosine to 0   (Smith, Topin 2018)
    step         0.1 from half of training on, 0.01 from three quarters on
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import final

from matweave.config import check, config, number, one_of
from matweave.train.watchers import Moment, Order, Rate

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda t: 1.0,
    "linear": lambda t: 1.0 - t,
    "cosine": lambda t: 0.5 * (1.0 + math.cos(math.pi * t)),
    "one_cycle": lambda t: (
        (0.04 + 0.96 * t / 0.3) if t < 0.3 else 0.5 * (1.0 + math.cos(math.pi * (t - 0.3) / 0.7))
    ),
    "step": lambda t: 1.0 if t < 0.5 else 0.1 if t < 0.75 else 0.01,
}
"""Name -> factor at progress t in [0, 1)."""


@final
@config
class Schedule:
    """A watcher that sets the learning rate before every step.

    >>> Schedule(kind="cosine").factor(50, 100)
    0.5
    >>> Schedule(kind="constant", warmup=0.1).factor(0, 100)  # the first of ten steps of rise
    0.1
    """

    kind: str = "cosine"
    warmup: float = 0.0  # share of training in which the rate rises from near 0, in [0, 0.9]

    def __post_init__(self) -> None:
        check(self, kind=one_of(*SCHEDULES), warmup=number(0, 0.9))

    @property
    def each_step(self) -> bool:
        return self.kind != "constant" or self.warmup > 0

    def factor(self, step: int, steps: int) -> float:
        """The factor for step `step` (from 0) of `steps`."""
        rise = int(self.warmup * steps)
        if step < rise:
            return (step + 1) / rise
        return SCHEDULES[self.kind]((step - rise) / max(1, steps - rise))

    def __call__(self, moment: Moment) -> Order | None:
        return Rate(self.factor(moment.step, moment.steps)) if moment.step < moment.steps else None
