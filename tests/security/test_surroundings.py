"""S30: no locale, no flag of Python and no hash seed changes what is sent."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import json
from mailbalance import Address, Attachment, Mailer, MailError, Message, mime
from mailbalance.config import read_settings

found = {}
message = Message(
    from_="Ana I\\u0307 \\u0131 <ana@b\\u00fccher.example>",
    to=["bo@EXAMPLE.com", "\\u00c9 <e@f.com>"],
    subject="INFO \\u0130\\u0131 \\u20ac", text="\\u20ac\\n.\\nI", html="<p>\\u0130</p>",
    category="KATEGORI",
    headers={"X-INFO": "I"}, metadata={"ID": "I", "id": "\\u0131"}, message_id="<1@x.com>",
    date="2026-11-23T00:00:00Z",
    attachments=[Attachment(content=b"\\xff", filename="\\u0130.TXT")],
)
data = mime.render(message)
again = Message.from_mime(data)
found["mime"] = data.decode("latin-1")
found["again"] = [again.subject, str(again.from_), sorted(again.headers)]
found["type"] = Attachment(content=b"", filename="X.GIF").content_type
settings = read_settings({
    "MAILBALANCE_SPLIT": "mailtrap=60,info-i=40", "MAILTRAP_API_TOKEN": "t" * 20,
    "MAILBALANCE_INFO_I_URL": "MAILTRAP+SMTP://T@default?port=2525",
    "MAILBALANCE_TIMEOUT": "1.5",
})
found["settings"] = [[b.name, b.kind, b.port] for b in settings.backends]
found["timeout"] = settings.timeout
wrong = []
for make in (
    lambda: Message(from_="a@b.c", to="d@e.f", headers={"BCC": "x"}),
    lambda: Message(from_="a@b.c\\r\\nX: 1", to=[], colour="x"),
    lambda: read_settings({"MAILBALANCE_SPLIT": "MA\\u0130LTRAP=1,ses=x"}),
    lambda: Address.parse("a@\\u0130.com, b"),
):
    try:
        make()
    except MailError as error:
        wrong.append(str(error))
found["wrong"] = wrong
with Mailer("memory=3,console=0", environ={}) as mailer:
    found["sent"] = [mailer.send(message).outcome, mailer.split()[0].assigned]
    found["shown"] = sorted(mailer.preview(message))
print(json.dumps(found, sort_keys=True))
"""

FLAGS = {
    "plain": [],
    "optimised": ["-OO"],
    "strict": ["-bb", "-W", "error"],
    "developer": ["-X", "dev", "-W", "error"],
    "isolated": ["-P", "-s"],
}
ENVIRONS = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "POSIX latin": {"LC_ALL": "POSIX", "PYTHONIOENCODING": "latin-1"},
    "Turkish": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    "seed 1": {"PYTHONHASHSEED": "1"},
    "seed 2": {"PYTHONHASHSEED": "2"},
    "far west": {"TZ": "Pacific/Niue"},
    "far east": {"TZ": "Pacific/Kiritimati"},
}


def run(flags: list[str], environ: dict[str, str]) -> dict[str, object]:
    ran = subprocess.run(
        [sys.executable, *flags, "-c", PROGRAM],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    found: dict[str, object] = json.loads(ran.stdout)
    return found


STRICT = ["-bb", "-W", "error"]


THROUGH_A_PROXY = """
import asyncio
from mailbalance import Mailer, MemoryBackend, Message
from mailbalance.backends.mailtrap import MailtrapBackend

proxy = {"HTTPS_PROXY": "http://user:word@127.0.0.1:1"}
note = Message(from_="a@x.com", to=["b@x.com"], subject="s", text="t")
for how in "send", "asend":
    backend = MailtrapBackend(token="t", base_url="https://localhost:1", environ=proxy)
    mailer = Mailer({backend: 1, MemoryBackend("memory"): "backup"})
    receipt = mailer.send(note) if how == "send" else asyncio.run(mailer.asend(note))
    print(receipt.attempts[0].phase, receipt.backend)
"""


def test_strict_python_goes_through_a_proxy() -> None:
    ran = subprocess.run(
        [sys.executable, *STRICT, "-c", THROUGH_A_PROXY],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert (ran.stdout, ran.returncode) == ("proxy memory\n" * 2, 0)


def test_strict_python_in_a_c_locale_sends_the_same() -> None:
    assert run(STRICT, ENVIRONS["C"]) == run(["-OO"], {})


@pytest.fixture(scope="module")
def plain() -> dict[str, object]:
    return run([], {})


@pytest.mark.proof
@pytest.mark.parametrize("flags", FLAGS)
def test_no_flag_of_python_changes_it(flags: str, plain: dict[str, object]) -> None:
    assert run(FLAGS[flags], ENVIRONS["C"]) == plain


@pytest.mark.proof
@pytest.mark.parametrize("environ", ENVIRONS)
def test_no_environment_changes_it(environ: str, plain: dict[str, object]) -> None:
    assert run(STRICT, ENVIRONS[environ]) == plain
