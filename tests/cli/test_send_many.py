"""``mailbalance send-many``: rows, results, and going on where a run stopped."""

import json
import signal
import subprocess
import sys
import time

import pytest

CSV = "to,subject,text\nana@example.com,Party,Come!\nben@example.com,Party,Come too!\n"


@pytest.fixture
def run(tmp_path):
    """Run the command in a process of its own, in an empty folder."""

    def run(*words, box=None, split="ses=60,mailtrap=40", **environ):
        places = {} if box is None else box.environ(split)
        return subprocess.run(
            [sys.executable, "-m", "mailbalance", "send-many", *words],
            cwd=tmp_path,
            env={"MAILBALANCE_SPLIT": "memory=1", **places, **environ},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    return run


def results(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_row_of_a_csv_file_is_sent(run, tmp_path, box):
    (tmp_path / "party.csv").write_text(CSV)

    done = run("party.csv", "--from", "me@example.com", box=box)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "accepted"]
    assert {m.recipients for m in box.messages()} == {
        ("ana@example.com",),
        ("ben@example.com",),
    }


def test_every_line_of_a_jsonl_file_is_sent(run, tmp_path, box):
    rows = [
        {
            "from": "me@example.com",
            "to": ["a@example.com"],
            "subject": str(n),
            "text": "x",
        }
        for n in range(20)
    ]
    (tmp_path / "many.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")

    done = run("many.jsonl", "--json", box=box)

    assert json.loads(done.stdout)["counts"] == {"accepted": 20}
    assert len(box.messages()) == 20


def test_lists_and_mappings_fit_into_columns(run, tmp_path, box):
    (tmp_path / "m.csv").write_text(
        "to,cc,subject,text,metadata.order\n"
        '"a@example.com, b@example.com",c@example.com;d@example.com,S,T,17\n'
    )

    run("m.csv", "--from", "me@example.com", box=box, split="mailtrap=1")

    (message,) = box.messages()
    assert len(message.recipients) == 4
    assert json.loads(message.raw)["custom_variables"]["order"] == "17"


def test_a_second_run_sends_nothing_that_was_accepted(run, tmp_path, box):
    (tmp_path / "party.csv").write_text(CSV)
    run("party.csv", "--from", "me@example.com", box=box)

    done = run("party.csv", "--from", "me@example.com", box=box)

    assert done.stdout.split() == ["2", "accepted", "before"]
    assert len(box.messages()) == 2


def test_a_second_run_sends_what_was_not_accepted(run, tmp_path, box):
    (tmp_path / "party.csv").write_text(CSV)
    box.fault("ses", "refuse")
    box.fault("mailtrap", "refuse")
    first = run(
        "party.csv", "--from", "me@example.com", box=box, MAILBALANCE_TIMEOUT="1"
    )
    box.heal()

    second = run("party.csv", "--from", "me@example.com", box=box)

    assert (first.returncode, second.returncode) == (75, 0)
    assert len(box.messages()) == 2


def test_what_is_unknown_is_never_sent_again_by_itself(run, tmp_path, box):
    (tmp_path / "one.csv").write_text("to,subject,text\na@example.com,S,T\n")
    box.fault("ses", "drop")
    first = run("one.csv", "--from", "me@example.com", box=box, split="ses=1")
    box.heal()

    second = run("one.csv", "--from", "me@example.com", box=box, split="ses=1")

    assert (first.returncode, second.returncode) == (1, 0)
    assert second.stdout.split() == ["1", "unknown", "before"]
    assert len(box.messages()) == 1


def test_a_wrong_row_is_told_and_the_others_go(run, tmp_path):
    (tmp_path / "m.csv").write_text("to,text\na@example.com,x\nnobody,x\n")

    done = run("m.csv", "--from", "me@example.com")

    assert done.returncode == 3
    assert done.stdout.split() == ["1", "accepted", "1", "wrong"]
    told = results(tmp_path / "m.csv.results.jsonl")
    assert [each["line"] for each in told if each.get("outcome") == "wrong"] == [3]


def test_a_dry_run_checks_every_row_and_sends_nothing(run, tmp_path):
    (tmp_path / "m.csv").write_text("to,text\na@example.com,x\nnobody,x\n")

    done = run("m.csv", "--from", "me@example.com", "--dry-run")

    assert done.returncode == 2
    assert "line 3: to" in done.stdout
    assert not (tmp_path / "m.csv.results.jsonl").exists()


def test_a_row_that_was_changed_stops_the_run(run, tmp_path):
    (tmp_path / "party.csv").write_text(CSV)
    run("party.csv", "--from", "me@example.com")
    (tmp_path / "party.csv").write_text(CSV.replace("ben@", "bob@"))

    done = run("party.csv", "--from", "me@example.com")

    assert done.returncode == 2
    assert "line 3 was changed" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("m.txt", "", "ends in .jsonl or .csv"),
        ("m.jsonl", "{}\nno\n", "line 2 is no JSON"),
        ("m.jsonl", "[]\n", "line 1 is no JSON object"),
        ("m.csv", "to,text\na@example.com\n", "line 2 has not 2 columns"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_by_line(run, tmp_path, name, text, why):
    (tmp_path / name).write_text(text)

    done = run(name, "--from", "me@example.com")

    assert done.returncode == 2
    assert why in " ".join(done.stderr.split())


def test_a_run_that_was_killed_leaves_its_rows_in_doubt(run, tmp_path, box):
    rows = [
        {"to": f"a{n}@example.com", "subject": "S", "text": "x"} for n in range(400)
    ]
    (tmp_path / "many.jsonl").write_text("\n".join(map(json.dumps, rows)))
    box.fault("mailtrap", "delay", seconds=0.05)
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mailbalance",
            "send-many",
            "many.jsonl",
            "--from",
            "me@example.com",
            "--concurrency",
            "1",
        ],
        cwd=tmp_path,
        env=box.environ("ses=60,mailtrap=40"),
        stdout=subprocess.DEVNULL,
    )
    ends = time.monotonic() + 30
    while len(box.messages()) < 20 and time.monotonic() < ends:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    box.heal()

    done = run("many.jsonl", "--from", "me@example.com", "--json", box=box)

    counts = json.loads(done.stdout)["counts"]
    assert counts["in_doubt before"] > 0
    assert sum(counts.values()) == 400
    sent = [message.recipients for message in box.messages()]
    assert len(sent) == len(set(sent)), "nothing was sent twice"


@pytest.mark.parametrize("same", ["key", "message_id"])
def test_rows_that_share_a_name_have_each_its_own_end(run, tmp_path, box, same):
    name = "bill-7" if same == "key" else "<bill-7@example.com>"
    row = {"to": "a@example.com", "text": "x", same: name}
    (tmp_path / "m.jsonl").write_text(3 * f"{json.dumps(row)}\n")

    first = run("m.jsonl", "--from", "me@example.com", box=box)
    second = run("m.jsonl", "--from", "me@example.com", box=box)

    assert first.stdout.split() == ["3", "accepted"]
    assert second.stdout.split() == ["3", "accepted", "before"]
    assert len(box.messages()) == (1 if same == "key" else 3)


def test_a_results_file_that_was_torn_off_is_gone_on_with(run, tmp_path, box):
    (tmp_path / "party.csv").write_text(CSV)
    run("party.csv", "--from", "me@example.com", box=box)
    journal = tmp_path / "party.csv.results.jsonl"
    journal.write_text(journal.read_text()[:-10])

    again = run("party.csv", "--from", "me@example.com", box=box)
    sent = run("party.csv", "--from", "me@example.com", "--in-doubt", box=box)

    assert "1 in doubt before" in " ".join(again.stdout.split())
    assert sent.stdout.split() == ["1", "accepted", "1", "accepted", "before"]


def test_a_file_that_is_no_results_file_is_left_as_it_is(run, tmp_path):
    (tmp_path / "party.csv").write_text(CSV)
    (tmp_path / "mine.txt").write_text("dear diary")

    done = run("party.csv", "--from", "me@example.com", "--results", "mine.txt")

    assert done.returncode == 2
    assert (tmp_path / "mine.txt").read_text() == "dear diary"
