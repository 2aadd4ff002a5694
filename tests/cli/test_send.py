"""``mailbalance send`` to the doors of a local sandbox."""

import json
from pathlib import Path

import pytest

from mailbalance.sandbox import Sandbox
from mailbalance.sandbox.store import DOORS, Door
from tests.cli.conftest import Invoke, Run

ALL = "ses=1,ses-smtp=1,mailtrap=1,mailtrap-smtp=1"
TO = ("send", "--to", "Ana <ana@example.com>", "--subject", "Hi")


def test_the_command_sends_a_message(run: Run, box: Sandbox) -> None:
    ended = run(*TO, "--text", "It works.", env=box.environ())

    (stored,) = box.messages()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"accepted by {stored.door} for 1 recipient")
    assert ended.stdout.count("\n") == 2
    assert stored.parsed.text == "It works."


@pytest.mark.parametrize("door", DOORS)
def test_via_chooses_the_door(invoke: Invoke, box: Sandbox, door: Door) -> None:
    ended = invoke(*TO, "--text", "x", "--via", door, env=box.environ(ALL))

    assert (ended.exit_code, len(box.messages(door))) == (0, 1), ended.output


def test_text_is_read_from_a_pipe(invoke: Invoke, box: Sandbox) -> None:
    invoke(*TO, stdin="load: 0.5 ü\n", env=box.environ())

    assert box.messages()[0].parsed.text == "load: 0.5 ü\n"


def test_text_and_html_are_read_from_files(
    invoke: Invoke, box: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "mail.html").write_text("<p>Grüße</p>")

    invoke(
        *TO, "--html", f"@{tmp_path}/mail.html", "--text", "@@ana", env=box.environ()
    )

    parsed = box.messages()[0].parsed
    assert (parsed.html, parsed.text) == ("<p>Grüße</p>", "@ana")


def test_every_part_of_a_message_can_be_said(
    invoke: Invoke, box: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "bill.pdf").write_bytes(b"%PDF")

    ended = invoke(
        *TO, "--cc", "ben@example.com", "--bcc", "eve@example.com", "--from",
        "shop@example.com", "--reply-to", "help@example.com", "--text", "x",
        "--attach", f"{tmp_path}/bill.pdf", "--category", "bill", "--metadata",
        "order=7=8", "--header", "X-Note: a: b", env=box.environ("mailtrap=1"),
    )  # fmt: skip

    assert ended.exit_code == 0, ended.output
    parsed = box.messages()[0].parsed
    assert (parsed.sender, parsed.category) == ("shop@example.com", "bill")
    assert (parsed.cc, parsed.bcc) == (("ben@example.com",), ("eve@example.com",))
    assert parsed.reply_to == ("help@example.com",)
    assert parsed.variables["order"] == "7=8"
    assert [file.filename for file in parsed.attachments] == ["bill.pdf"]
    assert ("X-Note", "a: b") in parsed.headers


def test_a_finished_message_is_sent_as_it_is(invoke: Invoke, box: Sandbox) -> None:
    eml = "From: shop@example.com\nTo: ana@example.com\nSubject: Old\n\nHello.\n"

    ended = invoke("send", "--eml", "-", stdin=eml, env=box.environ("ses-smtp=1"))

    assert ended.exit_code == 0, ended.output
    assert box.messages()[0].parsed.subject == "Old"


def test_json_tells_the_whole_receipt(invoke: Invoke, box: Sandbox) -> None:
    ended = invoke(*TO, "--text", "x", "--json", env=box.environ("ses=1"))

    receipt = json.loads(ended.stdout)
    assert receipt["ok"] is True
    assert (receipt["outcome"], receipt["backend"]) == ("accepted", "ses")
    assert receipt["accepted"] == ["ana@example.com"]
    assert receipt["provider_ids"] == list(box.messages()[0].provider_ids)
    assert [attempt["outcome"] for attempt in receipt["attempts"]] == ["accepted"]


def test_a_dry_run_shows_each_request_and_sends_nothing(
    invoke: Invoke, box: Sandbox
) -> None:
    ended = invoke(*TO, "--text", "Dry.", "--dry-run", env=box.environ(ALL))

    assert ended.exit_code == 0, ended.output
    assert ended.stdout.count("Dry.") == len(DOORS)
    assert "POST http://127.0.0.1" in ended.stdout
    assert "nothing was sent" in ended.stdout
    assert not box.messages()


def test_a_dry_run_as_json_holds_the_requests_by_backend(
    invoke: Invoke, box: Sandbox
) -> None:
    dry = (*TO, "--text", "Dry.", "--dry-run", "--json", "--via", "mailtrap-smtp")

    shown = json.loads(invoke(*dry, env=box.environ(ALL)).stdout)

    assert list(shown["requests"]) == ["mailtrap-smtp"]
    assert "RCPT TO:<ana@example.com>" in shown["requests"]["mailtrap-smtp"]
    assert shown["sent"] is False


def test_json_has_standard_output_to_itself(invoke: Invoke) -> None:
    sent = (*TO, "--from", "a@example.com", "--text", "x", "--json")

    ended = invoke(*sent, env={"MAILBALANCE_SPLIT": "console=1"})

    assert json.loads(ended.stdout)["backend"] == "console"
    assert "Envelope: a@example.com" in ended.stderr
