"""What the results file says, and when."""

import json
import os
import sys
from pathlib import Path

import pytest
import typer

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


@pytest.mark.parametrize(
    "content",
    [
        b"dear diary",
        b"\xff\xfe\x00binary\n\x00",
        b'{"line": "x", "digest": 5}\n',
        b'{"line": 1, "digest": 5}\n',
        b'{"line": 1, "outcome": "lost"}\n',
        b"[1]\n",
    ],
)
def test_a_file_that_is_no_results_file_is_left_as_it_is(
    place: Path, content: bytes
) -> None:
    place.write_bytes(content)

    with pytest.raises(typer.BadParameter, match="line 1 is none of a results file"):
        Journal(place)

    assert place.read_bytes() == content


posix = pytest.mark.skipif(sys.platform == "win32", reason="modes and links of POSIX")


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_file_is_made_for_its_owner_alone(place: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        journal = Journal(place)
        journal.create()
        journal.close()
    finally:
        os.umask(before)

    assert place.stat().st_mode & 0o777 == 0o600
    assert Journal(place).warning == ""


@posix
@pytest.mark.parametrize("content", [None, b"", b'{"line": 1, "digest": "d"}\n'])
def test_a_link_in_place_of_the_file_is_not_followed(
    place: Path, content: bytes | None
) -> None:
    target = place.with_name("target")
    if content is not None:
        target.write_bytes(content)
    place.symlink_to(target)

    with pytest.raises(typer.BadParameter, match="is a symbolic link"):
        Journal(place)

    assert target.exists() == (content is not None)
    assert content is None or target.read_bytes() == content


@posix
def test_a_link_that_is_put_there_before_the_first_row_is_not_followed(
    place: Path,
) -> None:
    journal = Journal(place)
    place.symlink_to(place.with_name("target"))

    with pytest.raises(typer.BadParameter, match="is a symbolic link"):
        journal.create()

    assert not place.with_name("target").exists()


@posix
def test_a_link_to_its_folder_is_fine(place: Path) -> None:
    folder = place.parent / "folder"
    folder.mkdir()
    place.symlink_to(folder)

    journal = Journal(place / "results.jsonl")
    journal.create()
    journal.close()

    assert (folder / "results.jsonl").is_file()


@posix
@pytest.mark.parametrize("make", ["mkdir", "mkfifo"])
def test_what_is_no_file_is_refused_at_once(place: Path, make: str) -> None:
    getattr(os, make)(place)

    with pytest.raises(typer.BadParameter, match="is no file"):
        Journal(place)


@posix
@pytest.mark.parametrize(
    ("mode", "able"), [(0o644, "read"), (0o640, "read"), (0o620, "change")]
)
def test_a_file_that_others_have_is_used_with_a_warning(
    place: Path, mode: int, able: str
) -> None:
    place.touch()
    place.chmod(mode)

    journal = Journal(place)
    journal.close()

    assert f"Other users can {able}" in journal.warning
    assert place.stat().st_mode & 0o777 == mode


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid(), reason="needs root")
def test_a_file_of_another_user_is_used_with_a_warning(place: Path) -> None:
    place.touch(mode=0o600)
    os.chown(place, 65534, 65534)

    journal = Journal(place)
    journal.close()

    assert "belongs to another user" in journal.warning
