"""The command line. Each command reads its options, calls one verb, and prints; results go to stdout,
progress and remarks to stderr, and an error is one screen with exit code 2.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from matweave.app import feature_files as f
from matweave.app import net_cli
from matweave.app import net_options as n
from matweave.app import options as o
from matweave.app.answers_cli import predict, recommend, similar
from matweave.app.blend_cli import blend
from matweave.app.cli_data import data_app
from matweave.app.content_cli import content_app
from matweave.app.growth_cli import forget, grow
from matweave.app.progress import console, say
from matweave.app.relations_cli import relations_app
from matweave.errors import ConfigError, MatweaveError
from matweave.threads import set_threads

app = typer.Typer(
    name="matweave",
    help="From a raw interaction log, images, sequences or a table to a trained, judged, saved model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where the model and the report go.")] = Path("matweave-demo"),
    seed: o.Seed = 0,
    threads: o.Threads = None,
) -> None:
    """Simulate a log with planted taste, compare methods on it, and show what they found."""
    from matweave.app.demo import run

    set_threads(threads)
    run(out, seed=seed)


@app.command()
def doctor(json_to: o.Json = None) -> None:
    """Report environment, threads, BLAS, GPU and extras, and run a self-test of a few seconds."""
    from matweave.app.doctor import environment, self_test
    from matweave.app.tables import doctor_table

    found: dict[str, Any] = {"environment": environment(), "self_test": self_test()}
    if json_to:
        _write_json(found, json_to)
    if json_to != "-":
        doctor_table(found)
    if not all(test["ok"] for test in found["self_test"]):
        raise typer.Exit(1)


@app.command()
def fit(
    method: Annotated[
        str, typer.Argument(help="implicit_als, biased_mf, ease, ... (see docs/reference.md).")
    ],
    log: Annotated[Path, typer.Argument(help="The interaction log.", metavar="LOG")],
    out: Annotated[Path, typer.Option(help="Folder for the model.", metavar="DIR")],
    user: o.User = None,
    item: o.Item = None,
    value: o.Value = None,
    time: o.Time = None,
    duplicates: o.Duplicates = "last",
    on_bad_rows: o.BadRows = "error",
    settings: o.Settings = None,
    valid: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Share held out (latest first) for early stopping.")
    ] = 0.0,
    metric: Annotated[
        str | None, typer.Option(help="Metric of early stopping; default ndcg@10 or rmse.")
    ] = None,
    init: o.Init = None,
    user_features: f.Users = None,
    item_features: f.Items = None,
    attributes: f.Attributes = None,
    levels: f.Levels = None,
    user_columns: f.UserColumns = None,
    item_columns: f.ItemColumns = None,
    encoding: f.Encoding = "utf-8",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a killed run was, to the same result.")
    ] = False,
    seed: o.Seed = 0,
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Fit METHOD on LOG and save the model in DIR."""
    from matweave.app import verbs
    from matweave.app.catalogue import recipe_of
    from matweave.app.tables import print_fit

    set_threads(threads)
    if metric is not None and not valid:
        raise ConfigError(
            "--metric says what to stop early on, and nothing is held out for it",
            where="matweave fit",
            mend="add --valid 0.1, or leave --metric out",
        )
    recipe = recipe_of(method, settings or [], seed)  # before the log is read: settings fail at once
    start = verbs.initial(recipe, init)
    sides = f.read(
        (user_features, user_columns), (item_features, item_columns), attributes, levels, encoding, quiet
    )
    sides = f.for_recipe(recipe, sides)
    data = _read(log, user, item, value, time, duplicates, on_bad_rows, quiet)
    how: dict[str, Any] = dict(valid=valid, metric=metric, init=start, features=sides)
    done = verbs.fit(recipe, data, out, **how, resume=resume, quiet=quiet)
    print_fit(done)
    if done.unfinished:
        say(
            f"stopped early; what was learned is saved. Add --resume to go on to the end (checkpoint in {out})."
        )
        raise typer.Exit(130)


@app.command()
def compare(
    log: Annotated[
        Path | None, typer.Argument(help="The interaction log, split here.", metavar="[LOG]")
    ] = None,
    methods: o.Methods = "popularity,item_knn,ease,implicit_als",
    budget: o.Budget = None,
    train: Annotated[Path | None, typer.Option(help="Training log, where the split is given.")] = None,
    test: Annotated[Path | None, typer.Option(help="Test log, where the split is given.")] = None,
    valid: Annotated[Path | None, typer.Option(help="Validation log, where the split is given.")] = None,
    negatives: Annotated[
        Path | None, typer.Option(help="Negatives of each test row (a sampled protocol).")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="time (the default), leave-last, random or by-user.")
    ] = None,
    test_share: Annotated[
        float | None,
        typer.Option(min=0.001, max=0.9, help="Share of rows (or users) to test on; default 0.1."),
    ] = None,
    k: o.K = 10,
    metrics: o.Metrics = None,
    threshold: o.Threshold = None,
    settings: o.MethodSettings = None,
    user_features: f.Users = None,
    item_features: f.Items = None,
    attributes: f.Attributes = None,
    levels: f.Levels = None,
    user_columns: f.UserColumns = None,
    item_columns: f.ItemColumns = None,
    encoding: f.Encoding = "utf-8",
    user: o.User = None,
    item: o.Item = None,
    value: o.Value = None,
    time: o.Time = None,
    duplicates: o.Duplicates = "last",
    on_bad_rows: o.BadRows = "error",
    seed: o.Seed = 0,
    threads: o.Threads = None,
    json_to: o.Json = None,
    report: Annotated[Path | None, typer.Option(help="Write one self-contained HTML report.")] = None,
    quiet: o.Quiet = False,
) -> None:
    """Fit several methods on one split and judge them side by side, with intervals and paired tests.

    Ctrl-C cuts the fit under way short and goes on with the next method; twice, it shows what was judged so far. A fit that
    passes --budget is ended after that epoch, and judged as it is.
    """
    from matweave.app import judging
    from matweave.app.catalogue import recipes_of
    from matweave.app.groups import asked

    set_threads(threads)
    o.refuse_unwritable(json_to, report)
    o.refuse_undrawn(report)
    wanted = asked(o.comma(methods))
    recipes = recipes_of(list(wanted.names), settings or [], seed)
    sides = f.read(
        (user_features, user_columns), (item_features, item_columns), attributes, levels, encoding, quiet
    )
    columns = dict(
        user=user, item=item, value=value, time=time, duplicates=duplicates, on_bad_rows=on_bad_rows
    )
    parts = judging.parts(
        log, train, test, valid, split, test_share, seed, columns, say=None if quiet else say
    )
    recipes, left_out = wanted.allowed(recipes, parts.train)
    found = judging.compare(
        recipes,
        parts,
        budget=wanted.seconds(budget),
        left_out=left_out,
        k=k,
        metrics=o.comma(metrics),
        negatives=negatives,
        threshold=threshold,
        seed=seed,
        features=sides,
        quiet=quiet,
    )
    judging.deliver(found, parts, json_to=json_to, report=report, write_json=_write_json)
    if found.interrupted:
        raise typer.Exit(130)


@app.command()
def evaluate(
    context: typer.Context,
    folder: o.Model,
    log: Annotated[Path, typer.Argument(help="The test log, or the data of a network.", metavar="LOG|PATH")],
    k: o.K = 10,
    metrics: o.Metrics = None,
    threshold: o.Threshold = None,
    negatives: Annotated[
        Path | None, typer.Option(help="Negatives of each test row (a sampled protocol).")
    ] = None,
    known: o.Known = None,
    user: o.User = None,
    item: o.Item = None,
    value: o.Value = None,
    time: o.Time = None,
    duplicates: o.Duplicates = "last",
    on_bad_rows: o.BadRows = "error",
    seed: o.Seed = 0,
    threads: o.Threads = None,
    target: n.Target = None,
    id: n.Id = None,
    text: n.Text = None,
    layout: n.Layout = None,
    part: n.Part = None,
    labels: n.Labels = None,
    channels: n.Channels = None,
    size: n.Size = None,
    report: n.Report = None,
    json_to: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Judge a saved model on data it has not seen; a recommender's own training items are left out of its lists.

    A network is judged on images, sequences or a table, read as in training but for what is said: --target, --id,
    --text, --layout, --part, --labels, --channels, --size and --report are its, and --time is of both.
    """
    from matweave.app import judging
    from matweave.storage import holds_net, load_recommender

    set_threads(threads)
    o.refuse_unwritable(json_to, report)
    o.refuse_undrawn(report)
    net = holds_net(folder)
    o.refuse_idle(context, net=net)
    if net:
        said = dict(target=target, id=id, time=time, text=text, layout=layout)
        said |= dict(labels=labels, channels=channels, size=size)
        net_cli.evaluate_net(
            folder, log, part=part, said=said, seed=seed, json_to=json_to, report=report, quiet=quiet
        )
        return
    model = load_recommender(folder)
    reading = (user, item, value, time, duplicates, on_bad_rows, quiet)
    data = _read(log, *reading)
    found = judging.evaluate(
        model,
        data,
        k=k,
        metrics=o.comma(metrics),
        negatives=negatives,
        threshold=threshold,
        known=None if known is None else _read(known, *reading),
        seed=seed,
        quiet=quiet,
    )
    judging.deliver_evaluation(found, model, json_to=json_to, write_json=_write_json)


@app.command()
def tune(
    method: Annotated[str, typer.Argument(help="The method to tune (see docs/reference.md).")],
    log: Annotated[Path, typer.Argument(help="The interaction log.", metavar="LOG")],
    trials: Annotated[int, typer.Option(min=1, help="At most so many trials.")] = 50,
    minutes: Annotated[float, typer.Option(min=0.01, help="At most so long.")] = 10.0,
    metric: Annotated[str | None, typer.Option(help="Default ndcg@10, or rmse for rating methods.")] = None,
    valid: Annotated[float, typer.Option(min=0.01, max=0.5, help="Share of rows to validate on.")] = 0.1,
    settings: o.Settings = None,
    user_features: f.Users = None,
    item_features: f.Items = None,
    attributes: f.Attributes = None,
    levels: f.Levels = None,
    user_columns: f.UserColumns = None,
    item_columns: f.ItemColumns = None,
    encoding: f.Encoding = "utf-8",
    user: o.User = None,
    item: o.Item = None,
    value: o.Value = None,
    time: o.Time = None,
    duplicates: o.Duplicates = "last",
    on_bad_rows: o.BadRows = "error",
    seed: o.Seed = 0,
    threads: o.Threads = None,
    json_to: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Search settings on a validation part (extra `tune`); the test part of a later compare stays unseen."""
    from matweave.app.tuning import fit_line, search, searcher

    set_threads(threads)
    searcher()  # before the log is read
    o.refuse_unwritable(json_to)
    sides = f.read(
        (user_features, user_columns), (item_features, item_columns), attributes, levels, encoding, quiet
    )
    data = _read(log, user, item, value, time, duplicates, on_bad_rows, quiet)
    found = search(
        method,
        data,
        fixed=settings or [],
        trials=trials,
        minutes=minutes,
        metric=metric,
        valid=valid,
        seed=seed,
        features=sides,
        quiet=quiet,
    )
    if json_to:
        _write_json(found, json_to)
    if json_to != "-":
        columns = dict(user=user, item=item, value=value, time=time)
        columns |= dict(seed=None if seed == 0 else str(seed))
        columns |= dict(duplicates=None if duplicates == "last" else duplicates)
        columns |= dict(on_bad_rows=None if on_bad_rows == "error" else on_bad_rows)
        columns |= dict(
            attributes=attributes, levels=levels, user_columns=user_columns, item_columns=item_columns
        )
        columns |= {
            n: str(p) for n, p in dict(user_features=user_features, item_features=item_features).items() if p
        }
        columns |= dict(encoding=None if encoding == "utf-8" else encoding)
        print(f"{found['metric']} {found['value']:.4f} on validation, best of {found['trials']} trials")
        print(fit_line(found, log, **columns))


app.add_typer(data_app, name="data")
app.add_typer(content_app, name="content")
app.add_typer(relations_app, name="relations")
app.command()(blend)
app.command()(grow)
app.command()(forget)
app.command()(net_cli.train)
for asked in (recommend, similar, predict):
    app.command()(asked)


def _read(
    log: Path, user: Any, item: Any, value: Any, time: Any, duplicates: str, on_bad_rows: str, quiet: bool
) -> Any:
    columns = dict(
        user=user, item=item, value=value, time=time, duplicates=duplicates, on_bad_rows=on_bad_rows
    )
    return o.read(log, **columns, say=None if quiet else say)


def _write_json(value: Any, to: str) -> None:
    from matweave.app.tables import write_json

    write_json(value, to)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors of ours and of the machine become one screen and exit code 2."""
    try:
        app(args=arguments, prog_name="matweave")
    except MatweaveError as error:
        sys.exit(_failed(str(error), error.exit_code))
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        what, where = error.strerror or str(error), error.filename or "the operating system"
        mend = "check the path, the space left and the permissions"
        sys.exit(_failed(f"{what}\n  where: {where}\n  mend:  {mend}", 2))


def _failed(text: str, code: int) -> int:
    console.print("error: ", style="bold red", end="")
    console.print(text, markup=False, soft_wrap=True)
    return code


if __name__ == "__main__":
    main()
