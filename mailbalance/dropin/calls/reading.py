"""A call's parameters to its messages.

What lives here: which readers each operation needs, and in which order. What must not:
the reading itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mailbalance.dropin.calls import addresses, content, parameters, raw, settings
from mailbalance.dropin.calls import tags as message_tags
from mailbalance.dropin.calls import templates as stored
from mailbalance.dropin.calls.call import Call, Part, SesFault
from mailbalance.dropin.calls.draft import Draft
from mailbalance.dropin.calls.faults import entry_fault
from mailbalance.errors import MessageError

Params = Mapping[str, Any]
Templates = Mapping[str, str]


def read_call(
    service: str, operation: str, params: Params, *, templates: Templates
) -> Call:
    """Read a call of a sending operation.

    Args:
        service: ``"ses"`` or ``"sesv2"``.
        operation: As botocore names it: ``"SendEmail"``.
        params: The caller's parameters, which botocore's own validation has passed.
        templates: Names of SES templates with the ids of their Mailtrap twins.

    Raises:
        MessageError: When a call of one message names no recipient; with the parameter.
    """
    found = drafts(service, operation, params, templates=templates)
    entries = _entries(params) if "Bulk" in operation else None
    if entries is None:
        parts = tuple(map(Draft.part, found))
    else:
        faults = [entry_fault(service, params, entry) for entry in entries]
        parts = tuple(map(_entry_part, found, faults))
    return Call(service, operation, params, parts)


def _entries(params: Params) -> Sequence[Params]:
    return params.get("Destinations") or params.get("BulkEmailEntries") or ()


def _entry_part(draft: Draft, fault: SesFault | None) -> Part:
    """Give an entry's message; one without recipients only fails its own entry."""
    try:
        return replace(draft.part(), fault=fault)
    except MessageError as error:
        return Part(draft.stub(), None, str(error), fault)


def drafts(
    service: str, operation: str, params: Params, *, templates: Templates
) -> list[Draft]:
    """Read a call, and give its messages in the making."""
    found = _READERS[service, operation](params, templates)
    unknown = parameters.unknown(service, operation, params)
    for draft in found:
        if draft.x_tags:
            message_tags.take_x_tags(draft)
        if "ses" in draft.fields:
            settings.keep_what_only_ses_can(draft)
        for place in unknown:
            draft.keep(place, "this version of mailbalance does not know it")
    return found


def _addressed(params: Params, sender: str) -> Draft:
    draft = Draft(places={"from_": sender, "to": "Destination.ToAddresses"})
    addresses.read_sender(draft, params.get(sender), sender)
    addresses.read_destination(draft, params.get("Destination"), "Destination")
    if "ReplyToAddresses" in params:
        addresses.read_replies(draft, params)
    settings.read_settings(draft, params)
    return draft


def _v1_simple(params: Params, templates: Templates) -> list[Draft]:
    draft = _addressed(params, "Source")
    content.read_simple(draft, params.get("Message") or {}, "Message")
    if "Tags" in params:
        message_tags.read_tags(draft, (params["Tags"], "Tags"))
    return [draft]


def _v1_template(params: Params, templates: Templates) -> list[Draft]:
    draft = _addressed(params, "Source")
    data = stored.read_data(draft, (params.get("TemplateData"), "TemplateData"))
    _v1_stored(draft, params, data, templates)
    if "Tags" in params:
        message_tags.read_tags(draft, (params["Tags"], "Tags"))
    return [draft]


def _v1_stored(
    draft: Draft, params: Params, data: Params | None, templates: Templates
) -> None:
    arn = params.get("TemplateArn")
    place = "TemplateArn" if arn else "Template"
    template = stored.Stored(params.get("Template"), arn, place)
    stored.read_stored(draft, template, data, templates=templates)


def _v1_raw(params: Params, templates: Templates) -> list[Draft]:
    draft = Draft(places={"from_": "Source", "to": "Destinations"})
    place = "RawMessage.Data"
    raw.read_raw(draft, (params.get("RawMessage") or {}).get("Data", b""), place)
    raw.read_v1_source(draft, params.get("Source"))
    recipients = params.get("Destinations") or ()
    raw.read_recipients(draft, [(recipients, "Destinations")], place)
    settings.read_settings(draft, params)
    if "Tags" in params:
        message_tags.read_tags(draft, (params["Tags"], "Tags"))
    return [draft]


def _v2_single(params: Params, templates: Templates) -> list[Draft]:
    body = params.get("Content") or {}
    if body.get("Raw"):
        draft = _v2_raw(params, body["Raw"])
    else:
        draft = _addressed(params, "FromEmailAddress")
        if template := body.get("Template"):
            _v2_template(draft, template, "Content.Template", (), templates)
        else:
            content.read_simple(draft, body.get("Simple") or {}, "Content.Simple")
    if "EmailTags" in params:
        message_tags.read_tags(draft, (params["EmailTags"], "EmailTags"))
    for name in body if len(body) > 1 else ():
        draft.keep(f"Content.{name}", "it is not the only content")
    return [draft]


def _v2_raw(params: Params, given: Params) -> Draft:
    places = {"from_": "FromEmailAddress", "to": "Destination.ToAddresses"}
    draft = Draft(places=places)
    place = "Content.Raw.Data"
    raw.read_raw(draft, given.get("Data", b""), place)
    raw.read_v2_authors(draft, params)
    lists = params.get("Destination") or {}
    groups = [
        (lists.get(name) or (), f"Destination.{name}") for name in addresses.LISTS
    ]
    raw.read_recipients(draft, groups, place)
    settings.read_settings(draft, params)
    return draft


def _v2_template(
    draft: Draft,
    template: Params,
    place: str,
    replaced: tuple[tuple[str | None, str], ...],
    templates: Templates,
) -> None:
    content.read_extras(draft, template, place)
    if template.get("TemplateContent") is not None:
        stored.read_inline(draft, f"{place}.TemplateContent")
        return
    default = (template.get("TemplateData"), f"{place}.TemplateData")
    data = stored.read_data(draft, default, *replaced)
    name, arn = template.get("TemplateName"), template.get("TemplateArn")
    named = f"{place}.TemplateArn" if arn else f"{place}.TemplateName"
    stored.read_stored(
        draft, stored.Stored(name, arn, named), data, templates=templates
    )


def _v1_bulk(params: Params, templates: Templates) -> list[Draft]:
    found: list[Draft] = []
    for at, entry in enumerate(params.get("Destinations") or ()):
        place = f"Destinations[{at}]"
        draft = _entry(params, entry, "Source", place)
        data = stored.read_data(
            draft,
            (params.get("DefaultTemplateData"), "DefaultTemplateData"),
            (entry.get("ReplacementTemplateData"), f"{place}.ReplacementTemplateData"),
        )
        _v1_stored(draft, params, data, templates)
        _entry_tags(draft, params, entry, "DefaultTags", place)
        found.append(draft)
    return found


def _v2_bulk(params: Params, templates: Templates) -> list[Draft]:
    found: list[Draft] = []
    template = (params.get("DefaultContent") or {}).get("Template") or {}
    for at, entry in enumerate(params.get("BulkEmailEntries") or ()):
        place = f"BulkEmailEntries[{at}]"
        draft = _entry(params, entry, "FromEmailAddress", place)
        inner = (entry.get("ReplacementEmailContent") or {}).get("ReplacementTemplate")
        where = f"{place}.ReplacementEmailContent.ReplacementTemplate"
        data = (inner or {}).get("ReplacementTemplateData")
        replaced = (data, f"{where}.ReplacementTemplateData")
        _v2_template(draft, template, "DefaultContent.Template", (replaced,), templates)
        if headers := entry.get("ReplacementHeaders"):
            content.read_headers(draft, headers, f"{place}.ReplacementHeaders")
        _entry_tags(draft, params, entry, "DefaultEmailTags", place)
        found.append(draft)
    return found


def _entry(params: Params, entry: Params, sender: str, place: str) -> Draft:
    draft = _addressed({**params, "Destination": None}, sender)
    draft.places["to"] = f"{place}.Destination"
    addresses.read_destination(draft, entry.get("Destination"), f"{place}.Destination")
    return draft


def _entry_tags(
    draft: Draft, params: Params, entry: Params, default: str, place: str
) -> None:
    replaced = (entry.get("ReplacementTags"), f"{place}.ReplacementTags")
    message_tags.read_tags(draft, (params.get(default), default), replaced)


_READERS: dict[tuple[str, str], Callable[[Params, Templates], list[Draft]]] = {
    ("ses", "SendEmail"): _v1_simple,
    ("ses", "SendRawEmail"): _v1_raw,
    ("ses", "SendTemplatedEmail"): _v1_template,
    ("ses", "SendBulkTemplatedEmail"): _v1_bulk,
    ("sesv2", "SendEmail"): _v2_single,
    ("sesv2", "SendBulkEmail"): _v2_bulk,
}
