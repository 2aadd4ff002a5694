"""The fake SMTP servers, asked by smtplib and by bare sockets."""

import base64
import smtplib
import socket
import ssl

import pytest

from mailbalance.sandbox import Credentials, Door, Sandbox
from mailbalance.sandbox.credentials import ses_smtp_password
from tests.peers.sandbox_clients import (
    LETTER,
    TIMEOUT,
    login,
    raw,
    read_all,
    smtp,
    tls,
)

DOORS: tuple[Door, ...] = ("ses-smtp", "mailtrap-smtp")
SENDER, RECIPIENT = "ana@example.com", "bo@example.com"

both = pytest.mark.parametrize("door", DOORS)


def send(
    client: smtplib.SMTP, to: str | list[str] = RECIPIENT, text: str = LETTER
) -> str:
    """Send, and give the reply to the final dot."""
    assert client.mail(SENDER)[0] == 250
    for each in [to] if isinstance(to, str) else to:
        assert client.rcpt(each)[0] == 250
    code, reply = client.data(text)
    return f"{code} {reply.decode()}"


@both
@pytest.mark.parametrize("implicit", [False, True])
def test_smtplib_delivers_by_both_kinds_of_tls(
    box: Sandbox, door: Door, implicit: bool
) -> None:
    with smtp(box, door, implicit=implicit) as client:
        refused = client.sendmail(SENDER, [RECIPIENT], LETTER)

    stored = box.messages(door)[0]
    assert refused == {}
    assert (stored.sender, stored.recipients) == (SENDER, (RECIPIENT,))
    assert stored.raw == LETTER.encode()
    assert stored.identity == "<1@example.com>"


def test_each_speaks_as_its_provider(box: Sandbox) -> None:
    with smtp(box, "ses-smtp") as ses, smtp(box, "mailtrap-smtp") as mailtrap:
        ses.ehlo()
        mailtrap.ehlo()

    assert set(ses.esmtp_features) == {"8bitmime", "auth", "ok"}
    assert set(mailtrap.esmtp_features) == {
        "8bitmime",
        "auth",
        "dsn",
        "enhancedstatuscodes",
        "pipelining",
        "size",
    }
    assert mailtrap.esmtp_features["size"] == "10485760"


def test_the_id_in_the_reply_is_that_of_the_message(box: Sandbox) -> None:
    with smtp(box, "ses-smtp") as client:
        reply = send(client)

    assert reply == f"250 Ok {box.messages()[0].provider_ids[0]}"


@both
def test_a_certificate_is_only_good_under_the_boxs_own_authority(
    box: Sandbox, door: Door
) -> None:
    with (
        smtplib.SMTP("127.0.0.1", box.port(door), timeout=TIMEOUT) as client,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        client.starttls(context=ssl.create_default_context())


@both
def test_tls_comes_before_a_login(box: Sandbox, door: Door) -> None:
    with smtplib.SMTP("127.0.0.1", box.port(door), timeout=TIMEOUT) as client:
        client.ehlo()
        refusals = [
            client.docmd("AUTH PLAIN AAAA"),
            client.docmd(f"MAIL FROM:<{SENDER}>"),
        ]

    assert all(b"STARTTLS" in text for _, text in refusals)
    assert {code for code, _ in refusals} == {530}


@both
def test_a_box_can_do_without_tls(door: Door) -> None:
    with Sandbox(require_tls=False) as box:
        with smtplib.SMTP("127.0.0.1", box.port(door), timeout=TIMEOUT) as client:
            client.login(*login(box, door))
            client.sendmail(SENDER, [RECIPIENT], LETTER)

        assert box.counts()[door].accepted == 1


@both
def test_a_login_comes_before_mail(box: Sandbox, door: Door) -> None:
    with smtplib.SMTP("127.0.0.1", box.port(door), timeout=TIMEOUT) as client:
        client.starttls(context=tls(box))
        client.ehlo()
        code, text = client.mail(SENDER)

    assert (code, b"Authentication required" in text) == (530, True)


@both
@pytest.mark.parametrize("mechanism", ["plain", "login"])
@pytest.mark.parametrize("right", [True, False])
def test_both_mechanisms_tell_right_from_wrong(
    box: Sandbox, door: Door, mechanism: str, right: bool
) -> None:
    user, password = login(box, door)
    with smtplib.SMTP("127.0.0.1", box.port(door), timeout=TIMEOUT) as client:
        client.starttls(context=tls(box))
        client.ehlo()
        client.user, client.password = user, password if right else "wrong"
        method = getattr(client, f"auth_{mechanism}")
        if right:
            assert client.auth(mechanism.upper(), method)[0] == 235
        else:
            with pytest.raises(smtplib.SMTPAuthenticationError) as error:
                client.auth(mechanism.upper(), method)
            assert error.value.smtp_code == 535


def test_the_ses_password_of_any_region_is_good(box: Sandbox) -> None:
    keys = box.credentials
    password = ses_smtp_password(keys.secret_key, "ap-southeast-2")
    with smtplib.SMTP("127.0.0.1", box.port("ses-smtp"), timeout=TIMEOUT) as client:
        client.starttls(context=tls(box))

        assert client.login(keys.access_key, password)[0] == 235


def test_the_mailtrap_sandbox_has_a_user_of_its_own(box: Sandbox) -> None:
    keys: Credentials = box.credentials
    with smtplib.SMTP(
        "127.0.0.1", box.port("mailtrap-smtp"), timeout=TIMEOUT
    ) as client:
        client.starttls(context=tls(box))

        assert client.login(keys.sandbox_user, keys.sandbox_password)[0] == 235


@both
def test_one_refused_recipient_does_not_refuse_the_others(
    box: Sandbox, door: Door
) -> None:
    bad = "bounce+550+no%20such%20user@example.com"
    with smtp(box, door) as client:
        refused = client.sendmail(SENDER, [RECIPIENT, bad], LETTER)

    assert refused == {bad: (550, b"no such user")}
    assert box.messages()[0].recipients == (RECIPIENT,)


@both
def test_a_sender_can_ask_for_a_refusal(box: Sandbox, door: Door) -> None:
    with (
        smtp(box, door) as client,
        pytest.raises(smtplib.SMTPSenderRefused) as error,
    ):
        client.sendmail("reject-451@example.com", [RECIPIENT], LETTER)

    assert error.value.smtp_code == 451


@both
def test_dots_arrive_as_they_were_sent(box: Sandbox, door: Door) -> None:
    text = LETTER + ".\r\n..\r\n.a\r\n...\r\n"
    with smtp(box, door) as client:
        send(client, text=text)

    assert box.messages()[0].raw == text.encode()


@both
def test_a_megabyte_arrives_whole(box: Sandbox, door: Door) -> None:
    text = LETTER + "\r\n".join(["x" * 70] * 14_000) + "\r\n"
    with smtp(box, door) as client:
        send(client, text=text)

    assert box.messages()[0].raw == text.encode()


@both
def test_the_null_sender_is_accepted(box: Sandbox, door: Door) -> None:
    with smtp(box, door) as client:
        client.sendmail("", [RECIPIENT], LETTER)

    assert box.messages()[0].sender == ""


@both
@pytest.mark.parametrize("end", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n"])
def test_no_message_can_be_smuggled(box: Sandbox, door: Door, end: bytes) -> None:
    inner = b"MAIL FROM:<evil@example.com>\r\n"
    with smtp(box, door) as client:
        client.mail(SENDER)
        client.rcpt(RECIPIENT)
        client.docmd("DATA")
        client.send(LETTER.encode() + b"a" + end + inner + b"b\r\n.\r\n")
        code, _ = client.getreply()

    assert 500 <= code <= 599
    assert box.messages() == []


@both
def test_what_was_said_before_tls_is_forgotten(box: Sandbox, door: Door) -> None:
    with socket.create_connection(("127.0.0.1", box.port(door)), TIMEOUT) as plain:
        plain.recv(4096)
        plain.sendall(b"EHLO me\r\n")
        plain.recv(4096)
        plain.sendall(b"STARTTLS\r\nEHLO injected\r\nNOOP\r\n")
        assert plain.recv(4096).startswith(b"220")
        with tls(box).wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            secure.sendall(b"NOOP\r\n")

            assert secure.recv(4096).count(b"\r\n") == 1


@both
def test_a_client_says_ehlo_again_after_starttls(box: Sandbox, door: Door) -> None:
    with smtplib.SMTP("127.0.0.1", box.port(door), timeout=TIMEOUT) as client:
        client.starttls(context=tls(box))

        assert client.docmd("AUTH", "PLAIN AAAA")[0] == 503


@both
def test_connections_over_the_limit_are_sent_away(
    box: Sandbox, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailbalance.sandbox.smtp.MAX_CONNECTIONS", 1)
    with raw(box, door) as first, raw(box, door) as second:
        first.recv(100)

        assert read_all(second).startswith(b"421")


def test_pipelined_commands_are_answered_together(box: Sandbox) -> None:
    plain = base64.b64encode(f"\0api\0{box.credentials.token}".encode()).decode()
    commands = (
        f"EHLO me\r\nAUTH PLAIN {plain}\r\nMAIL FROM:<{SENDER}>\r\n"
        f"RCPT TO:<{RECIPIENT}>\r\nRCPT TO:<reject-550@x.com>\r\nDATA\r\n"
        f"{LETTER}.\r\nQUIT\r\n"
    )
    with (
        raw(box, "mailtrap-smtps") as bare,
        tls(box).wrap_socket(bare, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(commands.encode())
        replies = read_all(client).decode().splitlines()

    codes = [line[:3] for line in replies if line[3] == " "]
    assert codes == ["220", "250", "235", "250", "250", "550", "354", "250", "221"]
    assert box.counts()["mailtrap-smtp"].accepted == 1


def test_a_client_that_leaves_after_the_dot_has_sent_its_message() -> None:
    with Sandbox(require_tls=False) as box:
        user, password = login(box, "ses-smtp")
        plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        commands = (
            f"EHLO me\r\nAUTH PLAIN {plain}\r\nMAIL FROM:<{SENDER}>\r\n"
            f"RCPT TO:<{RECIPIENT}>\r\nDATA\r\n{LETTER}.\r\n"
        )
        with raw(box, "ses-smtp") as client:
            client.sendall(commands.encode())
            client.shutdown(socket.SHUT_WR)
            read_all(client)

        assert box.counts()["ses-smtp"].accepted == 1


@pytest.mark.parametrize(
    "line",
    [
        b"NONSENSE",
        b"\xff\xfe",
        b"",
        b"EHLO",
        b"AUTH GSSAPI",
        b"AUTH PLAIN !",
        b"AUTH LOGIN !",
        b"MAIL FROM:ana@example.com",
        b"MAIL FROM:<ana>",
        b"RCPT TO:<b@example.com>",
        b"DATA",
        b"STARTTLS now",
        b"\0",
    ],
)
@both
def test_a_senseless_command_is_refused_and_the_talk_goes_on(
    box: Sandbox, door: Door, line: bytes
) -> None:
    with smtplib.SMTP("127.0.0.1", box.port(door), timeout=TIMEOUT) as client:
        client.ehlo()
        client.starttls(context=tls(box))
        client.ehlo()
        client.send(line + b"\r\n")
        code, _ = client.getreply()

        assert 500 <= code <= 599
        assert client.noop()[0] == 250


def test_an_endless_line_ends_the_connection(box: Sandbox) -> None:
    with raw(box, "ses-smtp") as client:
        client.sendall(b"x" * 20_000)

        assert b"500" in read_all(client)


def test_lines_over_a_thousand_octets_are_refused_by_ses(box: Sandbox) -> None:
    with smtp(box, "ses-smtp") as client:
        assert send(client, text=LETTER + "x" * 998 + "\r\n").startswith("250")
        assert "longer than 1000" in send(client, text=LETTER + "x" * 999 + "\r\n")


def test_fifty_one_recipients_are_refused_by_ses_at_the_end(box: Sandbox) -> None:
    many = [f"a{n}@example.com" for n in range(51)]
    with smtp(box, "ses-smtp") as client:
        assert send(client, many[:50]).startswith("250")
        assert send(client, many) == (
            "554 Transaction failed: Recipient count exceeds 50."
        )


def test_a_message_over_the_size_is_refused_before_and_after_data(box: Sandbox) -> None:
    big = LETTER + ("x" * 70 + "\r\n") * 150_000
    with smtp(box, "mailtrap-smtp") as client:
        assert client.docmd(f"MAIL FROM:<{SENDER}> SIZE={len(big)}")[0] == 552
        assert send(client, text=big) == "552 5.3.4 Error: message too big"
        assert send(client).startswith("250")


@pytest.mark.parametrize("parameter", ["SMTPUTF8", "BODY=BINARYMIME", "X=1"])
@both
def test_a_parameter_that_was_not_offered_is_refused(
    box: Sandbox, door: Door, parameter: str
) -> None:
    with smtp(box, door) as client:
        assert client.docmd(f"MAIL FROM:<{SENDER}> {parameter}")[0] == 555


def test_mailtrap_wants_the_header_to_match_the_envelope(box: Sandbox) -> None:
    other = LETTER.replace("ana@example.com", "ana@example.org")
    with smtp(box, "mailtrap-smtp") as client:
        assert "does not match the sender's domain" in send(client, text=other)


def test_domains_that_are_not_verified_are_refused() -> None:
    with Sandbox(verified={"example.org"}) as box:
        with smtp(box, "mailtrap-smtp") as client:
            code, text = client.mail(SENDER)
        with smtp(box, "ses-smtp") as ses:
            reply = send(ses)

    assert (code, text) == (550, b"5.7.1 Sending from domain is not allowed")
    assert reply.startswith("554 Message rejected: Email address is not verified.")


def test_mailtrap_takes_ten_connections_at_a_time(box: Sandbox) -> None:
    clients = []
    try:
        for _ in range(10):
            client = smtplib.SMTP(
                "127.0.0.1", box.port("mailtrap-smtp"), timeout=TIMEOUT
            )
            clients.append(client)
            client.starttls(context=tls(box))
            client.login(*login(box, "mailtrap-smtp"))
        with (
            pytest.raises(
                smtplib.SMTPAuthenticationError, match="Too many connections"
            ),
            smtp(box, "mailtrap-smtp"),
        ):
            pass
    finally:
        for client in clients:
            client.quit()
    with smtp(box, "mailtrap-smtp") as client:
        assert send(client).startswith("250")


def test_mailtrap_takes_a_hundred_messages_on_a_connection(box: Sandbox) -> None:
    with smtp(box, "mailtrap-smtp") as client:
        for _ in range(100):
            send(client)

        assert client.mail(SENDER)[0] == 421
    assert box.counts()["mailtrap-smtp"].accepted == 100


@pytest.mark.parametrize(("door", "code"), [("ses-smtp", 451), ("mailtrap-smtp", 421)])
def test_a_silent_client_is_sent_away(door: Door, code: int) -> None:
    with (
        Sandbox(ses_idle=0.1, mailtrap_idle=0.1) as box,
        raw(box, door) as client,
    ):
        lines = read_all(client).splitlines()

    assert [line[:3] for line in lines] == [b"220", str(code).encode()]


def test_a_flood_of_recipients_is_bounded(box: Sandbox) -> None:
    with smtp(box, "mailtrap-smtp") as client:
        client.mail(SENDER)
        for number in range(1000):
            client.putcmd(f"RCPT TO:<a{number}@example.com>")
        replies = [client.getreply()[0] for _ in range(1000)]

        assert set(replies) == {250}
        assert client.rcpt("one-more@example.com")[0] == 452
