"""S1, S2: what stands in a field stays there, whichever way the mail goes."""

import email
import email.policy
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import fast_mail_parser
import pytest

from mailbalance import Mailer, Message
from mailbalance.errors import MessageError, RejectedError
from mailbalance.sandbox import Sandbox
from tests.properties.test_injection import BASE, FIELDS

#: What breaks a line for some reader; all but two are refused in every field.
BREAKS = [
    "\r\n", "\n", "\r", "\r\n ", "\r\n\t", "\n\n", "\r\n\r\n", "\0", "\x0b", "\x0c",
    "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\x7f", "\x1b[2J", "\ud800",
]  # fmt: skip
PAYLOADS = [f"a{each}Bcc: evil@example.org" for each in BREAKS] + [
    "a%0d%0aBcc: evil@example.org",
    "a%250d%250aBcc: evil@example.org",
    r"a\r\nBcc: evil@example.org",
    r"a\u000d\u000aBcc: evil@example.org",
    "a&#13;&#10;Bcc: evil@example.org",
    "a\u560a\u560dBcc: evil@example.org",  # ends in 0A and 0D as UTF-16
    "a\uff0d\uff0aBcc: evil@example.org",
    "=?utf-8?q?a=0D=0ABcc:_evil=40example.org?=",
    "=?utf-8?b?YQ0KQmNjOiBldmlsQGV4YW1wbGUub3Jn?=",
    "=?utf-7?q?a+AA0ACg-Bcc:_evil=40example.org?=",
    "a, evil@example.org",
    "a; evil@example.org",
    'a" <evil@example.org>, "b',
    "a> , <evil@example.org",
    'a"; filename="evil.exe',
    "a; boundary=evil; x=",
    "a, X-Evil=1",
    "a=1, evil=2",
    '{"a": "\\", \\"bcc\\": [{\\"email\\": \\"evil@example.org\\"}]"}',
    "Bcc: evil@example.org",
    "a" * 998,
]
#: The twelve of these fields that reach a header, a tag, or a JSON header map.
PLACES = [
    "subject", "from_.name", "to", "reply_to", "header value", "list header", "filename",
    "content_id", "category", "metadata key", "metadata value", "configuration_set",
]  # fmt: skip
#: What the same field may hold without a second thought.
PLAIN = "plain"
WAYS = ["ses", "ses-smtp", "mailtrap", "mailtrap-smtp"]


def made(place: str, value: str) -> Message | None:
    try:
        message = Message(**{**BASE, "html": "<img>", **FIELDS[place](value)})
    except MessageError:
        return None
    return message.model_copy(update={"message_id": "<1@b.c>"})


def shape(raw: bytes, value: str, *, mime: bool) -> list[Counter[str]]:
    """Give the names of everything there, as independent readers see them."""
    if not mime:
        found = Counter(_paths(json.loads(raw), ""))
        return [Counter(path.replace(value, "VALUE") for path in found.elements())]
    parts = email.message_from_bytes(raw, policy=email.policy.default).walk()
    stdlib = Counter(name.lower() for part in parts for name in part)
    rust = fast_mail_parser.parse_email(raw)
    attached = Counter("attached" for _ in rust.attachments)
    return [stdlib, Counter(map(str.lower, rust.headers)), attached]


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item, f"{path}[]")
    else:
        yield path


def sent(box: Sandbox, mailer: Mailer, way: str, message: Message, value: str) -> Any:
    """Give who it went to, and the shape of what arrived; ``None`` if it is refused."""
    box.clear()
    try:
        mailer.send(message, via=way)
    except (MessageError, RejectedError):
        assert not box.messages()
        return None
    (arrived,) = box.messages()
    return arrived.recipients, shape(arrived.raw, value, mime="smtp" in way)


@pytest.mark.parametrize("place", PLACES)
def test_no_line_break_gets_into_a_field(place: str) -> None:
    refused = [value for value in PAYLOADS if made(place, value) is None]

    assert set(PAYLOADS[: len(BREAKS)]) <= set(refused)


@pytest.mark.proof
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", PLACES)
def test_what_arrives_has_the_intended_fields_and_no_other(
    box: Sandbox, place: str, way: str
) -> None:
    with Mailer.from_env(box.environ(",".join(f"{each}=1" for each in WAYS))) as mailer:
        intended = sent(box, mailer, way, made(place, PLAIN), PLAIN)
        for value in PAYLOADS:
            message = made(place, value)
            if message is not None:
                found = sent(box, mailer, way, message, value)
                assert found in (None, intended)


NAMES = [
    "From", "To", "Cc", "Bcc", "Reply-To", "Subject", "Date", "Message-ID",
    "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition",
    "Content-ID", "Content-Description", "from", "FROM", "fRoM", "bcc", "BCC", "date",
    "message-id", "Return-Path", "Received", "Delivered-To", "DKIM-Signature",
    "DomainKey-Signature", "Authentication-Results", "ARC-Seal", "ARC-Anything",
    "Resent-From", "Resent-Bcc", "resent-to", "X-SES-CONFIGURATION-SET",
    "X-SES-MESSAGE-TAGS", "X-SES-SOURCE-ARN", "X-SES-ANYTHING", "x-ses-anything",
    "X-MT-Category", "X-MT-Custom-Variables", "X-MT-Anything", "x-mt-anything",
]  # fmt: skip
NAMES += [
    "", " ", "A B", "A:", "A: b", ":", "A\tB", "A\r\nBcc", "A\nBcc", "A\rBcc", "A\0",
    "\x7f", "Ä", "X-\u0456d", "A\u2028B", " From", "From ", "X-A:\r\n b\r\nBcc", "a" * 77,
    "X-\x80", "\ufeffFrom", "X-\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_header_name_that_is_wrong_or_reserved_is_refused(name: str) -> None:
    with pytest.raises(MessageError):
        Message(**BASE, headers={name: "1"})


@pytest.mark.parametrize("name", ["X-A", "List-Unsubscribe", "References", "a" * 76])
def test_other_header_names_are_taken(name: str) -> None:
    assert Message(**BASE, headers={name: "<1@b.c>"}).headers[name] == "<1@b.c>"


def test_the_counts_are_those_of_the_checklist() -> None:
    assert (len(PAYLOADS), len(PLACES), len(WAYS)) == (40, 12, 4)
    assert len(NAMES) >= 60
