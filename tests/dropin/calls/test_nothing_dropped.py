"""Each parameter of the table by itself: what it says arrives, or keeps the message."""

import json

import pytest

from mailbalance.backends._json import whole
from mailbalance.backends._mailtrap_request import request_body
from mailbalance.dropin.calls import read_call
from mailbalance.dropin.calls.parameters import TABLE
from mailbalance.message import Envelope
from tests.dropin.calls.samples import RAW, UUID

TEMPLATES = {
    "one": UUID,
    "arn:one": UUID.replace("0f", "1f"),
    "two": UUID.replace("0f", "2f"),
}
ADDRESSES = ("one@example.com", "two@example.com")
DATA = ('{"a": 1}', '{"a": 2}')

#: Two values for a parameter, by the end of its path; plain words for all others.
VALUES = {
    "ReplacementTags[].Name": ("own", "owned"),
    "ReplacementHeaders[].Name": ("X-Own", "X-Owned"),
    "ReplacementTemplateData": ('{"b": 1}', '{"b": 2}'),
    "Addresses[]": ADDRESSES,
    "Destinations[]": ADDRESSES,
    "Source": ADDRESSES,
    "ReturnPath": ADDRESSES,
    "EmailAddress": ADDRESSES,
    "TemplateData": DATA,
    "TemplateArn": ("arn:one", "arn:two"),
    "RawMessage.Data": (RAW, RAW.replace(b"Hi", b"Bye")),
    "Raw.Data": (RAW, RAW.replace(b"Hi", b"Bye")),
    "RawContent": (b"one", b"two"),
    "Headers[].Name": ("X-One", "X-Two"),
    "FileName": ("one.txt", "two.txt"),
    "ContentType": ("text/one", "text/two"),
    "ContentDisposition": ("ATTACHMENT", "INLINE"),
    "Enabled": ("ENABLED", "DISABLED"),
}
ROWS = [
    (*call, path, rule) for call, rules in TABLE.items() for path, rule in rules.items()
]
KEPT = [row[:3] for row in ROWS if row[3].effect == "stays on SES"]
SENT = [row[:3] for row in ROWS if row[3].effect in ("carried", "translated")]

#: Contents of which a call has one.
KINDS = ("Content.Simple", "Content.Raw", "Content.Template")


def values(path):
    found = [pair for end, pair in VALUES.items() if path.endswith(end)]
    return found[0] if found else ("one", "two")


def put(params, path, value):
    name, dot, rest = path.partition(".")
    listed, name = name.endswith("[]"), name.removesuffix("[]")
    if listed:
        params.setdefault(name, [{} if dot else value])
        params = params[name][0] if dot else {}
    elif dot:
        params = params.setdefault(name, {})
    if dot:
        put(params, rest, value)
    elif not listed:
        params[name] = value


def full_call(service, operation, tested):
    """A call with all that goes together with one parameter, and stays nowhere."""
    params = {}
    kind = next((each for each in KINDS if tested.startswith(each)), "Content.Simple")
    for path, rule in TABLE[service, operation].items():
        other_kind = path.startswith(KINDS) and not path.startswith(kind)
        other_name = path.endswith("TemplateArn") and not tested.endswith("TemplateArn")
        other_name |= path.endswith("TemplateName") and tested.endswith("TemplateArn")
        if rule.effect != "stays on SES" and not (other_kind or other_name):
            put(params, path, values(path)[0])
    return params


def told(service, operation, params):
    (part,) = read_call(service, operation, params, templates=TEMPLATES).parts
    if part.only_ses is not None:
        return part.only_ses
    body = request_body(part.message, part.envelope or Envelope.of(part.message))
    return json.loads(whole(body))


@pytest.mark.parametrize(("service", "operation", "path"), SENT)
def test_what_a_parameter_says_reaches_mailtrap(service, operation, path):
    first, second = (full_call(service, operation, path) for _ in range(2))
    put_last(second, path, values(path)[1])

    before = told(service, operation, first)

    assert isinstance(before, dict), before
    assert told(service, operation, second) != before


@pytest.mark.parametrize(("service", "operation", "path"), KEPT)
def test_what_only_ses_can_do_keeps_the_message(service, operation, path):
    params = full_call(service, operation, path)
    put(params, path, values(path)[0])
    if path.startswith("ListManagementOptions"):
        put(params, "ListManagementOptions.ContactListName", "one")

    reason = told(service, operation, params)

    first = path.partition("[")[0].partition(".")[0]
    assert isinstance(reason, str)
    assert reason.startswith(first)


def put_last(params, path, value):
    """Replace a value that is there, in lists too."""
    name, dot, rest = path.partition(".")
    listed, name = name.endswith("[]"), name.removesuffix("[]")
    if dot:
        put_last(params[name][0] if listed else params[name], rest, value)
    else:
        params[name] = [value] if listed else value
