"""The form of what is written: RFC 5322 and MIME, checked on the bytes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import mime
from mailbalance.address import Address
from mailbalance.message import Attachment, Message
from mailbalance.mime import transfer
from tests.properties.mails import addresses, bodies, fewer, lines, messages


def head_of(data: bytes) -> list[str]:
    """The header's fields, each unfolded by nothing but removing its line ends."""
    head = data.partition(b"\r\n\r\n")[0].decode("ascii")
    return re.split(r"\r\n(?![ \t])", head)


@fewer
@given(messages())
def test_only_ascii_leaves_in_lines_of_at_most_998_octets(message: Message) -> None:
    data = mime.render(message)

    assert data.isascii()
    assert b"\x00" not in data
    assert max(map(len, data.split(b"\r\n"))) <= 998


@fewer
@given(messages())
def test_every_line_ends_in_crlf_and_no_cr_or_lf_stands_alone(message: Message) -> None:
    data = mime.render(message)

    assert data.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", data)


@fewer
@given(messages())
def test_every_header_stands_there_once(message: Message) -> None:
    names = [field.partition(":")[0].lower() for field in head_of(mime.render(message))]

    wanted = {"from", "to", "date", "message-id", "mime-version", "content-type"}
    wanted |= {"cc"} if message.cc else set()
    wanted |= {"reply-to"} if message.reply_to else set()
    wanted |= {"subject"} if message.subject else set()
    wanted |= {name.lower() for name in message.headers}
    assert set(names) - {"content-transfer-encoding"} == wanted
    assert len(names) == len(set(names))


@fewer
@given(messages())
def test_encoded_words_are_short_whole_and_never_empty(message: Message) -> None:
    for field in head_of(mime.render(message)):
        for word in re.findall(r"=\?utf-8\?[qb]\?[^?]*\?=", field):
            assert 12 < len(word) <= 75
            assert mime_decoded(word)


def mime_decoded(word: str) -> str:
    from email.header import decode_header

    [(raw, charset)] = decode_header(word)
    return raw.decode(charset) if charset else raw


@fewer
@given(messages())
def test_folded_lines_are_short_where_white_space_allows(message: Message) -> None:
    for field in head_of(mime.render(message)):
        for line in field.split("\r\n")[1:]:
            assert line.strip()
            assert len(line) <= 78 or " " not in line.strip() or '"' in line


@fewer
@given(messages())
def test_hidden_recipients_are_never_written(message: Message) -> None:
    hidden = Address(email="hidden.recipient@secret.example", name="Hidden Recipient")
    data = mime.render(message.model_copy(update={"bcc": [*message.bcc, hidden]}))

    assert b"hidden" not in data.lower()
    assert not [f for f in head_of(data) if f.lower().startswith("bcc")]


@fewer
@given(messages())
def test_the_estimate_of_the_size_is_never_too_low(message: Message) -> None:
    assert mime.rough_size(message) >= message.size() >= len(mime.render(message))


@given(
    st.lists(st.sampled_from(["é", " ", "\t", ".", "=", "a", "\n", "\r"]), max_size=99)
)
def test_the_size_of_quoted_printable_is_never_guessed_too_low(
    pieces: list[str],
) -> None:
    data = transfer.crlf("".join(pieces).encode())

    assert transfer._quoted_size(data) >= len(transfer.quoted_printable(data))


@pytest.mark.parametrize("line", [" \n", "\t\n", ".\n", "=\n", "é\r"])
def test_the_estimate_holds_for_lines_that_grow_most(line: str) -> None:
    message = Message(from_="a@x.com", to="b@x.com", text="é\n" + line * 20_000)

    assert mime.rough_size(message) >= message.size() >= len(mime.render(message))


def test_the_estimate_holds_for_a_message_inside_with_odd_line_ends() -> None:
    content = b"A: b\r\r" + b"a\r" * 20_000
    inside = {"content": content, "filename": "m", "content_type": "message/rfc822"}
    message = Message(
        from_="a@x.com", to="b@x.com", text="x", attachments=[Attachment(**inside)]
    )

    assert mime.rough_size(message) >= message.size() >= len(mime.render(message))


def test_the_estimate_holds_for_headers_added_to_raw_bytes() -> None:
    many = [f"person{number}@example.com" for number in range(1000)]
    message = Message.from_mime(b"Subject: x\r\n\r\nx", from_="a@x.com", to=many)

    assert mime.rough_size(message) >= message.size() >= len(mime.render(message))


@fewer
@given(messages())
def test_the_same_message_gives_the_same_bytes(message: Message) -> None:
    first = mime.render(message)

    assert mime.render(message) is first
    stamped = {"message_id": message.stamp().message_id, "date": FIXED}
    twins = [message.model_copy(update=stamped) for _ in range(2)]
    assert mime.render(twins[0]) == mime.render(twins[1])


FIXED = "2026-11-23T04:00:00+02:00"


@given(st.lists(addresses, min_size=1, max_size=6))
def test_an_address_is_never_broken_across_lines(people: list[Address]) -> None:
    message = Message(from_=people[0], to=people, text="x")
    [field] = [f for f in head_of(mime.render(message)) if f.startswith("To:")]

    broken = field.split("\r\n")
    assert all(any(a.email in line for line in broken) for a in people)
    assert mime.address_list(people) == " ".join(field[4:].split("\r\n "))


@given(st.text("abc/?=&", min_size=1, max_size=400))
def test_a_list_unsubscribe_url_stays_in_one_piece(path: str) -> None:
    value = f"<mailto:u@example.com>, <https://example.com/{path}>"
    message = Message(
        from_="a@b.c", to="d@e.f", text="x", headers={"List-Unsubscribe": value}
    )

    assert f"<https://example.com/{path}>".encode() in mime.render(message)


@given(bodies, st.binary(max_size=200))
def test_a_boundary_never_occurs_in_what_it_bounds(text: str, content: bytes) -> None:
    """The content is a message of ours, boundaries and all."""
    fields = {"from_": "a@b.c", "to": "d@e.f", "message_id": "<x@b.c>"}
    file = Attachment(content=content, filename="a.bin")
    inner = mime.render(Message(**fields, text=text, html="x", attachments=[file]))
    whole = Attachment(content=inner, filename="m.eml", content_type="message/rfc822")

    outer = Message(**fields, text=inner.decode(), html="x", attachments=[whole, file])

    found = Message.from_mime(mime.render(outer))
    assert found.text == inner.decode().replace("\r\n", "\n")
    assert [f.content for f in found.attachments] == [inner, content]


@given(lines)
def test_prepended_headers_read_back_and_stand_in_front(value: str) -> None:
    rendered = mime.render(Message(from_="a@b.c", to="d@e.f", text="x"))

    (both,) = mime.prepend((rendered,), [("X-Provider", value), ("X-Other", "1")])

    assert both.endswith(rendered)
    assert Message.from_mime(both).headers["X-Provider"] == value
