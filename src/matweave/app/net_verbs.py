"""The verbs of networks behind every door: train, predict, judge. Doors translate only."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa

from matweave.app.net_data import Data, Reading, Say, reading_of
from matweave.app.net_progress import training
from matweave.app.progress import say
from matweave.artifact import read_card, refuse_foreign, refuse_unwritable
from matweave.data.holdout import count_shared, hold_out
from matweave.data.targets import require_targets
from matweave.errors import ArtifactError, ConfigError, MatweaveError
from matweave.evaluation.predictions import judge_classes, judge_values
from matweave.evaluation.predictions_judged import ClassesJudged, ValuesJudged
from matweave.nets.model import NetModel, load_net
from matweave.nets.network import Network
from matweave.nets.plan import Plan
from matweave.train.checkpoints import Checkpoints, TrainState
from matweave.train.devices import resolve_device
from matweave.train.estimate import estimate_memory, free_memory
from matweave.train.routing import route
from matweave.train.range_test import range_test
from matweave.train.watchers import Timely

Judged = ClassesJudged | ValuesJudged


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What is trained on, what judges the epochs, and what judges the end; None where there is no such part."""

    train: Data
    valid: Data | None
    test: Data | None
    report: tuple[str, ...]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedNet:
    """What `train` leaves: the model and its folder, the parts, and how it did on the test part."""

    model: NetModel
    folder: Path
    parts: Parts
    judged: Judged | None
    unfinished: bool


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
    """Read a source and divide it without leaks: its own test part or file where there is one, else a share held out."""
    tell: Say = None if quiet else say
    own = reading.parts(path)
    if test is not None and test_share is not None:
        raise ConfigError(
            "a test file and a test share are both given", where="--test-share", mend="give one of them"
        )
    whole = reading.read(path, part="train" if own else None, say=tell)
    report: list[str] = []
    held = None
    if test is not None:
        held = reading.read(test, part="test" if reading.parts(test) else None, say=tell)
    elif "test" in own and test_share is None:
        held = reading.read(path, part="test", say=tell)
        report.append("test: the source's own test part")
    elif test_share is None or test_share > 0:
        found = hold_out(whole, 0.1 if test_share is None else test_share, seed=seed, name="test")
        whole, held = found.train, found.test
        report += found.report
    if held is not None and (test is not None or "test" in own and test_share is None):
        shared = count_shared(whole, held)
        if shared:
            report.append(f"leak: {shared:,} of {len(held):,} test examples are equal to a training example")
    check = None
    if valid:
        found = hold_out(whole, valid, seed=seed, name="valid")
        whole, check = found.train, found.test
        report += found.report
    if tell is not None:
        for line in report:
            tell(line)
    return Parts(train=whole, valid=check, test=held, report=tuple(report))


def train(
    recipe: Network,
    parts: Parts,
    out: Path,
    *,
    reading: Reading,
    resume: bool = False,
    find_rate: bool = False,
    quiet: bool = False,
    every: float = 10.0,
) -> TrainedNet:
    """Train a recipe on the parts and save the model in `out`; checkpoints there let a killed run go on.

    resume: go on from the last checkpoint of a run with the same recipe and data; the weights are the same as if it
    had never been killed. find_rate: a range test chooses the learning rate first. every: seconds between checkpoints.
    """
    tell = (lambda text: None) if quiet else say
    refuse_foreign(out)
    refuse_unwritable(out, folder=True)
    if find_rate:
        recipe = _with_rate(recipe, parts, tell)
    plan = recipe.plan(parts.train, parts.valid)
    mark = recipe.fingerprint(parts.train, parts.valid)
    store = Checkpoints(folder=out / "checkpoint", fingerprint=mark)
    state = _start(store, out, mark, resume)
    if isinstance(state, NetModel):
        say(f"{out} already holds this very training, finished; nothing to resume")
        return TrainedNet(
            model=state, folder=out, parts=parts, judged=judge_part(state, parts.test), unfinished=False
        )
    for line in told(plan):
        tell(line)
    title = f"{plan.recipe.net or 'net'} (resumed at step {state.step:,})" if state else _title(plan)
    kept = False

    def keep(now: TrainState) -> None:
        nonlocal kept
        store(now)
        kept = True

    with training(title, quiet=quiet) as shown:
        model = recipe.fit(
            parts.train,
            validation=parts.valid,
            watchers=[*shown, Timely(seconds=every)],
            store=keep,
            resume=state,
        )
    unfinished = model.history.stopped == "interrupted"
    model.save(out, notes={"fingerprint": mark, "reading": reading.chosen()})
    if not unfinished:
        store.remove()
    return TrainedNet(
        model=model,
        folder=out,
        parts=parts,
        judged=judge_part(model, parts.test),
        unfinished=unfinished and kept,
    )


def told(plan: Plan) -> list[str]:
    """What will be trained, how much memory it takes, and which rule moves which weights. Raises TooBig where it cannot fit."""
    learned = sum(p.numel() for p in plan.module.parameters() if p.requires_grad)
    lines = [
        f"{_title(plan)}: {learned:,} parameters, {plan.batches.steps_per_epoch:,} steps an epoch of {plan.batches.batch_size}"
    ]
    needed = estimate_memory(plan.trainer, plan.task, plan.batches)
    lines.append(f"memory: {needed}")
    device = resolve_device(plan.trainer.device)
    free = free_memory(device)
    if free is not None and device.type == "cpu":
        free += needed.data  # these tensors are there already
    needed.refuse_beyond(free)
    if plan.trainer.optimizer == "muon":
        lines += route(plan.module).lines()
    return lines


def judge_part(model: NetModel, data: Data | None) -> Judged | None:
    """How a model does on data with targets; None for none."""
    return None if data is None else judge(model, data)


def judge(model: NetModel, data: Data, *, seed: int = 0) -> Judged:
    """Metrics with intervals, confusion and the hardest examples. Raises DataError for labels outside the model's classes."""
    targets = require_targets(data, "test data")
    if model.classes is None:
        return judge_values(model.predict(data), targets.values, seed=seed)
    return judge_classes(model.probabilities(data), targets.with_classes(model.classes), seed=seed)


def load_with_reading(folder: Path, **changes: Any) -> tuple[NetModel, Reading]:
    """A saved network and how its data are read."""
    model = load_net(folder)
    notes = read_card(folder)["notes"]
    if "reading" not in notes:  # saved from Python: the kind is all that is known
        notes = {"reading": {"kind": model.kind}}
    return model, reading_of(notes, **changes)


def read_to_judge(reading: Reading, path: Path, *, part: str | None, quiet: bool = False) -> Data:
    """Data with targets; of a source with parts the test part, unless another is named."""
    own = reading.parts(path)
    return reading.read(path, part=part or ("test" if "test" in own else None), say=None if quiet else say)


def read_to_predict(reading: Reading, path: Path, *, part: str | None, quiet: bool = False) -> Data:
    """Data that need no targets: the target column of training may be there or not."""
    with suppress(MatweaveError):  # as it was in training, targets and all
        return read_to_judge(reading, path, part=part, quiet=quiet)
    bare = {"image": reading}.get(reading.kind) or replace(reading, target="-", task=None)
    return read_to_judge(bare, path, part=part, quiet=quiet)


def predict(model: NetModel, data: Data, *, every_class: bool = False) -> pa.Table:
    """Predictions in the order of the data: name, prediction, and for classes the probability of it, or of each class."""
    names = getattr(data, "names", None) or [str(i) for i in range(len(data))]
    columns: dict[str, Any] = {"example": list(names)}
    if model.classes is None:
        columns["prediction"] = model.predict(data)
        return pa.table(columns)
    p = model.probabilities(data)
    best = p.argmax(axis=1)
    columns["prediction"] = [model.classes[code] for code in best]
    columns["probability"] = p[np.arange(len(p)), best]
    if every_class:
        columns |= {f"p({name})": p[:, code] for code, name in enumerate(model.classes)}
    return pa.table(columns)


def _title(plan: Plan) -> str:
    return f"{plan.recipe.net or type(plan.spec).__name__} by {plan.recipe.optimizer}"


def _with_rate(recipe: Network, parts: Parts, tell: Any) -> Network:
    if recipe.learning_rate is not None:
        raise ConfigError(
            "a learning rate is given, and one is to be found",
            where="--find-rate",
            mend="leave one of them out",
        )
    plan = recipe.plan(parts.train, parts.valid)
    found = range_test(plan.trainer, plan.task, plan.batches, rule=recipe.rule())
    tell(f"learning rate {found.suggested:.2g}, by a range test of {len(found.rates)} steps")
    return replace(recipe, learning_rate=float(f"{found.suggested:.2g}"))


def _start(store: Checkpoints, out: Path, mark: str, resume: bool) -> TrainState | NetModel | None:
    if not resume:
        if store.found():
            say(f"starting anew: the checkpoints of an unfinished run in {out} are dropped")
        store.remove()
        return None
    if store.found():
        state = store.latest()
        say(f"resuming from {store.folder} after step {state.step:,}")
        return state
    card = None
    with suppress(ArtifactError):
        card = read_card(out)
    if card is None or card["notes"].get("fingerprint") != mark:
        what = (
            "neither a checkpoint nor a model"
            if card is None
            else "a finished model of other settings or other data, and no checkpoint"
        )
        raise ArtifactError(
            f"{out} holds {what} to resume",
            where=str(out),
            mend="give the --out and the options of the run that was stopped, or start anew without --resume",
        )
    return load_net(out)
