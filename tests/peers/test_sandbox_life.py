"""Starting and stopping the local sandbox."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from mailbalance.sandbox import Credentials, Sandbox
from tests.peers.sandbox_clients import mailtrap_message, post, raw, ses_simple, smtp


def test_every_port_is_closed_at_the_end() -> None:
    with Sandbox() as box:
        ports = [int(url.rpartition(":")[2]) for url in box.urls().values()]
        threads = threading.active_count()

    assert len(set(ports)) == 9
    assert threading.active_count() == threads - 1
    for port in ports:
        with (
            pytest.raises(ConnectionRefusedError),
            contextlib.closing(socket.create_connection(("127.0.0.1", port), 5)),
        ):
            pass


def test_open_connections_do_not_hold_the_end_up() -> None:
    with (
        Sandbox() as box,
        raw(box, "ses-smtp"),
        raw(box, "ses-tls"),
        raw(box, "control"),
    ):
        box.fault("mailtrap", "delay", seconds=60)
        waiting = threading.Thread(target=_post_quietly, args=(box,))
        waiting.start()
        began = time.monotonic()
        box.stop()

    assert time.monotonic() - began < 5
    waiting.join()


def _post_quietly(box: Sandbox) -> None:
    with contextlib.suppress(OSError, ConnectionError):
        post(box, "/api/send", mailtrap_message())


def test_what_arrived_can_be_read_afterwards() -> None:
    with Sandbox() as box:
        post(box, "/api/send", mailtrap_message())

    assert box.messages()[0].parsed.subject == "hello"
    assert box.counts()["mailtrap"].accepted == 1


def test_two_boxes_do_not_know_each_other() -> None:
    with Sandbox() as one, Sandbox() as two:
        post(one, "/api/send", mailtrap_message())

        assert (
            post(
                one,
                "/api/send",
                mailtrap_message(),
                {"Authorization": f"Bearer {two.credentials.token}"},
            )[0]
            == 401
        )
        assert (len(one.messages()), len(two.messages())) == (1, 0)


def test_a_box_can_be_used_from_asyncio() -> None:
    async def use() -> int:
        async with Sandbox() as box:
            await asyncio.to_thread(post, box, "/api/send", mailtrap_message())
            return len(box.messages())

    assert asyncio.run(use()) == 1


def test_ports_can_be_fixed() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]

    with Sandbox(ports={"ses": number}) as box:
        assert box.port("ses") == number


def test_a_taken_port_leaves_nothing_open() -> None:
    threads = threading.active_count()
    with Sandbox() as one:
        second = Sandbox(ports={"control": one.port("control")})
        with pytest.raises(OSError, match="in use"):
            second.start()
        second.stop()

    assert threading.active_count() == threads


def test_an_unknown_port_is_named() -> None:
    with pytest.raises(ValueError, match="unknown port 'smtp'"):
        Sandbox(ports={"smtp": 2525})


def test_a_box_starts_once_at_a_time_and_again_after_its_end() -> None:
    box = Sandbox()
    with box, pytest.raises(RuntimeError, match="already"):
        box.start()
    with box:
        assert post(box, "/api/send", mailtrap_message())[0] == 200


def test_a_fault_set_before_the_start_is_in_force() -> None:
    box = Sandbox()
    box.fault("ses-smtp", "refuse")

    with box, pytest.raises(ConnectionRefusedError), smtp(box, "ses-smtp"):
        pass


def test_the_environment_points_at_the_doors() -> None:
    keys = Credentials(secret_key="a/b+c&d=e@f%", token="t/o?k#n")
    with Sandbox(credentials=keys) as box:
        environ = box.environ("ses=1")
        ses = urlsplit(environ["MAILBALANCE_SES_URL"])
        mailtrap = urlsplit(environ["MAILBALANCE_MAILTRAP_SMTP_URL"])

        assert environ["MAILBALANCE_SPLIT"] == "ses=1"
        assert unquote(ses.password or "") == keys.secret_key
        assert parse_qs(ses.query)["endpoint"] == [box.urls()["ses"]]
        assert unquote(mailtrap.username or "") == keys.token
        assert parse_qs(mailtrap.query)["ca"] == [str(box.ca_file)]
        assert mailtrap.port == box.port("mailtrap-smtp")


@pytest.fixture
def boto3_user(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A box whose variables are set, over those of a user with an account at AWS."""
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "left-over")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with Sandbox() as box:
        for name, value in box.environ().items():
            monkeypatch.setenv(name, value)
        yield box


@pytest.mark.parametrize("service", ["ses", "sesv2"])
def test_the_environment_keeps_boto3_on_this_machine(
    boto3_user: Sandbox, service: str
) -> None:
    client = boto3.Session().client(service)
    keys = client._request_signer._credentials.get_frozen_credentials()

    assert client.meta.endpoint_url == boto3_user.urls()["ses"]
    assert client.meta.region_name == boto3_user.credentials.region
    assert keys.access_key == boto3_user.credentials.access_key
    assert not keys.token


def test_boto3_sends_with_nothing_but_the_environment(boto3_user: Sandbox) -> None:
    ses_simple(boto3.Session().client("sesv2"))

    assert boto3_user.counts()["ses"].accepted == 1


def test_a_call_of_the_v1_api_fails_at_the_door(boto3_user: Sandbox) -> None:
    with pytest.raises(ClientError, match="API v2 only") as caught:
        boto3.Session().client("ses").get_send_quota()

    assert caught.value.response["Error"]["Code"] == "InvalidAction"
    assert boto3_user.counts()["ses"].refused == 1


def test_a_forgotten_box_does_not_keep_a_program_alive() -> None:
    code = "from mailbalance.sandbox import Sandbox; box = Sandbox().start()"

    done = subprocess.run([sys.executable, "-c", code], timeout=30, check=False)

    assert done.returncode == 0


def test_the_missing_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "try:\n    import mailbalance.sandbox\n"
        "except ImportError as error: print(error)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        timeout=30,
        check=True,
        capture_output=True,
        text=True,
    )

    assert 'pip install "mailbalance[sandbox]"' in done.stdout
    assert "'uvicorn'" in done.stdout


def test_the_box_imports_nothing_else_of_the_library() -> None:
    code = (
        "import sys, mailbalance.sandbox\n"
        "print([m for m in sys.modules if m.startswith('mailbalance.')"
        " and not m.startswith('mailbalance.sandbox')])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        timeout=30,
        check=True,
        capture_output=True,
        text=True,
    )

    assert done.stdout.strip() == "[]"
