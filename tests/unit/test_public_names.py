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


#: What no program should pay for by naming the two classes; pydantic alone is what it
#: must pay for, and that brings none of these.
LATER = [
    *("aiosmtplib", "asyncio", "boto3", "botocore", "email", "httpcore2", "httptools"),
    *("httpx2", "idna", "importlib.metadata", "orjson", "pybase64", "ssl", "tenacity"),
    *(f"mailbalance.{each}" for each in ("backend", "config", "mime", "routing")),
    *(f"mailbalance.{each}" for each in ("rules", "wire")),
]
IMPORTS = {
    "import mailbalance": ["pydantic"],
    "import mailbalance.testing.plugin": ["pydantic"],
    "from mailbalance import Mailer, Message": LATER,
    "from mailbalance import MailtrapBackend": ["asyncio", "botocore", "httpx2"],
    "from mailbalance import SesBackend": ["asyncio", "botocore", "httpx2"],
    "from mailbalance import SesSmtpBackend": ["asyncio", "botocore", "aiosmtplib"],
}
#: A whole send by threads, to a port where nobody listens.
SENDS = {
    "SES by API": "SesBackend(region='eu-west-1', access_key='x', secret_key='y',"
    " endpoint='http://127.0.0.1:1', environ={})",
    "Mailtrap by API": "MailtrapBackend(token='t', base_url='http://127.0.0.1:1')",
    "SMTP": "SesSmtpBackend(region='eu-west-1', username='u', password='p',"
    " host='127.0.0.1', port=1, tls='off', environ={})",
}
SEND = """
from mailbalance import Mailer, RetryPolicy, TransientError
from mailbalance import MailtrapBackend, SesBackend, SesSmtpBackend
mailer = Mailer({{{backend}: 1}}, policy=RetryPolicy(timeout=0.2))
try:
    mailer.send(from_="a@example.com", to="b@example.com", subject="s", text="t")
except TransientError as error:
    assert error.phase == "connect", repr(error)
"""


def loaded(code, names):
    code = f"import sys\n{code}\nprint(*({names!r} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return done.stdout.split()


@pytest.mark.parametrize("statement", IMPORTS)
def test_heavy_modules_wait_until_they_are_needed(statement):
    assert loaded(statement, set(IMPORTS[statement])) == []


@pytest.mark.parametrize("way", SENDS)
def test_sending_by_threads_loads_nothing_for_event_loops(way):
    names = {"asyncio", "botocore", "aiosmtplib", "httpcore2", "httpx2"}

    assert loaded(SEND.format(backend=SENDS[way]), names) == []
