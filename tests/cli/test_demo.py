"""``mailbalance demo``: it shows what it says, and notices when it is not so."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from mailbalance.backend import Receipt
from mailbalance.errors import TransientError, UnknownOutcomeError
from mailbalance.mailer import Mailer
from mailbalance.routing import dispatcher
from tests.cli.conftest import Invoke, Run

FEW = ("demo", "--messages", "60", "--seed", "7", "--json")


def demo(invoke: Invoke) -> tuple[int, dict[str, Any], str]:
    """Run a short demo; give its exit code, its JSON, and the claims that fell."""
    ended = invoke(*FEW)
    told = json.loads(ended.stdout)
    fallen = " | ".join(check["claim"] for check in told["checks"] if not check["ok"])
    return ended.exit_code, told, fallen


def test_the_command_shows_the_split_and_ends_well(run: Run) -> None:
    ended = run("demo", "--messages", "100")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "100 of 100 sent" in ended.stdout
    assert "OFF" not in ended.stdout
    assert "\x1b" not in ended.stdout
    assert ended.stdout.count("UnknownOutcomeError:") == 1
    assert "What to try next" in ended.stdout


def test_json_holds_the_figures_of_every_step(invoke: Invoke) -> None:
    code, told, fallen = demo(invoke)

    first, second, third = told["steps"]
    assert (code, told["ok"], told["seed"], fallen) == (0, True, 7, "")
    assert [row["at_door"] for row in first["backends"]] == [18, 18, 12, 12]
    assert second["backends"][0]["carried"] == 0
    assert [row["unknown"] for row in third["backends"]] == [0, 0, 1, 0]


def test_a_seed_repeats_the_split(invoke: Invoke) -> None:
    assigned = [
        [
            row["assigned"]
            for row in json.loads(invoke(*FEW).stdout)["steps"][1]["backends"]
        ]
        for _ in range(2)
    ]

    assert assigned[0] == assigned[1]


# Sabotage: the library is broken on purpose, and the demo has to notice.

Send = Callable[..., Receipt]


def send_twice(send: Send) -> Send:
    """Send every 25th message a second time and say nothing of it."""

    def sabotaged(self: Mailer, **fields: Any) -> Receipt:
        if fields["metadata"]["demo_id"].endswith("25"):
            send(self, **fields)
        return send(self, **fields)

    return sabotaged


def send_nothing(send: Send) -> Send:
    """Give a receipt of another message for every 25th."""

    def sabotaged(self: Mailer, **fields: Any) -> Receipt:
        if fields["metadata"]["demo_id"].endswith("25"):
            return Receipt(
                outcome="accepted", backend="ses", accepted=("a@example.com",)
            )
        return send(self, **fields)

    return sabotaged


def name_another(send: Send) -> Send:
    """Say that Mailtrap's SMTP door carried everything."""

    def sabotaged(self: Mailer, **fields: Any) -> Receipt:
        return dataclasses.replace(send(self, **fields), backend="mailtrap-smtp")

    return sabotaged


@pytest.mark.parametrize(
    ("sabotage", "noticed"),
    [(send_twice, "nothing doubled"), (send_nothing, "nothing lost")],
)
def test_a_lost_or_doubled_message_is_noticed_and_named(
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    sabotage: Callable[[Send], Send],
    noticed: str,
) -> None:
    monkeypatch.setattr(Mailer, "send", sabotage(Mailer.send))

    code, told, fallen = demo(invoke)

    assert (code, told["ok"]) == (1, False)
    assert noticed in fallen
    assert any(
        "-000025 arrived" in each for s in told["steps"] for each in s["oddities"]
    )


def test_a_receipt_that_names_the_wrong_backend_is_noticed(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mailer, "send", name_another(Mailer.send))

    code, _, fallen = demo(invoke)

    assert code == 1
    assert "receipts and doors agree" in fallen


class Chance:
    """The split of a weighted random pick: about right, and never exact."""

    def __init__(self, weights: Sequence[Fraction], random: Random) -> None:
        self.weights, self.random = [float(weight) for weight in weights], random

    def pick(self, size: int = 1) -> int:
        return self.random.choices(range(len(self.weights)), self.weights)[0]


def test_a_split_by_chance_is_noticed(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "by_messages", Chance)

    code, _, fallen = demo(invoke)

    assert code == 1
    assert fallen.startswith("the split is exact")


def test_trying_again_after_a_lost_reply_is_noticed(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UnknownOutcomeError, "try_next", True)

    code, _, fallen = demo(invoke)

    assert code == 1
    assert "UnknownOutcomeError" in fallen
    assert "nothing doubled" in fallen


def test_giving_up_instead_of_moving_is_noticed(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TransientError, "try_next", False)
    monkeypatch.setattr(TransientError, "retry_here", False)

    code, _, fallen = demo(invoke)

    assert code == 1
    assert "all mail meant for ses" in fallen
    assert "nothing lost" in fallen
