"""What an error means to a shell."""

import pytest

from mailbalance import errors
from mailbalance.cli.output import (
    Code,
    Output,
    code_of,
    facts_of,
    printable,
    what_to_do,
)
from mailbalance.errors import DeliveryError, MailError

CODES: dict[type[MailError], int] = {
    errors.ConfigError: 78,
    errors.ClosedError: 1,
    errors.MessageError: 2,
    errors.KeyConflictError: 2,
    errors.RejectedError: 1,
    errors.UnsuitableError: 1,
    errors.ThrottledError: 75,
    errors.TransientError: 75,
    errors.UnavailableError: 75,
    errors.UnknownOutcomeError: 1,
}
KINDS = pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)


@KINDS
def test_every_error_has_its_exit_code(kind: type[MailError]) -> None:
    assert code_of(kind("what happened")) == CODES[kind]


def test_no_error_class_is_forgotten() -> None:
    named = {getattr(errors, name) for name in errors.__all__}

    assert named - {MailError, DeliveryError} == set(CODES)


def test_only_what_was_provably_not_accepted_invites_another_try() -> None:
    inviting = [kind for kind in CODES if code_of(kind("x")) == Code.TEMPORARY]

    assert all(issubclass(kind, DeliveryError) for kind in inviting)
    assert {getattr(kind, "outcome", None) for kind in inviting} == {"not_accepted"}


def test_what_was_accepted_in_part_does_not_invite_another_try() -> None:
    error = errors.TransientError("busy")
    error.accepted = ("ana@example.com",)

    assert code_of(error) == Code.PARTLY


@KINDS
def test_every_error_says_what_to_do(kind: type[MailError]) -> None:
    assert what_to_do(kind("what happened")).endswith(".")


def test_an_unknown_outcome_warns_of_a_second_copy() -> None:
    assert "twice" in what_to_do(errors.UnknownOutcomeError("no reply"))


def test_a_wait_that_the_provider_asked_for_is_told() -> None:
    error = errors.ThrottledError("slow down", retry_after=7.0)

    assert "in 7 seconds" in what_to_do(error)


def test_a_message_error_names_the_option_in_place_of_the_field() -> None:
    error = errors.MessageError(["from_: is missing", "to[1]: has no @"])

    told = facts_of(error)["error"]

    assert told["problems"] == ["--from: is missing", "--to[1]: has no @"]


def test_a_provider_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Output(json=False).say("refused \x1b[2J\x07 [bold]now[/bold]")

    assert capsys.readouterr().out == "refused \ufffd[2J\ufffd [bold]now[/bold]\n"


def test_ordinary_text_is_left_alone() -> None:
    assert printable("Grüße,\n\t日本") == "Grüße,\n\t日本"
