"""The verbs of networks behind every door: train, predict, judge. Doors translate only."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa

from matweave.app.net_data import Data, Reading, named, reading_of, targets_like
from matweave.app.net_parts import Parts
from matweave.app.net_progress import training
from matweave.app.progress import say
from matweave.artifact import CARD, read_card, refuse_foreign, refuse_unwritable
from matweave.data.targets import require_targets
from matweave.errors import ArtifactError, ConfigError, DataError, Diverged
from matweave.evaluation.predictions import judge_classes, judge_values
from matweave.evaluation.predictions_judged import ClassesJudged, ValuesJudged
from matweave.nets.model import NetModel, load_net, prepared
from matweave.nets.network import Network
from matweave.nets.plan import Plan
from matweave.train.checkpoints import Checkpoints, TrainState
from matweave.train.devices import resolve_device
from matweave.train.estimate import estimate_memory, free_memory
from matweave.train.range_test import range_test
from matweave.train.routing import route
from matweave.train.watchers import Timely

Judged = ClassesJudged | ValuesJudged


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedNet:
    """What `train` leaves: the model and its folder, the parts, and how it did on the test part."""

    model: NetModel
    folder: Path
    parts: Parts
    judged: Judged | None
    unfinished: bool


def train(
    recipe: Network,
    parts: Parts,
    out: Path,
    *,
    resume: bool = False,
    find_rate: bool = False,
    quiet: bool = False,
    every: float = 10.0,
) -> TrainedNet:
    """Train a recipe on the parts and save the model in `out`; checkpoints there let a killed run go on.

    resume: go on from the last checkpoint of a run with the same recipe and data; the weights are the same as if it
    had never been killed. find_rate: a range test chooses the learning rate first. every: seconds between checkpoints.

    Everything is checked before training begins, the test part too; what fails leaves nothing in `out`.
    """
    tell = (lambda text: None) if quiet else say
    refuse_foreign(out)
    refuse_unwritable(out, folder=True)
    if find_rate:
        recipe = _with_rate(recipe, parts, tell)
    plan = recipe.plan(parts.train, parts.valid)
    if parts.test is not None:
        with named("the test part"):  # what does not fit is refused now, and not after training
            plan.try_on(prepared(plan.preparation, parts.test))
    if parts.valid is not None:
        with named("the validation part"):
            plan.try_on(prepared(plan.preparation, parts.valid))
    lines = told(plan)
    mark = recipe.fingerprint(parts.train, parts.valid)
    store = Checkpoints(folder=out / "checkpoint", fingerprint=mark)
    state = _start(store, out, mark, resume)
    if isinstance(state, NetModel):
        say(f"{out} already holds this very training, finished; nothing to resume")
        return TrainedNet(
            model=state, folder=out, parts=parts, judged=judge_part(state, parts.test), unfinished=False
        )
    for line in lines:
        tell(line)
    title = f"{plan.recipe.net or 'net'} (resumed at step {state.step:,})" if state else _title(plan)
    kept = False

    def keep(now: TrainState) -> None:
        nonlocal kept
        store(now)
        kept = True

    try:
        with training(title, quiet=quiet) as shown:
            model = plan.fit(watchers=[*shown, Timely(seconds=every)], store=keep, resume=state)
    except (ConfigError, DataError, Diverged):  # it would end so again
        store.remove()
        with suppress(OSError):  # a model lies there
            out.rmdir()
        raise
    except KeyboardInterrupt:
        if store.found():
            say(f"stopped at once; add --resume to go on from the checkpoint in {out}")
        raise
    unfinished = model.history.stopped == "interrupted"
    if unfinished and not model.history.epochs and (out / CARD).exists():
        say(f"stopped before an epoch was whole: the model in {out} stays as it was; --resume goes on")
        raise KeyboardInterrupt
    model.save(out, notes={"fingerprint": mark, "reading": parts.reading.chosen()})
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
    """What was learned of the inputs, what will be trained, how much memory it takes, and which rule moves which weights.

    Raises TooBig where it cannot fit.
    """
    learned = sum(p.numel() for p in plan.module.parameters() if p.requires_grad)
    lines = [
        *getattr(plan.preparation, "report", ()),
        f"{_title(plan)}: {learned:,} parameters, {plan.batches.steps_per_epoch:,} steps an epoch of {plan.batches.batch_size}",
    ]
    needed = estimate_memory(plan.trainer, plan.task, plan.batches, pieces=plan.recipe.accumulate)
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


def judge(model: NetModel, data: Data, *, seed: int = 0, where: str = "test data") -> Judged:
    """Metrics with intervals, confusion and the hardest examples. Raises DataError for labels outside the model's classes."""
    targets = targets_like(require_targets(data, where), model.classes, where)
    if model.classes is None:
        return judge_values(model.predict(data), targets.values, seed=seed)
    return judge_classes(model.probabilities(data), targets, seed=seed)


def load_with_reading(folder: Path) -> tuple[NetModel, Reading]:
    """A saved network and how its training data were read."""
    model = load_net(folder)
    return model, reading_of(read_card(folder)["notes"], model.kind)


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
    same = card is not None and card["notes"].get("fingerprint") == mark
    if same and (model := load_net(out)).history.stopped != "interrupted":
        return model
    if card is None:
        what = "neither a checkpoint nor a model"
    elif same:
        what = "the model of this training, stopped early, and no checkpoint"
    else:
        what = "a finished model of other settings or other data, and no checkpoint"
    raise ArtifactError(
        f"{out} holds {what} to resume",
        where=str(out),
        mend="give the --out and the options of the run that was stopped, or start anew without --resume",
    )
