"""Files of messages: what is read, and what is refused with its line."""

import csv
import json
from datetime import UTC, datetime

import pytest
import typer

from mailbalance import Attachment, Message, MessageError
from mailbalance.cli.rows import read_rows


@pytest.fixture
def rows(tmp_path):
    """Write a file, and read its rows."""

    def rows(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_rows(path))

    return rows


HEAD = "to,text\n"
ROW = '{"to": "a@example.com", "text": "x"}\n'


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("m.txt", "", "m.txt is neither .jsonl nor .csv"),
        ("m.jsonl", "{}\nno\n", "line 2 is no JSON"),
        ("m.jsonl", "[]\n", "line 1 is no JSON object"),
        ("m.jsonl", "[" * 100_000, "line 1 is no JSON"),
        ("m.jsonl", ROW + '{"to": "a", "to": "b"}', "line 2 has 'to' twice"),
        ("m.jsonl", '{"metadata": {"a": 1, "a": 2}}', "line 1 has 'a' twice"),
        ("m.jsonl", '{"from": "a", "from_": "b"}', "line 1 has 'from' and 'from_'"),
        ("m.jsonl", ROW.encode() + b'{"text": "\xe9"}', "m.jsonl: line 2 is not UTF-8"),
        (
            "m.jsonl",
            ROW.encode("utf-16"),
            "line 1 is not UTF-8; save the file as UTF-8",
        ),
        ("m.csv", HEAD.encode() + b"a@example.com,\xe9\n", "line 2 is not UTF-8"),
        ("m.csv", HEAD.encode("utf-16"), "line 1 is not UTF-8"),
        (
            "m.csv",
            HEAD + "a@example.com\n",
            "line 2 has not 2 columns, as the first has, but 1",
        ),
        ("m.csv", "to,to\n", "line 1 has two columns 'to'"),
        ("m.csv", "to, to\n", "line 1 has two columns 'to'"),
        ("m.csv", "from_,from\n", "line 1 has two columns 'from'"),
        ("m.csv", "metadata.a,metadata\n", "leave out 'metadata'"),
        ("m.csv", "to;text\na;b\n", "separate columns by commas"),
        ("m.csv", "to\ttext\na\tb\n", "separate columns by commas"),
        ("m.csv", "to,attachments\n", "a .csv file holds no files; give a .jsonl file"),
        ("m.csv", HEAD + 'a,b\nc,"d\ne', "line 3, or the cell that begins there"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_by_line(rows, name, content, why):
    with pytest.raises(typer.BadParameter) as refused:
        rows(name, content)

    assert why in str(refused.value)


def test_a_file_that_is_not_there_is_told_by_its_whole_path(tmp_path):
    with pytest.raises(typer.BadParameter, match=str(tmp_path / "no.csv")):
        list(read_rows(tmp_path / "no.csv"))


def test_a_byte_order_mark_and_blank_lines_are_passed_over(rows):
    assert [row.line for row in rows("m.jsonl", "\ufeff\n" + ROW + "\n" + ROW)] == [
        2,
        4,
    ]
    (row,) = rows("m.csv", "\ufeff" + HEAD + "\na@example.com,é\n")
    assert row.fields == {"to": ["a@example.com"], "text": "é"}


@pytest.mark.parametrize(
    ("cell", "people"),
    [
        ('"Doe, Jane" <jane@example.com>', [("Doe, Jane", "jane@example.com")]),
        (
            '"Doe; \\"J\\"" <j@example.com>; bo@example.com,',
            [('Doe; "J"', "j@example.com"), ("", "bo@example.com")],
        ),
        (
            "Ana <a@example.com>, , Bo <b@example.com>",
            [("Ana", "a@example.com"), ("Bo", "b@example.com")],
        ),
        (
            '<"a,b"@example.com>;c@example.com',
            [("", '"a,b"@example.com'), ("", "c@example.com")],
        ),
    ],
)
def test_a_cell_is_cut_between_addresses_and_never_in_a_name(rows, cell, people):
    quoted = cell.replace('"', '""')
    (row,) = rows("m.csv", f'{HEAD}"{quoted}",x\n')

    to = row.message({}).to
    assert [(each.name, each.email) for each in to] == people


@pytest.mark.parametrize("cell", ["Doe, Jane <j@x.example>", "a@x.example b@x.example"])
def test_a_cell_that_is_no_list_of_addresses_is_refused(rows, cell):
    (row,) = rows("m.csv", f'{HEAD}"{cell}",x\n')

    with pytest.raises(MessageError):
        row.message({})


def test_a_row_of_several_lines_is_told_by_where_it_begins(rows):
    found = rows("m.csv", HEAD + 'a,"x\ny"\nb,z\n')

    assert [row.line for row in found] == [2, 4]


def test_a_cell_may_hold_more_than_the_csv_module_lets_it(rows):
    csv.field_size_limit(131_072)

    (row,) = rows("m.csv", HEAD + f"a@example.com,{'x' * 200_000}\n")

    assert len(row.message({}).text) == 200_000


@pytest.mark.parametrize("left_out", [{"exclude_defaults": True}, {}])
def test_what_a_message_writes_as_json_is_a_row(rows, left_out):
    message = Message(
        from_="Ana Ä <ana@example.com>",
        to=["b@example.com", "C <c@example.com>"],
        subject="Bill",
        text="x",
        html="<p>x</p>",
        headers={"X-A": "1"},
        attachments=[Attachment(content=b"%PDF\0\xff", filename="bill.pdf")],
        metadata={"order": 17},
        key="bill-17",
        ses={"topic": "news", "contact_list": "all"},
        date=datetime(2026, 1, 2, tzinfo=UTC),
    )

    (row,) = rows("m.jsonl", message.model_dump_json(**left_out))

    assert row.message({"subject": "another"}) == message


def test_a_field_that_is_null_is_filled_in(rows):
    (row,) = rows("m.jsonl", json.dumps({"to": "a@example.com", "text": None}))

    assert row.message({"text": "filled in"}).text == "filled in"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"to": 5, "text": "x"}, "to"),
        ({"to": "a@example.com", "text": "x", "nick": 1}, "nick: no such field"),
        ({"to": "a@example.com", "text": "\ud800"}, "half of a surrogate pair"),
        (
            {"to": "a@example.com", "text": "x", "attachments": ["bill.pdf"]},
            r"attachments\[0\]",
        ),
    ],
)
def test_a_wrong_row_is_a_wrong_message(rows, fields, why):
    (row,) = rows("m.jsonl", json.dumps(fields))

    with pytest.raises(MessageError, match=why):
        row.message({})


def test_a_row_is_known_by_its_key_and_its_message_id(rows):
    one, two = rows(
        "m.jsonl", '{"key": "k", "message_id": "<a@b>"}\n{"message_id": "a@b"}'
    )

    assert one.names > two.names
