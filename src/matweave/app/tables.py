"""Results as text: aligned tables on a terminal, the same rows as plain columns elsewhere, or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from matweave.artifact import write_atomically

LONGEST = 40  # rows shown on a terminal when the lists were written to a file as well


def print_table(table: pa.Table, *, as_json: bool = False, to_file: bool = False) -> None:
    """Print lists: JSON rows, or columns. With `to_file` only the first rows are shown."""
    if as_json:
        print(json.dumps(table.to_pylist(), ensure_ascii=False, default=str))
        return
    shown = table.slice(0, LONGEST) if to_file else table
    view = _columns(shown.column_names, right=[_is_number(f.type) for f in shown.schema])
    for row in zip(*(column.to_pylist() for column in shown.columns), strict=True):
        view.add_row(*(_text(cell) for cell in row))
    _show(view)
    if len(shown) < len(table):
        print(f"... {len(table) - len(shown):,} more rows in the file")


def print_fit(done: Any) -> None:
    """How a fit went, and where its model is. done: what `verbs.fit` gave."""
    past = done.model.history
    epoch = f", epoch {past.epoch}" if past.epoch else ""
    tail = f", objective {past.objective[-1]:.6g}" if past.objective else ""
    print(f"{done.model.method}: {past.stopped}{epoch}, {past.seconds:.2f} s{tail}")
    print(f"model: {done.folder}")


def write_json(value: Any, to: str) -> None:
    """JSON to a file, whole or not at all, or to stdout for -."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=str)
    if to == "-":
        print(text)
    else:
        write_atomically(Path(to), (text + "\n").encode())


def doctor_table(found: dict[str, Any]) -> None:
    """The doctor's report, one fact a line."""
    env = found["environment"]
    view = _columns(["", ""], right=[False, False], header=False)
    for name in ("platform", "executable", "cores_allowed", "cores_present", "threads", "memory_gb", "gpu"):
        view.add_row(name.replace("_", " "), str(env[name]))
    view.add_row("versions", ", ".join(f"{k} {v}" for k, v in env["versions"].items()))
    for blas in env["blas"]:
        view.add_row("BLAS", ", ".join(str(v) for v in blas.values() if v is not None))
    view.add_row("extras", ", ".join(f"{k} {'yes' if v else 'no'}" for k, v in env["extras"].items()))
    view.add_row("variables", ", ".join(f"{k}={v}" for k, v in env["variables"].items()) or "none set")
    for test in found["self_test"]:
        state = "ok" if test["ok"] else f"FAILED {test['note']}"
        view.add_row("self-test", f"{test['test']}: {state} ({test['seconds']:.2f} s)")
    _show(view)


def _columns(names: list[str], right: list[bool], header: bool = True) -> Table:
    view = Table(box=None, show_header=header, pad_edge=False, header_style="bold")
    for name, numbers in zip(names, right, strict=True):
        view.add_column(name, justify="right" if numbers else "left", overflow="fold")
    return view


def _show(view: Table) -> None:
    console = Console(highlight=False, markup=False)
    if console.is_terminal:
        console.print(view)
        return
    # a pipe has no width: no row is folded there, and none ends in blanks
    wide = Console(highlight=False, markup=False, no_color=True, width=10_000)
    with wide.capture() as capture:
        wide.print(view)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _text(cell: Any) -> str:
    return f"{cell:.4f}" if isinstance(cell, float) else str(cell)
