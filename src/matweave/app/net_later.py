"""Reading data for a network that is trained already: as its training data were read, but for what is said of them now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matweave.app.net_data import Data, Reading, Say, named, targets_like, tell
from matweave.data.sequences import SequencePreparation, Sequences
from matweave.data.table_preparation import TablePreparation
from matweave.data.tables import Table
from matweave.errors import ConfigError, DataError, listed

if TYPE_CHECKING:
    from matweave.nets.model import NetModel


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
    made = model.preparation
    part = part or ("test" if "test" in kept.parts(path) else None)
    reading = kept.again(path, part, **said)
    if isinstance(made, TablePreparation):
        _refuse_idle_target(targets, said)
        reading = reading if targets else replace(reading, target="-", task=None)
        found: Data = reading.read_known(path, part, made.columns, made.text_columns)
    elif targets or kept.kind == "image":
        found = reading.read(path, part=part)
    else:
        found, columns = reading.read_columns(path, part=part, targets=False)
        if columns and columns.target and not columns.header and not said.get("target"):
            _refuse_no_labels(reading.read(path, part=part), model, path)
    tell(found, path, say)
    if say is not None:
        with named(str(path)):
            for line in _unseen(model, found):
                say(f"  {line}")
    return found


def _refuse_idle_target(targets: bool, said: dict[str, Any]) -> None:
    if not targets and said.get("target") not in (None, "-"):
        raise ConfigError(
            "a target is said, but no targets are read to predict from a table",
            where="--target",
            mend="leave it out: the columns that the network knows are taken by their names",
        )


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
