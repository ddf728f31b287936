"""What is made of a `Spread`: lists by a bound of the score or by a posterior draw, and intervals of predictions.

    ucb        score + width · deviation      what may be good: explores
    lower      score - width · deviation      what is surely good: careful
    thompson   the score of one draw of the user's row from its posterior: explores in proportion to the chance of
               being best; the same seed gives the same lists (Thompson 1933; Chapelle & Li 2011)
    interval   score ± z · sqrt(deviation² + noise), z the normal quantile: holds one value with this probability

Bounds are taken over blocks of users, so that a full table is never held. Cost: that of scores and of
deviations. Checked by tests/factor/test_uncertain.py and by the battery, for every model that has a variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

from matweave.data.csr import Csr
from matweave.errors import ConfigError, nearest
from matweave.factor.blocks import BLOCK, Scores, Top, parts
from matweave.factor.rows import Rows
from matweave.factor.spread import Spread
from matweave.linalg.topk import top_k_scores
from matweave.metrics.uncertainty import quantile_of

if TYPE_CHECKING:
    from matweave.factor.recommender import Recommender

SIGNS: Mapping[str, int] = {"ucb": 1, "lower": -1, "thompson": 0}
"""The ways to rank under uncertainty, and the side on which the deviation counts."""


def check_way(uncertainty: object, width: object, seed: object) -> None:
    """Raise ConfigError that lists all that is wrong with how to rank under uncertainty, or would have no effect.

    >>> check_way("usb", 1.0, 0)
    Traceback (most recent call last):
    matweave.errors.ConfigError: uncertainty is 'usb', but must be one of ucb, lower, thompson; did you mean 'ucb'?
      where: recommend
      mend:  for example uncertainty="ucb", width=1.0, or uncertainty="thompson", seed=1
    """
    problems = []
    if uncertainty is not None and uncertainty not in SIGNS:
        guess = nearest(str(uncertainty), SIGNS)
        problems.append(f"uncertainty is {uncertainty!r}, but must be one of {', '.join(SIGNS)}{guess}")
    if isinstance(width, bool) or not isinstance(width, Real) or not 0 <= float(width) < math.inf:
        problems.append(f"width is {width!r}, but must be a number >= 0")
    elif width != 1.0 and not SIGNS.get(str(uncertainty)):
        problems.append('width has an effect on uncertainty="ucb" and "lower" alone')
    if isinstance(seed, bool) or not isinstance(seed, Integral) or int(seed) < 0:
        problems.append(f"seed is {seed!r}, but must be an integer >= 0")
    elif seed != 0 and uncertainty != "thompson":
        problems.append('seed has an effect on uncertainty="thompson" alone')
    if problems:
        raise ConfigError(
            "\n".join(problems),
            where="recommend",
            mend='for example uncertainty="ucb", width=1.0, or uncertainty="thompson", seed=1',
        )


def top_under(
    model: Recommender,
    rows: Rows,
    spread: Callable[[], Spread],
    k: int,
    leave_out: Csr | None,
    *,
    uncertainty: str | None,
    width: float = 1.0,
    seed: int = 0,
) -> Top:
    """The k best items of each row by the score, or by one of the ways above with that as the score; as `Recommender.top`.

    spread: of the rows, asked for only where it is needed.
    """
    if uncertainty is None:
        return model.top(rows, k, leave_out)
    if uncertainty == "thompson":
        whole, found = spread(), []
        for part in list(parts(len(rows), BLOCK)) or [slice(0, 0)]:  # so that the draws of all are never held
            out = None if leave_out is None else leave_out.rows(np.arange(part.start, part.stop))
            found.append(model.top(whole[part].draw(seed), k, out))
        codes, scores, counts = (np.concatenate(column) for column in zip(*found, strict=True))
        return codes, scores, counts
    return top_by_bound(model.scores, rows, spread(), k, leave_out, width=SIGNS[uncertainty] * width)


def top_by_bound(
    scores: Scores,
    rows: Rows,
    spread: Spread,
    k: int,
    leave_out: Csr | None,
    *,
    width: float,
    block: int | None = None,
) -> Top:
    """The k best items of each row by score + width · deviation (a negative width: the lower bound), with that bound."""
    codes, best = np.empty((len(rows), k), np.int32), np.empty((len(rows), k), np.float32)
    counts = np.zeros(len(rows), np.int32)
    for part in parts(len(rows), block or BLOCK):
        bounds = spread[part].deviations() * np.float32(width)
        bounds += scores(rows[part])
        out = None if leave_out is None else leave_out.rows(np.arange(part.start, part.stop))
        pair = None if out is None else (out.indptr, out.indices)
        codes[part], best[part], counts[part] = top_k_scores(bounds, k=k, leave_out=pair)
    return codes, best, counts


def interval_columns(
    scores: np.ndarray, deviations: np.ndarray, noise: float, level: object
) -> dict[str, np.ndarray]:
    """deviation, lower and upper (p,) float32 of values with these expected scores and deviations.

    level: the probability that a value lies between them, 0 < level < 1. Raises ConfigError for another.

    >>> found = interval_columns(np.zeros(1, np.float32), np.full(1, 3, np.float32), 16.0, 0.9)
    >>> {name: round(float(column[0]), 3) for name, column in found.items()}
    {'deviation': 3.0, 'lower': -8.224, 'upper': 8.224}
    """
    half = half_widths(deviations, noise, level)
    return {"deviation": deviations, "lower": scores - half, "upper": scores + half}


def half_widths(deviations: np.ndarray, noise: float, level: object) -> np.ndarray:
    """z · sqrt(deviation² + noise), (p,) float32: half of the interval of one value. Raises ConfigError for a level not in (0, 1)."""
    if isinstance(level, bool) or not isinstance(level, Real) or not 0 < float(level) < 1:
        raise ConfigError(
            f"interval is {level!r}, but must be a number between 0 and 1",
            where="predict",
            mend="for example interval=0.9: 9 of 10 values are to lie inside",
        )
    z = quantile_of(float(level))
    return (z * np.sqrt(np.square(deviations, dtype=np.float64) + noise)).astype(np.float32)
