"""The commands of public data sets: `matweave data list`, `matweave data get`."""

from __future__ import annotations

from typing import Annotated

import typer

data_app = typer.Typer(help="Public data sets: list them, get them.", no_args_is_help=True)


@data_app.command("list")
def data_list(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """The sets that `matweave data get` knows, with size, licence and whether they are here."""
    from matweave.app.public import print_list

    print_list(as_json=as_json)


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="A name from `matweave data list`.")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licence shown.")
    ] = False,
) -> None:
    """Download a public set, once: its licence is shown and must be accepted first."""
    from matweave.app.public import fetch

    fetch(name, accept_licence)
