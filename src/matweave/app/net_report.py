"""The HTML report of a trained network: gathers what `evaluation.net_report` draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matweave.app.net_data import Data
from matweave.app.net_verbs import Judged, Parts
from matweave.data.images import Images
from matweave.data.sequences import Sequences
from matweave.data.tables import Table
from matweave.data.targets import require_targets
from matweave.deep import seeded, torch
from matweave.evaluation.net_report import write_net_report
from matweave.evaluation.net_report_examples import HardExample
from matweave.evaluation.net_report_plots import ActivationCurve
from matweave.nets.activations import learned_curves
from matweave.nets.model import NetModel, prepared
from matweave.nets.table import net
from matweave.train.augment import from_names
from matweave.train.contact_sheet import contact_sheet

_SHEET = 8  # training examples on the contact sheet


def write(
    path: Path, model: NetModel, judged: Judged, test: Data, parts: Parts | None = None, *, title: str = ""
) -> Path:
    """Write the report of a model judged on `test`; `parts` of its training add balance and augmentation."""
    return write_net_report(
        path,
        title=title or f"{model.net} on {model.kind} data",
        judged=judged,
        history=model.history,
        facts=facts(model, test, parts),
        balance=[] if parts is None else _balance(parts.train),
        hard=hard_examples(model, judged, test),
        activations=curves(model),
        sheet=None if parts is None else sheet(model, parts.train),
        notes=[*model.notes, *(() if parts is None else parts.report)],
    )


def facts(model: NetModel, test: Data, parts: Parts | None = None) -> dict[str, str]:
    """Short texts under the first sentence."""
    size = " × ".join(map(str, model.inputs.size))
    found = {"net": model.net, "parameters": f"{model.parameters:,}", "inputs": f"{model.inputs.kind} {size}"}
    if parts is not None:
        found["training examples"] = f"{len(parts.train):,}"
    found["test examples"] = f"{len(test):,}"
    said = model.training
    if said:
        rate = said["learning_rate"]
        found["optimizer"] = f"{said['optimizer']}{'' if rate is None else f' at {rate:g}'}"
        found["augmentation"] = said["augment"] or "none"
    found["training"] = f"{model.history.seconds:,.1f} s, {len(model.history.epochs)} epochs"
    return found


def hard_examples(model: NetModel, judged: Judged, test: Data) -> list[HardExample]:
    """The examples of the greatest loss, in that order, each in its own form."""
    at = judged.hardest
    few = test.take(at)
    targets = require_targets(few, "test data")
    if model.classes is None:
        predicted = [f"{v:.4g}" for v in model.predict(few)]
        truth = [f"{v:.4g}" for v in targets.values]
        sure = np.full(len(at), np.nan)
    else:
        p = model.probabilities(few)
        predicted = [model.classes[code] for code in p.argmax(axis=1)]
        truth, sure = targets.labels(), p.max(axis=1)
    names = [few.named([i]) for i in range(len(at))] if isinstance(few, Table) else few.names
    return [
        HardExample(
            **_form(few, i), truth=truth[i], predicted=predicted[i], probability=float(sure[i]), name=names[i]
        )
        for i in range(len(at))
    ]


def _form(data: Data, i: int) -> dict:
    if isinstance(data, Images):
        return {"kind": "image", "content": data.pixels[i]}
    if isinstance(data, Sequences):
        if data.alphabet is not None:
            return {"kind": "text", "content": data.text(i)}
        return {"kind": "sequence", "content": data.sequence(i)}
    return {"kind": "row", "content": {k: v[0] for k, v in data.features.slice(i, 1).to_pydict().items()}}


def curves(model: NetModel) -> list[ActivationCurve]:
    """Learned activations beside their start; the start is drawn again from the seed."""
    with seeded(int(model.training.get("seed", 0)), "weights"):
        start = net(model.net, model.settings).build(model.inputs, model.outputs)
    return [
        ActivationCurve(name=curve.name, x=curve.x, before=curve.start, after=curve.y)
        for curve in learned_curves(model.module(), start)
    ]


def sheet(model: NetModel, train: Data) -> str | None:
    """A contact sheet of what augmentation does to training examples; None where there is none."""
    named = model.training.get("augment")
    if not named:
        return None
    few = train.take(np.linspace(0, len(train) - 1, min(_SHEET, len(train))).astype(np.int64))
    targets = require_targets(few, "training data")
    y = targets.values if model.classes is not None else targets.values.astype(np.float32)
    batch = tuple(torch.from_numpy(a) for a in (*prepared(model.preparation, few), y))
    classes = None if model.classes is None else len(model.classes)
    change = from_names(named, kind=model.inputs.kind, classes=classes)
    return contact_sheet(
        batch,
        change,
        seed=0,
        classes=model.classes,
        alphabet=getattr(model.preparation, "alphabet", None),
    )


def _balance(data: Data) -> list[str]:
    targets = require_targets(data, "training data")
    return targets.balance() if targets.classes is not None else []
