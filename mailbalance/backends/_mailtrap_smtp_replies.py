"""What Mailtrap's replies over SMTP mean, as dated data.

What lives here: the table. What must not: what any server's replies mean; that is
``wire.smtp.verdict``, asked after this.

Sources: docs.mailtrap.io, the troubleshooting pages of "SMTP integration" and of the Email
Sandbox, and "Sending limits". Read 2026-11-23.
"""

from mailbalance.errors import ThrottledError, UnavailableError
from mailbalance.wire.smtp import Rule

#: Mailtrap's own replies. Three of these 5yz are no refusal of the message.
REPLIES = (
    Rule("535", ThrottledError, r"too many connections"),
    Rule("535", UnavailableError, r"limit reached|quota", scope="account"),
    Rule("535", UnavailableError),
    Rule("550", ThrottledError, r"too many emails per second"),
    Rule("5", UnavailableError, r"sending from domain .*not allowed", scope="sender"),
    Rule("5", UnavailableError, r"match the sender.?s domain", scope="sender"),
)
