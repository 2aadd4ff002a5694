"""What the local sandbox remembers and counts."""

import threading

import pytest

from mailbalance.sandbox.store import Arrival, Store


def arrival(identity: str | None = None, *recipients: str, size: int = 1) -> Arrival:
    return Arrival(
        sender="a@example.com",
        recipients=recipients or ("b@example.com",),
        raw=b"x" * size,
        provider_ids=("1",),
        identity=identity,
    )


def test_the_oldest_messages_make_room_and_counts_stay() -> None:
    store = Store(keep=2)

    for number in range(5):
        store.accept("ses", arrival(str(number)))

    assert [m.identity for m in store.messages()] == ["3", "4"]
    assert store.counts()["ses"].accepted == 5
    assert len(store.seen()) == 5


def test_a_flood_of_bytes_does_not_fill_the_memory() -> None:
    store = Store(keep_bytes=100)

    for _ in range(10):
        store.accept("ses", arrival(size=40))

    assert len(store.messages()) == 2


def test_one_message_over_the_bound_is_still_kept() -> None:
    store = Store(keep_bytes=100)

    store.accept("ses", arrival(size=500))

    assert len(store.messages()) == 1


def test_an_unanswered_message_is_accepted_all_the_same() -> None:
    store = Store()

    stored = store.accept("mailtrap", arrival(), answered=False)

    counts = store.counts()["mailtrap"]
    assert (counts.accepted, counts.unanswered, counts.answered) == (1, 1, 0)
    assert not stored.answered


def test_the_same_message_at_two_doors_is_seen_twice() -> None:
    store = Store()

    store.accept("ses", arrival("one"))
    store.accept("mailtrap-smtp", arrival("one"))

    assert store.seen() == {"one": 2}


def test_the_same_message_for_other_recipients_is_no_duplicate() -> None:
    store = Store()

    store.accept("ses", arrival("one", "b@example.com"))
    store.accept("mailtrap", arrival("one", "c@example.com"))

    assert store.seen() == {"one": 1}


def test_a_message_without_a_mark_is_not_compared() -> None:
    store = Store()

    store.accept("ses", arrival())
    store.accept("ses", arrival())

    assert store.seen() == {}


def test_messages_are_found_by_door_and_by_number() -> None:
    store = Store()
    store.accept("ses", arrival("one"))
    second = store.accept("mailtrap", arrival("two"))

    assert [m.identity for m in store.messages("mailtrap")] == ["two"]
    assert store.message(second.id) is second
    assert store.message(99) is None
    assert second.provider == "mailtrap"


def test_clearing_forgets_all_but_the_numbers() -> None:
    store = Store()
    first = store.accept("ses", arrival("one"))
    store.refuse("ses")

    store.clear()

    assert store.messages() == []
    assert (store.counts()["ses"].accepted, store.counts()["ses"].refused) == (0, 0)
    assert store.seen() == {}
    assert store.accept("ses", arrival()).id > first.id


def test_no_count_is_lost_between_threads() -> None:
    store = Store(keep=10)

    def work() -> None:
        for _ in range(500):
            store.accept("ses", arrival("one"))
            store.refuse("ses")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    counts = store.counts()["ses"]
    assert (counts.accepted, counts.refused, store.seen()["one"]) == (2000, 2000, 2000)


def test_the_oldest_marks_are_forgotten_beyond_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mailbalance.sandbox.store.MAX_IDENTITIES", 2)
    store = Store()

    for name in ("one", "two", "three"):
        store.accept("ses", arrival(name))

    assert set(store.seen()) == {"two", "three"}
