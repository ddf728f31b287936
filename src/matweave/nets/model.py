"""A trained network as a frozen form: structure, weights, fitted preparation and classes; predicts from raw data.

It is stored as numbers and names (safetensors and JSON, see artifact.py): the structure is rebuilt from the table of
nets, nothing is unpickled, and what prepares the inputs travels with the weights, so that a prediction years later
scales, pads and encodes as training did.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np

from matweave import artifact
from matweave.data.images import ImagePreparation, Images
from matweave.data.sequences import SequencePreparation, Sequences
from matweave.data.table_preparation import TablePreparation
from matweave.data.tables import Table
from matweave.deep import nn, seeded, torch, torch_threads
from matweave.errors import ArtifactError, DataError
from matweave.nets.inputs import Inputs
from matweave.nets.table import net
from matweave.train.devices import place, resolve_device, work_of
from matweave.train.history import Epoch, TrainHistory
from matweave.train.run import load_arrays
from matweave.train.task import outputs_of

Data: TypeAlias = Images | Sequences | Table
Preparation: TypeAlias = ImagePreparation | SequencePreparation | TablePreparation
KINDS: dict[type, str] = {Images: "image", Sequences: "sequence", Table: "table"}
PREPARATIONS: dict[type, type[Preparation]] = {
    Images: ImagePreparation,
    Sequences: SequencePreparation,
    Table: TablePreparation,
}


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class NetModel:
    """A network that was trained on images, sequences or a table; made by `Network.fit`.

    net, settings: the spec in the table of nets; inputs, outputs: what it was built for. weights: by name, as trained.
    classes: of its codes, None where it predicts numbers, which are then `center + scale * output`. training: the settings
    it was trained with; history: how that went; notes: what was found in the data and done about it.
    """

    net: str
    settings: dict[str, Any]
    inputs: Inputs
    outputs: int
    weights: dict[str, np.ndarray]
    preparation: Preparation
    classes: tuple[str, ...] | None
    center: float = 0.0
    scale: float = 1.0
    training: dict[str, Any] = field(default_factory=dict)
    history: TrainHistory = field(default_factory=TrainHistory)
    notes: tuple[str, ...] = ()
    _built: list[nn.Module] = field(default_factory=list, init=False, repr=False)

    @property
    def kind(self) -> str:
        """What it predicts from: image, sequence or table."""
        return next(KINDS[data] for data, kind in PREPARATIONS.items() if isinstance(self.preparation, kind))

    @property
    def parameters(self) -> int:
        """Numbers that were learned."""
        return sum(p.numel() for p in self.module().parameters())

    def module(self) -> nn.Module:
        """The network with its weights, in eval mode; built once. Raises ArtifactError where they do not fit."""
        if not self._built:
            self._built.append(rebuilt(self))
        return self._built[0]

    def outputs_for(self, data: Data, *, device: str = "cpu") -> np.ndarray:
        """Raw outputs float32 (n, outputs): logits of classes, or standardised numbers.

        Raises DataError for data of another kind or form than those of training, and where outputs are not finite.
        """
        self._check(data)
        found = self._outputs(prepared(self.preparation, data), device)
        beyond = np.flatnonzero(~np.isfinite(found).reshape(len(found), -1).all(axis=1))
        if len(beyond):
            shown = ", ".join(map(str, beyond[:10].tolist()))
            more = f" (+{len(beyond) - 10:,} more)" if len(beyond) > 10 else ""
            raise DataError(
                f"the network gives no finite numbers for {len(beyond):,} of {len(found):,} examples: index {shown}{more}",
                where=f"the network {self.net}",
                mend="give data like those of training, in their units",
            )
        return found

    def probabilities(self, data: Data, *, device: str = "cpu") -> np.ndarray:
        """Probabilities float64 (n, classes), rows summing to 1. Raises DataError for a network of numbers."""
        if self.classes is None:
            raise DataError(
                "this network predicts numbers and has no probabilities",
                where=f"a {self.net} for {self.kind} data",
                mend="call predict",
            )
        logits = self.outputs_for(data, device=device).astype(np.float64)
        return softmax(logits)

    def predict(self, data: Data, *, device: str = "cpu") -> np.ndarray:
        """Predicted classes as text (n,), or numbers float64 (n,) in the units of the training targets."""
        if self.classes is None:
            return self.center + self.scale * self.outputs_for(data, device=device)[:, 0].astype(np.float64)
        codes = self.outputs_for(data, device=device).argmax(axis=1)
        return np.array(self.classes, dtype=object)[codes].astype(str)

    def save(self, folder: str | os.PathLike[str], *, notes: dict[str, Any] | None = None) -> Path:
        """Write the model to a folder, whole or not at all; `matweave.load` reads it back."""
        return artifact.save(self, folder, notes=notes)

    def _outputs(self, inputs: tuple[np.ndarray, ...], device: str) -> np.ndarray:
        at = resolve_device(device)
        tensors = [torch.from_numpy(array).to(at) for array in inputs]
        with torch_threads(work_of(self.module(), tensors)):
            module = place(self.module(), at)
            return outputs_of(module, tensors).cpu().numpy()

    def _check(self, data: Data) -> None:
        if KINDS.get(type(data)) != self.kind:
            given = KINDS.get(type(data), type(data).__name__)
            raise DataError(
                f"the model was trained on {self.kind} data, not {given}",
                where=f"a {self.net}",
                mend=f"give {self.kind} data, as read_{self.kind}s makes them"
                if self.kind != "table"
                else "give a Table, as read_table makes it",
            )
        if not len(data):
            raise DataError("there are no examples", where="predict", mend="give at least one")


FORMS: dict[str, type] = {
    form.__name__: form
    for form in (
        NetModel,
        Inputs,
        ImagePreparation,
        SequencePreparation,
        TablePreparation,
        TrainHistory,
        Epoch,
    )
}
"""What a saved network may hold."""


def load_net(folder: str | os.PathLike[str]) -> NetModel:
    """The network saved in a folder. Raises ArtifactError with the reason where it is not whole and unchanged."""
    model = artifact.read_card(folder)["model"]
    kind = model.get("kind") if isinstance(model, dict) else None
    if kind != NetModel.__name__:
        raise ArtifactError(
            f"{folder} holds {f'a {kind}' if kind else 'something else'}, not a network",
            where=str(folder),
            mend="give the folder that `matweave train --out` or model.save wrote; recommenders are asked by `recommend`",
        )
    return artifact.load(folder, FORMS)


def rebuilt(model: NetModel) -> nn.Module:
    """A new module of the model's structure with its weights, in eval mode."""
    with seeded(0, "weights"):  # drawn and then replaced: the caller's draws are left alone
        module = net(model.net, model.settings).build(model.inputs, model.outputs)
    load_arrays(module, model.weights)
    return module.eval()


def prepared(preparation: Preparation, data: Any) -> tuple[np.ndarray, ...]:
    """Data as the network takes them: (x,), or (x, lengths) for sequences."""
    made = preparation.apply(data)
    return made if isinstance(made, tuple) else (made,)


def inputs_of(preparation: Preparation) -> Inputs:
    """What a network for such data is given."""
    if isinstance(preparation, ImagePreparation):
        return Inputs(kind="image", size=preparation.shape)
    if isinstance(preparation, TablePreparation):
        return Inputs(kind="features", size=(len(preparation.feature_names),))
    if preparation.alphabet is not None:
        return Inputs(kind="tokens", size=(preparation.codes,))
    return Inputs(kind="sequence", size=(preparation.channels,))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows exp(z) / Σ exp(z), without overflow.

    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
