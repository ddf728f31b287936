"""Builds docs/reference.md from the code, and checks every relative link of the Markdown pages.

python -m docs.build            write the page, check the links
python -m docs.build --check    only tell whether the page is in step with the code (exit 1 if not)
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import Field, fields
from pathlib import Path

from matweave.app.catalogue import METHODS, RATING_METHODS
from matweave.app.relations_verbs import RELATION_METHODS
from matweave.factor.blend import Blend
from matweave.metrics.table import METRICS
from matweave.nets.activations import ACTIVATIONS
from matweave.nets.network import Network
from matweave.nets.table import DEFAULTS, NETS
from matweave.neural.content_factors import ContentFactors
from matweave.train.augment_images import ImageAugmentation
from matweave.train.augment_sequences import SequenceAugmentation
from matweave.train.losses import LOSSES
from matweave.train.optimizers import OPTIMIZERS
from matweave.train.schedules import SCHEDULES

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference.md"
OTHERS = (ContentFactors, Blend, *RELATION_METHODS.values())


def reference() -> str:
    """The page: every method with its mathematics and settings, every metric with its formula."""
    parts = ["# Reference", "", "Made by `make docs` from the code; do not edit.", "", "## Methods", ""]
    parts += ["| name | class | predicts values | judged by default |", "|---|---|---|---|"]
    for name, recipe in METHODS.items():
        rates = name in RATING_METHODS
        parts.append(
            f"| `{name}` | `{recipe.__name__}` | {'yes' if rates else 'no'} | {'RMSE' if rates else 'nDCG'} |"
        )
    for name, recipe in METHODS.items():
        parts += [
            "",
            f"### {recipe.__name__} (`{name}`)",
            "",
            "```text",
            _head(recipe),
            "```",
            "",
            *_settings(recipe),
        ]
    parts += ["", "## Recipes beside the table", ""]
    parts += [
        "Fitted on more or other than a log: `matweave content fit`, `matweave blend` and `matweave relations fit`, or from Python.",
        "",
    ]
    for recipe in OTHERS:
        parts += [f"### {recipe.__name__}", "", "```text", _head(recipe), "```", "", *_settings(recipe), ""]
    parts += ["## Metrics", "", "| name | better | what it is |", "|---|---|---|"]
    for name, metric in METRICS.items():
        better = {True: "higher", False: "lower", None: "neither"}[metric.higher_is_better]
        parts.append(f"| `{name}{'@k' if metric.takes_k else ''}` | {better} | {_cell(metric.doc)} |")
    return "\n".join([*parts, "", *_networks()]) + "\n"


def _networks() -> list[str]:
    """Nets with their settings, and what the loop that trains them is given."""
    parts = [
        "## Networks",
        "",
        "`matweave train KIND PATH --net NAME --set SETTING=VALUE`, `mw.Network(net=NAME, settings={...})`.",
        "",
    ]
    parts += ["| net | class | takes | settings and their defaults |", "|---|---|---|---|"]
    for name, spec in NETS.items():
        settings = ", ".join(f"`{f.name}={f.default!r}`" for f in fields(spec)) or "none"
        usual = [kind for kind, net in DEFAULTS.items() if net == name]
        takes = ", ".join(f"**{k}**" if k in usual else k for k in spec.accepts)
        parts.append(f"| `{name}` | `{spec.__name__}` | {takes} | {settings} |")
    parts += ["", "In bold: the net that is taken where none is named.", ""]
    for name, spec in NETS.items():
        said = inspect.cleandoc(spec.__doc__ or "").partition(">>>")[0]
        parts.append(f"- `{name}`: {_cell(said)}")
    parts.append("")
    for module in dict.fromkeys(inspect.getmodule(spec) for spec in NETS.values()):
        parts += ["```text", inspect.cleandoc((module.__doc__ if module else "") or ""), "```", ""]
    parts += ["### Training: `Network`", "", *_settings(Network), ""]
    parts += [
        "### Optimizers",
        "",
        "| name | learning rate | momentum | weight decay | what it is |",
        "|---|---|---|---|---|",
    ]
    for row in OPTIMIZERS.values():
        decay = "decoupled" if row.decoupled else "in the gradient"
        parts.append(
            f"| `{row.name}` | {row.learning_rate:g} | {row.momentum or '–'} | {decay} | {_cell(row.doc)} |"
        )
    parts += ["", "### Schedules, losses, activations", ""]
    parts += [f"- schedules: {', '.join(f'`{name}`' for name in SCHEDULES)}"]
    parts += [f"- losses: {', '.join(f'`{name}`' for name in LOSSES)}"]
    parts += [f"- activations: {', '.join(f'`{name}`' for name in ACTIVATIONS)}", ""]
    parts += ["### Augmentation", "", "| name | images | sequences |", "|---|---|---|"]
    strengths = [ImageAugmentation.strengths, SequenceAugmentation.strengths]
    for name in dict.fromkeys([*strengths[0], *strengths[1]]):
        cells = [f"{table[name]:g}" if name in table else "–" for table in strengths]
        parts.append(f"| `{name}` | {cells[0]} | {cells[1]} |")
    return [
        *parts,
        "",
        "The numbers are the strengths of a name without one; `flip` is on or off. Text takes `mask` alone.",
    ]


def _head(recipe: type) -> str:
    module = inspect.getmodule(recipe)
    return inspect.cleandoc((module.__doc__ if module else "") or "")


def _settings(recipe: type) -> list[str]:
    notes = _comments(recipe)
    told = inspect.cleandoc(recipe.__doc__ or "").partition(">>>")[0].strip()
    head = [*told.splitlines(), ""]
    if not notes:
        return [*head, "Defaults: " + ", ".join(f"`{f.name}={f.default!r}`" for f in fields(recipe))]
    head += ["| setting | default | meaning |", "|---|---|---|"]
    return head + [
        f"| `{f.name}` | `{_default(f)!r}` | {_cell(notes.get(f.name, ''))} |" for f in fields(recipe)
    ]


def _default(field: Field) -> object:
    return field.default if callable(field.default_factory) is False else field.default_factory()


def _comments(recipe: type) -> dict[str, str]:
    """The remark beside each field: after it on its line, or in the lines above it."""
    found, above = {}, []
    for line in inspect.getsource(recipe).splitlines():
        field = re.match(r"\s+(\w+): [^#]+?(?:#\s*(.*))?$", line)
        if line.strip().startswith("#"):
            above.append(line.strip().lstrip("# "))
        elif field:
            note = field[2] or " ".join(above)
            found |= {field[1]: note} if note else {}
            above = []
        else:
            above = []
    return found


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def broken_links() -> list[str]:
    """Relative links of the Markdown pages that lead nowhere."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")]
    found = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf8")):
            if "://" not in target and not (page.parent / target).exists():
                found.append(f"{page.relative_to(ROOT)}: {target}")
    return found


def main() -> None:
    text = reference()
    in_step = PAGE.exists() and PAGE.read_text(encoding="utf8") == text
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf8")
        print(f"{PAGE.relative_to(ROOT)}: {'unchanged' if in_step else 'written'}")
    elif not in_step:
        print("docs/reference.md is not in step with the code: run make docs")
    links = broken_links()
    print("\n".join(f"broken link: {link}" for link in links) or "every link leads somewhere")
    sys.exit(1 if links or ("--check" in sys.argv and not in_step) else 0)


if __name__ == "__main__":
    main()
