"""The caller's SES calls, read: what each says, and what SES would refuse of it.

What lives here: the pure mapping of the sending operations of boto3's ``ses`` and
``sesv2`` clients. What must not: clients, botocore, any I/O.
"""

from mailbalance.dropin.calls.call import OPERATIONS, Call, Part, SesFault
from mailbalance.dropin.calls.explanation import Explanation, Row, explain
from mailbalance.dropin.calls.faults import fault_of
from mailbalance.dropin.calls.reading import read_call

__all__ = [
    "OPERATIONS",
    "Call",
    "Explanation",
    "Part",
    "Row",
    "SesFault",
    "explain",
    "fault_of",
    "read_call",
]
