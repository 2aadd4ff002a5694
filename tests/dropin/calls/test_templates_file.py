"""MAILBALANCE_TEMPLATES: which Mailtrap template stands for which SES template."""

import pytest

from mailbalance import Mailer
from mailbalance.config import read_settings, read_templates
from mailbalance.dropin.templates import templates_for
from mailbalance.errors import ConfigError
from tests.dropin.calls.samples import UUID


@pytest.fixture
def write(tmp_path):
    def file(text, name="templates.json"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return {"MAILBALANCE_TEMPLATES": str(path)}

    return file


def test_without_a_file_no_template_has_a_twin():
    assert read_templates({}) == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.json", f'{{"welcome": "{UUID}"}}'),
        ("t.toml", f'welcome = "{UUID.upper()}"'),
        ("t.json", f'\ufeff{{"welcome": "{UUID}"}}'),
    ],
)
def test_json_and_toml_are_read(write, name, text):
    environ = write(text, name)

    assert read_templates(environ) == {"welcome": UUID}
    assert read_settings({"MAILBALANCE_SPLIT": "memory=1"} | environ).templates == {
        "welcome": UUID
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "holds no object"),
        ("{", "write it as"),
        ('{"a": 1}', "'a' is a int"),
        ('{"a": "b"}', "'a' is no UUID"),
        (f'{{"": "{UUID}"}}', "'' is no name"),
        (f'{{"a": "{UUID}", "a": "{UUID}"}}', "'a' stands there twice"),
        (b"\xff", "is not text in UTF-8"),
    ],
)
def test_a_mistake_is_told_with_file_and_key(write, text, said):
    with pytest.raises(
        ConfigError, match=r"^MAILBALANCE_TEMPLATES: .*templates\.json"
    ) as caught:
        read_templates(write(text))

    assert said in str(caught.value)


def test_all_mistakes_are_told_together_with_those_of_the_other_variables(write):
    environ = write('{"a": 1, "b": "c"}') | {"MAILBALANCE_SPLIT": "ses=x"}

    with pytest.raises(ConfigError) as caught:
        read_settings(environ)

    assert len(caught.value.problems) == 3


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_templates({"MAILBALANCE_TEMPLATES": str(tmp_path / "none.json")})


def test_a_mailer_has_the_templates_of_the_environment_it_was_made_from(
    write, monkeypatch
):
    other = write(f'{{"farewell": "{UUID}"}}', "other.json")
    monkeypatch.setenv("MAILBALANCE_TEMPLATES", other["MAILBALANCE_TEMPLATES"])
    split = {"MAILBALANCE_SPLIT": "memory=1"}
    own = write(f'{{"welcome": "{UUID}"}}')

    assert templates_for(Mailer.from_env(split | own)) == {"welcome": UUID}
    assert templates_for(Mailer.from_env(split)) == {}
    assert templates_for(Mailer("memory=1", environ=split)) == {"farewell": UUID}
