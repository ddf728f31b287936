"""What a network's training and judging say on a terminal and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matweave.app.net_verbs import Judged, TrainedNet
from matweave.app.progress import say
from matweave.app.tables import write_json
from matweave.nets.model import NetModel


def show_training(done: TrainedNet, *, json_to: str | None, report: Path | None) -> None:
    """The end of a training: how it stopped, what it reached, where things are."""
    model, past = done.model, done.model.history
    if json_to:
        write_json(as_dict(done), json_to)
    if json_to != "-":
        best = f", best epoch {past.best_epoch} ({past.measure} {past.best:.4g})" if past.measure else ""
        ended = "trained for" if past.stopped == "epochs" else f"{past.stopped} after"
        print(f"{model.net}: {ended} {len(past.epochs)} epochs, {past.seconds:.1f} s{best}")
        if done.judged is not None:
            _lines(done.judged, "judged on the test part")
        print(f"model: {done.folder}")
    if report is not None:
        say(f"report: {report}")


def show_judged(judged: Judged, model: NetModel, *, json_to: str | None, report: Path | None) -> None:
    """The figures of one evaluation."""
    if json_to:
        write_json({"net": model.net, **judged.as_dict()}, json_to)
    if json_to != "-":
        _lines(judged, "judged on the data given")
    if report is not None:
        say(f"report: {report}")


def as_dict(done: TrainedNet) -> dict[str, Any]:
    """A training as JSON values; see docs/json.md."""
    model = done.model
    return {
        "net": model.net,
        "settings": model.settings,
        "parameters": model.parameters,
        "training": model.training,
        "stopped": model.history.stopped,
        "best_epoch": model.history.best_epoch,
        "measure": model.history.measure or None,
        "seconds": model.history.seconds,
        "epochs": [_plain(asdict(epoch)) for epoch in model.history.epochs],
        "examples": {
            name: None if part is None else len(part)
            for name, part in (
                ("train", done.parts.train),
                ("valid", done.parts.valid),
                ("test", done.parts.test),
            )
        },
        "test": None if done.judged is None else done.judged.as_dict(),
        "model": str(done.folder),
    }


def _plain(value: Any) -> Any:
    """The same without numbers that JSON lacks: None for NaN, as r2 is where all values are one."""
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(judged: Judged, title: str) -> None:
    first, *rest = judged.lines()
    print(f"{title}: {first}")
    for line in rest:
        print(f"  {line}")
