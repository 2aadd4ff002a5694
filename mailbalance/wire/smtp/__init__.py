"""SMTP as sending needs it: one transaction, one outcome, nothing retried or hidden.

What lives here: ``SmtpWire`` and the values that pass through it. What must not: any
provider's host, header or reply.

The parts: ``transaction`` is the dialogue about one message, a generator without I/O;
``blocking`` and ``looped_pump`` pump it on a socket and on asyncio (``looped`` is the line
there); their ``_dial`` siblings open sessions with smtplib and aiosmtplib, which then hand
the connection over; their ``_pool`` siblings keep connections by the rules of
``connection``. ``verdict`` reads replies, ``faults`` turns foreign exceptions into ours.
"""

from mailbalance.wire.smtp.commands import Mail, fits, path
from mailbalance.wire.smtp.connection import Reuse
from mailbalance.wire.smtp.server import SECURITIES, Credentials, Security, Server
from mailbalance.wire.smtp.steps import Accepted
from mailbalance.wire.smtp.verdict import Rule
from mailbalance.wire.smtp.wire import SmtpWire

__all__ = [
    "SECURITIES",
    "Accepted",
    "Credentials",
    "Mail",
    "Reuse",
    "Rule",
    "Security",
    "Server",
    "SmtpWire",
    "fits",
    "path",
]
