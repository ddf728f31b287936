"""`matweave demo`: a log whose truth is known, methods compared on it, and whether they found what was planted.

Needs the core and matplotlib only. The log is simulated: tastes for genres are planted, items are shown by
popularity, users turn to new tastes as time goes by, and some clicks are chance.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from matweave.app.catalogue import recipes_of
from matweave.app.judging import compare, show
from matweave.app.progress import say
from matweave.data.simulate import Simulated, simulate_log
from matweave.data.split import split_by_time
from matweave.errors import MatweaveError
from matweave.evaluation.comparison import Comparison
from matweave.evaluation.report import write_report

METHODS = ("popularity", "item_knn", "ease", "pure_svd", "implicit_als")
METRICS = ("ndcg@10", "recall@10", "coverage@10", "novelty@10")
SETTINGS = ("implicit_als.rank=24", "implicit_als.regularization=0.02", "pure_svd.rank=12")


def run(
    out: Path, *, seed: int = 0, users: int = 4_000, items: int = 1_500, interactions: int = 160_000
) -> None:
    """Simulate, compare, print the leaderboard and five users, and write the model and the report in `out`."""
    began = time.perf_counter()
    world = simulate_log(
        users=users,
        items=items,
        interactions=interactions,
        shape="clicks",
        attraction=3.0,
        bar=4.0,
        drift=0.2,
        seed=seed,
    )
    print(f"A simulated log: {len(world.log):,} clicks of {users:,} users on {world.log.n_items:,} items,")
    print("with planted tastes for genres, popularity skew, drift and chance clicks.\n")
    split = split_by_time(world.log, test=0.1, valid=0.0)
    for line in split.report.lines():
        say(line)
    found = compare(
        recipes_of(list(METHODS), list(SETTINGS), seed),
        split,
        k=10,
        metrics=METRICS,
        negatives=None,
        seed=seed,
    )
    show(found)
    winner = found.results[0]
    if winner.model is None:
        raise MatweaveError(
            f"every method failed: {winner.error}", where="demo", mend="run `matweave doctor`"
        )
    examples = beside_planted(found, world, count=5)
    print(f"\nFive users: what was planted, and what {winner.name} gives them (* an item of a planted taste)")
    for example in examples:
        print(f"\n  {example['user']} likes {example['planted']}")
        print(f"    best by the truth  {' '.join(example['truth'])}")
        print(f"    recommended        {' '.join(example['recommended'])}")
        print(f"    {example['hits']}")
    winner.model.save(out / "model")
    write_report(found, out / "report.html", examples=examples, title="matweave demo")
    print(f"\nmodel   {out / 'model'}   (matweave recommend {out / 'model'} --user {examples[0]['user']})")
    print(f"report  {out / 'report.html'}")
    print(f"{time.perf_counter() - began:.0f} s in all")


def beside_planted(found: Comparison, world: Simulated, count: int) -> list[dict[str, Any]]:
    """For the first users of the training log: taste in words, the true best items, and the winner's list."""
    model = found.results[0].model
    if model is None:
        return []
    truth, k = world.truth, 5
    rows = []
    for user in model.users.to_list()[:count]:
        seen = model.items.decode(model.seen.row(model.users.code(user))[0]).to_pylist()
        given = model.with_frame("arrow").recommend([user], k)["item"].to_pylist()
        planted = truth.taste(user)
        liked = [word for word in truth.genres if word in planted.replace(",", " ").split()]
        marked = [f"{item}*" if truth.genre(item) in liked else item for item in given]
        right = sum(item.endswith("*") for item in marked)
        rows.append(
            {
                "user": user,
                "planted": planted,
                "truth": truth.top(user, k, leave_out=seen),
                "recommended": marked,
                "hits": f"{right} of {len(given)} are of a planted taste",
            }
        )
    return rows
