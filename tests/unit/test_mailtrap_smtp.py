import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from mailbalance.backends._mailtrap_smtp_replies import REPLIES
from mailbalance.backends.mailtrap_smtp import MOST, MailtrapSmtpBackend
from mailbalance.config import BackendSettings
from mailbalance.envelope import Envelope
from mailbalance.errors import ConfigError
from mailbalance.frozen import FrozenDict
from tests.unit.smtp_mails import headers, known_replies, meaning, message, refusal

TOKEN = "t0ken-canary"
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
    | st.sampled_from(' "\\'),
    max_size=30,
)


def backend(**options: Any) -> MailtrapSmtpBackend:
    return MailtrapSmtpBackend(**{"token": TOKEN, **options})


@pytest.mark.parametrize(
    ("options", "fields", "host"),
    [
        ({}, {}, "live.smtp.mailtrap.io"),
        ({"stream": "bulk"}, {}, "bulk.smtp.mailtrap.io"),
        ({}, {"stream": "bulk"}, "bulk.smtp.mailtrap.io"),
        ({"stream": "bulk"}, {"stream": "transactional"}, "live.smtp.mailtrap.io"),
        (
            {"sandbox": True, "user": "u"},
            {"stream": "bulk"},
            "sandbox.smtp.mailtrap.io",
        ),
        ({"host": "127.0.0.1"}, {"stream": "bulk"}, "127.0.0.1"),
    ],
)
def test_the_stream_chooses_the_host(
    options: dict[str, Any], fields: dict[str, Any], host: str
) -> None:
    assert backend(**options).wire(message(**fields)).server.host == host


@pytest.mark.parametrize(
    ("port", "security"),
    [(587, "starttls"), (2525, "starttls"), (25, "starttls"), (465, "implicit")],
)
def test_the_port_says_how_it_is_secured(port: int, security: str) -> None:
    assert backend(port=port).where(message()).security == security


def test_both_streams_together_stay_within_ten_connections() -> None:
    wires = list(backend().wires())

    assert len(wires) == 2
    assert sum(wire._reuse.connections for wire in wires) == 10


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"token": None}, "MAILTRAP_API_TOKEN"),
        ({"password": "x"}, "give one"),
        ({"stream": "fast"}, "stream="),
        ({"sandbox": True}, "own SMTP user"),
        ({"tls": "ssl"}, "tls="),
        ({"tls": "off"}, "loopback"),
        ({"ca": "/nowhere.pem"}, "ca="),
        ({"token": "t\noken"}, "printable"),
    ],
)
def test_a_wrong_option_is_told_by_name(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        backend(**options)

    assert str(caught.value).startswith("mailtrap-smtp: ")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("user", "options", "expected"),
    [
        (None, {}, "api"),
        ("u1", {"sandbox": "1"}, "u1"),
    ],
)
def test_settings_become_a_backend(
    user: str | None, options: dict[str, str], expected: str
) -> None:
    settings = BackendSettings(
        "mine",
        "mailtrap+smtp",
        user=user,
        secret=SecretStr(TOKEN),
        options=FrozenDict(options),
    )

    made = MailtrapSmtpBackend.from_settings(settings)
    server = made.where(message())

    assert server.credentials is not None
    assert server.credentials.user == expected
    assert made.account == ("mailtrap-sandbox" if options else "mailtrap")
    assert TOKEN not in repr(made) + repr(server) + repr(vars(made))


def test_all_problems_of_its_settings_are_told_at_once() -> None:
    settings = BackendSettings(
        "mine",
        "mailtrap+smtp",
        options=FrozenDict({"sandbox": "perhaps", "stream": "x", "colour": "red"}),
    )

    with pytest.raises(ConfigError) as caught:
        MailtrapSmtpBackend.from_settings(settings)

    assert len(caught.value.problems) == 4


def test_category_and_metadata_travel_in_mailtraps_headers() -> None:
    sent = message(category="Grüße", metadata={"id": "7"})

    read = headers(backend(), sent)

    assert read["X-MT-Category"] == "Grüße"
    assert json.loads(read["X-MT-Custom-Variables"]) == {
        "id": "7",
        "mailbalance_id": sent.stamp().id,
    }


def test_our_own_id_leaves_room_for_the_callers_variables() -> None:
    full = {f"k{n}": "x" * 180 for n in range(5)}

    read = headers(backend(), message(metadata=full))

    assert json.loads(read["X-MT-Custom-Variables"]) == full


@given(st.dictionaries(TEXT.filter(bool), TEXT, min_size=1, max_size=8))
def test_any_metadata_is_read_back_or_refused(metadata: dict[str, str]) -> None:
    sent = message(metadata=metadata)
    if refusal(backend(), sent) is None:
        content = b"".join(backend()._mail(sent, Envelope.of(sent)).pieces)
        head = content.split(b"\r\nX-", 1)[0].split(b"\r\nFrom:")[0]
        lines = head.decode("ascii").split("\r\n")
        value = lines[0] + "".join(line for line in _folded(lines))

        found = json.loads(value.partition(":")[2])
        if "mailbalance_id" not in metadata:
            assert found.pop("mailbalance_id", sent.stamp().id) == sent.stamp().id
        assert found == metadata
        assert all(len(line) <= 998 for line in lines)


def _folded(lines: list[str]) -> list[str]:
    found = []
    for line in lines[1:]:
        if not line.startswith((" ", "\t")):
            break
        found.append(line)
    return found


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"metadata": {"k": "x" * MOST}}, "drops all of it"),
        ({"metadata": {"k": "ü" * 200}}, "drops all of it"),
        ({"ses": {"tenant": "acme"}}, "no tenants"),
        ({"ses": {"contact_list": "news"}}, "contact list"),
        ({"metadata": {"k": "x" * 950}}, "without a space"),
        ({"text": None, "mailtrap": {"template_uuid": "u"}}, "template"),
        ({"text": "x" * 11_000_000}, "over 10,485,760"),
    ],
)
def test_what_mailtrap_would_drop_is_refused_with_a_reason(
    fields: dict[str, Any], words: str
) -> None:
    assert words in str(refusal(backend(), message(**fields)))


def test_the_preview_shows_the_dialogue_and_no_secret() -> None:
    sent = message(category="x")

    shown = backend().preview(sent, Envelope.of(sent))

    assert "live.smtp.mailtrap.io:587" in shown
    assert "X-MT-Category: x" in shown
    assert TOKEN not in shown


@pytest.mark.parametrize(
    ("reply", "ids"),
    [
        ("2.0.0 Ok: queued as 4TxYz", ("4TxYz",)),
        (
            "2.0.0 Ok 0c7fd939-02cf-11ed-88c2-0a58a9feac02",
            ("0c7fd939-02cf-11ed-88c2-0a58a9feac02",),
        ),
        ("2.0.0 Ok", ()),
    ],
)
def test_an_id_is_read_off_the_reply_if_there_is_one(
    reply: str, ids: tuple[str, ...]
) -> None:
    assert backend().ids(reply) == ids


TABLE = """
auth     Throttled           535 5.7.8 Too many connections per account
auth     Unavailable/account 535 5.7.0 Monthly messages limit reached
auth     Unavailable/backend 535 5.7.0 Invalid login or password
mail     Unavailable/backend 530 5.7.1 Authentication required
mail     Unavailable/sender  550 5.7.1 Sending from domain is not allowed
dot      Unavailable/sender  550 5.7.1 Sending from domain x.com is not allowed
dot      Unavailable/sender  554 From: Header does not match the sender's domain
dot      Throttled           550 5.7.0 Action not taken: too many emails per second
rcpt     Throttled           550 5.7.0 Action not taken: too many emails per second
dot      Rejected            552 5.3.4 Error: message too big
rcpt     Rejected            554 5.5.1 Error: no sandbox for this email
"""


@pytest.mark.parametrize(("reply", "phase", "expected"), known_replies(TABLE))
def test_each_known_reply_has_its_meaning(
    reply: str, phase: str, expected: str
) -> None:
    assert meaning(reply, phase, REPLIES) == expected


def test_messages_of_one_stream_go_together() -> None:
    lanes = [backend().lane(message(stream=each)) for each in (None, None, "bulk")]

    assert None not in lanes
    assert lanes[0] == lanes[1] != lanes[2]
