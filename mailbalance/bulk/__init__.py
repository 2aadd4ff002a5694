"""Many messages at once: each with its own route, plan and end, together where it helps.

What lives here: ``send_many`` and ``asend_many`` behind the methods of ``Mailer``. What
must not: an outcome rule of its own; each message has its plan as if it were sent alone.
"""

from mailbalance.bulk.looped import asend_many
from mailbalance.bulk.result import Result
from mailbalance.bulk.threads import send_many

__all__ = ["Result", "asend_many", "send_many"]
