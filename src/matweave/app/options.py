"""The options that several commands share, each said once."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from matweave import artifact
from matweave.data.interactions import Interactions
from matweave.data.read import read_interactions
from matweave.errors import ConfigError, missing_extra

User = Annotated[str | None, typer.Option("--user", help="Column of user ids (found by name if not given).")]
Item = Annotated[str | None, typer.Option("--item", help="Column of item ids.")]
Value = Annotated[str | None, typer.Option("--value", help="Column of values; none for clicks.")]
Time = Annotated[
    str | None, typer.Option("--time", help="Column of times: seconds, milliseconds or ISO dates.")
]
Duplicates = Annotated[
    str,
    typer.Option(
        help="A (user, item) seen twice: keep last or first, sum, or error.", rich_help_panel="Reading"
    ),
]
BadRows = Annotated[
    str, typer.Option("--on-bad-rows", help="error, or drop (counted and told).", rich_help_panel="Reading")
]
Seed = Annotated[int, typer.Option(help="One seed for everything random.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads; default: all cores this process may use.")]
K = Annotated[int, typer.Option("-k", "--k", min=1, help="Length of the lists.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="A setting, NAME=VALUE; may be repeated.")]
MethodSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="METHOD.NAME=VALUE",
        help="A setting of one method, such as implicit_als.rank=128; may be repeated.",
    ),
]
Json = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE|-", help="Write results as JSON to a file, or - for stdout."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Metrics = Annotated[
    str | None, typer.Option("--metrics", help="Comma-separated, for example ndcg@10,recall@20,coverage@10.")
]
Threshold = Annotated[
    float | None, typer.Option(help="Only test rows of at least this value are relevant to ranking.")
]
Known = Annotated[
    Path | None,
    typer.Option(
        help="Log of what users had before the test, in place of the training rows: all rows up to it, for models of sequences."
    ),
]
Methods = Annotated[
    str, typer.Option(help="Comma-separated methods; or all, factor or neural: those that the log allows.")
]
Budget = Annotated[
    float | None,
    typer.Option(
        min=0.001, metavar="MINUTES", help="For each fit; default 5 with all, factor or neural, else no end."
    ),
]
Init = Annotated[
    Path | None,
    typer.Option(help="A fitted model whose factors are the start (networks only).", metavar="DIR"),
]
Model = Annotated[Path, typer.Argument(help="The folder of a fitted model.", metavar="DIR")]


def read(
    source: Path | str,
    *,
    user: str | None = None,
    item: str | None = None,
    value: str | None = None,
    time: str | None = None,
    duplicates: str = "last",
    on_bad_rows: str = "error",
    say: Any = None,
) -> Interactions:
    """The log at a path; `say` is told what the reader chose, dropped and merged."""
    log = read_interactions(
        source, user=user, item=item, value=value, time=time, duplicates=duplicates, on_bad_rows=on_bad_rows
    )
    if say is not None:
        say(f"{source}: {len(log):,} interactions of {log.n_users:,} users with {log.n_items:,} items")
        for line in log.report:
            say(f"  {line}")
    return log


def comma(text: str | None) -> list[str]:
    """Comma-separated words; surrounding blanks and empty words are nothing, and quotes hold commas together.

    >>> comma('10, "Paris, Texas",,12')
    ['10', 'Paris, Texas', '12']
    """
    words = next(csv.reader([(text or "").replace("\n", " ")], skipinitialspace=True), [])
    return [word.strip() for word in words if word.strip()]


def pairs(text: str, option: str) -> dict[str, str]:
    """NAME=VALUE words by name. Raises ConfigError that lists words without = and names that stand twice.

    >>> pairs("gender=F, genres=Comedy|Drama", "--attributes")
    {'gender': 'F', 'genres': 'Comedy|Drama'}
    """
    found: dict[str, str] = {}
    problems = []
    for word in comma(text):
        name, sign, value = word.partition("=")
        if not sign or not name.strip():
            problems.append(f"{word!r} is not NAME=VALUE")
        elif name.strip() in found:
            problems.append(f"{name.strip()!r} stands twice; several levels are joined by |")
        found[name.strip()] = value.strip()
    if problems or not found:
        raise ConfigError(
            "\n".join(problems) or "there is no NAME=VALUE", where=option, mend="for example gender=F,age=25"
        )
    return found


def refuse_unwritable(*paths: Path | str | None) -> None:
    """Refuse results that could not be written, before the work that makes them; None and - are no files."""
    for path in paths:
        if path is not None and str(path) != "-":
            artifact.refuse_unwritable(path)


def refuse_undrawn(report: Path | None) -> None:
    """Refuse a report where what draws it is not installed, before the work that it reports."""
    if report is not None and find_spec("matplotlib") is None:
        raise missing_extra("report", "matplotlib", "the HTML report")


_READS = ("user", "item", "value", "duplicates", "on_bad_rows")
_SHAPES = ("target", "id", "text", "layout", "part", "channels", "size")
_OURS = {
    "evaluate": ("k", "metrics", "threshold", "negatives", "known", *_READS),
    "predict": ("interval", "user", "item"),
}
_THEIRS = {"evaluate": (*_SHAPES, "labels", "report"), "predict": (*_SHAPES, "time", "probabilities")}
"""Options of a command for recommenders alone, and for networks alone."""


def refuse_idle(context: Any, *, net: bool, of: str = "evaluate") -> None:
    """Refuse options of a command that were given, and mean nothing for the model at hand.

    context: the command's own, which tells what was given from what is a default. of: the command.
    """
    names = _OURS[of] if net else _THEIRS[of]
    given = [f"--{n.replace('_', '-')}" for n in names if context.get_parameter_source(n).name != "DEFAULT"]
    if given:
        ours, other = ("a network", "recommenders") if net else ("a recommender", "networks")
        verb = "is" if len(given) == 1 else "are"
        raise ConfigError(
            f"{', '.join(given)} {verb} for {other}, but this is {ours}",
            where=f"matweave {of}",
            mend="leave it out" if len(given) == 1 else "leave them out",
        )
