"""The commands of content: `matweave content fit`, `evaluate`, `recommend`, for items that nobody has had yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from matweave.app import options as o
from matweave.app.progress import say
from matweave.errors import ConfigError
from matweave.threads import set_threads

content_app = typer.Typer(
    help="Items that nobody has had yet, by their texts, attributes and images (extra `deep`).",
    no_args_is_help=True,
)

_READING = "Reading content"

Content = Annotated[
    list[Path],
    typer.Option(
        "--content",
        help="CSV, Parquet, JSON lines, JSON {id: text}, or pictures named by id; may be repeated.",
        metavar="FILE",
    ),
]
Key = Annotated[
    str | None, typer.Option(help="Column of item ids (found by name).", rich_help_panel=_READING)
]
Text = Annotated[
    str | None, typer.Option("--text", help="Columns of text, comma-separated.", rich_help_panel=_READING)
]
Attributes = Annotated[
    str | None,
    typer.Option("--attributes", help="Columns of levels or numbers.", rich_help_panel=_READING),
]
Images = Annotated[
    Path | None,
    typer.Option(help="Folder of pictures named by item id: 1193.png.", rich_help_panel=_READING),
]
Size = Annotated[
    str, typer.Option("--size", help="What pictures are brought to: 64, or 48x64.", rich_help_panel=_READING)
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", help="Names for a file without a header.", rich_help_panel=_READING),
]
Encoding = Annotated[
    str, typer.Option(help="Of delimited text: utf-8, latin-1, ...", rich_help_panel=_READING)
]
Levels = Annotated[
    str, typer.Option("--split", help="What stands between levels of an attribute.", rich_help_panel=_READING)
]


@content_app.command("fit")
def content_fit(
    log: Annotated[Path, typer.Argument(help="The interaction log.", metavar="LOG")],
    content: Content,
    out: Annotated[Path, typer.Option(help="Folder for the model.", metavar="DIR")],
    method: Annotated[str, typer.Option(help="content_factors or two_tower.")] = "content_factors",
    init: Annotated[
        Path | None,
        typer.Option(help="A model fitted on the same log, whose factors are used.", metavar="DIR"),
    ] = None,
    settings: o.Settings = None,
    key: Key = None,
    text: Text = None,
    attributes: Attributes = None,
    images: Images = None,
    size: Size = "64",
    columns: Columns = None,
    encoding: Encoding = "utf-8",
    levels: Levels = "|",
    user: o.User = None,
    item: o.Item = None,
    value: o.Value = None,
    time: o.Time = None,
    duplicates: o.Duplicates = "last",
    on_bad_rows: o.BadRows = "error",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a killed run was, to the same result.")
    ] = False,
    seed: o.Seed = 0,
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Fit a model of LOG that knows the items of the content too, and save it in DIR.

    `matweave recommend`, `similar` and `evaluate` work on it as on any other.
    """
    from matweave.app import content_verbs as verbs

    set_threads(threads)
    recipe = verbs.recipe_of(method, settings or [], seed)  # before anything is read: settings fail at once
    data = _log(log, user, item, value, time, duplicates, on_bad_rows, quiet)
    found = _content(content, key, text, attributes, images, size, columns, encoding, levels, quiet)
    done = verbs.fit(recipe, data, found, out, init=init, resume=resume, quiet=quiet)
    past, model = done.model.history, done.model
    print(f"{model.method}: {past.stopped}, epoch {past.epoch}, {past.seconds:.2f} s")
    print(f"items: {len(model.items):,}, of which {len(model.items) - data.n_items:,} are not in the log")
    print(f"model: {out}")
    if done.unfinished:
        say(f"stopped early; what was learned is saved. Add --resume to go on (checkpoint in {out}).")
        raise typer.Exit(130)


@content_app.command("evaluate")
def content_evaluate(
    log: Annotated[Path, typer.Argument(help="The interaction log.", metavar="LOG")],
    content: Content,
    methods: Annotated[str, typer.Option(help="Comma-separated methods.")] = "content_factors,two_tower",
    test_share: Annotated[
        float, typer.Option(min=0.001, max=0.9, help="Share of the items that are held out.")
    ] = 0.1,
    k: o.K = 20,
    settings: o.Settings = None,
    key: Key = None,
    text: Text = None,
    attributes: Attributes = None,
    images: Images = None,
    size: Size = "64",
    columns: Columns = None,
    encoding: Encoding = "utf-8",
    levels: Levels = "|",
    user: o.User = None,
    item: o.Item = None,
    value: o.Value = None,
    time: o.Time = None,
    duplicates: o.Duplicates = "last",
    on_bad_rows: o.BadRows = "error",
    seed: o.Seed = 0,
    threads: o.Threads = None,
    json_to: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Hold out items whole, and rank them for users who are known: recall among cold items, beside plain baselines."""
    from matweave.app import content_verbs as verbs
    from matweave.app.tables import write_json

    set_threads(threads)
    o.refuse_unwritable(json_to)
    recipes = verbs.recipes_of(o.comma(methods), settings or [], seed)
    data = _log(log, user, item, value, time, duplicates, on_bad_rows, quiet)
    found = _content(content, key, text, attributes, images, size, columns, encoding, levels, quiet)
    judged = verbs.judge(recipes, data, found, share=test_share, k=k, seed=seed, quiet=quiet)
    if json_to:
        numbers = {
            name: {metric: [i.mean, i.low, i.high] for metric, i in one.metrics.items()}
            for name, one in judged.items()
        }
        first = next(iter(judged.values()))
        write_json({"protocol": first.protocol, "counts": dict(first.counts), "methods": numbers}, json_to)
    if json_to != "-":
        for one in judged.values():
            print(one)


@content_app.command("recommend")
def content_recommend(
    folder: o.Model,
    user: Annotated[list[str] | None, typer.Option("--user", help="A user id; may be repeated.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every user of the training log.")] = False,
    history: Annotated[str | None, typer.Option(help="A stranger's items: i1,i2.")] = None,
    items: Annotated[
        str | None,
        typer.Option(help="Item ids that lists are made of; default: all without a row in the log."),
    ] = None,
    k: o.K = 10,
    out: Annotated[Path | None, typer.Option(help="Write recs.parquet or recs.csv.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    threads: o.Threads = None,
) -> None:
    """Recommend among new items only, or among the items named."""
    from matweave.app import content_verbs as verbs
    from matweave.app.tables import print_table
    from matweave.app.verbs import refuse_ending, write_table

    set_threads(threads)
    if sum((bool(user), every, history is not None)) != 1:
        raise ConfigError(
            "say for whom: exactly one of --user, --all and --history",
            where="matweave content recommend",
            mend="for example --user 42, or --history 10,20",
        )
    o.refuse_unwritable(out)
    refuse_ending(out)
    table = verbs.recommend(
        folder,
        users=user,
        history=None if history is None else o.comma(history),
        items=o.comma(items),
        k=k,
    )
    if out is not None:
        write_table(table, out)
        say(f"{table.num_rows:,} rows: {out}")
    print_table(table, as_json=as_json, to_file=out is not None)


def _log(
    log: Path, user: Any, item: Any, value: Any, time: Any, duplicates: str, on_bad_rows: str, quiet: bool
) -> Any:
    columns = dict(
        user=user, item=item, value=value, time=time, duplicates=duplicates, on_bad_rows=on_bad_rows
    )
    return o.read(log, **columns, say=None if quiet else say)


def _content(
    paths: list[Path],
    key: str | None,
    text: str | None,
    attributes: str | None,
    images: Path | None,
    size: str,
    columns: str | None,
    encoding: str,
    split: str,
    quiet: bool,
) -> Any:
    from matweave.app import content_verbs as verbs

    found = verbs.read(
        paths,
        key=key,
        text=o.comma(text),
        attributes=o.comma(attributes),
        images=images,
        size=size,
        columns=o.comma(columns),
        encoding=encoding,
        split=split,
    )
    if not quiet:
        say(f"content: {found!r}")
        for line in found.report:
            say(f"  {line}")
    return found
