"""What SES's server would refuse of a call that botocore lets pass.

What lives here: the order in which SES looks, and its codes. What must not: the rules for
single values (``fault_words``).

Botocore checks types, required members and shortest lengths only. Without this, what is
refused would depend on which provider a message is drawn for. Tags come first, as at SES.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mailbalance.dropin.calls import content_faults as content
from mailbalance.dropin.calls import fault_words
from mailbalance.dropin.calls.addresses import LISTS
from mailbalance.dropin.calls.call import SesFault
from mailbalance.dropin.calls.content_faults import Found

Params = Mapping[str, Any]

#: Recipients of a message, and entries of a bulk call. Source: SES developer guide,
#: "Service quotas" (2026-11).
MOST_RECIPIENTS = 50

_PLAIN = {"ses": "InvalidParameterValue", "sesv2": "BadRequestException"}
_NO_SET = {"ses": "ConfigurationSetDoesNotExist", "sesv2": "NotFoundException"}
_TAG_LISTS = ("Tags", "EmailTags", "DefaultTags", "DefaultEmailTags")
_SENDERS = {"ses": "Source", "sesv2": "FromEmailAddress"}
_ENTRIES = ("Destinations", "BulkEmailEntries")


def fault_of(service: str, operation: str, params: Params) -> SesFault | None:
    """Say what SES would refuse of a call as a whole, or ``None``.

    Entries of bulk calls that SES would refuse alone are left out; ``entry_fault`` has
    them.
    """
    bulk = "Bulk" in operation
    checks = _bulk(service, params) if bulk else _single(service, operation, params)
    found = next(_tags(params), None) or next(checks, None)
    if found is None and not content.is_set_name(params.get("ConfigurationSetName")):
        name = params["ConfigurationSetName"]
        return SesFault(_NO_SET[service], f"Configuration set <{name}> does not exist.")
    return _fault(service, found)


def entry_fault(service: str, params: Params, entry: Params) -> SesFault | None:
    """Say what SES would report as the status of one entry of a bulk call, or ``None``."""
    replies = params.get("ReplyToAddresses") or ()
    recipients = destination(entry.get("Destination"))
    found = next(_recipients(recipients), None) or next(_addresses(replies), None)
    tags = _in_all(fault_words.in_tag, entry.get("ReplacementTags"))
    return _fault(service, next(tags, None) or found)


def destination(lists: Params | None) -> list[str]:
    """Give all addresses of a Destination: To, Cc, Bcc."""
    return [address for name in LISTS for address in (lists or {}).get(name) or ()]


def _fault(service: str, found: Found | None) -> SesFault | None:
    if found is None:
        return None
    return SesFault(found.code or _PLAIN[service], found.text)


def _tags(params: Params) -> Iterator[Found]:
    for name in _TAG_LISTS:
        yield from _in_all(fault_words.in_tag, params.get(name))


def _single(service: str, operation: str, params: Params) -> Iterator[Found]:
    if operation == "SendRawEmail":
        yield from _v1_raw(params)
    elif service == "ses":
        yield from _v1_composed(operation, params)
    else:
        yield from _v2(params)


def _v1_composed(operation: str, params: Params) -> Iterator[Found]:
    yield from _people(params, "Source", ("ReturnPath",))
    if operation == "SendEmail":
        yield from content.simple(params.get("Message") or {}, content.MOST_V1)
    else:
        yield from _v1_template(params)
        yield from content.data(params.get("TemplateData"))


def _v1_template(params: Params) -> Iterator[Found]:
    if not (params.get("Template") or params.get("TemplateArn")):
        yield Found("The template name must be specified.")


def _v1_raw(params: Params) -> Iterator[Found]:
    given = params.get("Destinations") or ()
    if given:
        yield from _recipients(list(given))
    yield from _addresses([params["Source"]] if params.get("Source") else ())
    body = (params.get("RawMessage") or {}).get("Data", b"")
    needs = content.Needs(sender=not params.get("Source"), recipients=not given)
    yield from content.raw(body, needs, content.MOST_V1)


def _v2(params: Params) -> Iterator[Found]:
    body = params.get("Content") or {}
    if len([name for name in ("Simple", "Raw", "Template") if name in body]) != 1:
        yield Found("Exactly one of Simple, Raw or Template must be specified.")
    elif "Raw" in body:
        yield from _v2_raw(params, body["Raw"])
    else:
        feedback = ("FeedbackForwardingEmailAddress",)
        yield from _people(params, "FromEmailAddress", feedback)
        if "Simple" in body:
            yield from content.simple(body["Simple"], content.MOST_V2)
        else:
            yield from content.template(body["Template"])


def _v2_raw(params: Params, given: Params) -> Iterator[Found]:
    people = destination(params.get("Destination"))
    if people:
        yield from _recipients(people)
    named = (
        params.get("FromEmailAddress"),
        params.get("FeedbackForwardingEmailAddress"),
    )
    yield from _addresses(
        [*filter(None, named), *(params.get("ReplyToAddresses") or ())]
    )
    needs = content.Needs(
        sender=not params.get("FromEmailAddress"), recipients=not people
    )
    yield from content.raw(given.get("Data", b""), needs, content.MOST_V2)


def _people(params: Params, sender: str, others: tuple[str, ...]) -> Iterator[Found]:
    if not params.get(sender):
        yield Found("Source cannot be empty")
    named = [params.get(name) for name in (sender, *others)]
    replies = params.get("ReplyToAddresses") or ()
    yield from _addresses([*filter(None, named), *replies])
    yield from _recipients(destination(params.get("Destination")))


def _recipients(recipients: list[str]) -> Iterator[Found]:
    if not recipients:
        yield Found("Destination must have at least one address.")
    yield from _addresses(recipients)
    if len(recipients) > MOST_RECIPIENTS:
        yield Found(f"Recipient count exceeds {MOST_RECIPIENTS}.")


def _addresses(addresses: Any) -> Iterator[Found]:
    yield from _in_all(fault_words.in_address, addresses)


def _in_all(check: Any, values: Any) -> Iterator[Found]:
    for value in values or ():
        if (text := check(value)) is not None:
            yield Found(text)


def _bulk(service: str, params: Params) -> Iterator[Found]:
    yield from _bulk_people(service, params)
    entries = next((params[name] for name in _ENTRIES if name in params), ())
    if not entries:
        yield Found("Destinations must have at least one entry.")
    if len(entries) > MOST_RECIPIENTS:
        yield Found(f"Destinations must have at most {MOST_RECIPIENTS} entries.")
    if service == "sesv2":
        body = params.get("DefaultContent") or {}
        if "Template" not in body:
            yield Found("DefaultContent must have a Template.")
        yield from content.template(body.get("Template") or {})
    else:
        yield from _v1_template(params)
    yield from content.data(params.get("DefaultTemplateData"))
    for entry in entries:
        yield from _bulk_entry(entry)


def _bulk_people(service: str, params: Params) -> Iterator[Found]:
    sender = params.get(_SENDERS[service])
    if not sender:
        yield Found("Source cannot be empty")
    feedback = ("ReturnPath", "FeedbackForwardingEmailAddress")
    for address in filter(None, (sender, *(params.get(name) for name in feedback))):
        if fault_words.in_address(address) is not None:
            yield Found(f"Invalid email address<{address}>.")


def _bulk_entry(entry: Params) -> Iterator[Found]:
    inner = (entry.get("ReplacementEmailContent") or {}).get(
        "ReplacementTemplate"
    ) or {}
    yield from content.headers(entry.get("ReplacementHeaders") or ())
    yield from content.data(
        inner.get("ReplacementTemplateData") or entry.get("ReplacementTemplateData")
    )
