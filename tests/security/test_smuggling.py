"""S6: one message in is one message out, however its lines end (VU#302671)."""

import asyncio
import re
from typing import Any

import pytest

from mailbalance import Attachment, Mailer, Message
from mailbalance.backends.mailtrap_smtp import MailtrapSmtpBackend
from mailbalance.errors import MessageError
from tests.wire.smtp_peer import SmtpPeer
from tests.wire.smtp_ways import How

ENDS = [
    f"{before}{dot}{after}"
    for dot in (".", "..")
    for before, after in [
        ("\n", "\n"), ("\r", "\r"), ("\r", "\n"), ("\n", "\r"),
        ("\n", "\r\n"), ("\r\n", "\n"), ("\r", "\r\n"), ("\r\n", "\r"),
    ]
]  # fmt: skip
SECOND = (
    "MAIL FROM:<evil@x.com>{e}RCPT TO:<evil@x.com>{e}DATA{e}Subject: evil{e}{e}evil"
)
PLACES = ["{e}", "a{e}", "a{e}" + SECOND.replace("{e}", "\r\n"), "a{e}b\r\n.{e}c"]
KINDS = ["text", "html", "attachment", "raw"]


def message(kind: str, content: str) -> Message:
    head: dict[str, Any] = {"from_": "a@x.com", "to": "b@x.com", "subject": "s"}
    if kind == "raw":
        raw = (
            b"From: a@x.com\r\nTo: b@x.com\r\nSubject: s\r\n\r\n\xe9" + content.encode()
        )
        return Message.from_mime(raw)
    if kind == "attachment":
        file = Attachment(
            content=content.encode(), filename="x.eml", content_type="message/rfc822"
        )
        return Message(**head, text="x", attachments=[file])
    return Message(**head, **{kind: content})


def mailer_for(peer: SmtpPeer) -> Mailer:
    backend = MailtrapSmtpBackend(
        token="smuggler-1234", host="127.0.0.1", port=peer.port, tls="off"
    )
    return Mailer({backend: 1})


def send_all(how: How, mailer: Mailer, messages: list[Message]) -> None:
    """Send what can be sent; ``message/rfc822`` that is no message cannot."""

    def each() -> None:
        for one in messages:
            mailer.send(one)

    async def aeach() -> None:
        for one in messages:
            await mailer.asend(one)
        await mailer.aclose()

    each() if how == "sync" else asyncio.run(aeach())


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_end_smuggles_a_second_message(how: How, kind: str) -> None:
    contents = [place.replace("{e}", end) for end in ENDS for place in PLACES]
    extensions = ("AUTH PLAIN", "8BITMIME", "PIPELINING")
    with SmtpPeer(extensions=extensions) as peer:
        with mailer_for(peer) as mailer:
            send_all(how, mailer, [message(kind, each) for each in contents])

        verbs = [each[:4] for each in peer.commands]
        assert verbs.count("MAIL") == len(peer.accepted) == len(contents)
        assert not [each for each in peer.commands if "evil" in each]
        for _, recipients, wire in peer.accepted:
            assert recipients == ("b@x.com",)
            assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire)
            assert not re.search(rb"(?:^|\r\n)\.(?!\.)", wire)


def test_the_matrix_has_the_size_of_the_checklist() -> None:
    assert (len(ENDS), len(PLACES), len(KINDS)) == (16, 4, 4)


def test_nothing_is_ever_sent_by_bdat(how: How) -> None:
    with SmtpPeer(extensions=("AUTH PLAIN", "CHUNKING", "BINARYMIME")) as peer:
        with mailer_for(peer) as mailer:
            send_all(how, mailer, [message("text", "x")])

        assert {"DATA"} == {each for each in peer.commands if each[:2] in ("DA", "BD")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nul", ["\0", "a\0\r\n.\r\n"])
def test_a_nul_in_a_body_is_refused_or_encoded(how: How, nul: str, kind: str) -> None:
    with SmtpPeer(extensions=("AUTH PLAIN", "8BITMIME")) as peer:
        with mailer_for(peer) as mailer:
            try:
                send_all(how, mailer, [message(kind, nul)])
            except MessageError as error:
                assert "NUL" in str(error)  # noqa: PT017

        assert not [wire for _, _, wire in peer.accepted if b"\0" in wire]
