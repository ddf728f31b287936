"""`matweave grow` and `matweave forget`: a fitted model over more rows, and over fewer users."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matweave.app import options as o
from matweave.app.progress import say
from matweave.threads import set_threads


def grow(
    folder: o.Model,
    log: Annotated[Path, typer.Argument(help="Rows that came after training.", metavar="LOG")],
    out: Annotated[Path, typer.Option(help="Folder for the grown model.", metavar="DIR")],
    user: o.User = None,
    item: o.Item = None,
    value: o.Value = None,
    time: o.Time = None,
    duplicates: o.Duplicates = "last",
    on_bad_rows: o.BadRows = "error",
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Take new users, new items and new rows into a fitted model without training it again."""
    from matweave.app import growth_verbs

    set_threads(threads)
    _, told = growth_verbs.grow(
        folder,
        lambda: o.read(
            log,
            user=user,
            item=item,
            value=value,
            time=time,
            duplicates=duplicates,
            on_bad_rows=on_bad_rows,
            say=None if quiet else say,
        ),
        out,
    )
    for line in told:
        print(line)
    print(f"model: {out}")


def forget(
    folder: o.Model,
    out: Annotated[Path, typer.Option(help="Folder for the model without them.", metavar="DIR")],
    user: Annotated[list[str] | None, typer.Option("--user", help="A user id; may be repeated.")] = None,
    threads: o.Threads = None,
) -> None:
    """Fit the same recipe again without some users: what is left holds nothing of theirs. Delete the old folder afterwards.

    A start from other factors (fit --init) is not repeated.
    """
    from matweave.app import growth_verbs

    set_threads(threads)
    _, told = growth_verbs.forget(folder, user or [], out)
    for line in told:
        print(line)
    print(f"model: {out}")
