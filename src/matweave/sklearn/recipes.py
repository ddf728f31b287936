"""What the recommenders' estimators have in common: parameters from the fields of a recipe, logs in, answers out."""

from __future__ import annotations

import inspect
import os
from abc import ABC
from collections.abc import Sequence
from dataclasses import MISSING, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from matweave.data.interactions import Interactions
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError, nearest
from matweave.evaluation.evaluate import validation
from matweave.evaluation.rating_protocol import predicted_ratings
from matweave.factor.answers import user_codes_of
from matweave.factor.forms import FactorModel
from matweave.factor.recommender import Recommender
from matweave.sklearn.base import Estimator, check_is_fitted
from matweave.sklearn.logs import is_matrix, is_plain, log_of
from matweave.storage import load_recommender


class RecommenderEstimator(Estimator, ABC):
    """An estimator over a recipe: a subclass says which, and takes its fields as parameters."""

    model_: Recommender
    recipe: ClassVar[Any]
    keeps: ClassVar[tuple[str, ...]] = ("matrix_shape_",)

    def __init__(self, **parameters: Any) -> None:
        known = inspect.signature(type(self)).parameters
        unknown = [
            f"unknown parameter {name!r}{nearest(name, known)}" for name in parameters if name not in known
        ]
        if unknown:
            who = type(self).__name__
            raise ConfigError(
                "\n".join(unknown), where=who, mend=f"the parameters are: {', '.join(known) or 'none'}"
            )
        self._keep({name: parameters.get(name, one.default) for name, one in known.items()})

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        recipe = cls.__dict__["recipe"]
        self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        own = [
            inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
            for f in fields(recipe)
            if f.init and f.default is not MISSING
        ]

        def __init__(self: RecommenderEstimator, **parameters: Any) -> None:
            RecommenderEstimator.__init__(self, **parameters)

        __init__.__signature__ = inspect.Signature([self, *own])  # pyright: ignore[reportFunctionMemberAccess]
        cls.__init__ = __init__  # scikit-learn reads the parameters off its signature

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.sparse = False, True
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from interactions X; see the head of the file. y: their values, where X has none.

        Raises DataError, ConfigError and Diverged as the recipe does, with the mend.
        """
        log = log_of(X, y)
        self.matrix_shape_ = tuple(X.shape) if is_matrix(X) else None
        self._take(self.recipe(**self.get_params(deep=False)).fit(log))
        return self

    def recommend(
        self,
        users: Sequence[Any] | None = None,
        k: int = 10,
        *,
        exclude: Sequence[Any] = (),
        seen: bool = False,
    ) -> Any:
        """The k best items for each user: user, item, score, rank; see `Recommender.recommend`.

        users: ids, which for a matrix are row numbers; None for all. Raises UnknownId for ids that training lacks.
        """
        check_is_fitted(self, "model_")
        return self.model_.recommend(users, k, exclude=exclude, seen=seen)

    def predict(self, X: Any) -> np.ndarray:
        """A score for each interaction of X, in its order, float32 (n,); values of X are not looked at.

        X: as in `fit`, or an array or list of pairs (user, item). Rating methods predict values, clipped to the range of training,
        and fall back on the mean and known biases; others raise UnknownId, which lists the ids that training lacks.
        """
        check_is_fitted(self, "model_")
        log = _pairs(X) if is_plain(X) else self._later(X)
        if isinstance(self.model_, FactorModel) and self.model_.limits is not None:
            return predicted_ratings(self.model_, log)[0]
        users = user_codes_of(self.model_.users, log.users.ids)
        items = user_codes_of(self.model_.items, log.items.ids)
        return self.model_.pair_scores(self.model_.known(users), log.user_codes, items[log.item_codes])

    def score(self, X: Any, y: Any = None) -> float:
        """Mean nDCG@10 over the users of held-out interactions X: all items compete but those a user had in training.

        Interactions with users or items that training lacks cannot be ranked, and are left out (`matweave.evaluate`
        counts them). y is not looked at. Raises DataError where nothing can be judged, for a matrix of another shape than the
        training matrix, or one that holds interactions of the training matrix: its rows are then other users.
        """
        check_is_fitted(self, "model_")
        log = self._later(X)
        if is_matrix(X):
            self._refuse_seen(log)
        return validation(log, metric="ndcg@10").measure(self.model_)

    @classmethod
    def _form(cls, folder: str | os.PathLike[str]) -> Recommender:
        return load_recommender(folder)

    def _later(self, X: Any) -> Interactions:
        """The log of later inputs; a matrix must be of the shape of training, or its rows are not the same users."""
        if is_matrix(X) and self.matrix_shape_ is not None and tuple(X.shape) != tuple(self.matrix_shape_):
            raise DataError(
                f"the matrix is {X.shape[0]:,} × {X.shape[1]:,}, but that of training "
                f"{self.matrix_shape_[0]:,} × {self.matrix_shape_[1]:,}: row and column numbers are ids",
                where=type(self).__name__,
                mend="give all users and items, in their rows and columns; to search, use interactions(X) and InteractionKFold",
            )
        return log_of(X)

    def _refuse_seen(self, log: Interactions) -> None:
        held = log.recode(self.model_.users, self.model_.items).matrix
        ones = [replace(matrix, values=None).scipy() for matrix in (self.model_.seen, held)]
        again = ones[0].multiply(ones[1]).count_nonzero()
        if again:
            raise DataError(
                f"{again:,} of {len(log):,} interactions of the matrix were trained on",
                where=type(self).__name__,
                mend="give held-out interactions; where rows were split as samples, use interactions(X) and InteractionKFold",
            )


def _pairs(X: Any) -> Interactions:
    """Pairs of ids as a log, repeats and all."""
    try:
        users, items = zip(*X, strict=True) if len(X) else ((), ())
    except (TypeError, ValueError) as error:
        raise DataError(
            "X is not pairs of a user and an item",
            where="predict",
            mend="give [(user, item), ...], or what fit takes",
        ) from error
    (user_ids, user_codes), (item_ids, item_codes) = Vocabulary.of(list(users)), Vocabulary.of(list(items))
    return Interactions(users=user_ids, items=item_ids, user_codes=user_codes, item_codes=item_codes)
