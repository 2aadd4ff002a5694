"""``mailbalance check``: what was understood, what is missing, what looks mistyped."""

import json
from typing import Any

import pytest

from mailbalance.cli.understanding import Understood, understand
from tests.cli.conftest import Invoke, Run

KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "k"}
BOTH = {
    "MAILBALANCE_SPLIT": "ses=60,mailtrap=40",
    "AWS_REGION": "eu-west-1",
    "MAILTRAP_API_TOKEN": "t",
    **KEYS,
}


def one(split: str, **environ: str) -> dict[str, Any]:
    """Give what was understood of the one backend of a split."""
    found = understand({**BOTH, "MAILBALANCE_SPLIT": split, **environ})
    assert not found.problems
    (backend,) = found.backends
    return {name: getattr(backend, name) for name in backend.__dataclass_fields__}


def test_a_complete_configuration_is_confirmed(run: Run) -> None:
    ended = run("check", env=BOTH)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "ses, 60.00%" in ended.stdout
    assert "https://send.api.mailtrap.io/api/send" in ended.stdout
    assert "AWS_REGION" in ended.stdout
    assert "complete" in ended.stdout


def test_all_problems_are_told_at_once(invoke: Invoke) -> None:
    environ = {
        "MAILBALANCE_SPLIT": "ses=60,mailtrap=40,unheard=1",
        "MAILBALANCE_SES_URL": "ses+api://default?colour=red&region=eu-west-1",
        "MAILBALANCE_TIMEOUT": "soon",
    }

    ended = invoke("check", "--json", env=environ)

    told = json.loads(ended.stdout)
    assert ended.exit_code == told["exit_code"] == 78
    for part in ("'unheard'", "no token", "'colour'", "MAILBALANCE_TIMEOUT"):
        assert any(part in problem for problem in told["problems"]), part
    assert len(told["problems"]) == 4


def test_an_empty_environment_is_told_what_to_set(invoke: Invoke) -> None:
    ended = invoke("check")

    assert ended.exit_code == 78
    assert "MAILBALANCE_SPLIT=ses=60,mailtrap=40" in ended.stdout


def test_a_bad_default_sender_is_a_problem() -> None:
    found = understand({**BOTH, "MAILBALANCE_FROM": "nobody"})

    assert "MAILBALANCE_FROM: has no @" in found.problems[0]


@pytest.mark.parametrize("kind", ["ses", "ses-smtp"])
def test_a_missing_region_is_a_problem_with_the_line_to_add(kind: str) -> None:
    found = understand({**KEYS, "MAILBALANCE_SPLIT": f"{kind}=1"})

    assert "set AWS_REGION" in found.problems[0]


@pytest.mark.parametrize(
    ("port", "tls"),
    [
        ("587", "STARTTLS"),
        ("2525", "STARTTLS"),
        ("25", "STARTTLS"),
        ("465", "TLS at once"),
    ],
)
def test_port_and_tls_are_told_as_understood(port: str, tls: str) -> None:
    found = one("mailtrap-smtp=1", MAILTRAP_SMTP_PORT=port)

    assert (found["where"], found["tls"]) == (f"live.smtp.mailtrap.io:{port}", tls)


def test_stream_and_account_are_told() -> None:
    found = one("mailtrap=1", MAILTRAP_STREAM="bulk")

    assert (found["stream"], found["account"]) == ("bulk", "mailtrap")
    assert found["where"].startswith("https://bulk.")


def test_the_mailtrap_sandbox_is_told() -> None:
    found = one("mailtrap=1", MAILTRAP_USE_SANDBOX="1", MAILTRAP_SANDBOX_ID="7")

    assert found["stream"] == "Mailtrap Sandbox"
    assert found["where"].endswith("/api/send/7")


@pytest.mark.parametrize(
    ("split", "environ", "source"),
    [
        ("mailtrap=1", {}, "MAILTRAP_API_TOKEN"),
        (
            "mailtrap=1",
            {"MAILBALANCE_MAILTRAP_URL": "mailtrap+api://T@default"},
            "MAILBALANCE_MAILTRAP_URL",
        ),
        ("ses=1", {}, "AWS_ACCESS_KEY_ID"),
        (
            "ses-smtp=1",
            {"SES_SMTP_USERNAME": "u", "SES_SMTP_PASSWORD": "p"},
            "SES_SMTP_USERNAME, SES_SMTP_PASSWORD",
        ),
    ],
)
def test_credentials_are_told_by_their_source_only(
    split: str, environ: dict[str, str], source: str
) -> None:
    assert one(split, **environ)["credentials"] == source


def test_missing_aws_keys_are_pointed_out_but_a_role_may_have_them() -> None:
    found = understand({"MAILBALANCE_SPLIT": "ses=1", "AWS_REGION": "eu-west-1"})

    assert not found.problems
    assert "AWS_ACCESS_KEY_ID=..." in found.warnings[0]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("MAILBALANCE_FORM", "did you mean MAILBALANCE_FROM?"),
        ("MAILBALANCE_SES_URI", "did you mean MAILBALANCE_SES_URL?"),
        ("MAILTRAP_TOKEN", "no such variable"),
        ("SES_SMTP_PASS", "did you mean SES_SMTP_PASSWORD?"),
        ("MAILTRAP_STREEM", "did you mean MAILTRAP_STREAM?"),
        ("MAILBALANCE_POSTMARK_URL", "postmark is not in the split"),
        ("MAILBALANCE_COLOUR", "no such variable"),
    ],
)
def test_a_mistyped_variable_is_pointed_out(typed: str, told: str) -> None:
    assert told in _only_warning(understand({**BOTH, typed: "x"}))


def _only_warning(found: Understood) -> str:
    (warning,) = found.warnings
    return warning
