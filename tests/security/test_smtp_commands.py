"""S5: no value becomes a command of its own, even past every check above the wire."""

import base64

import pytest

from mailbalance.errors import ConfigError, RejectedError
from mailbalance.wire.smtp import Credentials, Mail, SmtpWire
from tests.wire.smtp_peer import SmtpPeer
from tests.wire.smtp_ways import MAIL, How, send

ENDS = [
    "\r\n", "\n", "\r", "\0", ">\r\n", ">\n", "> \r\n", "\x0b", "\x0c", "\x85", "\u2028",
    "\u2029", "\r\n ", "\r\n\t", "\u560d\u560a",
]  # fmt: skip
COMMANDS = ["RCPT TO:<e@x.com>", "DATA", "RSET", "QUIT", "MAIL FROM:<e@x.com>"]
INJECTED = [f"a@b.com{end}{command}" for end in ENDS for command in COMMANDS]
PARAMETERS = [
    f"a@b.com{each}"
    for each in ["> SIZE=1", " SIZE=1", "> BODY=BINARYMIME", "> SMTPUTF8", " NOTIFY=NEVER",
                 "> ORCPT=rfc822;x", "> ENVID=x", "> AUTH=<>", " RET=FULL", "><c@d.com>",
                 ">,<c@d.com", "<c@d.com>", "\tX=1", "\x7f", "\x1b[2J"]
]  # fmt: skip
MALFORMED = [
    "<a@b.com", "a@b.com>", "<>", "<a@b.com>", " a@b.com", "a@b.com ", "a b@c.com",
    '"a b"@c.com', '"a\r\nb"@c.com', '"a>b"@c.com', "@x,@y:a@b.com>", "a@b.com\ud800",
    "é@b.com", "a@é.com", "a@b.com\u00a0", " ", "\t", "\r\n", "\0", "\x80@b.com",
    "a\x00@b.com", "\ufeffa@b.com", "a@b\u2024com", "a@b.com;\n", "a\x1f@b.com",
    "a@\x7f", "\r", "\n", "a@b.com\x1a", "a@b.com\x04",
]  # fmt: skip
PAYLOADS = INJECTED + PARAMETERS + MALFORMED


def test_an_address_that_would_break_out_is_refused_and_no_word_of_it_is_said(
    how: How,
) -> None:
    mails = [Mail(each, MAIL.recipients, MAIL.content) for each in PAYLOADS]
    mails += [Mail(MAIL.sender, ("b@x.com", each), MAIL.content) for each in PAYLOADS]
    with SmtpPeer() as peer:
        *refused, last = send(how, SmtpWire(peer.server(), backend="b"), *mails, MAIL)

        assert {each.outcome for each in refused} == {"not_accepted"}
        assert all(isinstance(each, RejectedError) for each in refused)
        assert not isinstance(last, Exception)
        said = [each for each in peer.commands if each != "QUIT"]
        assert said == ["MAIL FROM:<a@x.com> SIZE=21", "RCPT TO:<b@x.com>", "DATA"]
        assert len(peer.accepted) == 1


def test_ehlo_says_no_name_of_anybody(how: How) -> None:
    with SmtpPeer() as peer:
        send(how, SmtpWire(peer.server(), backend="b"), MAIL)

        assert peer.wait().commands[0] == "EHLO [127.0.0.1]"


@pytest.mark.parametrize("place", ["user", "password"])
def test_auth_takes_printable_ascii_only(place: str) -> None:
    for payload in [*PAYLOADS, ""]:
        fields = {"user": "api", "password": "token-1234", place: payload}
        if payload.isascii() and payload.isprintable() and payload:
            encoded = base64.b64encode(Credentials(**fields).user.encode())
            assert encoded.isascii()
        else:
            with pytest.raises(ConfigError) as caught:
                Credentials(**fields)
            assert len(payload) < 3 or payload not in str(caught.value)


@pytest.mark.parametrize("extensions", [("AUTH PLAIN",), ("AUTH LOGIN",)])
def test_auth_is_one_line_of_base64_whatever_the_password(
    how: How, extensions: tuple[str, ...]
) -> None:
    password = "x> SIZE=1 RCPT TO:<evil@x.com>"
    with SmtpPeer(extensions=extensions) as peer:
        server = peer.server(credentials=Credentials("api", password))
        (result,) = send(how, SmtpWire(server, backend="b"), MAIL)
        said = peer.wait().commands

    assert not isinstance(result, Exception)
    login = [each for each in said if each.startswith("AUTH")]
    assert said[1 : 1 + len(login)] == login
    sent = b"".join(base64.b64decode(each.split()[-1]) for each in login)
    assert sent.endswith(password.encode())


def test_the_counts_are_those_of_the_checklist() -> None:
    assert len(PAYLOADS) >= 120
