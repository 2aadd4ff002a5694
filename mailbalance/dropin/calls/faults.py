"""What SES's server would refuse of a call that botocore lets pass.

What lives here: the order in which SES looks, and its codes. What must not: the rules for
single values (``fault_words``).

Botocore checks types, required members and shortest lengths only. Without this, what is
refused would depend on which provider a message is drawn for. Tags come first, as at SES.

Every call is asked for its first fault, and hardly any has one: each check gives it or
``None``, and ``or`` leads to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from mailbalance.dropin.calls import content_faults as content
from mailbalance.dropin.calls import fault_words
from mailbalance.dropin.calls.addresses import LISTS
from mailbalance.dropin.calls.call import SesFault
from mailbalance.dropin.calls.content_faults import Found, first

Params = Mapping[str, Any]

#: Recipients of a message, and entries of a bulk call. Source: SES developer guide,
#: "Service quotas" (2026-11).
MOST_RECIPIENTS = 50

_PLAIN = {"ses": "InvalidParameterValue", "sesv2": "BadRequestException"}
_NO_SET = {"ses": "ConfigurationSetDoesNotExist", "sesv2": "NotFoundException"}
_TAG_LISTS = ("Tags", "EmailTags", "DefaultTags", "DefaultEmailTags")
_SENDERS = {"ses": "Source", "sesv2": "FromEmailAddress"}
_ENTRIES = ("Destinations", "BulkEmailEntries")
_CONTENTS = frozenset({"Simple", "Raw", "Template"})


def fault_of(service: str, operation: str, params: Params) -> SesFault | None:
    """Say what SES would refuse of a call as a whole, or ``None``.

    Entries of bulk calls that SES would refuse alone are left out; ``entry_fault`` has
    them.
    """
    found = _tags(params) or _CHECKS[service, operation](params)
    if found is not None:
        return _fault(service, found)
    name = params.get("ConfigurationSetName")
    if not name or content.is_set_name(name):
        return None
    return SesFault(_NO_SET[service], f"Configuration set <{name}> does not exist.")


def entry_fault(service: str, params: Params, entry: Params) -> SesFault | None:
    """Say what SES would report as the status of one entry of a bulk call, or ``None``."""
    found = (
        first(fault_words.in_tag, entry.get("ReplacementTags") or ())
        or _recipients(destination(entry.get("Destination")))
        or first(fault_words.in_address, params.get("ReplyToAddresses") or ())
    )
    return None if found is None else _fault(service, found)


def all_faults(service: str, operation: str, params: Params) -> Iterator[SesFault]:
    """Give what SES would refuse of a call, and of each entry of a bulk call."""
    entries = _entries(params) if "Bulk" in operation else ()
    found = [fault_of(service, operation, params)]
    found += [entry_fault(service, params, entry) for entry in entries]
    yield from filter(None, found)


def destination(lists: Params | None) -> list[str]:
    """Give all addresses of a Destination: To, Cc, Bcc."""
    found: list[str] = []
    for name in LISTS:
        if lists and (given := lists.get(name)):
            found += given
    return found


def _fault(service: str, found: Found) -> SesFault:
    return SesFault(found.code or _PLAIN[service], found.text)


def _tags(params: Params) -> Found | None:
    for name in _TAG_LISTS:
        if name in params and (found := first(fault_words.in_tag, params[name] or ())):
            return found
    return None


def _v1(params: Params) -> Found | None:
    return _people(params, "Source", "ReturnPath") or content.simple(
        params.get("Message") or {}, content.MOST_V1
    )


def _v1_templated(params: Params) -> Found | None:
    return (
        _people(params, "Source", "ReturnPath")
        or _v1_template(params)
        or content.data(params.get("TemplateData"))
    )


def _v1_template(params: Params) -> Found | None:
    if params.get("Template") or params.get("TemplateArn"):
        return None
    return Found("The template name must be specified.")


def _v1_raw(params: Params) -> Found | None:
    source, given = params.get("Source"), params.get("Destinations")
    body = (params.get("RawMessage") or {}).get("Data", b"")
    needs = content.Needs(sender=not source, recipients=not given)
    return (
        (_recipients(given) if given else None)
        or first(fault_words.in_address, (source,) if source else ())
        or content.raw(body, needs, content.MOST_V1)
    )


def _v2(params: Params) -> Found | None:
    body = params.get("Content") or {}
    if len(_CONTENTS.intersection(body)) != 1:
        return Found("Exactly one of Simple, Raw or Template must be specified.")
    if "Raw" in body:
        return _v2_raw(params, body["Raw"])
    found = _people(params, "FromEmailAddress", "FeedbackForwardingEmailAddress")
    if found is not None:
        return found
    if "Simple" in body:
        return content.simple(body["Simple"], content.MOST_V2)
    return content.template(body["Template"])


def _v2_raw(params: Params, given: Params) -> Found | None:
    people = destination(params.get("Destination"))
    sender = params.get("FromEmailAddress")
    named = (sender, params.get("FeedbackForwardingEmailAddress"))
    replies = params.get("ReplyToAddresses") or ()
    needs = content.Needs(sender=not sender, recipients=not people)
    return (
        (_recipients(people) if people else None)
        or first(fault_words.in_address, [*filter(None, named), *replies])
        or content.raw(given.get("Data", b""), needs, content.MOST_V2)
    )


def _people(params: Params, sender: str, feedback: str) -> Found | None:
    if not (source := params.get(sender)):
        return Found("Source cannot be empty")
    bounces, replies = params.get(feedback), params.get("ReplyToAddresses") or ()
    named = (source, bounces, *replies) if bounces else (source, *replies)
    return _recipients(destination(params.get("Destination")), named)


def _recipients(recipients: Sequence[str], named: Iterable[str] = ()) -> Found | None:
    """Check the addresses a call names first, then all it is for."""
    if found := first(fault_words.in_address, (*named, *recipients)):
        return found
    if not recipients:
        return Found("Destination must have at least one address.")
    if len(recipients) > MOST_RECIPIENTS:
        return Found(f"Recipient count exceeds {MOST_RECIPIENTS}.")
    return None


def _bulk(service: str, params: Params) -> Found | None:
    entries = _entries(params)
    return (
        _bulk_people(service, params)
        or _bulk_size(len(entries))
        or (_v1_template(params) if service == "ses" else _v2_default(params))
        or content.data(params.get("DefaultTemplateData"))
        or next(filter(None, map(_bulk_entry, entries)), None)
    )


def _entries(params: Params) -> Sequence[Params]:
    return next((params[name] for name in _ENTRIES if name in params), ())


def _bulk_size(entries: int) -> Found | None:
    if not entries:
        return Found("Destinations must have at least one entry.")
    if entries > MOST_RECIPIENTS:
        return Found(f"Destinations must have at most {MOST_RECIPIENTS} entries.")
    return None


def _v2_default(params: Params) -> Found | None:
    body = params.get("DefaultContent") or {}
    if "Template" not in body:
        return Found("DefaultContent must have a Template.")
    return content.template(body["Template"] or {})


def _bulk_people(service: str, params: Params) -> Found | None:
    sender = params.get(_SENDERS[service])
    if not sender:
        return Found("Source cannot be empty")
    feedback = ("ReturnPath", "FeedbackForwardingEmailAddress")
    for address in filter(None, (sender, *(params.get(name) for name in feedback))):
        if fault_words.in_address(address) is not None:
            return Found(f"Invalid email address<{address}>.")
    return None


def _bulk_entry(entry: Params) -> Found | None:
    inner = (entry.get("ReplacementEmailContent") or {}).get(
        "ReplacementTemplate"
    ) or {}
    data = inner.get("ReplacementTemplateData") or entry.get("ReplacementTemplateData")
    return content.headers(entry.get("ReplacementHeaders") or ()) or content.data(data)


_CHECKS: dict[tuple[str, str], Callable[[Params], Found | None]] = {
    ("ses", "SendEmail"): _v1,
    ("ses", "SendRawEmail"): _v1_raw,
    ("ses", "SendTemplatedEmail"): _v1_templated,
    ("ses", "SendBulkTemplatedEmail"): partial(_bulk, "ses"),
    ("sesv2", "SendEmail"): _v2,
    ("sesv2", "SendBulkEmail"): partial(_bulk, "sesv2"),
}
