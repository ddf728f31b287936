"""From factors to networks: fit a factorization, start two networks from it, and mix all three.

    python recipes/neural_from_factors.py [ratings.csv]

Without a file it simulates a log with times. The last item of each user is the test, the one before it the validation part.
"""

from __future__ import annotations

import sys
import tempfile

import matweave as mw


def main(path: str | None = None) -> None:
    if path is None:
        log = mw.simulate_log(users=300, items=120, interactions=8_000, seed=0).log
    else:
        log = mw.read_interactions(path)
    split = mw.split_leave_last_out(log)
    check = mw.validation(split.valid, patience=3)

    # seconds: what networks must beat, and where they start
    factors = mw.ImplicitALS(rank=16, epochs=10, seed=0).fit(split.train)
    pairs = mw.NeuMF(rank=16, epochs=3, device="cpu").fit(split.train, validate=check, init=factors)
    order = mw.SASRec(rank=16, length=20, epochs=4, device="cpu").fit(
        split.train, validate=check, init=factors
    )
    models = [factors, pairs, order]

    # weights from the validation part alone; never worse there than the best of the three
    mixed = mw.blend(models, split.valid)
    for model, weight in zip(models, mixed.weights, strict=True):
        print(f"{weight:.2f} of {model.method}, alone {check.measure(model):.4f} on validation")
    print(f"blend {check.measure(mixed):.4f} on validation")

    # the test: a user's history now includes the validation item
    known = mw.Interactions.of(
        users=[*ids(split.train, "user"), *ids(split.valid, "user")],
        items=[*ids(split.train, "item"), *ids(split.valid, "item")],
        times=[*split.train.times, *split.valid.times],
    )
    for model in [*models, mixed]:
        print(mw.evaluate(model, split.test, known=known, metrics=["ndcg@10", "hit_rate@10"]))

    # a stranger, in the order given: the last item last
    print(mixed.recommend_for(history=mixed.items.to_list()[:3], k=5).to_pandas().to_string(index=False))

    with tempfile.TemporaryDirectory() as folder:
        mixed.save(folder)
        again = mw.load(folder)
        print("saved and loaded:", again.method, "of", ", ".join(part.method for part in again.parts))


def ids(log: mw.Interactions, column: str) -> list:
    """A column of ids of a log."""
    return log.to_frame("arrow")[column].to_pylist()


if __name__ == "__main__":
    main(*sys.argv[1:2])
