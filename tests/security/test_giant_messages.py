"""S23: a giant message is refused before it costs anything, and a big one costs little."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mailbalance import Attachment, Envelope, Mailer, Message
from mailbalance.errors import MessageError
from tests.wire.peer import Peer, serve
from tests.wire.smtp_peer import SmtpPeer

ROOT = Path(__file__).parents[2]
MEGABYTE = 1024 * 1024

#: What one process says it needed for one message, in bytes of Python's own memory.
PROGRAM = """
import json, sys, tracemalloc
from mailbalance import Attachment, Mailer, Message
from tests.security.giants import backend_for, warm_up

kind, size = sys.argv[1], int(sys.argv[2])
with backend_for(kind) as backend, Mailer({backend: 1}) as mailer:
    warm_up(mailer)
    content = bytes(range(256)) * (size // 256)
    tracemalloc.start()
    message = Message(from_="a@x.com", to="b@x.com", subject="s", text="t",
                      attachments=[Attachment(content=content, filename="x.bin")])
    mailer.send(message)
    print(json.dumps({"peak": tracemalloc.get_traced_memory()[1], "size": message.size()}))
"""


@pytest.mark.proof
@pytest.mark.parametrize("kind", ["ses", "ses-smtp", "mailtrap", "mailtrap-smtp"])
def test_a_big_message_needs_three_times_its_size_at_most(kind: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind, str(7 * MEGABYTE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    needed = json.loads(ran.stdout)

    assert needed["peak"] <= 3 * needed["size"] + MEGABYTE, needed


def giant(size: int) -> Message:
    file = Attachment(content=bytes(size), filename="x.bin")
    return Message(from_="a@x.com", to="b@x.com", text="t", attachments=[file])


@pytest.mark.parametrize("way", ["ses", "ses-smtp", "mailtrap", "mailtrap-smtp"])
def test_a_giant_message_is_refused_before_anybody_is_called(way: str) -> None:
    message = giant(32 * MEGABYTE)
    with Peer((serve,)) as http, SmtpPeer() as smtp:
        environ = {
            "MAILBALANCE_SPLIT": f"{way}=1",
            "MAILBALANCE_SES_URL": (
                f"ses+api://A:B@default?region=eu-west-1&endpoint={http.url('')}"
            ),
            "MAILBALANCE_MAILTRAP_URL": f"mailtrap+api://T@127.0.0.1:{http.port}?tls=off",
            "MAILBALANCE_SES_SMTP_URL": f"ses+smtp://A:B@127.0.0.1:{smtp.port}?tls=off",
            "MAILBALANCE_MAILTRAP_SMTP_URL": (
                f"mailtrap+smtp://T@127.0.0.1:{smtp.port}?tls=off"
            ),
        }
        with Mailer.from_env(environ) as mailer:
            limit = mailer.backends[way].limits.size
            refusal = mailer.backends[way].refuses(message, Envelope.of(message))
            with pytest.raises(MessageError):
                mailer.send(message)

        assert refusal
        assert limit <= 40 * MEGABYTE
        assert (http.connections, smtp.sessions) == (0, [])
