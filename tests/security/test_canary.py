"""The plugin that looks for credentials finds them where they are planted."""

import base64
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.canary import forms

ROOT = Path(__file__).parents[2]

PLANTED = '''
import logging, warnings
import pytest
from mailbalance import Mailer, secret
from mailbalance.backends.mailtrap import MailtrapBackend
from mailbalance.errors import MailError
from mailbalance.wire.http import HttpWire

TOKEN = "planted-4f1c0d5e9b"


@pytest.fixture(autouse=True)
def token():
    return secret.Secret(TOKEN)


def test_log(token):
    logging.getLogger("anybody").debug("sent with %s", token)


def test_log_in_base64():
    logging.getLogger("anybody").debug("AUTH PLAIN AGFwaQBwbGFudGVkLTRmMWMwZDVlOWI=")


def test_log_of_a_traceback(token):
    try:
        exec("def f(plain): 1 / 0", found := {"__name__": "other"})
        found["f"](str(token))
    except ZeroDivisionError:
        logging.getLogger("anybody").exception("failed")


def test_error_with_a_local(monkeypatch):
    exec(
        "def run(self, *_, **__):\\n token = str(self.token)\\n raise ValueError('no')",
        found := {"__name__": "mailbalance.planted"},
    )
    mailer = Mailer({MailtrapBackend(token=TOKEN): 1})
    monkeypatch.setattr(mailer.sender, "token", TOKEN, raising=False)
    monkeypatch.setattr("mailbalance.delivery.sender.Sender.run", found["run"])
    with pytest.raises(Exception):
        mailer.send(to="a@example.com", text="x", from_="b@example.com")


def test_repr(monkeypatch):
    monkeypatch.setattr(MailtrapBackend, "__repr__", lambda self: f"<{self._token}>")
    MailtrapBackend(token=TOKEN)


def test_warning(token):
    warnings.warn(f"what is {token}?")


def test_after_the_warning():
    """A warning is told of when its test is over."""


def test_print(token):
    print("it is", str(token).encode().hex())


def test_nothing_planted(token):
    logging.getLogger("anybody").debug("sent with %r", token)
'''


@pytest.mark.proof
def test_what_is_planted_is_found_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "test_planted.py"
    file.write_text(PLANTED)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.canary",
        "-p",
        "no:randomly",
    ]
    ran = subprocess.run(
        [*command, "-q", "-c", "/dev/null", f"--rootdir={tmp_path}", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    found = set(re.findall(r"^ERROR \S+::(\w+)", ran.stdout, re.MULTILINE))
    planted = set(re.findall(r"^def (test_\w+)", PLANTED, re.MULTILINE))
    assert found == planted - {"test_nothing_planted", "test_warning"}, ran.stdout


@pytest.mark.parametrize("before", ["", "a", "ab", "\0api\0"])
@pytest.mark.parametrize("after", ["", "z", "zz", "zzz"])
def test_a_credential_is_known_in_base64_wherever_it_begins(
    before: str, after: str
) -> None:
    encoded = base64.b64encode(f"{before}canary-1234{after}".encode()).decode()

    assert [form for form in forms("canary-1234") if form in encoded]
