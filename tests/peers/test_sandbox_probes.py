"""Every backend probed before the doors of the local sandbox."""

from __future__ import annotations

import asyncio

import pytest

from mailbalance import UnavailableError
from mailbalance.assembly import make_entries
from mailbalance.backend import Rate
from mailbalance.sandbox import DOORS, Sandbox


@pytest.fixture
def box():
    with Sandbox() as started:
        yield started


def backend(box, door, option=""):
    environ = box.environ(f"{door}=1")
    name = f"MAILBALANCE_{door.upper().replace('-', '_')}_URL"
    separator = "&" if "?" in environ[name] else "?"
    return make_entries(
        {door: 1}, environ | {name: f"{environ[name]}{separator}{option}"}
    )[0].backend


@pytest.mark.parametrize("door", DOORS)
def test_every_door_shows_that_it_is_alive(box, door):
    found = backend(box, door)

    async def both():
        rates = await found.aprobe(timeout=10)
        assert found.connections() == (0, 2)
        await found.aclose()
        return rates

    assert found.probe(timeout=10) == ()
    assert found.connections() == (0, 1)
    assert asyncio.run(both()) == ()
    found.close()
    assert found.connections() == (0, 0)
    assert box.counts()[door].refused == 0


def test_ses_tells_what_it_was_told_to(box):
    box.ses_account.max_send_rate = 2
    box.ses_account.max_24_hour_send = 200
    box.ses_account.sent_last_24_hours = 5
    ses = backend(box, "ses", "rate=auto")

    found = ses.probe(timeout=10)
    ses.close()

    assert found == (
        Rate(2, 1.0, "recipients", "account"),
        Rate(200, 86400.0, "recipients", "account", used=5),
    )


def test_a_key_that_may_not_ask_is_no_fault(box):
    box.ses_account.may_ask = False
    ses = backend(box, "ses", "rate=auto")

    assert ses.probe(timeout=10) == ()
    ses.close()


def test_a_paused_account_is_told_as_such(box):
    box.ses_account.sending_enabled = False
    ses = backend(box, "ses")

    with pytest.raises(UnavailableError, match="sending is paused"):
        ses.probe(timeout=10)
    ses.close()
