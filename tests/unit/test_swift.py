"""Frozen dataclasses that are made fast, and are what they were in all else."""

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from mailbalance.swift import swift


@swift
@dataclass(frozen=True, slots=True)
class Swift:
    """A value."""

    number: int
    text: str = "some"
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plain:
    """The same, left as it is."""

    number: int
    text: str = "some"
    seen: tuple[str, ...] = ()


@swift
@dataclass(frozen=True, slots=True)
class Checked:
    """A value that is checked."""

    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("below 0")


@pytest.mark.parametrize(
    ("given", "named"),
    [((1,), {}), ((1, "x"), {}), ((), {"seen": ("a",), "number": 2})],
)
def test_it_holds_what_it_is_given_and_its_defaults(given, named):
    swift_one, plain = Swift(*given, **named), Plain(*given, **named)

    assert repr(swift_one) == repr(plain).replace("Plain", "Swift")
    assert hash(swift_one) == hash(plain)


def test_it_is_of_its_own_class():
    assert type(Swift(1)) is Swift


class Roomy(Swift):
    """A subclass with another layout."""


class Tight(Swift):
    """A subclass with the same layout."""

    __slots__ = ()


@pytest.mark.parametrize("kind", [Roomy, Tight])
def test_one_of_a_subclass_is_made_as_ever(kind):
    made = kind(1, text="x")

    assert type(made) is kind
    assert (made.number, made.text, made.seen) == (1, "x", ())
    with pytest.raises(FrozenInstanceError):
        made.number = 2


def test_it_cannot_be_changed():
    made = Swift(1)

    with pytest.raises(FrozenInstanceError):
        made.number = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del made.number


def by_pickle(made: Swift) -> Swift:
    return pickle.loads(pickle.dumps(made))  # noqa: S301 - our own


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, replace, by_pickle])
def test_a_copy_is_equal_and_as_frozen(again):
    made = Swift(1, "x")
    twin = again(made)

    assert twin == made
    assert type(twin) is Swift


def test_its_signature_is_that_of_the_dataclass():
    assert inspect.signature(Swift) == inspect.signature(Plain)


def test_what_it_lacks_is_missing_as_ever():
    with pytest.raises(TypeError, match="number"):
        Swift()  # type: ignore[call-arg]


def test_its_own_checks_are_made():
    assert type(Checked(0)) is Checked
    with pytest.raises(ValueError, match="below 0"):
        Checked(-1)


@pytest.mark.parametrize(
    "kind",
    [
        field(default_factory=list),
        field(init=False, default=1),
        field(kw_only=True, default=1),
    ],
)
def test_a_field_that_needs_more_is_refused(kind):
    with pytest.raises(TypeError, match="odd: more than"):

        @swift
        @dataclass(frozen=True, slots=True)
        class Odd:
            odd: list[int] = kind
