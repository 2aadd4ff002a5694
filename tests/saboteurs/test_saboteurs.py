"""Every saboteur is noticed; and the unbroken library is not taken for one."""

import re

import pytest

from tests.saboteurs.roster import SABOTEURS
from tests.saboteurs.running import ROOT, caught, copied, ran
from tests.saboteurs.saboteur import Change, Saboteur, all_tests

each = pytest.mark.parametrize("saboteur", SABOTEURS.values(), ids=SABOTEURS)


@pytest.fixture(scope="module")
def copy():
    with copied() as root:
        yield root


@each
def test_a_saboteur_fits_the_source_and_leaves_it_python(saboteur):
    for path, source in saboteur.sources(ROOT).items():
        assert compile(source, str(path), "exec")


@each
def test_every_test_that_must_notice_exists(saboteur):
    for test in saboteur.tests:
        file, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / file).read_text(encoding="utf-8")


def test_there_are_more_than_a_dozen_of_them():
    assert len(SABOTEURS) > 12


def test_a_saboteur_whose_text_has_gone_says_so():
    lost = Saboteur("lost", "", (Change("errors.py", "no such text", ""),), ())

    with pytest.raises(LookupError, match=re.escape("errors.py")):
        lost.sources(ROOT)


@pytest.mark.proof
@pytest.mark.timeout(300)
@each
def test_a_saboteur_is_caught(saboteur, copy):
    found = caught(copy, saboteur)

    assert found.failed, f"nobody noticed: {saboteur.promise}\n{found.output}"


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_the_library_itself_is_not_taken_for_a_saboteur(copy):
    found = ran(copy, all_tests(SABOTEURS.values()), first=False)

    assert not found.failed, found.output
    assert len(found.run) > 500


@pytest.mark.proof
def test_a_change_that_breaks_nothing_is_not_caught(copy):
    idle = Saboteur(
        "idle",
        "",
        (
            Change(
                "delivery/retry.py",
                "RETRY_AFTER_CAP = 600.0",
                "RETRY_AFTER_CAP = 600.00",
            ),
        ),
        ("tests/unit/test_plan.py",),
    )

    assert not caught(copy, idle).failed
