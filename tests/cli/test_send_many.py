"""``mailbalance send-many``: rows, results, and going on where a run stopped."""

import json
from datetime import datetime, timedelta

import pytest

CSV = "to,subject,text\nana@example.com,Party,Come!\nben@example.com,Party,Come too!\n"


def whole(text):
    """Give what a box of lines says."""
    return " ".join(text.replace("│", " ").split())


def results(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_row_of_a_csv_file_is_sent(send_many, tmp_path, box):
    (tmp_path / "party.csv").write_text(CSV)

    done = send_many("party.csv", "--from", "me@example.com", box=box)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "accepted"]
    assert {m.recipients for m in box.messages()} == {
        ("ana@example.com",),
        ("ben@example.com",),
    }


def test_every_line_of_a_jsonl_file_is_sent(send_many, tmp_path, box):
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

    done = send_many("many.jsonl", "--json", box=box)

    assert json.loads(done.stdout)["counts"] == {"accepted": 20}
    assert len(box.messages()) == 20


def test_lists_and_mappings_fit_into_columns(send_many, tmp_path, box):
    (tmp_path / "m.csv").write_text(
        "to,cc,subject,text,metadata.order\n"
        '"a@example.com, b@example.com",c@example.com;d@example.com,S,T,17\n'
    )

    send_many("m.csv", "--from", "me@example.com", box=box, split="mailtrap=1")

    (message,) = box.messages()
    assert len(message.recipients) == 4
    assert json.loads(message.raw)["custom_variables"]["order"] == "17"


def test_a_second_run_sends_nothing_that_was_accepted(send_many, tmp_path, box):
    (tmp_path / "party.csv").write_text(CSV)
    send_many("party.csv", "--from", "me@example.com", box=box)

    done = send_many("party.csv", "--from", "me@example.com", box=box)

    assert done.stdout.split() == ["2", "accepted", "before"]
    assert len(box.messages()) == 2


def test_a_second_run_sends_what_was_not_accepted(send_many, tmp_path, box):
    (tmp_path / "party.csv").write_text(CSV)
    box.fault("ses", "refuse")
    box.fault("mailtrap", "refuse")
    first = send_many(
        "party.csv", "--from", "me@example.com", box=box, MAILBALANCE_TIMEOUT="1"
    )
    box.heal()

    second = send_many("party.csv", "--from", "me@example.com", box=box)

    assert (first.returncode, second.returncode) == (75, 0)
    assert len(box.messages()) == 2


def test_what_is_unknown_is_never_sent_again_by_itself(send_many, tmp_path, box):
    (tmp_path / "one.csv").write_text("to,subject,text\na@example.com,S,T\n")
    box.fault("ses", "drop")
    first = send_many("one.csv", "--from", "me@example.com", box=box, split="ses=1")
    box.heal()

    second = send_many("one.csv", "--from", "me@example.com", box=box, split="ses=1")

    assert (first.returncode, second.returncode) == (1, 1)
    assert "look it up" in second.stderr
    assert second.stdout.split() == ["1", "unknown", "before"]
    assert len(box.messages()) == 1


def test_a_wrong_row_is_told_and_the_others_go(send_many, tmp_path):
    (tmp_path / "m.csv").write_text("to,text\na@example.com,x\nnobody,x\n")

    done = send_many("m.csv", "--from", "me@example.com")

    assert done.returncode == 3
    assert done.stdout.split() == ["1", "accepted", "1", "wrong"]
    assert "line 3: to[0]: " in done.stderr
    assert "Results: m.csv.results.jsonl" in done.stderr
    told = results(tmp_path / "m.csv.results.jsonl")
    assert [
        (each["line"], "to[0]: " in each["text"])
        for each in told
        if each.get("outcome") == "wrong"
    ] == [(3, True)]


def test_of_many_wrong_rows_ten_are_told(send_many, tmp_path):
    (tmp_path / "m.csv").write_text("to,nick,text\n" + 12 * "nobody,x,x\n")

    done = send_many("m.csv", "--from", "me@example.com", "--json")

    assert done.returncode == 2
    assert done.stderr.count("line ") == 10
    assert "; nick: no such field" in done.stderr
    assert "and 2 more wrong rows" in done.stderr
    assert len(json.loads(done.stdout)["wrong"]) == 12


def test_a_wrong_row_may_be_corrected_in_place(send_many, tmp_path, box):
    (tmp_path / "m.csv").write_text("to,text\na@example.com,x\nnobody,x\n")
    words = ("m.csv", "--from", "me@example.com", "--subject", "S")
    send_many(*words, box=box)
    (tmp_path / "m.csv").write_text("to,text\na@example.com,x\nb@example.com,x\n")

    done = send_many(*words, box=box)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["1", "accepted", "1", "accepted", "before"]
    assert len(box.messages()) == 2


def test_what_was_accepted_for_some_recipients_is_not_sent_again(
    send_many, tmp_path, box
):
    (tmp_path / "m.jsonl").write_text(
        '{"to": ["a@example.com", "reject-450@example.com"], "subject": "S", "text": "x"}'
    )
    words = ("m.jsonl", "--from", "me@example.com")
    first = send_many(*words, box=box, split="mailtrap-smtp=1", MAILBALANCE_TIMEOUT="2")

    again = send_many(*words, box=box, split="mailtrap-smtp=1")

    assert (first.returncode, again.returncode) == (3, 3)
    assert again.stdout.split() == ["1", "partial", "before"]
    assert [m.recipients for m in box.messages()] == [("a@example.com",)]


def test_the_message_id_has_the_domain_of_the_author_from_the_environment(
    send_many, tmp_path
):
    (tmp_path / "party.csv").write_text(CSV)

    send_many("party.csv", MAILBALANCE_FROM="shop@shop.example")

    (first, *_) = results(tmp_path / "party.csv.results.jsonl")
    assert first["message_id"].endswith("@shop.example>")


def test_beginning_and_end_have_their_time_and_the_ids(send_many, tmp_path, box):
    (tmp_path / "m.csv").write_text("to,subject,text\na@example.com,S,x\n")
    words = ("m.csv", "--from", "me@example.com")

    send_many(*words, box=box, split="mailtrap=1")

    begin, end = results(tmp_path / "m.csv.results.jsonl")
    (message,) = box.messages()
    sent = json.loads(message.raw)["custom_variables"]["mailbalance_id"]
    assert begin.keys() == {"line", "digest", "at", "message_id", "mailbalance_id"}
    assert begin["mailbalance_id"] == end["mailbalance_id"] == sent
    assert begin["at"] <= end["at"]
    assert datetime.fromisoformat(end["at"]).utcoffset() == timedelta(0)


def test_an_empty_file_has_no_messages_and_no_results(send_many, tmp_path):
    (tmp_path / "m.csv").write_text("to,text\n")

    done = send_many("m.csv")

    assert (done.returncode, "0 messages" in done.stdout) == (0, True)
    assert not (tmp_path / "m.csv.results.jsonl").exists()


@pytest.mark.parametrize(
    "name", ["no.csv", "m.txt", "latin.csv", ".", ".csv", "wrong.jsonl"]
)
def test_a_file_that_cannot_be_read_makes_no_results(send_many, tmp_path, name):
    (tmp_path / "m.txt").write_text("x")
    (tmp_path / "latin.csv").write_bytes(b"to,text\na@example.com,\xe9\n")
    (tmp_path / "wrong.jsonl").write_text("{}\nno")
    (tmp_path / ".csv").mkdir()

    done = send_many(name)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.results.jsonl"))


def test_a_dry_run_checks_every_row_and_sends_nothing(send_many, tmp_path):
    (tmp_path / "m.csv").write_text("to,text\na@example.com,x\nnobody,x\n")

    done = send_many("m.csv", "--from", "me@example.com", "--dry-run")

    assert done.returncode == 2
    assert "line 3: to" in done.stdout
    assert not (tmp_path / "m.csv.results.jsonl").exists()


def test_a_row_that_was_changed_stops_the_run(send_many, tmp_path):
    (tmp_path / "party.csv").write_text(CSV)
    send_many("party.csv", "--from", "me@example.com")
    (tmp_path / "party.csv").write_text(CSV.replace("ben@", "bob@"))

    done = send_many("party.csv", "--from", "me@example.com")

    assert done.returncode == 2
    assert "line 3 was changed" in " ".join(done.stderr.split())


@pytest.mark.parametrize("same", ["key", "message_id"])
def test_rows_that_share_a_name_have_each_its_own_end(send_many, tmp_path, box, same):
    name = "bill-7" if same == "key" else "<bill-7@example.com>"
    row = {"to": "a@example.com", "text": "x", same: name}
    (tmp_path / "m.jsonl").write_text(3 * f"{json.dumps(row)}\n")

    first = send_many("m.jsonl", "--from", "me@example.com", box=box)
    second = send_many("m.jsonl", "--from", "me@example.com", box=box)

    assert first.stdout.split() == ["3", "accepted"]
    assert second.stdout.split() == ["3", "accepted", "before"]
    assert len(box.messages()) == (1 if same == "key" else 3)


def test_a_results_file_that_was_torn_off_is_gone_on_with(send_many, tmp_path, box):
    (tmp_path / "party.csv").write_text(CSV)
    send_many("party.csv", "--from", "me@example.com", box=box)
    journal = tmp_path / "party.csv.results.jsonl"
    journal.write_text(journal.read_text()[:-10])

    again = send_many("party.csv", "--from", "me@example.com", box=box)
    sent = send_many("party.csv", "--from", "me@example.com", "--in-doubt", box=box)

    assert "1 in doubt before" in " ".join(again.stdout.split())
    assert sent.stdout.split() == ["1", "accepted", "1", "accepted", "before"]


def test_a_file_that_is_no_results_file_is_left_as_it_is(send_many, tmp_path):
    content = b"dear diary"
    (tmp_path / "party.csv").write_text(CSV)
    place = tmp_path / "mine.txt"
    place.write_bytes(content)

    done = send_many("party.csv", "--from", "me@example.com", "--results", str(place))

    assert done.returncode == 2
    assert f"{place}: line 1 is none of a results file" in whole(done.stderr)
    assert place.read_bytes() == content


@pytest.mark.parametrize("place", ["folder", "nowhere/results.jsonl", "/dev/full"])
def test_results_that_cannot_be_kept_are_told_before_anything_is_sent(
    send_many, tmp_path, place
):
    (tmp_path / "party.csv").write_text(CSV)
    (tmp_path / "folder").mkdir()

    done = send_many("party.csv", "--from", "me@example.com", "--results", place)

    assert done.returncode == 2
    assert place in done.stderr
    assert "Traceback" not in done.stderr


def test_a_warning_about_the_results_file_goes_to_standard_error(
    send_many, tmp_path, box
):
    (tmp_path / "party.csv").write_text(CSV)
    place = tmp_path / "party.csv.results.jsonl"
    place.touch()
    place.chmod(0o644)

    done = send_many("party.csv", "--from", "me@example.com", "--json", box=box)

    assert f"Other users can read {place.name}" in whole(done.stderr)
    assert json.loads(done.stdout)["counts"] == {"accepted": 2}


def test_a_planted_link_is_refused_before_anything_is_sent(send_many, tmp_path, box):
    (tmp_path / "party.csv").write_text(CSV)
    (tmp_path / "party.csv.results.jsonl").symlink_to(tmp_path / "victim")

    done = send_many("party.csv", "--from", "me@example.com", box=box)

    assert done.returncode == 2
    assert "is a symbolic link" in whole(done.stderr)
    assert not (tmp_path / "victim").exists()
    assert box.messages() == []
