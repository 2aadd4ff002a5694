"""Replies from bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance.wire.smtp.replies import (
    LINE_LIMIT,
    LINES_LIMIT,
    MalformedReplyError,
    Reply,
    ReplyReader,
)


def read_all(data: bytes, *, step: int = 1) -> list[Reply]:
    reader, replies = ReplyReader(), []
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
        while (reply := reader.next()) is not None:
            replies.append(reply)
    assert reader.empty
    return replies


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_replies_are_the_same_however_the_bytes_come(step: int) -> None:
    data = b"250-peer\r\n250-SIZE 10\r\n250 HELP\r\n354 go\n221\r\n"

    assert read_all(data, step=step) == [
        Reply(250, ("peer", "SIZE 10", "HELP")),
        Reply(354, ("go",)),
        Reply(221),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n",
        b"25\r\n",
        b"199 no\r\n",
        b"600 no\r\n",
        b"250_ok\r\n",
        b"250-a\r\n251 b\r\n",
        b"\r\n",
        b"2" * LINE_LIMIT,
        b"250-a\r\n" * LINES_LIMIT,
        "\uff12\uff15\uff10 ok\r\n".encode(),
    ],
)
def test_what_is_no_reply_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        read_all(data, step=5000)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_malformed_or_unfinished(data: bytes) -> None:
    reader = ReplyReader()
    reader.feed(data)
    try:
        while (reply := reader.next()) is not None:
            assert 200 <= reply.code < 600
            assert reply.text.isprintable() or "�" in reply.text
    except MalformedReplyError:
        pass


def test_a_reply_cannot_write_control_characters_into_a_log() -> None:
    (reply,) = read_all(b"550 \x1b[2J\x07evil\x9b\r\n")

    assert str(reply).isprintable()
