"""Augmentations from a line of names: what is read, what is refused, all problems at once."""

from __future__ import annotations

import pytest

from matweave.deep import generator, torch
from matweave.errors import ConfigError
from matweave.train.augment import TOKENS_CAN, Augmentation, from_names
from matweave.train.augment_images import ImageAugmentation
from matweave.train.augment_sequences import SequenceAugmentation

BATCHES = {
    "image": (torch.rand(4, 1, 12, 12), torch.tensor([0, 1, 2, 0])),
    "sequence": (torch.rand(4, 9, 2), torch.tensor([9, 5, 7, 2]), torch.tensor([0, 1, 2, 0])),
    "tokens": (torch.full((4, 9), 3), torch.tensor([9, 9, 9, 9]), torch.tensor([0, 1, 2, 0])),
}
NAMES = [
    (k, n) for k, c in (("image", ImageAugmentation), ("sequence", SequenceAugmentation)) for n in c.strengths
]


def test_the_base_is_only_a_base():
    with pytest.raises(TypeError, match="abstract"):
        Augmentation()  # type: ignore[abstract]


@pytest.mark.parametrize(("kind", "name"), [*NAMES, *(("tokens", n) for n in TOKENS_CAN)])
def test_every_name_alone_does_something_with_its_own_strength(kind, name):
    found = from_names(name, kind=kind, classes=3)
    assert getattr(found, name) == type(found).strengths[name]
    batch = BATCHES[kind]
    results = [found(batch, generator(seed)) for seed in range(10)]
    assert any(not torch.equal(r[0], batch[0]) for r in results)
    assert found.mixes == (results[0][-1].dtype == torch.float32)
    shapes = {r[-1].shape for r in results}
    assert shapes == {(4, 3) if found.mixes else (4,)}


def test_names_with_and_without_strengths():
    found = from_names(" shift=0.2, rotate = 10 ,flip,crop=3, mixup=1e-1", kind="image", classes=7)
    assert found == ImageAugmentation(shift=0.2, rotate=10, flip=True, crop=3, mixup=0.1, classes=7)
    assert from_names("flip=FALSE,shift", kind="image") == ImageAugmentation(shift=0.1)
    assert from_names("jitter,shift=0.3", kind="sequence", classes=7) == SequenceAugmentation(
        jitter=0.05, shift=0.3
    )
    assert from_names("mask=0.5", kind="tokens") == SequenceAugmentation(mask=0.5)


def test_all_problems_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        from_names(
            "shfit,,rotate=far,scale,scale=0.2,flip=2,=3,crop=1.5,erase=nan,fill=0,classes=3", kind="image"
        )
    assert caught.value.what.splitlines() == [
        "unknown augmentation 'shfit'; did you mean 'shift'?",
        "'' names no augmentation",
        "scale is given twice",
        "'=3' names no augmentation",
        "unknown augmentation 'fill'; did you mean 'flip'?",
        "unknown augmentation 'classes'; did you mean 'erase'?",
        "rotate is 'far', but must be a number in [0, 180]",
        "flip is 2, but must be true or false",
        "crop is 1.5, but must be an integer >= 0",
        "erase is nan, but must be a number in [0, 1]",
    ]
    assert "shfit" in caught.value.where
    assert all(name in caught.value.mend for name in ImageAugmentation.strengths)


def test_what_fits_another_kind_is_unknown_and_the_mend_names_what_there_is():
    with pytest.raises(ConfigError, match="unknown augmentation 'rotate'"):
        from_names("rotate", kind="sequence")
    with pytest.raises(ConfigError, match="unknown augmentation 'jitter'") as caught:
        from_names("jitter,mask", kind="tokens")
    assert caught.value.mend.endswith("there are mask")
    with pytest.raises(ConfigError, match="names no augmentation"):
        from_names("", kind="image")


def test_other_kinds_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'image'"):
        from_names("shift", kind="images")
