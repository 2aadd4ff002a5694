"""Line ends, dots and the terminator."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailbalance.wire.smtp.body import CHUNK, canonical, chunks, stuffed
from mailbalance.wire.smtp.transaction import DOT

CONTENT = st.binary() | st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"a", b"\0"])
).map(b"".join)
EVIL_ENDS = [
    dot.join(ends)
    for dot in (b".", b"..")
    for ends in [
        (b"\n", b"\n"), (b"\r", b"\r"), (b"\r", b"\n"), (b"\n", b"\r\n"),
        (b"\r\n", b"\n"), (b"\r\n", b"\r"), (b"\r", b"\r\n"), (b"\r\n", b"\r\n"),
    ]
]  # fmt: skip


def on_the_wire(content: bytes) -> bytes:
    return b"".join(map(bytes, chunks(stuffed(canonical(content))))) + DOT


def as_a_server_reads(wire: bytes) -> bytes:
    """Read DATA as RFC 5321 section 4.5.2 has a server do."""
    assert wire.endswith(b"\r\n.\r\n") or wire == b".\r\n"
    body = wire[: -len(DOT)]
    return re.sub(rb"(?m)(?:^|(?<=\r\n))\.", b"", body)


@given(CONTENT)
@example(b"")
@example(b".")
@example(b"\r\n.\r\n")
@example(b".\r\n.")
def test_a_server_reads_the_canonical_content(content: bytes) -> None:
    assert as_a_server_reads(on_the_wire(content)) == canonical(content)


@given(CONTENT)
def test_there_is_one_terminator_and_no_bare_line_end(content: bytes) -> None:
    wire = on_the_wire(content)

    assert (b"\r\n" + wire).count(b"\r\n.\r\n") == 1
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire)


@pytest.mark.parametrize("end", EVIL_ENDS)
@pytest.mark.parametrize("place", [b"%s", b"a%s", b"%sMAIL FROM:<x@x>", b"a%sb\r\n"])
def test_no_form_of_line_end_smuggles_a_second_message(
    end: bytes, place: bytes
) -> None:
    wire = on_the_wire(place % end)

    assert (b"\r\n" + wire).find(b"\r\n.\r\n") == len(wire) - len(DOT)


def test_content_that_is_right_already_is_not_copied() -> None:
    content = b"Subject: x\r\n\r\n" + b"hello\r\n" * 100_000

    assert stuffed(canonical(content)) is content
    assert all(len(chunk) <= CHUNK for chunk in chunks(content))
    assert next(iter(chunks(content))).obj is content
