"""The recommenders' recipes as estimators, with the recipes' own names and parameters.

    fit(X)         X: a SciPy sparse matrix users × items (stored entries are the interactions, ids are row and column numbers),
                   `Interactions`, records of `matweave.sklearn.interactions`, or a frame of users and items
    recommend      the best items of users, as a data frame
    predict(X)     a score for each interaction of X
    score(X)       mean nDCG@10 on held-out interactions: what `matweave.evaluate` calls ndcg@10

To search parameters, lay a matrix out as rows first, and hold out within users:

    GridSearchCV(EASE(), {"regularization": [10, 100]}, cv=InteractionKFold(3)).fit(interactions(X)).best_estimator_

Rating methods (BiasedMF, ExplicitALS) may be judged by scikit-learn's scorers too: `fit(X, y)` takes the values as y, and
`predict` answers for users and items that training lacks by the mean and the biases that are known.

Checked by tests/sklearn/test_recommenders.py: parameters against the recipes', answers against their models', and against
a loop over users for the score.
"""

from __future__ import annotations

from typing import Any, ClassVar, final

from matweave.factor import biased_mf, ease, explicit_als, implicit_als, item_knn, popularity, pure_svd
from matweave.sklearn.recipes import RecommenderEstimator


@final
class BiasedMF(RecommenderEstimator):
    """`matweave.BiasedMF` as an estimator: ratings as biases and a product of thin factors, by gradient steps.

    >>> import scipy.sparse as sp
    >>> ratings = sp.csr_array([[5.0, 1.0, 0.0], [5.0, 0.0, 4.0], [0.0, 1.0, 4.0]])
    >>> BiasedMF(rank=1, epochs=30).fit(ratings).predict([(0, 0)]).shape
    (1,)
    """

    recipe: ClassVar[Any] = biased_mf.BiasedMF


@final
class EASE(RecommenderEstimator):
    """`matweave.EASE` as an estimator: one dense matrix of item weights, in closed form.

    >>> import scipy.sparse as sp
    >>> EASE(regularization=1.0).fit(sp.csr_array([[1, 1, 0], [1, 0, 0]])).recommend([1], k=1).to_pylist()
    [{'user': 1, 'item': 1, 'score': 0..., 'rank': 1}]
    """

    recipe: ClassVar[Any] = ease.EASE


@final
class ExplicitALS(RecommenderEstimator):
    """`matweave.ExplicitALS` as an estimator: ratings by alternating ridge regressions.

    >>> import scipy.sparse as sp
    >>> ratings = sp.csr_array([[5.0, 1.0, 0.0], [5.0, 0.0, 4.0], [0.0, 1.0, 4.0]])
    >>> ExplicitALS(rank=2).fit(ratings).predict(ratings).shape
    (6,)
    """

    recipe: ClassVar[Any] = explicit_als.ExplicitALS


@final
class ImplicitALS(RecommenderEstimator):
    """`matweave.ImplicitALS` as an estimator: ranking by weighted least squares over all cells.

    >>> import scipy.sparse as sp
    >>> model = ImplicitALS(rank=2, seed=1).fit(sp.csr_array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]]))
    >>> model.recommend([3], k=1).column("item").to_pylist()
    [1]
    """

    recipe: ClassVar[Any] = implicit_als.ImplicitALS


@final
class ItemKNN(RecommenderEstimator):
    """`matweave.ItemKNN` as an estimator: items by the items a user had, and their neighbours.

    >>> import scipy.sparse as sp
    >>> model = ItemKNN(neighbors=2, shrink=0.0).fit(sp.csr_array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]]))
    >>> model.recommend([3], k=1).column("item").to_pylist()
    [1]
    """

    recipe: ClassVar[Any] = item_knn.ItemKNN


@final
class Popularity(RecommenderEstimator):
    """`matweave.Popularity` as an estimator: what everybody had most.

    >>> import scipy.sparse as sp
    >>> Popularity().fit(sp.csr_array([[1, 1, 0], [0, 1, 1], [0, 1, 1], [1, 0, 0]])).score(sp.csr_array(
    ...     ([1.0], ([3], [1])), shape=(4, 3)))
    1.0
    """

    recipe: ClassVar[Any] = popularity.Popularity


@final
class PureSVD(RecommenderEstimator):
    """`matweave.PureSVD` as an estimator: the best low-rank fit of the matrix itself.

    >>> import scipy.sparse as sp
    >>> model = PureSVD(rank=1).fit(sp.csr_array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]]))
    >>> model.recommend([3], k=1).column("item").to_pylist()
    [1]
    """

    recipe: ClassVar[Any] = pure_svd.PureSVD
