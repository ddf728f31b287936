"""ContentFactors: the factors of items that nobody has had yet, from their texts, attributes and images.

Model. A factor model gives warm items vectors y_i (and biases c_i). A network f maps content to them, so that an item without
rows has y_j = f(content_j), and score(u, j) = μ + b_u + c_j + x_u·y_j as for all others (van den Oord, Dieleman, Schrauwen 2013,
"Deep content-based music recommendation", its squared error of latent factors, there for audio; for texts and attributes as Gantner, Drumond,
Freudenthaler, Rendle, Schmidt-Thieme 2010). Scores of items with at least `own_from` rows stay those of the factor model.

Objective / loss. With t_i = ([y_i, c_i] - m) / s, m the mean over warm items weighted by w_i and s one number, the spread:

    L = Σ_i w_i |f(content_i) - t_i|² / Σ_i w_i        w_i = n_i / (n_i + shrink), n_i the rows of item i: how well y_i is known

Step. Batches of warm items, by any optimizer of train/; weight_decay and dropout (of words, and of parts) hold f down.
The factor model is `init`, or ImplicitALS of rank, regularization, unobserved_weight and factor_epochs, fitted first.

Cost. That of the factor model, and for each epoch that of the encoder over the warm items (neural/content_encoders.py): a bag
of words takes seconds. Memory: padded codes of all items, 8 bytes a word. What is served needs no torch: a FactorModel.

Fold-in. A history of warm items folds in as it does in the factor model, to the same scores: exact where that is. One with
new items takes their vectors from content as if they had been learned.

Checked by tests/neural/test_content_factors.py: planted words, the loss by hand, warm scores unchanged, new items served.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number, settings_of
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.deep import Tensor, nn, seeded, torch
from matweave.errors import ConfigError, DataError
from matweave.factor import require
from matweave.factor.content_fold import ContentFold
from matweave.factor.content_items import rows_of_items, with_items_of
from matweave.factor.forms import FactorModel
from matweave.factor.implicit_als import ImplicitALS
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import Recommender
from matweave.neural.content_encoders import ContentEncoder, content_parts, encoder_names, in_pieces
from matweave.neural.fitting import Course, train
from matweave.neural.settings import TRAINING
from matweave.train.batches import InMemory


@final
@config
class ContentFactors:
    """The recipe; `fit(log, content=...)` returns a `FactorModel` over the log's items and the content's.

    >>> import matweave as mw
    >>> log = mw.Interactions.from_codes([0, 0, 1, 1], [0, 1, 1, 2])
    >>> films = mw.ItemContent.of([0, 1, 2, 9], texts=["a heist", "a heist again", "a love story", "the last heist"])
    >>> model = ContentFactors(rank=2, epochs=3, device="cpu").fit(log, content=films)
    >>> model.items.to_list(), len(model.recommend([0], k=5))
    ([0, 1, 2, 9], 2)
    """

    encoder: str = "bag"  # what reads texts: bag, words, characters or gru; several joined by +
    width: int = 128  # of each part's vector
    length: int = 256  # words read at most by words and gru; characters: four times as many
    most_words: int = 20_000  # words known at most
    dropout: float = 0.3  # of words and of parts, in training
    shrink: float = 30.0  # rows at which an item's factors count half
    own_from: int = 1  # rows from which an item keeps the factor model's own vector
    rank: int = 64  # of the factor model that is fitted where no init is given
    regularization: float = 0.015  # of that model
    unobserved_weight: float = 0.1  # of that model
    factor_epochs: int = 16  # of that model
    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 0.003
    weight_decay: float = 0.0
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    space: ClassVar[Space] = {
        "dropout": Span(low=0.0, high=0.7),
        "learning_rate": Span(low=5e-4, high=1e-2, log=True),
        "epochs": Span(low=5, high=60, log=True, whole=True),
        "shrink": Span(low=1.0, high=300.0, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            encoder=encoder_names,
            width=integer(1),
            length=integer(1),
            most_words=integer(1),
            dropout=number(0, 0.95),
            shrink=number(0),
            own_from=integer(1),
            rank=integer(1),
            regularization=number(0),
            unobserved_weight=number(0),
            factor_epochs=integer(1),
        )

    def fit(
        self,
        train: Interactions,
        *,
        content: ItemContent | None = None,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
        init: Recommender | None = None,
    ) -> FactorModel:
        """Learn factors from content. init: a factor model of the same log; None fits one first.

        Raises DataError for an empty log, no content, or content of other items; ConfigError for an init without factors.
        """
        log = require.rows(train, type(self).__name__)
        if content is None:
            raise DataError(
                "there is no content to learn from",
                where="ContentFactors.fit",
                mend="give it: fit(log, content=read_content(...)); without content use TwoTower or ImplicitALS",
            )
        wide, laid = with_items_of(log, content)
        model = self._factors(log) if init is None else _fitting(init, log)
        return _Fit(self, model, wide, laid).run(validate, watch, resume)

    def _factors(self, log: Interactions) -> FactorModel:
        recipe = ImplicitALS(
            rank=self.rank,
            regularization=self.regularization,
            unobserved_weight=self.unobserved_weight,
            epochs=self.factor_epochs,
            seed=self.seed,
        )
        return recipe.fit(log)


@final
class _Fit:
    """One fit: the targets, their weights, the module, and the model that it makes of them."""

    def __init__(
        self, recipe: ContentFactors, model: FactorModel, log: Interactions, content: ItemContent
    ) -> None:
        self.recipe, self.model, self.log = recipe, model, log
        rows = rows_of_items(log)
        there = content.has_text | content.has_attributes | content.has_image
        warm = np.flatnonzero((rows > 0) & there)
        if not len(warm):
            raise DataError(
                "no item with rows has any content",
                where="ContentFactors.fit",
                mend="give content of the log's items",
            )
        self.replaced = np.flatnonzero((rows < recipe.own_from) & there)
        targets = model.item_factors
        if model.item_bias is not None:
            targets = np.concatenate([targets, model.item_bias[:, None]], axis=1)
        weights = rows[warm] / (rows[warm] + recipe.shrink)
        self.mean = (weights[:, None] * targets[warm]).sum(0) / weights.sum()
        spread = np.sqrt(
            (weights[:, None] * (targets[warm] - self.mean) ** 2).sum() / weights.sum() / targets.shape[1]
        )
        self.spread = float(spread) if spread > 0 else 1.0
        wanted = ((targets[warm] - self.mean) / self.spread).astype(np.float32)
        parts = content_parts(
            content, warm, encoder=recipe.encoder, length=recipe.length, most_words=recipe.most_words
        )
        with seeded(recipe.seed, "weights"):
            self.encoder = parts.encoder(targets.shape[1], width=recipe.width, dropout=recipe.dropout)
        self.new = [torch.from_numpy(array[self.replaced]) for array in parts.arrays]
        known = [torch.from_numpy(array[warm]) for array in parts.arrays]
        self.batches = InMemory(
            [*known, torch.from_numpy(wanted), torch.from_numpy(weights.astype(np.float32))],
            batch_size=min(recipe.batch_size, len(warm)),
            seed=recipe.seed,
        )

    def run(self, validate: Validation | None, watch: Watch | None, resume: FitState | None) -> FactorModel:
        module = _Weighted(self.encoder)
        course = Course(
            module=module, loss=lambda batch: module(*batch), batches=self.batches, freeze=self.freeze
        )
        found = train(self.recipe, course, validate=validate, watch=watch, resume=resume)
        assert isinstance(found, FactorModel)
        return found

    def freeze(self, history: History, *, live: bool) -> FactorModel:
        """The factor model with content's vectors for what it has not learned itself."""
        model, log = self.model, self.log
        rank = model.item_factors.shape[1]
        factors = np.zeros((log.n_items, rank), np.float32)
        factors[: len(model.items)] = model.item_factors
        bias = None
        if model.item_bias is not None:
            bias = np.zeros(log.n_items, np.float32)
            bias[: len(model.items)] = model.item_bias
        if len(self.replaced):
            was = self.encoder.training
            place = next(self.encoder.parameters()).device
            made = in_pieces(self.encoder.eval(), [tensor.to(place) for tensor in self.new]).cpu().numpy()
            self.encoder.train(was)
            made = made * np.float32(self.spread) + self.mean.astype(np.float32)
            factors[self.replaced] = made[:, :rank]
            if bias is not None:
                bias[self.replaced] = made[:, rank]
        return replace(
            model,
            method=type(self.recipe).__name__,
            settings=settings_of(self.recipe),
            items=log.items,
            seen=replace(model.seen, n_columns=log.n_items),
            history=history,
            frame=log.frame,
            item_factors=factors,
            item_bias=bias,
            fold=ContentFold(inner=model.fold, warm=len(model.items)),
        )


@final
class _Weighted(nn.Module):
    """The loss of a batch: content's arrays, targets (n, d), weights (n,)."""

    def __init__(self, encoder: ContentEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *batch: Tensor) -> Tensor:
        *parts, targets, weights = batch
        errors = ((self.encoder(*parts) - targets) ** 2).mean(1)
        return (weights * errors).sum() / weights.sum()


def _fitting(init: Recommender, log: Interactions) -> FactorModel:
    """The factor model, if it is one of this log."""
    if not isinstance(init, FactorModel):
        raise ConfigError(
            f"{init.method} is a {type(init).__name__}, and content is mapped to the factors of a FactorModel",
            where="init",
            mend="give a fitted ImplicitALS, PureSVD, BiasedMF, ExplicitALS, ..., or none",
        )
    if init.users != log.users or init.items != log.items:
        raise DataError(
            f"the init was fitted on another log: {len(init.users):,} users and {len(init.items):,} items, "
            f"where this log has {log.n_users:,} and {log.n_items:,}",
            where="init",
            mend="fit it on the same log",
        )
    return init
