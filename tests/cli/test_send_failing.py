"""``mailbalance send`` when something is wrong: words, JSON, exit code."""

import json
from typing import Any

import pytest

from mailbalance.sandbox import Sandbox
from mailbalance.sandbox.faults import Kind
from tests.cli.conftest import Invoke

REFUSED = "reject-550@example.com"


def failing(invoke: Invoke, box: Sandbox, split: str, *to: str) -> tuple[int, Any]:
    """Send once, with one try only; give the exit code and the JSON."""
    options = [option for each in to for option in ("--to", each)]
    environ = box.environ(split) | {"MAILBALANCE_MAX_ATTEMPTS": "1"}
    ended = invoke(
        "send", *options, "--subject", "Hi", "--text", "x", "--json", env=environ
    )
    return ended.exit_code, json.loads(ended.stdout)


@pytest.mark.parametrize("split", ["ses-smtp=1", "mailtrap=1"])
def test_a_refusal_ends_with_1(invoke: Invoke, box: Sandbox, split: str) -> None:
    code, told = failing(invoke, box, split, REFUSED)

    assert (code, told["exit_code"], told["ok"]) == (1, 1, False)
    assert told["error"]["kind"] == "RejectedError"


def test_a_partial_acceptance_ends_with_3(invoke: Invoke, box: Sandbox) -> None:
    code, told = failing(invoke, box, "ses-smtp=1", "ana@example.com", REFUSED)

    assert (code, told["outcome"]) == (3, "partial")
    assert told["accepted"] == ["ana@example.com"]
    assert told["refused"][REFUSED].startswith("550")


@pytest.mark.parametrize("kind", ["refuse", "throttle", "error"])
def test_what_may_pass_ends_with_75(invoke: Invoke, box: Sandbox, kind: Kind) -> None:
    box.fault("mailtrap-smtp", kind)

    code, told = failing(invoke, box, "mailtrap-smtp=1", "ana@example.com")

    assert (code, told["outcome"]) == (75, "not_accepted")


@pytest.mark.parametrize("split", ["ses=1", "ses-smtp=1"])
def test_an_unknown_outcome_ends_with_1_and_warns(
    invoke: Invoke, box: Sandbox, split: str
) -> None:
    box.fault("ses" if split == "ses=1" else "ses-smtp", "drop", count=1)

    code, told = failing(invoke, box, split, "ana@example.com")

    assert (code, told["outcome"], len(box.messages())) == (1, "unknown", 1)
    assert "twice" in told["error"]["what_to_do"]
    assert told["message_id"].startswith("<")


def test_a_refusal_is_told_in_words(invoke: Invoke, box: Sandbox) -> None:
    sent = ("send", "--to", "bounce+550+no%20such%20user@example.com", "--text", "x")

    ended = invoke(*sent, env=box.environ("ses-smtp=1"))

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "no such user" in ended.stderr
    assert "Message-ID <" in ended.stderr
    assert "correct it first" in ended.stderr


def test_failover_is_told_in_words(invoke: Invoke, box: Sandbox) -> None:
    box.fault("ses", "refuse")
    sent = ("send", "--to", "ana@example.com", "--subject", "Hi", "--text", "x")

    ended = invoke(*sent, env=box.environ("ses=1,mailtrap=backup"))

    assert ended.exit_code == 0, ended.output
    assert "accepted by mailtrap" in ended.stdout
    assert "before that: ses not accepted" in ended.stdout


def test_no_configuration_ends_with_78_and_the_lines_to_choose_from(
    invoke: Invoke,
) -> None:
    ended = invoke("send", "--to", "ana@example.com", "--text", "x")

    assert ended.exit_code == 78
    assert "MAILBALANCE_SPLIT=ses=60,mailtrap=40" in ended.stderr


WRONG = {
    "no recipient": ["--text", "x"],
    "no text": ["--to", "ana@example.com"],
    "no address": ["--to", "ana", "--text", "x"],
    "line break": ["--to", "ana@example.com", "--text", "x", "--subject", "a\nb"],
    "no such file": ["--to", "ana@example.com", "--text", "x", "--attach", "/no/such"],
    "no sender": ["--to", "ana@example.com", "--text", "x"],
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_a_wrong_message_ends_with_2(invoke: Invoke, arguments: list[str]) -> None:
    ended = invoke("send", *arguments, env={"MAILBALANCE_SPLIT": "memory=1"})

    assert ended.exit_code == 2
    assert "Nothing was sent" in ended.stderr


MISUSED = {
    "--via": (["--via", "mailtrp"], "did you mean mailtrap?"),
    "--metadata": (["--metadata", "order"], "no '='"),
    "--metadata twice": (["--metadata", "a=1", "--metadata", "a=2"], "twice"),
    "--header": (["--header", "X-Note"], "no ':'"),
    "--text": (["--text", "@/no/such/file"], "cannot be read"),
    "--html": (["--html", "-", "--text", "-"], "standard input"),
    "--eml": (["--eml", "/no/such/file"], "cannot be read"),
    "no option": (["--nosuch"], "No such option"),
}


@pytest.mark.parametrize(("arguments", "told"), MISUSED.values(), ids=MISUSED)
def test_a_misused_option_ends_with_2(
    invoke: Invoke, arguments: list[str], told: str
) -> None:
    split = {"MAILBALANCE_SPLIT": "mailtrap=1", "MAILTRAP_API_TOKEN": "x"}

    ended = invoke("send", "--to", "ana@example.com", *arguments, env=split)

    assert ended.exit_code == 2
    assert told in " ".join(ended.stderr.split())


def test_a_text_that_is_no_utf8_is_refused(invoke: Invoke, tmp_path: Any) -> None:
    (tmp_path / "latin").write_bytes(b"Gr\xfc\xdfe")
    sent = ("send", "--to", "ana@example.com", "--text", f"@{tmp_path}/latin")

    ended = invoke(*sent, env={"MAILBALANCE_SPLIT": "memory=1"})

    assert ended.exit_code == 2
    assert "UTF-8" in ended.stderr
