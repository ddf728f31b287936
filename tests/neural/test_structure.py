"""What a structure and an encoder promise to the form that is made of them."""

from __future__ import annotations

import dataclasses

import pytest

from matweave.artifact import load, save
from matweave.neural.structure import Encoder, EncoderStructure
from matweave.neural.table import NEURAL

STRUCTURES = [kind for kind in NEURAL if issubclass(kind, EncoderStructure)]


def test_neither_is_used_by_itself() -> None:
    for kind in (Encoder, EncoderStructure):
        with pytest.raises(TypeError, match="abstract"):
            kind()


def test_every_structure_is_a_frozen_dataclass_of_keywords() -> None:
    assert STRUCTURES
    for kind in STRUCTURES:
        assert dataclasses.is_dataclass(kind), kind
        assert all(f.kw_only for f in dataclasses.fields(kind)), kind
        assert kind.__dataclass_params__.frozen, kind  # type: ignore[attr-defined]


def test_a_structure_is_stored_as_numbers_and_names(tmp_path) -> None:
    from matweave.neural.sas_rec import SASRecStructure

    shape = SASRecStructure(
        items=9,
        rank=4,
        blocks=1,
        heads=2,
        length=5,
        dropout=0.1,
        output_layer=False,
        inner=1,
        embedding_rank=None,
    )
    save(shape, tmp_path)
    assert load(tmp_path, {"SASRecStructure": SASRecStructure}) == shape
    assert isinstance(shape.build(), Encoder)


def test_a_structure_is_made_of_the_recipes_settings_and_what_the_log_knows():
    from matweave.neural.caser import Caser, CaserStructure

    found = CaserStructure.of(Caser(rank=6, length=4), items=9, users=7)
    assert (found.items, found.users, found.rank, found.length) == (9, 7, 6, 4)
    assert found.dropout == Caser().dropout


def test_arrays_are_float32_and_their_own():
    from matweave.deep import torch
    from matweave.neural.structure import array_of

    given = torch.zeros(2, 3, dtype=torch.float64).T
    found = array_of(given)
    given += 1
    assert found.dtype == "float32"
    assert found.shape == (3, 2)
    assert found.sum() == 0
