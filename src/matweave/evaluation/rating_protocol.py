"""Rating prediction: RMSE and MAE of a model that predicts values, on the rows of a test log.

Predictions are clipped to the range of the training values. A row whose user or item training lacks is
predicted by what is left of the model (mean, and the bias of the side that is known), and counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matweave.data.interactions import Interactions
from matweave.evaluation.judged import Judged
from matweave.factor.forms import Factored
from matweave.factor.recommender import Recommender
from matweave.factor.rows import FactorRows
from matweave.metrics.ratings import user_errors
from matweave.metrics.table import Asked


def predicted_ratings(
    model: Factored, test: Interactions, known: Interactions | None = None
) -> tuple[np.ndarray, int]:
    """The predictions of all test rows float32 (n,), and how many of them fell back to biases."""
    item_codes, item_there = model.items.encode(test.items.ids)
    if known is None:
        user_codes, user_there = model.users.encode(test.users.ids)
        rows = model.known(np.where(user_there, user_codes, 0))
    else:
        histories = known.recode(test.users, model.items).matrix
        user_there = histories.counts > 0
        rows = model.grown(histories, model.users.encode(test.users.ids)[0])
    here, items = test.user_codes, item_codes[test.item_codes]
    knows_user, knows_item = user_there[here], item_there[test.item_codes]
    full = knows_user & knows_item
    assert isinstance(rows, FactorRows)  # what every factored model gives
    _, item_bias, mean = model.item_side()
    found = np.full(len(test), np.float32(mean))
    found[full] = model.pair_scores(rows, here[full], items[full])
    if rows.bias is not None:
        found[~full] += np.where(knows_user[~full], rows.bias[here[~full]], 0)
    if item_bias is not None:
        found[~full] += np.where(knows_item[~full], item_bias[np.where(knows_item, items, 0)[~full]], 0)
    return model.clip(found), int((~full).sum())


def rating_errors(
    model: Recommender, test: Interactions, asked: Sequence[Asked], *, known: Interactions | None = None
) -> Judged:
    """RMSE and MAE as sums over users, or the reason why this model has none."""
    label = "ratings, clipped to the training range"
    why = None
    if model.limits is None or not isinstance(model, Factored):
        why = f"{model.method} ranks, and predicts no values"
    elif test.values is None:
        why = "the test log has no values"
    if why is not None or not isinstance(model, Factored) or test.values is None:
        return Judged(protocol=label, skipped={one.name: why or "" for one in asked})
    predicted, fallen = predicted_ratings(model, test, known)
    squares, absolutes, rows = user_errors(test.user_codes, predicted, test.values, test.n_users)
    tops = {"rmse": squares, "mae": absolutes}
    ratios = {one.name: (tops[one.metric.name], rows.astype(np.float64)) for one in asked}
    return Judged(
        protocol=label,
        ratios=ratios,
        counts={"ratings judged": len(test), "ratings from biases alone": fallen},
    )
