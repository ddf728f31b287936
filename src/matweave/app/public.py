"""`matweave data list|get`: the catalogue of public sets at the command line."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer

from matweave.app.progress import Bytes, say
from matweave.data.catalog import find, get, public_set
from matweave.data.public import SETS, PublicSet


def entries() -> list[dict[str, Any]]:
    """The catalogue as JSON-able rows; `here` is the path of the log on this machine, or null."""
    rows = []
    for entry in SETS:
        path = find(entry)
        rows.append(
            {
                "name": entry.name,
                "title": entry.title,
                "rows": entry.rows,
                "users": entry.users,
                "items": entry.items,
                "megabytes": round(entry.size / 1e6, 1),
                "licence": entry.licence,
                "licence_at": entry.licence_at,
                "address": entry.address,
                "citation": entry.citation,
                "here": None if path is None else str(path),
            }
        )
    return rows


def print_list(*, as_json: bool) -> None:
    """Print the catalogue, one set a block."""
    rows = entries()
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for row in rows:
        print("\n".join(public_set(row["name"]).lines()))
        print(f"  here     {row['here'] or 'no: matweave data get ' + row['name']}")


def fetch(name: str, accepted: bool) -> None:
    """Get a set and print where its log is. The licence is shown first, and asked about on a terminal."""

    def accept(entry: PublicSet) -> bool:
        say("\n".join(entry.lines()))
        if accepted:
            return True
        return sys.stdin.isatty() and typer.confirm("Do you accept this licence?", err=True)

    print(get(name, accept_licence=accept, progress=Bytes(name)))
