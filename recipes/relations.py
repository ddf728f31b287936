"""Who stands in which relation to whom: triples completed and judged, communities found, and which items lead to which.

python recipes/relations.py [triples.csv [report.html]]
"""

from __future__ import annotations

import sys

import numpy as np

import matweave as mw


def clans(people: int = 60) -> mw.Relations:
    """A made-up people of four clans: each clan gives to the next, marries the one after, and helps its own."""
    rng = np.random.default_rng(0)
    clan = rng.integers(0, 4, people)
    rows = []
    for name, step in (("gives to", 1), ("marries", 2), ("helps", 0)):
        for a, b in np.argwhere((clan[None, :] - clan[:, None]) % 4 == step):
            if a != b and rng.random() < 0.6:
                rows.append((f"p{a}", name, f"p{b}"))
    return mw.read_relations(rows)


def purchases(users: int = 300) -> mw.Interactions:
    """A made-up log in which phones are bought before cases, and cases before chargers."""
    rng = np.random.default_rng(0)
    kinds = ["phone", "case", "charger"]
    items = [f"{kind} {k}" for kind in kinds for k in range(8)]
    bought = np.concatenate(
        [8 * kind + rng.permuted(np.tile(np.arange(8), (users, 1)), axis=1)[:, :2] for kind in range(3)],
        axis=1,
    )
    times = np.tile(np.arange(6), users) * 86_400_000_000
    return mw.Interactions.from_codes(
        np.repeat(np.arange(users), 6), bought.ravel(), times=times, item_ids=items
    )


def main(path: str | None = None, report: str | None = None) -> None:
    relations = clans() if path is None else mw.read_relations(path)
    print(relations)

    # triples held out, each ranked among all entities
    split = mw.split_relations(relations, test=0.1, valid=0.1, seed=0)
    check = mw.relation_validation(split.valid, metric="mrr", every=5, patience=3)
    model = mw.ComplEx(rank=32, epochs=60, seed=0).fit(split.train, validate=check)
    print(mw.evaluate_relations(model, split.test, known=[split.valid]))
    asked = split.test.to_frame("arrow").to_pylist()[0]
    best = model.complete(head=asked["head"], relation=asked["relation"], k=3)
    print(f"{asked['head']} {asked['relation']} ...:", best.to_pydict()["entity"])

    # every cell, triples and zeros alike, in folds: how well the ones are told from the zeros
    recipe = mw.RESCAL(rank=10, regularization=1.0, core_regularization=1.0)
    print(mw.cross_validate_cells(recipe, relations, folds=3))

    # groups in one relation, whichever way round
    last = relations.select(relations.kinds.to_list()[-1:])
    members = mw.SymmetricNMF(rank=4, seed=0).fit(last).communities(k=4).to_pylist()
    for group in range(1, 5):
        print(f"community {group}:", [row["entity"] for row in members if row["community"] == group])

    # items that users had one after the other: an asymmetric relation, read by its few roles
    then = mw.co_purchases(purchases(), then=True, weighting="lift")
    print(f"asymmetry of what was bought then: {then.asymmetry()[0]:.2f}")
    roles = mw.TriFactorization(rank=3, seed=0).fit(then)
    for row, strongest in zip(roles.cores[0], roles.components(k=1).to_pylist(), strict=True):
        print(f"{strongest['entity']:>10} and its like lead to:", row.round(2).tolist())
    if report is not None:
        from matweave.evaluation.relation_report import write_relation_report

        print("report:", write_relation_report(report, roles, train=then))


if __name__ == "__main__":
    main(*sys.argv[1:3])
