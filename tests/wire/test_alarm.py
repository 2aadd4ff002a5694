"""One timer for many waits: it rings for the last of them, never before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance.wire.net.asyncio_stream import Alarm


class Loop(asyncio.AbstractEventLoop):
    """Timers only, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[asyncio.TimerHandle] = []

    def get_debug(self) -> bool:
        return False

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Any, *args: Any, **_: Any) -> Any:
        self.timers.append(asyncio.TimerHandle(when, callback, args, self))
        return self.timers[-1]

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.timers.remove(handle)

    def pass_until(self, now: float) -> None:
        while due := [each for each in self.timers if each.when() <= now]:
            first = min(due, key=asyncio.TimerHandle.when)
            self.timers.remove(first)
            self.now = max(self.now, first.when())
            first._run()
        self.now = now


waits = st.lists(st.tuples(st.floats(0, 10), st.floats(0.001, 30)), min_size=1)


@given(waits)
def test_it_rings_when_the_last_wait_is_over_and_leaves_nothing(
    waits: list[tuple[float, float]],
) -> None:
    loop, rung = Loop(), []
    alarm = Alarm(loop, lambda: rung.append(loop.now))
    due = 0.0
    for pause, limit in waits:
        loop.pass_until(loop.now + pause)
        due = loop.now + limit
        alarm.set(due)
        assert len(loop.timers) == 1

    loop.pass_until(due)

    assert rung[-1] == pytest.approx(due)
    assert not loop.timers


def test_waits_that_end_in_time_need_no_timer_each() -> None:
    loop = Loop()
    alarm = Alarm(loop, lambda: None)
    first = alarm.set(20.0) or loop.timers[0]

    for now in range(19):
        loop.pass_until(now)
        alarm.set(now + 20.0)

    assert loop.timers == [first]


def test_ended_it_leaves_nothing_and_may_be_set_again() -> None:
    loop, rung = Loop(), []
    alarm = Alarm(loop, lambda: rung.append(loop.now))
    alarm.set(5.0)

    alarm.end()

    assert not loop.timers
    alarm.set(7.0)
    loop.pass_until(8.0)
    assert rung == [7.0]
