"""S9, S10: what the library itself says, whatever goes wrong, without the plugin's help.

``tests/canary.py`` watches the whole suite; this file drives each way on purpose.
"""

import asyncio
import contextlib
import copy
import dataclasses
import logging
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from tenacity import stop_after_attempt

from mailbalance import Mailer, Message, RetryPolicy
from mailbalance.backends.mailtrap import MailtrapBackend
from mailbalance.backends.mailtrap_smtp import MailtrapSmtpBackend
from mailbalance.backends.ses import SesBackend
from mailbalance.backends.ses_smtp import SesSmtpBackend
from mailbalance.config import read_settings
from mailbalance.errors import ConfigError, DeliveryError, MailError
from mailbalance.secret import Environ, Secret, hidden, scrub
from mailbalance.wire.sigv4 import Keys
from tests.canary import forms, told
from tests.wire.peer import Peer, answering, saying, serve, silent
from tests.wire.smtp_peer import FIN, STALL, SmtpPeer
from tests.wire.smtp_ways import How

CANARY = "canary/7Qz+9xK=e1"
FORMS = forms(CANARY)
QUICK = RetryPolicy(stop=stop_after_attempt(1), timeout=0.4)
MAIL = {"from_": "a@b.com", "to": "c@d.com", "subject": "s", "text": "t"}


def all_of(error: BaseException) -> str:
    """Give what a program that shows the locals of all frames would report."""
    return "\n".join(told(error))


def seen(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No logger of any library says it, all of them at DEBUG."""
    caplog.set_level(logging.DEBUG)
    yield
    assert seen(caplog.text) == []


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """See what is raised inside, if anything is."""
    try:
        yield
    except MailError as error:
        found = seen(all_of(error)) + seen(pickle.dumps(error).decode("latin-1"))
        if found:
            pytest.fail(str(found))
        raise


# Configuration

SPLIT = {"MAILBALANCE_SPLIT": "ses=1,ses-smtp=1,mailtrap=1,mailtrap-smtp=1"}
QUOTED = quote(CANARY, safe="")
GOOD = {
    **SPLIT,
    "MAILBALANCE_SES_URL": (
        f"ses+api://AKIA:{QUOTED}@default?region=eu-west-1&session_token={QUOTED}"
    ),
    "MAILBALANCE_SES_SMTP_URL": f"ses+smtp://USER:{QUOTED}@default?region=eu-west-1",
    "MAILBALANCE_MAILTRAP_URL": f"mailtrap+api://{QUOTED}@default",
    "MAILBALANCE_MAILTRAP_SMTP_URL": f"mailtrap+smtp://{QUOTED}@default",
    "MAILTRAP_API_TOKEN": CANARY,
    "SES_SMTP_USERNAME": "USER",
    "SES_SMTP_PASSWORD": CANARY,
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "HTTPS_PROXY": f"http://user:{QUOTED}@127.0.0.1:9",
}
SES, SMTP = "MAILBALANCE_SES_URL", "MAILBALANCE_MAILTRAP_SMTP_URL"
BROKEN: list[dict[str, str]] = [
    {SES: f"ses+api://AKIA:{CANARY}@default"},  # its slash is not encoded
    {SES: f"ses+api://AKIA:{QUOTED}@[::1"},
    {SES: f"ses+api://AKIA:{QUOTED}@default:{QUOTED}"},
    {SES: f"ses+api://{QUOTED}@default?region=eu-west-1"},
    {SES: f"ses+api://AKIA:{QUOTED}@default?endpoint={QUOTED}"},
    {SES: f"ses+api://AKIA:{QUOTED}@default?token={QUOTED}"},
    {SES: f"ses+api://AKIA:{QUOTED}@default?a={QUOTED}&a={QUOTED}"},
    {SES: f"ses+api://AKIA:{QUOTED}%0d%0a@default"},
    {SES: f"sse://AKIA:{QUOTED}@default"},
    {SES: f"ses+api://AKIA:{QUOTED}@default/{QUOTED}#{QUOTED}"},
    {SES: f"ses+api://AKIA:{QUOTED}@default?ca={QUOTED}"},
    {SMTP: f"mailtrap+smtp://{QUOTED}@default?port={QUOTED}"},
    {SMTP: f"mailtrap+smtp://{QUOTED}@default?tls={QUOTED}"},
    {SMTP: f"mailtrap+smtp://{QUOTED}%00@default"},
    {SMTP: f"mailtrap+smtp://{QUOTED}%C3%A9@default"},
    {SMTP: f"mailtrap+smtp://{QUOTED}@example.com?tls=off"},
    {"MAILTRAP_API_KEY": f"{CANARY}2"},
    {"MAILBALANCE_SPLIT": f"ses=1,{CANARY}=1"},
    {"MAILBALANCE_SPLIT": f"ses={CANARY}"},
    {"MAILBALANCE_SPLIT": "ses=1,nobody=1"},
    {"MAILBALANCE_TIMEOUT": CANARY},
    {"MAILBALANCE_FROM": CANARY},
    {"MAILBALANCE_UNKNOWN": CANARY},
]


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_mistake_in_the_configuration_is_told_without_it(
    broken: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = {} if "MAILTRAP_API_KEY" not in broken else {"MAILBALANCE_MAILTRAP_URL": ""}
    environ = {**GOOD, **token, **broken}
    for name, value in environ.items():
        if "\0" not in value:
            monkeypatch.setenv(name, value)
    for make in (
        lambda: Mailer.from_env(environ),
        Mailer.from_env,
        lambda: Mailer(environ["MAILBALANCE_SPLIT"], environ=environ),
        lambda: read_settings(environ),
    ):
        with contextlib.suppress(MailError), raising():
            make()


CONSTRUCTORS: list[Callable[[], object]] = [
    lambda: SesBackend(
        access_key="AKIA", secret_key=CANARY, endpoint="http://example.com"
    ),
    lambda: SesBackend(secret_key=CANARY, session_token=CANARY),
    lambda: SesBackend(access_key="A", secret_key=CANARY, ca="/nowhere"),
    lambda: SesSmtpBackend(username="USER", password=CANARY, port=0),
    lambda: SesSmtpBackend(username="USER", password=CANARY + "é"),
    lambda: SesSmtpBackend(password=CANARY),
    lambda: SesSmtpBackend(access_key="A", secret_key=CANARY, region="a b"),
    lambda: MailtrapBackend(token=CANARY, sandbox_id="x"),
    lambda: MailtrapBackend(token=f"{CANARY}\n"),
    lambda: MailtrapBackend(token=CANARY, base_url=f"https://{QUOTED}@x"),
    lambda: MailtrapSmtpBackend(token=CANARY, tls="off"),
    lambda: MailtrapSmtpBackend(token=CANARY, password=CANARY),
    lambda: MailtrapSmtpBackend(token=CANARY + "\0"),
]


@pytest.mark.parametrize("make", CONSTRUCTORS)
def test_a_mistake_in_a_constructor_is_told_without_it(
    make: Callable[[], object],
) -> None:
    with pytest.raises(ConfigError) as caught:
        make()

    assert seen(all_of(caught.value)) == []


# Values


def things() -> Iterator[object]:
    yield hidden(GOOD)
    yield read_settings(hidden(GOOD))
    mailer = Mailer.from_env(GOOD)
    yield mailer
    yield from mailer.backends.values()
    yield Keys("AKIA", CANARY, CANARY)
    for backend in mailer.backends.values():
        yield from backend.__dict__.values()


def test_nothing_that_holds_it_shows_it() -> None:
    for thing in things():
        shown = [repr(thing), str(thing)]
        if hasattr(thing, "__dict__"):
            shown.append(repr(vars(thing)))
        if dataclasses.is_dataclass(thing):
            shown.append(repr(dataclasses.asdict(thing)))  # type: ignore[arg-type]
        assert seen("\n".join(shown)) == [] or isinstance(thing, Secret)


@pytest.mark.parametrize("thing", [Secret(CANARY), hidden(GOOD), Keys("A", CANARY)])
def test_it_is_copied_and_never_pickled(thing: object) -> None:
    assert repr(copy.deepcopy(thing)) == repr(copy.copy(thing)) == repr(thing)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(thing)


def test_settings_are_never_pickled() -> None:
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(read_settings(GOOD))


def test_a_secret_is_a_text_like_any_other() -> None:
    secret = Secret(CANARY)

    assert secret == CANARY
    assert f"{secret}".encode() == CANARY.encode()
    assert hash(secret) == hash(CANARY)


def test_an_environment_is_a_mapping_like_any_other() -> None:
    environ = hidden({"A": "1"})

    assert environ == {"A": "1"}
    assert hidden(environ) is environ
    assert isinstance(hidden(), Environ)
    assert hidden().is_of_the_process


@pytest.mark.parametrize("form", [CANARY, QUOTED, FORMS[2]])
def test_a_providers_text_is_scrubbed_in_every_form(form: str) -> None:
    text = scrub(f"the token {form} is wrong", [None, "", CANARY])

    assert seen(text) == [] or form == CANARY.encode().hex()


def test_previews_do_not_show_it() -> None:
    previews = Mailer.from_env(GOOD).preview(**MAIL)  # type: ignore[arg-type]

    assert len(previews) == 4
    assert seen("\n".join(previews.values())) == []


# Sends that fail


def failures(how: How, backend: Any) -> DeliveryError:
    mailer = Mailer({backend: 1}, policy=QUICK)

    async def asend() -> None:
        async with mailer:
            await mailer.asend(**MAIL)  # type: ignore[arg-type]

    def act() -> None:
        with mailer:
            mailer.send(**MAIL)  # type: ignore[arg-type]

    with pytest.raises(DeliveryError) as caught:
        act() if how == "sync" else asyncio.run(asend())
    return caught.value


ECHO = f'{{"success": false, "errors": ["no token {CANARY}"], "message": "{CANARY}"}}'
HTTP: dict[str, Any] = {
    "silent": silent,
    "refused": answering(401, ECHO.encode()),
    "refused in base64": answering(403, ECHO.replace(CANARY, FORMS[-1]).encode()),
    "rubbish": saying(b"220 SMTP here\r\n"),
    "gone": lambda caller: caller.reset(),
    "gone in the reply": saying(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
    "success that is none": answering(200, ECHO.encode()),
    "endless": answering(200, b"x" * 1_100_000),
}


@pytest.mark.parametrize("act", HTTP.values(), ids=HTTP)
@pytest.mark.parametrize("kind", ["ses", "mailtrap"])
def test_a_request_that_fails_is_told_without_it(how: How, kind: str, act: Any) -> None:
    with Peer((act,)) as peer:
        url = f"http://127.0.0.1:{peer.port}"
        keys = {"access_key": "AKIA", "secret_key": CANARY, "session_token": CANARY}
        backend: Any = MailtrapBackend(token=CANARY, base_url=url)
        if kind == "ses":
            backend = SesBackend(region="eu-west-1", endpoint=url, **keys)
        error = failures(how, backend)

    assert seen(all_of(error)) == []
    assert seen(pickle.dumps(error).decode("latin-1")) == []


PROXIES = [
    f"http://user:{QUOTED}@127.0.0.1:1",
    f"http://user:{CANARY}@127.0.0.1:1",
    f"user:{QUOTED}@127.0.0.1:1",
    f"http://user:{QUOTED}@127.0.0.1:x",
    f"http://user:1/{CANARY}@127.0.0.1:1",
    f"sock://user:{QUOTED}@127.0.0.1:1",
    f"http://user:{QUOTED}@[::1",
    f"http://user:{QUOTED}%0d%0a@127.0.0.1:1",
]


@pytest.mark.parametrize("proxy", PROXIES, ids=range(len(PROXIES)))
def test_a_proxy_that_fails_is_told_without_its_password(how: How, proxy: str) -> None:
    environ = {"HTTPS_PROXY": proxy}
    backend = MailtrapBackend(
        token=CANARY, base_url="https://localhost:1", environ=environ
    )

    assert seen(all_of(failures(how, backend)) + repr(vars(backend))) == []


#: What a file or a cloud's store of secrets hands out with a line end behind it.
STRANGE = [
    f"{CANARY}{end}" for end in ["\n", "\r\nX-Evil: 1", "\0", " x", "é", "€", "\t"]
]


@pytest.mark.parametrize("token", STRANGE, ids=ascii)
@pytest.mark.parametrize("given", ["argument", "environment"])
def test_a_session_token_is_never_a_second_header(
    how: How, given: str, token: str
) -> None:
    keys = {"access_key": "AKIA", "secret_key": CANARY, "session_token": token}
    environ = {f"AWS_{name.upper()}": value for name, value in keys.items()}
    environ["AWS_ACCESS_KEY_ID"] = environ.pop("AWS_ACCESS_KEY")
    environ["AWS_SECRET_ACCESS_KEY"] = environ.pop("AWS_SECRET_KEY")
    with Peer((serve,)) as peer:
        place: Any = {"region": "eu-west-1", "endpoint": peer.url("")}
        if given == "argument":
            with pytest.raises(ConfigError) as caught:
                SesBackend(**place, **keys)
            error: BaseException = caught.value
        else:
            error = failures(how, SesBackend(**place, environ=environ))

        assert seen(all_of(error)) == []
        assert "session token" in str(error)
        assert peer.requests == []


SMTP_REPLIES: list[dict[str, Any]] = [
    {"AUTH": f"535 5.7.8 {CANARY} is wrong"},
    {"AUTH": STALL},
    {"AUTH": FIN},
    {"AUTH": b"\xff\xff\r\n"},
    {"MAIL": FIN},
    {"dot": FIN},
    {"greeting": "554 no"},
    *(
        {step: f"{code} 5.0.0 {CANARY} is wrong"}
        for step in ("greeting", "MAIL", "RCPT", "DATA", "dot")
        for code in (299 if step in ("greeting", "DATA") else 399, 450, 550)
    ),
]


@pytest.mark.parametrize("replies", SMTP_REPLIES, ids=str)
@pytest.mark.parametrize("extensions", [("AUTH PLAIN",), ("AUTH LOGIN",)])
def test_a_session_that_fails_is_told_without_it(
    how: How, replies: dict[str, Any], extensions: tuple[str, ...]
) -> None:
    with SmtpPeer(extensions=extensions, **replies) as peer:
        backend = MailtrapSmtpBackend(
            token=CANARY, host="127.0.0.1", port=peer.port, tls="off"
        )
        error = failures(how, backend)

    assert seen(all_of(error)) == []
    assert seen(pickle.dumps(error).decode("latin-1")) == []


@pytest.mark.parametrize("batch", [False, True])
def test_a_refusal_of_one_recipient_is_told_without_it(how: How, batch: bool) -> None:
    said = ["250 2.1.5 ok", f"550 5.1.1 no {CANARY}"]
    note = Message(from_="a@x.com", to=["b@x.com", "c@x.com"], text="hello")
    with SmtpPeer(RCPT=said) as peer:
        backend = MailtrapSmtpBackend(
            token=CANARY, host="127.0.0.1", port=peer.port, tls="off"
        )
        with Mailer({backend: 1}) as mailer:
            if batch:
                (result,) = mailer.send_many([note])
                found: Any = result.receipt
            elif how == "sync":
                found = mailer.send(note)
            else:
                found = asyncio.run(mailer.asend(note))

    assert found.refused["c@x.com"].code == 550
    assert seen(repr(found)) == []
