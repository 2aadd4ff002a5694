"""A backend drained in the middle of the work: what goes at once passes it over, too."""

import pytest

from mailbalance import Mailer, Message, UnavailableError
from mailbalance.backends.memory import MemoryBackend


def note(text: str) -> Message:
    return Message(to="b@example.com", subject=text, text=text, from_="a@example.com")


@pytest.fixture
def backends() -> tuple[MemoryBackend, MemoryBackend]:
    return MemoryBackend("one"), MemoryBackend("two")


@pytest.fixture
def mailer(backends) -> Mailer:
    made = Mailer(dict.fromkeys(backends, 1))
    for number in range(4):
        made.send(note(f"before {number}"))
    assert [len(each.sent) for each in backends] == [2, 2]
    made.drain("one")
    return made


def test_it_carries_no_message_after_those_before(mailer, backends):
    for number in range(4):
        mailer.send(note(f"after {number}"))

    assert [len(each.sent) for each in backends] == [2, 6]


def test_it_carries_none_of_many(mailer, backends):
    results = list(mailer.send_many(note(f"after {number}") for number in range(4)))

    assert all(result.ok for result in results)
    assert [len(each.sent) for each in backends] == [2, 6]


def test_it_is_not_used_by_name_either(mailer, backends):
    with pytest.raises(UnavailableError):
        mailer.send(note("after"), via="one")

    assert len(backends[0].sent) == 2
