"""The settings of a simulated log, and the planting of its truth; the model is told in `simulate`."""

from __future__ import annotations

from datetime import datetime
from typing import final

import numpy as np
import pyarrow as pa

from matweave.config import check, config, integer, number, one_of
from matweave.data.planted import PlantedTruth
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError
from matweave.randomness import child

# fmt: off
_GENRES = [
    "jazz", "rock", "blues", "folk", "soul", "opera", "techno", "reggae", "punk", "swing", "disco", "metal",
    "waltz", "funk", "gospel", "samba", "tango", "ambient", "country", "ska", "polka", "fado", "salsa",
    "grime", "house", "trance", "dub", "bolero", "ragtime", "madrigal",
]
# fmt: on


@final
@config
class Plan:
    """What `simulate_log` was asked for; the meaning and units of each are told there."""

    users: int
    items: int
    rank: int
    interactions: int
    shape: str
    popularity_skew: float
    attraction: float
    bar: float
    drift: float
    noise: float
    newcomers: float
    mean: float
    spread: float
    days: float
    seed: int

    def __post_init__(self) -> None:
        check(self, users=integer(2), items=integer(2))
        check(
            self,
            rank=integer(2 if self.shape == "blocks" else 1, min(self.users, self.items)),
            interactions=integer(1, max(1, self.users * self.items // 3)),
            shape=one_of("ratings", "clicks", "purchases", "blocks"),
            popularity_skew=number(0, 3),
            attraction=number(0, 20),
            bar=number(-10, 10),
            drift=number(0, 1),
            noise=number(0) if self.shape == "ratings" else number(0, 1),
            newcomers=number(0, 1),
            mean=number(),
            spread=number(0),
            days=number(0.01),
            seed=integer(0),
        )


def check_scale(scale: tuple[float, float, float], start: datetime) -> None:
    """Refuse a scale without whole steps, and a start without a time zone."""
    low, high, step = scale
    problems = []
    if not (step > 0 and high > low and np.isclose((high - low) / step, round((high - low) / step))):
        problems.append(f"scale is {scale}, but must be (low, high, step) with whole steps from low to high")
    if start.tzinfo is None:
        problems.append(f"start is {start}, but must have a time zone")
    if problems:
        raise ConfigError("\n".join(problems), where="simulate_log", mend="for example scale=(0.5, 5, 0.5)")


def plant(plan: Plan, scale: tuple[float, float, float], start: int) -> PlantedTruth:
    """Draw the truth of a plan; each part from its own named generator."""

    def rng(name: str) -> np.random.Generator:
        return child(plan.seed, "simulate_log", name)

    n, m, d = plan.users, plan.items, plan.rank
    pure = plan.shape == "blocks"
    genres = (*_GENRES[:d], *(f"style{g + 1}" for g in range(len(_GENRES), d)))
    item_genres = rng("genres").permutation(m) % d
    factors = np.eye(d)[item_genres]
    if not pure:
        factors = factors + 0.35 * rng("items").standard_normal((m, d))
    factors = factors - factors.mean(0)
    weights = np.stack([_weights(rng(f"tastes {i}"), n, d, pure) for i in range(2)])
    tastes = weights.copy()
    if not pure:
        tastes += 0.1 * rng("taste noise").standard_normal((2, n, d))
    tastes -= tastes.mean(1, keepdims=True)
    for taste in tastes:  # variance 1 over all pairs: both sides are centred, so it is tr(X'X Y'Y) / nm
        variance = np.sum((taste.T @ taste) * (factors.T @ factors)) / (n * m)
        taste /= variance**0.5 if variance > 0 else 1.0
    popularity = (1.0 + rng("popularity").permutation(m)) ** -float(plan.popularity_skew)
    ratings = plan.shape == "ratings"
    return PlantedTruth(
        users=Vocabulary(ids=pa.array([f"user-{i:05d}" for i in range(n)])),
        items=Vocabulary(ids=pa.array(_item_names(genres, item_genres))),
        genres=genres,
        item_genres=item_genres,
        tastes=tastes.astype(np.float32),
        weights=weights.astype(np.float32),
        factors=factors.astype(np.float32),
        user_bias=rng("user bias").standard_normal(n),
        item_bias=rng("item bias").standard_normal(m),
        popularity=popularity / popularity.sum(),
        first_users=_first(rng("first users"), n, plan.newcomers),
        first_items=_first(rng("first items"), m, plan.newcomers),
        shape=plan.shape,
        attraction=plan.attraction,
        bar=plan.bar,
        lapse=0.0 if ratings else plan.noise,
        noise=plan.noise if ratings else 0.0,
        drift=plan.drift,
        mean=plan.mean,
        spread=plan.spread,
        scale=scale,
        start=start,
        span=int(plan.days * 86_400) * 1_000_000,
    )


def _weights(rng: np.random.Generator, n: int, d: int, pure: bool) -> np.ndarray:
    """Shares of genres, rows sum to 1: 60 % one, 30 % another, 10 % thinly over all; or one alone."""
    first = rng.integers(d, size=n)
    if pure:
        return np.eye(d)[first]
    second = (first + rng.integers(1, max(2, d), size=n)) % d
    return 0.6 * np.eye(d)[first] + 0.3 * np.eye(d)[second] + 0.1 * rng.dirichlet(np.ones(d), size=n)


def _first(rng: np.random.Generator, count: int, share: float) -> np.ndarray:
    """The moment each first appears: 0, or uniform for a share of them."""
    return np.where(rng.random(count) < share, rng.random(count), 0.0)


def _item_names(genres: tuple[str, ...], item_genres: np.ndarray) -> list[str]:
    seen = [0] * len(genres)
    names = []
    for g in item_genres:
        names.append(f"{genres[g]}-{seen[g]:03d}")
        seen[g] += 1
    return names
