"""Questions about the SES account, answered here where SES carries nothing.

What lives here: ``GetSendQuota`` and ``GetAccount``, which frameworks ask before sending.
With SES absent or at weight 0 there may be no AWS keys to ask with. What must not: any
other operation; those go to AWS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbalance.dropin.replies import reply
from mailbalance.dropin.stand_ins import uses_ses

if TYPE_CHECKING:
    from mailbalance.dropin.replies import Reply
    from mailbalance.mailer import Mailer

OPERATIONS = frozenset({("ses", "GetSendQuota"), ("sesv2", "GetAccount")})

#: Messages a second: Mailtrap takes 150 requests in 10 s for each token.
#: Source: Mailtrap's "API rate limits", read 2026-11-23.
MAX_SEND_RATE = 15.0

#: SES's word for "unlimited" in ``Max24HourSend``. Source: SES API reference, SendQuota.
UNLIMITED = -1.0


def answer(mailer: Mailer, service: str, url: str) -> Reply | None:
    """Answer for an account that may send, or give ``None`` when SES is in use."""
    if uses_ses(mailer):
        return None
    quota = {
        "Max24HourSend": UNLIMITED,
        "MaxSendRate": MAX_SEND_RATE,
        "SentLast24Hours": 0.0,
    }
    return reply(service, url, quota if service == "ses" else _account(quota))


def _account(quota: dict[str, float]) -> dict[str, Any]:
    return {
        "DedicatedIpAutoWarmupEnabled": False,
        "EnforcementStatus": "HEALTHY",
        "ProductionAccessEnabled": True,
        "SendQuota": quota,
        "SendingEnabled": True,
    }
