"""What is known of items beside who had to do with them: texts, attributes and images, keyed by id.

    texts        one text for each item, or none
    attributes   numbers: 0 and 1 for levels ("genres=Comedy"), any number for measures ("year"), NaN where missing
    images       bytes (channels, height, width), all of one size; not every item has one

An item may lack any part; which have it is told by `has_text`, `has_attributes` and `has_image`. Items may stand here
that no log holds: they are what a content model recommends on their first day. Ids are laid over those of a log by
the log's own type, so that the key "1193" of a JSON file and the number 1193 of a log are the same item.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.compute

from matweave.data.content_columns import lines_of
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError, listed

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ItemContent:
    """Content of n items.

    items: their ids. texts (n,) large_string, null where missing; None: no item has any. attributes (n, d) float32, NaN
    where missing, with d names. pixels (m, c, h, w) uint8 and picture (n,) int64, the image of each item, -1 for none.
    report: what was chosen and left out on the way here. Raises DataError for parts that do not fit together.

    >>> films = ItemContent.of([7, 9], texts=["a comedy", None], attributes=[[1.0], [0.0]], names=["genre=Comedy"])
    >>> films, films.has_text.tolist()
    (ItemContent(2 items: 1 with text, 2 with 1 attribute), [True, False])
    """

    items: Vocabulary
    texts: pa.Array | None = None
    attributes: np.ndarray | None = None
    attribute_names: tuple[str, ...] = ()
    pixels: np.ndarray | None = None
    picture: np.ndarray | None = None
    report: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n, problems = len(self.items), []
        if self.texts is not None and (self.texts.type != pa.large_string() or len(self.texts) != n):
            problems.append(f"there are {n:,} items, but {len(self.texts):,} texts of {self.texts.type}")
        a = self.attributes
        if (a is None) != (not self.attribute_names):
            problems.append("attributes and their names are given together, or not at all")
        elif a is not None and (a.dtype != np.float32 or a.shape != (n, len(self.attribute_names))):
            problems.append(
                f"attributes are {a.dtype} {a.shape}, but must be float32 ({n}, {len(self.attribute_names)})"
            )
        elif a is not None and np.isinf(a).any():
            wrong = [self.attribute_names[d] for d in np.flatnonzero(np.isinf(a).any(axis=0)).tolist()]
            problems.append(f"attributes are infinite: {listed(wrong)}")
        if (self.pixels is None) != (self.picture is None):
            problems.append("pixels and the picture of each item are given together, or not at all")
        elif self.pixels is not None and self.picture is not None:
            if self.pixels.dtype != np.uint8 or self.pixels.ndim != 4:
                problems.append(f"pixels are {self.pixels.dtype} of shape {self.pixels.shape}")
            low, high = int(self.picture.min(initial=-1)), int(self.picture.max(initial=-1))
            if self.picture.dtype != np.int64 or self.picture.shape != (n,):
                problems.append("picture is not one int64 for each item")
            elif low < -1 or high >= len(self.pixels):
                problems.append(f"a picture is not in -1..{len(self.pixels) - 1}")
        if problems:
            raise DataError(
                "\n".join(problems),
                where="ItemContent",
                mend="build it with ItemContent.of or read_content; images are bytes, n × channels × height × width",
            )

    @staticmethod
    def of(
        ids: Any,
        *,
        texts: Any = None,
        attributes: Any = None,
        names: Sequence[str] = (),
        images: Any = None,
        report: Sequence[str] = (),
    ) -> ItemContent:
        """Content from columns of one length: ids, texts (None where missing), attributes (n, d), images (n, c, h, w) bytes.

        names: of the attributes; "1", "2", ... where not given. Raises DataError for ids that repeat and parts that do not fit.
        """
        vocabulary, codes = Vocabulary.of(ids)
        if len(vocabulary) < len(codes):
            raise repeated(vocabulary, codes, "ItemContent.of")
        values = None if attributes is None else np.ascontiguousarray(attributes, np.float32)
        if values is not None and values.ndim == 2 and not names:
            names = [str(1 + column) for column in range(values.shape[1])]
        pixels = None if images is None else np.ascontiguousarray(images)
        return ItemContent(
            items=vocabulary,
            texts=None if texts is None else _texts(texts),
            attributes=values,
            attribute_names=tuple(names),
            pixels=pixels,
            picture=None if pixels is None else np.arange(len(pixels), dtype=np.int64),
            report=tuple(report),
        )

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        parts = []
        if self.texts is not None:
            parts.append(f"{int(self.has_text.sum()):,} with text")
        if self.attributes is not None:
            d = len(self.attribute_names)
            parts.append(f"{int(self.has_attributes.sum()):,} with {d:,} attribute{'s' * (d > 1)}")
        if self.pixels is not None:
            parts.append(f"{int(self.has_image.sum()):,} with image")
        return f"ItemContent({len(self):,} items{': ' if parts else ''}{', '.join(parts)})"

    @cached_property
    def has_text(self) -> np.ndarray:
        """(n,) bool: items with a text that is not blank."""
        if self.texts is None:
            return np.zeros(len(self), bool)
        there = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(self.texts)), 0)
        return there.fill_null(False).to_numpy(zero_copy_only=False)

    @cached_property
    def has_attributes(self) -> np.ndarray:
        """(n,) bool: items of which any attribute is known."""
        if self.attributes is None:
            return np.zeros(len(self), bool)
        return np.isfinite(self.attributes).any(axis=1).astype(bool)

    @property
    def has_image(self) -> np.ndarray:
        """(n,) bool: items with an image."""
        return np.zeros(len(self), bool) if self.picture is None else self.picture >= 0

    def take(self, index: Any) -> ItemContent:
        """The items at some places, in that order, by integer index, mask or slice.

        >>> ItemContent.of(["a", "b"], texts=["x", "y"]).take([1]).items.to_list()
        ['b']
        """
        at = np.arange(len(self))[index if isinstance(index, slice) else np.asarray(index)]
        return self._at(self.items.take(at), at)

    def over(self, items: Vocabulary) -> ItemContent:
        """The content of exactly these ids, in their order; nothing is known of those that are not here.

        >>> films = ItemContent.of(["1", "2"], texts=["x", "y"]).over(Vocabulary(ids=pa.array([2, 5])))
        >>> films.items.to_list(), films.texts.to_pylist()
        ([2, 5], ['y', None])
        """
        mine = self.typed_like(items)
        return mine._at(items, mine.items.encode(items.ids)[0].astype(np.int64))

    def typed_like(self, items: Vocabulary) -> ItemContent:
        """The same content with its ids in the type of another vocabulary's, as they print.

        Raises DataError that lists the ids that are none of that type.
        """
        kind = items.ids.type
        if self.items.ids.type == kind:
            return self
        ids, strange = _cast(self.items.ids, kind)
        if strange:
            raise DataError(
                f"{len(strange):,} of {len(self):,} ids of the content cannot be ids of the log, which are {kind}: "
                f"{listed(strange)}",
                where="the content's ids",
                mend="give the content under the ids of the log: the column id of a file, or its first, or the one named by key=",
            )
        return replace(self, items=Vocabulary(ids=ids))

    def joined(self, other: ItemContent) -> ItemContent:
        """The parts of two contents together, for the items of both: texts one after the other, attributes side by side.

        Raises DataError where both have images.

        >>> both = ItemContent.of([1, 2], texts=["Heat", "Big"]).joined(ItemContent.of(["2", "3"], texts=["a boy", "?"]))
        >>> both.items.to_list(), both.texts.to_pylist()
        ([1, 2, 3], ['Heat', 'Big\\na boy', '?'])
        """
        if self.pixels is not None and other.pixels is not None:
            raise DataError(
                "both contents have images",
                where="ItemContent.joined",
                mend="leave the images out of one of them",
            )
        items = united(self.items, other.typed_like(self.items).items)
        one, two = self.over(items), other.over(items)
        parts = [c.attributes for c in (one, two) if c.attributes is not None]
        source = one if one.pixels is not None else two
        return ItemContent(
            items=items,
            texts=_both(one, two),
            attributes=np.concatenate(parts, axis=1) if parts else None,
            attribute_names=_distinct((*one.attribute_names, *two.attribute_names)),
            pixels=source.pixels,
            picture=source.picture,
            report=(*self.report, *other.report),
        )

    def _at(self, items: Vocabulary, at: np.ndarray) -> ItemContent:
        """The content at these places under these ids; -1 is a place where nothing is known."""
        there = at >= 0
        safe = np.where(there, at, 0)
        if not len(self):
            return ItemContent(items=items, report=self.report)
        texts = attributes = picture = None
        if self.texts is not None:
            texts = self.texts.take(pa.array(at, mask=~there))
        if self.attributes is not None:
            attributes = np.where(there[:, None], self.attributes[safe], np.float32(np.nan))
        if self.picture is not None:
            picture = np.where(there, self.picture[safe], -1)
        return replace(self, items=items, texts=texts, attributes=attributes, picture=picture)


def united(items: Vocabulary, more: Vocabulary) -> Vocabulary:
    """The ids of one vocabulary, and after them those of another (of the same type) that it lacks.

    >>> united(Vocabulary(ids=pa.array([3, 1])), Vocabulary(ids=pa.array([1, 2]))).to_list()
    [3, 1, 2]
    """
    _, known = items.encode(more.ids)
    if known.all():
        return items
    fresh = more.ids.filter(pa.array(~known))
    return Vocabulary(ids=pa.concat_arrays([items.ids, fresh.cast(items.ids.type)]))


def repeated(items: Vocabulary, codes: np.ndarray, where: str) -> DataError:
    """The error of ids that stand more than once.

    >>> repeated(*Vocabulary.of(["a", "b", "a"]), "films.csv").what
    "1 id stands more than once: 'a'"
    """
    counts = np.bincount(codes, minlength=len(items))
    again = items.decode(np.flatnonzero(counts > 1)).to_pylist()
    said = "1 id stands" if len(again) == 1 else f"{len(again):,} ids stand"
    return DataError(
        f"{said} more than once: {listed(again)}",
        where=where,
        mend="give each id once; of several rows of one keep that which holds",
    )


def _texts(texts: Any) -> pa.Array:
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    try:
        return (
            texts.cast(pa.large_string())
            if isinstance(texts, pa.Array)
            else pa.array(texts, pa.large_string())
        )
    except (pa.ArrowException, TypeError) as error:
        raise DataError(
            f"the texts are not text: {error}", where="ItemContent.of", mend="give str, or None where missing"
        ) from error


def _cast(ids: pa.Array, kind: pa.DataType) -> tuple[pa.Array, list[Any]]:
    """Ids in another type, each as it prints, and those that cannot be."""
    try:  # all at once, and back again to see that nothing changed
        made = ids.cast(kind)
        if pc.all(pc.equal(made.cast(pa.large_string()), ids.cast(pa.large_string()))).as_py() in (
            True,
            None,
        ):
            return made, []
    except pa.ArrowException:
        pass
    strange = []
    for one in ids:
        try:
            back = one.cast(kind).cast(pa.large_string()).as_py()
            good = back == one.cast(pa.large_string()).as_py()
        except pa.ArrowException:
            good = False
        if not good:
            strange.append(one.as_py())
    return ids, strange


def _both(one: ItemContent, two: ItemContent) -> pa.Array | None:
    if one.texts is None or two.texts is None:
        return one.texts if two.texts is None else two.texts
    return lines_of([one.texts, two.texts])


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names made different by a number where they stand twice."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(found)
