"""How fast Mailtrap takes mail, as dated data.

What lives here: its published rates and connections. What must not: sizes and recipients,
which decide whether a message goes there at all.
"""

from __future__ import annotations

from datetime import date

from mailbalance.backend import Rate
from mailbalance.backends._pace import Published

#: Requests of one API token, to all its hosts together. One message is one request here.
API = Published(
    source="https://docs.mailtrap.io/developers/rate-limits",
    checked=date(2026, 11, 23),
    rates=(Rate(150, 10.0, "requests"),),
)

#: Connections of one account, by whichever process and stream.
SMTP = Published(
    source="https://docs.mailtrap.io/email-api-smtp/setup/sending-limits",
    checked=date(2026, 11, 23),
    concurrency=10,
)
