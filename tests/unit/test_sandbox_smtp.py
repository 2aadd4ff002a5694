"""The fake SMTP servers without a network: bytes in pieces, bytes out."""

import asyncio
import base64
import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance.sandbox.credentials import Credentials
from mailbalance.sandbox.faults import Faults
from mailbalance.sandbox.smtp import MAX_COMMAND, SmtpProtocol
from mailbalance.sandbox.smtp_doors import SmtpDoor
from mailbalance.sandbox.smtp_providers import MailtrapSmtpDoor, SesSmtpDoor
from mailbalance.sandbox.store import Store

KEYS = Credentials()
PLAIN = base64.b64encode(f"\0api\0{KEYS.token}".encode()).decode()
OPEN = f"EHLO me\r\nAUTH PLAIN {PLAIN}\r\n"
MAIL = "MAIL FROM:<a@x.com>\r\nRCPT TO:<b@y.com>\r\nDATA\r\n"
HEAD = "From: a@x.com\r\n\r\n"


class Wire(asyncio.Transport):
    """An in-memory transport."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Nothing comes by itself."""


class Talk:
    """What one client said in pieces, and what came of it."""

    def __init__(
        self, pieces: list[bytes], kind: type[SmtpDoor] = MailtrapSmtpDoor
    ) -> None:
        self.store = Store()
        door = kind(
            credentials=KEYS,
            store=self.store,
            faults=Faults(),
            verified=None,
            require_tls=False,
            idle=60,
        )
        self.wire = Wire()
        asyncio.run(self._talk(door, pieces))

    async def _talk(self, door: SmtpDoor, pieces: list[bytes]) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        protocol = SmtpProtocol(door, set(), context)
        protocol.connection_made(self.wire)
        for piece in pieces:
            protocol.data_received(piece)
        protocol.connection_lost(None)

    @property
    def codes(self) -> list[int]:
        lines = self.wire.written.decode().splitlines()
        return [int(line[:3]) for line in lines if line[3:4] == " "]

    @property
    def arrived(self) -> list[bytes]:
        return [m.raw for m in self.store.messages()]


def cut(text: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(text) + 1) for place in places})
    starts = [0, *ends]
    return [text[a:b] for a, b in zip(starts, [*ends, len(text)], strict=True)]


@given(
    places=st.lists(st.integers(min_value=0, max_value=10_000), max_size=12),
    lines=st.lists(st.text("a.", max_size=5), max_size=6),
)
def test_a_message_arrives_the_same_however_it_is_cut(
    places: list[int], lines: list[str]
) -> None:
    body = HEAD + "".join(f"{line}\r\n" for line in lines)
    stuffed = body.replace("\r\n.", "\r\n..")
    said = f"{OPEN}{MAIL}{stuffed}.\r\nQUIT\r\n".encode()

    talk = Talk(cut(said, places))

    assert talk.codes == [220, 250, 235, 250, 250, 354, 250, 221]
    assert talk.arrived == [body.encode()]
    assert talk.wire.closed


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_rubbish_never_breaks_the_conversation(pieces: list[bytes]) -> None:
    talk = Talk([OPEN.encode(), *pieces])

    assert talk.codes[:3] == [220, 250, 235]
    assert talk.arrived == []


def test_two_messages_go_over_one_connection() -> None:
    letter = f"{MAIL}{HEAD}one\r\n.\r\n".encode()

    talk = Talk([OPEN.encode() + letter * 2])

    assert len(talk.arrived) == 2


def test_a_message_of_one_empty_line_ends() -> None:
    talk = Talk([f"{OPEN}{MAIL}\r\n.\r\nNOOP\r\n".encode()])

    assert talk.codes[-2:] == [554, 250]


def test_an_empty_message_ends() -> None:
    talk = Talk([f"{OPEN}{MAIL}.\r\nNOOP\r\n".encode()])

    assert talk.codes[-2:] == [554, 250]


@given(st.lists(st.integers(min_value=1, max_value=5000), max_size=20))
def test_a_message_that_is_too_big_is_read_to_its_end_and_forgotten(
    sizes: list[int],
) -> None:
    small = type("Small", (MailtrapSmtpDoor,), {"max_size": 3000})
    body = (HEAD + "x" * 70 + "\r\n").encode() + (b"x" * 70 + b"\r\n") * 100
    whole = body + b".\r\nNOOP\r\n"
    places = [sum(sizes[:n]) for n in range(len(sizes))]

    talk = Talk([f"{OPEN}{MAIL}".encode(), *cut(whole, places)], small)

    assert talk.codes[-2:] == [552, 250]
    assert talk.arrived == []


@given(over=st.booleans(), place=st.integers(min_value=2990, max_value=3010))
def test_the_largest_message_is_the_same_however_it_is_cut(
    over: bool, place: int
) -> None:
    small = type("Small", (MailtrapSmtpDoor,), {"max_size": 3000})
    body = HEAD.encode() + b"x" * (3000 + over - len(HEAD))
    first, second = body + b"\r\n.\r\n", b"NOOP\r\n"

    talk = Talk([f"{OPEN}{MAIL}".encode(), first[:place], first[place:], second], small)

    assert talk.codes[-2:] == [552 if over else 250, 250]
    assert len(talk.arrived) == (not over)


@given(
    over=st.booleans(),
    place=st.integers(min_value=MAX_COMMAND - 9, max_value=MAX_COMMAND + 9),
)
def test_the_longest_line_is_the_same_however_it_is_cut(over: bool, place: int) -> None:
    line = b"NOOP " + b"x" * (MAX_COMMAND + over - 6) + b"\r\n"

    talk = Talk([OPEN.encode(), line[:place], line[place:]])

    assert talk.codes[3:] == ([500] if over else [250])
    assert talk.wire.closed == over


def test_a_reset_forgets_the_transaction() -> None:
    talk = Talk([f"{OPEN}{MAIL[:-6]}RSET\r\nDATA\r\n".encode()])

    assert talk.codes[-2:] == [250, 503]


def test_a_second_mail_command_is_out_of_sequence() -> None:
    again = "MAIL FROM:<a@x.com>\r\n"

    assert Talk([f"{OPEN}{again}{again}".encode()]).codes[-2:] == [250, 503]


def test_an_aborted_login_is_no_login() -> None:
    talk = Talk([b"EHLO me\r\nAUTH LOGIN\r\n*\r\nMAIL FROM:<a@x.com>\r\n"])

    assert talk.codes == [220, 250, 334, 501, 530]


@pytest.mark.parametrize(
    "address", ["", "a@x.com", '"a b"@x.com', '"a\\"<>@b"@x.com', "a@[127.0.0.1]"]
)
def test_a_good_sender_is_taken_as_it_is(address: str) -> None:
    talk = Talk([f"{OPEN}MAIL FROM:<{address}> BODY=8BITMIME\r\n".encode()])

    assert talk.codes[-1] == 250


@pytest.mark.parametrize("address", ["a", "@x.com", "a b@x.com", "a@x..", "a@x.com>x<"])
def test_a_bad_sender_is_a_syntax_error(address: str) -> None:
    assert Talk([f"{OPEN}MAIL FROM:<{address}>\r\n".encode()]).codes[-1] == 501


@pytest.mark.parametrize("size", ["x", "-1", "9" * 5000])
def test_a_size_that_is_none_is_a_syntax_error(size: str) -> None:
    talk = Talk([f"{OPEN}MAIL FROM:<a@x.com> SIZE={size}\r\nNOOP\r\n".encode()])

    assert talk.codes[-2:] == [555, 250]


@pytest.mark.parametrize("kind", [MailtrapSmtpDoor, SesSmtpDoor])
def test_comments_within_comments_without_end_are_no_address(
    kind: type[SmtpDoor],
) -> None:
    user = KEYS.access_key if kind is SesSmtpDoor else "api"
    password = KEYS.smtp_password if kind is SesSmtpDoor else KEYS.token
    login = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    comments = "\r\n ".join(["(" * 900] * 4)
    letter = f"From: {comments}\r\n\r\nx\r\n.\r\nNOOP\r\n"

    talk = Talk([f"EHLO me\r\nAUTH PLAIN {login}\r\n{MAIL}{letter}".encode()], kind)

    assert talk.codes[-2] in (550, 554)
    assert talk.codes[-1] == 250
    assert not talk.arrived


def test_ses_refuses_a_message_without_a_from() -> None:
    user = f"\0{KEYS.access_key}\0{KEYS.smtp_password}".encode()
    opening = b"EHLO me\r\nAUTH PLAIN " + base64.b64encode(user) + b"\r\n"

    talk = Talk(
        [opening + MAIL.encode() + b"To: b@y.com\r\n\r\nx\r\n.\r\n"], SesSmtpDoor
    )

    assert b"Missing required header 'From'" in talk.wire.written
