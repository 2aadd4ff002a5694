"""Weights of a split: what is understood, and what each mistake is told."""

from decimal import Decimal
from fractions import Fraction

import pytest

from mailbalance.config import parse_split, parse_weights
from mailbalance.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ses=60,mailtrap=40", {"ses": 60, "mailtrap": 40}),
        ("ses:60 mailtrap:40", {"ses": 60, "mailtrap": 40}),
        (" ses = 60 , mailtrap = 40 ,", {"ses": 60, "mailtrap": 40}),
        ("ses=60%,mailtrap=40%", {"ses": 60, "mailtrap": 40}),
        (
            "ses=99.5%,mailtrap=0.5%",
            {"ses": Fraction("99.5"), "mailtrap": Fraction("0.5")},
        ),
        ("ses=1,mailtrap=0", {"ses": 1, "mailtrap": 0}),
        ("mailtrap-smtp=3", {"mailtrap-smtp": 3}),
    ],
)
def test_a_split_is_read_in_the_ways_people_write_it(text, expected):
    assert {w.name: w.value for w in parse_split(text)} == expected


def test_a_backup_has_no_weight_and_takes_failover_only():
    ses, mailtrap = parse_split("ses=backup,mailtrap=1")

    assert (ses.backup, ses.value, mailtrap.backup) == (True, 0, False)


@pytest.mark.parametrize(
    ("weight", "value"),
    [(60, 60), (0.1, Fraction(1, 10)), (Decimal("0.3"), Fraction(3, 10)),
     (Fraction(1, 3), Fraction(1, 3)), ("2.5", Fraction(5, 2))],
)  # fmt: skip
def test_a_weight_may_be_any_plain_number(weight, value):
    assert parse_weights([("ses", weight)])[0].value == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ses=-1,mailtrap=2", "negative"),
        ("ses=nan,mailtrap=2", "not a plain number"),
        ("ses=1e3,mailtrap=2", "not a plain number"),
        ("ses=inf", "not a plain number"),
        ("ses=,mailtrap=2", "not a plain number"),
        ("ses", "no weight"),
        ("ses=60%,mailtrap=50%", "add to 110, not to 100"),
        ("ses=60%,mailtrap=40", "some weights have %"),
        ("ses=0,mailtrap=0", "no weight is above 0"),
        ("ses=backup", "no weight is above 0"),
        ("ses=1,ses=2", "twice"),
        ("Ses=1", "no name for a backend"),
        ("", "names no backend"),
    ],
)
def test_each_mistake_in_a_split_gets_one_clear_error(text, said):
    with pytest.raises(ConfigError, match=said) as caught:
        parse_split(text)

    assert len(caught.value.problems) == 1
    assert "MAILBALANCE_SPLIT" in str(caught.value)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -0.1, True, None, "x"])
def test_a_weight_that_is_no_plain_number_is_refused(weight):
    with pytest.raises(ConfigError, match="the weight of ses"):
        parse_weights([("ses", weight), ("mailtrap", 1)])


def test_all_problems_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_split("ses=-1,mailtrap=x,ses-smtp")

    assert len(caught.value.problems) == 3
