"""The words of the two APIs, as dated data: keys, codes, statuses.

What lives here: how ``ses`` and ``sesv2`` say the same thing, side by side. What must not:
deciding which of it is said.

Sources: botocore's models of ses and sesv2 (1.44, 2026-11), replies recorded from AWS by
LocalStack's tests. The codes of v1 are not the names of its exception classes:
``client.exceptions.ConfigurationSetDoesNotExistException`` has the code
``ConfigurationSetDoesNotExist``.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mailbalance.backends._ses_bulk import CODES

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Words:
    """How one API speaks.

    Attributes:
        content_type: Of its replies.
        entries: The list in a bulk call.
        results: The list in a bulk call's reply.
        success: The status of an entry that was accepted.
        refused: The code for a message that is refused.
        invalid: The code for parameters that no server takes.
        throttled: The code for "too fast", and its HTTP status.
        spent: The code for a quota that is used up.
        paused: The code for an account that must not send.
        statuses: Bulk status by code.
    """

    content_type: str
    entries: str
    results: str
    success: str
    refused: str
    invalid: str
    throttled: tuple[str, int]
    spent: str
    paused: str
    statuses: Mapping[str, str]

    def status(self, code: str) -> str:
        """Give the bulk status that says the same as a code."""
        return self.statuses.get(code, self.statuses[""])

    @property
    def refusals(self) -> frozenset[str]:
        """The statuses of entries that were not accepted."""
        pools = {"InvalidSendingPoolName", "INVALID_SENDING_POOL_NAME"}
        return frozenset(self.statuses.values()) | pools

    def code(self, status: str) -> str:
        """Give the code that says the same as a bulk status, or the status itself."""
        for code, word in self.statuses.items():
            if word == status:
                return code
        return status


V1 = Words(
    content_type="text/xml",
    entries="Destinations",
    results="Status",
    success="Success",
    refused="MessageRejected",
    invalid="InvalidParameterValue",
    throttled=("Throttling", 400),
    spent="Throttling",
    paused="AccountSendingPausedException",
    statuses=MappingProxyType(
        {
            "MessageRejected": "MessageRejected",
            "MailFromDomainNotVerifiedException": "MailFromDomainNotVerified",
            "ConfigurationSetDoesNotExist": "ConfigurationSetDoesNotExist",
            "TemplateDoesNotExist": "TemplateDoesNotExist",
            "AccountSuspendedException": "AccountSuspended",
            "Throttling": "AccountThrottled",
            "LimitExceededException": "AccountDailyQuotaExceeded",
            "AccountSendingPausedException": "AccountSendingPaused",
            "ConfigurationSetSendingPausedException": "ConfigurationSetSendingPaused",
            "InvalidParameterValue": "InvalidParameterValue",
            "ServiceUnavailable": "TransientFailure",
            "": "Failed",
        }
    ),
)

V2 = Words(
    content_type="application/json",
    entries="BulkEmailEntries",
    results="BulkEmailEntryResults",
    success="SUCCESS",
    refused="MessageRejected",
    invalid="BadRequestException",
    throttled=("TooManyRequestsException", 429),
    spent="LimitExceededException",
    paused="SendingPausedException",
    statuses=MappingProxyType(
        {code: status for status, code in CODES.items()} | {"": "FAILED"}
    ),
)

WORDS: Mapping[str, Words] = MappingProxyType({"ses": V1, "sesv2": V2})

#: Operations with entries, each a message. ``SendRawEmail`` has Destinations too.
BULK = frozenset({"SendBulkTemplatedEmail", "SendBulkEmail"})

#: Codes that the tables of the v2 backend know by another name.
SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "TemplateDoesNotExist": "NotFoundException",
        "LimitExceeded": "LimitExceededException",
    }
)
