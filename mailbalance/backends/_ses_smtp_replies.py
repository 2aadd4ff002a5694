"""What SES's replies over SMTP mean, as dated data.

What lives here: the table. What must not: what any server's replies mean; that is
``wire.smtp.verdict``, asked after this.

Sources: Amazon SES Developer Guide, "SMTP response codes returned by Amazon SES" and
"Amazon SES email sending errors"; texts seen in public logs. Read 2026-11-23.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailbalance.backends._ses_errors import (
    THEIR_NAME,
    THEIR_RECIPIENT,
    Facts,
    is_about_recipients,
)
from mailbalance.errors import ThrottledError, UnavailableError, UnsuitableError
from mailbalance.wire.smtp import Rule

if TYPE_CHECKING:
    from mailbalance.backends._http import Verdict

_SET = re.compile(r"configuration.?set", re.I)

#: SES's own replies.
REPLIES = (
    Rule("454", UnavailableError, r"daily message quota", scope="account"),
    Rule("4", ThrottledError, r"maximum .*rate exceeded|too many concurrent"),
    Rule("535", UnavailableError, r"not subscribed", scope="account"),
    Rule("5", UnavailableError, r"configuration.?set"),
    # Only a message can have named one of these.
    Rule(
        "5",
        UnsuitableError,
        r"\b(contact.?list|topic|tenant)\b.*(does not exist|not found|no such)",
    ),
    Rule("5", UnavailableError, r"sending (is )?(paused|suspended)", scope="account"),
    Rule("554", UnavailableError, r"not verified", scope="sender"),
    Rule(
        "5",
        UnavailableError,
        r"(access denied|not authorized).*\bidentity/",
        scope="sender",
    ),
    Rule("554", UnavailableError, r"access denied|not authorized"),
)


def verdict_for(error: UnavailableError, facts: Facts) -> Verdict | None:
    """Return what a reply means for this message alone, if it says nothing of the backend.

    The replies are those of the API in other clothes, so that one message is told the
    same by either way.
    """
    said = error.detail
    if error.scope == "sender" and is_about_recipients(said, facts):
        return THEIR_RECIPIENT
    if _SET.search(said) and facts.named_what(said):
        return THEIR_NAME
    return None
