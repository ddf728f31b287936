"""Reading images, sequences and tables at the doors: one set of options, kept with the model for the next time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias, final

from matweave.data import read_images, read_sequences, read_table
from matweave.data.images import Images
from matweave.data.sequences import Sequences
from matweave.data.tables import Table
from matweave.errors import ConfigError

Data: TypeAlias = Images | Sequences | Table
Say: TypeAlias = Callable[[str], None] | None

KINDS = ("image", "sequence", "table")
_TAKES = {
    "image": ("labels", "channels", "size"),
    "sequence": ("target", "task", "id", "time", "text", "layout"),
    "table": ("target", "task", "drop"),
}


@final
@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a path is read: its kind, and the options that this kind takes; None leaves the choice to the reader."""

    kind: str
    target: str | None = None
    task: str | None = None
    drop: tuple[str, ...] = ()
    id: str | None = None
    time: str | None = None
    text: str | None = None
    layout: str | None = None
    labels: str | None = None
    channels: int | None = None
    size: str | None = None

    def __post_init__(self) -> None:
        idle = [
            f"{f.name} means nothing for a {self.kind}"
            for f in fields(self)
            if f.name != "kind" and getattr(self, f.name) and f.name not in _TAKES[self.kind]
        ]
        if idle:
            raise ConfigError(
                "\n".join(idle),
                where=f"matweave train {self.kind}",
                mend=f"leave it out; a {self.kind} takes {', '.join(_TAKES[self.kind])}",
            )

    def chosen(self) -> dict[str, Any]:
        """The options that were given, plain enough for JSON."""
        return {
            f.name: list(v) if isinstance(v := getattr(self, f.name), tuple) else v
            for f in fields(self)
            if getattr(self, f.name)
        }

    def parts(self, path: Path) -> tuple[str, ...]:
        """Which parts ("train", "test") the source itself comes with."""
        if self.kind == "image":
            return read_images.parts_of(path)
        return read_sequences.parts_of(path) if self.kind == "sequence" else ()

    def read(self, path: Path, *, part: str | None = None, say: Say = None) -> Data:
        """The data at a path; `say` is told what the reader chose, dropped and found."""
        given = {n: v for n, v in self.chosen().items() if n != "kind"}
        if self.kind == "image":
            found: Data = read_images.read_images(path, part=part, **given)
        elif self.kind == "sequence":
            found = read_sequences.read_sequences(path, part=part, **given)
        else:
            found = read_table.read_table(path, **given)
        if say is not None:
            say(f"{path}:")
            for line in found.report:
                say(f"  {line}")
        return found


def reading_of(notes: dict[str, Any], **changes: Any) -> Reading:
    """The options a model was trained with, from the notes of its artifact, with what is said otherwise now."""
    kept = {**notes.get("reading", {}), **{n: v for n, v in changes.items() if v}}
    if "drop" in kept:
        kept["drop"] = tuple(kept["drop"])
    return Reading(**kept)
