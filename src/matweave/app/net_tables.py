"""What a network's training and judging say on a terminal and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matweave.app.net_verbs import Judged, TrainedNet
from matweave.app.progress import say
from matweave.artifact import write_atomically
from matweave.nets.model import NetModel


def show_training(done: TrainedNet, *, json_to: str | None, report: Path | None) -> None:
    """The end of a training: how it stopped, what it reached, where things are."""
    model, past = done.model, done.model.history
    if json_to:
        write_json(as_dict(done), json_to)
    if json_to != "-":
        best = f", best epoch {past.best_epoch} ({past.measure} {past.best:.4g})" if past.measure else ""
        print(f"{model.net}: {past.stopped} after {len(past.epochs)} epochs, {past.seconds:.1f} s{best}")
        if done.judged is not None:
            _lines(done.judged, "on the test part")
        print(f"model: {done.folder}")
    if report is not None:
        said = (
            f"report: {report}" if done.judged is not None else "no report: there is no test part to judge on"
        )
        say(said)


def show_judged(judged: Judged, model: NetModel, *, json_to: str | None, report: Path | None) -> None:
    """The figures of one evaluation."""
    if json_to:
        write_json({"net": model.net, **judged.as_dict()}, json_to)
    if json_to != "-":
        _lines(judged, "judged")
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
        "epochs": [asdict(epoch) for epoch in model.history.epochs],
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


def write_json(value: Any, to: str) -> None:
    """JSON to a file, whole or not at all, or to stdout for -."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=str)
    if to == "-":
        print(text)
    else:
        write_atomically(Path(to), (text + "\n").encode())


def _lines(judged: Judged, title: str) -> None:
    print(f"{judged.n:,} examples {title}")
    for line in judged.lines():
        print(f"  {line}")
