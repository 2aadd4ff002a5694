"""The exit code of ``send-many`` tells the state of the whole file."""

import pytest

from mailbalance.cli.many_summary import _code


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ("", 0),
        ("accepted", 0),
        ("accepted, accepted before", 0),
        ("unknown, accepted, wrong", 1),
        ("unknown before, accepted before", 1),
        ("in_doubt, not_accepted", 1),
        ("in_doubt before", 1),
        ("refused", 1),
        ("refused before", 1),
        ("refused, wrong", 1),
        ("wrong", 2),
        ("wrong, accepted before", 3),
        ("refused before, accepted", 3),
        ("refused, not_accepted", 3),
        ("partial", 3),
        ("partial before", 3),
        ("not_accepted", 75),
        ("left", 75),
        ("not_accepted, accepted", 3),
        ("left, accepted before", 3),
    ],
)
def test_the_code_is_the_worst_that_somebody_must_act_on(ends, code):
    counts = {each: 1 for each in ends.split(", ") if each}

    assert _code(counts) == code
