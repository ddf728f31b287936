"""Builds docs/reference.md from the code, and checks every relative link of the Markdown pages.

python -m docs.build            write the page, check the links
python -m docs.build --check    only tell whether the page is in step with the code (exit 1 if not)
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import fields
from pathlib import Path

from matweave.app.catalogue import METHODS, RATING_METHODS
from matweave.metrics.table import METRICS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference.md"


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
    parts += ["", "## Metrics", "", "| name | better | what it is |", "|---|---|---|"]
    for name, metric in METRICS.items():
        better = {True: "higher", False: "lower", None: "neither"}[metric.higher_is_better]
        parts.append(f"| `{name}{'@k' if metric.takes_k else ''}` | {better} | {_cell(metric.doc)} |")
    return "\n".join(parts) + "\n"


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
        f"| `{f.name}` | `{f.default!r}` | {_cell(notes.get(f.name, ''))} |" for f in fields(recipe)
    ]


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
