"""Attributes of users and items as the columns of a model: which they are, how measures are scaled, and rows of strangers.

`ItemContent` holds what is known (of users as of items: ids, named attributes, NaN where missing). A `FeatureCode` is made
of it once, over the ids of a training log, and is kept with the model, so that a stranger who comes later, known by
attributes alone, is coded in the same way.

    levels      columns whose known values are all 0 or 1 ("genres=Comedy", booleans): taken as they are
    measures    all others ("year"): minus the mean and over the standard deviation of the log's ids that have them
    missing     NaN in `values`; 0 in `matrix`, which is the mean of a measure and "none" of levels
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, final

import numpy as np

from matweave.data.item_content import ItemContent
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError, listed, nearest


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureCode:
    """d columns: their names, and value = (attribute - shift) / scale; shift and scale (d,) float32.

    >>> people = ItemContent.of(["a", "b"], attributes=[[1, 20], [0, 40]], names=["gender=F", "age"])
    >>> code = FeatureCode.of(people, people.items)
    >>> code.names, code.matrix(people, people.items).tolist()
    (('gender=F', 'age'), [[1.0, -1.0], [0.0, 1.0]])
    """

    names: tuple[str, ...]
    shift: np.ndarray
    scale: np.ndarray

    @staticmethod
    def of(content: ItemContent, ids: Vocabulary) -> FeatureCode:
        """The code of a content's attributes, measures standardised over the ids that stand in both.

        Raises DataError where the content has no attributes, or none for any of the ids.
        """
        content = content_given(content)
        if content.attributes is None:
            raise DataError(
                "the features have no attributes",
                where="features",
                mend="name the columns that are attributes: read_content(..., attributes=[...])",
            )
        values = content.over(ids).attributes
        if values is None or not np.isfinite(values).any():
            raise DataError(
                f"no attribute is known of any of the log's {len(ids):,} ids: the features are of "
                f"{listed(content.items.to_list()[:3])}, ..., the log has {listed(ids.to_list()[:3])}, ...",
                where="features",
                mend="give the features under the ids of the log: the column id of a file, or its first, or the one named by key=",
            )
        d = len(content.attribute_names)
        shift, scale = np.zeros(d), np.ones(d)
        for column in range(d):
            every = content.attributes[:, column]
            if np.isin(every[np.isfinite(every)], (0, 1)).all():
                continue  # a level
            known = values[:, column]
            known = known[np.isfinite(known)].astype(np.float64)
            if len(known):
                shift[column], spread = known.mean(), known.std()
                scale[column] = spread if spread > 0 else 1.0
        return FeatureCode(
            names=content.attribute_names, shift=shift.astype(np.float32), scale=scale.astype(np.float32)
        )

    def __len__(self) -> int:
        return len(self.names)

    def values(self, content: ItemContent, ids: Vocabulary | None = None) -> np.ndarray:
        """The coded attributes (ids, d) float32, NaN where missing or where nothing is known of an id; None: the content's ids.

        Columns are found by name. A level that the content lacks is 0 where any other level of its column is known.
        Raises DataError that lists columns which this code does not have.
        """
        if ids is not None:
            content = content.over(ids)
        found = np.full((len(content), len(self)), np.nan, np.float32)
        if content.attributes is None:
            return found
        strange = [name for name in content.attribute_names if name not in set(self.names)]
        if strange:
            raise self._unknown(strange)
        at = {name: column for column, name in enumerate(content.attribute_names)}
        for column, name in enumerate(self.names):
            if name in at:
                found[:, column] = content.attributes[:, at[name]]
                continue
            owner, level, _ = name.partition("=")
            others = [p for n, p in at.items() if level and n.startswith(f"{owner}=")]
            if others:
                known = np.isfinite(content.attributes[:, others]).any(axis=1)
                found[known, column] = 0.0
        return (found - self.shift) / self.scale

    def matrix(self, content: ItemContent, ids: Vocabulary | None = None) -> np.ndarray:
        """As `values`, with 0 for all that is missing: (ids, d) float32."""
        return np.nan_to_num(self.values(content, ids), nan=0.0, copy=False)

    def _unknown(self, names: list[str]) -> DataError:
        hint = nearest(names[0], self.names) if len(names) == 1 else ""
        return DataError(
            f"the model has learned nothing of these attributes: {listed(names)}{hint}; it knows {listed(self.names, 40)}",
            where="attributes",
            mend="leave them out, or fit again with features that have them",
        )


def content_given(content: Any) -> ItemContent:
    """The content itself. Raises DataError for anything else, such as a data frame, which does not say what its columns are.

    >>> content_given({"age": [20]})
    Traceback (most recent call last):
    matweave.errors.DataError: the features are a dict, not content by id
      where: features
      mend:  read them: matweave.read_content(frame, key="user", attributes=["age", "gender"])
    """
    if not isinstance(content, ItemContent):
        raise DataError(
            f"the features are a {type(content).__name__}, not content by id",
            where="features",
            mend='read them: matweave.read_content(frame, key="user", attributes=["age", "gender"])',
        )
    return content


def one_row(attributes: Mapping[str, Any], code: FeatureCode) -> ItemContent:
    """A stranger as content of one row: {"gender": "F", "age": 25, "genres": ["Comedy", "Drama"]}.

    A column of levels takes one level, a list of them, or text with | between; a measure takes a number; what is not
    named, or None, is missing. Raises DataError, all problems at once, with the names and levels that are known.

    >>> code = FeatureCode(names=("gender=F", "gender=M", "age"), shift=np.zeros(3), scale=np.ones(3))
    >>> one_row({"gender": "F"}, code).attributes.tolist()
    [[1.0, 0.0, nan]]
    >>> one_row({"gender": "x"}, code)
    Traceback (most recent call last):
    matweave.errors.DataError: 'gender' has no level 'x'; its levels are 'F', 'M'
      where: attributes
      mend:  give known names and levels: {'gender': 'F'}
    """
    if not isinstance(attributes, Mapping):
        raise DataError(
            f"attributes are a {type(attributes).__name__}",
            where="attributes",
            mend="give a mapping {'gender': 'F', 'age': 25}, or an ItemContent of several",
        )
    at = {name: column for column, name in enumerate(code.names)}
    levels: dict[str, list[str]] = {}
    for name in code.names:
        owner, sign, level = name.partition("=")
        if sign:
            levels.setdefault(owner, []).append(level)
    plain = [name for name in code.names if "=" not in name]
    row, problems = np.full(len(code), np.nan, np.float32), []
    for name, value in attributes.items():
        if value is None:
            continue
        if name in at:
            number = _number(value)
            if number is None:
                problems.append(f"{name!r} is a number, and {value!r} is none")
            else:
                row[at[name]] = number
        elif name in levels:
            own = levels[name]
            asked = _levels(value, own)
            wrong = [level for level in asked if level not in own]
            said = "no level" if len(wrong) == 1 else "none of the levels"
            if wrong:
                hint = nearest(wrong[0], own)
                problems.append(
                    f"{name!r} has {said} {listed(wrong)}{hint}; its levels are {listed(own, 40)}"
                )
                continue
            for level in own:
                row[at[f"{name}={level}"]] = float(level in asked)
        else:
            known = [*levels, *plain]
            problems.append(
                f"there is no attribute {name!r}{nearest(name, known)}; known are {listed(known, 40)}"
            )
    if problems:
        raise DataError(
            "\n".join(problems),
            where="attributes",
            mend=f"give known names and levels: {_example(levels, plain)}",
        )
    return ItemContent.of([0], attributes=row[None, :], names=code.names)


def taken(recipe: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Of user_features and item_features, by name, what a recipe's `fit` takes.

    >>> class Plain:
    ...     def fit(self, train, *, item_features=None): ...
    >>> taken(Plain(), {"user_features": 1, "item_features": 2})
    {'item_features': 2}
    """
    asked = signature(recipe.fit).parameters
    return {name: value for name, value in given.items() if name in asked}


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and abs(number) <= np.finfo(np.float32).max else None


def _levels(value: Any, known: list[str]) -> list[str]:
    """The levels that a value names, each as a column's name has it: 25 and 25.0 as "25"."""
    if isinstance(value, str):
        return [value] if value in known else [part.strip() for part in value.split("|") if part.strip()]
    many = value if isinstance(value, (list, tuple, set, frozenset, np.ndarray)) else [value]
    return [
        str(int(one)) if isinstance(one, float) and one.is_integer() else str(one).strip() for one in many
    ]


def _example(levels: dict[str, list[str]], plain: list[str]) -> str:
    shown = {name: own[0] for name, own in list(levels.items())[:1]} or dict.fromkeys(plain[:1], 1)
    return repr(shown)
