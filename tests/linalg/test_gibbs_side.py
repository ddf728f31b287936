import numpy as np
import pytest
import scipy.sparse as sp

from matweave.linalg.gibbs_side import Side
from matweave.linalg.rows import RowSystems
from matweave.linalg.wishart import NormalWishart

USERS, ITEMS, RANK = 4, 3, 1
ROWS, COLUMNS = (a.ravel() for a in np.indices((USERS, ITEMS)))
FEATURES = np.array([[1.0], [0.5], [-1.0], [0.0]])


def sides(values, designs):
    """Both sides of a full table of values."""
    table = sp.csr_array((values, (ROWS, COLUMNS)), shape=(USERS, ITEMS))
    found = []
    for matrix, some in ((table, designs), (sp.csr_array(table.T), [])):
        systems = RowSystems(matrix.indptr, matrix.indices, matrix.shape[1], weights=1.0, targets=matrix.data)
        found.append(Side(systems, RANK, some, PRIOR, np.zeros((matrix.shape[0], RANK))))
    return found


PRIOR = NormalWishart(freedom=8.0)
"""With more freedom than the method's own, so that the prior has moments to compare."""


def rows_of(side):
    return np.concatenate([side.vectors.array, side.vectors.bias[:-1, None]], axis=1)


def place(side, rows):
    side.vectors.array[:], side.vectors.bias[:-1] = rows[:, :-1], rows[:, -1]


def from_prior(random, both):
    """A draw of everything but the values: hyperparameters are drawn anew by a sweep, so only what it starts from counts."""
    for side in both:
        n, d = side.systems.n_rows, RANK + 1
        lower = np.tril(random.standard_normal((d, d)), -1) + np.diag(
            np.sqrt(random.chisquare(d + 8.0 - np.arange(d)))
        )
        inverse = np.linalg.inv(lower)
        mean = random.standard_normal(d) @ inverse / np.sqrt(2.0)
        rows = mean + random.standard_normal((n, d)) @ inverse
        for b in range(len(side.links)):
            side.strengths[b] = random.gamma(1.0)
            side.states[b][:] = (
                random.standard_normal(side.states[b].shape) @ inverse / np.sqrt(side.strengths[b])
            )
            rows = rows + side.links[b].effect(side.states[b])
        place(side, rows)


def scores(both):
    x, y = (rows_of(side) for side in both)
    return x[:, :-1] @ y[:, :-1].T + x[:, -1:] + y[:, -1]


def told(both):
    """Bounded functions of a state, whose means are compared."""
    x, y = (rows_of(side) for side in both)
    found = [
        np.abs(x).mean(),
        np.abs(y).mean(),
        np.abs(scores(both)).mean(),
        x[0, 0],
        y[0, 1],
        x[0, 0] * x[1, 0],
        x[0, 0] * x[0, 1],
    ]
    return [*np.tanh(found), *np.tanh(np.log([s for side in both for s in side.strengths]))]


@pytest.mark.slow
@pytest.mark.parametrize("designs", [[], [FEATURES]], ids=["plain", "with a feature"])
def test_sweeps_leave_the_joint_distribution_as_it_is(designs):
    """Geweke 2004: values drawn given the state and the state given the values, in turn, wander over the prior itself."""
    random, both, tau = np.random.default_rng(0), sides(np.zeros(USERS * ITEMS), designs), 4.0
    prior = []
    for _ in range(4000):
        from_prior(random, both)
        prior.append(told(both))
    chain = []
    for _ in range(12_000):
        values = scores(both)[ROWS, COLUMNS] + random.standard_normal(USERS * ITEMS) / np.sqrt(tau)
        fresh = sides(values, [])
        for side, new in zip(both, fresh, strict=True):
            side.systems = new.systems
        for at in (0, 1):
            both[at].sweep(random, both[1 - at].vectors, tau)
        chain.append(told(both))
    blocks = np.array(chain).reshape(40, 300, -1).mean(axis=1)  # of states that follow each other
    error = np.sqrt(blocks.var(axis=0) / 40 + np.var(prior, axis=0) / 4000)
    away = (blocks.mean(axis=0) - np.mean(prior, axis=0)) / error
    assert np.abs(away).max() < 4.0


def test_a_sweep_answers_the_squared_errors_and_what_it_drew_from():
    values = np.random.default_rng(1).standard_normal(USERS * ITEMS)
    both, random = sides(values, [FEATURES, sp.csr_array(np.eye(USERS))]), np.random.default_rng(2)
    from_prior(random, both)
    hyper, errors = both[0].sweep(random, both[1].vectors, 3.0)
    left = values - scores(both)[ROWS, COLUMNS]
    assert errors == pytest.approx(left @ left, rel=1e-4)
    assert hyper.mean.shape == (2,)
    assert np.linalg.eigvalsh(hyper.precision).min() > 0
    assert set(both[0].arrays()) == {"factors", "bias", "strengths", "link_0", "link_1"}
    assert both[0].arrays()["link_1"].shape == (USERS, 2)


def test_features_that_say_everything_are_found_out():
    """Rows that are a multiple of a feature: what is left of them beside β shrinks."""
    random = np.random.default_rng(3)
    n = 300
    feature = random.standard_normal((n, 1))
    column = np.tile(np.arange(8, dtype=np.int32), n)
    others = random.standard_normal((8, 1))
    values = (2.0 * feature @ others.T).ravel() + 0.1 * random.standard_normal(n * 8)
    systems = RowSystems(8 * np.arange(n + 1), column, 8, weights=1.0, targets=values)
    side = Side(systems, 1, [feature], NormalWishart(), np.zeros((n, 1)))
    from matweave.linalg.vectors import Vectors

    other = Vectors.of(others, np.zeros(8))
    found = []
    for sweep in range(60):
        side.sweep(random, other, 100.0)
        if sweep >= 20:
            found.append(side.links[0].weights(side.states[0])[0])
    np.testing.assert_allclose(np.mean(found, axis=0), [2.0, 0.0], atol=0.1)
