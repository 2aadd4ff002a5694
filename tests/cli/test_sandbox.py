"""``mailbalance sandbox`` as a process of its own: start, send to it, stop."""

import json
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from mailbalance.cli.sandbox import _DOORS
from mailbalance.sandbox import Sandbox
from mailbalance.sandbox.store import DOORS
from tests.cli.conftest import Invoke, command, process_environ


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the local sandbox as a script would, and end it as one."""
    with subprocess.Popen(
        command("sandbox", *arguments),
        env=process_environ({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=10)


def lines_to_copy(process: subprocess.Popen[str]) -> tuple[str, dict[str, str]]:
    """Read what it prints, up to its last line; give all of it, and the exports."""
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if "Ctrl-C" in line:
            break
    exports = [
        shlex.split(line.removeprefix("export "))[0].partition("=")
        for line in printed.splitlines()
        if line.startswith("export ")
    ]
    return printed, {name: value for name, _, value in exports}


def arrived(urls: dict[str, str]) -> Any:
    reply = httpx2.get(f"{urls['control']}/messages", trust_env=False)
    return reply.json()["messages"]


def test_its_lines_point_send_at_it_and_sigterm_ends_it(invoke: Invoke) -> None:
    with started("--split", "ses-smtp=1") as process:
        printed, environ = lines_to_copy(process)
        control = next(w for w in printed.split() if w.endswith("/messages"))

        sent = invoke("send", "--to", "ana@example.com", "--text", "x", env=environ)
        messages = arrived({"control": control.removesuffix("/messages")})
        process.send_signal(signal.SIGTERM)

        assert sent.exit_code == 0, sent.output
        assert [message["door"] for message in messages] == ["ses-smtp"]
        assert (process.wait(10), process.stderr and process.stderr.read()) == (0, "")


def test_everything_it_prints_is_a_shell_script() -> None:
    with started() as process:
        printed, environ = lines_to_copy(process)
        script = f'{printed}\nprintf %s "$MAILBALANCE_SES_URL"'

        echoed = subprocess.run(
            ["/bin/sh", "-euc", script], capture_output=True, text=True, check=True
        )

        assert echoed.stdout == environ["MAILBALANCE_SES_URL"]


def test_json_is_printed_before_it_waits_and_ctrl_c_ends_it() -> None:
    with started("--json") as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("\n}\n"):
            text += process.stdout.readline()
        told = json.loads(text)

        assert arrived(told["urls"]) == []
        assert told["environ"]["MAILBALANCE_SPLIT"] == "ses=60,mailtrap=40"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_ports_can_be_fixed() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with started("--ports", f"ses={port}") as process:
        assert f"http://127.0.0.1:{port}" in lines_to_copy(process)[0]


def test_a_port_that_is_taken_ends_it_with_a_word(invoke: Invoke, box: Sandbox) -> None:
    ended = invoke("sandbox", "--control-port", str(box.port("control")))

    assert ended.exit_code == 75
    assert "port is taken" in ended.stderr


@pytest.mark.parametrize("ports", ["ses", "ses=x", "nosuch=5000", "ses=70000"])
def test_a_wrong_port_is_a_misuse(invoke: Invoke, ports: str) -> None:
    ended = invoke("sandbox", "--ports", ports)

    assert ended.exit_code == 2
    assert "--ports" in ended.stderr


@pytest.mark.parametrize("split", ["foo=1", "ses=60,foo=40", "ses", "ses=x", ""])
def test_a_split_that_its_doors_cannot_carry_is_a_misuse(
    invoke: Invoke, split: str
) -> None:
    ended = invoke("sandbox", "--split", split)

    assert ended.exit_code == 2
    assert "--split" in ended.stderr


def test_the_doors_of_a_split_are_those_of_the_box() -> None:
    assert set(_DOORS) == set(DOORS)
