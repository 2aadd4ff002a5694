"""Every parameter of the sending operations, and what becomes of it elsewhere than at SES.

What lives here: the table that the drop-in answers for; the reference page is made from
it, and a test walks botocore's model to see that nothing is missing. What must not: the
doing; the readers beside this module do it.

Paths are botocore's, with ``[]`` for the members of a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: ``carried``: the other provider gets it as it is. ``translated``: in its own form.
#: ``not needed``: it asks SES for something that has no meaning elsewhere.
#: ``left out``: the other provider has no place for it, and readers hardly see it; the log
#: says so. ``stays on SES``: only SES can do it, so a message with it goes nowhere else.
Effect = Literal["carried", "translated", "not needed", "left out", "stays on SES"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of a parameter.

    Attributes:
        effect: What happens.
        why: To what, or why.
    """

    effect: Effect
    why: str


def _rules(effect: Effect, **whys: str) -> dict[str, Rule]:
    return {name: Rule(effect, why) for name, why in whys.items()}


def _under(prefix: str, rules: Mapping[str, Rule]) -> dict[str, Rule]:
    return {f"{prefix}{name}": rule for name, rule in rules.items()}


_DESTINATION = {
    "ToAddresses[]": Rule("carried", "to"),
    "CcAddresses[]": Rule("carried", "cc"),
    "BccAddresses[]": Rule("carried", "bcc; never a header"),
}
_SAID_ONCE = Rule("not needed", "all text goes as UTF-8, which holds every character")
_TEXT = {
    "Subject.Data": Rule("carried", "subject; encoded words are decoded"),
    "Subject.Charset": _SAID_ONCE,
    "Body.Text.Data": Rule("carried", "text"),
    "Body.Text.Charset": _SAID_ONCE,
    "Body.Html.Data": Rule("carried", "html"),
    "Body.Html.Charset": _SAID_ONCE,
}
_HEADER = {
    "Name": Rule(
        "carried",
        "headers; stays on SES when the name is reserved or twice, but for X-Tag: the "
        "second and later become the custom variables tag_2, tag_3 and so on",
    ),
    "Value": Rule("carried", "headers; encoded words are decoded"),
}
_FILE = {
    "RawContent": Rule("carried", "the file's bytes"),
    "FileName": Rule("carried", "the file's name"),
    "ContentType": Rule(
        "carried", "the file's type; guessed from its name if not given"
    ),
    "ContentDisposition": Rule("carried", "attachment or inline"),
    "ContentId": Rule("carried", "content_id, without angle brackets"),
    "ContentTransferEncoding": Rule(
        "not needed", "the bytes arrive the same; each provider encodes its own way"
    ),
    "ContentDescription": Rule(
        "left out", "no other provider's API takes one; the log says so"
    ),
}
_TAG = {
    "Name": Rule(
        "translated",
        "a key of the custom variables; the tag category becomes Mailtrap's category "
        "unless a template makes the content",
    ),
    "Value": Rule("translated", "the value to it, at most 1,000 bytes as JSON in all"),
}
_ARN = Rule(
    "not needed", "it says whose SES identity may be used; a Mailtrap token does there"
)
_BOUNCES = Rule(
    "not needed",
    "SES mails bounces there; Mailtrap mails none, it reports them as events (webhooks)",
)
_SET = Rule(
    "not needed",
    "it chooses events, IP pool and tracking at SES; Mailtrap has webhooks and the "
    "settings of the domain",
)
_TEMPLATE = Rule(
    "translated",
    "template_uuid, if MAILBALANCE_TEMPLATES names Mailtrap's twin; else it stays on SES",
)
_DATA = Rule("translated", "template_variables, read from JSON")
_MERGED = Rule(
    "translated", "template_variables: replaces the default key by key, in objects too"
)
_RAW = Rule(
    "translated",
    "taken apart into fields; what they cannot say keeps it from Mailtrap's API; X-Tag "
    "headers become category, tag_2, tag_3 and so on",
)
_TRACKED = Rule(
    "stays on SES", "Mailtrap switches tracking for a domain, not for a message"
)
_LISTED = Rule(
    "stays on SES", "SES keeps the list, leaves out who unsubscribed, writes the link"
)

_V1 = {
    "SourceArn": _ARN,
    "ReturnPathArn": _ARN,
    "ConfigurationSetName": _SET,
}
_V1_COMPOSED = _V1 | {
    "Source": Rule("carried", "from_"),
    "ReplyToAddresses[]": Rule("carried", "reply_to"),
    "ReturnPath": _BOUNCES,
}
_V1_TEMPLATE = {
    "Template": _TEMPLATE,
    "TemplateArn": Rule(
        "translated",
        "as Template, but MAILBALANCE_TEMPLATES must name the ARN: it may be another "
        "account's template",
    ),
}
_V2 = {
    "FromEmailAddress": Rule("carried", "from_; of raw content, replaces From"),
    "FromEmailAddressIdentityArn": _ARN,
    "ReplyToAddresses[]": Rule(
        "carried", "reply_to; of raw content, replaces Reply-To"
    ),
    "FeedbackForwardingEmailAddress": _BOUNCES,
    "FeedbackForwardingEmailAddressIdentityArn": _ARN,
    "ConfigurationSetName": _SET,
    "EndpointId": Rule(
        "not needed", "it chooses the AWS regions a call to SES goes through"
    ),
    "TenantName": Rule(
        "stays on SES",
        "a tenant has its own reputation and suppressions, which others lack",
    ),
    "ConfigurationOverrides.Tracking.OpenTrackingEnabled": _TRACKED,
    "ConfigurationOverrides.Tracking.ClickTrackingEnabled": _TRACKED,
}
_V2_TEMPLATE = {
    "TemplateName": _TEMPLATE,
    "TemplateArn": _V1_TEMPLATE["TemplateArn"],
    **_rules(
        "stays on SES",
        **{
            f"TemplateContent.{part}": "SES renders it; rendering here is not there yet"
            for part in ("Subject", "Text", "Html")
        },
    ),
    "TemplateData": _DATA,
    **_under("Headers[].", _HEADER),
    **_under("Attachments[].", _FILE),
}

#: (service, operation) to path to rule.
TABLE: dict[tuple[str, str], dict[str, Rule]] = {
    ("ses", "SendEmail"): {
        **_V1_COMPOSED,
        **_under("Destination.", _DESTINATION),
        **_under("Message.", _TEXT),
        **_under("Tags[].", _TAG),
    },
    ("ses", "SendRawEmail"): {
        **_V1,
        "FromArn": _ARN,
        "Source": Rule(
            "not needed",
            "SES mails bounces there; Mailtrap reports them as events (webhooks); it is "
            "From if the message has none",
        ),
        "Destinations[]": Rule(
            "carried", "the envelope; without it To, Cc and Bcc count"
        ),
        "RawMessage.Data": _RAW,
        **_under("Tags[].", _TAG),
    },
    ("ses", "SendTemplatedEmail"): {
        **_V1_COMPOSED,
        **_V1_TEMPLATE,
        **_under("Destination.", _DESTINATION),
        "TemplateData": _DATA,
        **_under("Tags[].", _TAG),
    },
    ("ses", "SendBulkTemplatedEmail"): {
        **_V1_COMPOSED,
        **_V1_TEMPLATE,
        "DefaultTemplateData": _DATA,
        **_under("DefaultTags[].", _TAG),
        **_under("Destinations[].Destination.", _DESTINATION),
        **_under("Destinations[].ReplacementTags[].", _TAG),
        "Destinations[].ReplacementTemplateData": _MERGED,
    },
    ("sesv2", "SendEmail"): {
        **_V2,
        **_under("Destination.", _DESTINATION),
        **_under("Content.Simple.", _TEXT),
        **_under("Content.Simple.Headers[].", _HEADER),
        **_under("Content.Simple.Attachments[].", _FILE),
        "Content.Raw.Data": _RAW,
        **_under("Content.Template.", _V2_TEMPLATE),
        **_under("EmailTags[].", _TAG),
        "ListManagementOptions.ContactListName": _LISTED,
        "ListManagementOptions.TopicName": _LISTED,
    },
    ("sesv2", "SendBulkEmail"): {
        **_V2,
        **_under("DefaultContent.Template.", _V2_TEMPLATE),
        **_under("DefaultEmailTags[].", _TAG),
        **_under("BulkEmailEntries[].Destination.", _DESTINATION),
        **_under("BulkEmailEntries[].ReplacementTags[].", _TAG),
        **_under("BulkEmailEntries[].ReplacementHeaders[].", _HEADER),
        "BulkEmailEntries[].ReplacementEmailContent.ReplacementTemplate."
        "ReplacementTemplateData": _MERGED,
    },
}


def given(params: Mapping[str, Any]) -> dict[str, None]:
    """Give the path of every parameter given, each once, in the order they stand."""
    return dict.fromkeys(_leaves(params, ""))


def unknown(service: str, operation: str, params: Mapping[str, Any]) -> list[str]:
    """Give the parameters that the table does not know."""
    if _within(params, _TREES[service, operation]):
        return []
    known = TABLE[service, operation]
    return [path for path in given(params) if path not in known]


def _within(params: Mapping[str, Any], tree: Mapping[str, Any]) -> bool:
    """Whether the table knows all of it; asked for every call, so in one loop."""
    waiting: list[tuple[Any, Mapping[str, Any]]] = [(params, tree)]
    for value, known in waiting:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name not in known:
                    return False
                if below := known[name]:
                    waiting.append((inner, below))
        else:
            waiting += [(each, known) for each in value]
    return True


def _tree(paths: Iterable[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in paths:
        below = tree
        for name in path.replace("[]", "").split("."):
            below = below.setdefault(name, {})
    return tree


_TREES = {operation: _tree(rules) for operation, rules in TABLE.items()}


def _leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        dot = "." if path else ""
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}{dot}{name}")
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner, f"{path}[]")
    else:
        yield path
