"""Encoders of content: a bag by hand, padding and other items change nothing, absent parts, every weight learns."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data.item_content import ItemContent
from matweave.deep import seeded, torch
from matweave.errors import ConfigError, DataError
from matweave.neural.content_encoders import TEXTS, Bag, content_parts, encoder_names, in_pieces

TEXT = ["a heist in the city", "two boys", None, "a long " + "story " * 30]
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 16, 16)).astype(np.uint8)


def content(**more) -> ItemContent:
    return ItemContent.of([1, 2, 3, 4], texts=TEXT, **more)


def parts_of(given, encoder="bag", **settings):
    return content_parts(
        given, np.arange(len(given)), **{"encoder": encoder, "length": 8, "most_words": 100, **settings}
    )


def tensors(parts):
    return [torch.from_numpy(array) for array in parts.arrays]


def built(parts, outputs=5, **settings):
    with seeded(0, "weights"):
        return parts.encoder(outputs, **{"width": 6, "dropout": 0.0, **settings})


def test_a_bag_is_the_weighted_sum_of_its_words():
    bag = Bag(5, 3, 0.0)
    codes, weights = torch.tensor([[4, 1, 0], [0, 0, 0]]), torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.0, 0.0]])
    found = bag(codes, weights).detach().numpy()
    e = bag.vectors.detach().numpy()
    np.testing.assert_allclose(found[0], 0.6 * e[4] + 0.8 * e[1], rtol=1e-5)
    assert not found[1].any()
    torch.manual_seed(0)
    dropped = Bag(5, 3, 0.5)(codes.expand(2, 3), weights)
    assert dropped.shape == (2, 3)


@pytest.mark.parametrize("encoder", [*TEXTS, "bag+characters"])
def test_an_item_is_read_alone_as_among_others_and_absent_text_by_its_own_vector(encoder):
    parts = parts_of(content(), encoder)
    assert parts.names == tuple(encoder.split("+"))
    module = built(parts).eval()
    whole = in_pieces(module, tensors(parts))
    one = in_pieces(module, tensors(parts), piece=1)
    torch.testing.assert_close(whole, one, rtol=1e-4, atol=1e-5)
    absent = module.dense(module.absent.flatten())
    torch.testing.assert_close(whole[2], absent.detach())
    order = torch.tensor([3, 2, 0, 1])
    torch.testing.assert_close(
        in_pieces(module, [t[order] for t in tensors(parts)]), whole[order], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("encoder", TEXTS)
def test_longer_padding_changes_nothing(encoder):
    parts = parts_of(content().take([0, 1]), encoder)
    module = built(parts).eval()
    first, second = tensors(parts)
    wide = torch.nn.functional.pad(first, (0, 7))
    more = torch.nn.functional.pad(second, (0, 7)) if encoder == "bag" else second
    torch.testing.assert_close(
        in_pieces(module, [wide, more]), in_pieces(module, [first, second]), rtol=1e-4, atol=1e-5
    )


def test_attributes_and_images_are_parts_where_training_items_have_them():
    given = content(attributes=[[1.0], [2.0], [np.nan], [4.0]], images=PIXELS)
    parts = parts_of(given)
    assert parts.names == ("bag", "attributes", "image")
    module = built(parts).eval()
    found = in_pieces(module, tensors(parts))
    assert found.shape == (4, 5)
    made = content_parts(
        ItemContent(
            items=given.items, texts=given.texts, attributes=given.attributes, attribute_names=("1",),
            pixels=PIXELS, picture=np.array([0, 1, -1, 3]),
        ),
        np.array([0, 1, 3]), encoder="bag", length=8, most_words=100,
    )  # fmt: skip
    module = built(made).eval()
    rows = in_pieces(module, tensors(made))
    torch.testing.assert_close(rows[2], module.dense(module.absent.flatten()).detach())


def test_what_is_learned_is_learned_of_the_warm_items_alone():
    some = content_parts(content(), np.array([1]), encoder="bag", length=8, most_words=100)
    assert some.sizes == ((3,),)  # two, boys, and padding
    assert (some.arrays[0][[0, 3]] == 0).all()


@pytest.mark.parametrize("encoder", TEXTS)
def test_every_weight_gets_a_gradient(encoder):
    parts = parts_of(content(attributes=np.array([[1.0], [2.0], [np.nan], [4.0]]), images=PIXELS), encoder)
    module = built(parts, dropout=0.1)
    module(*tensors(parts)).pow(2).sum().backward()
    lost = [n for n, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    assert lost == []


def test_names_of_encoders_and_content_without_words():
    assert encoder_names("bag+bag") is not None
    assert encoder_names(3) is not None
    assert "did you mean 'words'" in str(encoder_names("word"))
    with pytest.raises(DataError, match="no word"):
        parts_of(ItemContent.of([1], texts=["!!!"]))
    small = parts_of(content(images=PIXELS[:, :, :4, :4].copy()))
    with pytest.raises(ConfigError, match="too small"):
        built(small)
