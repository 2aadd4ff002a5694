"""What SES's replies over SMTP mean, as dated data.

What lives here: the table. What must not: what any server's replies mean; that is
``wire.smtp.verdict``, asked after this.

Sources: Amazon SES Developer Guide, "SMTP response codes returned by Amazon SES" and
"Amazon SES email sending errors"; texts seen in public logs. Read 2026-11-23.
"""

from mailbalance.errors import ThrottledError, UnavailableError, UnsuitableError
from mailbalance.wire.smtp import Rule

#: SES's own replies.
REPLIES = (
    Rule("454", UnavailableError, r"daily message quota", scope="account"),
    Rule("4", ThrottledError, r"maximum .*rate exceeded|too many concurrent"),
    Rule("535", UnavailableError, r"not subscribed", scope="account"),
    Rule("5", UnavailableError, r"sending (is )?(paused|suspended)", scope="account"),
    Rule("554", UnavailableError, r"not verified", scope="sender"),
    Rule("554", UnavailableError, r"access denied|not authorized"),
    Rule("554", UnsuitableError, r"configuration set"),
)
