"""Sequence methods on sasrec-ml-1m (Kang & McAuley's file of ml-1m): HR@10 and nDCG@10 of each user's last item among all items.

    python benchmarks/quality/sequences.py [--only SASRec] [--device cuda] [--seeds 3] [--seconds 600] [--epochs 1000] [--every 10]
                                           [--valid] [--valid-users 512] [--keep-seen] [--data DIR] [--tune]

Test: the last item of each of the 6,040 users, ranked after all items before it. Validation, for early stopping and for choosing settings: the
last but one of `--valid-users` users drawn once (512, as in gSASRec's own split; 6040: of all); all other rows are trained on. `--valid` judges
on the validation items and never opens the test items. Every row is ranked both ways, `seen_out` without the items that the user has had,
which is the protocol of the published figures (filter_rated=True in gSASRec-pytorch's config.py, filter_seen=True in bert4rec_repro's
configs), and `seen_in` among all items; `ok` and early stopping go by the first, with --keep-seen by the second. SASRec is also
ranked among 100 items drawn uniformly from those that the user has not had (ICDM 2018). Ties count half against the target.

`--tune` searches the grids of the methods without networks on the validation items. `--seconds` ends training after so long with the best
epoch so far. One JSON line a row; rows are independent of each other, so that several processes may run them at once.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from matweave.app.progress import say
from matweave.config import settings_of
from matweave.data.interactions import Interactions
from matweave.evaluation.evaluate import evaluate
from matweave.evaluation.sampled_protocol import draw_candidates
from matweave.factor.ease import EASE
from matweave.factor.implicit_als import ImplicitALS
from matweave.factor.loop import FitState, Validation
from matweave.factor.popularity import Popularity
from matweave.factor.recommender import Recommender
from matweave.neural.bert4_rec import BERT4Rec
from matweave.neural.caser import Caser
from matweave.neural.gru4_rec import GRU4Rec
from matweave.neural.sas_rec import SASRec
from matweave.randomness import child
from matweave.threads import threads

BLOCK = 1024  # users scored at once


@dataclass(frozen=True, kw_only=True)
class Row:
    """A recipe, HR@10 and nDCG@10 that it must reach (None: reported), what is published, and looks without a new best."""

    recipe: Any
    must: tuple[float, float] | None
    known: str
    patience: int = 20
    sampled: tuple[float, float] | None = None


ROWS = {
    "Popularity": Row(recipe=Popularity(), must=None, known="none"),
    "EASE": Row(recipe=EASE(regularization=50.0), must=None, known="none"),
    "ImplicitALS": Row(
        recipe=ImplicitALS(rank=256, unobserved_weight=0.8, regularization=0.005, epochs=12, tolerance=0.0),
        must=None,
        known="none",
    ),
    "SASRec bce": Row(
        recipe=SASRec(loss="bce", rank=128, length=200, dropout=0.2, epochs=1000),
        must=(0.239, 0.126),
        known="0.2392 / 0.1259 (gSASRec-pytorch README); 100 negatives: 0.8245 / 0.5905",
        sampled=(0.82, 0.59),
    ),
    "SASRec gbce": Row(
        recipe=SASRec(
            loss="gbce", rank=128, length=200, dropout=0.2, negatives=256, calibration=0.75, epochs=1500
        ),
        must=(0.295, 0.168),
        known="0.3003 / 0.1726 (gSASRec-pytorch README: 128 wide, 2 blocks, dropout 0.5, 256 negatives, t 0.75)",
    ),
    "SASRec softmax": Row(
        recipe=SASRec(loss="softmax", rank=128, length=200, dropout=0.3, epochs=1000),
        must=(0.295, 0.168),
        known="0.3003 / 0.1726 (gSASRec's; Klenitskiy & Vasilev 2023 find cross-entropy as good)",
    ),
    "GRU4Rec softmax": Row(
        recipe=GRU4Rec(rank=64, hidden=128, dropout=0.3, length=200, epochs=300),
        must=(0.26, 0.145),
        known="none at this protocol",
    ),
    "Caser": Row(
        recipe=Caser(batch_size=2048, epochs=60),
        must=None,
        known="about 0.79 / 0.55 among 100 negatives (SASRec's paper)",
    ),
    "BERT4Rec": Row(
        recipe=BERT4Rec(rank=128, heads=2, blocks=2, length=200, dropout=0.2, mask_share=0.4, epochs=2000),
        must=(0.27, 0.145),
        known="0.2821 / 0.1516 (bert4rec_repro README)",
        patience=25,
    ),
}

GRIDS = {
    "EASE": {"regularization": [10.0, 20.0, 50.0, 100.0, 200.0]},
    "ImplicitALS": {
        "rank": [64, 128, 256],
        "unobserved_weight": [0.2, 0.4, 0.8, 1.6],
        "regularization": [0.003, 0.005, 0.01],
    },
}


@dataclass(frozen=True, kw_only=True)
class Parts:
    """train; history and wanted: what users are judged by (known), and one row each (wanted), for validation and test."""

    train: Interactions
    valid: Interactions
    known: Interactions  # of the test: all but the last item of each user
    test: Interactions


def parts(data: Path, valid_users: int) -> Parts:
    """The rows of the file are chronological within each user, so that a row's number is its time."""
    with gzip.open(data / "sasrec-ml-1m" / "ml-1m.txt.gz") as file:
        rows = np.array(file.read().split(), dtype=np.int64).reshape(-1, 2)
    log = Interactions.of(users=rows[:, 0], items=rows[:, 1], times=np.arange(len(rows)))
    last = np.append(np.flatnonzero(np.diff(rows[:, 0])), len(rows) - 1)
    drawn = child(0, "sequences", "validation").permutation(len(last))[:valid_users]
    before = np.sort(last[drawn] - 1)
    left = np.ones(len(rows), bool)
    left[last] = False
    known = left.copy()
    left[before] = False
    return Parts(train=log.take(left), valid=log.take(before), known=log.take(known), test=log.take(last))


def ranks_of(model: Recommender, known: Interactions, wanted: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Items ahead of each wanted one among those that its user has not had, and among all; infinity for an item the model lacks."""
    histories = known.recode(wanted.users, model.items, ordered=True).matrix.rows(wanted.user_codes)
    codes, _ = model.users.encode(wanted.users.decode(wanted.user_codes))
    rows = model.grown(histories, codes)
    targets, there = model.items.encode(wanted.items.decode(wanted.item_codes))
    seen_out, seen_in = np.full(len(wanted), np.inf), np.full(len(wanted), np.inf)
    for start in range(0, len(wanted), BLOCK):
        cut = slice(start, start + BLOCK)
        scores = model.scores(rows[cut])
        n = len(scores)
        own = scores[np.arange(n), targets[cut]][:, None]
        ahead = (scores > own) + 0.5 * (scores == own)
        ahead[np.arange(n), targets[cut]] = 0.0
        seen_in[cut] = ahead.sum(1)
        mine = histories.rows(np.arange(start, start + n))
        owner = np.repeat(np.arange(n), mine.counts)
        seen_out[cut] = seen_in[cut] - np.bincount(owner, ahead[owner, mine.indices], n)
    seen_out[~there] = seen_in[~there] = np.inf
    return seen_out, seen_in


def figures(ranks: np.ndarray) -> list[float]:
    """HR@10 and nDCG@10."""
    hit = ranks < 10
    return [float(hit.mean()), float((hit / np.log2(np.where(hit, ranks, 0) + 2)).mean())]


def fitted(row: Row, seed: int, made: Parts, given: argparse.Namespace) -> Recommender:
    """Trained, where it is a network with early stopping on the validation items, which is told as it goes."""
    recipe = replace(row.recipe, seed=seed) if hasattr(row.recipe, "seed") else row.recipe
    if not hasattr(recipe, "device"):
        return recipe.fit(made.train)
    recipe = replace(recipe, device=given.device, epochs=given.epochs or recipe.epochs)
    name = type(recipe).__name__

    def measure(model: Recommender) -> float:
        found = figures(ranks_of(model, made.train, made.valid)[given.keep_seen])
        done = model.history
        say(f"{name} epoch {done.epoch}: validation {found[0]:.4f} / {found[1]:.4f}")
        return found[1]

    def watch(state: FitState, epochs: int) -> bool:
        if state.epoch % given.every == 0:
            say(f"{name} epoch {state.epoch}: loss {state.objective[-1]:.4f} after {state.seconds:.0f} s")
        return given.seconds is not None and state.seconds > given.seconds

    check = Validation(measure=measure, patience=row.patience, every=given.every, name="ndcg@10")
    return recipe.fit(made.train, validate=check, watch=watch)


def judged(name: str, row: Row, made: Parts, given: argparse.Namespace) -> dict[str, Any]:
    """One line of the table."""
    runs: dict[str, list[list[float]]] = {"seen_out": [], "seen_in": [], "sampled": []}
    epochs, seconds, stopped = [], [], []
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        began = time.perf_counter()
        model = fitted(row, seed, made, given)
        seconds.append(time.perf_counter() - began)
        epochs.append(model.history.epoch)
        stopped.append(model.history.stopped)
        known, wanted = (made.train, made.valid) if given.valid else (made.known, made.test)
        for way, ranks in zip(("seen_out", "seen_in"), ranks_of(model, known, wanted), strict=True):
            runs[way].append(figures(ranks))
        if row.sampled and not given.valid:
            lists = draw_candidates(made.known, made.test, 100, seed=0)
            asked = ["hit_rate@10", "ndcg@10"]
            found = evaluate(model, made.test, candidates=lists, known=made.known, metrics=asked, resamples=1)
            runs["sampled"].append([found.metrics[one].mean for one in asked])
        say(f"{name}, seed {seed}: {runs['seen_out'][-1]} seen out, {runs['seen_in'][-1]} seen in")
    means = {
        way: [round(float(v), 4) for v in np.mean(found, axis=0)] for way, found in runs.items() if found
    }
    of = means["seen_in" if given.keep_seen else "seen_out"]
    ok = None if row.must is None else bool(of[0] >= row.must[0] and of[1] >= row.must[1])
    if ok is not None and row.sampled and "sampled" in means:
        ok = ok and all(a >= b for a, b in zip(means["sampled"], row.sampled, strict=True))
    return {
        "benchmark": "sasrec-ml-1m, last item, full ranking",
        "row": name,
        "settings": settings_of(row.recipe),
        "judged_on": "validation" if given.valid else "test",
        "valid_users": given.valid_users,
        "measures": ["hr@10", "ndcg@10"],
        **means,
        "by_seed": runs,
        "must": row.must,
        "must_sampled": row.sampled,
        "must_of": "seen_in" if given.keep_seen else "seen_out",
        "ok": ok,
        "known": row.known,
        "epochs": epochs,
        "stopped": stopped,
        "seconds": round(float(np.mean(seconds)), 1),
        "device": given.device,
        "threads": threads(),
        "matweave": version("matweave"),
        "torch": version("torch"),
    }


def tuned(made: Parts, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The grids on the validation items, the best of each method last."""
    for name, grid in GRIDS.items():
        if not asked_for(given, name):
            continue
        found = []
        for values in itertools.product(*grid.values()):
            settings = dict(zip(grid, values, strict=True))
            model = replace(ROWS[name].recipe, **settings).fit(made.train)
            hr, ndcg = figures(ranks_of(model, made.train, made.valid)[given.keep_seen])
            found.append(
                {"row": name, "settings": settings, "hr@10": round(hr, 4), "ndcg@10": round(ndcg, 4)}
            )
        yield from sorted(found, key=lambda line: line["ndcg@10"])


def asked_for(given: argparse.Namespace, name: str) -> bool:
    """Whether a row was asked for, by parts of names with commas between."""
    return given.only is None or any(part.casefold() in name.casefold() for part in given.only.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--only", help="rows, by parts of their names, with commas between")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, help="end training after so many seconds of a seed")
    parser.add_argument("--epochs", type=int, help="epochs at most, instead of each row's own")
    parser.add_argument("--every", type=int, default=10, help="epochs between looks at the validation items")
    parser.add_argument("--valid", action="store_true", help="judge on the validation items")
    parser.add_argument("--valid-users", type=int, default=512)
    parser.add_argument("--keep-seen", action="store_true", help="judge among all items, seen ones too")
    parser.add_argument("--tune", action="store_true", help="search the grids on the validation items")
    given = parser.parse_args()
    made = parts(given.data, given.valid_users)
    lines = (
        tuned(made, given)
        if given.tune
        else (judged(name, row, made, given) for name, row in ROWS.items() if asked_for(given, name))
    )
    for line in lines:
        print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
