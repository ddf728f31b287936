"""From the content of items to vectors: a module for each part of it, joined by a dense layer.

    bag          Σ_w a_w e_w over the words of the text, a their tf-idf weights (squares sum to 1), e (words, width) learned
    words        CNN over the word vectors, largest value over the places (Kim 2014): nets/cnn1d.py
    characters   the same over characters (Zhang, Zhao & LeCun 2015), halved in between: nets/cnn1d.py
    gru          GRU over the word vectors, mean of its states: nets/rnn.py
    attributes   dense layer, ReLU, dense layer: nets/mlp.py
    image        CNN of three convolutions: nets/cnn.py

Joined       z = W [part_1, ..., part_k] + b, with dropout on the parts; words of a bag are dropped too, as whole words.
Absent       a part that an item lacks is a vector learned for its absence, one for each part.
Cost         bag: width multiply-adds for each word; CNNs and GRU as in their files, over the first `length` steps.
Checked by   tests/neural/test_content_encoders.py: by hand, padding, absent parts, gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from matweave.data.content_preparation import FIRST, ContentPreparation
from matweave.data.item_content import ItemContent
from matweave.data.ragged import offsets_of, padded
from matweave.deep import Tensor, functional, nn, torch
from matweave.errors import ConfigError, DataError, nearest
from matweave.nets.cnn import CNN
from matweave.nets.cnn1d import CNN1d
from matweave.nets.inputs import Inputs
from matweave.nets.mlp import MLP
from matweave.nets.rnn import GRU

TEXTS = ("bag", "words", "characters", "gru")
"""What may read texts; several of them are joined by +, as "bag+characters"."""


def encoder_names(value: object) -> str | None:
    """The rule of a setting that names what reads texts; see `config.check`.

    >>> encoder_names("bag+gru"), encoder_names("bags")
    (None, "bag, words, characters or gru, or several joined by +; did you mean 'bag'?")
    """
    names = str(value).split("+") if isinstance(value, str) else []
    if names and len(set(names)) == len(names) and set(names) <= set(TEXTS):
        return None
    wrong = next((name for name in names if name not in TEXTS), "")
    return f"bag, words, characters or gru, or several joined by +{nearest(wrong, TEXTS) if wrong else ''}"


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ContentParts:
    """The arrays of n items that a `ContentEncoder` reads, two for each part; and what it is built from.

    names: the parts. arrays: bag (codes, weights), texts (codes, lengths), attributes (values, there), image (bytes, there);
    each (n, ...). sizes: of each part: words or characters with padding, columns, (c, h, w). image_mean, image_std: (c,).
    """

    names: tuple[str, ...]
    arrays: tuple[np.ndarray, ...]
    sizes: tuple[tuple[int, ...], ...]
    image_mean: np.ndarray
    image_std: np.ndarray

    def __len__(self) -> int:
        return len(self.arrays[0])

    def encoder(self, outputs: int, *, width: int, dropout: float) -> ContentEncoder:
        """A module from these arrays to (n, outputs); its weights are drawn from torch's generator."""
        return ContentEncoder(self, outputs, width=width, dropout=dropout)


def content_parts(
    content: ItemContent, warm: np.ndarray, *, encoder: str, length: int, most_words: int
) -> ContentParts:
    """The parts of a content of n items. warm: places of the training items, whose words, alphabet and moments are learned.

    encoder: what reads texts. length: words, or characters / 4, that are read at most. Raises DataError where no training
    item has any content.
    """
    learned = content.take(warm)
    made = ContentPreparation.fit(learned, most_words=most_words)
    names, arrays, sizes = [], [], []
    if learned.has_text.any():
        for name in encoder.split("+"):
            pair = _text(name, made, content, length)
            codes = FIRST + len(made.alphabet) if name == "characters" else 1 + len(made.words)
            if codes > 1:
                names.append(name)
                arrays += pair
                sizes.append((codes,))
    if learned.has_attributes.any():
        names.append("attributes")
        arrays += [made.attributes(content), content.has_attributes]
        sizes.append((len(made.attribute_names),))
    if made.images is not None:
        assert content.pixels is not None
        assert content.picture is not None
        pixels = content.pixels[np.maximum(content.picture, 0)]
        pixels[~content.has_image] = 0
        names.append("image")
        arrays += [pixels, content.has_image]
        sizes.append(made.images.shape)
    if not names:
        raise DataError(
            "the texts of the training items hold no word",
            where="content",
            mend="give text of letters or digits",
        )
    none = np.zeros(0, np.float32)
    return ContentParts(
        names=tuple(names),
        arrays=tuple(arrays),
        sizes=tuple(sizes),
        image_mean=none if made.images is None else made.images.mean,
        image_std=none if made.images is None else made.images.std,
    )


def _text(name: str, made: ContentPreparation, content: ItemContent, length: int) -> list[np.ndarray]:
    if name == "bag":
        weights = made.weights(content)
        codes = padded(weights.indices.astype(np.int32) + 1, weights.indptr)
        return [_wide(codes), _wide(padded(weights.weights(), weights.indptr))]
    if name == "characters":
        steps, offsets = made.character_codes(content)
        length *= 4
    else:
        steps, offsets = made.word_codes(content)
    lengths = np.minimum(np.diff(offsets), length)
    keep = np.arange(len(steps)) - np.repeat(offsets[:-1], np.diff(offsets)) < length
    return [_wide(padded(steps[keep].astype(np.int32), offsets_of(lengths))), lengths]


def _wide(array: np.ndarray) -> np.ndarray:
    """At least one column, where nobody has a word."""
    return array if array.shape[1] else np.zeros((len(array), 1), array.dtype)


@final
class ContentEncoder(nn.Module):
    """forward(the arrays of ContentParts for some items (n, ...)) gives (n, outputs)."""

    def __init__(self, parts: ContentParts, outputs: int, *, width: int, dropout: float) -> None:
        super().__init__()
        self.names = parts.names
        self.parts = nn.ModuleList(
            _module(name, size, width, dropout, parts)
            for name, size in zip(parts.names, parts.sizes, strict=True)
        )
        self.absent = nn.Parameter(0.02 * torch.randn(len(parts.names), width))
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(width * len(parts.names), outputs)

    def forward(self, *tensors: Tensor) -> Tensor:
        found = []
        for at, (name, module) in enumerate(zip(self.names, self.parts, strict=True)):
            first, second = tensors[2 * at : 2 * at + 2]
            there = first[:, 0] > 0 if name == "bag" else second > 0
            vectors = module(first, second)
            found.append(torch.where(there[:, None], vectors, self.absent[at]))
        return self.dense(self.dropout(torch.cat(found, 1)))


def _module(name: str, size: Sequence[int], width: int, dropout: float, parts: ContentParts) -> nn.Module:
    if name == "bag":
        return Bag(size[0], width, dropout)
    if name == "attributes":
        return _First(MLP(hidden=(width,)).build(Inputs(kind="features", size=tuple(size)), width))
    if name == "image":
        if min(size[1:]) < 8:
            raise ConfigError(
                f"images of {size[1]} × {size[2]} are too small",
                where="content",
                mend="read them with size=32 or more",
            )
        net = CNN(channels=(16, 32, 64), dense=()).build(Inputs(kind="image", size=tuple(size)), width)
        return _Pixels(net, parts.image_mean, parts.image_std)
    tokens = Inputs(kind="tokens", size=tuple(size))
    if name == "gru":
        return _Steps(GRU(hidden=width, embedding=width, output="mean").build(tokens, width))
    channels, pool = ((width,), "none") if name == "words" else ((width, width), "max")
    spec = CNN1d(channels=channels, kernel=5, pool=pool, norm="none", output="max", dense=(), embedding=width)
    return _Steps(spec.build(tokens, width))


@final
class Bag(nn.Module):
    """The weighted sum of word vectors; in training, words are dropped with probability `dropout`.

    >>> Bag(4, 2, 0.0)(torch.tensor([[1, 3], [0, 0]]), torch.tensor([[0.6, 0.8], [0.0, 0.0]])).shape
    torch.Size([2, 2])
    """

    def __init__(self, codes: int, width: int, dropout: float) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(codes, width) / width**0.5)
        self.dropout = nn.Dropout(dropout)

    def forward(self, codes: Tensor, weights: Tensor) -> Tensor:
        there = codes > 0  # padding would cost as much as words
        offsets = functional.pad(there.sum(1).cumsum(0)[:-1], (1, 0))
        kept = self.dropout(weights[there])
        return functional.embedding_bag(
            codes[there].long(), self.vectors, offsets, mode="sum", per_sample_weights=kept
        )


@final
class _First(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, values: Tensor, there: Tensor) -> Tensor:
        return self.net(values)


@final
class _Pixels(nn.Module):
    def __init__(self, net: nn.Module, mean: np.ndarray, std: np.ndarray) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", 255 * torch.from_numpy(mean)[:, None, None])
        self.register_buffer("std", 255 * torch.from_numpy(std)[:, None, None])

    def forward(self, pixels: Tensor, there: Tensor) -> Tensor:
        return self.net((pixels.float() - self.get_buffer("mean")) / self.get_buffer("std"))


@final
class _Steps(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, codes: Tensor, lengths: Tensor) -> Tensor:
        return self.net(codes, lengths.clamp(min=1))  # an empty text is one step of padding, and then absent


def in_pieces(module: nn.Module, tensors: Sequence[Tensor], piece: int = 2048) -> Tensor:
    """Outputs of a module for many items, made without gradients in pieces."""
    with torch.no_grad():
        n = len(tensors[0])
        return torch.cat(
            [module(*(t[at : at + piece] for t in tensors)) for at in range(0, max(n, 1), piece)]
        )
