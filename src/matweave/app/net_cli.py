"""The command of networks, train; `evaluate` and `predict` are shared with recommenders, and call what stands here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from matweave import artifact
from matweave.app import net_options as n
from matweave.app import options as o
from matweave.app.progress import say
from matweave.config import parse_settings
from matweave.errors import ConfigError, nearest
from matweave.threads import set_threads

_TRAINING, _SPLITTING, _READING, _RUNNING = "Training", "Splitting", "Reading", "Running"


def train(
    kind: Annotated[str, typer.Argument(help="image, sequence or table.", metavar="image|sequence|table")],
    path: Annotated[Path, typer.Argument(help="The data: a file or a folder.", metavar="PATH")],
    out: Annotated[Path, typer.Option(help="Folder for the model.", metavar="DIR")],
    net: Annotated[
        str | None, typer.Option(help="linear, mlp, small_cnn, lenet5, gru, ... (usual one if not given).")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the net, NAME=VALUE; may be repeated.")
    ] = None,
    optimizer: Annotated[
        str,
        typer.Option(help="gd, sgd, momentum, nesterov, adam, adamw, muon, soap.", rich_help_panel=_TRAINING),
    ] = "adam",
    learning_rate: Annotated[
        float | None, typer.Option(help="Default: the optimizer's own.", rich_help_panel=_TRAINING)
    ] = None,
    find_rate: Annotated[
        bool,
        typer.Option(
            "--find-rate", help="Choose the learning rate by a range test first.", rich_help_panel=_TRAINING
        ),
    ] = False,
    weight_decay: Annotated[
        float, typer.Option(help="Pulls weights towards 0.", rich_help_panel=_TRAINING)
    ] = 0.0,
    momentum: Annotated[
        float | None, typer.Option(help="Of momentum, nesterov, muon.", rich_help_panel=_TRAINING)
    ] = None,
    schedule: Annotated[
        str, typer.Option(help="constant, linear, cosine, one_cycle, step.", rich_help_panel=_TRAINING)
    ] = "cosine",
    warmup: Annotated[
        float, typer.Option(help="Share of training in which the rate rises.", rich_help_panel=_TRAINING)
    ] = 0.0,
    epochs: Annotated[
        int, typer.Option(help="Passes over the training examples.", rich_help_panel=_TRAINING)
    ] = 20,
    batch_size: Annotated[
        int | None, typer.Option(help="Default 64; all examples for gd.", rich_help_panel=_TRAINING)
    ] = None,
    augment: Annotated[
        str, typer.Option(help="For example shift,rotate=10,mixup.", rich_help_panel=_TRAINING)
    ] = "",
    loss: Annotated[
        str | None, typer.Option(help="cross_entropy; mse or huber for numbers.", rich_help_panel=_TRAINING)
    ] = None,
    label_smoothing: Annotated[float, typer.Option(help="In [0, 1).", rich_help_panel=_TRAINING)] = 0.0,
    class_weights: Annotated[str, typer.Option(help="none or balanced.", rich_help_panel=_TRAINING)] = "none",
    clip: Annotated[
        float | None, typer.Option(help="Greatest length of a gradient.", rich_help_panel=_TRAINING)
    ] = None,
    accumulate: Annotated[
        int, typer.Option(help="Take a batch in so many pieces, to save memory.", rich_help_panel=_TRAINING)
    ] = 1,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop after so many epochs without a new best.", rich_help_panel=_TRAINING),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            help="log_loss or accuracy, rmse or r2: tells the best epoch.", rich_help_panel=_TRAINING
        ),
    ] = None,
    valid: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.5,
            help="Share held out to tell the best epoch; 0 for none.",
            rich_help_panel=_SPLITTING,
        ),
    ] = 0.1,
    test: Annotated[
        Path | None, typer.Option(help="Data to judge on at the end.", rich_help_panel=_SPLITTING)
    ] = None,
    test_share: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=0.9,
            help="Share held out to judge on; default 0.1, or the source's own test part.",
            rich_help_panel=_SPLITTING,
        ),
    ] = None,
    target: n.Target = None,
    task: n.Task = None,
    id: n.Id = None,
    time: n.Time = None,
    text: n.Text = None,
    layout: n.Layout = None,
    drop: n.Drop = None,
    labels: n.Labels = None,
    channels: n.Channels = None,
    size: n.Size = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on where a killed run was, to the same weights.", rich_help_panel=_RUNNING
        ),
    ] = False,
    checkpoint_every: Annotated[
        float, typer.Option(min=0.0, help="Seconds between checkpoints.", rich_help_panel=_RUNNING)
    ] = 10.0,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:N, mps.", rich_help_panel=_RUNNING)
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, float32, bfloat16.", rich_help_panel=_RUNNING)
    ] = "auto",
    compile: Annotated[
        bool,
        typer.Option("--compile", help="torch.compile: for long runs on a GPU.", rich_help_panel=_RUNNING),
    ] = False,
    seed: o.Seed = 0,
    threads: o.Threads = None,
    json_to: o.Json = None,
    report: n.Report = None,
    quiet: o.Quiet = False,
) -> None:
    """Train a network on images, sequences or a table, judge it on data held out, and save it in DIR.

    The best epoch on the validation part is kept. Ctrl-C keeps the best so far; --resume goes on after a kill.
    """
    from matweave.app import net_parts, net_report, net_tables, net_verbs

    set_threads(threads)
    o.refuse_unwritable(json_to, report)
    o.refuse_undrawn(report)
    artifact.refuse_foreign(out)
    artifact.refuse_unwritable(out, folder=True)
    if report is not None and test is None and test_share == 0:
        raise ConfigError(
            "a report judges on a test part, but there is to be none",
            where="--report",
            mend="leave out --report or --test-share 0",
        )
    reading = _reading(
        kind,
        target=target,
        task=task,
        drop=tuple(o.comma(drop)),
        id=id,
        time=time,
        text=text,
        layout=layout,
        labels=labels,
        channels=channels,
        size=size,
    )
    recipe = _recipe(
        net,
        settings or [],
        kind,
        optimizer=optimizer,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        momentum=momentum,
        schedule=schedule,
        warmup=warmup,
        epochs=epochs,
        batch_size=batch_size,
        augment=augment,
        loss=loss,
        label_smoothing=label_smoothing,
        class_weights=class_weights,
        clip=clip,
        accumulate=accumulate,
        patience=patience,
        judge=judge,
        device=device,
        precision=precision,
        compile=compile,
        seed=seed,
    )
    parts = net_parts.divide(
        reading, path, test=test, test_share=test_share, valid=valid, seed=seed, quiet=quiet
    )
    done = net_verbs.train(
        recipe,
        parts,
        out,
        resume=resume,
        find_rate=find_rate,
        quiet=quiet,
        every=checkpoint_every,
    )
    if report is not None and done.judged is not None and parts.test is not None:
        net_report.write(report, done.model, done.judged, parts.test, parts)
    net_tables.show_training(done, json_to=json_to, report=report)
    if done.unfinished:
        kept = "the best so far is" if done.model.history.measure else "the last weights are"
        say(f"stopped early; {kept} saved. Add --resume to go on to the end (checkpoint in {out}).")
        raise typer.Exit(130)


def predictions(
    folder: Path, path: Path, *, part: str | None, said: dict[str, Any], every_class: bool, quiet: bool
) -> Any:
    """`matweave predict` where the folder holds a network, as a table; `said`: of the reading, None for as in training."""
    from matweave.app import net_later, net_verbs
    from matweave.app.net_data import named

    model, reading = net_verbs.load_with_reading(folder)
    tell = None if quiet else say
    data = net_later.read_later(model, reading, path, part=part, targets=False, say=tell, **said)
    with named(str(path)):
        return net_verbs.predict(model, data, every_class=every_class)


def evaluate_net(
    folder: Path,
    path: Path,
    *,
    part: str | None,
    said: dict[str, Any],
    seed: int,
    json_to: str | None,
    report: Path | None,
    quiet: bool,
) -> None:
    """`matweave evaluate` where the folder holds a network; `said`: of the reading of the data, None for as in training."""
    from matweave.app import net_later, net_report, net_tables, net_verbs
    from matweave.app.net_data import named

    model, reading = net_verbs.load_with_reading(folder)
    data = net_later.read_later(model, reading, path, part=part, say=None if quiet else say, **said)
    with named(str(path)):
        judged = net_verbs.judge(model, data, seed=seed)
    if report is not None:
        net_report.write(report, model, judged, data)
    net_tables.show_judged(judged, model, json_to=json_to, report=report)


def _reading(kind: str, **options: Any) -> Any:
    from matweave.app.net_data import KINDS, Reading

    name = kind.removesuffix("s")  # images, too
    if name not in KINDS:
        raise ConfigError(
            f"unknown kind of data {kind!r}{nearest(kind, KINDS)}",
            where="matweave train",
            mend=f"use one of: {', '.join(KINDS)}",
        )
    return Reading(kind=name, **options)


def _recipe(name: str | None, settings: list[str], kind: str, **training: Any) -> Any:
    from matweave.nets.network import Network
    from matweave.nets.table import default_for, net

    if name is None and settings and kind.startswith("sequence"):
        raise ConfigError(
            "settings of a net are given, but no net",
            where="--set",
            mend="name it, for example --net gru",
        )
    usual = {"image": "image", "table": "features"}.get(kind.removesuffix("s"))
    known = name or (default_for(usual) if usual else None)
    found = parse_settings(type(net(known)), settings) if known else {}
    return Network(net=known, settings=found, **training)
