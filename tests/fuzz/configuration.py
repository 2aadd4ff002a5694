"""Targets of configuration: DSNs and what is made of them, splits, rates, environments.

What must hold: only ``ConfigError``; no secret in any error, nor in what a value shows of
itself; what was read is read the same again.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from types import SimpleNamespace
from typing import Any

from mailbalance.backends import make_backend
from mailbalance.config import BackendSettings, parse_dsn, parse_split, read_settings
from mailbalance.config.dsn import SCHEMES
from mailbalance.config.rates import parse_rates
from mailbalance.errors import ConfigError
from tests.fuzz.choices import Choices, many, stretched
from tests.fuzz.target import Saboteur, Target

#: Stands for whatever must not be shown.
SECRET = "s3cr3t0fTh15Us3r"

#: How a secret may begin when somebody forgets to percent-encode it.
_BEFORE = ("", "", "", "/", "?", "#", "@", ":", "%", "&", "=", "[", "\0", "é")

_ENVIRON = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"}


@contextmanager
def only_config_errors() -> Iterator[SimpleNamespace]:
    """Let a refusal pass, if it is one and keeps the secret; say whether there was one."""
    found = SimpleNamespace(refused=False)
    try:
        yield found
    except ConfigError as error:
        found.refused = True
        _must_keep_the_secret(error)


def not_learnt(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Leave out input that holds the secret itself.

    The fuzzer learns it from the comparisons it watches, and writes it where a name
    stands, which errors show.
    """

    @wraps(check)
    def checked(data: bytes) -> None:
        if SECRET.encode() not in data:
            check(data)

    return checked


def _must_keep_the_secret(error: ConfigError) -> None:
    assert error.problems
    assert SECRET not in f"{error} {error.args} {error.problems}"
    assert all(each.isprintable() or "\n  " in each for each in error.problems)


def _dsn(choices: Choices) -> str:
    """Give a DSN with the secret where one stands, and much else that is wrong."""
    scheme = choices.one_of((*SCHEMES, "smtp", ""))
    user = choices.one_of(("", "", "api", "AKIAEXAMPLE"))
    secret = choices.one_of(_BEFORE) + SECRET
    host = choices.one_of(("default", "default", "127.0.0.1", "[::1]", "h.example", ""))
    text = stretched(choices.rest()).decode("utf-8", "surrogateescape")
    return f"{scheme}://{user}{':' if user else ''}{secret}@{host}{text}"


@not_learnt
def check_dsn(data: bytes) -> None:
    dsn = _dsn(Choices(data))
    with only_config_errors():
        settings = replace(parse_dsn(dsn, name="a-b"), environ=_ENVIRON)
        if settings.secret is not None and SECRET in settings.secret.get_secret_value():
            assert SECRET not in f"{settings!r} {settings}"
        assert settings.port is None or 0 <= settings.port < 65536
        backend = make_backend(settings)
        if settings.host is None or SECRET.lower() not in settings.host.lower():
            assert SECRET not in f"{backend!r} {backend}"
        backend.close()


def _telling_the_token(sound: Any) -> Any:
    def unknown_options(self: BackendSettings, known: Iterable[str]) -> list[str]:
        token = self.secret.get_secret_value() if self.secret else ""
        return [f"{each} of {token}" for each in sound(self, known)]

    return unknown_options


DSN = Target(
    "dsn",
    check_dsn,
    (
        b"\0\3\0\0?region=eu-west-1&configuration_set=c",
        b"\1\3\0\0:2587?region=eu-west-1&tls=implicit",
        b"\2\0\0\0?stream=bulk&sandbox_id=12",
        b"\5\0\0\0?port=2525&rate=50/hour&concurrency=3&processes=2",
        b"\5\2\0\2:2525?tls=off&port=25",
        b"\2\0\4\0",
        b"\2\0\0\0?port=" + many(5000, b"9"),
        b"\4\0\0\4/x#y?inboxId=%33&inbox_id=4",
    ),
    Saboteur(
        "mailbalance.config.backend:BackendSettings.unknown_options",
        _telling_the_token,
        b"\2\0\0\0?colour=red",
    ),
    longest=200,
)


@not_learnt
def check_split(data: bytes) -> None:
    text = stretched(data).decode("utf-8", "surrogateescape")
    with only_config_errors():
        weights = parse_split(text)
        names = [weight.name for weight in weights]
        assert len(names) == len(set(names))
        assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)
        assert all(weight.value >= 0 for weight in weights)
        assert any(weight.value > 0 for weight in weights)
        assert all(not weight.value for weight in weights if weight.backup)
        again = ",".join(
            f"{w.name}={'backup' if w.backup else _decimal(w.value)}" for w in weights
        )
        assert parse_split(again) == weights


def _decimal(value: object) -> str:
    whole, _, part = str(value).partition("/")
    if not part:
        return whole
    # Every denominator divides a power of ten: a weight is written as a decimal.
    scaled = int(whole) * 10**12 // int(part)
    return f"{scaled // 10**12}.{scaled % 10**12:012d}"


SPLIT = Target(
    "split",
    check_split,
    (
        b"ses=60,mailtrap=40",
        b"ses:60% mailtrap:40% ses-smtp=backup",
        b"a=0.6,b = 0.4,c=0",
        b"a=1,a=2,B=-3,c=1e5,d",
        b"a=" + many(4400, b"9"),
    ),
    Saboteur(
        "mailbalance.config.weights:_NAME",
        lambda sound: re.compile(sound.pattern, re.IGNORECASE),
        b"A=1",
    ),
    longest=200,
)


@not_learnt
def check_rates(data: bytes) -> None:
    text = stretched(data).decode("utf-8", "surrogateescape")
    with only_config_errors():
        rates = parse_rates(text).rates
        words = [item.strip() for item in text.lower().split(",")] if text else []
        for rate, item in zip(rates, [w for w in words if w != "auto"], strict=True):
            assert 0 < rate.count < 10**9
            assert 1 <= rate.period < 10**12
            assert rate.unit in ("messages", "recipients")
            unit, number = item.partition("/")[2].lstrip("0123456789 "), rate.period
            assert number % {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit[0]] == 0
            again = parse_rates(f"{rate.count} {rate.unit}/{rate.period:.0f}s").rates
            assert again == (rate,) or rate.period >= 10**6


RATES = Target(
    "rates",
    check_rates,
    (
        b"50/hour",
        b"14 recipients/s, 150/10s , auto",
        b"1 message / 2 days,2messages/m",
        b"0/s,1/0s,1/,/s,9999999999/s",
    ),
    Saboteur(
        "mailbalance.config.rates:_SECONDS",
        lambda sound: {**sound, "h": 60},
        b"5/h",
    ),
    found=(b"1/s,2s/ \xff\xf9 \xff4s/s", b"2" + many(8000, b" ") + b"x/s"),
    longest=120,
)

_NAMES = (
    "MAILBALANCE_SPLIT",
    "MAILBALANCE_SES_URL",
    "MAILBALANCE_MAILTRAP_URL",
    "MAILBALANCE_A_URL",
    "MAILBALANCE_FROM",
    "MAILBALANCE_REPLY_TO",
    "MAILBALANCE_TIMEOUT",
    "MAILBALANCE_MAX_ATTEMPTS",
    "MAILBALANCE_UNKNOWN",
    "MAILTRAP_STREAM",
    "MAILTRAP_USE_SANDBOX",
    "MAILTRAP_SANDBOX_ID",
    "MAILTRAP_SMTP_PORT",
    "MAILTRAP_API_KEY",
)


@not_learnt
def check_settings(data: bytes) -> None:
    choices = Choices(data)
    environ = {
        "MAILBALANCE_SPLIT": choices.one_of(
            ("ses=60,mailtrap=40", "a=1,mailtrap-smtp=2", "memory=1,console=backup")
        ),
        "MAILTRAP_API_TOKEN": SECRET,
        **_ENVIRON,
    }
    while choices:
        name = choices.one_of(_NAMES)
        environ[name] = (
            _dsn(Choices(choices.some())) if "URL" in name else choices.text()
        )
    with only_config_errors() as outcome:
        settings = read_settings(environ)
        assert settings.timeout is None or settings.timeout > 0
        assert settings.max_attempts is None or settings.max_attempts > 0
        for each in settings.backends:
            if SECRET not in (each.user or "") and SECRET.lower() not in (
                each.host or ""
            ):
                assert SECRET not in f"{each!r} {each}"
    assert outcome.refused or environ["MAILBALANCE_SPLIT"].strip()


def _telling_all(sound: Any) -> Any:
    def unknown(environ: dict[str, str], problems: list[str]) -> str:
        before = len(problems)
        found: str = sound(environ, problems)
        if len(problems) > before:
            problems.extend(map(repr, environ.values()))
        return found

    return unknown


SETTINGS = Target(
    "settings",
    check_settings,
    (
        b"\0",
        b"\1\3\x1b\2\0\0\0?port=2525&rate=50/hour\x0c\x0425\0\5",
        b"\2\4\x09Ana <a@b>\5\6\x0230\5\7\x013\5\x08\x05retry\5",
        b"\0\x0a\x011\5\x0b\x0242\5\x09\x04bulk\5",
        b"\0\6\x03nan\5\7\x011\x1a\x07\x0c\x019\x1a\x09",
        b'\0\0\x0dses=50%,b=50%\5\5\x0d"a,b" <a@b>,\5',
    ),
    Saboteur(
        "mailbalance.config.settings:_unknown",
        _telling_all,
        b"\0\x08\x01?\5",
    ),
)

TARGETS = (DSN, SPLIT, RATES, SETTINGS)
