"""Which messages travel together: by their lanes, their number and their bytes."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import MemoryBackend, Message
from mailbalance.backend import Try
from mailbalance.batch import Load
from mailbalance.delivery.batches import LINGER, LONGEST, Lanes, Member
from mailbalance.delivery.order import Order, held_size


class Taking(MemoryBackend):
    """Takes so many messages together, of so many bytes."""

    def __init__(self, messages=10, size=100_000):
        super().__init__("only")
        self.load = Load(messages, size)


def gathering(*load, **options):
    backend = Taking(*load, **options)
    return backend, Lanes({"only": backend})


def member(backend, index=0, lane="", timeout=30.0, **fields):
    said = {"from_": "a@example.com", "to": "b@example.com", "text": "x"}
    message = Message(**{**said, **fields})
    step = Try(backend, ("b@example.com",), 0.0, timeout, "no", True)
    size, job = held_size(message), SimpleNamespace()
    return Member(index, size, message, job, {"only": lane}, step)


def test_as_many_small_ones_as_a_load_takes_fill_it():
    backend, lanes = gathering(messages=4)

    full = [lanes.add(member(backend, n), 0.0) for n in range(8)]

    assert [len(batches) for batches in full] == [0, 0, 0, 1, 0, 0, 0, 1]
    assert [each.index for each in full[3][0].members] == [0, 1, 2, 3]
    assert not lanes


def test_those_within_their_share_fill_a_load_by_their_number():
    backend, lanes = gathering(messages=4, size=100_000)

    full = [lanes.add(member(backend, text="x" * 1000), 0.0) for _ in range(4)]

    assert [len(batches) for batches in full] == [0, 0, 0, 1]
    assert full[3][0].size == 100_000


def test_one_that_does_not_fit_sends_the_others_off_and_waits_for_more():
    backend, lanes = gathering()
    lanes.add(member(backend, 0, text="x" * 60_000), 0.0)

    (full,) = lanes.add(member(backend, 1, text="x" * 60_000), 0.0)

    assert [each.index for each in full.members] == [0]
    assert [each.index for each in lanes.flush()[0].members] == [1]


def test_one_that_fills_a_load_by_itself_goes_at_once():
    backend, lanes = gathering()

    (full,) = lanes.add(member(backend, text="x" * 200_000), 0.0)

    assert len(full.members) == 1
    assert not lanes


@given(
    st.lists(st.integers(1, 60_000), min_size=1, max_size=30),
    st.integers(1, 12),
    st.integers(1, 200_000),
)
def test_no_batch_holds_more_than_its_load(lengths, messages, size):
    backend, lanes = gathering(messages, size)
    batches = []
    for index, length in enumerate(lengths):
        one = member(backend, index, text="x\n" * (1 + length // 2))
        batches += lanes.add(one, 0.0)
    batches += lanes.flush()

    for batch in batches:
        bytes_of = [each.message.size() for each in batch.members]
        assert len(batch.members) <= messages
        assert len(bytes_of) == 1 or sum(bytes_of) <= batch.size <= size
    found = [each.index for batch in batches for each in batch.members]
    assert found == list(range(len(lengths)))


def test_a_batch_takes_the_shortest_of_their_time_outs():
    backend, lanes = gathering()
    for timeout in (30.0, 8.0, 20.0):
        lanes.add(member(backend, timeout=timeout), 0.0)

    assert lanes.flush()[0].timeout == 8.0


@pytest.mark.parametrize(
    ("latest", "now", "due"),
    [
        (0.0, LINGER / 2, 0),
        (0.0, LINGER, 1),
        (0.9 * LONGEST, 0.9 * LONGEST + LINGER / 2, 0),
        (LONGEST - LINGER / 4, LONGEST, 1),
    ],
)
def test_a_batch_is_due_when_none_came_for_a_while_or_it_waited_long(latest, now, due):
    backend, lanes = gathering()
    lanes.add(member(backend), 0.0)
    lanes.add(member(backend), latest)

    assert len(lanes.due(now)) == due
    assert bool(lanes) is not bool(due)


def test_what_is_held_counts_texts_as_they_lie_in_memory_and_files_as_base64():
    texts = Message(from_="a@x.de", to="b@x.de", text="x" * 10_000, html="ü" * 10_000)
    wide = Message(from_="a@x.de", to="b@x.de", text="\u4e2d" * 10_000)
    files = Message(
        from_="a@x.de",
        to="b@x.de",
        text="x",
        attachments=[{"content": b"x" * 30_000, "filename": "a"}] * 2,
    )
    raw = Message.from_mime(b"From: a@x.de\r\nTo: b@x.de\r\n\r\n" + b"x" * 10_000)

    assert 20_000 <= held_size(texts) <= 20_300
    assert 20_000 <= held_size(wide) <= 20_200
    assert 80_000 <= held_size(files) <= 80_200
    assert held_size(raw) >= 20_000


def test_room_comes_back_as_the_rates_come_nearer():
    now = [100.0]
    order = Order(4, lambda: now[0])
    order.add(member(Taking()))
    order.must_wait(103.0)

    assert (order.has_room, order.wait()) == (False, 2.0)
    now[0] = 102.0
    assert (order.has_room, order.wait()) == (True, 0.0)
