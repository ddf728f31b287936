"""Saved models of every kind, and back: factorizations and networks by one name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from matweave.artifact import read_card
from matweave.factor.recommender import Recommender
from matweave.factor.storage import FORMS, load_relations
from matweave.factor.storage import load as of_factors

if TYPE_CHECKING:
    from matweave.factor.relation_forms import RelationModel
    from matweave.nets.model import NetModel


def load(folder: str | os.PathLike[str]) -> Recommender | NetModel | RelationModel:
    """The model that `model.save(folder)`, `matweave fit --out` or `matweave train --out` wrote, with the same bits.

    Raises ArtifactError, with the reason, where the folder is not whole, unchanged and of this version; MissingExtra for
    a network where torch is not installed.

    >>> import tempfile, matweave as mw
    >>> log = mw.simulate_log(users=30, items=20, interactions=200, seed=0).log
    >>> model = mw.Popularity().fit(log)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(folder)
    ...     mw.load(folder).method
    'Popularity'
    """
    if holds_net(folder):
        from matweave.nets.model import load_net

        return load_net(folder)
    if holds_relations(folder):
        return load_relations(folder)
    return load_recommender(folder)


def load_recommender(folder: str | os.PathLike[str]) -> Recommender:
    """The same for a recommender of any method; torch is asked for only where it is a network.

    Raises ArtifactError for a folder that holds no recommender.
    """
    kinds = _kinds(read_card(folder)["model"])
    if kinds <= {*FORMS, "NetModel"}:
        return of_factors(folder)
    from matweave.neural.table import FORMS as with_networks

    return of_factors(folder, with_networks)


def _kinds(packed: object) -> set[str]:
    """The names of all forms in a card."""
    if isinstance(packed, list):
        return set().union(*map(_kinds, packed))
    if not isinstance(packed, dict):
        return set()
    own = {packed["kind"]} if isinstance(packed.get("kind"), str) and "fields" in packed else set()
    return own.union(*map(_kinds, packed.values()))


def holds_net(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a network; needs no torch. Raises ArtifactError where it holds no whole model."""
    model = read_card(folder)["model"]
    return isinstance(model, dict) and model.get("kind") == "NetModel"


def holds_relations(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a model of relations. Raises ArtifactError where it holds no whole model."""
    model = read_card(folder)["model"]
    return isinstance(model, dict) and model.get("kind") == "RelationModel"
