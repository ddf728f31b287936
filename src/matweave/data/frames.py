"""Frames in and out: tables leave as the caller's own kind, through narwhals."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import pyarrow as pa

from matweave.errors import ConfigError, MissingExtra, nearest

KINDS = ("arrow", "pandas", "polars")


def as_frame(table: pa.Table, kind: str) -> Any:
    """An Arrow table as a frame of `kind`: arrow (as it is), pandas or polars.

    Raises ConfigError for an unknown kind and MissingExtra where that library is not installed.

    >>> as_frame(pa.table({"item": ["a"]}), "arrow").column_names
    ['item']
    """
    if kind == "arrow":
        return table
    if kind not in KINDS:
        raise ConfigError(
            f"unknown kind of frame {kind!r}{nearest(kind, KINDS)}",
            where="as_frame",
            mend=f"use one of {', '.join(KINDS)}",
        )
    backend: Any = kind
    try:
        return nw.from_arrow(table, backend=backend).to_native()
    except (ImportError, ModuleNotFoundError) as error:
        raise MissingExtra(
            f"{kind} is not installed, and the model answers in its frames",
            where="as_frame",
            mend=f"pip install {kind}, or ask for Arrow tables: model.with_frame('arrow')",
        ) from error
