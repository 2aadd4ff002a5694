"""Which extra headers a message may carry, and how each may be written.

What lives here: the grammar of header names, the reserved names with what to use
instead, and which headers are structured. What must not: writing or reading a header.
"""

from __future__ import annotations

import re

from mailbalance.rules.characters import fault_in_line

#: ftext of RFC 5322 section 3.6.8; 76 leaves room for ": " in a line of 78.
_NAME = re.compile(r"[!-9;-~]{1,76}")

#: Octets in a line without its CRLF. Source: RFC 5322 section 2.1.1.
LONGEST_LINE = 998

#: Where a line may break: before a single space. Readers keep more spaces, or a TAB, only
#: when no line breaks there.
BREAK = re.compile(r"(?<=[^ \t])(?= [^ \t])")

#: Characters of one stretch without such a place that surely fit in one line.
LONGEST_STRETCH = 900

#: msg-id of RFC 5322 section 3.6.4, without comments and quoted parts.
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]{1,400}@[!-;=?A-~]{1,400}>")

_USE = {
    "from": "from_",
    "to": "to",
    "cc": "cc",
    "bcc": "bcc",
    "reply-to": "reply_to",
    "subject": "subject",
    "date": "date",
    "message-id": "message_id",
    "mime-version": "text, html and attachments",
    "content-type": "text, html and attachments",
    "content-transfer-encoding": "text, html and attachments",
    "content-disposition": "attachments",
    "content-id": "attachments",
    "content-description": "attachments",
    "x-mt-category": "category",
    "x-mt-custom-variables": "metadata",
    "x-ses-message-tags": "metadata",
    "x-ses-configuration-set": "ses={'configuration_set': ...}",
    "x-ses-source-arn": "ses={'source_arn': ...}",
    "x-ses-from-arn": "ses={'from_arn': ...}",
    "x-ses-return-path-arn": "ses={'return_path_arn': ...}",
    "x-ses-list-management-options": "ses={'contact_list': ..., 'topic': ...}",
    "x-ses-tenant": "ses={'tenant': ...}",
}

#: Written by the servers a message passes, or about a passage that is not this one.
_OF_SERVERS = frozenset(
    {
        "return-path",
        "received",
        "delivered-to",
        "dkim-signature",
        "domainkey-signature",
        "authentication-results",
    }
)
_OF_SERVERS_PREFIXES = ("arc-", "resent-")

_ADDRESSES = frozenset(
    {
        "sender",
        "disposition-notification-to",
        "return-receipt-to",
        "errors-to",
        "x-confirm-reading-to",
        "mail-followup-to",
        "mail-reply-to",
    }
)

#: Structured headers: an encoded word inside would be read literally, or not at all
#: (RFC 2047 section 5; Gmail ignores a List-Unsubscribe that holds one).
_STRUCTURED = frozenset(
    {
        "references",
        "in-reply-to",
        "precedence",
        "auto-submitted",
        "importance",
        "priority",
        "sensitivity",
        "x-priority",
        "x-msmail-priority",
        "content-language",
        "feedback-id",
        "x-mt-custom-variables",
        "x-ses-message-tags",
        "x-auto-response-suppress",
        "require-recipient-valid-since",
    }
)


def is_name(name: str) -> bool:
    """Whether it has the form of a header name."""
    return _NAME.fullmatch(name) is not None


def is_message_id(value: str) -> bool:
    """Whether it has the form of a Message-ID, with its angle brackets."""
    return _MESSAGE_ID.fullmatch(value) is not None


def fault_in_name(name: str) -> str | None:
    """Say why a header name cannot be used, or ``None`` when it can."""
    if not _NAME.fullmatch(name):
        return (
            "is no header name; use 1 to 76 printable ASCII characters without colon "
            "or space"
        )
    low = name.lower()
    if low in _USE:
        return f"is written by the library; use {_USE[low]} instead"
    if low.startswith("x-ses-"):
        return "is an SES control header; use ses={...} instead"
    if low.startswith("x-mt-"):
        return "is a Mailtrap control header; use category, metadata or mailtrap={...}"
    if low in _OF_SERVERS or low.startswith(_OF_SERVERS_PREFIXES):
        return "is written by the servers a message passes; leave it out"
    return None


def fault_in_value(name: str, value: str) -> str | None:
    """Say why a header cannot carry the value, or ``None`` when it can."""
    if (fault := fault_in_line(value, tab=True)) is not None:
        return fault
    if not is_structured(name):
        return None
    if not value.isascii():
        return "holds non-ASCII characters, which this header cannot carry; remove them"
    if any(len(stretch) > LONGEST_STRETCH for stretch in BREAK.split(value)):
        return (
            f"holds a stretch of over {LONGEST_STRETCH} characters without a space to "
            f"break the line at, and a line may have {LONGEST_LINE}; shorten it"
        )
    return None


def holds_addresses(name: str) -> bool:
    """Whether the header's value is an address."""
    return name.lower() in _ADDRESSES


def is_structured(name: str) -> bool:
    """Whether encoded words have no place in the header."""
    low = name.lower()
    return low in _STRUCTURED or low.startswith("list-")
