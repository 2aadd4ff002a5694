"""``send-many`` stopped in the middle, and run again: counted at the doors."""

import json
import signal
import time
from collections import Counter

import pytest

FROM = ("--from", "me@example.com")


@pytest.fixture
def letters(tmp_path):
    """Write a file of so many messages, and give its name."""

    def letters(count, **fields):
        rows = [
            {"to": f"u{n}@example.com", "subject": "S", "text": "x", **fields}
            for n in range(count)
        ]
        (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
        return "m.jsonl"

    return letters


@pytest.fixture
def written(tmp_path):
    """Give what the results file says last of each line."""

    def written():
        found = {}
        for text in (tmp_path / "m.jsonl.results.jsonl").read_text().splitlines():
            facts = json.loads(text)
            found[facts["line"]] = facts.get("outcome", "begun")
        return found

    return written


def slow(box, seconds, *doors):
    for door in doors or ("ses", "mailtrap"):
        box.fault(door, "delay", seconds=seconds)


def wait_for(found, least=1):
    """Wait until a function gives so many."""
    ends = time.monotonic() + 20
    while len(found()) < least:
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.01)


def begun(tmp_path):
    file = tmp_path / "m.jsonl.results.jsonl"
    return file.read_text().splitlines() if file.exists() else []


def doubled(box):
    return [who for who, n in got(box).items() if n > 1]


def got(box):
    return Counter(who for m in box.messages() for who in m.recipients)


@pytest.mark.parametrize(
    ("split", "signals", "code"),
    [
        ("ses=60,mailtrap=40", [signal.SIGINT] * 3, 130),
        ("ses=1", [signal.SIGTERM], 143),
    ],
)
def test_a_signal_waits_for_what_is_under_way_and_a_second_run_goes_on(
    letters, start_many, send_many, tmp_path, box, split, signals, code
):
    slow(box, 1)
    child = start_many(letters(60), *FROM, box=box, split=split)
    wait_for(lambda: begun(tmp_path))

    for each in signals:
        child.send_signal(each)
        time.sleep(0.1)  # two at once are one
    said, complaint = child.communicate(timeout=30)
    sent = len(box.messages())
    box.heal()
    again = send_many("m.jsonl", *FROM, box=box, split=split)

    assert child.returncode == code
    assert "waiting for those under way, at most 25 s" in complaint
    assert "Traceback" not in complaint
    assert f"{sent} accepted\n" in said
    assert again.returncode == 0, again.stderr
    assert len(got(box)) == 60
    assert not doubled(box)


def test_only_what_was_being_tried_is_in_doubt_after_a_kill(
    letters, start_many, send_many, written, tmp_path, box
):
    slow(box, 1, "ses")
    child = start_many(
        letters(200), *FROM, "--concurrency", "4", box=box, split="ses=1"
    )
    wait_for(lambda: begun(tmp_path), 4)
    child.kill()
    child.communicate(timeout=10)
    in_doubt = list(written().values()).count("begun")
    box.heal()

    done = send_many("m.jsonl", *FROM, "--json", box=box, split="ses=1")

    assert 0 < in_doubt <= 4
    assert json.loads(done.stdout)["counts"]["in_doubt before"] == in_doubt
    assert (done.returncode, "look it up" in done.stderr) == (1, True)
    assert not doubled(box)
    assert len(got(box)) >= 200 - in_doubt


def test_a_second_run_on_the_same_results_is_refused(
    letters, start_many, send_many, tmp_path, box
):
    slow(box, 0.5)
    child = start_many(letters(3), *FROM, box=box)
    wait_for(lambda: begun(tmp_path))
    child.send_signal(signal.SIGSTOP)

    second = send_many("m.jsonl", *FROM, box=box)
    child.send_signal(signal.SIGCONT)
    child.communicate(timeout=20)

    assert (child.returncode, second.returncode) == (0, 75)
    assert "Another run is using m.jsonl.results.jsonl" in second.stderr
    assert len(box.messages()) == 3


@pytest.mark.parametrize(
    ("split", "blocks"),
    [
        ("ses=1", 1),
        ("mailtrap=1", 1),
        *(
            pytest.param(split, blocks, marks=pytest.mark.proof)
            for split in ("ses=1", "mailtrap=1", "ses-smtp=1")
            for blocks in (0, 2, 4, 8)
        ),
    ],
)
def test_nothing_is_sent_whose_beginning_cannot_be_written(
    letters, send_many, written, box, split, blocks
):
    # A limit to the size of files fails a write as a full disk does.
    limit = f"ulimit -f {blocks}"
    full = send_many(letters(40), *FROM, box=box, split=split, first=limit)
    noted, sent = written(), got(box)
    again = send_many("m.jsonl", *FROM, box=box, split=split)

    assert full.returncode in {1, 3, 75}
    assert "m.jsonl.results.jsonl cannot be written: File too large" in full.stderr
    assert "Traceback" not in full.stderr
    assert {f"u{line - 1}@example.com" for line in noted} >= set(sent)
    assert not doubled(box)
    in_doubt = sum(end != "accepted" for end in noted.values())
    assert again.returncode == (1 if in_doubt else 0)
    assert 40 - in_doubt <= len(got(box)) <= 40


def test_rows_that_share_a_key_are_in_doubt_from_the_moment_they_are_taken(
    letters, start_many, send_many, tmp_path, box
):
    slow(box, 2, "ses")
    child = start_many(letters(2, key="one", to="a@example.com"), *FROM, box=box)
    wait_for(lambda: begun(tmp_path), 2)
    child.kill()
    child.communicate(timeout=10)
    box.heal()

    done = send_many("m.jsonl", *FROM, box=box)

    assert done.stdout.split() == ["2", "in", "doubt", "before"]


def test_a_background_job_may_ignore_the_interrupt(letters, start_many, tmp_path, box):
    slow(box, 0.5)
    child = start_many(letters(3), *FROM, box=box, first="trap '' INT")
    wait_for(lambda: begun(tmp_path))

    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)

    assert child.returncode == 0
    assert len(box.messages()) == 3
