"""From a raw log to recommendations: read, split by time, fit, judge, recommend, save.

    python recipes/log_to_recommendations.py [ratings.csv]

Without a file it simulates a log whose truth is known.
"""

from __future__ import annotations

import sys
import tempfile

import matweave as mw


def main(path: str | None = None) -> None:
    if path is None:
        log = mw.simulate_log(users=800, items=300, interactions=30_000, seed=0).log
    else:
        log = mw.read_interactions(path)
        print("\n".join(log.report))
    print(f"{len(log):,} interactions, {log.n_users:,} users, {log.n_items:,} items")

    # the test part lies after the training part in time, as the future does
    split = mw.split_by_time(log, test=0.1, valid=0.1)
    print("\n".join(split.report.lines()))

    # early stopping looks at the validation part only
    model = mw.ImplicitALS(rank=32, epochs=20, seed=0).fit(split.train, validate=mw.validation(split.valid))
    print(f"stopped by {model.history.stopped} after epoch {model.history.epoch}")
    print(mw.evaluate(model, split.test, k=10))

    some = model.users.to_list()[:2]
    print(model.recommend(users=some, k=5).to_pandas().to_string(index=False))

    # a stranger is folded in: no retraining
    history = model.items.to_list()[:3]
    print(model.recommend_for(history=history, k=5).to_pandas().to_string(index=False))

    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        again = mw.load(folder)
        print("saved and loaded:", again.method, "of rank", again.settings["rank"])


if __name__ == "__main__":
    main(*sys.argv[1:2])
