"""Rating prediction: RMSE and MAE of a model that predicts values, on the rows of a test log.

Predictions are clipped to the range of the training values. A row whose user or item training lacks is
predicted by what is left of the model (mean, the bias of the side that is known, the prior's mean of the other:
`Factored.half_scores`), and counted; it has no interval.
Intervals of a model that has a variance are those that `predict(interval=...)` gives, held to the same range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError
from matweave.evaluation.judged import Judged
from matweave.factor.forms import Factored
from matweave.factor.recommender import Recommender
from matweave.factor.rows import FactorRows
from matweave.metrics import uncertainty
from matweave.metrics.ratings import user_errors
from matweave.metrics.table import Asked
from matweave.metrics.uncertainty import LEVEL, LEVELS, crps_of_each, quantile_of

OF_INTERVALS = ("interval_coverage", "interval_width", "crps")
"""Metrics of what a model with a variance says of single values."""


def predicted_ratings(
    model: Factored, test: Interactions, known: Interactions | None = None
) -> tuple[np.ndarray, int]:
    """The predictions of all test rows float32 (n,), and how many of them have an unknown user or item."""
    at = _Placed.of(model, test, known)
    return model.clip(at.scores()), int((~at.full).sum())


def expected_values(model: Factored, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The predictions float32 (n,) of pairs of the model's codes, -1 for what training lacks.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, shape="ratings", seed=0).log
    >>> expected_values(mw.BiasedMF(rank=2).fit(log), np.array([3, -1]), np.array([5, -1])).shape
    (2,)
    """
    distinct, at = np.unique(np.maximum(users, 0), return_inverse=True)
    rows = model.known(distinct)
    assert isinstance(rows, FactorRows)  # what every factored model gives
    return model.clip(_scores(model, rows, at, items, users >= 0, items >= 0))


def rating_errors(
    model: Recommender, test: Interactions, asked: Sequence[Asked], *, known: Interactions | None = None
) -> Judged:
    """RMSE and MAE as sums over users, or the reason why this model has none; and how its intervals fare, where asked for."""
    label = "ratings, clipped to the training range"
    why = None
    if model.limits is None or not isinstance(model, Factored):
        why = f"{model.method} ranks, and predicts no values"
    elif test.values is None:
        why = "the test log has no values"
    if why is not None or not isinstance(model, Factored) or test.values is None:
        return Judged(protocol=label, skipped={one.name: why or "" for one in asked})
    at = _Placed.of(model, test, known)
    predicted = model.clip(at.scores())
    squares, absolutes, rows = user_errors(test.user_codes, predicted, test.values, test.n_users)
    ratios = {"rmse": (squares, rows.astype(np.float64)), "mae": (absolutes, rows.astype(np.float64))}
    counts = {"ratings judged": len(test), "ratings of unknown users or items": int((~at.full).sum())}
    skipped: dict[str, str] = {}
    inside = None
    wanted = [one.name for one in asked]
    if any(name in OF_INTERVALS for name in wanted):
        deviations = at.deviations()
        if deviations is None:
            skipped = dict.fromkeys(OF_INTERVALS, f"{model.method} has no variance")
        else:
            found, inside = _intervals(model, test, predicted, deviations, at.full)
            ratios |= found
            counts["intervals judged"] = int(at.full.sum())
    return Judged(
        protocol=label,
        ratios={name: ratios[name] for name in wanted if name in ratios},
        skipped={name: why for name, why in skipped.items() if name in wanted},
        counts=counts,
        inside=inside,
    )


def _intervals(
    model: Recommender, test: Interactions, predicted: np.ndarray, deviations: np.ndarray, full: np.ndarray
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Sums over users of what concerns intervals, over the rows (full) that have one; and the share inside at every level."""
    assert test.values is not None
    users, mean, target = test.user_codes[full], predicted[full], test.values[full]

    def interval(level: float) -> tuple[np.ndarray, np.ndarray]:
        half = quantile_of(level) * deviations
        return model.clip(mean - half), model.clip(mean + half)

    lower, upper = interval(LEVEL)
    numbers = {
        "interval_coverage": uncertainty.inside(target, lower, upper),
        "interval_width": upper - lower,
        "crps": crps_of_each(mean, deviations, target),
    }
    rows = np.bincount(users, minlength=test.n_users).astype(np.float64)
    shares = [
        np.mean(uncertainty.inside(target, *interval(level))) if len(users) else np.nan for level in LEVELS
    ]
    found = {name: (np.bincount(users, values, test.n_users), rows) for name, values in numbers.items()}
    return found, np.array(shares)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Placed:
    """Where the rows of a test log are in a model: which rows of users, which items, and whether both are known.

    here, items: (n,), meaningful where knows_user and knows_item. histories, codes: whose the rows are.
    """

    model: Factored
    rows: FactorRows
    histories: Csr
    codes: np.ndarray | None
    here: np.ndarray
    items: np.ndarray
    knows_user: np.ndarray
    knows_item: np.ndarray

    @staticmethod
    def of(model: Factored, test: Interactions, known: Interactions | None) -> _Placed:
        item_codes, item_there = model.items.encode(test.items.ids)
        codes, user_there = model.users.encode(test.users.ids)
        if known is None:
            codes = np.where(user_there, codes, 0)
            rows, histories = model.known(codes), model.seen.rows(codes)
        else:
            histories = known.recode(test.users, model.items).matrix
            user_there = histories.counts > 0
            rows, codes = model.grown(histories, codes), None
        assert isinstance(rows, FactorRows)  # what every factored model gives
        return _Placed(
            model=model,
            rows=rows,
            histories=histories,
            codes=codes,
            here=test.user_codes,
            items=item_codes[test.item_codes],
            knows_user=user_there[test.user_codes],
            knows_item=item_there[test.item_codes],
        )

    @property
    def full(self) -> np.ndarray:
        return self.knows_user & self.knows_item

    def scores(self) -> np.ndarray:
        """Of all rows, float32 (n,), not clipped."""
        return _scores(self.model, self.rows, self.here, self.items, self.knows_user, self.knows_item)

    def deviations(self) -> np.ndarray | None:
        """Of one value about its score, for the rows that are full: float32; None where the model has no variance."""
        try:
            spread = self.model.spread(self.histories, self.codes)
        except ConfigError:
            return None
        sure = spread.pair_deviations(self.here[self.full], self.items[self.full])
        return np.sqrt(np.square(sure) + np.float32(spread.noise))


def _scores(
    model: Factored,
    rows: FactorRows,
    here: np.ndarray,
    items: np.ndarray,
    knows_user: np.ndarray,
    knows_item: np.ndarray,
) -> np.ndarray:
    """Scores float32 (n,), not clipped, of rows[here] with items; where a side is not known its number means nothing."""
    full = knows_user & knows_item
    if full.all():
        return model.pair_scores(rows, here, items)
    by_user, by_item, both = model.half_scores(rows)
    found = np.full(len(here), np.float32(both))
    found[full] = model.pair_scores(rows, here[full], items[full])
    user, item = knows_user & ~full, knows_item & ~full
    found[user], found[item] = by_user[here[user]], by_item[items[item]]
    return found
