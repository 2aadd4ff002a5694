"""No value of any field ever adds a header, a line or a part (security checklist S1-S3)."""

import email
from collections.abc import Callable
from email import policy
from typing import Any

import fast_mail_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import mime
from mailbalance.errors import MessageError
from mailbalance.message import Address, Attachment, Message

_CONTROL = [
    chr(code) for code in (*range(0x09), *range(0x0A, 0x20), *range(0x7F, 0xA0))
]
_CONTROL += ["\u2028", "\u2029", "\ud800", "\udfff"]
_BREAKS = [
    "\n",
    "\r",
    "\r\n",
    "\n ",
    "\r\n\t",
    "\x00",
    "\x0b",
    "\x0c",
    "\x85",
    "\u2028",
]
PAYLOADS = [f"a{brk}Bcc: evil@x.com" for brk in _BREAKS] + [
    "a\r\n\r\n<b>body</b>",
    "a\r\n.\r\nMAIL FROM:<evil@x.com>",
    "\r\nX-Evil: 1",
    "=?utf-8?q?a=0D=0AX-Evil:_1?=",
    'a"\r\nX-Evil: 1',
    "a;\r\n boundary=x",
]
BASE: dict[str, Any] = {"from_": "a@b.c", "to": "d@e.f", "subject": "s", "text": "t"}


def file(**fields: Any) -> dict[str, Any]:
    return {
        "attachments": [Attachment(**{"content": b"x", "filename": "f.txt", **fields})]
    }


#: Every field that reaches a header, each as a message that holds the value there.
FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "from_": lambda v: {"from_": v},
    "from_.name": lambda v: {"from_": Address(email="a@b.c", name=v)},
    "from_.email": lambda v: {"from_": Address(email=f"{v}@b.c")},
    "to": lambda v: {"to": ["x@y.z", f"{v} <a@b.c>"]},
    "cc": lambda v: {"cc": f"a@b.c{v}"},
    "bcc": lambda v: {"bcc": f"{v}@b.c"},
    "reply_to": lambda v: {"reply_to": f"<a@b.c>{v}"},
    "subject": lambda v: {"subject": v},
    "header name": lambda v: {"headers": {f"X-{v}": "1"}},
    "header value": lambda v: {"headers": {"X-Good": v}},
    "list header": lambda v: {"headers": {"List-Unsubscribe": f"<https://x.y/{v}>"}},
    "filename": lambda v: file(filename=v),
    "content_type": lambda v: file(content_type=v),
    "content_type parameter": lambda v: file(content_type=f'text/plain; x="{v}"'),
    "content_id": lambda v: file(content_id=v, inline=True),
    "message_id": lambda v: {"message_id": f"<{v}@b.c>"},
    "category": lambda v: {"category": v},
    "metadata key": lambda v: {"metadata": {v: "1"}},
    "metadata value": lambda v: {"metadata": {"k": v}},
    "key": lambda v: {"key": v},
    "configuration_set": lambda v: {"ses": {"configuration_set": v}},
    "contact_list": lambda v: {"ses": {"contact_list": v}},
    "template_uuid": lambda v: {"mailtrap": {"template_uuid": v}},
}
fields = pytest.mark.parametrize("field", FIELDS)

ALLOWED = {
    "from",
    "to",
    "cc",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "mime-version",
}
ALLOWED |= {"content-type", "content-transfer-encoding", "x-good", "list-unsubscribe"}


def fields_of(data: bytes) -> list[set[str]]:
    """The names of all header fields, as two readers see them."""
    stdlib = email.message_from_bytes(data, policy=policy.default)
    return [
        {name.lower() for name in stdlib},
        {name.lower() for name in fast_mail_parser.parse_email(data).headers},
    ]


def assert_refused_or_harmless(field: str, value: str) -> None:
    try:
        message = Message(**{**BASE, "html": "<img>", **FIELDS[field](value)})
        data = mime.render(message)
    except MessageError:
        return
    extra = {name.lower() for name in message.headers}
    for seen in fields_of(data):
        assert seen <= ALLOWED | extra


@fields
@pytest.mark.parametrize("payload", PAYLOADS, ids=repr)
def test_a_payload_is_refused_or_stays_inside_its_field(
    field: str, payload: str
) -> None:
    assert_refused_or_harmless(field, payload)


@fields
@given(data=st.data())
def test_no_text_leaves_its_field(field: str, data: st.DataObject) -> None:
    value = data.draw(st.text(min_size=1, max_size=30))

    assert_refused_or_harmless(field, value)


@fields
def test_every_control_character_is_refused_and_not_repeated(field: str) -> None:
    for control in _CONTROL:
        with pytest.raises(MessageError) as caught:
            Message(**{**BASE, **FIELDS[field](f"a{control}b")})
        assert not [problem for problem in caught.value.problems if control in problem]


@pytest.mark.parametrize(
    "field", sorted(set(FIELDS) - {"subject", "header value", "list header"})
)
def test_a_tab_is_refused_but_in_text_of_headers(field: str) -> None:
    with pytest.raises(MessageError):
        Message(**{**BASE, **FIELDS[field]("a\tb")})


@given(st.text(max_size=20), st.text(max_size=20))
def test_headers_put_in_front_are_refused_or_harmless(name: str, value: str) -> None:
    rendered = mime.render(Message(**BASE))
    try:
        (both,) = mime.prepend((rendered,), [(name, value)])
    except MessageError:
        return
    for seen in fields_of(both):
        assert seen <= ALLOWED | {name.lower()}
