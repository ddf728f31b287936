"""Golden tables of other frameworks' metrics, made by running them on small generated lists.

    python benchmarks/conformance/golden.py case                 # the lists: needs numpy only
    PYTHON_WITH_IMPLICIT benchmarks/conformance/golden.py implicit
    PYTHON_WITH_RECBOLE benchmarks/conformance/golden.py recbole
    PYTHON_WITH_RECTOOLS benchmarks/conformance/golden.py rectools

Each writes tests/golden/metrics_NAME.json with its card. Made with implicit 0.7.3, RecBole 1.2.1 and RecTools
0.19.0; Elliot 0.3.1 pins numpy 1.18 and tensorflow 2.3 and cannot be installed on a current Python, so it has none.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"
CUTS = [1, 5, 10]


def write(name: str, card: dict, **content: object) -> None:
    card = {"command": f"python benchmarks/conformance/golden.py {name}"} | card
    text = json.dumps({"card": card} | content, separators=(",", ":"), default=float)
    (GOLDEN / f"metrics_{name}.json").write_text(text.replace('},"', '},\n"') + "\n")


def make_case() -> None:
    """48 users, 30 items: distinct scores, ratings with ties, 0 to 15 relevant items, 8 users with none, short lists."""
    rng = np.random.default_rng(20)
    n, m = 48, 30
    scores = rng.permutation(n * m).reshape(n, m) / 1000
    seen, relevant, ratings = [], [], []
    for u in range(n):
        order = rng.permutation(m)
        seen.append(sorted(order[:8].tolist()))
        size = 0 if u % 6 == 5 else int(rng.integers(1, 16))
        relevant.append(sorted(order[8 : 8 + size].tolist()))
        ratings.append(rng.integers(1, 6, size).tolist())
        scores[u, order[8 : 8 + size]] += rng.random() * 0.5  # better than chance, by user
    counts = [int(rng.integers(0, 10)) if u % 4 == 1 else 10 for u in range(n)]
    card = {"origin": "generated, numpy seed 20", "version": np.__version__, "tolerance": 0}
    rows = {"seen": seen, "relevant": relevant, "ratings": ratings, "short_counts": counts}
    write("case", card, n_items=m, cuts=CUTS, scores=scores.round(4).tolist(), **rows)


def case() -> dict:
    return json.loads((GOLDEN / "metrics_case.json").read_text())


def lists(c: dict) -> np.ndarray:
    scores = np.array(c["scores"])
    for u, items in enumerate(c["seen"]):
        scores[u, items] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, : max(c["cuts"])]


def matrix(rows: list[list[int]], m: int):
    import scipy.sparse as sp

    pairs = [(u, i) for u, items in enumerate(rows) for i in items]
    return sp.csr_matrix((np.ones(len(pairs), np.float32), tuple(np.array(pairs).T)), shape=(len(rows), m))


def run_implicit() -> None:
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.evaluation import ranking_metrics_at_k

    c = case()
    m = c["n_items"]
    model = AlternatingLeastSquares(factors=m, num_threads=1)
    model.user_factors, model.item_factors = np.array(c["scores"], np.float32), np.eye(m, dtype=np.float32)
    train, test = matrix(c["seen"], m), matrix(c["relevant"], m)
    values = {}
    for k in c["cuts"]:
        found = ranking_metrics_at_k(model, train, test, K=k, show_progress=False, num_threads=1)
        values |= {f"{name}@{k}": value for name, value in found.items()}
    write(
        "implicit", {"origin": "implicit", "version": version("implicit"), "tolerance": 1e-9}, values=values
    )


def run_recbole() -> None:
    import torch
    from recbole.config import Config
    from recbole.evaluator import Collector, Evaluator

    c = case()
    kept = [u for u, items in enumerate(c["relevant"]) if items]  # its loader never yields the others
    scores = np.array(c["scores"], np.float32)
    for u, items in enumerate(c["seen"]):
        scores[u, items] = -np.inf
    metrics = ["NDCG", "MAP", "Precision", "Recall", "MRR", "Hit", "GiniIndex", "ItemCoverage"]
    sys.argv = sys.argv[:1]
    settings = {"metrics": metrics, "topk": c["cuts"], "valid_metric": "NDCG@10", "use_gpu": False}
    settings |= {"show_progress": False, "state": "ERROR", "metric_decimal_place": 12}
    config = Config(model="BPR", dataset="ml-100k", config_dict=settings)
    collector, evaluator = Collector(config), Evaluator(config)
    users = np.repeat(np.arange(len(kept)), [len(c["relevant"][u]) for u in kept])
    items = np.concatenate([c["relevant"][u] for u in kept])
    collector.eval_batch_collect(
        torch.from_numpy(scores[kept]), None, torch.from_numpy(users), torch.from_numpy(items)
    )
    data = collector.get_data_struct()
    data.set("data.num_items", c["n_items"])
    found = evaluator.evaluate(data)
    card = {"origin": "RecBole", "version": version("recbole"), "tolerance": 1e-9}
    write("recbole", card, users=kept, values={name: float(value) for name, value in found.items()})


def run_rectools() -> None:
    import pandas as pd
    from rectools.metrics import MAP, MRR, NDCG, HitRate, Precision, Recall, calc_metrics

    c, tables = case(), {}
    codes, n = lists(c), len(c["scores"])
    pairs = [(u, i) for u, items in enumerate(c["relevant"]) for i in items]
    interactions = pd.DataFrame(pairs, columns=["user_id", "item_id"])
    for name, counts in (("values", [codes.shape[1]] * n), ("short_values", c["short_counts"])):
        entries = [(u, codes[u, j], j + 1) for u in range(n) for j in range(counts[u])]
        reco = pd.DataFrame(entries, columns=["user_id", "item_id", "rank"])
        metrics = {}
        for k in c["cuts"]:
            metrics |= {
                f"precision@{k}": Precision(k=k),
                f"r_precision@{k}": Precision(k=k, r_precision=True),
                f"recall@{k}": Recall(k=k),
                f"hit_rate@{k}": HitRate(k=k),
                f"map@{k}": MAP(k=k),
                f"map_divide_by_k@{k}": MAP(k=k, divide_by_k=True),
                f"ndcg@{k}": NDCG(k=k),
                f"ndcg_divide_by_achievable@{k}": NDCG(k=k, divide_by_achievable=True),
                f"mrr@{k}": MRR(k=k),
            }
        tables[name] = {
            m: float(v) for m, v in calc_metrics(metrics, reco=reco, interactions=interactions).items()
        }
    write("rectools", {"origin": "RecTools", "version": version("rectools"), "tolerance": 1e-9}, **tables)


if __name__ == "__main__":
    what = {"case": make_case, "implicit": run_implicit, "recbole": run_recbole, "rectools": run_rectools}
    what[sys.argv[1]]()
