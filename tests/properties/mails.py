"""Strategies for messages, and two readers that share no code with ours."""

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.headerregistry import AddressHeader, UnstructuredHeader
from typing import Any

import fast_mail_parser
from hypothesis import settings
from hypothesis import strategies as st

from mailbalance.message import Address, Attachment, Message

#: For properties of a whole message, which take ten times as long as others.
fewer = settings(max_examples=settings.default.max_examples // 2)

_ANY = st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"))
_TRICKY = [
    "=?utf-8?q?a?=",
    "=?",
    "?=",
    '"',
    "\\",
    ",",
    "<b@x.com>",
    "a  b",
    "é" * 40,
    "x" * 90,
]
_TRICKY += ["(c)", ";", ":", "𝄞", "日本語", "'", " ", "."]

lines = st.one_of(
    st.text(_ANY, max_size=60),
    st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=120),
    st.lists(st.sampled_from(_TRICKY) | st.text(_ANY, max_size=5), max_size=12).map(
        "".join
    ),
)

bodies = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=200),
    st.lists(
        st.sampled_from(
            ["a\n", "\r", "é", "--", "=", ".", "\r\n.\r\n", "x" * 1200, " \n", "\t"]
        )
    )
    .map("".join)
    .filter(bool),
    st.integers(1, 30_000).map(lambda n: ("0123456789" * (n // 10 + 1))[:n]),
)

_ATOM = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=8)
_LOCAL = st.one_of(
    st.lists(_ATOM, min_size=1, max_size=4)
    .map(".".join)
    .filter(lambda t: "=?" not in t),
    st.text("ab ,@;:()", min_size=1, max_size=6).map(lambda text: f'"{text}"'),
)
_DOMAIN = st.sampled_from(
    [
        "example.com",
        "x-y.co",
        "münchen.example",
        "faß.de",
        "例え.テスト",
        f"{'a' * 63}.net",
    ]
)
addresses = st.builds(
    lambda local, domain, name: Address(email=f"{local}@{domain}", name=name),
    _LOCAL,
    _DOMAIN,
    lines,
)

filenames = (
    st.text(_ANY, min_size=1, max_size=60)
    .map(
        lambda name: re.sub(
            "[/\\\\\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]", "", name
        ).strip()
    )
    .filter(lambda name: name not in ("", ".", ".."))
)
files = st.builds(
    Attachment,
    content=st.binary(max_size=300),
    filename=filenames,
    content_type=st.sampled_from(
        ["image/png", "application/pdf", "text/csv; charset=utf-8"]
    ),
)

header_names = st.sampled_from(["X-One", "X-Two-Three", "Comments", "X-" + "L" * 60])
urls = st.text("abc/?=&%._-", min_size=1, max_size=300).map(
    lambda t: f"<https://x.example/{t}>"
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Any message that has a text or an HTML."""
    few = st.lists(addresses, max_size=3)
    headers = draw(st.dictionaries(header_names, lines, max_size=3))
    if draw(st.booleans()):
        headers["List-Unsubscribe"] = draw(urls)
    text, html = draw(st.tuples(st.none() | bodies, st.none() | bodies).filter(any))
    return Message(
        from_=draw(addresses),
        to=[draw(addresses), *draw(few)],
        cc=draw(few),
        bcc=draw(few),
        reply_to=draw(few),
        subject=draw(lines),
        text=text,
        html=html,
        headers=headers,
        attachments=draw(st.lists(files, max_size=3)),
    )


@dataclass
class Read:
    """What a reader says of a message."""

    people: dict[str, list[tuple[str, str]]]
    headers: dict[str, list[str]]
    bodies: dict[str, str]
    files: list[tuple[str, str, bytes]]


def unix(text: str) -> str:
    return re.sub("\r\n?", "\n", text)


def meant(message: Message) -> Read:
    """What every reader must say of the message."""
    people = {
        "from": [message.from_] if message.from_ else [],
        "to": list(message.to),
        "cc": list(message.cc),
        "reply-to": list(message.reply_to),
    }
    bodies_ = {"plain": message.text, "html": message.html}
    return Read(
        {k: [(a.name, a.email) for a in v] for k, v in people.items() if v},
        {
            **({"subject": [message.subject]} if message.subject else {}),
            **{k.lower(): [v] for k, v in message.headers.items()},
        },
        {k: unix(v) for k, v in bodies_.items() if v},
        [
            (f.filename, f.content_type.partition(";")[0], f.content)
            for f in message.attachments
        ],
    )


_PEOPLE = ("from", "to", "cc", "reply-to")
_FORM = (
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
)


def without_spaces(read: Read) -> Read:
    """Forget white space in headers.

    The stdlib's parser takes every Unicode space for a separator and may drop it, even
    inside encoded words.
    """
    people = {
        k: [("".join(n.split()), e) for n, e in v] for k, v in read.people.items()
    }
    headers = {
        k: ["".join(text.split()) for text in v] for k, v in read.headers.items()
    }
    return Read(people, headers, read.bodies, read.files)


def read_by_stdlib(data: bytes) -> Read:
    mail: Any = message_from_bytes(data, policy=policy.default)
    people: dict[str, list[tuple[str, str]]] = {}
    headers: dict[str, list[str]] = {}
    for name, value in mail.items():
        if isinstance(value, AddressHeader):
            people[name.lower()] = [
                (a.display_name, a.addr_spec) for a in value.addresses
            ]
        elif name.lower() not in _FORM:
            assert isinstance(value, UnstructuredHeader)
            headers.setdefault(name.lower(), []).append(str(value))
    read = Read(people, headers, {}, [])
    for part in mail.walk():
        if part.is_multipart():
            continue
        name = (
            part["content-disposition"]
            and part["content-disposition"].params["filename"]
        )
        if name is None:
            content = part.get_payload(decode=True).decode()
            read.bodies[part.get_content_subtype()] = unix(content)
        else:
            payload = part.get_payload(decode=True)
            read.files.append((name, part.get_content_type(), payload))
    return read


def read_by_rust(data: bytes) -> Read:
    mail = fast_mail_parser.parse_email(data, strict=True)
    lists = (mail.to, mail.cc, mail.reply_to)
    people = dict(zip(_PEOPLE[1:], lists, strict=True))
    if mail.from_ is not None:
        people["from"] = [mail.from_]
    read = Read(
        {
            k: [(a.display_name or "", a.address) for a in v]
            for k, v in people.items()
            if v
        },
        {
            k.lower(): v
            for k, v in mail.headers.items()
            if k.lower() not in (*_PEOPLE, *_FORM)
        },
        {},
        [(f.filename, f.mimetype, bytes(f.content)) for f in mail.attachments],
    )
    for kind, texts in (("plain", mail.text_plain), ("html", mail.text_html)):
        if texts:
            read.bodies[kind] = unix(texts[0])
    return read
