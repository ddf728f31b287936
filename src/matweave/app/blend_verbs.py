"""The verb behind `matweave blend`: models from folders, weights from a validation log, one model in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matweave.app.catalogue import label_of
from matweave.artifact import refuse_foreign, refuse_unwritable, save
from matweave.data.interactions import Interactions
from matweave.evaluation.blending import blend
from matweave.factor.blend import BlendModel
from matweave.storage import load_recommender

Reader = Callable[[], Interactions]


def blended(
    folders: Sequence[Path],
    out: Path,
    valid: Reader,
    *,
    metric: str = "ndcg@10",
    known: Reader | None = None,
    threshold: float | None = None,
    steps: int = 10,
) -> BlendModel:
    """The blend of the models in `folders`, saved in `out`; logs are read when the folders are found good.

    Raises ArtifactError for a folder without a recommender, ConfigError for models of different logs.
    """
    refuse_foreign(out)
    refuse_unwritable(out, folder=True)
    models = [load_recommender(folder) for folder in folders]
    model = blend(
        models,
        valid(),
        metric=metric,
        known=None if known is None else known(),
        threshold=threshold,
        steps=steps,
    )
    save(model, out)
    return model


def shown(model: BlendModel, folders: Sequence[Path]) -> list[str]:
    """What was found, as lines: the measure of each model alone, its weight, and the measure of the blend."""
    past = model.history
    looks = dict(past.validation)
    alone = {row.argmax(): looks[i] for i, row in enumerate(model.tried, 1) if row.max() == 1}
    lines = [
        f"{weight:5.2f}  {label_of(part.method)} ({folder}), alone {alone[place]:.4f}"
        for place, (folder, part, weight) in enumerate(zip(folders, model.parts, model.weights, strict=True))
    ]
    gain = f"{past.validation_name} {looks[past.epoch]:.4f} on validation, after {len(looks)} looks"
    return [*lines, gain]
