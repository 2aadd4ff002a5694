"""What a caller's SES call says: one message, or for bulk calls one for each entry.

What lives here: the values that pass between the reading of a call and those who route and
send it. What must not: botocore, clients, any I/O.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailbalance.message import Envelope, Message
from mailbalance.swift import swift

#: The operations that send mail: (service, operation), as botocore names them.
OPERATIONS = frozenset(
    {
        ("ses", "SendEmail"),
        ("ses", "SendRawEmail"),
        ("ses", "SendTemplatedEmail"),
        ("ses", "SendBulkTemplatedEmail"),
        ("sesv2", "SendEmail"),
        ("sesv2", "SendBulkEmail"),
    }
)


#: SES quotes values so, or after a colon.
_QUOTED = re.compile(r"<.*>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SesFault:
    """What SES's server would refuse, in its own terms.

    Attributes:
        code: The error's code, as ``client.exceptions.from_code`` takes it.
        message: SES's words.
    """

    code: str
    message: str

    @property
    def reason(self) -> str:
        """SES's words without the caller's values, which no log may show."""
        return _QUOTED.sub("<...>", self.message.partition(": ")[0])


@swift
@dataclass(frozen=True, slots=True)
class Part:
    """One message of a call.

    Attributes:
        message: What to send by another provider. SES gets the caller's own call, so this
            message never has to say all of it: what is missing is in ``only_ses``.
        envelope: Who it goes to, when that is not what the message's headers say.
        only_ses: Why no other provider can carry it, or ``None``.
        fault: For an entry of a bulk call: why SES would refuse this entry alone and
            report it in the entry's status; ``None`` otherwise.
        left_out: Parameters that another provider's message goes without.
    """

    message: Message
    envelope: Envelope | None = None
    only_ses: str | None = None
    fault: SesFault | None = None
    left_out: tuple[str, ...] = ()


@swift
@dataclass(frozen=True, slots=True)
class Call:
    """A call, read.

    Attributes:
        service: ``"ses"`` or ``"sesv2"``.
        operation: For example ``"SendEmail"``.
        params: The caller's own parameters, untouched.
        parts: Its messages, in the order of the entries; at least one.
    """

    service: str
    operation: str
    params: Mapping[str, Any]
    parts: tuple[Part, ...]
