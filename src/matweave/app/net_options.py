"""Options that the commands of networks share, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Target = Annotated[
    str | None, typer.Option("--target", help="Column of the targets (found by name if not given).")
]
Task = Annotated[
    str | None, typer.Option("--task", help="classify or regress (told by the targets if not given).")
]
Id = Annotated[
    str | None, typer.Option("--id", help="Column that names the sequence of a row (long tables).")
]
Time = Annotated[str | None, typer.Option("--time", help="Column of times within a sequence.")]
Text = Annotated[str | None, typer.Option("--text", help="Column of texts, read character by character.")]
Layout = Annotated[
    str | None, typer.Option("--layout", help="wide (a row is a sequence) or long (a row is a step).")
]
Drop = Annotated[str | None, typer.Option("--drop", help="Columns to leave out, comma-separated.")]
Labels = Annotated[str | None, typer.Option("--labels", help="Labels of a file of idx images.")]
Channels = Annotated[int | None, typer.Option("--channels", help="1 or 3: turn all images into grey or RGB.")]
Size = Annotated[str | None, typer.Option("--size", help="28 or 28x32: resize all images (height x width).")]
Report = Annotated[Path | None, typer.Option("--report", help="Write one self-contained HTML report.")]
Part = Annotated[
    str | None, typer.Option("--part", help="A part that the source comes with, as train or test.")
]
