"""DSNs: what is understood, and what each mistake is told."""

import pytest

from mailbalance.config import parse_dsn
from mailbalance.errors import ConfigError


def read(dsn, name="mailtrap-smtp"):
    settings = parse_dsn(dsn, name=name)
    secret = settings.secret.get_secret_value() if settings.secret else None
    return settings, secret


def test_a_mailtrap_token_stands_alone_before_the_at_sign():
    settings, secret = read("mailtrap+smtp://TOKEN@default?port=2525")

    assert (settings.kind, settings.user, secret) == ("mailtrap+smtp", None, "TOKEN")
    assert (settings.host, settings.port) == (None, 2525)


def test_a_user_and_a_password_are_percent_decoded():
    settings, secret = read("ses+smtp://AK%40ID:p%2Fw%3Ad@127.0.0.1:2587", "ses-smtp")

    assert (settings.user, secret) == ("AK@ID", "p/w:d")
    assert (settings.host, settings.port) == ("127.0.0.1", 2587)


def test_options_are_kept_for_the_backend():
    settings, _ = read(
        "ses+api://default?region=eu-west-1&endpoint=http://127.0.0.1:5000"
    )

    assert dict(settings.options) == {
        "region": "eu-west-1",
        "endpoint": "http://127.0.0.1:5000",
    }


def test_a_plus_in_an_option_stays_a_plus():
    settings, _ = read("ses+api://default?session_token=a+b%2Bc")

    assert settings.options["session_token"] == "a+b+c"


@pytest.mark.parametrize(
    ("dsn", "kind", "options"),
    [
        ("mailtrap+bulk://T@default", "mailtrap+api", {"stream": "bulk"}),
        ("mailtrap+sandbox://T@default?inboxId=7", "mailtrap+api", {"sandbox_id": "7"}),
        ("mailtrap+api://T@default", "mailtrap+api", {}),
        ("MAILTRAP+API://T@default", "mailtrap+api", {}),
        ("memory:", "memory", {}),
        ("console:", "console", {}),
    ],
)
def test_a_scheme_says_the_kind_and_what_it_implies(dsn, kind, options):
    settings, _ = read(dsn)

    assert (settings.kind, dict(settings.options)) == (kind, options)


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("smpt://x", "unknown scheme"),
        ("", "unknown scheme"),
        ("mailtrap+smtp://TOKEN@", "no host"),
        ("mailtrap+smtp://TOK/EN@default", "percent-encode"),
        ("ses+api://KEY:SEC/RET@default", "percent-encode"),
        ("mailtrap+api://TOK?EN@default", "after the . only; percent-encode"),
        ("mailtrap+smtp://T@h:99999", "percent-encode"),
        ("mailtrap+smtp://T@h:25?port=587", "two ports"),
        ("mailtrap+smtp://T@h?port=x", "no port"),
        (f"mailtrap+smtp://T@h?port={'9' * 5000}", "no port"),
        ("mailtrap+smtp://T@h?port=587&port=25", "twice"),
        ("mailtrap+sandbox://T@default", "sandbox_id"),
        ("mailtrap+smtp://T@h?tls=%0d%0aX", "control character"),
    ],
)
def test_each_mistake_in_a_dsn_names_the_variable_and_the_fix(dsn, said):
    with pytest.raises(ConfigError, match=said) as caught:
        read(dsn)

    assert "MAILBALANCE_MAILTRAP_SMTP_URL" in str(caught.value)


def test_a_secret_is_in_no_error_and_no_repr():
    settings, _ = read("mailtrap+smtp://CANARY@default")

    for wrong in ("CANARY/x@default?port=x", "x?CANARY@default"):
        with pytest.raises(ConfigError) as caught:
            read(f"mailtrap+smtp://{wrong}")

        assert "CANARY" not in str(caught.value) + repr(caught.value)
    assert "CANARY" not in repr(settings)
