"""Every error that matweave raises on purpose: what is wrong, where, and the mend.

A caller catches `MatweaveError` for all of them, or one class for one cause. The CLI prints
`str(error)` on one screen and exits with `error.exit_code`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class MatweaveError(Exception):
    """What is wrong, where it was seen, and how to mend it.

    >>> print(MatweaveError("rank is 0", where="ImplicitALS", mend="give rank >= 1"))
    rank is 0
      where: ImplicitALS
      mend:  give rank >= 1
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str, mend: str) -> None:
        super().__init__(what)
        self.what, self.where, self.mend = what, where, mend

    def __str__(self) -> str:
        return f"{self.what}\n  where: {self.where}\n  mend:  {self.mend}"

    def __reduce__(self):  # keyword-only arguments do not survive Exception's own pickling
        return _rebuild, (type(self), self.what, self.where, self.mend)


def _rebuild(kind: type[MatweaveError], what: str, where: str, mend: str) -> MatweaveError:
    return kind(what, where=where, mend=mend)


class ConfigError(MatweaveError, ValueError):
    """One or more settings are out of range, of the wrong type, or unknown; all are listed."""


class DataError(MatweaveError, ValueError):
    """A file, frame or matrix cannot be read as what it was said to be."""


class BadRows(DataError):
    """Some rows of a log are unusable; counts them by kind and names the first ten by line."""


class UnknownId(MatweaveError, KeyError):
    """A user or item that the model or log has never seen."""


class ArtifactError(MatweaveError, ValueError):
    """A saved folder is missing, truncated, edited, newer than this version, or of another kind."""


class DownloadError(MatweaveError, OSError):
    """A public data set could not be fetched whole, or is not the file recorded before."""


class Diverged(MatweaveError, ArithmeticError):
    """An objective became infinite, NaN, or grew without end."""


class TooBig(MatweaveError, MemoryError):
    """A full matrix or block was about to be built beyond its size limit."""


class MissingExtra(MatweaveError, ImportError):
    """An optional dependency is not installed; the mend is the pip line."""


def nearest(name: str, known: Iterable[object]) -> str:
    """A phrase that suggests the nearest known name, or an empty string.

    >>> nearest("rnak", ["rank", "epochs"])
    "; did you mean 'rank'?"
    """
    by_fold = {str(k).casefold(): k if isinstance(k, (str, int)) else str(k) for k in known}
    close = get_close_matches(str(name).casefold(), list(by_fold), n=1, cutoff=0.5)
    return f"; did you mean {by_fold[close[0]]!r}?" if close else ""


def listed(names: Sequence[object], limit: int = 10) -> str:
    """The first names, quoted, with a count of the rest.

    >>> listed(["a", "b", "c"], limit=2)
    "'a', 'b' (+1 more)"
    """
    shown = ", ".join(repr(n) for n in names[:limit])
    return shown + (f" (+{len(names) - limit} more)" if len(names) > limit else "")


def missing_extra(extra: str, needs: str, where: str) -> MissingExtra:
    """The error to raise where an optional dependency fails to import.

    >>> print(missing_extra("report", "matplotlib", "the HTML report").mend)
    pip install 'matweave[report]'
    """
    return MissingExtra(
        f"{where} needs {needs}, which is not installed",
        where=where,
        mend=f"pip install 'matweave[{extra}]'",
    )
