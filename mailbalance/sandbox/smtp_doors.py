"""What the two SMTP doors share: logins, faults, storing, the form of a message.

What lives here: decisions that do not depend on the provider. What must not: a provider's
rules (``smtp_providers``), the protocol (``smtp_dialogue``), sockets (``smtp``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from mailbalance.sandbox import smtp_words
from mailbalance.sandbox.bounce import wish
from mailbalance.sandbox.identity import identify_mime, mime_fields
from mailbalance.sandbox.store import Arrival, Door

if TYPE_CHECKING:
    from mailbalance.sandbox.credentials import Credentials
    from mailbalance.sandbox.faults import Fault, Faults, Strike
    from mailbalance.sandbox.smtp_dialogue import Dialogue
    from mailbalance.sandbox.store import Store

#: Recipients of one message that are remembered. RFC 5321 4.5.3.1.8 asks for 100; the
#: providers' own limits are the subclasses'.
MAX_RECIPIENTS = 1000
_BARE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class SmtpDoor:
    """What both doors share.

    Attributes:
        name: Name of the door.
        words: Its replies.
        require_tls: Whether AUTH and mail need an encrypted connection.
        idle: Seconds without a byte after which the connection is closed.
        max_size: Bytes of the largest message.
        max_line: Octets of the longest line, its end included.
    """

    name: ClassVar[Door]
    words: ClassVar[smtp_words.Words]
    max_size: ClassVar[int]
    max_line: ClassVar[int]
    parameters: ClassVar[frozenset[str]] = frozenset({"BODY", "AUTH"})

    def __init__(
        self,
        *,
        credentials: Credentials,
        store: Store,
        faults: Faults,
        verified: frozenset[str] | None,
        require_tls: bool = True,
        idle: float,
    ) -> None:
        self.credentials = credentials
        self.require_tls = require_tls
        self.idle = idle
        self.logged_in: set[Dialogue] = set()
        self._store = store
        self._faults = faults
        self._verified = verified

    def turn_away(self) -> str | None:
        """The reply to a new connection that is refused."""
        if self._faults.closed(self.name) or self._faults.refuses(self.name):
            return self.refusal(self.words.unavailable)
        return None

    def refusal(self, reply: str) -> str:
        """Count a refusal and pass its reply on."""
        self._store.refuse(self.name)
        return reply

    def extensions(self, *, tls: bool) -> list[str]:
        """The lines of the reply to EHLO, without their codes."""
        raise NotImplementedError

    def login(self, dialogue: Dialogue, user: str, password: str) -> str | None:
        """Judge a login; the reply if it fails."""
        if not self.knows(user, password):
            return self.refusal(self.words.bad_login)
        self.logged_in.add(dialogue)
        return None

    def knows(self, user: str, password: str) -> bool:
        """Whether these are credentials of this box."""
        raise NotImplementedError

    def leave(self, dialogue: Dialogue) -> None:
        """A connection has ended."""
        self.logged_in.discard(dialogue)

    def mail(self, dialogue: Dialogue, sender: str, params: list[str]) -> str | None:
        """Judge MAIL FROM; the reply if it is refused."""
        # a new connection was judged when it came
        if dialogue.begun > 1 and self._faults.refuses(self.name):
            return self.refusal(self.words.unavailable)
        if self._faults.closed(self.name):
            return self.refusal(self.words.unavailable)
        if wanted := wish(sender):
            return self.refusal(wanted.reply)
        parts = (param.upper().partition("=") for param in params)
        given = {name: value for name, _, value in parts}
        if given.keys() - self.parameters:
            return self.refusal(self.words.bad_parameter)
        if given.get("BODY", "7BIT") not in {"7BIT", "8BITMIME"}:
            return self.refusal(self.words.bad_parameter)
        return None

    def rcpt(self, dialogue: Dialogue, recipient: str, params: list[str]) -> str | None:
        """Judge RCPT TO; the reply if it is refused."""
        if len(dialogue.recipients) >= MAX_RECIPIENTS:
            return self.words.too_many_at_once
        wanted = wish(recipient)
        return None if wanted is None else wanted.reply

    def strike(self) -> Strike:
        """What goes wrong with the message that has just come."""
        return self._faults.strike(self.name)

    def receive(
        self, dialogue: Dialogue, body: bytes | None, strike: Strike, *, gone: bool
    ) -> str | None:
        """Judge the whole message; the reply, or ``None`` to drop the connection."""
        fault = strike.fault
        if refusal := self._judge(dialogue, body) or self._fault_reply(fault):
            return self.refusal(refusal)
        ids, reply = self.acknowledge()
        arrival = self.arrival(dialogue, body or b"", ids)
        dropped = fault is not None
        self._store.accept(self.name, arrival, answered=not (dropped or gone))
        dialogue.sent += 1
        return None if dropped else reply

    def acknowledge(self) -> tuple[tuple[str, ...], str]:
        """Ids for an accepted message, and the reply to it."""
        raise NotImplementedError

    def arrival(self, dialogue: Dialogue, body: bytes, ids: tuple[str, ...]) -> Arrival:
        """The accepted message."""
        return Arrival(
            sender=dialogue.sender or "",
            recipients=tuple(dialogue.recipients),
            raw=body,
            provider_ids=ids,
            identity=identify_mime(mime_fields(body)),
        )

    def judge(self, dialogue: Dialogue, body: bytes) -> str | None:
        """The provider's own rules; the reply if the message is refused."""
        raise NotImplementedError

    def allows(self, address: str) -> bool:
        """Whether mail from this address may be sent."""
        domain = address.rpartition("@")[2].lower()
        return self._verified is None or domain in self._verified

    def _fault_reply(self, fault: Fault | None) -> str | None:
        if fault is None or fault.kind == "drop":
            return None
        usual = {
            "throttle": self.words.throttled,
            "error": self.words.failed,
            "reject": self.words.rejected,
        }[fault.kind]
        code, _, text = usual.partition(" ")
        return f"{fault.code or code} {fault.text or text}"

    def _judge(self, dialogue: Dialogue, body: bytes | None) -> str | None:
        if body is None:
            return self.words.too_big
        if _BARE_LINE_END.search(body):
            return self.words.bare_line_end
        if len(max(body.split(b"\r\n"), key=len)) + 2 > self.max_line:
            return self.words.line_too_long
        return self.judge(dialogue, body)
