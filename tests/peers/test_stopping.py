"""Real processes, stopped in the middle: what the server has, they have written down."""

import os
import signal

import pytest

from mailbalance.sandbox import Sandbox
from tests.peers.stopping_runs import many, run, slowed

SEED = int(os.environ.get("MB_SEED", "4"))


@pytest.fixture(scope="module")
def box():
    with Sandbox() as running:
        yield slowed(running)


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(6, marks=pytest.mark.timeout(180)),
        pytest.param(50, marks=[pytest.mark.proof, pytest.mark.timeout(600)]),
        pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(6000)]),
    ],
)
def test_a_stopped_process_has_written_down_all_that_was_accepted(count):
    figures = many(count, SEED)

    assert figures["messages"]
    assert not figures["faults"], figures


@pytest.mark.parametrize("kind", ["workers", "tasks", "leaving"])
def test_without_the_wait_messages_go_unrecorded(box, kind):
    """The control: the same runs must show it when nothing is done about it."""
    runs = (run(box, kind, 0.05, handler=False) for _ in range(8))

    assert any(done.lost - done.ids("unknown") for done in runs)


def test_a_process_is_over_soon_when_nothing_is_under_way(box):
    """The threads were refused, and nobody is waited for any longer."""
    done = run(box, "workers", 0.3)

    assert done.code == 128 + signal.SIGTERM
    assert len(done.of("refused")) == 4
