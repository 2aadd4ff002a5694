"""The environment as a whole: defaults, Mailtrap's variables, and every mistake."""

import pytest

from mailbalance.config import read_backend, read_settings
from mailbalance.errors import ConfigError

TOKEN = {"MAILTRAP_API_TOKEN": "T"}


def problems(environ):
    with pytest.raises(ConfigError) as caught:
        read_settings(environ)
    return "\n".join(caught.value.problems)


def test_one_variable_and_a_token_are_enough():
    settings = read_settings({"MAILBALANCE_SPLIT": "ses=60,mailtrap=40", **TOKEN})

    assert [b.kind for b in settings.backends] == ["ses+api", "mailtrap+api"]
    assert settings.unknown == "raise"


def test_an_empty_configuration_shows_the_lines_to_choose_from():
    said = problems({})

    assert "MAILBALANCE_SPLIT=ses=60,mailtrap=40" in said
    assert "MAILBALANCE_SPLIT=console=100" in said


def test_the_numbers_are_read():
    settings = read_settings(
        {
            "MAILBALANCE_SPLIT": "memory=1",
            "MAILBALANCE_TIMEOUT": "12.5",
            "MAILBALANCE_MAX_ATTEMPTS": "3",
            "MAILBALANCE_UNKNOWN": "retry",
            "MAILBALANCE_FROM": "a@example.com",
        }
    )

    assert (settings.timeout, settings.max_attempts, settings.unknown) == (
        12.5,
        3,
        "retry",
    )
    assert str(settings.from_) == "a@example.com"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"MAILBALANCE_TIMEOUT": "soon"},
            "MAILBALANCE_TIMEOUT must be a number above 0",
        ),
        ({"MAILBALANCE_TIMEOUT": "nan"}, "MAILBALANCE_TIMEOUT"),
        ({"MAILBALANCE_TIMEOUT": "0"}, "MAILBALANCE_TIMEOUT"),
        (
            {"MAILBALANCE_MAX_ATTEMPTS": "1.5"},
            "MAILBALANCE_MAX_ATTEMPTS must be a whole",
        ),
        (
            {"MAILBALANCE_UNKNOWN": "maybe"},
            "MAILBALANCE_UNKNOWN must be raise or retry",
        ),
        ({"MAILBALANCE_FROM": "nobody"}, "MAILBALANCE_FROM: "),
        ({"MAILBALANCE_FROM": "a@example.com,b@example.com"}, "several addresses"),
        ({"MAILBALANCE_REPLY_TO": "a@example.com, nobody"}, "MAILBALANCE_REPLY_TO: "),
        ({"MAILTRAP_API_KEY": "other"}, "both set and differ"),
        ({"MAILTRAP_API_TOKEN": ""}, "no token; set MAILTRAP_API_TOKEN"),
        ({"MAILTRAP_USE_SANDBOX": "1"}, "set MAILTRAP_SANDBOX_ID"),
        ({"MAILTRAP_USE_SANDBOX": "maybe"}, "MAILTRAP_USE_SANDBOX must be 1 or 0"),
        ({"MAILBALANCE_SPLIT": "sess=1"}, "unknown backend 'sess'"),
        ({"MAILBALANCE_SPLIT": "eu=1"}, "set MAILBALANCE_EU_URL"),
        ({"MAILBALANCE_MAILTRAP_URL": "x"}, "MAILBALANCE_MAILTRAP_URL: unknown scheme"),
    ],
)
def test_each_mistake_names_its_variable_and_the_fix(more, said):
    assert said in problems({"MAILBALANCE_SPLIT": "mailtrap=1", **TOKEN, **more})


def test_all_mistakes_are_told_at_once():
    said = problems(
        {"MAILBALANCE_SPLIT": "mailtrap=1,sess=1", "MAILBALANCE_TIMEOUT": "soon"}
    )

    assert "sess" in said
    assert "MAILBALANCE_TIMEOUT" in said
    assert "MAILTRAP_API_TOKEN" in said


def test_a_bad_weight_hides_no_other_mistake():
    said = problems({"MAILBALANCE_SPLIT": "ses=-1,postmark=2"})

    assert "negative" in said
    assert "unknown backend 'postmark'" in said


def test_a_comma_in_a_quoted_name_parts_no_address():
    settings = read_settings(
        {
            "MAILBALANCE_SPLIT": "memory=1",
            "MAILBALANCE_REPLY_TO": '"Shop, Inc" <help@example.com>, b@example.com,',
        }
    )

    assert [each.name for each in settings.reply_to] == ["Shop, Inc", ""]


def test_the_older_name_of_the_token_works_too():
    settings = read_backend("mailtrap", {"MAILTRAP_API_KEY": "K"})

    assert settings.secret is not None
    assert settings.secret.get_secret_value() == "K"


def test_a_token_in_the_dsn_wins():
    dsn = {"MAILBALANCE_MAILTRAP_URL": "mailtrap+api://D@default"}

    settings = read_backend("mailtrap", {**TOKEN, **dsn})

    assert settings.secret is not None
    assert settings.secret.get_secret_value() == "D"


def test_a_sandbox_id_alone_diverts_nothing():
    settings = read_backend("mailtrap", {**TOKEN, "MAILTRAP_SANDBOX_ID": "7"})

    assert dict(settings.options) == {}


@pytest.mark.parametrize("variable", ["MAILTRAP_SANDBOX_ID", "MAILTRAP_INBOX_ID"])
def test_the_mailtrap_sandbox_takes_its_id_from_either_variable(variable):
    environ = {**TOKEN, "MAILTRAP_USE_SANDBOX": "1", variable: "7"}

    assert read_backend("mailtrap", environ).options["sandbox_id"] == "7"


def test_the_mailtrap_sandbox_over_smtp_needs_its_own_user_and_password():
    with pytest.raises(ConfigError, match="its own SMTP user and password"):
        read_backend("mailtrap-smtp", {**TOKEN, "MAILTRAP_USE_SANDBOX": "1"})


def test_the_smtp_port_and_the_stream_have_variables():
    environ = {**TOKEN, "MAILTRAP_SMTP_PORT": "2525", "MAILTRAP_STREAM": "bulk"}

    settings = read_backend("mailtrap-smtp", environ)

    assert (settings.port, settings.options["stream"]) == (2525, "bulk")


def test_an_unknown_option_names_the_variable_it_stands_in():
    environ = {"MAILBALANCE_EU_URL": "memory:?regon=x"}

    said = read_backend("eu", environ).unknown_options({"region"})

    assert said == [
        "MAILBALANCE_EU_URL: unknown option 'regon'; the options are region"
    ]


def test_a_port_that_is_none_is_told():
    with pytest.raises(ConfigError, match="at most 65535"):
        read_backend("mailtrap-smtp", {**TOKEN, "MAILTRAP_SMTP_PORT": "99999"})


def test_a_backend_outside_the_split_is_ignored():
    settings = read_settings(
        {"MAILBALANCE_SPLIT": "memory=1", "MAILBALANCE_OTHER_URL": "nonsense"}
    )

    assert [b.name for b in settings.backends] == ["memory"]


def test_a_backend_of_any_name_takes_its_dsn():
    environ = {"MAILBALANCE_EU_WEST_URL": "ses+api://default?region=eu-west-1"}

    settings = read_backend("eu-west", environ)

    assert (settings.name, settings.kind) == ("eu-west", "ses+api")
