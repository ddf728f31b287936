"""Reading images, sequences and tables at the doors: one set of options, kept with the model for the next time.

What a reader chose in training (the layout, the columns of target, id and text) is kept as if it had been said, since a
later file may look different: a few whole numbers look like classes, sequences of one step like a wide table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np

from matweave.data import read_images, read_sequences, read_table
from matweave.data.arrow_columns import is_number
from matweave.data.images import Images
from matweave.data.sequence_columns import Asked, Chosen
from matweave.data.sequences import Sequences
from matweave.data.tables import Table
from matweave.data.targets import Targets
from matweave.errors import ConfigError, DataError, listed

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
            f"{f.name} means nothing for {_a(self.kind)}"
            for f in fields(self)
            if f.name != "kind" and _given(getattr(self, f.name)) and f.name not in _TAKES[self.kind]
        ]
        if idle:
            raise ConfigError(
                "\n".join(idle),
                where=f"{self.kind} data",
                mend=f"leave it out; {_a(self.kind)} takes {', '.join(_TAKES[self.kind])}",
            )

    def chosen(self) -> dict[str, Any]:
        """The options that were given, plain enough for JSON."""
        return {
            f.name: list(v) if isinstance(v := getattr(self, f.name), tuple) else v
            for f in fields(self)
            if _given(getattr(self, f.name))
        }

    def parts(self, path: Path) -> tuple[str, ...]:
        """Which parts ("train", "test") the source itself comes with."""
        if self.kind == "image":
            return read_images.parts_of(path)
        return read_sequences.parts_of(path) if self.kind == "sequence" else ()

    def read(self, path: Path, *, part: str | None = None, say: Say = None) -> Data:
        """The data at a path; `say` is told what the reader chose, dropped and found."""
        return self.read_settled(path, part=part, say=say)[0]

    def read_settled(self, path: Path, *, part: str | None = None, say: Say = None) -> tuple[Data, Reading]:
        """The data, and this reading with what the reader chose, so that later files are read in the same way."""
        settled = self
        if self.kind == "image":
            found: Data = read_images.read_images(path, part=part, **self._given())
        elif self.kind == "sequence":
            found, columns = self.read_columns(path, part=part)
            settled = self if columns is None else replace(self, **_settled(columns))
        else:
            found = read_table.read_table(path, **self._given())
            settled = replace(self, target=found.target)
        tell(found, path, say)
        return found, settled

    def read_columns(
        self, path: Path, *, part: str | None, targets: bool = True
    ) -> tuple[Sequences, Chosen | None]:
        """Sequences, and the columns that were chosen; see `read_sequences`."""
        return read_sequences.read_with_columns(path, Asked(**self._given()), part=part, targets=targets)

    def again(self, path: Path, part: str | None = None, **said: Any) -> Reading:
        """What of this reading fits another path, with what is said of that one."""
        if self.kind == "image":
            kept = replace(self, labels=None)  # those of one file alone
        elif self.kind == "table":
            kept = replace(self, drop=())
        elif not read_sequences.has_columns(path, text=self.text, part=part):
            kept = Reading(kind=self.kind)
        elif said.get("text"):
            kept = replace(self, layout=None, time=None)
        else:
            kept = replace(self, text=None) if said.get("layout") or said.get("time") else self
        return replace(kept, **{name: value for name, value in said.items() if _given(value)})

    def read_known(self, path: Path, part: str | None, columns: Sequence[str], text: Sequence[str]) -> Table:
        """The columns of a table that are known, `text` of them as text; others are left out, and missing ones not there."""
        if part is not None:
            raise ConfigError(
                f"{path} is a table, which does not come in parts",
                where="--part",
                mend="leave it out, or give the file of the part",
            )
        return read_table.read_table(path, target=self.target, task=self.task, only=columns, text=text)

    def _given(self) -> dict[str, Any]:
        return {n: v for n, v in self.chosen().items() if n != "kind"}


def reading_of(notes: dict[str, Any], kind: str) -> Reading:
    """The options a model was trained with, from the notes of its artifact; of one saved from Python, its kind is known."""
    kept: dict[str, Any] = dict(notes.get("reading") or {"kind": kind})
    return Reading(**{**kept, "drop": tuple(kept.get("drop", ()))})


def targets_like(targets: Targets, classes: tuple[str, ...] | None, where: str) -> Targets:
    """Targets as those of a model, whatever a reader took them for: numbers, or codes of its classes.

    classes: of the model, None where it predicts numbers. Raises DataError for labels outside the classes, and for text
    where numbers are predicted.

    >>> targets_like(Targets.of_labels([3, 1]), None, "few.csv").values
    array([3., 1.])
    >>> targets_like(Targets.of_values([2.0, 1.0]), ("1", "2"), "many.csv").values
    array([1, 0])
    """
    if classes is not None:
        labels = targets if targets.classes is not None else Targets.of_labels(targets.values, where=where)
        return labels.with_classes(classes, where=where)
    if targets.classes is None:
        return targets
    strange = [name for name in targets.classes if not is_number(name)]
    if strange:
        raise DataError(
            f"the targets are classes ({listed(strange)}), but the network predicts numbers",
            where=where,
            mend="give the numbers to judge by; --target says their column",
        )
    return Targets.of_values(np.array([float(name) for name in targets.classes])[targets.values], where=where)


@contextmanager
def named(where: str) -> Iterator[None]:
    """Errors of data in the block are told of `where`: what finds them knows the data, but not where they are from.

    >>> with named("new.csv"):
    ...     raise DataError("column 'b' is missing", where="a table", mend="give it")
    Traceback (most recent call last):
    matweave.errors.DataError: column 'b' is missing
      where: new.csv
      mend:  give it
    """
    try:
        yield
    except DataError as error:
        raise DataError(error.what, where=where, mend=error.mend) from error


def tell(found: Data, path: Path, say: Say) -> None:
    """Say what a reader chose, dropped and found."""
    if say is not None:
        say(f"{path}:")
        for line in found.report:
            say(f"  {line}")


def _settled(columns: Chosen) -> dict[str, str | None]:
    """What was chosen, as if it had been said; columns without a name stay to be found by their places."""
    found: dict[str, str | None] = {} if columns.layout == "text" else {"layout": columns.layout}
    if not columns.header:
        return found
    if columns.layout == "text":
        found["text"] = columns.values[0]
    if columns.layout == "long":
        found |= {"id": columns.id, "time": columns.time}
    return found | {"target": columns.target}


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _given(value: object) -> bool:
    """Whether an option was said; an empty text or a zero was, and the reader refuses it."""
    return value is not None and value != ()
