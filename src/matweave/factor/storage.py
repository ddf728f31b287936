"""Saved models and back: the one table of forms that a folder may hold."""

from __future__ import annotations

import os
from collections.abc import Mapping

from matweave.artifact import load as load_artifact
from matweave.artifact import read_card
from matweave.data.csr import Csr
from matweave.data.features import FeatureCode
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ArtifactError
from matweave.factor.blend import BlendModel
from matweave.factor.content_fold import ContentFold
from matweave.factor.cores import DenseCores, RotationCores
from matweave.factor.explicit_als import ExplicitFold
from matweave.factor.fold import LogisticFold, ProjectionFold, PropagationFold, RidgeFold
from matweave.factor.forms import FactorModel, ItemModel
from matweave.factor.implicit_als import ImplicitFold
from matweave.factor.logistic_mf import LogisticCellsFold
from matweave.factor.loop import History
from matweave.factor.machine_fold import IdPrior, MachineFold
from matweave.factor.nmf import NonnegativeFold
from matweave.factor.pairwise_fold import PairwiseFold, RankLossFold
from matweave.factor.posterior import PosteriorModel
from matweave.factor.posterior_fold import PosteriorFold, SidePrior
from matweave.factor.probabilistic_mf import NormalFold
from matweave.factor.recommender import Recommender
from matweave.factor.relation_fold import RowFold
from matweave.factor.relation_forms import RelationModel
from matweave.factor.sides import SideMap, Sides
from matweave.factor.svdpp import HistoryFold
from matweave.factor.weights import DenseWeights, NoWeights, SparseWeights

FORMS = {
    form.__name__: form
    for form in (
        FactorModel,
        ItemModel,
        BlendModel,
        RelationModel,
        DenseCores,
        RotationCores,
        RowFold,
        Csr,
        Vocabulary,
        FeatureCode,
        SideMap,
        Sides,
        History,
        DenseWeights,
        SparseWeights,
        NoWeights,
        ImplicitFold,
        ExplicitFold,
        ProjectionFold,
        PropagationFold,
        RidgeFold,
        LogisticFold,
        LogisticCellsFold,
        PairwiseFold,
        RankLossFold,
        PosteriorModel,
        MachineFold,
        IdPrior,
        PosteriorFold,
        SidePrior,
        ContentFold,
        NormalFold,
        NonnegativeFold,
        HistoryFold,
    )
}


def load(folder: str | os.PathLike[str], forms: Mapping[str, type] = FORMS) -> Recommender:
    """The model that `model.save(folder)` or `matweave fit --out` wrote, with the same bits.

    forms: what the folder may hold, by name.

    Raises ArtifactError, with the reason, where the folder is not whole, unchanged and of this version.

    >>> import tempfile, matweave as mw
    >>> log = mw.simulate_log(users=30, items=20, interactions=200, seed=0).log
    >>> model = mw.Popularity().fit(log)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(folder)
    ...     mw.load(folder).method
    'Popularity'
    """
    said = read_card(folder)["model"]
    if isinstance(said, dict) and said.get("kind") == "NetModel":
        raise ArtifactError(
            f"{folder} holds a network, not a recommender",
            where=str(folder),
            mend="ask it by `matweave predict` and `matweave evaluate`, or give a folder that `matweave fit` wrote",
        )
    model = load_artifact(folder, forms)
    if isinstance(model, RelationModel):
        raise ArtifactError(
            f"{folder} holds a model of relations, not a recommender",
            where=str(folder),
            mend="load it by mw.load, or ask it by `matweave relations`",
        )
    if not isinstance(model, Recommender):
        raise ArtifactError(
            f"{folder} holds a {type(model).__name__}, not a model",
            where=str(folder),
            mend="give the folder that `matweave fit --out` or model.save wrote",
        )
    return model


def load_relations(folder: str | os.PathLike[str]) -> RelationModel:
    """The model of relations that `model.save(folder)` wrote, with the same bits. Raises ArtifactError for any other.

    >>> import tempfile, matweave as mw
    >>> from matweave.data.relations import Relations
    >>> model = mw.DEDICOM(rank=1, epochs=2).fit(Relations.of(heads=["a"], tails=["b"]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(folder)
    ...     load_relations(folder).method
    'DEDICOM'
    """
    model = load_artifact(folder, FORMS)
    if not isinstance(model, RelationModel):
        raise ArtifactError(
            f"{folder} holds a {type(model).__name__}, not a model of relations",
            where=str(folder),
            mend="give the folder that a model of relations was saved to",
        )
    return model
