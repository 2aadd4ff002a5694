"""A message in pieces goes over the wire as it would go whole, and is not copied for it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import mime
from mailbalance.message import Attachment, Message
from mailbalance.mime import folding
from mailbalance.wire.smtp import Mail
from mailbalance.wire.smtp.body import canonical, stuffed
from tests.properties.mails import fewer, lines, messages

#: Bytes from which a piece stands alone here, so that small messages have several.
LARGE = st.sampled_from([1, 3, 40, 200])


def in_pieces(large: int, message: Message, headers: list[tuple[str, str]]) -> Mail:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "LARGE", large)
        content = mime.prepend(mime.pieces(message), headers)
    return Mail("a@x.com", ("b@x.com",), content)


@fewer
@given(LARGE, messages(), lines)
def test_pieces_are_on_the_wire_what_the_whole_is(
    large: int, message: Message, value: str
) -> None:
    headers = [("X-Provider", value)]
    mail = in_pieces(large, message, headers)

    (whole,) = mime.prepend((mime.render(message),), headers)
    assert b"".join(mail.wire) == stuffed(canonical(whole))
    clean = replace(mail, clean=True)
    assert (clean.wire, clean.size) == (mail.wire, mail.size)
    assert mail.size == len(canonical(whole))


@fewer
@given(LARGE, messages())
def test_every_piece_ends_a_line_and_is_sent_as_it_was_made(
    large: int, message: Message
) -> None:
    pieces = in_pieces(large, message, []).pieces

    assert all(piece.endswith(b"\r\n") for piece in pieces)
    assert all(
        ours is made for ours, made in zip(pieces, mime.pieces(message), strict=True)
    )


@fewer
@given(LARGE, messages(), lines)
def test_what_the_writer_makes_is_clean(
    large: int, message: Message, value: str
) -> None:
    pieces = in_pieces(large, message, [("X-Provider", value)]).content

    assert all(canonical(piece) is piece for piece in pieces)
    assert b"".join(pieces).isascii()
    assert b"\0" not in b"".join(pieces)


@pytest.mark.parametrize("odd", ["\0", "a\0\0b", "\r", "\n.\n", "\x7f", "ü\0", "\x1a"])
def test_odd_characters_leave_a_message_clean(odd: str) -> None:
    file = Attachment(
        content=odd.encode(), filename="a.eml", content_type="message/rfc822"
    )
    message = Message(from_="a@b.c", to="d@e.f", text=odd, html=odd, attachments=[file])

    whole = mime.render(message)

    assert canonical(whole) is whole
    assert whole.isascii()
    assert b"\0" not in whole


def test_a_large_file_is_a_piece_of_its_own_for_every_backend_and_try() -> None:
    file = Attachment(content=bytes(100_000), filename="a.bin")
    message = Message(from_="a@b.c", to="d@e.f", text="x", attachments=[file])

    first = mime.prepend(mime.pieces(message), [("X-One", "1")])
    second = mime.prepend(mime.pieces(message), [("X-Two", "2")])

    assert [len(first), len(second)] == [3, 3]
    assert first[1] is second[1]
    assert Mail("a@b.c", ("d@e.f",), first).wire[1] is first[1]
