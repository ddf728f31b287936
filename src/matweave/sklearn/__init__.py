"""matweave for scikit-learn's users: estimators over the recipes of networks and of recommenders.

    from matweave.sklearn import MLPClassifier

    make_pipeline(StandardScaler(), MLPClassifier(hidden=(64,), seed=0)).fit(X, y).predict_proba(X_new)

Parameters are the recipes' own, and so are their names; `fit` keeps the recipe's frozen result in `model_`. Estimators are
saved as their models are, as numbers and names, and never pickled by us: `estimator.save(folder)`, `load(folder)`.
Needs the extra `sklearn`; networks need `deep` too. Every name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matweave.sklearn.images import CNNClassifier as CNNClassifier
    from matweave.sklearn.linear import LinearRegressor as LinearRegressor
    from matweave.sklearn.linear import LogisticClassifier as LogisticClassifier
    from matweave.sklearn.logs import InteractionKFold as InteractionKFold
    from matweave.sklearn.logs import interactions as interactions
    from matweave.sklearn.recommenders import BPR as BPR
    from matweave.sklearn.recommenders import EASE as EASE
    from matweave.sklearn.recommenders import NMF as NMF
    from matweave.sklearn.recommenders import SLIM as SLIM
    from matweave.sklearn.recommenders import WARP as WARP
    from matweave.sklearn.recommenders import BayesianMF as BayesianMF
    from matweave.sklearn.recommenders import BiasedMF as BiasedMF
    from matweave.sklearn.recommenders import ExplicitALS as ExplicitALS
    from matweave.sklearn.recommenders import FactorizationMachine as FactorizationMachine
    from matweave.sklearn.recommenders import ImplicitALS as ImplicitALS
    from matweave.sklearn.recommenders import ItemKNN as ItemKNN
    from matweave.sklearn.recommenders import LogisticMF as LogisticMF
    from matweave.sklearn.recommenders import Popularity as Popularity
    from matweave.sklearn.recommenders import ProbabilisticMF as ProbabilisticMF
    from matweave.sklearn.recommenders import PureSVD as PureSVD
    from matweave.sklearn.recommenders import RP3beta as RP3beta
    from matweave.sklearn.recommenders import SVDpp as SVDpp
    from matweave.sklearn.saving import load as load
    from matweave.sklearn.sequences import RNNClassifier as RNNClassifier
    from matweave.sklearn.tabular import MLPClassifier as MLPClassifier
    from matweave.sklearn.tabular import MLPRegressor as MLPRegressor

_FILES = {
    "BPR": "recommenders",
    "BayesianMF": "recommenders",
    "BiasedMF": "recommenders",
    "CNNClassifier": "images",
    "EASE": "recommenders",
    "ExplicitALS": "recommenders",
    "FactorizationMachine": "recommenders",
    "ImplicitALS": "recommenders",
    "InteractionKFold": "logs",
    "ItemKNN": "recommenders",
    "LinearRegressor": "linear",
    "LogisticClassifier": "linear",
    "LogisticMF": "recommenders",
    "MLPClassifier": "tabular",
    "MLPRegressor": "tabular",
    "NMF": "recommenders",
    "Popularity": "recommenders",
    "ProbabilisticMF": "recommenders",
    "PureSVD": "recommenders",
    "RNNClassifier": "sequences",
    "RP3beta": "recommenders",
    "SLIM": "recommenders",
    "SVDpp": "recommenders",
    "WARP": "recommenders",
    "interactions": "logs",
    "load": "saving",
}

__all__ = [
    "BPR",
    "EASE",
    "NMF",
    "SLIM",
    "WARP",
    "BayesianMF",
    "BiasedMF",
    "CNNClassifier",
    "ExplicitALS",
    "FactorizationMachine",
    "ImplicitALS",
    "InteractionKFold",
    "ItemKNN",
    "LinearRegressor",
    "LogisticClassifier",
    "LogisticMF",
    "MLPClassifier",
    "MLPRegressor",
    "Popularity",
    "ProbabilisticMF",
    "PureSVD",
    "RNNClassifier",
    "RP3beta",
    "SVDpp",
    "interactions",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module 'matweave.sklearn' has no attribute {name!r}")
    value = getattr(import_module(f"matweave.sklearn.{_FILES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_FILES})
