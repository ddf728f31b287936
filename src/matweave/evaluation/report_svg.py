"""Figures as SVG that takes its colours from the page, so that they follow light and dark.

Colours are drawn as marker codes and replaced by CSS variables in the parsed SVG; identifiers get a prefix of their
own, namespaces and metadata go: nothing in a figure points outside the page. matplotlib (extra `report`) is imported
in this one place, without pyplot: no window, no state kept between figures.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from matweave.errors import missing_extra

INK, MUTED, GRID, ACCENT, PAPER = "#0000a0", "#0000a1", "#0000a2", "#0000a3", "#0000a4"
SERIES = tuple(f"#0000b{n}" for n in range(8))
_NAMES = {INK: "ink", MUTED: "muted", GRID: "line", ACCENT: "accent", PAPER: "paper"} | {
    colour: f"series-{n + 1}" for n, colour in enumerate(SERIES)
}
_CODE = re.compile("|".join(_NAMES))
_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "{http://www.w3.org/1999/xlink}"

WIDTH = 10.4  # at full width, 1 pt of the figure is 1 pt of the page

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: the page's own font, found by search and by screen readers
    "svg.hashsalt": "matweave",  # the same figure is the same text
    "text.parse_math": False,  # a method may be called $x$
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 9.5,
    "axes.titlecolor": INK,
    "axes.titleweight": "bold",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "savefig.facecolor": "none",
}


def drawn(draw: Callable[[Any], None], *, height: float, name: str, label: str, width: float = WIDTH) -> str:
    """What `draw` does to an empty figure, as an element of a page; sizes in inches.

    Raises MissingExtra where matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra("report", "matplotlib", "the HTML report") from error
    with rc_context(_STYLE), warnings.catch_warnings():
        # the browser sets the text, in fonts of its own: matplotlib only guesses its width
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        # a figure too crowded to be laid out is drawn as it is: the reader of a terminal can do nothing about it
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.get_layout_engine().set(wspace=0.05, hspace=0.07)  # pyright: ignore[reportOptionalMemberAccess, reportCallIssue]
        draw(figure)
        sink = io.BytesIO()
        figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None})
    return inlined(sink.getvalue(), name, label)


def inlined(svg: bytes, name: str, label: str) -> str:
    """A figure as an element of an HTML page: `name` goes before its identifiers, `label` says what it shows.

    >>> inlined(b'<svg xmlns="http://www.w3.org/2000/svg"><g id="a" style="fill: #0000a0"/></svg>', "f", "x < y")
    '<svg role="img" aria-label="x &lt; y"><g id="f-a" style="fill: var(--ink)" /></svg>'
    """
    root = ElementTree.fromstring(svg)
    for parent in root.iter():
        for child in [c for c in parent if c.tag == f"{_SVG}style" or not c.tag.startswith(_SVG)]:
            parent.remove(child)
        for child in [c for c in parent if c.tag == f"{_SVG}metadata"]:
            parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        found = {key.removeprefix(_XLINK): value for key, value in element.attrib.items()}
        element.attrib.clear()
        for key, value in found.items():
            if key == "id":
                value = f"{name}-{value}"
            elif key == "href":
                value = value.replace("#", f"#{name}-")
            elif "url(#" in value:
                value = value.replace("url(#", f"url(#{name}-")
            element.set(key, _CODE.sub(lambda m: f"var(--{_NAMES[m[0]]})", value))
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.attrib = {"role": "img", "aria-label": label, **root.attrib}
    return ElementTree.tostring(root, encoding="unicode")
