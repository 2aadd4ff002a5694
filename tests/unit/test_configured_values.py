"""White space around a value, names that may be secrets, and who may drive a coroutine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from mailbalance import (
    ConfigError,
    Mailer,
    MailError,
    MailtrapBackend,
    MailtrapSmtpBackend,
    MemoryBackend,
    Message,
    SesBackend,
    SesSmtpBackend,
)
from mailbalance.config import read_backend

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalr"}
SMTP = {"SES_SMTP_USERNAME": "AKIDEXAMPLE", "SES_SMTP_PASSWORD": "BPassword"}
REGION = {"AWS_REGION": "eu-west-1"}
TOKEN = {"MAILTRAP_API_TOKEN": "t0ken"}
PLACES = {
    "ses": REGION | KEYS,
    "ses-smtp": REGION | SMTP,
    "mailtrap": TOKEN | {"MAILTRAP_STREAM": "bulk"},
    "mailtrap-smtp": TOKEN | {"MAILTRAP_STREAM": "bulk", "MAILTRAP_SMTP_PORT": "2525"},
}
SPACES = ["{}\n", "{}\r\n", " {}", "\t{} \n", "{}\u00a0"]
MESSAGE = Message(from_="a@example.com", to="b@example.com", subject="s", text="t")


def previewed(name: str, environ: dict[str, str]) -> list[str]:
    """What would be sent with this configuration, but for ids and times."""
    with Mailer.from_env({"MAILBALANCE_SPLIT": f"{name}=1", **environ}) as mailer:
        said = mailer.preview(MESSAGE)[name]
        return [line for line in said.splitlines() if "host" in line.lower()] + [
            repr(mailer.backends[name])
        ]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(
    ("name", "variable"),
    [(name, each) for name, said in PLACES.items() for each in said],
)
def test_white_space_around_a_variable_is_no_part_of_it(
    name: str, variable: str, space: str
) -> None:
    spaced = PLACES[name] | {variable: space.format(PLACES[name][variable])}
    if variable in KEYS:  # botocore reads them too, and as they are
        with pytest.raises(ConfigError, match="line end"):
            Mailer.from_env({"MAILBALANCE_SPLIT": f"{name}=1", **spaced})
        return

    assert previewed(name, spaced) == previewed(name, PLACES[name])


@pytest.mark.parametrize("space", ["%0A", "%20", "%09", "+"])
@pytest.mark.parametrize(
    "dsn",
    [
        "ses+api://AK:SK@default?region=eu-west-1",
        "ses+smtp://AK:SK@default?region=eu-west-1",
        "mailtrap+api://t0ken@default?stream=bulk",
        "mailtrap+smtp://t0ken@default?stream=bulk",
    ],
)
def test_a_value_in_a_url_is_stripped_or_refused(dsn: str, space: str) -> None:
    environ = {"MAILBALANCE_SPLIT": "x=1", "MAILBALANCE_X_URL": f"{dsn}{space}"}
    plain = environ | {"MAILBALANCE_X_URL": dsn}
    if space != "%20":
        with pytest.raises(ConfigError, match=r"MAILBALANCE_X_URL|x:"):
            Mailer.from_env(environ)
        return
    with Mailer.from_env(environ) as mailer, Mailer.from_env(plain) as other:
        assert repr(mailer.backends["x"]) == repr(other.backends["x"])


@pytest.mark.parametrize("host", [" smtp.x.com", "smtp.x.com ", "%20smtp.x.com", "a b"])
@pytest.mark.parametrize("scheme", ["mailtrap+smtp", "mailtrap+api", "ses+smtp"])
def test_a_blank_in_the_host_of_a_url_is_refused(scheme: str, host: str) -> None:
    dsn = f"{scheme}://user:s3cret@{host}:2525"
    with pytest.raises(ConfigError, match="MAILBALANCE_X_URL: the host") as caught:
        Mailer.from_env({"MAILBALANCE_SPLIT": "x=1", "MAILBALANCE_X_URL": dsn})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("kind", [SesBackend, SesSmtpBackend])
@pytest.mark.parametrize("region", ["eu west-1", "eu-west-1\nx", "EU/WEST", "\u00e9u"])
def test_a_region_that_is_none_is_refused_at_construction(
    kind: Any, region: str
) -> None:
    with pytest.raises(ConfigError, match="region"):
        kind(region=region, environ=KEYS | SMTP)


@pytest.mark.parametrize("kind", [SesBackend, SesSmtpBackend])
def test_a_region_given_is_stripped(kind: Any) -> None:
    given = kind(region="eu-west-1\n", environ=KEYS | SMTP)

    assert given.account == "ses/eu-west-1"


# Options

SECRET = "wJalrXUtnFEMI"


@pytest.mark.parametrize(
    "dsn",
    [
        f"ses+api://AK:a@default?region=eu-west-1&{SECRET}",
        f"ses+api://AK:a@default?{SECRET}=1&region=eu-west-1",
        f"mailtrap+api://t@default?{SECRET}",
        f"mailtrap+smtp://t@default?{SECRET}=",
        f"ses+smtp://AK:a@default?region=eu-west-1&{SECRET}=x",
        f"memory:?{SECRET}",
    ],
)
def test_the_name_of_an_option_that_looks_like_none_is_not_shown(dsn: str) -> None:
    environ = {"MAILBALANCE_SPLIT": "x=1", "MAILBALANCE_X_URL": dsn}

    with pytest.raises(ConfigError, match="unknown option") as caught:
        Mailer.from_env(environ)

    assert SECRET not in str(caught.value)
    assert "MAILBALANCE_X_URL" in str(caught.value)


def test_an_option_that_was_mistyped_is_named_with_the_one_meant() -> None:
    dsn = "ses+api://AK:a@default?region=eu-west-1&configuration_sett=x"
    said = read_backend("x", {"MAILBALANCE_X_URL": dsn}).unknown_options(
        {"region", "configuration_set"}
    )

    assert said == [
        "MAILBALANCE_X_URL: unknown option 'configuration_sett'; did you mean "
        "configuration_set? the options are configuration_set, region"
    ]


# Certificates


@pytest.fixture
def pem(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return str(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda environ: SesSmtpBackend(region="eu-west-1", environ=environ | SMTP),
        lambda environ: MailtrapBackend(token="t", environ=environ),
        lambda environ: MailtrapSmtpBackend(token="t", environ=environ),
    ],
    ids=["ses-smtp", "mailtrap", "mailtrap-smtp"],
)
def test_the_certificates_for_requests_are_looked_at_when_it_is_made(
    make: Any, pem: str, tmp_path: Path
) -> None:
    make({"REQUESTS_CA_BUNDLE": pem})
    (tmp_path / "none.pem").write_text("none", encoding="ascii")

    with pytest.raises(ConfigError, match="ca"):
        make({"REQUESTS_CA_BUNDLE": str(tmp_path / "none.pem")})


def test_those_of_aws_go_before_those_of_requests(pem: str, tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("none", encoding="ascii")
    wrong = {"REQUESTS_CA_BUNDLE": str(tmp_path / "none.pem"), "AWS_CA_BUNDLE": pem}

    SesSmtpBackend(region="eu-west-1", environ=wrong | SMTP)


# Event loops


@pytest.mark.parametrize("key", [None, "k"])
def test_without_asyncio_asend_says_so_before_anything_is_sent(key: str | None) -> None:
    memory = MemoryBackend("memory")
    with Mailer({memory: 100}) as mailer:
        sending = mailer.asend(MESSAGE.model_copy(update={"key": key}))
        with pytest.raises(MailError, match="asend needs asyncio"):
            sending.send(None)
        mailer.send(MESSAGE)

        assert len(memory.sent) == 1
        assert mailer.status()[0].in_flight == 0


def test_so_does_asend_many() -> None:
    memory = MemoryBackend("memory")
    with Mailer({memory: 100}) as mailer:
        results = mailer.asend_many([MESSAGE])
        with pytest.raises(MailError, match="asend_many needs asyncio"):
            results.asend(None).send(None)

    assert not memory.sent


# Bytes and texts

SCRIPT = """
import asyncio
from mailbalance import Mailer, Message
from mailbalance.sandbox import Sandbox
import mailbalance.dropin
with Sandbox() as box:
    for name in ("ses", "ses-smtp", "mailtrap", "mailtrap-smtp"):
        with Mailer.from_env(box.environ(f"{name}=100")) as mailer:
            mail = dict(from_="a@example.com", to="b@example.com", subject="\u00fc",
                        text="t", attachments=[dict(filename="a.txt", content=b"abc")])
            mailer.send(**mail)
            asyncio.run(mailer.asend(**mail))
print("sent")
"""


def test_no_bytes_are_compared_with_a_text() -> None:
    command = [sys.executable, "-bb", "-c", SCRIPT]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60
    )

    assert (done.stdout, done.returncode) == ("sent\n", 0), done.stderr
