"""Any interaction log into integer codes: `read_interactions`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matweave.data.bad_rows import check_policy as check_bad_rows
from matweave.data.duplicates import check_policy as check_duplicates
from matweave.data.interactions import Interactions
from matweave.data.read_bytes import packing, unreadable
from matweave.data.read_delimited import Delimited, read_delimited
from matweave.errors import DataError, nearest


def read_interactions(
    source: Any,
    *,
    user: str | None = None,
    item: str | None = None,
    value: str | None = None,
    time: str | None = None,
    duplicates: str = "last",
    on_bad_rows: str = "error",
    separator: str | None = None,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    quoted: bool | None = None,
    encoding: str = "utf-8",
) -> Interactions:
    said = {"user": user, "item": item, "value": value, "time": time}
    check_duplicates(duplicates, "read_interactions")
    check_bad_rows(on_bad_rows)
    path = Path(source)
    how = Delimited(separator=separator, quoted=quoted, header=header, columns=columns, encoding=encoding)
    return read_delimited(path, said, how, duplicates=duplicates, on_bad_rows=on_bad_rows)
