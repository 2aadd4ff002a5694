"""What the results file says, and when."""

import json
from pathlib import Path

import pytest

from mailbalance import MessageError, TransientError
from mailbalance.cli.journal import Entry, Journal
from mailbalance.cli.results_file import InUseError
from mailbalance.cli.rows import Row


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "m.results.jsonl"


@pytest.fixture
def journal(place: Path) -> Journal:
    made = Journal(place)
    made.create()
    return made


def written(place: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in place.read_text().splitlines()]


def test_a_row_that_is_only_given_has_no_line(journal: Journal, place: Path) -> None:
    journal.give(Entry(1, "d"))
    journal.leave(1)
    journal.end(1, TransientError("busy"))
    journal.close()

    assert written(place) == []


def test_a_beginning_is_written_once(journal: Journal, place: Path) -> None:
    journal.give(Entry(1, "d"))
    for _ in range(3):
        journal.begin(1)
    journal.end(1, TransientError("busy"))
    journal.close()

    assert [each.get("outcome") for each in written(place)] == [None, "not_accepted"]


def test_the_first_end_of_a_row_stays(journal: Journal, place: Path) -> None:
    journal.give(Entry(1, "d"))
    journal.end(1, MessageError("wrong"))
    journal.end(1, TransientError("busy"))
    journal.close()

    begin, end = written(place)
    assert (begin["digest"], end["outcome"], end["text"]) == ("d", "wrong", "wrong")


def test_an_end_that_comes_late_is_written(journal: Journal, place: Path) -> None:
    journal.give(Entry(1, "d"))
    journal.begin(1)
    journal.close()  # the command is over, and a thread still sends
    journal.end(1, TransientError("busy"))
    journal.close()

    assert written(place)[-1]["outcome"] == "not_accepted"


def test_what_was_begun_stays_in_doubt_when_nobody_tells_its_end(
    journal: Journal, place: Path
) -> None:
    journal.give(Entry(1, "d"))
    journal.begin(1)
    journal.leave(1)

    assert journal.in_doubt == 1
    journal.end(1, TransientError("busy"))
    journal.close()


def test_who_was_accepted_before_the_others_failed_is_told(
    journal: Journal, place: Path
) -> None:
    error = TransientError("busy")
    error.accepted = ("a@example.com",)
    journal.give(Entry(1, "d"))
    journal.end(1, error)
    journal.close()

    assert Journal(place).earlier(Row(1, "d", {})) == "partial"
    assert written(place)[-1]["accepted"] == ["a@example.com"]


def test_two_runs_that_begin_at_once_do_not_both_get_the_file(place: Path) -> None:
    one, other = Journal(place), Journal(place)
    one.create()

    with pytest.raises(InUseError, match=str(place)):
        other.create()
    with pytest.raises(InUseError, match=str(place)):
        Journal(place)
    one.close()
    Journal(place).close()


def test_the_file_of_a_run_that_is_over_may_be_used_again(place: Path) -> None:
    for _ in range(2):
        journal = Journal(place)
        journal.create()
        journal.close()
