"""Popularity: every user gets the items that most rows name, old rows counting less.

Model       score(j) = Σ_(rows of j) 2^(-(t_last - t) / half_life);  without a half-life, the number of rows.
Cost        One pass over the log.
Source      The usual baseline; the decay is that of Ji, Sun, Zhang & Li 2020 ("A re-visit of the popularity
            baseline"), whose RecentPop counts a window; here the window is an exponential one.
Checked by  a count by hand, no decay as the limit of a long half-life, invariance to moving all times.
Fold-in     Exact: a stranger gets what everybody gets.
"""

from __future__ import annotations

import time
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, check, config, number, optional
from matweave.data.interactions import Interactions
from matweave.factor import require
from matweave.factor.forms import ItemModel
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import origin
from matweave.factor.weights import NoWeights

DAY = 86_400_000_000
"""Microseconds."""


@final
@config
class Popularity:
    """half_life_days: after so many days a row counts half; none: every row counts 1.

    >>> log = Interactions.from_codes([0, 1, 1], [5, 5, 2])
    >>> Popularity().fit(log).recommend_for([2], k=2).to_pylist()
    [{'item': 5, 'score': 2.0, 'rank': 1}, {'item': 0, 'score': 0.0, 'rank': 2}]
    """

    half_life_days: float | None = None

    space: ClassVar[Space] = {"half_life_days": (None, 1.0, 3.0, 7.0, 14.0, 30.0, 90.0, 365.0)}

    def __post_init__(self) -> None:
        check(self, half_life_days=optional(number(above=0)))

    def fit(
        self,
        train: Interactions,
        *,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
    ) -> ItemModel:
        """Count the rows. Closed form: validate, watch and resume have nothing to do.

        Raises DataError for an empty log, and for one without times where a half-life is set.
        """
        began = time.perf_counter()
        require.rows(train, "Popularity")
        weights = None
        if self.half_life_days is not None:
            times = require.times(train, "Popularity", "half_life_days")
            weights = np.exp2((times - times.max()) / (self.half_life_days * DAY))
        counts = np.bincount(train.item_codes, weights=weights, minlength=train.n_items)
        return ItemModel(
            **origin(self, train, History(seconds=time.perf_counter() - began)),
            weights=NoWeights(items=train.n_items),
            item_bias=counts.astype(np.float32),
        )
