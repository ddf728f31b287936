"""What a protocol finds about one model, before intervals: numbers per test user, and of whole sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np


@final
@dataclass(frozen=True, kw_only=True)
class Judged:
    """Findings over n test users, in the order of the test log's vocabulary (or of the candidate lists).

    per_user: metric -> float64 (n,), NaN where a user is not judged.
    sets: metric -> (value, values without each group of users), for numbers of a whole set of lists.
    ratios: metric -> (top (n,), bottom (n,)), for sums over users; rmse is the root of such a ratio.
    skipped: metric -> why this model or protocol has no such number.
    counts: users judged, rows lost and the like, in the words that the report prints.
    exposure: int64 (items,), how often each item of the model stands in a judged list; None without full lists.
    inside: float64 (levels,), share of judged values inside their interval of each level of `uncertainty.LEVELS`; None
    where the model has no variance, or intervals were not asked for.
    """

    protocol: str
    per_user: Mapping[str, np.ndarray] = field(default_factory=dict)
    sets: Mapping[str, tuple[float, np.ndarray]] = field(default_factory=dict)
    ratios: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    exposure: np.ndarray | None = None
    inside: np.ndarray | None = None


def joined(parts: list[Judged]) -> Judged:
    """Findings of several protocols on the same users as one."""
    labels = list(dict.fromkeys(part.protocol for part in parts))
    merged: dict[str, dict] = {}
    for name in ("per_user", "sets", "ratios", "skipped", "counts"):
        merged[name] = {k: v for part in parts for k, v in getattr(part, name).items()}
    exposure = next((part.exposure for part in parts if part.exposure is not None), None)
    inside = next((part.inside for part in parts if part.inside is not None), None)
    return Judged(protocol="; ".join(labels), exposure=exposure, inside=inside, **merged)
