"""Which method, honestly: several on one split, with intervals, paired tests and an HTML report.

python recipes/compare_methods.py [ratings.csv [report.html]]
"""

from __future__ import annotations

import sys

import matweave as mw


def main(path: str | None = None, report: str | None = None) -> None:
    if path is None:
        log = mw.simulate_log(users=800, items=300, interactions=30_000, seed=0).log
    else:
        log = mw.read_interactions(path)
    split = mw.split_by_time(log, test=0.1)
    recipes = {
        "popularity": mw.Popularity(),
        "item_knn": mw.ItemKNN(),
        "ease": mw.EASE(),
        "implicit_als": mw.ImplicitALS(rank=32),
    }
    found = mw.compare(recipes, split, k=10, metrics=["ndcg@10", "recall@10", "coverage@10"], seed=0)
    print(found)
    if report is not None:
        from matweave.evaluation.report import write_report

        write_report(found, report)
        print("report:", report)


if __name__ == "__main__":
    main(*sys.argv[1:3])
