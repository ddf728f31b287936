"""A frozen dataclass as a folder of two files, and back; never pickle.

    FOLDER/model.json                 what it is: kind, fields, versions, checksums
    FOLDER/model-<hash>.safetensors   its arrays; named by content, so that replacing a model is one rename

Arrays become tensors, Arrow arrays become their IPC bytes, nested dataclasses become objects with a `kind`.
Loading asks the *caller's* table which class a kind is: nothing named in a file is ever imported. A folder
that is incomplete, truncated, edited, of a later format or of an unknown kind is refused with its reason.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as tensor_bytes

from matweave.errors import ArtifactError, ConfigError, nearest

FORMAT = 1
CARD = "model.json"
# no other file is ever removed, but what a killed run left half written
_TENSORS = re.compile(r"model-[0-9a-f]{16}\.safetensors")
_TEMPORARY = re.compile(r"\.model(-[0-9a-f]{16}\.safetensors|\.json)\.\w+")


def save(thing: Any, folder: str | os.PathLike[str], *, notes: Mapping[str, Any] | None = None) -> Path:
    """Write a frozen dataclass to `folder`, made if absent; an older model there is replaced atomically.

    notes: JSON values kept beside the fields (read back by `read_card`), for example the command that made it.
    Returns the folder. Raises ArtifactError where the folder holds something else, TypeError for a value that
    cannot be stored (nothing is written then).

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Line:
    ...     slope: np.ndarray
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load(save(Line(np.ones(2)), folder), {"Line": Line})
    Line(slope=array([1., 1.]))
    """
    folder = Path(folder)
    refuse_foreign(folder)
    tensors: dict[str, np.ndarray] = {}
    packed = _pack(thing, "", tensors)
    data = tensor_bytes(tensors) if tensors else tensor_bytes({"_": np.zeros(0, np.uint8)})
    digest = hashlib.sha256(data).hexdigest()
    name = f"model-{digest[:16]}.safetensors"
    card = {
        "format": FORMAT,
        "matweave": _version(),
        "tensors": {"file": name, "bytes": len(data), "sha256": digest},
        "model": packed,
        "notes": dict(notes or {}),
    }
    card["sha256"] = _digest(card)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / name, data)
    write_atomically(folder / CARD, _text(card, indent=1))
    for old in folder.iterdir():
        if _TENSORS.fullmatch(old.name) and old.name != name:
            old.unlink(missing_ok=True)
    return folder


def load(folder: str | os.PathLike[str], kinds: Mapping[str, type]) -> Any:
    """The thing saved in `folder`; `kinds` says which classes may be in it, by name.

    Raises ArtifactError with the reason where the folder is not whole and unchanged.
    """
    folder = Path(folder)
    card = read_card(folder)
    try:
        tensors = load_tensors(_tensor_file(folder, card["tensors"]))
        return _unpack(card["model"], tensors, kinds, folder)
    except ArtifactError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, SafetensorError) as error:
        raise _refused(folder, f"its fields do not make a model of this version ({error})") from error


def read_card(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The checked contents of model.json: format, versions, tensors, model, notes.

    Raises ArtifactError where it is missing, damaged, edited or of a later format.

    >>> read_card("no/such/folder")
    Traceback (most recent call last):
    matweave.errors.ArtifactError: no/such/folder holds no saved model: model.json cannot be read (...)
      where: no/such/folder
      mend:  give the folder that `fit --out` or model.save wrote
    """
    path = Path(folder) / CARD
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{folder} holds no saved model: {CARD} cannot be read ({error.strerror})",
            where=str(folder),
            mend="give the folder that `fit --out` or model.save wrote",
        ) from error
    try:
        card = json.loads(text)
        stated = card.pop("sha256")
        form = int(card["format"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise _refused(path, "it is truncated or not a matweave model") from error
    if form > FORMAT:
        raise ArtifactError(
            f"{path} is of format {form}, made by matweave {card.get('matweave')}; this version reads up to {FORMAT}",
            where=str(path),
            mend="upgrade matweave: pip install -U matweave",
        )
    if stated != _digest(card):
        raise _refused(path, "it was edited or damaged: its checksum does not match")
    return card


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: a temporary file beside it, synced, then renamed over it."""
    path = Path(path)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp makes files for the owner alone
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            # the file that was asked for; the temporary one means nothing to the caller
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def remove(folder: str | os.PathLike[str]) -> None:
    """Delete what `save` wrote in a folder, the card first, and the folder if nothing else is in it.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "thesis.txt").touch()
    ...     remove(folder)  # not ours: it stays
    ...     sorted(os.listdir(folder))
    ['thesis.txt']
    """
    folder = Path(folder)
    card = folder / CARD
    if card.is_file() and b'"matweave"' in card.read_bytes():
        card.unlink(missing_ok=True)
    for file in folder.glob("*") if folder.is_dir() else ():
        if _TENSORS.fullmatch(file.name) or _TEMPORARY.fullmatch(file.name):
            file.unlink(missing_ok=True)
    with suppress(OSError):  # something else lies there
        folder.rmdir()


def refuse_unwritable(path: str | os.PathLike[str], *, folder: bool = False) -> None:
    """Raise ConfigError where a file, or a folder that may be made, cannot be written: asked before long work.

    >>> refuse_unwritable("no/such/folder/scores.json")
    Traceback (most recent call last):
    matweave.errors.ConfigError: no/such/folder/scores.json cannot be written: there is no folder no/such/folder
      where: no/such/folder/scores.json
      mend:  make the folder first, or give another path
    """
    path = Path(path)
    at = path if folder else path.parent
    while folder and not at.exists() and at != at.parent:
        at = at.parent
    if not at.is_dir():
        why = f"{at} is a file" if at.exists() else f"there is no folder {at}"
    elif not os.access(at, os.W_OK | os.X_OK):
        why = f"the folder {at} may not be written to"
    elif not folder and path.is_dir():
        why = "it is a folder"
    else:
        return
    raise ConfigError(
        f"{path} cannot be written: {why}",
        where=str(path),
        mend="make the folder first, or give another path",
    )


def _tensor_file(folder: Path, said: Mapping[str, Any]) -> bytes:
    path = folder / Path(said["file"]).name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _refused(path, f"it cannot be read ({error.strerror})") from error
    if len(data) < said["bytes"]:
        raise _refused(path, f"it is truncated: {len(data):,} of {said['bytes']:,} bytes")
    if hashlib.sha256(data).hexdigest() != said["sha256"]:
        raise _refused(path, "it was edited or damaged: its checksum does not match")
    return data


def _pack(value: Any, name: str, tensors: dict[str, np.ndarray]) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        return _pack(value.item(), name, tensors)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        return {"array": _put(tensors, name, np.asarray(value, order="C"))}
    if isinstance(value, np.ndarray):
        raise TypeError(f"{name} is an array of {value.dtype}, which cannot be stored: use numbers or bools")
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return {"arrow": _put(tensors, name, np.frombuffer(_ipc(value), np.uint8))}
    if isinstance(value, tuple):
        return {"tuple": [_pack(v, f"{name}.{i}", tensors) for i, v in enumerate(value)]}
    if isinstance(value, list):
        return [_pack(v, f"{name}.{i}", tensors) for i, v in enumerate(value)]
    if isinstance(value, Mapping):
        strangers = [k for k in value if not isinstance(k, str)]
        if strangers:
            raise TypeError(f"{name} has the key {strangers[0]!r}, which is not text and cannot be stored")
        return {"dict": {k: _pack(v, f"{name}.{k}", tensors) for k, v in value.items()}}
    if is_dataclass(value) and not isinstance(value, type):
        inner = {
            f.name: _pack(getattr(value, f.name), f"{name}.{f.name}".lstrip("."), tensors)
            for f in fields(value)
            if f.init
        }
        return {"kind": type(value).__name__, "fields": inner}
    raise TypeError(f"{name or 'the thing itself'} is a {type(value).__name__}, which cannot be stored")


def _put(tensors: dict[str, np.ndarray], name: str, array: np.ndarray) -> str:
    """Keep the array under its name, or the nearest free one: a dict's keys may themselves hold dots."""
    while name in tensors:
        name += "'"
    tensors[name] = array
    return name


def _unpack(packed: Any, tensors: Mapping[str, np.ndarray], kinds: Mapping[str, type], at: Path) -> Any:
    def inner(value: Any) -> Any:
        return _unpack(value, tensors, kinds, at)

    if isinstance(packed, list):
        return [inner(v) for v in packed]
    if not isinstance(packed, dict):
        return packed
    match packed:
        case {"float": text}:
            return float(text)
        case {"array": name}:
            return tensors[name]
        case {"arrow": name}:
            return pa.ipc.open_stream(tensors[name].tobytes()).read_all().column(0).combine_chunks()
        case {"tuple": values}:
            return tuple(inner(v) for v in values)
        case {"dict": values}:
            return {k: inner(v) for k, v in values.items()}
        case {"kind": kind, "fields": values}:
            if kind not in kinds:
                raise ArtifactError(
                    f"{at} holds a {kind}, which is not expected here{nearest(kind, kinds)}",
                    where=str(at),
                    mend=f"give a folder that holds one of: {', '.join(kinds)}",
                )
            return kinds[kind](**{k: inner(v) for k, v in values.items()})
    raise _refused(at, "it holds a value of an unknown shape")


def _ipc(array: pa.Array | pa.ChunkedArray) -> bytes:
    table = pa.table({"ids": array})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _text(card: Mapping[str, Any], **style: Any) -> bytes:
    # names of files that are not UTF-8 reach Python as lone surrogates, which JSON's reader lets pass too
    return json.dumps(card, ensure_ascii=False, **style).encode(errors="surrogatepass")


def _digest(card: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(card, sort_keys=True, separators=(",", ":"))).hexdigest()


def _version() -> str:
    try:
        return version("matweave")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


def refuse_foreign(folder: str | os.PathLike[str]) -> None:
    """Raise ArtifactError where `folder` is a file, or holds what is not ours: asked before long work.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     refuse_foreign(folder)  # empty: ours to take
    ...     (Path(folder) / "thesis.txt").touch()
    ...     refuse_foreign(folder)
    Traceback (most recent call last):
    matweave.errors.ArtifactError: ... holds other files (thesis.txt), and no model of matweave
      where: ...
      mend:  give a new or empty folder
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ArtifactError(
            f"{folder} is a file", where=str(folder), mend="give a folder, new or holding an older model"
        )
    if not folder.is_dir():
        return
    card = folder / CARD
    if card.exists():
        said = (
            card.read_bytes()
        )  # a damaged card of ours may be replaced; another program's model.json may not
        strangers = [CARD] if said and b'"matweave"' not in said else []
    else:
        names = (p.name for p in folder.iterdir() if p.name != "checkpoint")
        strangers = [n for n in names if not _TEMPORARY.fullmatch(n) and not _TENSORS.fullmatch(n)]
    if strangers:
        raise ArtifactError(
            f"{folder} holds other files ({', '.join(sorted(strangers)[:3])}), and no model of matweave",
            where=str(folder),
            mend="give a new or empty folder",
        )


def _refused(path: Path, reason: str) -> ArtifactError:
    return ArtifactError(
        f"{path} is refused: {reason}",
        where=str(path),
        mend="save the model again, or copy the whole folder again from where it was made",
    )
