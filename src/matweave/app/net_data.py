"""Reading images, sequences and tables at the doors: one set of options, kept with the model for the next time.

What a reader chose in training (the layout, the columns of target, id and text) is kept as if it had been said, since a
later file may look different: a few whole numbers look like classes, sequences of one step like a wide table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np

from matweave.data import read_images, read_sequences, read_table
from matweave.data.arrow_columns import is_number
from matweave.data.images import Images
from matweave.data.sequence_columns import Asked, Chosen
from matweave.data.sequences import SequencePreparation, Sequences
from matweave.data.table_preparation import TablePreparation
from matweave.data.tables import Table
from matweave.data.targets import Targets
from matweave.errors import ConfigError, DataError, listed

if TYPE_CHECKING:
    from matweave.nets.model import NetModel

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
            if f.name != "kind" and getattr(self, f.name) and f.name not in _TAKES[self.kind]
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
            if getattr(self, f.name)
        }

    def parts(self, path: Path) -> tuple[str, ...]:
        """Which parts ("train", "test") the source itself comes with."""
        if self.kind == "image":
            return read_images.parts_of(path)
        return read_sequences.parts_of(path) if self.kind == "sequence" else ()

    def read(self, path: Path, *, part: str | None = None, say: Say = None) -> Data:
        """The data at a path; `say` is told what the reader chose, dropped and found."""
        return self.read_settled(path, part=part, say=say)[0]

    def read_settled(
        self, path: Path, *, part: str | None = None, targets: bool = True, say: Say = None
    ) -> tuple[Data, Reading]:
        """The data, and this reading with what the reader chose, so that later files are read in the same way.

        targets: False leaves the column of targets of sequences unread.
        """
        given = {n: v for n, v in self.chosen().items() if n != "kind"}
        settled = self
        if self.kind == "image":
            found: Data = read_images.read_images(path, part=part, **given)
        elif self.kind == "sequence":
            asked = Asked(**given)
            found, columns = read_sequences.read_with_columns(path, asked, part=part, targets=targets)
            settled = self if columns is None else replace(self, **_settled(columns))
        else:
            _refuse_part(path, part)
            found = read_table.read_table(path, **given)
            settled = replace(self, target=found.target)
        _tell(found, path, say)
        return found, settled


def reading_of(notes: dict[str, Any], kind: str) -> Reading:
    """The options a model was trained with, from the notes of its artifact; of one saved from Python, its kind is known."""
    kept = dict(notes.get("reading") or {"kind": kind})
    return Reading(**{name: tuple(v) if isinstance(v, list) else v for name, v in kept.items()})


def read_later(
    model: NetModel,
    kept: Reading,
    path: Path,
    *,
    part: str | None = None,
    targets: bool = True,
    say: Say = None,
    **said: Any,
) -> Data:
    """Data for a trained network, read as in its training, but for what is said of them now.

    part: of a source with parts; None takes test where there is one. targets: False where there need be none; they are
    not read then. Of a table the columns that the model knows are read, as text where they were text in training.

    Raises DataError as the readers do, and for a file without a header whose first column, the target in training, holds
    no classes of the model: it may hold no targets at all.
    """
    said = {name: value for name, value in said.items() if value}
    if kept.kind == "table":
        _refuse_part(path, part)
        found: Data = _read_table_later(model, replace(kept, **said), path, targets)
        _tell(found, path, say)
    else:
        parts = kept.parts(path)
        part = part or ("test" if "test" in parts else None)
        reading = replace(_kept_for(path, part, kept, said), **said)
        found, settled = reading.read_settled(path, part=part, targets=targets, say=say)
        if settled.target == "0" and not (targets or reading.target):
            labelled, _ = reading.read_settled(path, part=part)
            _refuse_no_labels(labelled, model, path)
    if say is not None:
        for line in _unseen(model, found):
            say(f"  {line}")
    return found


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


def _kept_for(path: Path, part: str | None, kept: Reading, said: dict[str, Any]) -> Reading:
    """What was kept of the training's reading that fits this path and what is said now."""
    if kept.kind == "image":
        return replace(kept, labels=None)  # those of the training's own file
    if not read_sequences.has_columns(path, text=kept.text, part=part):
        return Reading(kind=kept.kind)
    if "text" in said:
        return replace(kept, layout=None, time=None)
    return replace(kept, text=None) if {"layout", "time"} & said.keys() else kept


def _read_table_later(model: NetModel, reading: Reading, path: Path, targets: bool) -> Table:
    preparation = model.preparation
    assert isinstance(preparation, TablePreparation)
    return read_table.read_table(
        path,
        target=reading.target if targets else "-",
        only=preparation.columns,
        text=preparation.text_columns,
    )


def _settled(columns: Chosen) -> dict[str, str | None]:
    """What was chosen, as if it had been said; columns without a name stay to be found by their places."""
    if columns.layout == "text":
        found: dict[str, str | None] = {"text": columns.values[0], "layout": None}
    else:
        found = {"layout": columns.layout}
    if columns.layout == "long":
        found |= {"id": columns.id, "time": columns.time}
    return found | {"target": columns.target}


def _refuse_no_labels(data: Data, model: NetModel, path: Path) -> None:
    try:
        if data.targets is not None:
            targets_like(data.targets, model.classes, str(path))
    except DataError as error:
        raise DataError(
            f"{path} has no header, and its first column, the target in training, holds none: {error.what}",
            where=str(path),
            mend="--target - where the file holds no targets, --target 0 where they are to be passed over",
        ) from error


def _refuse_part(path: Path, part: str | None) -> None:
    if part is not None:
        raise ConfigError(
            f"{path} is a table, which does not come in parts",
            where="--part",
            mend="leave it out, or give the file of the part",
        )


def _tell(found: Data, path: Path, say: Say) -> None:
    if say is not None:
        say(f"{path}:")
        for line in found.report:
            say(f"  {line}")


def _unseen(model: NetModel, data: Data) -> list[str]:
    """Lines that tell what the training data did not have."""
    made, lines = model.preparation, []
    if isinstance(made, TablePreparation) and isinstance(data, Table):
        for name, count in made.unseen(data).items():
            lines.append(f"column {name!r}: {count:,} cells such as training never saw, which count as none")
    elif isinstance(made, SequencePreparation) and isinstance(data, Sequences):
        strange = made.unseen(data)
        if strange:
            total = f"{sum(strange.values()):,} characters that training never saw"
            lines.append(f"{total}, read as unknown: {listed(list(strange))}")
    return lines


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
