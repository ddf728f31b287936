"""The table of what a saved neural recommender may hold is whole."""

from __future__ import annotations

from collections.abc import Iterator

from matweave.app.catalogue import METHODS
from matweave.factor.fold import FoldIn
from matweave.factor.forms import Factored
from matweave.factor.recommender import Recommender
from matweave.factor.storage import FORMS as OF_FACTORS
from matweave.neural.structure import EncoderStructure
from matweave.neural.table import FORMS, NEURAL


def below(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


def test_every_form_structure_and_fold_can_be_loaded() -> None:
    for name in METHODS:
        METHODS[name]  # so that every method's file is imported
    for family in (Recommender, EncoderStructure, FoldIn):
        known = {
            k.__name__
            for k in below(family)
            if k.__module__.startswith(("matweave.factor", "matweave.neural"))
        }
        assert known - {Factored.__name__} <= set(FORMS)


def test_names_are_the_classes_and_none_hides_another() -> None:
    assert all(name == kind.__name__ for name, kind in FORMS.items())
    assert not any(getattr(kind, "__abstractmethods__", None) for kind in FORMS.values())
    assert len(FORMS) == len(OF_FACTORS) + len(NEURAL)
