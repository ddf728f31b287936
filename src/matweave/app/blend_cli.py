"""`matweave blend`: fitted models mixed by weights that a validation log chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matweave.app import options as o
from matweave.app.progress import say
from matweave.data.interactions import Interactions
from matweave.threads import set_threads


def blend(
    models: Annotated[
        list[Path],
        typer.Argument(help="Folders of two or more models fitted on the same log.", metavar="DIR..."),
    ],
    valid: Annotated[
        Path, typer.Option(help="The validation log; no model may have seen it.", metavar="LOG")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the blend.", metavar="DIR")],
    metric: Annotated[str, typer.Option(help="What is made the largest.")] = "ndcg@10",
    known: o.Known = None,
    threshold: o.Threshold = None,
    steps: Annotated[int, typer.Option(min=1, help="Points at which a weight is tried.")] = 10,
    user: o.User = None,
    item: o.Item = None,
    value: o.Value = None,
    time: o.Time = None,
    duplicates: o.Duplicates = "last",
    on_bad_rows: o.BadRows = "error",
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Mix fitted models with weights learned on a validation log, and save the blend as one model."""
    from matweave.app.blend_verbs import blended, shown

    set_threads(threads)

    def read(path: Path) -> Interactions:
        return o.read(
            path,
            user=user,
            item=item,
            value=value,
            time=time,
            duplicates=duplicates,
            on_bad_rows=on_bad_rows,
            say=None if quiet else say,
        )

    model = blended(
        models,
        out,
        lambda: read(valid),
        metric=metric,
        known=None if known is None else lambda: read(known),
        threshold=threshold,
        steps=steps,
    )
    for line in shown(model, models):
        print(line)
    print(f"model: {out}")
