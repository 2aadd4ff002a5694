"""What ``import mailbalance`` promises."""

import subprocess
import sys

import pytest

import mailbalance


def test_the_public_names_are_sorted_and_all_load():
    assert mailbalance.__all__ == sorted(mailbalance.__all__)
    for name in mailbalance.__all__:
        assert getattr(mailbalance, name) is not None


def test_every_error_is_at_the_top_level():
    from mailbalance import errors

    assert set(errors.__all__) <= set(mailbalance.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'sendd'"):
        _ = mailbalance.sendd


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import mailbalance", "pydantic"),
        ("import mailbalance.testing.plugin", "pydantic"),
        ("from mailbalance import Mailer, Message", "boto3"),
        ("from mailbalance import Mailer, Message", "botocore"),
        ("from mailbalance import Mailer, Message", "httpx2"),
        ("from mailbalance import Mailer, Message", "aiosmtplib"),
        ("from mailbalance import MailtrapBackend", "botocore"),
        ("from mailbalance import MailtrapBackend", "httpx2"),
        ("from mailbalance import SesBackend", "botocore"),
    ],
)
def test_heavy_libraries_wait_until_they_are_needed(statement, heavy):
    code = f"import sys; {statement}; sys.exit({heavy!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
