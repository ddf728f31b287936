"""NeuMF, DeepMF and GMF beside factorizations on the given split of NCF (He et al. 2017): HR@10 and nDCG@10 over 99 given negatives.

    python benchmarks/quality/neural_ncf.py [--only neu_mf] [--device cuda] [--seeds 3] [--first-seed 0] [--set neu_mf.rank=32]
                                            [--valid] [--tune] [--data DIR]

The protocol is that of `ncf_linear.py`. A network's epochs are found on the validation cut (each user's last training row against 99 drawn
items; early stopping by nDCG@10); then it is trained on the whole training file for so many, and judged on the test files. `--valid` ends
with the cut and never opens the test files. `--tune` searches the grids on the cut, one seed, and prints the best last.

"from factors": the start that does better on the cut, of ImplicitALS and GMF at the same rank. `start` says what it saves: epochs and seconds of
training (the factors' own included, looks at the validation part left out) to the best nDCG@10 that the run without it has on the cut.

Musts: NeuMF 0.715 / 0.435, from factors 0.726 / 0.445, DeepMF 0.66 / 0.38. Known: NeuMF 0.709-0.721 / 0.435-0.439 at 8-64 factors and 0.730 / 0.447
pretrained (He et al. 2017, table 2); a tuned dot product 0.7294 / 0.4523 (Rendle et al. 2020, arXiv 2005.09683).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from implicit_ncf import CHOSEN as ALS  # beside this file
from ncf_linear import CHOSEN as LINEAR
from ncf_linear import ITEMS, USERS, judge, settings_of, table, test_candidates, validation_cut

from matweave.app.progress import say
from matweave.config import parse_settings
from matweave.data.interactions import Interactions
from matweave.factor.ease import EASE
from matweave.factor.implicit_als import ImplicitALS
from matweave.factor.loop import Validation
from matweave.factor.popularity import Popularity
from matweave.factor.recommender import Recommender
from matweave.neural.deep_mf import DeepMF
from matweave.neural.gmf import GMF
from matweave.neural.neu_mf import NeuMF

GMF_CHOSEN = {
    "rank": 64,
    "negatives": 8,
    "regularization": 0.007,
    "learning_rate": 0.003,
    "batch_size": 8192,
    "epochs": 80,
}
NEU_CHOSEN = {
    "rank": 64,
    "mlp_rank": 16,
    "width": 32,
    "layers": 2,
    "dropout": 0.2,
    "negatives": 8,
    "regularization": 0.006,
    "learning_rate": 0.002,
    "batch_size": 8192,
    "epochs": 45,
}
FROM_CHOSEN = {
    **NEU_CHOSEN,
    "rank": 128,
    "mlp_rank": 32,
    "width": 64,
    "negatives": 4,
    "regularization": 0.01,
    "learning_rate": 0.0005,
    "batch_size": 4096,
    "epochs": 20,
}
DEEP_CHOSEN = {"rank": 128, "width": 512, "learning_rate": 0.0005, "epochs": 40}

ROWS: dict[str, tuple[type, dict[str, Any], tuple[float, float] | None]] = {
    "popularity": (Popularity, {}, None),
    "ease": (EASE, LINEAR["ease"][1], None),
    "implicit_als": (ImplicitALS, ALS, None),
    "gmf": (GMF, GMF_CHOSEN, None),
    "neu_mf": (NeuMF, NEU_CHOSEN, (0.715, 0.435)),
    "neu_mf from factors": (NeuMF, FROM_CHOSEN, (0.726, 0.445)),
    "deep_mf": (DeepMF, DEEP_CHOSEN, (0.66, 0.38)),
}
"""Recipe, settings, and HR@10 and nDCG@10 that it must reach."""

GRIDS = {
    "gmf": {"regularization": [0.005, 0.007, 0.01], "learning_rate": [0.001, 0.003], "rank": [64, 128]},
    "neu_mf": {
        "regularization": [0.005, 0.006, 0.007, 0.01],
        "learning_rate": [0.001, 0.002, 0.004],
        "mlp_rank": [16, 32, 64],
    },
    "neu_mf from factors": {
        "regularization": [0.005, 0.01, 0.02],
        "learning_rate": [0.0001, 0.0003, 0.0005],
        "rank": [64, 128, 192],
    },
    "deep_mf": {"learning_rate": [0.0003, 0.001, 0.003], "batch_size": [8192, 32768]},
}
PATIENCE = 5


@dataclass(frozen=True, kw_only=True)
class Run:
    """A model fitted on the cut: the best epoch (0: it has none), its figures, and (nDCG@10, seconds) of each look."""

    model: Recommender
    epoch: int
    found: tuple[float, float]
    looks: list[tuple[float, float]]
    seconds: float


def log_of(rows: np.ndarray, values: bool) -> Interactions:
    """The training log, with ratings for the method that reads them."""
    return Interactions.from_codes(
        rows[:, 0],
        rows[:, 1],
        values=rows[:, 2] if values else None,
        times=rows[:, 3] * 1_000_000,
        n_users=USERS,
        n_items=ITEMS,
    )


def recipe_of(name: str, given: argparse.Namespace, seed: int, **settings: Any) -> Any:
    """The recipe of a row, with other settings where told."""
    kind, chosen, _ = ROWS[name]
    known = kind.__dataclass_fields__
    own = {"seed": seed, "device": given.device}
    return kind(**{**chosen, **{n: v for n, v in own.items() if n in known}, **settings})


def on_cut(
    name: str, recipe: Any, rows: np.ndarray, candidates: np.ndarray, init: Recommender | None = None
) -> Run:
    """The recipe fitted on the cut, stopped early where it has epochs to look at."""
    log, looks, judging = log_of(rows, name == "deep_mf"), [], [0.0]
    began = time.perf_counter()

    def measure(model: Recommender) -> float:
        start = time.perf_counter()
        hr, ndcg = judge(model, candidates)
        looks.append((hr, ndcg, start - began - judging[0]))
        say(f"{name} epoch {len(looks)}: validation {hr:.4f} / {ndcg:.4f} after {looks[-1][2]:.1f} s")
        judging[0] += time.perf_counter() - start
        return ndcg

    if not hasattr(recipe, "device"):
        model = recipe.fit(log)
        return Run(
            model=model,
            epoch=0,
            found=judge(model, candidates),
            looks=[],
            seconds=time.perf_counter() - began,
        )
    check = Validation(measure=measure, patience=PATIENCE, name="ndcg@10")
    model = recipe.fit(log, validate=check, **({} if init is None else {"init": init}))
    best = max(range(len(looks)), key=lambda at: looks[at][1])
    return Run(
        model=model,
        epoch=best + 1,
        found=looks[best][:2],
        looks=[(ndcg, seconds) for _, ndcg, seconds in looks],
        seconds=time.perf_counter() - began - judging[0],
    )


def starts(
    recipe: Any, given: argparse.Namespace, seed: int
) -> dict[str, Callable[[np.ndarray, np.ndarray | None], Run]]:
    """What NeuMF may start from, at its own rank: each fitted on rows, and stopped early where candidates are given."""

    def als(rows: np.ndarray, candidates: np.ndarray) -> Run:
        return on_cut(
            "implicit_als", ImplicitALS(**{**ALS, "rank": recipe.rank, "seed": seed}), rows, candidates
        )

    def gmf(rows: np.ndarray, candidates: np.ndarray) -> Run:
        return on_cut("gmf", recipe_of("gmf", given, seed, rank=recipe.rank), rows, candidates)

    return {"implicit_als": als, "gmf": gmf}


def saved(plain: Run, start: Run, own: Run) -> dict[str, Any]:
    """Epochs and seconds to the best nDCG@10 on the cut that the run without a start has; None where it is not reached."""
    target = max(ndcg for ndcg, _ in plain.looks)
    at = next((i for i, (ndcg, _) in enumerate(own.looks) if ndcg >= target), None)
    already = start.found[1] >= target
    return {
        "to_validation_ndcg@10": round(target, 4),
        "epochs": [plain.epoch, 0 if already else None if at is None else at + 1],
        "seconds": [
            round(plain.looks[plain.epoch - 1][1], 1),
            round(start.seconds, 1)
            if already
            else None
            if at is None
            else round(start.seconds + own.looks[at][1], 1),
        ],
    }


def row_of(
    name: str,
    rows: np.ndarray,
    cut: tuple[np.ndarray, np.ndarray],
    test: np.ndarray | None,
    given: argparse.Namespace,
) -> dict[str, Any]:
    """One line of the table: `given.seeds` seeds on the cut and, with the epochs found there, on the whole training file."""
    kind, settings, must = ROWS[name]
    seeds = range(
        given.first_seed, given.first_seed + (given.seeds if "seed" in kind.__dataclass_fields__ else 1)
    )
    line: dict[str, Any] = {
        "benchmark": "ncf-ml-1m, leave-one-out, 99 given negatives",
        "method": name,
        "settings": settings,
        "seeds": len(seeds),
    }
    valid, found, epochs, seconds, chosen = [], [], [], [], None
    for seed in seeds:
        recipe, init = recipe_of(name, given, seed), None
        if name.endswith("from factors"):
            ways = starts(recipe, given, seed)
            tried = {
                way: (start, on_cut(f"{name}: {way}", recipe, *cut, init=start.model))
                for way, start in ((way, ways[way](*cut)) for way in ([chosen] if chosen else ways))
            }
            if chosen is None:
                chosen = max(tried, key=lambda way: tried[way][1].found[1])
                line["init"] = chosen
                line["starts"] = {
                    way: {"own": _rounded(start.found), "then": _rounded(run.found)}
                    for way, (start, run) in tried.items()
                }
                plain = on_cut("neu_mf", recipe_of("neu_mf", given, seed), *cut)
                line["saved"] = saved(plain, *tried[chosen])
            start, run = tried[chosen]
            if test is not None:
                say(f"{name}: {chosen} on the whole training file")
                init = _again(ways, chosen, start, rows, recipe, given, seed)
        else:
            run = on_cut(name, recipe, *cut)
        valid.append(run.found)
        epochs.append(run.epoch)
        if test is None:
            seconds.append(run.seconds)
            continue
        whole = replace(recipe, epochs=run.epoch) if run.epoch else recipe
        began = time.perf_counter()
        model = whole.fit(log_of(rows, name == "deep_mf"), **({} if init is None else {"init": init}))
        seconds.append(time.perf_counter() - began)
        found.append(judge(model, test))
        say(f"{name} seed {seed}: test {found[-1][0]:.4f} / {found[-1][1]:.4f}")
    line["validation"] = _rounded(np.mean(valid, axis=0))
    line["epochs"] = epochs
    if found:
        hr, ndcg = np.mean(found, axis=0)
        line |= {"hr@10": round(float(hr), 4), "ndcg@10": round(float(ndcg), 4)}
        line["by_seed"] = [_rounded(run) for run in found]
        if must is not None:
            line |= {"must": must, "ok": bool(hr >= must[0] and ndcg >= must[1])}
    line |= {
        "seconds": round(float(np.mean(seconds)), 1),
        "device": given.device,
        "matweave": version("matweave"),
    }
    return line


def _again(
    ways: Any,
    chosen: str,
    start: Run,
    rows: np.ndarray,
    recipe: Any,
    given: argparse.Namespace,
    seed: int,
) -> Recommender:
    """The start fitted on the whole training file, for the epochs that the cut told."""
    log = log_of(rows, False)
    if chosen == "implicit_als":
        return ImplicitALS(**{**ALS, "rank": recipe.rank, "seed": seed}).fit(log)
    return recipe_of("gmf", given, seed, rank=recipe.rank, epochs=start.epoch).fit(log)


def tune(name: str, cut: tuple[np.ndarray, np.ndarray], given: argparse.Namespace) -> None:
    """A grid's figures on the cut, as they come and then the best last."""
    found = []
    start = None
    if name.endswith("from factors"):
        start = starts(recipe_of(name, given, 0), given, 0)["implicit_als"](*cut).model
    for settings in settings_of(GRIDS[name]):
        run = on_cut(name, recipe_of(name, given, 0, **settings), *cut, init=start)
        line = {
            "method": name,
            "hr@10": round(run.found[0], 4),
            "validation_ndcg@10": round(run.found[1], 4),
            "epoch": run.epoch,
            "settings": settings,
        }
        say(json.dumps(line))
        found.append(line)
    for line in sorted(found, key=lambda line: line["validation_ndcg@10"]):
        print(json.dumps(line), flush=True)


def _rounded(pair: Any) -> list[float]:
    return [round(float(value), 4) for value in pair]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--only", default=",".join(ROWS), help="rows, joined by commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--set", action="append", default=[], metavar="ROW.NAME=VALUE", help="another setting of a row"
    )
    parser.add_argument("--valid", action="store_true", help="judge on the cut alone")
    parser.add_argument("--tune", action="store_true", help="search the grids on the cut")
    given = parser.parse_args()
    names = [name.strip() for name in given.only.split(",")]
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    for text in given.set:
        owner, _, rest = text.partition(".")
        if owner not in ROWS:
            parser.error(f"{text!r} is not ROW.NAME=VALUE of one of {', '.join(ROWS)}")
        kind, settings, must = ROWS[owner]
        ROWS[owner] = kind, {**settings, **parse_settings(kind, [rest])}, must
    folder = given.data / "ncf-ml-1m"
    rows = table(folder / "ml-1m.train.rating.gz")
    cut = validation_cut(rows)
    test = None if given.valid or given.tune else test_candidates(folder)
    for name in names:
        if given.tune:
            if name in GRIDS:
                tune(name, cut, given)
        else:
            print(json.dumps(row_of(name, rows, cut, test, given)), flush=True)


if __name__ == "__main__":
    main()
