"""``mailbalance route``: the order, the reasons, and who is left out."""

import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import Invoke, Run

SPLIT = {
    "MAILBALANCE_SPLIT": "ses=60,mailtrap=40,ses-smtp=backup",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "AKIA",
    "AWS_SECRET_ACCESS_KEY": "k",
    "MAILTRAP_API_TOKEN": "t",
}
ROUTE = ("route", "--to", "ana@example.com", "--from", "shop@example.com")


def routed(invoke: Invoke, *more: str) -> dict[str, Any]:
    ended = invoke(*ROUTE, "--json", *more, env=SPLIT)
    assert ended.exit_code == 0, ended.output
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def test_the_order_is_told_in_words(run: Run) -> None:
    ended = run(*ROUTE, env=SPLIT)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "chosen by the split" in ended.stdout
    assert "ses 0.6, mailtrap 0.4, ses-smtp backup" in ended.stdout


def test_every_backend_of_the_order_has_its_reason(invoke: Invoke) -> None:
    told = routed(invoke)

    first, second, last = told["order"]
    assert told["assigned"] == first["backend"]
    assert {first["backend"], second["backend"]} == {"ses", "mailtrap"}
    assert "another account" in second["reason"]
    assert "a backup" in last["reason"]


def test_the_shares_are_told(invoke: Invoke) -> None:
    shares = routed(invoke)["shares"]

    assert shares == {"ses": 0.6, "mailtrap": 0.4, "ses-smtp": "backup"}


def test_a_pinned_backend_says_so(invoke: Invoke) -> None:
    told = routed(invoke, "--via", "ses-smtp")

    assert [entry["backend"] for entry in told["order"]] == ["ses-smtp"]
    assert told["order"][0]["reason"] == "pinned by --via"


def test_what_cannot_carry_the_message_is_left_out_with_the_reason(
    invoke: Invoke, tmp_path: Path
) -> None:
    (tmp_path / "big.bin").write_bytes(bytes(12_000_000))

    told = routed(invoke, "--attach", f"{tmp_path}/big.bin")

    (left_out,) = told["left_out"]
    assert (left_out["backend"], told["forced"]) == ("mailtrap", True)
    assert "Mailtrap takes" in left_out["reason"]


def test_a_message_that_nobody_can_carry_ends_with_2(
    invoke: Invoke, tmp_path: Path
) -> None:
    (tmp_path / "huge.bin").write_bytes(bytes(45_000_000))

    ended = invoke(*ROUTE, "--attach", f"{tmp_path}/huge.bin", env=SPLIT)

    assert ended.exit_code == 2
    assert ended.stderr.count("cannot carry") == 3
