"""The commands of relations: `matweave relations fit`, `tune`, `predict`, `similar`, `communities`, `evaluate`, `report`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from matweave.app import options as o
from matweave.app.progress import say
from matweave.errors import ConfigError
from matweave.threads import set_threads

relations_app = typer.Typer(
    help="Who stands in which relation to whom: factorizations of triples, adjacency matrices and graphs.",
    no_args_is_help=True,
)

_READING = "Reading"

File = Annotated[
    Path,
    typer.Argument(
        help="Triples (CSV, TSV, Parquet, JSON; .gz), or a square table with names.", metavar="FILE"
    ),
]
Head = Annotated[str | None, typer.Option("--head-column", help="Column of heads.", rich_help_panel=_READING)]
Relation = Annotated[
    str | None,
    typer.Option("--relation-column", help="Column of relations; - for none.", rich_help_panel=_READING),
]
Tail = Annotated[str | None, typer.Option("--tail-column", help="Column of tails.", rich_help_panel=_READING)]
Value = Annotated[
    str | None,
    typer.Option("--value-column", help="Column of strengths; - for none.", rich_help_panel=_READING),
]
Absent = Annotated[
    str,
    typer.Option(help="A cell without a triple is zero, or missing (unknown).", rich_help_panel=_READING),
]
Undirected = Annotated[
    bool,
    typer.Option("--undirected", help="Each triple stands for its inverse, too.", rich_help_panel=_READING),
]
Duplicates = Annotated[
    str,
    typer.Option(help="A triple seen twice: keep last or first, sum, or error.", rich_help_panel=_READING),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--relation", help="Triples of this relation alone; may be repeated.", rich_help_panel=_READING
    ),
]
Known = Annotated[
    list[Path] | None,
    typer.Option(help="Other true triples, left out of the rankings; may be repeated.", metavar="FILE"),
]
Rows = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Out = Annotated[Path | None, typer.Option(help="Write the table as .parquet or .csv.", metavar="FILE")]
Report = Annotated[Path | None, typer.Option(help="Write an HTML report: who leads to whom.", metavar="FILE")]


@relations_app.command("fit")
def relations_fit(
    method: Annotated[
        str, typer.Argument(help="rescal, dedicom, symmetric_nmf, tri_factorization or compl_ex.")
    ],
    file: File,
    out: Annotated[Path, typer.Option(help="Folder for the model.", metavar="DIR")],
    settings: o.Settings = None,
    valid: Annotated[Path | None, typer.Option(help="Triples to stop early on.", metavar="FILE")] = None,
    metric: Annotated[
        str | None, typer.Option(help="What to stop on: mrr, hits@10, mean_rank; default mrr.")
    ] = None,
    only: Only = None,
    head: Head = None,
    relation: Relation = None,
    tail: Tail = None,
    value: Value = None,
    absent: Absent = "zero",
    undirected: Undirected = False,
    duplicates: Duplicates = "last",
    on_bad_rows: o.BadRows = "error",
    report: Report = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a killed run was, to the same result.")
    ] = False,
    seed: o.Seed = 0,
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Fit METHOD to the relations of FILE and save the model in DIR."""
    from matweave.app import relations_verbs as verbs
    from matweave.app.tables import print_fit

    set_threads(threads)
    if metric is not None and valid is None:
        raise ConfigError(
            "--metric says what to stop early on, and there are no triples for it",
            where="matweave relations fit",
            mend="add --valid FILE, or leave --metric out",
        )
    recipe = verbs.recipe_of(method, settings or [], seed)  # before anything is read: settings fail at once
    o.refuse_unwritable(report)
    columns = _columns(head, relation, tail, value, duplicates, on_bad_rows)
    train, check = verbs.read_parts(
        file, valid, only, absent=absent, quiet=quiet, undirected=undirected, **columns
    )
    done = verbs.fit(recipe, train, out, valid=check, metric=metric or "mrr", resume=resume, quiet=quiet)
    print_fit(done)
    model: Any = done.model
    if report is not None:
        print(f"report: {verbs.report(report, model, train=train)}")
    if done.unfinished:
        say(f"stopped early; what was learned is saved. Add --resume to go on (checkpoint in {out}).")
        raise typer.Exit(130)


@relations_app.command("tune")
def relations_tune(
    method: Annotated[
        str, typer.Argument(help="rescal, dedicom, symmetric_nmf, tri_factorization or compl_ex.")
    ],
    file: File,
    valid: Annotated[
        Path | None, typer.Option(help="Triples to judge by; a tenth of FILE if not given.", metavar="FILE")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Settings to try.")] = 30,
    minutes: Annotated[float, typer.Option(min=0, help="Begin no trial after so long.")] = 60.0,
    metric: Annotated[str, typer.Option(help="mrr, hits@10 or mean_rank, by filtered ranking.")] = "mrr",
    settings: o.Settings = None,
    only: Only = None,
    head: Head = None,
    relation: Relation = None,
    tail: Tail = None,
    value: Value = None,
    absent: Absent = "zero",
    undirected: Undirected = False,
    duplicates: Duplicates = "last",
    on_bad_rows: o.BadRows = "error",
    json_to: o.Json = None,
    seed: o.Seed = 0,
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Search the settings of METHOD by validation triples, and print the line that fits with the best."""
    from matweave.app import relations_verbs as verbs
    from matweave.app.relations_tuning import search
    from matweave.app.tables import write_json
    from matweave.app.tuning import fit_line, searcher

    set_threads(threads)
    searcher()  # asked before anything is read
    o.refuse_unwritable(None if json_to in (None, "-") else Path(json_to))
    columns = _columns(head, relation, tail, value, duplicates, on_bad_rows)
    train, check = verbs.read_parts(
        file, valid, only, absent=absent, quiet=quiet, undirected=undirected, **columns
    )
    found = search(
        method, train, check, fixed=settings or [], trials=trials, minutes=minutes, metric=metric, seed=seed, quiet=quiet
    )  # fmt: skip
    if json_to:
        write_json(found, json_to)
    if json_to != "-":
        print(f"{metric} {found['value']:.4f} on validation, best of {found['trials']} trials")
        said = dict(
            head_column=head,
            relation_column=relation,
            tail_column=tail,
            value_column=value,
            absent=None if absent == "zero" else absent,
            undirected=undirected or None,
            duplicates=None if duplicates == "last" else duplicates,
            on_bad_rows=None if on_bad_rows == "error" else on_bad_rows,
            seed=None if seed == 0 else str(seed),
        )
        line = fit_line(found, file, "matweave relations fit", **said)
        print(line + "".join(f" --relation {shlex.quote(name)}" for name in only or []))


@relations_app.command("predict")
def relations_predict(
    folder: o.Model,
    head: Annotated[str | None, typer.Option(help="A head: the best tails are given.")] = None,
    relation: Annotated[str | None, typer.Option(help="The relation.")] = None,
    tail: Annotated[str | None, typer.Option(help="A tail: the best heads are given.")] = None,
    triples: Annotated[
        Path | None, typer.Option(help="A file of triples to be scored.", metavar="FILE")
    ] = None,
    head_column: Head = None,
    relation_column: Relation = None,
    tail_column: Tail = None,
    value_column: Value = None,
    duplicates: Duplicates = "last",
    on_bad_rows: o.BadRows = "error",
    k: o.K = 10,
    known: Annotated[
        bool, typer.Option("--known", help="Entities of training triples may be given, too.")
    ] = False,
    out: Out = None,
    as_json: Rows = False,
    threads: o.Threads = None,
) -> None:
    """Complete (head, relation, ?) or (?, relation, tail), or score whole triples."""
    from matweave.app import relations_verbs as verbs

    set_threads(threads)
    _refuse(out)
    if triples is not None and (head, relation, tail) != (None, None, None):
        raise ConfigError(
            "--triples says what to score, and so do --head, --relation and --tail",
            where="matweave relations predict",
            mend="give one or the other",
        )
    if triples is not None and (known or k != 10):
        raise ConfigError(
            f"{'--known' if known else '-k'} is of lists, and --triples asks for one score each",
            where="matweave relations predict",
            mend="leave it out",
        )
    columns = _columns(head_column, relation_column, tail_column, value_column, duplicates, on_bad_rows)
    if triples is None:
        idle = [name for name, given in columns.items() if given not in (None, "last", "error")]
        if idle:
            option = _OPTIONS.get(idle[0], f"--{idle[0]}-column")
            raise ConfigError(
                f"{option} says how a file is read, and there is none",
                where="matweave relations predict",
                mend="add --triples FILE, or leave it out",
            )
        table = verbs.predict(folder, head=head, relation=relation, tail=tail, k=k, known=known)
    else:
        table, lost = verbs.score(folder, verbs.read(triples, quiet=True, **columns))
        if lost:
            say(f"{lost:,} triples have an entity or relation that the model does not know, and no score")
    _write(table, out, as_json)


@relations_app.command("similar")
def relations_similar(
    folder: o.Model,
    entity: Annotated[str, typer.Argument(help="An entity.")],
    k: o.K = 10,
    as_json: Rows = False,
) -> None:
    """The entities most like one: those with the most similar factors."""
    from matweave.app import relations_verbs as verbs

    _write(verbs.similar(folder, entity, k), None, as_json)


@relations_app.command("communities")
def relations_communities(
    folder: o.Model,
    k: o.K = 10,
    components: Annotated[
        bool, typer.Option("--components", help="The strongest entities of factors of any sign.")
    ] = False,
    out: Out = None,
    as_json: Rows = False,
) -> None:
    """The members of each community, the strongest first, and how strongly they belong to it."""
    from matweave.app import relations_verbs as verbs

    _refuse(out)
    _write(verbs.communities(folder, k, components=components), out, as_json)


@relations_app.command("evaluate")
def relations_evaluate(
    folder: o.Model,
    test: Annotated[Path, typer.Argument(help="The test triples.", metavar="FILE")],
    known: Known = None,
    metrics: Annotated[
        str, typer.Option(help="Comma-separated: mrr, mean_rank, hits@K.")
    ] = "mrr,hits@1,hits@3,hits@10,mean_rank",
    side: Annotated[str, typer.Option(help="Rank both heads and tails, or one: head, tail.")] = "both",
    head: Head = None,
    relation: Relation = None,
    tail: Tail = None,
    value: Value = None,
    undirected: Undirected = False,
    duplicates: Duplicates = "last",
    on_bad_rows: o.BadRows = "error",
    report: Report = None,
    seed: o.Seed = 0,
    threads: o.Threads = None,
    json_to: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Filtered ranking of heads and tails of test triples, with 95 % intervals."""
    from matweave.app import relations_verbs as verbs
    from matweave.app.tables import write_json
    from matweave.storage import load_relations

    set_threads(threads)
    o.refuse_unwritable(json_to, report)
    columns = _columns(head, relation, tail, value, duplicates, on_bad_rows)
    asked = verbs.read(test, quiet=quiet, undirected=undirected, **columns)
    others = [verbs.read(path, quiet=quiet, undirected=undirected, **columns) for path in known or []]
    found = verbs.evaluate(folder, asked, known=others, metrics=o.comma(metrics), side=side, seed=seed)
    if report is not None:
        say(f"report: {verbs.report(report, load_relations(folder), train=None, judged=found)}")
    if json_to:
        write_json(verbs.evaluation_json(found), json_to)
    if json_to != "-":
        print(found)


@relations_app.command("report")
def relations_report(
    folder: o.Model,
    out: Annotated[Path, typer.Option(help="The HTML file.", metavar="FILE")],
) -> None:
    """Write an HTML report of a model: its components, and who leads to whom."""
    from matweave.app import relations_verbs as verbs
    from matweave.storage import load_relations

    o.refuse_unwritable(out)
    print(f"report: {verbs.report(out, load_relations(folder), train=None)}")


_OPTIONS = {"duplicates": "--duplicates", "on_bad_rows": "--on-bad-rows"}


def _columns(
    head: str | None,
    relation: str | None,
    tail: str | None,
    value: str | None,
    duplicates: str,
    on_bad_rows: str,
) -> dict[str, Any]:
    return {
        "head": head,
        "relation": relation,
        "tail": tail,
        "value": value,
        "duplicates": duplicates,
        "on_bad_rows": on_bad_rows,
    }


def _refuse(out: Path | None) -> None:
    from matweave.app.verbs import refuse_ending

    o.refuse_unwritable(out)
    refuse_ending(out)


def _write(table: Any, out: Path | None, as_json: bool) -> None:
    from matweave.app.tables import print_table
    from matweave.app.verbs import write_table

    if out is not None:
        write_table(table, out)
        say(f"{table.num_rows:,} rows: {out}")
    print_table(table, as_json=as_json, to_file=out is not None)
