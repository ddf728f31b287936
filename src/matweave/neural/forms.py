"""A recommender whose user rows come out of a network: score(u, j) = mean + c_j + encode(history of u)·y_j.

    EncoderModel   autoencoders, sequence models, two towers

Items keep a vector each, so ranking, similarity, evaluation and serving are those of every factored model, and a
stranger's history is encoded by the same forward pass as a training user's: nothing is retrained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from matweave.config import settings_of
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.data.vocabulary import Vocabulary
from matweave.deep import Tensor, seeded, torch, torch_threads
from matweave.errors import DataError
from matweave.factor.forms import Factored
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.rows import FactorRows
from matweave.neural.fitting import Course, train
from matweave.neural.structure import Encoder, EncoderStructure, array_of
from matweave.train.batches import Batches
from matweave.train.devices import work_of
from matweave.train.run import arrays_of, load_arrays
from matweave.train.task import Batch

BLOCK = 128  # users encoded at once: what they need stays near the processor (512 took a quarter longer)


@final
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EncoderModel(Factored):
    """structure, weights: the network, without its tied weights. item_factors (items, rank), item_bias (items,), float32."""

    structure: EncoderStructure
    weights: dict[str, np.ndarray]
    item_factors: np.ndarray
    item_bias: np.ndarray | None = None
    mean: float = 0.0
    _built: list[Encoder] = field(default_factory=list, init=False, repr=False)

    def item_side(self) -> tuple[np.ndarray, np.ndarray | None, float]:
        return self.item_factors, self.item_bias, self.mean

    def known(self, user_codes: np.ndarray) -> FactorRows:
        codes = np.asarray(user_codes)
        return self._rows(self.seen.rows(codes), codes)

    def fold_in(self, histories: Csr) -> FactorRows:
        """One forward pass; exact but for what a method keeps of each training user by name (see its file)."""
        return self._rows(histories, None)

    def grown(self, histories: Csr, user_codes: np.ndarray) -> FactorRows:
        """A forward pass with what a method keeps of each training user by name."""
        return self._rows(histories, np.asarray(user_codes))

    def _over_users(self, users: Vocabulary, seen: Csr, changed: np.ndarray) -> EncoderModel:
        return replace(self, users=users, seen=seen)  # rows are encoded when they are asked for

    def module(self) -> Encoder:
        """The network with its weights, in eval mode; built once."""
        if not self._built:
            with seeded(0, "weights"):  # drawn and then replaced: the caller's draws are left alone
                module = self.structure.build()
            load_arrays(module, {**self.weights, **dict.fromkeys(module.tied, self.item_factors)})
            self._built.append(module.eval())
        return self._built[0]

    def _rows(self, histories: Csr, users: np.ndarray | None) -> FactorRows:
        n = histories.n_rows
        found = np.zeros((n, self.item_factors.shape[1]), np.float32)
        asked = np.arange(n) if self.structure.empty else np.flatnonzero(histories.counts > 0)
        for start in range(0, len(asked), BLOCK):
            at = asked[start : start + BLOCK]
            mine = None if users is None else users[at]
            found[at] = self._encoded(histories.rows(at), mine)
        return FactorRows(factors=found, bias=None)

    def _encoded(self, histories: Csr, users: np.ndarray | None) -> np.ndarray:
        module = self.module()
        place = next(module.parameters()).device
        tensors = [torch.from_numpy(a).to(place) for a in self.structure.inputs(histories, users)]
        with torch.no_grad(), torch_threads(work_of(module, tensors)):
            rows = module.encode(*tensors).float().cpu().numpy()
        if not np.isfinite(rows).all():
            raise DataError(
                "the network gives no finite numbers for some of these histories",
                where=self.method,
                mend="give histories like those of training; values far from theirs overflow",
            )
        return rows


def encoder_model(
    recipe: Any,
    log: Interactions,
    seen: Csr,
    structure: EncoderStructure,
    module: Encoder,
    history: History,
    *,
    live: bool,
    limits: tuple[float, float] | None = None,
    mean: float = 0.0,
) -> EncoderModel:
    """The frozen form of a module as it stands.

    seen: the training histories that `structure.inputs` reads, by user. live: a form that looks at the module itself
    instead of a copy, good until the next step; validation within training needs no more.
    """
    with torch.no_grad():
        table, bias = module.item_table()
        factors = array_of(table)
        biases = None if bias is None else array_of(bias)
    weights = {} if live else {n: a for n, a in arrays_of(module).items() if n not in module.tied}
    model = EncoderModel(
        method=type(recipe).__name__,
        settings=settings_of(recipe),
        users=log.users,
        items=log.items,
        seen=seen,
        history=history,
        frame=log.frame,
        limits=limits,
        structure=structure,
        weights=weights,
        item_factors=factors,
        item_bias=biases,
        mean=mean,
    )
    if live:
        model._built.append(module)
    return model


def fit_encoder(
    recipe: Any,
    log: Interactions,
    seen: Csr,
    structure: EncoderStructure,
    module: Encoder,
    loss: Callable[[Batch], Tensor],
    batches: Batches,
    *,
    validate: Validation | None,
    watch: Watch | None,
    resume: FitState | None,
) -> EncoderModel:
    """Train a module that is itself what serves, and freeze it; arguments as of `Course`, `encoder_model` and a recipe's `fit`."""

    def freeze(history: History, *, live: bool) -> EncoderModel:
        return encoder_model(recipe, log, seen, structure, module, history, live=live)

    course = Course(module=module, loss=loss, batches=batches, freeze=freeze)
    fitted = train(recipe, course, validate=validate, watch=watch, resume=resume)
    assert isinstance(fitted, EncoderModel)
    return fitted
