"""Saved estimators and back, by the names of this package: nothing named in a file is imported that is not listed there."""

from __future__ import annotations

import os

import matweave.sklearn
from matweave.artifact import read_card
from matweave.errors import ArtifactError, nearest
from matweave.sklearn.base import Estimator


def load(folder: str | os.PathLike[str]) -> Estimator:
    """The estimator that `estimator.save(folder)` wrote, fitted, with the same bits and parameters.

    Raises ArtifactError, with the reason, where the folder is not whole and unchanged, or holds a model that no estimator saved.

    >>> import tempfile
    >>> from matweave.sklearn import LinearRegressor
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = LinearRegressor().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]).save(folder)
    ...     load(folder).predict([[10.0]]).round(6).tolist()
    [21.0]
    """
    notes = read_card(folder)["notes"]
    if not isinstance(notes, dict) or "sklearn" not in notes:
        raise ArtifactError(
            f"{folder} holds a model, but not one that an estimator saved",
            where=str(folder),
            mend="load it with matweave.load",
        )
    name = notes["sklearn"].get("estimator")
    known = [n for n in matweave.sklearn.__all__ if n[0].isupper()]
    kind = getattr(matweave.sklearn, name) if name in known else None
    if not isinstance(kind, type) or not issubclass(kind, Estimator):
        raise ArtifactError(
            f"{folder} holds a {name!r}, which is no estimator of this version{nearest(str(name), known)}",
            where=str(folder),
            mend="upgrade matweave, or load the model alone with matweave.load",
        )
    return kind.restored(folder, notes["sklearn"])
