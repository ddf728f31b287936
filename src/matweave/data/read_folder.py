"""A folder of Parquet files, partitioned or not, to one Arrow table.

Columns are matched by name, and each has the one type that holds those of all files: integers of two widths the
wider, integers and floats float64; text and numbers have none, and are refused. A column that a file lacks is null
there. Folders named `key=value` give a column more: int64 where every value is a whole number as it prints (no
leading zero or plus), else text.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from matweave.errors import DataError

NULL = "__HIVE_DEFAULT_PARTITION__"


def read_folder(path: Path) -> tuple[pa.Table, list[str]]:
    """The table, and what to tell. Raises DataError where nothing is there, or what is does not fit together."""
    import pyarrow.dataset as dataset
    import pyarrow.parquet as parquet

    files = [f for f in path.rglob("*") if f.suffix in (".parquet", ".pq", ".parq")]
    files = sorted(f for f in files if not f.name.startswith((".", "_")))
    if not files:
        inside = sorted(p.name for p in path.iterdir())
        raise DataError(
            f"the folder {path} holds no Parquet file; it holds {inside[:10]}",
            where=str(path),
            mend="give one file, or a folder of .parquet files",
        )
    try:
        schema, told = _common([parquet.read_schema(f) for f in files])
        keys = [pa.field(k, t) for k, t in _keys(path, files).items()]
        schema = pa.schema([*schema, *(k for k in keys if k.name not in schema.names)])
        found = dataset.dataset(
            [str(f) for f in files],
            schema=schema,
            format="parquet",
            partitioning=dataset.partitioning(pa.schema([schema.field(k.name) for k in keys]), flavor="hive"),
            partition_base_dir=str(path),
        )
        return found.to_table(), told
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"the Parquet files in {path} cannot be read as one table: {error}",
            where=str(path),
            mend="mend or remove the file named; a column must have one type in all of them",
        ) from error


def _common(schemas: list[pa.Schema]) -> tuple[pa.Schema, list[str]]:
    """The columns of all files, each of the type that holds all of its own, and which had several."""
    plain = [pa.schema([pa.field(f.name, _decoded(f.type)) for f in schema]) for schema in schemas]
    whole = pa.unify_schemas(plain, promote_options="permissive")
    told = []
    for field in whole:
        kinds = {str(s.field(field.name).type): None for s in plain if field.name in s.names}
        if len(kinds) > 1:
            told.append(f"{field.name!r} is {' and '.join(kinds)} in the files, read as {field.type}")
    return whole, told


def _decoded(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _keys(path: Path, files: list[Path]) -> dict[str, pa.DataType]:
    values: dict[str, set[str]] = {}
    for file in files:
        for part in file.relative_to(path).parts[:-1]:
            key, equals, value = part.partition("=")
            if equals:
                values.setdefault(key, set()).add(value)
    return {
        key: pa.int64() if all(_whole(v) for v in found - {NULL}) else pa.string()
        for key, found in values.items()
    }


def _whole(text: str) -> bool:
    try:
        return str(int(text)) == text and -(2**63) <= int(text) < 2**63
    except ValueError:
        return False
