"""Addresses that ask to be refused, for tests that want one refusal and no fault.

What lives here: reading them. What must not: the reply; each door has its own.

``bounce+550+no%20such%20user@any.domain``, as the Mailtrap Sandbox has it, or
``reject-451@any.domain``. Over SMTP the command that names the address (RCPT, or MAIL for
a sender) is answered with that code and text. By API a 5yz refuses the whole message, and
a 4yz is an error of the server (503).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

_WISH = re.compile(r"(?:bounce\+|reject-)([45]\d\d)(?:[+-](.+))?", re.IGNORECASE)
_CONTROL = re.compile(r"[^ -~]+")


@dataclass(frozen=True, slots=True)
class Wish:
    """The refusal that an address asks for."""

    code: int
    text: str

    @property
    def reply(self) -> str:
        """As an SMTP reply."""
        return f"{self.code} {self.text}"


def wish(address: str) -> Wish | None:
    """What an address asks for, or ``None`` if it is an ordinary one."""
    match = _WISH.fullmatch(address.rpartition("@")[0])
    if match is None:
        return None
    text = unquote_plus(match[2] or "refused as the address asks")
    return Wish(int(match[1]), _CONTROL.sub(" ", text))
