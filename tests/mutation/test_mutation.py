"""The mutation tester itself: the mistakes it makes, and that it sees what tests miss."""

import subprocess
import sys

import pytest

from tests.mutation.operators import mutants, without_alternatives
from tests.mutation.plan import PLAN
from tests.mutation.running import ROOT, path_of


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("def f(a):\n    return a < 1", ["a <= 1", "a < 2", "return None"]),
        ("def f(a):\n    if not a:\n        raise E", ["if a:", "if True:", "pass"]),
        ("def f(a):\n    a.b += 2", ["a.b -= 2", "a.b += 3", "pass"]),
        ("def f(a, b=1, *, c=2):\n    print(b, c)", ["b=2", "c=3"]),
        ("RULES = (R('4', E, 'a|b', scope='x'), S)", ["(S,)", "'b'", "scope='xX'"]),
        ("NAMES = frozenset({'a', 'b'})", ["{'a'}", "{'b'}"]),
        ("RULES = (Rule(RejectedError),)", ["Rule(TransientError)", "()"]),
    ],
)
def test_each_place_gets_its_mistakes(source: str, changed: list[str]) -> None:
    found = [mutant.source for mutant in mutants(source)]

    assert len(found) == len(set(found))
    for part in changed:
        assert any(part in each for each in found), (part, found)


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring."""',
        "from a import b",
        "def f():\n    '''Say.'''",
        "def f(a: int = None) -> str:\n    pass",
        "if TYPE_CHECKING:\n    x = 1",
        "__all__ = ['a']",
        "class A:\n    def __repr__(self):\n        return 'a'",
        "def f(a, b=1, *, c=-2, d):\n    pass",
    ],
)
def test_what_decides_nothing_is_left_alone(source: str) -> None:
    assert not list(mutants(source))


@pytest.mark.parametrize(
    ("pattern", "shorter"),
    [
        ("ab", []),
        ("a|b", ["b", "a"]),
        ("x(a|b)y", ["x(b)y", "x(a)y"]),
        ("a(b|(?:c|d)e)|f", ["f", "a((?:c|d)e)|f", "a(b)|f", "a(b|(?:d)e)|f"]),
        (r"[|(]\||b", ["b", r"[|(]\|"]),
    ],
)
def test_a_pattern_loses_one_alternative_at_a_time(
    pattern: str, shorter: list[str]
) -> None:
    found = [each for _, each in without_alternatives(pattern)]

    assert found[: len(shorter)] == shorter
    assert bool(found) == bool(shorter)


def test_the_plan_names_modules_and_tests_that_are_there() -> None:
    for module, tests in PLAN.items():
        assert path_of(module).is_file()
        assert all((ROOT / test).is_file() for test in tests)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("weak", "killed"), [(False, "3 of    3"), (True, "0 of    3")]
)
def test_mistakes_are_noticed_by_good_tests_and_only_by_those(
    weak: bool, killed: str
) -> None:
    module = "mailbalance.backends._mailtrap_smtp_replies"
    command = [sys.executable, "-m", "tests.mutation", "--every", "12", module]
    command += ["--tests", "tests/unit/test_weights.py"] if weak else []

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert killed in done.stdout
    assert done.returncode == (1 if weak else 0)
