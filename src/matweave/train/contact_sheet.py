"""A contact sheet: examples as they are and, below each, what an augmentation made of it, as one SVG for an HTML page.

Pixels are PNG data addresses, sequences are lines, codes are text; nothing points outside the page, no pillow and no matplotlib are needed.
Lines and words are drawn in `currentColor`: the sheet reads in light and in dark.
Checked by reading the markup and the pixels back: tests/train/test_contact_sheet.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from matweave.config import integer
from matweave.deep import Tensor, generator
from matweave.errors import ConfigError
from matweave.png import data_uri
from matweave.train.augment import Augmentation

TILE, GAP, LINE, LEFT = 88, 8, 15, 84
"""Sides of a tile, spaces between tiles, height of a line of text, width of the words at the left; in units of the SVG."""

LETTERS = 17
"""Letters of a caption, and of a text of codes, that a tile has room for."""

CHANNELS = 8
"""Channels of a sequence drawn at most: more lines than these hide each other."""


def contact_sheet(
    batch: tuple[Tensor, ...],
    augmentation: Augmentation,
    *,
    seed: int,
    count: int = 8,
    rows: int = 4,
    classes: Sequence[str] | None = None,
    alphabet: Sequence[str] | None = None,
) -> str:
    """An `<svg>` element: the first `count` examples of the batch in the first row, `rows` augmented versions below.

    batch: (x, y) of images or (x, lengths, y) of sequences, as prepared for the network, on any device.
    classes: their names, for the captions; without, their codes. alphabet: what the codes 2, 3, .. of x stand for.
    Examples shown are mixed with each other alone. Grey: each image's channels by their smallest and largest value among
    the examples; 3 channels are shown as red, green, blue, another number as their mean. Lines: all on one scale, at
    most CHANNELS of them. Raises ConfigError for a seed, count or rows that is none, and whatever the augmentation raises.

    >>> from matweave.deep import torch
    >>> from matweave.train.augment import from_names
    >>> batch = torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 1])
    >>> sheet = contact_sheet(batch, from_names("shift,flip", kind="image"), seed=0, rows=2, classes=["cat", "dog"])
    >>> sheet.count("<image"), sheet.count(">dog<"), sheet[:14]
    (9, 6, '<svg role="img')
    """
    wrong = [
        f"{name} is {value!r}, but must be {wanted}"
        for name, value, low in (("count", count, 1), ("rows", rows, 0))
        if (wanted := integer(low)(value))
    ]
    if wrong:
        raise ConfigError("\n".join(wrong), where="contact sheet", mend="give count=8, rows=4")
    shown = tuple(t[:count] for t in batch)
    made = [shown] + [augmentation(shown, generator(seed, "contact sheet", row)) for row in range(rows)]
    n = len(shown[0])
    draw = _drawer(shown, alphabet)
    tall = LINE if shown[0].ndim == 2 else TILE
    parts = []
    for row, (x, *lengths, y) in enumerate(made):
        top = row * (tall + LINE + GAP)
        title = "augmented" if row else "original"
        parts.append(f'<text x="0" y="{top + tall / 2 + 4:g}" opacity="0.7">{title}</text>')
        for i in range(n):
            size = int(lengths[0][i]) if lengths else 0
            tile = draw(x[i].cpu().numpy(), size) + _caption(y[i], classes, tall, y.ndim > shown[-1].ndim)
            parts.append(f'<g transform="translate({LEFT + i * (TILE + GAP)} {top})">{tile}</g>')
    width, height = LEFT + n * (TILE + GAP) - GAP, len(made) * (tall + LINE + GAP) - GAP
    label = f"{n} training examples, and {rows} augmented versions of each"
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {width} {height}"'
        f' style="width:100%;max-width:{width}px;height:auto" font-size="11" fill="currentColor">'
        + "".join(parts)
        + "</svg>"
    )


def _drawer(shown: tuple[Tensor, ...], alphabet: Sequence[str] | None):
    """What draws one example, on the scale of the originals."""
    x = shown[0].cpu().numpy()
    if x.ndim == 4:
        low, high = x.min((0, 2, 3))[:, None, None], x.max((0, 2, 3))[:, None, None]
        return lambda one, _: _picture((one - low) / np.where(high > low, high - low, 1))
    if x.ndim == 3:
        low, high = float(x.min()), float(x.max())
        return lambda one, size: _lines((one[:size, :CHANNELS] - low) / ((high - low) or 1.0), x.shape[1])
    return lambda one, size: _text(one[:size], alphabet)


def _picture(pixels: np.ndarray) -> str:
    """An image (channels, height, width) of values in 0..1, as large as fits into a tile."""
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    if len(levels) not in (1, 3):
        levels = np.rint(levels.mean(0, keepdims=True)).astype(np.uint8)
    levels = levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0)
    return (
        f'<image href="{data_uri(levels)}" width="{TILE}" height="{TILE}" style="image-rendering:pixelated"/>'
    )


def _lines(steps: np.ndarray, longest: int) -> str:
    """A sequence (steps, channels) of values about 0..1: one line per channel, fainter by its number."""
    across = np.arange(len(steps)) * (TILE / max(longest - 1, 1))
    down = TILE * (0.95 - 0.9 * np.clip(steps, -0.05, 1.05))
    lines = []
    for channel in range(steps.shape[1]):
        points = " ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across, down[:, channel], strict=True))
        faint = 1 - 0.75 * channel / CHANNELS
        lines.append(f'<polyline points="{points}" fill="none" stroke="currentColor" opacity="{faint:.2f}"/>')
    return (
        f'<g><rect width="{TILE}" height="{TILE}" fill="none" stroke="currentColor" opacity="0.15"/></g>'
        + "".join(lines)
    )


def _text(codes: np.ndarray, alphabet: Sequence[str] | None) -> str:
    """Codes as characters, or as numbers where no alphabet is given; what is unknown or masked is a box."""
    if alphabet is None:
        words = " ".join(map(str, codes.tolist()))
    else:
        words = "".join(str(alphabet[c - 2]) if 2 <= c < len(alphabet) + 2 else "▯" for c in codes.tolist())
    shown = words if len(words) < LETTERS - 3 else words[: LETTERS - 5] + "…"  # monospaced letters are wider
    return f'<text y="11" font-family="monospace">{escape(shown)}</text>'


def _caption(y: Tensor, classes: Sequence[str] | None, tall: int, mixed: bool) -> str:
    """The answer in words below a tile: a class, the two parts of a mixed one, or numbers; what is cut stands whole in the title."""
    if mixed:
        found = zip(*(t.tolist() for t in y.topk(min(2, len(y)))), strict=True)
        parts = [(_name(code, classes), f" {share:.0%}") for share, code in found if share >= 0.005]
    elif y.is_floating_point() or y.ndim:
        parts = [(" ".join(f"{v:.3g}" for v in y.flatten()[:3].tolist()), "")]
    else:
        parts = [(_name(int(y), classes), "")]
    words = " + ".join(name + share for name, share in parts)
    short = words
    if len(words) > LETTERS:
        room = LETTERS if len(parts) == 1 else 4
        short = " + ".join(
            (name if len(name) <= room else name[: room - 1] + "…") + share for name, share in parts
        )
    title = f"<title>{escape(words)}</title>" if short != words else ""
    return f'{title}<text y="{tall + 11}">{escape(short)}</text>'


def _name(code: int, classes: Sequence[str] | None) -> str:
    return str(code if classes is None else classes[code])
