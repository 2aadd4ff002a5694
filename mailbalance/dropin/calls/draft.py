"""A message in the making, with the parameter that each of its fields came from.

What lives here: collecting fields and reasons, and the last step to a ``Part``. What must
not: knowledge of any operation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from mailbalance.dropin.calls.call import Part
from mailbalance.errors import MessageError
from mailbalance.message import Envelope, Message

_FIELD = re.compile(r"(\w+)(?:\.(\w+)|\[(?:'([^']*)'|(\d+))\])?[^:]*: (.*)", re.DOTALL)

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
        fields: Keyword arguments of ``Message``.
        places: Which parameter a field, or an option such as ``ses.tenant``, came from.
        reasons: Why the message stays on SES.
        envelope: Who it goes to, if not those of the headers.
        raw: A finished message, which the fields change.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    reasons: list[Reason] = field(default_factory=list)
    envelope: Envelope | None = None

    def put(self, name: str, value: Any, place: str) -> None:
        """Set a field of the message."""
        self.fields[name] = value
        self.places[name] = place

    def option(self, name: str, value: str | bool | None, place: str) -> None:
        """Set an option that only SES knows, unless it is empty."""
        if value is not None and value != "":
            self.fields.setdefault("ses", {})[name] = value
            self.places[f"ses.{name}"] = place

    def keep(self, place: str, why: str) -> None:
        """Keep the message on SES."""
        self.reasons.append(Reason(place, why))

    def part(self) -> Part:
        """Give the message; if it cannot be said in full, one that only SES may carry."""
        try:
            message = Message(**self.fields)
        except MessageError as error:
            for problem in error.problems:
                self.reasons.append(self._in_their_words(problem))
            message = self._stub()
        why = "; ".join(dict.fromkeys(map(str, self.reasons))) or None
        return Part(message, self.envelope, why)

    def _stub(self) -> Message:
        kept = {name: self.fields[name] for name in _KEPT if name in self.fields}
        return Message(
            **kept, raw=_NOTHING, unrepresented=tuple(map(str, self.reasons))
        )

    def _in_their_words(self, problem: str) -> Reason:
        """Name the caller's parameter where our own field has the fault."""
        found = _FIELD.fullmatch(problem)
        if found is None:
            return Reason("", problem)
        name, inner, key, at, text = found.groups()
        place = self.places.get(f"{name}.{inner}") or self.places.get(name, name)
        step = f"[{at}]" if at is not None else f"[{key!r}]" if key else ""
        return Reason(place + step, text)
