"""Which fault of the local sandbox strikes, and how often."""

from typing import Any

import pytest

from mailbalance.sandbox.bounce import wish
from mailbalance.sandbox.faults import Fault, Faults


def test_a_healthy_door_is_never_struck() -> None:
    faults = Faults()
    faults.add("ses", Fault(kind="throttle"))

    assert faults.strike("mailtrap").fault is None
    assert not faults.refuses("ses")


def test_a_counted_fault_heals_itself() -> None:
    faults = Faults()
    faults.add("ses", Fault(kind="throttle", count=2))

    struck = [faults.strike("ses").fault is not None for _ in range(4)]

    assert struck == [True, True, False, False]


def test_a_rate_is_kept_and_repeats_with_its_seed() -> None:
    def run() -> list[bool]:
        faults = Faults(seed=7)
        faults.add("ses", Fault(kind="drop", rate=0.3))
        return [faults.strike("ses").fault is not None for _ in range(1000)]

    first = run()

    assert 250 < sum(first) < 350
    assert run() == first


def test_a_delay_goes_with_another_fault() -> None:
    faults = Faults()
    faults.add("ses", Fault(kind="delay", seconds=2.0))
    faults.add("ses", Fault(kind="error"))

    strike = faults.strike("ses")

    assert strike.delay == 2.0
    assert strike.fault is not None
    assert strike.fault.kind == "error"


def test_a_fault_takes_the_place_of_one_of_its_kind() -> None:
    faults = Faults()
    faults.add("ses", Fault(kind="delay", seconds=2.0))
    faults.add("ses", Fault(kind="delay", seconds=1.0))

    assert faults.strike("ses").delay == 1.0


def test_only_a_total_refusal_closes_the_port() -> None:
    faults = Faults()
    faults.add("ses", Fault(kind="refuse"))
    faults.add("mailtrap", Fault(kind="refuse", count=1))

    assert faults.closed("ses")
    assert not faults.closed("mailtrap")
    assert [faults.refuses("mailtrap") for _ in range(2)] == [True, False]


def test_healing_one_door_leaves_the_others_ill() -> None:
    faults = Faults()
    faults.add("ses", Fault(kind="error"))
    faults.add("mailtrap", Fault(kind="error"))

    faults.heal("ses")

    assert list(faults.listing()) == ["mailtrap"]
    faults.heal()
    assert faults.listing() == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "explode"},
        {"kind": "drop", "rate": 1.5},
        {"kind": "drop", "count": 0},
        {"kind": "delay", "seconds": -1.0},
    ],
)
def test_a_senseless_fault_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown fault|share|negative"):
        Fault(**wrong)


def test_an_unknown_door_is_named() -> None:
    with pytest.raises(ValueError, match="unknown door 'sns'"):
        Faults().add("sns", Fault(kind="drop"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "reply"),
    [
        ("bounce+550+no%20such%20user@x.com", "550 no such user"),
        ("bounce+451@x.com", "451 refused as the address asks"),
        ("reject-554@x.com", "554 refused as the address asks"),
        ("REJECT-421-later+on@x.com", "421 later on"),
        ("bounce+550+a%0d%0ab@x.com", "550 a b"),
    ],
)
def test_an_address_can_ask_for_a_refusal(address: str, reply: str) -> None:
    wanted = wish(address)

    assert wanted is not None
    assert wanted.reply == reply


@pytest.mark.parametrize("address", ["a@x.com", "bounce@x.com", "bounce+250@x.com", ""])
def test_an_ordinary_address_asks_for_nothing(address: str) -> None:
    assert wish(address) is None
