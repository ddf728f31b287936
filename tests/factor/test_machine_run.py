"""The state of a fit: features and their groups, draws of a group's prior, pairs, and the draws that are kept."""

from __future__ import annotations

import numpy as np
import pytest

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.factor.machine_run import Block, MachineRun, drawn_prior, pairs

LOG = Interactions.from_codes([0, 0, 1, 2], [0, 1, 1, 2], values=[1.0, 2.0, 3.0, 5.0])
PEOPLE = mw.ItemContent.of(
    [0, 1, 2], attributes=[[1, 0, 20], [0, 1, 30], [np.nan, np.nan, 40]], names=["sex=F", "sex=M", "age"]
)


def test_groups_are_attributes_by_name_and_the_set() -> None:
    block = Block.of(PEOPLE, LOG.users, LOG.by_user, implicit=True)
    assert block.design.shape == (3, 3 + 3)
    assert block.groups.tolist() == [1, 1, 2, 3, 3, 3]
    assert block.attributes == 3
    np.testing.assert_allclose(block.design.toarray()[0, 3:], [np.sqrt(0.5), np.sqrt(0.5), 0])
    assert block.design.toarray()[2, :2].tolist() == [0, 0]  # missing levels say nothing
    assert Block.of(None, LOG.users, LOG.by_user, implicit=False).design.shape == (3, 0)


def test_pairs_are_the_double_sum() -> None:
    rng = np.random.default_rng(0)
    z, v = rng.standard_normal(5), rng.standard_normal((5, 3))
    wanted = sum(z[i] * z[k] * v[i] @ v[k] for i in range(5) for k in range(i + 1, 5))
    a, q = v.T @ z, (v**2).T @ z**2
    assert pairs(a[:, None], q[:, None])[0] == pytest.approx(wanted)


def test_a_groups_prior_is_drawn_from_normal_gamma() -> None:
    """Mean and variance of the draws against the formulas, for a small group where the prior counts."""
    weights, rng = np.array([1.0, 2.0, 3.0]), np.random.default_rng(1)
    drawn = np.array([drawn_prior(weights, rng) for _ in range(40_000)])
    middle, scatter = 6 / 4, 14 - 4 * (6 / 4) ** 2
    shape, rate = (1 + 3) / 2, (1 + scatter) / 2
    assert drawn[:, 0].mean() == pytest.approx(middle, abs=0.02)
    assert drawn[:, 1].mean() == pytest.approx(shape / rate, rel=0.02)
    assert np.mean((drawn[:, 0] - middle) ** 2 * drawn[:, 1]) == pytest.approx(1 / 4, rel=0.05)


def test_draws_since_burn_in_are_kept_oldest_first() -> None:
    recipe = mw.FactorizationMachine(rank=2, burn_in=4, samples=3, thinning=2)
    run = MachineRun(recipe, LOG, LOG.values, [None, None])  # type: ignore[arg-type]
    arrays = run.start()
    for sweeps, wanted in ((1, [1]), (4, [2]), (7, [0, 1]), (10, [0, 1, 2])):
        arrays["sweeps"][0] = sweeps
        assert run.kept(arrays).tolist() == wanted, sweeps
