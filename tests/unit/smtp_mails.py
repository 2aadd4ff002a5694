"""Messages and header reading shared by the tests of the SMTP backends."""

import email.policy
import pickle
from email.message import EmailMessage
from typing import Any, cast

from mailbalance import Message
from mailbalance.backends._smtp import SmtpBackend
from mailbalance.envelope import Envelope
from mailbalance.wire.smtp import Rule
from mailbalance.wire.smtp.replies import Reply
from mailbalance.wire.smtp.verdict import judge


def message(**fields: Any) -> Message:
    return Message(
        **{
            "from_": "Ana <ana@example.com>",
            "to": "ben@example.net",
            "subject": "Hello",
            "text": "hi",
            **fields,
        }
    )


def headers(backend: SmtpBackend, sent: Message) -> EmailMessage:
    """Give what the backend would send, as the standard library reads it."""
    mail = backend._mail(sent, Envelope.of(sent))
    read = email.message_from_bytes(b"".join(mail.pieces), policy=email.policy.default)
    return cast("EmailMessage", read)


def known_replies(table: str) -> list[tuple[str, str, str]]:
    """Read lines of ``phase error/scope reply``."""
    lines = [line.split(None, 2) for line in table.strip().splitlines()]
    return [(reply, phase, meaning) for phase, meaning, reply in lines]


def meaning(reply: str, phase: str, rules: tuple[Rule, ...]) -> str:
    """Give ``error/scope`` for a reply, by way of a pickle."""
    made = judge(Reply(int(reply[:3]), (reply[4:],)), phase, rules)
    again = pickle.loads(pickle.dumps(made))  # noqa: S301 - made just now
    assert str(again) == str(made)
    name = type(made).__name__.removesuffix("Error")
    return "/".join(filter(None, (name, getattr(again, "scope", ""))))


def refusal(backend: SmtpBackend, sent: Message) -> str | None:
    return backend.refuses(sent, Envelope.of(sent))
