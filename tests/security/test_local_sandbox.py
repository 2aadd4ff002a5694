"""S21, S22: the local sandbox serves this machine only, and nobody makes it burst."""

import base64
import contextlib
import http.client
import itertools
import json
import resource
import socket
import sys
from collections.abc import Iterator

import pytest

from mailbalance.sandbox import Sandbox
from mailbalance.sandbox.doors import PORTS
from tests.security.boxed import Boxed, boxed

MEGABYTE = 1024 * 1024
#: Bytes a box may grow by, whatever is thrown at it.
GROWTH = 64 * MEGABYTE
#: And by one message of the largest size, which is held until it proves too large.
LARGEST = 40 * MEGABYTE

HOSTS = [
    "evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:80", "127.0.0.2:{port}",
    "127.0.0.1.evil.example:{port}", "localhost.evil.example:{port}", "0.0.0.0:{port}",
    "[::1]:{port}", "127.0.0.1:{port}.evil.example", "localhost:{port}@evil.example",
    "LOCALHOST.:{port}", "127.1:{port}", "2130706433:{port}", "0x7f.1:{port}", "",
]  # fmt: skip
ORIGINS = [
    "https://evil.example", "null", "http://127.0.0.1", "http://localhost", "file://",
    "https://127.0.0.1:{port}", "http://127.0.0.1:{port}.evil.example",
    "http://evil@127.0.0.1:1", "chrome-extension://x", "http://LOCALHOST.:{port}", "",
    "http://[::1]:{port}",
]  # fmt: skip
CHANGES = [("DELETE", "/messages", ""), ("DELETE", "/faults", ""),
           ("POST", "/faults", '{"door": "ses", "kind": "drop"}')]  # fmt: skip


def ask(
    box: Sandbox, method: str, path: str, body: str = "", **headers: str
) -> tuple[int, bytes]:
    client = http.client.HTTPConnection("127.0.0.1", box.port("control"), timeout=10)
    with contextlib.closing(client):
        client.putrequest(method, path, skip_host="Host" in headers)
        headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            client.putheader(name.replace("_", "-"), value)
        client.endheaders(body.encode())
        reply = client.getresponse()
        return reply.status, reply.read()


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_that_is_not_ours_is_answered_nothing(box: Sandbox, host: str) -> None:
    """DNS rebinding: the browser thinks that we are evil.example."""
    named = host.format(port=box.port("control"))

    for path in ("/", "/messages", "/messages/1/raw", "/faults"):
        status, body = ask(box, "GET", path, Host=named)
        assert (status, b"doors" in body) in ((403, False), (400, False))


@pytest.mark.parametrize("origin", ORIGINS)
def test_no_other_page_changes_anything(box: Sandbox, origin: str) -> None:
    named = origin.format(port=box.port("control"))

    for method, path, body in CHANGES:
        json_type = {"Content_Type": "application/json"}
        assert ask(box, method, path, body, Origin=named, **json_type)[0] == 403
    assert all(not found for found in box.faults.listing().values())


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""],
)
def test_a_form_puts_no_fault_on_a_door(box: Sandbox, kind: str) -> None:
    assert ask(box, *CHANGES[2], Content_Type=kind)[0] == 415


def test_two_host_headers_are_one_too_many(box: Sandbox) -> None:
    port = box.port("control")
    hosts = f"Host: evil.example\r\nHost: localhost:{port}\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(f"GET / HTTP/1.1\r\n{hosts}\r\n".encode())
        assert b" 400 " in client.recv(1000).split(b"\r\n")[0]


def test_a_websocket_is_not_opened(box: Sandbox) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }

    assert ask(box, "GET", "/", **upgrade)[0] != 101


@pytest.mark.parametrize("name", PORTS)
def test_every_port_is_of_this_machine_alone(box: Sandbox, name: str) -> None:
    """Another address of the same machine reaches none of them."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", box.port(name)), 5).close()


def test_nothing_is_passed_on_or_looked_up(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No relay, no link check: the box connects to nobody, whatever a mail holds."""
    opened: list[object] = []
    mail = {
        "from": {"email": "a@example.com"},
        "to": [{"email": "b@example.com"}],
        "subject": "s",
        "html": '<img src="http://169.254.169.254/"><link href="http://127.0.0.1:1/x">',
    }
    bearer = {"Authorization": f"Bearer {box.credentials.token}", "User-Agent": "t",
              "Content-Type": "application/json"}  # fmt: skip

    def hook(event: str, args: tuple[object, ...]) -> None:
        if watching and event in ("socket.connect", "socket.getaddrinfo"):
            opened.append(args)

    watching = False
    sys.addaudithook(hook)
    client = http.client.HTTPConnection("127.0.0.1", box.port("mailtrap"), timeout=10)
    with contextlib.closing(client):
        client.connect()
        watching = True
        client.request("POST", "/api/send", json.dumps(mail), bearer)
        assert client.getresponse().status == 200
    assert "169.254" in (box.messages()[-1].parsed.html or "")
    watching = False
    assert opened == []


def test_the_counts_are_those_of_the_checklist() -> None:
    assert len(HOSTS) * 4 + len(ORIGINS) * len(CHANGES) >= 30


# S22


@pytest.fixture(scope="module")
def far() -> Iterator[Boxed]:
    with boxed() as started:
        yield started


def login(far: Boxed) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", far.ports["mailtrap-smtp"]), 30)
    token = base64.b64encode(f"\0api\0{far.token}".encode()).decode()
    client.sendall(
        f"EHLO me\r\nAUTH PLAIN {token}\r\nMAIL FROM:<a@example.com>\r\n".encode()
    )
    answer(client, 4)
    return client


def answer(client: socket.socket, replies: int) -> bytes:
    """Read so many replies."""
    found = b""
    while sum(line[3:4] == b" " for line in found.splitlines()) < replies:
        found += client.recv(1_000_000) or pytest.fail("it closed")
    return found


def pour(client: socket.socket, megabytes: int, piece: bytes) -> None:
    """Send so much of the same, or until the other side has had enough."""
    block = piece * (MEGABYTE // len(piece))
    with contextlib.suppress(OSError):
        for _ in range(megabytes):
            client.sendall(block)


LINES, DOTS = b"x" * 70 + b"\r\n", b"\r\n.."
POURED = [
    pytest.param(96, LINES, id="96 MB of lines"),
    pytest.param(96, b"x", id="96 MB of one line", marks=pytest.mark.proof),
    pytest.param(96, b"\0" * 64, id="96 MB of NULs", marks=pytest.mark.proof),
    pytest.param(1024, LINES, id="1 GB of lines", marks=pytest.mark.proof),
    pytest.param(1024, DOTS, id="1 GB of dots", marks=pytest.mark.proof),
]


@pytest.mark.parametrize(("megabytes", "piece"), POURED)
def test_a_message_without_an_end_does_not_fill_the_memory(
    far: Boxed, megabytes: int, piece: bytes
) -> None:
    before = far.memory()
    with login(far) as client:
        client.sendall(b"RCPT TO:<b@example.com>\r\nDATA\r\n")
        answer(client, 2)
        pour(client, megabytes, piece)
        client.sendall(b"\r\n.\r\n")

        assert answer(client, 1).startswith(b"552")
    assert far.peak() - before < GROWTH + LARGEST


@pytest.mark.parametrize("door", ["ses-smtp", "mailtrap-smtp"])
def test_a_command_without_an_end_is_cut_off(far: Boxed, door: str) -> None:
    before = far.memory()
    address = ("127.0.0.1", far.ports[door])
    for _ in range(20):
        with socket.create_connection(address, 30) as client:
            pour(client, 2, b"x")
    assert far.peak() - before < GROWTH


@pytest.mark.proof
@pytest.mark.parametrize("door", ["ses", "mailtrap", "control"])
@pytest.mark.parametrize(
    "framing", ["Content-Length: 99999999999", "Transfer-Encoding: chunked"]
)
def test_a_request_without_an_end_does_not_fill_the_memory(
    far: Boxed, door: str, framing: str
) -> None:
    before = far.memory()
    port = far.ports[door]
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        head = f"POST /faults HTTP/1.1\r\nHost: localhost:{port}\r\n{framing}\r\n\r\n"
        client.sendall(head.encode())
        pour(client, 96, b"10000\r\n" + b"x" * 65536 + b"\r\n")
    assert far.peak() - before < GROWTH + LARGEST


@pytest.mark.parametrize("head", [b"X: " + b"x" * 70 + b"\r\n", b"x"])
def test_a_head_without_an_end_is_cut_off(far: Boxed, head: bytes) -> None:
    before = far.memory()
    with socket.create_connection(("127.0.0.1", far.ports["mailtrap"]), 30) as client:
        client.sendall(b"POST / HTTP/1.1\r\n")
        pour(client, 32, head)
    assert far.peak() - before < GROWTH


@pytest.mark.parametrize(
    "nested", [b"[" * 100_000, b'{"a":' * 100_000, b'{"to":[' * 50_000]
)
def test_json_nested_without_end_is_refused(far: Boxed, nested: bytes) -> None:
    client = http.client.HTTPConnection("127.0.0.1", far.ports["mailtrap"], timeout=20)
    with contextlib.closing(client):
        head = {"Authorization": f"Bearer {far.token}", "User-Agent": "t",
                "Content-Type": "application/json"}  # fmt: skip
        client.request("POST", "/api/send", nested, head)

        assert 400 <= client.getresponse().status < 500


COUNTS = [
    pytest.param(2_000, id="2,000"),
    pytest.param(100_000, id="100,000", marks=pytest.mark.proof),
]


@pytest.mark.parametrize("count", COUNTS)
def test_a_flood_of_recipients_does_not_fill_the_memory(far: Boxed, count: int) -> None:
    before = far.memory()
    with login(far) as client:
        for start in range(0, count, 500):
            names = (
                f"RCPT TO:<a{n}@example.com>\r\n" for n in range(start, start + 500)
            )
            client.sendall("".join(names).encode())
            replies = answer(client, 500)
        assert replies.count(b"452") == 500
    assert far.peak() - before < GROWTH


def test_clients_that_never_finish_leave_room_for_others(far: Boxed) -> None:
    """Slow ones: each says one byte now and then, none ends its line or its head."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with contextlib.ExitStack() as stack:
        for door, turn in itertools.product(("mailtrap-smtp", "mailtrap"), range(60)):
            address = ("127.0.0.1", far.ports[door])
            slow = stack.enter_context(socket.create_connection(address, 30))
            slow.sendall(b"P" if turn % 2 else b"POST / HTTP/1.1\r\nX")
        with login(far) as client:
            client.sendall(b"RCPT TO:<b@example.com>\r\nDATA\r\n")
            answer(client, 2)
            client.sendall(b"From: a@example.com\r\n\r\nx\r\n.\r\n")
            assert answer(client, 1).startswith(b"250")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
