"""No command ever shows a secret, whatever happens."""

import base64
from urllib.parse import quote

import pytest

from mailbalance.sandbox import Sandbox
from tests.cli.conftest import Invoke

#: Signs that a URL has to encode, so that each form of it is looked for.
CANARY = "canary/4Kz+Q"
FORMS = (CANARY, quote(CANARY, safe=""), base64.b64encode(CANARY.encode()).decode())

#: Every place in the environment where a secret may stand.
ENVIRON = {
    "MAILTRAP_API_TOKEN": CANARY,
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "AWS_SESSION_TOKEN": CANARY,
    "SES_SMTP_USERNAME": "AKIAEXAMPLE",
    "SES_SMTP_PASSWORD": CANARY,
    "AWS_REGION": "us-east-1",
    "MAILBALANCE_FROM": "demo@example.com",
    "MAILBALANCE_MAX_ATTEMPTS": "4",
}
TO = ("--to", "ana@example.com", "--subject", "x", "--text", "x")
COMMANDS = [
    ("check",),
    ("check", "--json"),
    ("route", "--to", "ana@example.com"),
    ("send", *TO, "--dry-run"),
    ("send", *TO, "--dry-run", "--json"),
    ("send", *TO),
    ("send", *TO, "--json"),
    ("--verbose", "send", *TO),
]


def environ(box: Sandbox, *, broken: str = "") -> dict[str, str]:
    """Point every backend at the doors of a box, which take none of these secrets."""
    secret, keys = quote(CANARY, safe=""), f"AKIA:{quote(CANARY, safe='')}"
    ca, urls = quote(str(box.ca_file), safe=""), box.urls()
    smtp = {
        name: f"127.0.0.1:{box.port(name)}" for name in ("ses-smtp", "mailtrap-smtp")
    }
    return {
        **ENVIRON,
        "MAILBALANCE_SPLIT": "ses=1,ses-smtp=1,mailtrap=1,mailtrap-smtp=1",
        "MAILBALANCE_SES_URL": f"ses+api://{keys}@default?endpoint={urls['ses']}{broken}",
        "MAILBALANCE_SES_SMTP_URL": f"ses+smtp://{keys}@{smtp['ses-smtp']}?ca={ca}",
        "MAILBALANCE_MAILTRAP_URL": (
            f"mailtrap+api://{secret}@127.0.0.1:{box.port('mailtrap')}?tls=off"
        ),
        "MAILBALANCE_MAILTRAP_SMTP_URL": (
            f"mailtrap+smtp://{secret}@{smtp['mailtrap-smtp']}?ca={ca}{broken}"
        ),
    }


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_secret_is_never_shown(
    invoke: Invoke, box: Sandbox, arguments: tuple[str, ...]
) -> None:
    ended = invoke(*arguments, env=environ(box))

    assert ended.exit_code in (0, 75), ended.output
    assert not [form for form in FORMS if form in ended.output]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    "broken", ["&colour=" + CANARY, "#" + CANARY, "&tls=" + CANARY]
)
def test_a_secret_is_not_shown_by_a_configuration_error(
    invoke: Invoke, box: Sandbox, arguments: tuple[str, ...], broken: str
) -> None:
    ended = invoke(*arguments, env=environ(box, broken=broken))

    assert ended.exit_code == 78
    assert not [form for form in FORMS if form in ended.output]


def test_two_tokens_that_differ_are_both_kept_secret(invoke: Invoke) -> None:
    split = {"MAILBALANCE_SPLIT": "mailtrap=1", "MAILTRAP_API_KEY": "canary-2"}

    ended = invoke("check", env=split | {"MAILTRAP_API_TOKEN": CANARY})

    assert ended.exit_code == 78
    assert "MAILTRAP_API_KEY" in ended.output
    assert "canary" not in ended.output
