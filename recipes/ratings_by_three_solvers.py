"""One model, three solvers: R ≈ U·Fᵀ + biases by SGD, by full-batch gradient descent, and by ALS.

    python recipes/ratings_by_three_solvers.py [ratings.csv]

They minimise squared error with an L2 penalty; what differs is the way down.
"""

from __future__ import annotations

import sys

import matweave as mw


def main(path: str | None = None) -> None:
    if path is None:
        log = mw.simulate_log(users=600, items=200, interactions=25_000, shape="ratings", seed=3).log
    else:
        log = mw.read_interactions(path)
    split = mw.split_randomly(log, test=0.1, valid=0.0, seed=0)
    recipes = {
        "sgd": mw.BiasedMF(rank=8, epochs=30, seed=0),
        "gradient descent": mw.BiasedMF(rank=8, optimizer="gd", epochs=200, seed=0),
        "alternating least squares": mw.ExplicitALS(rank=8, epochs=15, seed=0),
    }
    for name, recipe in recipes.items():
        model = recipe.fit(split.train)
        past = model.history
        found = mw.evaluate(model, split.test, metrics=["rmse", "mae"])
        print(
            f"{name:26s} objective {past.objective[0]:10.1f} -> {past.objective[-1]:10.1f} "
            f"in {past.epoch:3d} epochs ({past.stopped}), test RMSE {found.metrics['rmse'].mean:.3f}"
        )


if __name__ == "__main__":
    main(*sys.argv[1:2])
