"""The recommenders' recipes as estimators, with the recipes' own names and parameters.

    fit(X)         X: a SciPy sparse matrix users × items (stored entries are the interactions, ids are row and column numbers),
                   `Interactions`, records of `matweave.sklearn.interactions`, or a frame of users and items
    recommend      the best items of users, as a data frame
    predict(X)     a score for each interaction of X
    score(X)       mean nDCG@10 on held-out interactions: what `matweave.evaluate` calls ndcg@10

To search parameters, lay a matrix out as rows first, and hold out within users:

    GridSearchCV(EASE(), {"regularization": [10, 100]}, cv=InteractionKFold(3)).fit(interactions(X)).best_estimator_

Rating methods (BiasedMF, ExplicitALS, BayesianMF, ...) may be judged by scikit-learn's scorers too: `fit(X, y)` takes the values as y, and
`predict` answers for users and items that training lacks by the mean and the biases that are known.

Checked by tests/sklearn/test_recommenders.py: parameters against the recipes', answers against their models', and against
a loop over users for the score.
"""

from __future__ import annotations

from typing import Any, ClassVar, final

from matweave.factor import (
    bayesian_mf,
    biased_mf,
    bpr,
    ease,
    explicit_als,
    factorization_machine,
    implicit_als,
    item_knn,
    logistic_mf,
    nmf,
    popularity,
    probabilistic_mf,
    pure_svd,
    rp3beta,
    slim,
    svdpp,
    warp,
)
from matweave.sklearn.recipes import RecommenderEstimator


@final
class BPR(RecommenderEstimator):
    """`matweave.BPR` as an estimator: pairs of a taken and a drawn item.

    >>> import scipy.sparse as sp
    >>> model = BPR(rank=2, epochs=20, seed=1).fit(sp.csr_array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]]))
    >>> model.recommend([3], k=2).num_rows
    2
    """

    recipe: ClassVar[Any] = bpr.BPR


@final
class BayesianMF(RecommenderEstimator):
    """`matweave.BayesianMF` as an estimator: ratings by draws from the posterior of the factors.

    >>> import scipy.sparse as sp
    >>> ratings = sp.csr_array([[5.0, 1.0, 0.0], [5.0, 0.0, 4.0], [0.0, 1.0, 4.0]])
    >>> BayesianMF(rank=1, burn_in=5, samples=10).fit(ratings).predict([(0, 0)]).shape
    (1,)
    """

    recipe: ClassVar[Any] = bayesian_mf.BayesianMF


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
class FactorizationMachine(RecommenderEstimator):
    """`matweave.FactorizationMachine` as an estimator: ratings by weights and vectors of every feature.

    >>> import scipy.sparse as sp
    >>> ratings = sp.csr_array([[5.0, 1.0, 0.0], [5.0, 0.0, 4.0], [0.0, 1.0, 4.0]])
    >>> FactorizationMachine(rank=1, burn_in=5, samples=10).fit(ratings).predict([(0, 0)]).shape
    (1,)
    """

    recipe: ClassVar[Any] = factorization_machine.FactorizationMachine


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
class LogisticMF(RecommenderEstimator):
    """`matweave.LogisticMF` as an estimator: logistic regression on both sides over all cells.

    >>> import scipy.sparse as sp
    >>> model = LogisticMF(rank=2, epochs=20, seed=1).fit(sp.csr_array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]]))
    >>> model.recommend([3], k=2).num_rows
    2
    """

    recipe: ClassVar[Any] = logistic_mf.LogisticMF


@final
class NMF(RecommenderEstimator):
    """`matweave.NMF` as an estimator: nonnegative factors.

    >>> import scipy.sparse as sp
    >>> model = NMF(rank=2, seed=1).fit(sp.csr_array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]]))
    >>> model.recommend([3], k=2).num_rows
    2
    """

    recipe: ClassVar[Any] = nmf.NMF


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
class ProbabilisticMF(RecommenderEstimator):
    """`matweave.ProbabilisticMF` as an estimator: ratings by factors with Gaussian priors.

    >>> import scipy.sparse as sp
    >>> ratings = sp.csr_array([[5.0, 1.0, 0.0], [5.0, 0.0, 4.0], [0.0, 1.0, 4.0]])
    >>> ProbabilisticMF(rank=1).fit(ratings).predict([(0, 0)]).shape
    (1,)
    """

    recipe: ClassVar[Any] = probabilistic_mf.ProbabilisticMF


@final
class PureSVD(RecommenderEstimator):
    """`matweave.PureSVD` as an estimator: the best low-rank fit of the matrix itself.

    >>> import scipy.sparse as sp
    >>> model = PureSVD(rank=1).fit(sp.csr_array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]]))
    >>> model.recommend([3], k=1).column("item").to_pylist()
    [1]
    """

    recipe: ClassVar[Any] = pure_svd.PureSVD


@final
class RP3beta(RecommenderEstimator):
    """`matweave.RP3beta` as an estimator: walks of three steps, popularity held against items.

    >>> import scipy.sparse as sp
    >>> model = RP3beta(neighbors=2).fit(sp.csr_array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]]))
    >>> model.recommend([3], k=2).num_rows
    2
    """

    recipe: ClassVar[Any] = rp3beta.RP3beta


@final
class SLIM(RecommenderEstimator):
    """`matweave.SLIM` as an estimator: an elastic net for each item.

    >>> import scipy.sparse as sp
    >>> model = SLIM(regularization=0.1, l1=0.01).fit(sp.csr_array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]]))
    >>> model.recommend([3], k=2).num_rows
    2
    """

    recipe: ClassVar[Any] = slim.SLIM


@final
class SVDpp(RecommenderEstimator):
    """`matweave.SVDpp` as an estimator: ratings by factors, biases and what else was rated.

    >>> import scipy.sparse as sp
    >>> ratings = sp.csr_array([[5.0, 1.0, 0.0], [5.0, 0.0, 4.0], [0.0, 1.0, 4.0]])
    >>> SVDpp(rank=1, epochs=10).fit(ratings).predict([(0, 0)]).shape
    (1,)
    """

    recipe: ClassVar[Any] = svdpp.SVDpp


@final
class WARP(RecommenderEstimator):
    """`matweave.WARP` as an estimator: pairs that weigh by the rank of the taken item.

    >>> import scipy.sparse as sp
    >>> model = WARP(rank=2, epochs=20, seed=1).fit(sp.csr_array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]]))
    >>> model.recommend([3], k=2).num_rows
    2
    """

    recipe: ClassVar[Any] = warp.WARP
