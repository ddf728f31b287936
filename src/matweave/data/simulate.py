"""A log whose truth is known: planted tastes, popularity, drift, newcomers and noise.

Model. Users u have tastes x_u(t) in R^d, items j have factors y_j in R^d, time t runs from 0 to 1.

    genres          d of them (rank = genres); item j belongs to one, g(j), sizes falling gently
    items           y_j = e_g(j) + 0.35 * noise_j                            (columns centred over items)
    tastes          w_u: 60 % on a first genre, 30 % on a second, 10 % spread thinly by chance;
                    x_u = w_u + 0.1 * noise_u                                (columns centred over users)
    drift           x_u(t) = cos(pi/2 * drift * t) * x_u' + sin(pi/2 * drift * t) * x_u'',
                    where x_u'' is a second taste of the same law: 0 stands still, 1 ends as another person
    affinity        a_uj(t) = x_u(t) . y_j, scaled to variance 1 over all pairs; its matrix has rank d exactly
    popularity      item of popularity rank r is shown with weight r^-skew   (Zipf; ranks dealt by chance)
    activity        user weights log-normal (sigma 0.8)
    newcomers       that share of users, and of items, first appears at a uniform moment of the span

A row comes about in two steps, exposure and response. Exposures (u, j, t) are drawn independently:
u by activity, j by popularity, t uniform, both present at t. An exposure becomes a row with probability

    p_uj(t) = (1 - lapse) * sigmoid(attraction * a_uj(t) - bar) + lapse * sigmoid(-bar)

so `attraction = 0` observes pairs without regard to taste (missing at random), larger values bring the
selection that real logs have, and a higher `bar` makes what is not liked rarer. A pair seen again is one
row, and exposures go on until exactly `interactions` rows stand. What a row holds depends on the shape:

    ratings     s = mean + spread * (0.5 b_u + 0.5 c_j + a_uj(t) / sqrt 2), b and c standard normal;
                value = s + noise * normal, rounded to the step and cut to the scale; lapse = 0
    clicks      no value; lapse = noise
    purchases   value = 1 + Poisson(3 p_uj(t)), a count; lapse = noise
    blocks      clicks of separate communities: a user has one genre only and y_j = e_g(j) exactly, so
                affinity takes one value inside the own block and one for each genre outside (rank d - 1)

`PlantedTruth.expected` is the exact expected value: for ratings the mean of the rounded and cut normal,

    E = low + step * sum_k Phi((s - (low + (k - 1/2) step)) / noise),   k = 1 .. (high - low) / step

for clicks and blocks p_uj(t), for purchases 1 + 3 p_uj(t). Cost: O(exposures * d) time in blocks,
about 1 s for a million rows at rank 8. Checked by recovering every planted figure from the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import final

import numpy as np

from matweave.data.interactions import Interactions
from matweave.data.planted import REPEATS, PlantedTruth
from matweave.data.planting import Plan, check_scale, plant
from matweave.errors import ConfigError
from matweave.randomness import child


@final
@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A simulated log and the truth planted in it."""

    log: Interactions
    truth: PlantedTruth


def simulate_log(
    *,
    users: int = 500,
    items: int = 300,
    rank: int = 8,
    interactions: int = 20_000,
    shape: str = "ratings",
    popularity_skew: float = 0.8,
    attraction: float = 2.0,
    bar: float = 1.0,
    drift: float = 0.1,
    noise: float | None = None,
    newcomers: float = 0.05,
    mean: float = 3.5,
    spread: float = 1.0,
    scale: tuple[float, float, float] = (1.0, 5.0, 1.0),
    start: datetime | None = None,
    days: float = 365.0,
    seed: int = 0,
) -> Simulated:
    """A log of exactly `interactions` rows in time order, with its planted truth.

    `shape` is ratings, clicks, purchases or blocks. `noise` is in rating units for ratings (0.5 where
    not given), and the share of responses made regardless of taste for the others (0.05). `scale` is
    (lowest, highest, step) of the ratings. `start` is an aware datetime, 2024-01-01 UTC where not
    given. `popularity_skew`, `attraction`, `bar`, `drift`, `newcomers`, `mean` and `spread` are those of the
    model above. Users are "user-00012", items "jazz-031": their genre, and a number in it.

    Raises ConfigError for settings out of range, all at once; at most a third of all pairs can be asked for.

    >>> log, truth = (made := simulate_log(users=50, items=40, rank=4, interactions=600)).log, made.truth
    >>> len(log), truth.genres
    (600, ('jazz', 'rock', 'blues', 'folk'))
    >>> user = log.users.to_list()[0]
    >>> truth.taste(user).startswith(("mostly", "some"))
    True
    >>> len(truth.top(user, k=3))
    3
    """
    if noise is None:
        noise = 0.5 if shape == "ratings" else 0.05
    plan = Plan(
        users=users,
        items=items,
        rank=rank,
        interactions=interactions,
        shape=shape,
        popularity_skew=popularity_skew,
        attraction=attraction,
        bar=bar,
        drift=drift,
        noise=noise,
        newcomers=newcomers,
        mean=mean,
        spread=spread,
        days=days,
        seed=seed,
    )
    start = start or datetime(2024, 1, 1, tzinfo=UTC)
    check_scale(scale, start)
    truth = plant(plan, scale, int(start.timestamp()) * 1_000_000)
    return Simulated(log=_draw(plan, truth), truth=truth)


def _draw(plan: Plan, truth: PlantedTruth) -> Interactions:
    rng = child(plan.seed, "simulate_log", "exposures")
    activity = np.exp(0.8 * rng.standard_normal(plan.users))
    activity /= activity.sum()
    keys = np.empty(0, np.int64)
    moments = np.empty(0)
    drawn = 0
    while len(keys) < plan.interactions:
        if drawn > 100 * plan.interactions + 100_000:
            raise ConfigError(
                f"only {len(keys):,} distinct pairs came of {drawn:,} exposures",
                where="simulate_log",
                mend="ask for fewer interactions, or for less popularity_skew, bar or newcomers",
            )
        yield_so_far = len(keys) / drawn if drawn else 0.25
        missing = plan.interactions - len(keys)
        size = int(min(8_000_000, 1.15 * missing / max(yield_so_far, 0.01) + 1000))
        fresh, at = _exposures(rng, plan, truth, activity, size)
        drawn += size
        keys, moments = _distinct(np.concatenate([keys, fresh]), np.concatenate([moments, at]))
    keys, moments = keys[: plan.interactions], moments[: plan.interactions]
    order = np.argsort(moments, kind="stable")
    keys, moments = keys[order], moments[order]
    u, j = np.divmod(keys, plan.items)
    log = Interactions(
        users=truth.users,
        items=truth.items,
        user_codes=u.astype(np.int32),
        item_codes=j.astype(np.int32),
        values=_values(child(plan.seed, "simulate_log", "values"), truth, u, j, moments),
        times=truth.start + (moments * (truth.span // 1_000_000)).astype(np.int64) * 1_000_000,
    )
    return log.take(np.arange(len(log)))  # users and items without a row are not in its vocabularies


def _exposures(
    rng: np.random.Generator, plan: Plan, truth: PlantedTruth, activity: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The keys (user * items + item) and moments of those of `size` exposures that became rows."""
    u = _dealt(rng, activity, size)
    j = _dealt(rng, truth.popularity, size)
    at = rng.random(size)
    present = (at >= truth.first_users[u]) & (at >= truth.first_items[j])
    u, j, at = u[present], j[present], at[present]
    accepted = rng.random(len(u), np.float32) < truth.probability(truth.affinity_of(u, j, at))
    return u[accepted].astype(np.int64) * plan.items + j[accepted], at[accepted]


def _dealt(rng: np.random.Generator, weights: np.ndarray, size: int) -> np.ndarray:
    """`size` draws by weight in random order: multinomial counts, shuffled; no search per draw."""
    codes = np.repeat(np.arange(len(weights), dtype=np.int32), rng.multinomial(size, weights))
    rng.shuffle(codes)
    return codes


def _distinct(keys: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first of each key, in the order drawn."""
    _, first = np.unique(keys, return_index=True)
    first.sort()
    return keys[first], moments[first]


def _values(
    rng: np.random.Generator, truth: PlantedTruth, u: np.ndarray, j: np.ndarray, at: np.ndarray
) -> np.ndarray | None:
    affinity = truth.affinity_of(u, j, at)
    if truth.shape == "ratings":
        low, high, step = truth.scale
        score = truth.score(affinity, truth.user_bias[u], truth.item_bias[j])
        score += truth.noise * rng.standard_normal(len(u))
        steps = np.floor((score - low) / step + 0.5)  # a border belongs to the step above, as in the truth
        return (low + step * np.clip(steps, 0, round((high - low) / step))).astype(np.float32)
    if truth.shape == "purchases":
        return (1 + rng.poisson(REPEATS * truth.probability(affinity))).astype(np.float32)
    return None
