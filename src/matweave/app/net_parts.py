"""What is trained on, what judges the epochs and what judges the end: a source divided without leaks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from matweave.app.net_data import Data, Reading, Say, targets_like
from matweave.app.net_data import tell as tell_of
from matweave.app.progress import say
from matweave.data.arrow_columns import is_text
from matweave.data.holdout import HeldOut, count_shared, hold_out
from matweave.data.tables import Table
from matweave.data.targets import require_targets
from matweave.errors import ConfigError, DataError


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What is trained on, what judges the epochs, and what judges the end; None where there is no such part.

    reading: how they were read, with what the reader chose.
    """

    train: Data
    valid: Data | None
    test: Data | None
    report: tuple[str, ...]
    reading: Reading


def divide(
    reading: Reading,
    path: Path,
    *,
    test: Path | None,
    test_share: float | None,
    valid: float,
    seed: int,
    quiet: bool = False,
) -> Parts:
    """Read a source and divide it without leaks: its own parts or a test file where there are some, else shares held out.

    Raises DataError where there are no targets, one class only, or in a part of its own what is not of the training's kind.
    """
    tell: Say = None if quiet else say
    own = reading.parts(path)
    if test is not None and test_share is not None:
        raise ConfigError(
            "a test file and a test share are both given", where="--test-share", mend="give one of them"
        )
    whole, settled = reading.read_settled(path, part="train" if own else None, say=tell)
    targets = require_targets(whole, str(path))
    targets.refuse_one_class(str(path))

    def apart(at: Path, part: str | None, name: str, said: str) -> Data:
        """A part that is not drawn here."""
        found = _read_like(whole, settled.again(at, part), at, part)
        tell_of(found, at, tell)
        given = require_targets(found, str(at))
        shared = count_shared(whole, found)
        report.append(f"{name}: {said}")
        if shared:
            report.append(
                f"leak: {shared:,} of {len(found):,} {name} examples are equal to a training example"
            )
        return replace(found, targets=targets_like(given, targets.classes, str(at)))

    report: list[str] = []
    for name, idle in (("test", test is not None or test_share is not None), ("valid", not valid)):
        if name in own and idle:
            report.append(f"the source's own {name} part is not used")
    held = check = None
    if test is not None:
        part = "test" if "test" in reading.parts(test) else None
        held = apart(test, part, "test", str(test))
    elif "test" in own and test_share is None:
        held = apart(path, "test", "test", "the source's own test part")
    if valid and "valid" in own:
        check = apart(path, "valid", "valid", "the source's own valid part")
    if held is None and test_share != 0:
        found = _held_out(whole, 0.1 if test_share is None else test_share, seed, "test")
        whole, held = found.train, found.test
        report += found.report
    if valid and check is None:
        found = _held_out(whole, valid, seed, "valid")
        whole, check = found.train, found.test
        report += found.report
    if not any("drawn" in line for line in report) and targets.classes is not None:
        report += [f"train: {line}" for line in targets.balance()[:20]]
    if tell is not None:
        for line in report:
            tell(line)
    return Parts(train=whole, valid=check, test=held, report=tuple(report), reading=settled)


def _read_like(whole: Data, reading: Reading, path: Path, part: str | None) -> Data:
    """A part of its own, read as the training data were."""
    if not isinstance(whole, Table):
        return reading.read(path, part=part)
    columns = whole.features
    text = [field.name for field in columns.schema if is_text(field.type)]
    return reading.read_known(path, part, columns.column_names, text)


def _held_out(data: Data, share: float, seed: int, name: str) -> HeldOut[Data]:
    try:
        return hold_out(data, share, seed=seed, name=name)
    except DataError as error:
        option = {"test": "--test-share", "valid": "--valid"}[name]
        raise DataError(
            f"there is no {name} part: {error.what}",
            where=option,
            mend=f"give more examples, or do without: {option} 0",
        ) from error
