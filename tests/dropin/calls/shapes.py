"""Botocore's model of the sending operations, and calls made from it."""

from functools import cache

import botocore.session
from hypothesis import strategies as st

ADDRESSES = st.sampled_from(
    [
        "ana@example.com",
        "Ana <ana@example.com>",
        '"Chan, K." <k@example.com>',
        "=?utf-8?q?J=C3=B6rg?= <j@example.com>",
        "Jörg <j@bücher.example>",
        "a..b@docomo.example",
        "Karen, Chan <k@example.com>",
        "nobody",
        "",
    ]
)
RAW = st.sampled_from(
    [
        b"From: a@example.com\r\nTo: b@example.com\r\nSubject: s\r\n\r\ntext\r\n",
        b"Subject: s\nBcc: hidden@example.com\nX-SES-TENANT: t\n\ntext",
        b"From: a@example.com\nReturn-Path: <r@example.com>\n"
        b"X-SES-MESSAGE-TAGS: a=b, category=c\n\ntext",
        b"no header at all",
        "From: ä@example.com\n\ntext",
        b"",
    ]
)
JSONS = st.sampled_from(
    ["{}", '{"a": {"b": 1}}', "[]", "no json", "NaN", '{"a": NaN}', ""]
)
SAID = st.text(max_size=20)
POOLS = {
    "TemplateData": JSONS,
    "DefaultTemplateData": JSONS,
    "ReplacementTemplateData": JSONS,
    "FileName": st.sampled_from(["a.txt", "evil.exe", "a/b.png", "ä.pdf", ""]),
    "ContentType": st.sampled_from(
        ["text/plain", "image/png; x=y", "multipart/mixed", "?"]
    ),
    "ContentId": st.sampled_from(["logo", "<logo>", "a b"]),
    "Name": st.sampled_from(
        ["X-Note", "x-note", "To", "X-SES-A", "category", "k", "ä"]
    ),
    "Value": st.sampled_from(
        ["one", "two", "Gr_-C3_-B6_-C3_-9Fe", "=?utf-8?q?=E2=82=AC?="]
    ),
}
_SENDERS = (
    "Source",
    "FromEmailAddress",
    "ReturnPath",
    "FeedbackForwardingEmailAddress",
)


@cache
def model(service):
    return botocore.session.get_session().get_service_model(service)


@cache
def shape_of(service, operation):
    return model(service).operation_model(operation).input_shape


def leaves(shape, path=""):
    """Every member of a shape that holds a value, with ``[]`` for members of lists."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from leaves(member, f"{path}.{name}" if path else name)
    elif shape.type_name == "list":
        yield from leaves(shape.member, f"{path}[]")
    else:
        yield path


def calls(shape, name=""):
    """Calls that have the form of a shape, sensible and senseless ones."""
    if shape.type_name == "structure":
        members = {n: calls(member, n) for n, member in shape.members.items()}
        required = set(shape.required_members)
        return st.fixed_dictionaries(
            {n: s for n, s in members.items() if n in required},
            optional={n: s for n, s in members.items() if n not in required},
        )
    if shape.type_name == "list":
        return st.lists(calls(shape.member, name), max_size=3)
    if shape.type_name == "blob":
        return RAW
    return _texts(shape, name)


def _texts(shape, name):
    if shape.metadata.get("enum"):
        return st.sampled_from(shape.metadata["enum"])
    if name.endswith(("Addresses", "Destinations")) or name in _SENDERS:
        pool = ADDRESSES
    else:
        pool = POOLS.get(name, SAID)
    shortest = shape.metadata.get("min", 0)
    return pool.filter(lambda text: len(text) >= shortest)
