"""SES and Mailtrap over SMTP: their rules.

What lives here: what each of the two accepts beyond the protocol. What must not: reply
texts that are always the same (``smtp_words``), or what both share (``smtp_doors``).
"""

from __future__ import annotations

import hmac
import re
import uuid
from typing import TYPE_CHECKING

from mailbalance.sandbox import smtp_words
from mailbalance.sandbox.header_addresses import address_in
from mailbalance.sandbox.identity import mime_fields
from mailbalance.sandbox.ses import message_id
from mailbalance.sandbox.ses_rules import mime_fault
from mailbalance.sandbox.smtp_doors import SmtpDoor

if TYPE_CHECKING:
    from mailbalance.sandbox.smtp_dialogue import Dialogue

#: RFC 1870 section 4; more digits than these, Python would not convert.
_SIZE = re.compile(r"[0-9]{1,20}")


class SesSmtpDoor(SmtpDoor):
    """SES over SMTP.

    Source: SES developer guide, SMTP response codes and quotas (2026-11).
    """

    name = "ses-smtp"
    words = smtp_words.SES
    max_size = 40 * 1024 * 1024
    max_line = 1000

    def extensions(self, *, tls: bool) -> list[str]:
        """The lines of the reply to EHLO."""
        start = [] if tls else ["STARTTLS"]
        return [self.words.host, "8BITMIME", *start, "AUTH PLAIN LOGIN", "Ok"]

    def knows(self, user: str, password: str) -> bool:
        """Whether these are credentials of this box."""
        if not _same(user, self.credentials.access_key):
            return False
        known = self.credentials.ses_smtp_passwords()
        return any(_same(password, one) for one in known)

    def judge(self, dialogue: Dialogue, body: bytes) -> str | None:
        """The rules after the final dot."""
        if len(dialogue.recipients) > 50:
            return "554 Transaction failed: Recipient count exceeds 50."
        fields = {n.lower(): v for n, v in mime_fields(body)}
        sender = address_in(fields.get("from", ""))
        if not sender:
            return "554 Transaction failed: Missing required header 'From'."
        if not self.allows(sender):
            region = self.credentials.region.upper()
            return (
                "554 Message rejected: Email address is not verified. The following "
                f"identities failed the check in region {region}: {sender}"
            )
        fault = mime_fault(body)
        return f"554 Transaction failed: {fault}" if fault else None

    def acknowledge(self) -> tuple[tuple[str, ...], str]:
        """An id, and the reply that carries it."""
        given = message_id()
        return (given,), f"250 Ok {given}"


class MailtrapSmtpDoor(SmtpDoor):
    """Mailtrap over SMTP.

    Source: Mailtrap's help pages "Sending limits", "SMTP integration" (2026-08).
    """

    name = "mailtrap-smtp"
    words = smtp_words.MAILTRAP
    max_size = 10 * 1024 * 1024
    max_line = 65536
    parameters = frozenset({"BODY", "AUTH", "SIZE", "RET", "ENVID"})
    max_connections = 10
    max_messages = 100

    def extensions(self, *, tls: bool) -> list[str]:
        """The lines of the reply to EHLO."""
        offers = [] if tls else ["STARTTLS"]
        if tls or not self.require_tls:
            offers.append("AUTH PLAIN LOGIN")
        size = f"SIZE {self.max_size}"
        fixed = ["PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN"]
        return [self.words.host, size, *offers, *fixed]

    def knows(self, user: str, password: str) -> bool:
        """Whether these are credentials of this box."""
        keys = self.credentials
        if user in {"api", "smtp@mailtrap.io"}:
            return _same(password, keys.token)
        return _same(user, keys.sandbox_user) and _same(password, keys.sandbox_password)

    def login(self, dialogue: Dialogue, user: str, password: str) -> str | None:
        """At most ten connections at a time."""
        if len(self.logged_in) >= self.max_connections:
            return self.refusal("535 5.7.8 Too many connections per account")
        return super().login(dialogue, user, password)

    def mail(self, dialogue: Dialogue, sender: str, params: list[str]) -> str | None:
        """Size, domain, messages on this connection."""
        if refusal := super().mail(dialogue, sender, params):
            return refusal
        if dialogue.sent >= self.max_messages:
            return self.refusal("421 4.7.0 Too many messages on one connection")
        size = next((p[5:] for p in params if p.upper().startswith("SIZE=")), "0")
        if not _SIZE.fullmatch(size):
            return self.refusal(self.words.bad_parameter)
        if int(size) > self.max_size:
            return self.refusal(self.words.too_big)
        if not self.allows(sender):
            return self.refusal("550 5.7.1 Sending from domain is not allowed")
        return None

    def judge(self, dialogue: Dialogue, body: bytes) -> str | None:
        """The rules after the final dot."""
        if not body.strip():
            return "554 5.6.0 Error: empty message"
        fields = {n.lower(): v for n, v in mime_fields(body)}
        shown = address_in(fields.get("from", "")).rpartition("@")[2].lower()
        envelope = (dialogue.sender or "").rpartition("@")[2].lower()
        if envelope and shown != envelope:
            return "550 5.7.1 From: Header does not match the sender's domain"
        return None

    def acknowledge(self) -> tuple[tuple[str, ...], str]:
        """An id, and the reply that carries it."""
        queue_id = str(uuid.uuid1())
        return (queue_id,), f"250 2.0.0 Ok: queued as {queue_id}"


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())
