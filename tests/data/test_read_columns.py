"""Columns are found by known names, said, or refused with all problems at once."""

from __future__ import annotations

import pytest

from matweave.data.read_columns import choose, known_names
from matweave.errors import DataError


def chosen(names, **said):
    c = choose(names.split("|"), said, "log")
    return c.user, c.item, c.value, c.time


@pytest.mark.parametrize(
    ("names", "places"),
    [
        ("userId|movieId|rating|timestamp", (0, 1, 2, 3)),
        ("user_id:token|item_id:token|rating:float|timestamp:float", (0, 1, 2, 3)),
        ("User-ID|ISBN|Book-Rating", (0, 1, 2, None)),
        ("date|product_id|customer_id|quantity", (2, 1, 3, 0)),
        ("reviewerID|asin|overall|unixReviewTime|reviewText", (0, 1, 2, 3)),
        ("item|user", (1, 0, None, None)),
        ("visitorid|itemid|ts", (0, 1, None, 2)),
        ("username|user_id|title|movie_id", (1, 3, None, None)),
        ("user|artist|plays", (0, 1, 2, None)),
    ],
)
def test_names_in_use_are_known(names, places):
    assert chosen(names) == places


def test_what_is_said_goes_first_and_dash_leaves_out():
    assert chosen("user|item|rating|stars|time", value="stars", time="-") == (0, 1, 3, None)
    assert chosen("user|item|who", user="who") == (2, 1, None, None)
    assert choose(["a", "b", "rating"], {"user": "a", "item": "b"}, "log").report == (
        "columns by name: user 'a', item 'b', value 'rating'; no time",
    )


def test_all_problems_are_told_at_once_with_the_nearest_names():
    with pytest.raises(DataError) as error:
        chosen("usr|itm|rating|stars", value=None)
    text = str(error.value)
    for said in ("the users; did you mean 'usr'", "the items; did you mean 'itm'", "more than one column may be the value: 'rating', 'stars'", "the columns are 'usr', 'itm', 'rating', 'stars'"):  # fmt: skip
        assert said in text
    with pytest.raises(DataError, match="no column 'usre' for the user; did you mean 'user'"):
        chosen("user|item", user="usre")


def test_one_column_has_one_role_and_one_name_one_column():
    with pytest.raises(DataError, match="two roles"):
        chosen("user|item", user="item", item="item")
    with pytest.raises(DataError, match="more than once"):
        chosen("user|item|user", user="user")


def test_places_fill_what_is_not_said():
    places = {"user": 0, "item": 1, "value": 2}
    c = choose(["1", "2", "3"], {"value": "-"}, "log", by_place=lambda: places)
    assert (c.user, c.item, c.value, c.time) == (0, 1, None, None)
    assert "by place" in c.report[0]
    assert c.roles((5, 6, 7, 8), 9) == [5, 6, 9]
    assert c.name("item") == "2"


def test_known_names_are_counted():
    assert known_names(["userId", "Movie ID", "colour"]) == 2
