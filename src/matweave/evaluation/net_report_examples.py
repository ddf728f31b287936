"""Single examples as cards of a report: the picture, curve, text or row, with truth, prediction and its probability.

Pictures are PNG inside the page, at most 96 pixels a side (larger ones are averaged down), enlarged without smoothing.
Whatever stands in an example is shown as text and never becomes markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from matweave.errors import DataError, listed, nearest
from matweave.evaluation.report_html import Html, text
from matweave.png import data_uri

KINDS = ("image", "sequence", "text", "row")
SIDE = 96
STEPS, CHANNELS = 240, 8
LETTERS, FIELDS = 280, 8


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class HardExample:
    """One example to show, in its own form.

    kind and content: "image" (height, width) or (channels, height, width), uint8, or numbers of any range (scaled to
    it); "sequence" (steps,) or (steps, channels) numbers; "text" str; "row" column -> value.
    truth, predicted: class names or numbers as text. probability: of the prediction, NaN where there is none.
    name: where it is from, for instance a file, or test[17]. Raises DataError for another kind.
    """

    kind: str
    content: Any
    truth: str
    predicted: str
    probability: float
    name: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DataError(
                f"no example is of kind {self.kind!r}{nearest(self.kind, KINDS)}",
                where="report",
                mend=f"give one of {listed(KINDS)}",
            )


def cards(examples: Sequence[HardExample]) -> Html:
    """A grid of cards, as wide as the kind of the first needs.

    >>> one = HardExample(kind="text", content="a < b", truth="x", predicted="y", probability=0.9, name="test[3]")
    >>> "a &lt; b" in cards([one]).markup, "90.0\N{NO-BREAK SPACE}%" in cards([one]).markup
    (True, True)
    """
    made = "\n".join(_card(e) for e in examples)
    return Html(f"<div class='cards {examples[0].kind}s'>\n{made}\n</div>" if examples else "")


def _card(e: HardExample) -> str:
    sure = "" if np.isnan(e.probability) else f" <small>{100 * e.probability:.1f}\N{NO-BREAK SPACE}%</small>"
    # a number is never quite the truth
    wrong = " class=bad" if sure and e.truth != e.predicted else ""
    return (
        f"<article class=card>{_DRAW[e.kind](e)}<dl><dt>true</dt><dd>{text(e.truth)}</dd>"
        f"<dt>predicted</dt><dd><span{wrong}>{text(e.predicted)}</span>{sure}</dd></dl>"
        f"<p class=from>{text(e.name)}</p></article>"
    )


def _image(e: HardExample) -> str:
    address = data_uri(thumbnail(e.content))
    return f'<img src="{address}" alt="{text(f"image of {e.truth}, {e.name}")}">'


def thumbnail(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Pixels uint8 (h, w) or (h, w, 3), neither side above `side`; other numbers of channels are shown as their mean.

    uint8 is taken as it is, floats within 0..1 as shares of white, anything else from its least to its largest value.

    >>> thumbnail(np.array([[[0.0, 0.5, 1.0]]]))
    array([[  0, 128, 255]], dtype=uint8)
    >>> thumbnail(np.zeros((3, 200, 100))).shape
    (66, 33, 3)
    """
    given = np.asarray(pixels)
    image = given.astype(np.float64)
    image = image[None] if image.ndim == 2 else image
    if image.ndim != 3 or not image.size:
        raise DataError(
            f"an image to show has shape {given.shape}",
            where="report",
            mend="give (height, width) or (channels, height, width)",
        )
    image = np.nan_to_num(image, nan=0.0, posinf=1.0, neginf=0.0)
    if given.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        image = (image - low) / ((high - low) or 1.0) * 255
    image = image if image.shape[0] == 3 else image.mean(axis=0, keepdims=True)
    step = -(-max(image.shape[1:]) // side)
    if step > 1:
        tall, wide = (max(1, size // step) for size in image.shape[1:])
        high, across = min(step, image.shape[1]), min(step, image.shape[2])
        image = image[:, : tall * high, : wide * across]
        image = image.reshape(len(image), tall, high, wide, across).mean(axis=(2, 4))
    levels = np.floor(image + 0.5).clip(0, 255).astype(np.uint8)
    return levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0))


def _sequence(e: HardExample) -> str:
    steps = np.asarray(e.content, np.float64)
    steps = steps[:, None] if steps.ndim == 1 else steps
    if steps.ndim != 2:
        raise DataError(
            f"a sequence to show has shape {np.shape(e.content)}",
            where="report",
            mend="give (steps,) or (steps, channels)",
        )
    return sparkline(steps, f"sequence of {e.truth}, {e.name}")


def sparkline(steps: np.ndarray, label: str) -> str:
    """The channels of a sequence (steps, channels) as lines on one scale, as an element of a page.

    The first eight channels, at 240 steps evenly spaced at most; what is not finite leaves a gap.

    >>> sparkline(np.array([[0.0], [1.0]]), "up").count("<polyline")
    1
    """
    shown = steps[:, :CHANNELS]
    at = np.unique(np.linspace(0, len(shown) - 1, STEPS).round().astype(int)) if len(shown) else []
    shown = shown[at] if len(shown) else shown
    finite = shown[np.isfinite(shown)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    across = np.linspace(2, 198, len(shown)) if len(shown) > 1 else np.full(len(shown), 100.0)
    lines = []
    for channel, column in enumerate(shown.T):
        good = np.isfinite(column)
        down = 57 - 54 * (np.where(good, column, low) - low) / ((high - low) or 1.0)
        for part in np.split(np.arange(len(column)), np.flatnonzero(np.diff(good)) + 1):
            if not len(part) or not good[part[0]]:
                continue
            points = " ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across[part], down[part], strict=True))
            colour = f"var(--series-{channel + 1})"
            if len(part) == 1:
                lines.append(
                    f'<circle cx="{across[part[0]]:.1f}" cy="{down[part[0]]:.1f}" r="2" fill="{colour}"/>'
                )
            else:
                lines.append(
                    f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.4" '
                    'vector-effect="non-scaling-stroke"/>'
                )
    return f'<svg role="img" aria-label="{text(label)}" viewBox="0 0 200 60">{"".join(lines)}</svg>'


def _text(e: HardExample) -> str:
    words = str(e.content)
    shown = words if len(words) <= LETTERS else words[: LETTERS - 1].rstrip() + "…"
    return f"<p class=quote>{text(shown)}</p>"


def _row(e: HardExample) -> str:
    fields = dict(e.content) if isinstance(e.content, Mapping) else {"": e.content}
    shown = list(fields.items())[:FIELDS]
    cells = "".join(f"<div><span>{text(k)}</span><span>{text(_value(v))}</span></div>" for k, v in shown)
    rest = len(fields) - FIELDS
    more = f"<p class=from>and {rest:,} more {'column' if rest == 1 else 'columns'}</p>" if rest > 0 else ""
    return f"<div class=fields>{cells}</div>{more}"


def _value(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, (float, np.floating)) else "–" if value is None else str(value)


_DRAW = {"image": _image, "sequence": _sequence, "text": _text, "row": _row}
