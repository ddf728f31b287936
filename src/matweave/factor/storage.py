"""Saved models and back: the one table of forms that a folder may hold."""

from __future__ import annotations

import os
from collections.abc import Mapping

from matweave.artifact import load as load_artifact
from matweave.artifact import read_card
from matweave.data.csr import Csr
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ArtifactError
from matweave.factor.blend import BlendModel
from matweave.factor.content_fold import ContentFold
from matweave.factor.fold import LogisticFold, ProjectionFold, PropagationFold, RidgeFold
from matweave.factor.forms import FactorModel, ItemModel
from matweave.factor.implicit_als import ImplicitFold
from matweave.factor.loop import History
from matweave.factor.recommender import Recommender
from matweave.factor.weights import DenseWeights, NoWeights, SparseWeights

FORMS = {
    form.__name__: form
    for form in (
        FactorModel,
        ItemModel,
        BlendModel,
        Csr,
        Vocabulary,
        History,
        DenseWeights,
        SparseWeights,
        NoWeights,
        ImplicitFold,
        ProjectionFold,
        PropagationFold,
        RidgeFold,
        LogisticFold,
        ContentFold,
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
    if not isinstance(model, Recommender):
        raise ArtifactError(
            f"{folder} holds a {type(model).__name__}, not a model",
            where=str(folder),
            mend="give the folder that `matweave fit --out` or model.save wrote",
        )
    return model
