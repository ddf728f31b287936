"""One HTML file that tells a model of relations: its components, the communities in them, and who leads to whom.

H_k is shown as a table of shaded cells, heads' components in rows and tails' in columns, each cell times the lengths of
the two components' columns of W: so cells of all relations are in one unit, and large cells carry much of the scores.
The file needs nothing from outside, follows light and dark, and prints; it draws with HTML alone, no extra is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import final

import numpy as np

from matweave.artifact import write_atomically
from matweave.data.relations import Relations
from matweave.evaluation.machine import versions
from matweave.evaluation.net_report import STYLE
from matweave.evaluation.relations import RelationEvaluation
from matweave.evaluation.report_html import Html, bullets, page, paragraph, section, table, text
from matweave.factor.relation_answers import heads_up
from matweave.factor.relation_forms import RelationModel

COMPONENTS = 14
"""Components shown in a table of H; of more the heaviest."""

RELATIONS = 12
"""Relations whose H is shown; of more those with the most triples."""

NAMED = 2  # entities that name a component
STRONG = 8  # entities listed of a component


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Component:
    """A column of W: its code, a name of its strongest entities, these, and how many entities it is strongest for."""

    code: int
    name: str
    strongest: tuple[str, ...]
    size: int


def components_of(model: RelationModel) -> list[Component]:
    """The components of a model, by code. An entity of negative sign in one has a minus before its name.

    >>> import matweave as mw
    >>> ring = mw.read_relations([("ann", "bob"), ("bob", "cy"), ("cy", "ann")])
    >>> len(components_of(mw.RESCAL(rank=2, epochs=2).fit(ring)))
    2
    """
    w = model.entity_factors
    strength = np.abs(w)
    lengths = np.linalg.norm(w, axis=0)
    scaled = strength / np.where(lengths > 0, lengths, 1)
    owners = np.where(scaled.any(axis=1), scaled.argmax(axis=1), -1)
    sizes = np.bincount(owners[owners >= 0], minlength=w.shape[1])
    order = np.argsort(-strength, axis=0, kind="stable")[:STRONG].T
    found = []
    for code, codes in enumerate(order):
        codes = codes[strength[codes, code] > 0]
        signs = np.sign(w[codes, code])
        signs = signs * (signs[0] if len(signs) else 1)  # W H Wᵀ is the same when a column changes its sign
        ids = model.entities.decode(codes).to_pylist()
        names = tuple(f"{'' if sign > 0 else '−'}{i}" for i, sign in zip(ids, signs, strict=True))
        name = f"{code + 1} · {', '.join(names[:NAMED]) or 'nobody'}"
        found.append(Component(code=code, name=name, strongest=names, size=int(sizes[code])))
    return found


def weighed(model: RelationModel, relation: int) -> np.ndarray:
    """H of a relation between components of length one, (rank, rank) float64."""
    w = model.entity_factors.astype(np.float64)
    lengths = np.linalg.norm(w, axis=0)
    turned = heads_up(w) * lengths  # as the components are named
    return turned[:, None] * model.core.matrix(relation) * turned


def write_relation_report(
    path: str | PathLike[str],
    model: RelationModel,
    *,
    title: str = "",
    train: Relations | None = None,
    judged: RelationEvaluation | None = None,
    facts: Mapping[str, str] | None = None,
) -> Path:
    """Write the report, whole or not at all; returns where it is.

    train: what the model was fitted on, for counts of triples. judged: what `evaluate_relations` found. facts: more lines for the
    head. All names are escaped.

    >>> import tempfile, matweave as mw
    >>> ring = mw.read_relations([("ann", "bob"), ("bob", "cy"), ("cy", "ann")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_relation_report(folder + "/r.html", mw.RESCAL(rank=2, epochs=2).fit(ring)).read_text()[:15]
    '<!doctype html>'
    """
    target = Path(path)
    write_atomically(
        target, as_html(model, title=title, train=train, judged=judged, facts=facts or {}).encode()
    )
    return target


def as_html(
    model: RelationModel,
    *,
    title: str,
    train: Relations | None,
    judged: RelationEvaluation | None,
    facts: Mapping[str, str],
) -> str:
    """The report as one text."""
    parts = components_of(model)
    made = [
        ("quality", "How good it is", _quality(judged)),
        ("leads", "Who leads to whom", _maps(model, parts)),
        ("components", "Communities" if model.nonnegative else "Components", _components(model, parts)),
        ("read", "How to read this", _reading(model)),
    ]
    kept = [(name, heading, body) for name, heading, body in made if body]
    nav = " ".join(f"<a href='#{name}'>{text(heading)}</a>" for name, heading, _ in kept)
    counts = np.bincount(
        (model.cells // max(len(model.entities), 1) ** 2).astype(np.int64), minlength=len(model.kinds)
    )
    told = {
        "method": model.method,
        "entities": f"{len(model.entities):,}",
        "relations": f"{len(model.kinds):,}",
        "triples": f"{int(counts.sum()):,}",
        "components": f"{model.entity_factors.shape[1]:,}",
        "ended by": f"{model.history.stopped}, epoch {model.history.epoch}",
        **facts,
    }
    cells = "".join(f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in told.items())
    name = title or f"{model.method}: {len(model.entities):,} entities"
    head = Html(
        f"<h1>{text(name)}</h1><dl class=facts>{cells}</dl>{bullets(train.report if train else ())}"
        f"<nav aria-label='Sections'>{nav}</nav>"
    )
    foot = ", ".join(f"{package} {version}" for package, version in versions().items())
    whole = page(name, head, [section(key, heading, *body) for key, heading, body in kept], foot)
    return whole.replace("</style>", f"{STYLE}</style>", 1)


def _quality(judged: RelationEvaluation | None) -> list[Html]:
    if judged is None:
        return []
    rows = [[name, str(found)] for name, found in judged.metrics.items()]
    counts = ", ".join(f"{n:,} {what}" for what, n in judged.counts.items())
    found = [table(["metric", "mean [95 % interval]"], rows, caption=f"{judged.protocol}; {counts}")]
    if len(judged.by_relation) > 1:
        names = [n for n in next(iter(judged.by_relation.values())) if n != "triples"]
        lines = [
            [relation, f"{numbers['triples']:,}", *(f"{numbers[n]:.4f}" for n in names)]
            for relation, numbers in judged.by_relation.items()
        ]
        heads = ["relation", "triples", *names]
        found.append(table(heads, lines, numbers=range(1, len(heads)), caption="relation by relation"))
    return found


def _maps(model: RelationModel, parts: Sequence[Component]) -> list[Html]:
    square = max(len(model.entities), 1) ** 2
    counts = np.bincount((model.cells // square).astype(np.int64), minlength=len(model.kinds))
    shown = np.sort(np.argsort(-counts, kind="stable")[:RELATIONS])
    cores = {int(k): weighed(model, int(k)) for k in shown}
    mass = sum(np.abs(core).sum(axis=0) + np.abs(core).sum(axis=1) for core in cores.values())
    heaviest = np.sort(np.argsort(-np.asarray(mass), kind="stable")[:COMPONENTS])
    found = []
    if len(shown) < len(model.kinds):
        found.append(paragraph(f"The {len(shown)} relations with the most triples, of {len(model.kinds):,}."))
    if len(heaviest) < len(parts):
        found.append(paragraph(f"The {len(heaviest)} heaviest of {len(parts):,} components."))
    names = [parts[code].name for code in heaviest]
    for k, core in cores.items():
        said = f"{model.kinds.decode([k]).to_pylist()[0]} ({int(counts[k]):,} triples)"
        found.append(Html(f"<h3>{text(said)}</h3>"))
        found.append(heat_map(core[np.ix_(heaviest, heaviest)], names))
        found.append(paragraph(*_flows(core, parts), kind="note"))
    return found


def heat_map(core: np.ndarray, names: Sequence[str]) -> Html:
    """A square of numbers as a table of shaded cells: blue above 0, orange below, the strongest cell darkest.

    >>> "heads" in heat_map(np.eye(2), ["1 · ann", "2 · bob"]).markup
    True
    """
    largest = float(np.abs(core).max()) or 1.0
    head = "".join(f"<th class=up scope=col><span>{text(name)}</span></th>" for name in names)
    rows = []
    for name, row in zip(names, core, strict=True):
        cells = []
        for value in row:
            share = abs(float(value)) / largest
            kind = ("hit" if value > 0 else "miss") + (" strong" if share > 0.6 else "")
            cells.append(f'<td class="{kind}" style="--w:{share:.3f}">{_short(float(value), largest)}</td>')
        rows.append(f"<tr><th scope=row>{text(name)}</th>{''.join(cells)}</tr>")
    wide = " wide" if len(names) > 7 else ""
    return Html(
        f'<div class=scroll><table class="confusion{wide}"><thead><tr><th class=corner>heads ↓ tails →</th>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _short(value: float, largest: float) -> str:
    digits = max(0, 2 - int(np.floor(np.log10(largest)))) if largest > 0 else 2
    return f"{value:.{min(digits, 4)}f}".replace("-", "−")


def _flows(core: np.ndarray, parts: Sequence[Component]) -> list[str]:
    """The pairs of components that differ most by direction, and the strongest component within itself."""
    found = []
    inner = int(np.diagonal(core).argmax())
    if core[inner, inner] > 0:
        found.append(f"Strongest within: {parts[inner].name} ({core[inner, inner]:.3g}).")
    apart = core - core.T
    for flat in np.argsort(-apart, axis=None, kind="stable")[:3]:
        a, b = np.unravel_index(flat, core.shape)
        if apart[a, b] <= 0.05 * np.abs(core).max():
            break
        found.append(f"{parts[a].name} → {parts[b].name}: {core[a, b]:.3g}, back {core[b, a]:.3g}.")
    return found or ["No direction: symmetric between components."]


def _components(model: RelationModel, parts: Sequence[Component]) -> list[Html]:
    largest = max((part.size for part in parts), default=1) or 1
    rows = [
        [
            part.name,
            Html(
                f"{part.size:,}<span class=meter><i style='width:{100 * part.size / largest:.1f}%'></i></span>"
            ),
            ", ".join(part.strongest) or "nobody",
        ]
        for part in sorted(parts, key=lambda part: (-part.size, part.code))
    ]
    what = "community" if model.nonnegative else "component"
    return [table([what, "entities", "strongest entities"], rows, numbers=[1])]


def _reading(model: RelationModel) -> list[Html]:
    lines = [
        "A component is named by its strongest entities; “entities” counts those for whom it is the strongest.",
        "A cell of a table is what heads of the row's component score with tails of the column's, whole components at a "
        "time. Blue: related; orange: less related than the rest of the model says.",
        "“A → B: x, back y”: A's entities are heads and B's tails with strength x, the other way round with y.",
    ]
    if not model.nonnegative:
        lines.append(
            "Factors have both signs: components overlap and may cancel, and a turn of them all would fit as well. For groups that "
            "can be read one by one fit SymmetricNMF or TriFactorization."
        )
    return [bullets(lines)]
