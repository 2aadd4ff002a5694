"""A mapping that cannot be changed."""

import copy
import json
import pickle
from types import MappingProxyType

import pytest

from mailbalance.frozen import FrozenDict

MADE = FrozenDict({"a": 1})


def in_place(made):
    made |= {"b": 2}


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.__setitem__("b", 2),
        lambda made: made.__delitem__("a"),
        lambda made: made.update(b=2),
        lambda made: made.setdefault("b", 2),
        lambda made: made.pop("a"),
        lambda made: made.popitem(),
        lambda made: made.clear(),
        lambda made: setattr(made, "b", 2),
        in_place,
    ],
)
def test_every_change_is_refused(change):
    with pytest.raises((TypeError, AttributeError)):
        change(MADE)
    assert MADE == {"a": 1}


@pytest.mark.parametrize(
    "other", [{"a": 1}, MappingProxyType({"a": 1}), FrozenDict([("a", 1)])]
)
def test_it_equals_any_mapping_with_the_same_items(other):
    assert other == MADE


def test_equal_ones_have_one_hash():
    assert len({MADE, FrozenDict({"a": 1})}) == 1


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))],  # noqa: S301
)
def test_a_copy_is_equal_and_as_frozen(again):
    twin = again(MADE)

    assert twin == MADE
    assert type(twin) is FrozenDict


def test_it_shows_and_is_written_as_a_dict():
    assert repr(MADE) == "{'a': 1}"
    assert json.dumps(MADE) == '{"a": 1}'
