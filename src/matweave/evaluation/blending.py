"""A blend of fitted models, with weights learned on a validation log: `Blend` and `validation` put together."""

from __future__ import annotations

from collections.abc import Sequence

from matweave.data.interactions import Interactions
from matweave.evaluation.evaluate import validation
from matweave.factor.blend import Blend, BlendModel
from matweave.factor.recommender import Recommender


def blend(
    models: Sequence[Recommender],
    valid: Interactions | None,
    *,
    metric: str = "ndcg@10",
    known: Interactions | None = None,
    threshold: float | None = None,
    steps: int = 10,
    rounds: int = 3,
) -> BlendModel:
    """Mix fitted models so that `metric` on a validation log, which none of them has seen, is the largest.

    models: two or more, fitted on the same log. metric, known, threshold: as in `validation`. steps, rounds: as in `Blend`.
    Weights are in `blend.weights`, what each look found in `blend.history.validation`. Raises ConfigError for models of
    different logs or an unknown metric, DataError where there is no validation part.

    >>> import matweave as mw
    >>> split = mw.split_randomly(mw.simulate_log(users=80, items=40, interactions=900, seed=0).log, seed=0)
    >>> both = [mw.EASE(regularization=20.0).fit(split.train), mw.PureSVD(rank=8).fit(split.train)]
    >>> mixed = mw.blend(both, split.valid, steps=4)
    >>> len(mixed.weights), mixed.method
    (2, 'Blend')
    """
    check = validation(valid, metric=metric, known=known, threshold=threshold)
    return Blend(steps=steps, rounds=rounds).fit(models, check)
