"""The commands that ask a saved model: recommend, similar, predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matweave.app import net_cli
from matweave.app import net_options as n
from matweave.app import options as o
from matweave.app.progress import say
from matweave.errors import ConfigError
from matweave.threads import set_threads


def recommend(
    folder: o.Model,
    user: Annotated[list[str] | None, typer.Option("--user", help="A user id; may be repeated.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every user of the training log.")] = False,
    history: Annotated[
        str | None,
        typer.Option(
            help='A stranger\'s items, first to last: i1,i2 or i1=5,i2=3 with values; "a,b" where an id has a comma.'
        ),
    ] = None,
    attributes: Annotated[
        str | None,
        typer.Option(
            help="A stranger's attributes, alone or beside --history: gender=F,age=25,genres=Comedy|Drama."
        ),
    ] = None,
    k: o.K = 10,
    exclude: Annotated[str | None, typer.Option(help="Item ids never to give, comma-separated.")] = None,
    seen: Annotated[bool, typer.Option("--seen", help="Allow items of the user's own history.")] = False,
    uncertainty: Annotated[
        str | None,
        typer.Option(
            help="Rank by ucb (score + deviations), lower (score - deviations) or thompson (one posterior draw)."
        ),
    ] = None,
    width: Annotated[float, typer.Option(min=0.0, help="Deviations of ucb and lower.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of thompson.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write recs.parquet or recs.csv.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    threads: o.Threads = None,
) -> None:
    """Recommend items to known users, to all of them, or to a stranger by history or attributes.

    A method that reads histories in order (sas_rec, gru4_rec, ...) takes --history in the order given, the last item last.
    """
    from matweave.app import verbs
    from matweave.app.tables import print_table

    set_threads(threads)
    if sum((bool(user), every, history is not None or attributes is not None)) != 1:
        raise ConfigError(
            "say for whom: exactly one of --user, --all and --history (or --attributes, alone or beside it)",
            where="matweave recommend",
            mend="for example --user 42, or --history 10,20",
        )
    o.refuse_unwritable(out)
    table = verbs.recommend(
        folder,
        users=user,
        history=None if history is None else o.comma(history),
        attributes=None if attributes is None else o.pairs(attributes, "--attributes"),
        k=k,
        exclude=o.comma(exclude),
        seen=seen,
        uncertainty=uncertainty,
        width=width,
        seed=seed,
    )
    if out is not None:
        verbs.write_table(table, out)
        say(f"{table.num_rows:,} rows: {out}")
    print_table(table, as_json=as_json, to_file=out is not None)


def similar(
    folder: o.Model,
    item: Annotated[str, typer.Option("--item", help="The item id.")],
    k: o.K = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The items most like one."""
    from matweave.app import verbs
    from matweave.app.tables import print_table

    print_table(verbs.similar(folder, item, k), as_json=as_json)


def predict(
    context: typer.Context,
    folder: o.Model,
    path: Annotated[
        Path,
        typer.Argument(
            help="Pairs of user and item, or the data of a network, as for training; targets are not needed.",
            metavar="PATH",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Write predictions.parquet or predictions.csv.")] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            help="0.9 adds the deviation of the expected score, and lower and upper: one value lies between with this "
            "probability (the expected score, of a method that predicts no values)."
        ),
    ] = None,
    user: o.User = None,
    item: o.Item = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="The probability of every class.")
    ] = False,
    part: n.Part = None,
    target: n.Target = None,
    id: n.Id = None,
    time: n.Time = None,
    text: n.Text = None,
    layout: n.Layout = None,
    channels: n.Channels = None,
    size: n.Size = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Predict with a saved model: what users would say of items, or the targets of a network.

    A recommender is asked for pairs of users and items, read by --user and --item: where training lacks one of them, a method that predicts
    values goes by the other, and a method that ranks leaves the pair out. --interval tells how sure it
    is (of methods with a variance: bayesian_mf, factorization_machine, explicit_als, implicit_als, probabilistic_mf with fixed priors). A network reads its columns as in training
    unless said otherwise; the other options are its.
    """
    from matweave.app import verbs
    from matweave.app.tables import print_table
    from matweave.storage import holds_net

    set_threads(threads)
    o.refuse_unwritable(out)
    verbs.refuse_ending(out)
    net = holds_net(folder)
    o.refuse_idle(context, net=net, of="predict")
    if net:
        said = dict(target=target, id=id, time=time, text=text, layout=layout, channels=channels, size=size)
        table = net_cli.predictions(
            folder, path, part=part, said=said, every_class=probabilities, quiet=quiet
        )
    else:
        pairs = o.read(path, user=user, item=item, say=None if quiet else say)
        table, told = verbs.predict(folder, pairs, interval=interval)
        for line in told:
            say(line)
    if out is not None:
        verbs.write_table(table, out)
        say(f"{table.num_rows:,} rows: {out}")
    print_table(table, as_json=as_json, to_file=out is not None)
