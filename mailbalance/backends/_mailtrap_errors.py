"""What the error replies of Mailtrap's sending API mean, as dated data.

What lives here: the table. What must not: reading a reply, raising.

Sources: Mailtrap's OpenAPI files (2026-06), replies recorded by its Ruby SDK, and what
django-anymail's tests see at the live service (2026-07). There are no error codes: status
and text must do. A sender's domain that is not verified comes as 401, 403, 400 or 422.
"""

from __future__ import annotations

import re

from mailbalance.backends._http import Rule, Verdict
from mailbalance.errors import ThrottledError, UnavailableError, UnsuitableError

_REFUSALS = frozenset({400, 401, 403, 422})

_UNVERIFIED = re.compile(
    r"""domain\b.{0,60}(\bnot|n't|\bun)[ ]?-?(verified|allowed|authorized|found|compliant)
    |(unverified|demo)\b.{0,20}\bdomain
    |sending[ ]from\b.{0,80}\bnot[ ]allowed
    |does[ ]not[ ]match[ ]the[ ]sender's[ ]domain""",
    re.I | re.X,
)
#: A part of every message that only this API insists on; what is blank may be none to it.
_LACKING = re.compile(r"'(subject|text|html)' is required|must specify either", re.I)
_CLOSED = re.compile(r"banned|suspended|blocked|deactivated|paused|disabled", re.I)
_SPENT = re.compile(r"plan|quota|billing|upgrade|monthly|daily|messages? limit", re.I)

#: The first rule that covers a reply counts; then those of HTTP itself.
RULES = (
    Rule(
        Verdict(UnavailableError, "sender", "verify the sender's domain at Mailtrap"),
        statuses=_REFUSALS,
        text=_UNVERIFIED,
    ),
    Rule(Verdict(UnsuitableError), statuses=frozenset({400, 422}), text=_LACKING),
    Rule(
        Verdict(UnavailableError, "account"),
        statuses=frozenset({401, 403}),
        text=_CLOSED,
    ),
    Rule(
        Verdict(
            UnavailableError,
            hint="check the API token: does it exist, has it expired, may it send from "
            "this domain?",
        ),
        statuses=frozenset({401, 403}),
    ),
    Rule(Verdict(UnavailableError, "account"), statuses=frozenset({429}), text=_SPENT),
    Rule(Verdict(ThrottledError), statuses=frozenset({429})),
)
