"""A message in the making, with the parameter that each of its fields came from.

What lives here: collecting fields and reasons, and the last step to a ``Part``. What must
not: knowledge of any operation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from mailbalance.dropin.calls.call import Part
from mailbalance.envelope import unchecked
from mailbalance.errors import MessageError
from mailbalance.message import Envelope, Message

_PROBLEM = re.compile(
    r"(?P<field>\w++)(?:\.(?P<option>\w+)|\['(?P<key>[^']*)'\]|\[(?P<at>\d+)\])?"
    r"[^:]*: (?P<text>.*)",
    re.DOTALL,
)

#: Stands for a message that only SES can carry: nobody else may ever send it, so it says
#: nothing.
_NOTHING = b"Subject:\r\n\r\n"

#: Fields of such a message that are worth keeping, for logs and for the route.
_KEPT = ("from_", "to", "cc", "bcc", "reply_to")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a message stays on SES.

    Attributes:
        place: The parameter, with indices: ``Content.Simple.Headers[2].Name``.
        why: The rest of the sentence.
    """

    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}" if self.place else self.why


@dataclass(slots=True)
class Draft:
    """What has been read so far.

    Attributes:
        fields: Keyword arguments of ``Message``, or changes to ``base``.
        places: Which parameter a field, or an option such as ``ses.tenant``, came from.
        reasons: Why the message stays on SES.
        base: A finished message that the caller gave, if any.
        envelope: Who it goes to, if not those of the headers.
        sender: Who it comes from, as written.
        unread: Recipients that cannot be read as addresses, as written.
        wordless: Whether the content is nothing that a message could hold.
        unclear: Why it is unclear who the finished message goes to or comes from.
        x_tags: Tags as django-anymail writes them, each in an ``X-Tag`` header.
        notes: Parameters that another provider's message goes without.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    reasons: list[Reason] = field(default_factory=list)
    base: Message | None = None
    envelope: Envelope | None = None
    sender: str = ""
    unread: list[str] = field(default_factory=list)
    wordless: bool = False
    unclear: tuple[str, ...] = ()
    x_tags: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def put(self, name: str, value: Any, place: str) -> None:
        """Set a field of the message."""
        self.fields[name] = value
        self.places[name] = place

    def option(self, name: str, value: str | bool | None, place: str) -> None:
        """Set an option that only SES knows, unless it is empty."""
        if value is not None and value != "":
            self.fields["ses"] = {**self.fields.get("ses", {}), name: value}
            self.places[f"ses.{name}"] = place

    def keep(self, place: str, why: str) -> None:
        """Keep the message on SES."""
        self.reasons.append(Reason(place, why))

    def part(self) -> Part:
        """Give the message; if it cannot be said in full, one that only SES may carry.

        Raises:
            MessageError: When there is nobody to send it to.
        """
        message = None if self.wordless or self.unread else self._message()
        envelope = self.envelope
        if message is None:
            message, envelope = self.stub(), self._written_envelope()
        elif envelope is None and not (message.to or message.cc or message.bcc):
            self._refuse_nobody()
        why = self._why() if self.reasons else None
        return Part(message, envelope, why, left_out=tuple(self.notes))

    def _why(self) -> str | None:
        return "; ".join(dict.fromkeys(map(str, self.reasons))) or None

    def _message(self) -> Message | None:
        try:
            if self.base is not None:
                return self.base.model_copy(update=self.fields)
            return Message(**self.fields)
        except MessageError as error:
            self.reasons += map(self._in_their_words, error.problems)
        return None

    def stub(self) -> Message:
        """Give a message that says nothing but who it concerns."""
        kept = {name: value for name in _KEPT if (value := self._people(name))}
        reasons = tuple(map(str, self.reasons))
        return Message(**kept, raw=_NOTHING, unrepresented=reasons)

    def _people(self, name: str) -> Any:
        return self.fields.get(name) or getattr(self.base, name, None)

    def _written_envelope(self) -> Envelope:
        """Give the envelope with what cannot be read left as it was written."""
        if self.envelope is not None:
            return self.envelope
        shown = [self._people(name) or () for name in ("to", "cc", "bcc")]
        emails = [address.email for group in shown for address in group]
        recipients = tuple(dict.fromkeys([*emails, *self.unread]))
        if not recipients:
            self._refuse_nobody()
        sender = self._people("from_")
        return unchecked(sender.email if sender else self.sender, recipients)

    def _refuse_nobody(self) -> NoReturn:
        raise MessageError(f"{self.places.get('to', 'to')}: there is no recipient")

    def _in_their_words(self, problem: str) -> Reason:
        """Name the caller's parameter where our own field has the fault."""
        found = _PROBLEM.fullmatch(problem)
        if found is None:
            return Reason("", problem)
        name, at = found["field"], found["at"]
        place = self.places.get(f"{name}.{found['option']}") or self.places.get(name)
        step = f"[{at}]" if at is not None else ""
        named = f"{found['key']} " if found["key"] else ""
        return Reason(f"{place or name}{step}", f"{named}{found['text']}")
