"""The judging verbs: parts of a log, a comparison, an evaluation, and how they are delivered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from shutil import get_terminal_size
from typing import Any, final

from matweave.app.catalogue import label_of
from matweave.app.feature_files import of_training, refuse_unread
from matweave.app.options import read
from matweave.app.progress import epochs, say
from matweave.app.verbs import check_split
from matweave.app.verbs import split as split_of
from matweave.data.given import Candidates, read_negatives
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.data.split import Split, split_given
from matweave.errors import ConfigError, MatweaveError
from matweave.evaluation import comparison
from matweave.evaluation import evaluate as evaluating
from matweave.evaluation.leaderboard import WIDTH, as_text
from matweave.evaluation.machine import versions
from matweave.factor.loop import Watch
from matweave.factor.recommender import Recommender
from matweave.metrics.table import parse_all

Say = Callable[[str], None] | None


def parts(
    log: Path | None,
    train: Path | None,
    test: Path | None,
    valid: Path | None,
    kind: str | None,
    share: float | None,
    seed: int,
    columns: Mapping[str, Any],
    *,
    say: Say,
) -> Split:
    """The split of one log, or of given files; exactly one of the two must be asked for.

    kind: one of the four, None for "time". share: of rows or users to test on, None for 0.1. Either is refused
    where it would have no effect, before anything is read.
    """
    given = train is not None or test is not None or valid is not None
    if (log is not None) == given or (given and (train is None or test is None)):
        raise ConfigError(
            "give either one LOG to split, or both --train and --test",
            where="matweave compare",
            mend="for example: matweave compare ratings.csv, or --train a.csv --test b.csv",
        )
    idle = [
        f"--{name} has no effect {where}"
        for name, value, where in (
            ("split", kind if given else None, "where --train and --test give the parts"),
            ("test-share", share if given else None, "where --train and --test give the parts"),
            ("test-share", share if kind == "leave-last" else None, "on leave-last: one row of each user"),
        )
        if value is not None
    ]
    if idle:
        raise ConfigError("\n".join(dict.fromkeys(idle)), where="matweave compare", mend="leave it out")
    kind, share = kind or "time", 0.1 if share is None else share
    check_split(kind)
    if train is not None and test is not None:
        logs = [read(path, **columns, say=say) for path in (train, test)]
        check = None if valid is None else read(valid, **columns, say=say)
        found = split_given(logs[0], logs[1], check)
    else:
        whole = read(str(log), **columns, say=say)
        found = split_of(whole, kind, test=share, valid=0.0, seed=seed, test_users=share)
    if say is not None:
        for line in found.report.lines():
            say(line)
    return found


def candidates_of(path: Path | None, log: Any, test: Interactions, *, say: Say) -> Candidates | None:
    """Lists of negatives from a file, typed as the log or model."""
    if path is None:
        return None
    found = read_negatives(path, log=log, test=test)
    if say is not None:
        say(f"{path}: {len(found):,} lists of negatives")
        for line in found.report:
            say(f"  {line}")
    return found


def compare(
    recipes: Mapping[str, Any],
    split: Split,
    *,
    k: int,
    metrics: Sequence[str],
    negatives: Path | None,
    seed: int,
    threshold: float | None = None,
    features: Mapping[str, ItemContent] | None = None,
    budget: float | None = None,
    left_out: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> comparison.Comparison:
    """Fit and judge every recipe on the split, with progress on stderr.

    features: given to the recipes that take them; of items, those of training alone: all methods rank the same items.
    """
    parse_all(metrics, k=k)  # before anything is fitted
    for name, why in () if quiet else (left_out or {}).items():
        say(f"{name} is left out: {why}")
    lists = candidates_of(negatives, split.train, split.test, say=None if quiet else say)

    def progress(name: str) -> Watch:
        if not quiet:
            say(f"fitting {name}")
        return lambda state, total: watchers[name](state, total)

    refuse_unread(recipes, features or {})
    with _Watchers(quiet) as watchers:
        return comparison.compare(
            recipes,
            split,
            k=k,
            metrics=metrics or None,
            candidates=lists,
            threshold=threshold,
            seed=seed,
            features=of_training(features or {}, split.train),
            progress=progress,
            budget=budget,
            left_out=left_out,
        )


def show(found: comparison.Comparison) -> None:
    """Print the leaderboard, as wide as the terminal; elsewhere as wide as it likes to be."""
    print(as_text(found, min(WIDTH, get_terminal_size().columns)) if sys.stdout.isatty() else found)


def deliver(
    found: comparison.Comparison,
    split: Split,
    *,
    json_to: str | None,
    report: Path | None,
    write_json: Callable[[Any, str], None],
) -> None:
    """Print the leaderboard, unless JSON goes to stdout; write what was asked for."""
    if json_to != "-":
        show(found)
    if json_to:
        write_json(found.as_json(), json_to)
    if report is not None:
        from matweave.evaluation.report import write_report

        write_report(found, report)
        say(f"report: {report}")
    if not any(result.evaluation for result in found.results):
        raise MatweaveError(
            "every method failed, each for the reason above",
            where="matweave compare",
            mend="mend the first of them and try again",
        )


def evaluate(
    model: Recommender,
    test: Interactions,
    *,
    k: int,
    metrics: Sequence[str],
    negatives: Path | None,
    seed: int,
    threshold: float | None = None,
    known: Interactions | None = None,
    quiet: bool = False,
) -> evaluating.Evaluation:
    """Judge a saved model on a test log; known: histories to answer from, in place of those of training."""
    lists = candidates_of(negatives, model, test, say=None if quiet else say)
    return evaluating.evaluate(
        model,
        test,
        k=k,
        metrics=metrics or None,
        candidates=lists,
        threshold=threshold,
        known=known,
        seed=seed,
    )


def deliver_evaluation(
    found: evaluating.Evaluation,
    model: Recommender,
    *,
    json_to: str | None,
    write_json: Callable[[Any, str], None],
) -> None:
    """Print an evaluation, or write it as the same object that `compare` writes, with one result."""
    if json_to != "-":
        print(found)
    if json_to:
        write_json(evaluation_json(found, model), json_to)


def evaluation_json(found: evaluating.Evaluation, model: Recommender) -> dict[str, Any]:
    """The JSON object of one evaluated model; the keys are those of a comparison's results."""
    result = {
        "method": label_of(model.method),
        "settings": dict(model.settings),
        "metrics": {name: interval.as_dict() for name, interval in found.metrics.items()},
        "p_values": {},
        "skipped": dict(found.skipped),
        "seconds": round(model.history.seconds, 4),
        "peak_mb": None,
        "protocol": found.protocol,
        "counts": dict(found.counts),
        "intervals": comparison.intervals_json(found),
        "split": None,
        "versions": versions(),
        "over_budget": None,
        "error": None,
    }
    return {"results": [result], "metrics": list(found.metrics), "protocol": found.protocol}


@final
class _Watchers:
    """Watchers by method name, each opened when its method starts, all closed at the end."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.stack = quiet, ExitStack()
        self.open: dict[str, Watch] = {}

    def __enter__(self) -> _Watchers:
        return self

    def __getitem__(self, name: str) -> Watch:
        if name not in self.open:
            self.stack.close()  # the bar of the method before is done
            self.open = {name: self.stack.enter_context(epochs(name, quiet=self.quiet))}
        return self.open[name]

    def __exit__(self, *error: object) -> None:
        self.stack.close()
