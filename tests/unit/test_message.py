"""The message model: what it takes, what it refuses, and how it stays what it is."""

import copy
import mimetypes
import pathlib
import pickle
import re
import threading
from datetime import UTC, datetime
from email import message_from_bytes
from typing import Any

import pytest

from mailbalance import mime
from mailbalance.errors import MessageError
from mailbalance.message import Address, Attachment, Envelope, Message

BASE: dict[str, Any] = {"from_": "a@b.c", "to": "d@e.f", "text": "t"}


def problems(**fields: Any) -> list[str]:
    with pytest.raises(MessageError) as caught:
        Message(**{**BASE, **fields})
    return list(caught.value.problems)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"to": (), "cc": (), "bcc": ()}, "to: has no recipient"),
    ({"text": None}, "text: is empty, and so is html"),
    ({"text": "", "html": ""}, "text: is empty, and so is html"),
    ({"text": b"x"}, "text: must be text"),
    ({"text": "\ud800"}, "text: holds half of a surrogate pair"),
    ({"to": 5}, "to: must be a list"),
    ({"to": ["a@b.c", 5]}, "to[1]: must be a mapping"),
    ({"to": "a@b.c, d@e.f"}, "to[0]: holds more than one address; give a list"),
    ({"form": "a@b.c"}, "form: no such field; did you mean from_?"),
    ({"stream": "bulky"}, "stream: must be 'transactional' or 'bulk'"),
    ({"category": ""}, "category: is empty"),
    ({"category": "x" * 256}, "category: has more than 255 characters"),
    ({"metadata": {"k": []}}, "metadata['k']: must be text, a number"),
    ({"metadata": {"": "v"}}, "metadata[0]: has no name"),
    ({"metadata": "x"}, "metadata: must be a mapping"),
    (
        {"headers": {"From": "x"}},
        "headers['From']: is written by the library; use from_",
    ),
    ({"headers": {"reply-TO": "x"}}, "use reply_to instead"),
    ({"headers": {"X-SES-Tenant": "x"}}, "use ses={'tenant': ...} instead"),
    ({"headers": {"X-SES-New": "x"}}, "use ses={...} instead"),
    ({"headers": {"X-MT-Category": "x"}}, "use category instead"),
    ({"headers": {"X-MT-New": "x"}}, "use category, metadata or mailtrap"),
    ({"headers": {"DKIM-Signature": "x"}}, "written by the servers"),
    ({"headers": {"Resent-To": "x"}}, "written by the servers"),
    ({"headers": {"X A": "x"}}, "headers[0]: is no header name"),
    ({"headers": {"X" * 77: "x"}}, "is no header name"),
    ({"headers": {"X-A": "1", "x-a": "2"}}, "headers['x-a']: is given twice"),
    ({"headers": {"X-A": 1}}, "headers[0]: must be text (str)"),
    ({"headers": {"List-Unsubscribe": "<https://é>"}}, "non-ASCII"),
    ({"headers": {"References": "x" * 901}}, "over 900 characters without a space"),
    (
        {"headers": {"References": f"x{' ' * 901}y"}},
        "without a space to break the line",
    ),
    ({"headers": {"Sender": "no address"}}, "headers['Sender']: has no @"),
    ({"date": datetime(2026, 1, 1)}, "date: has no time zone"),  # noqa: DTZ001
    ({"message_id": "x"}, "message_id: must look like"),
    ({"ses": {"tenannt": "x"}}, "ses.tenannt: no such field; did you mean tenant?"),
    ({"ses": {"topic": "x"}}, "ses.topic: needs contact_list"),
    ({"ses": {"template_data": {"a": 1}}}, "ses.template_data: needs template_name"),
    (
        {"ses": {"template_name": "a", "template_arn": "b"}},
        "ses.template_name: give it or",
    ),
    ({"ses": {"feedback_address": "x"}}, "ses.feedback_address: has no @"),
    ({"ses": {"tenant": ""}}, "ses.tenant: is empty"),
    ({"mailtrap": {"template_variables": {"a": 1}}}, "needs template_uuid"),
    ({"attachments": "a.txt"}, "attachments: is text; give Attachment objects"),
    (
        {"attachments": [pathlib.Path("/no/file.txt")]},
        "'file.txt' cannot be read: No such file",
    ),
    ({"attachments": [pathlib.Path("/")]}, "cannot be read: Is a directory"),
    ({"raw": "x"}, "raw: must be bytes"),
]


@pytest.mark.parametrize(("fields", "sentence"), WRONG, ids=[s for _, s in WRONG])
def test_a_mistake_names_the_field_and_the_fix(
    fields: dict[str, Any], sentence: str
) -> None:
    [found] = problems(**fields)

    assert sentence in found


def test_all_mistakes_are_told_at_once() -> None:
    found = problems(
        to=["x", "y@z"], frm="a@b.c", headers={"From": "", "Date": ""}, subject=1
    )

    assert [p.partition(":")[0] for p in found] == [
        "to[0]",
        "subject",
        "headers['From']",
        "headers['Date']",
        "frm",
    ]


@pytest.mark.parametrize(
    "field", ["subject", "text", "html", "category", "key", "message_id"]
)
def test_no_error_shows_the_value(field: str) -> None:
    secret = "s3cret-c4nary\x07\ud800"

    assert "c4nary" not in "".join(problems(**{field: secret}))


def test_pydantic_s_own_error_is_not_chained() -> None:
    with pytest.raises(MessageError) as caught:
        Message(to="s3cret", text="t")

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "build",
    [
        lambda: Message.model_validate({"to": "x"}),
        lambda: Message.model_validate_json('{"to": "x"}'),
        lambda: Message.model_validate_json("{"),
        lambda: Message.model_validate_strings({"to": "x"}),
        lambda: Message(**BASE).model_copy(update={"subject": "a\nb"}),
        lambda: Address(email="x"),
        Address,
        lambda: Attachment(content=b"", filename="a/b"),
        lambda: Attachment.model_validate_json('{"content": "*", "filename": "a"}'),
    ],
)
def test_every_way_of_building_raises_message_errors(build: Any) -> None:
    with pytest.raises(MessageError):
        build()


@pytest.mark.parametrize(
    "people",
    [
        "Ana <a@x.com>",
        Address(email="a@x.com", name="Ana"),
        {"email": "a@x.com", "name": "Ana"},
        ["Ana <a@x.com>"],
        iter([Address(email="a@x.com", name="Ana")]),
        {"Ana <a@x.com>"},
    ],
)
def test_addresses_may_be_given_in_many_forms(people: Any) -> None:
    message = Message(from_="a@b.c", to=people, text="t")

    assert message.to == (Address(email="a@x.com", name="Ana"),)


def test_nothing_in_a_message_can_be_changed() -> None:
    data = {"items": [{"n": 1}]}
    message = Message(
        **BASE, headers={"X-A": "1"}, ses={"template_name": "t", "template_data": data}
    )
    data["items"][0]["n"] = 2

    assert message.ses.template_data["items"][0]["n"] == 1
    for act in (
        lambda: setattr(message, "subject", "x"),
        lambda: message.headers.__setitem__("X-A", "2"),  # type: ignore[attr-defined]
        lambda: message.ses.template_data["items"].append(1),
    ):
        with pytest.raises((AttributeError, TypeError)):
            act()


@pytest.mark.parametrize("value", [float("nan"), object(), b"x", {1: "x"}, "\ud800"])
def test_template_data_must_have_a_form_in_json(value: object) -> None:
    data = {"a": [value]}

    [found] = problems(ses={"template_name": "t", "template_data": data})
    assert found.startswith("ses.template_data.a[0]")


def test_template_data_in_a_loop_is_refused() -> None:
    data: dict[str, Any] = {}
    data["again"] = data

    assert (
        "nests more than 50 deep"
        in problems(mailtrap={"template_uuid": "t", "template_variables": data})[0]
    )


def test_a_template_needs_no_text() -> None:
    message = Message(to="a@b.c", mailtrap={"template_uuid": "u"})

    assert message.has_template()
    with pytest.raises(MessageError, match="no MIME form"):
        mime.render(message)


def test_metadata_becomes_text() -> None:
    message = Message(**BASE, metadata={"a": 1, "b": True, "c": 1.5, "d": "x"})

    assert message.metadata == {"a": "1", "b": "true", "c": "1.5", "d": "x"}


def test_a_message_can_be_hashed_compared_and_copied() -> None:
    fields = {
        **BASE,
        "ses": {"template_name": "t", "template_data": {"a": [1, {"b": None}]}},
    }
    one, two = Message(**fields), Message(**fields)

    assert {one, two} == {one}
    assert copy.copy(one) == copy.deepcopy(one) == one.model_copy() == one


def test_the_stamp_is_fixed_at_first_use_and_travels_with_pickles() -> None:
    message = Message(**BASE)
    stamps: list[Any] = []
    threads = [
        threading.Thread(target=lambda: stamps.append(message.stamp()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    again = pickle.loads(pickle.dumps(message))  # noqa: S301 - our own bytes
    assert set(stamps) == {message.stamp()} == {again.stamp()}
    assert mime.render(again) == mime.render(message)


def test_a_given_id_and_date_are_used() -> None:
    date = datetime(2026, 11, 23, 5, 6, 7, tzinfo=UTC)
    stamp = Message(**BASE, message_id="x@y.z", date=date).stamp()

    assert (stamp.message_id, stamp.date) == (
        "<x@y.z>",
        "Mon, 23 Nov 2026 05:06:07 +0000",
    )


def test_a_message_id_made_here_begins_with_our_own_id() -> None:
    stamp = Message(**BASE).stamp()

    assert re.fullmatch(r"[A-Za-z0-9_-]{22,64}", stamp.id)
    assert stamp.message_id == f"<{stamp.id}@b.c>"
    assert Message(**BASE, message_id="x@y.z").stamp().id != stamp.id


def test_a_changed_copy_gets_a_stamp_of_its_own() -> None:
    message = Message(**BASE)

    assert message.model_copy(update={"subject": "b"}).stamp() != message.stamp()


def test_the_envelope_names_every_mailbox_once() -> None:
    message = Message(
        from_="a@b.c", to=["x@y.z", "X <x@Y.z>"], cc="q@y.z", bcc="x@y.z", text="t"
    )
    envelope = Envelope.of(message)

    assert envelope == Envelope("a@b.c", ("x@y.z", "q@y.z"))
    assert envelope.only(["q@y.z"]) == Envelope("a@b.c", ("q@y.z",))


def test_a_missing_sender_is_named_with_its_variable() -> None:
    with pytest.raises(MessageError, match=r"from_: is missing; .* MAILBALANCE_FROM"):
        Envelope.of(Message(to="a@b.c", text="t"))


def test_an_envelope_without_recipients_is_refused() -> None:
    with pytest.raises(MessageError, match="no recipient"):
        Envelope("a@b.c", ())


def test_a_file_is_read_when_attached(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "täst.pdf"
    path.write_bytes(b"%PDF")
    wanted = Attachment(
        content=b"%PDF", filename="täst.pdf", content_type="application/pdf"
    )

    assert Attachment.from_path(path) == wanted
    assert Attachment.from_path(str(path), filename="x.pdf").filename == "x.pdf"
    assert Message(**BASE, attachments=[path]).attachments == (wanted,)


def test_a_file_that_cannot_be_read_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(MessageError, match=r"'gone.txt' cannot be read: No such file"):
        Attachment.from_path(tmp_path / "gone.txt")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "image/png"),
        ("a.tar.gz", "application/gzip"),
        ("a", "application/octet-stream"),
    ],
)
def test_the_type_of_a_file_is_guessed(name: str, kind: str) -> None:
    assert Attachment(content=b"", filename=name).content_type == kind


def test_a_type_that_the_system_knows_in_capitals_is_guessed_in_lower_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mimetypes.init()
    monkeypatch.setitem(mimetypes.types_map, ".odd-kind", "application/ODD")

    assert Attachment(content=b"", filename="a.odd-kind").content_type == (
        "application/odd"
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "..\\a",
        "/etc/passwd",
        "a\nb",
        "a\u202egpj.exe",
        "x" * 256,
        " a",
        "é" * 128,
    ],
)
def test_an_unsafe_file_name_is_refused(name: str) -> None:
    with pytest.raises(MessageError, match="filename"):
        Attachment(content=b"", filename=name)


@pytest.mark.parametrize(
    "kind", ["png", "multipart/mixed", "text/plain; name=x", "a/b\n", "a/b;"]
)
def test_a_wrong_content_type_is_refused(kind: str) -> None:
    with pytest.raises(MessageError, match="content_type"):
        Attachment(content=b"", filename="a", content_type=kind)


def test_an_inline_file_is_called_by_its_name() -> None:
    assert (
        Attachment(content=b"", filename="logo.png", inline=True).content_id
        == "logo.png"
    )
    with pytest.raises(MessageError, match="content_id: is missing"):
        Attachment(content=b"", filename="my logo.png", inline=True)


def test_two_files_with_one_content_id_are_refused() -> None:
    file = Attachment(content=b"", filename="a.png", inline=True)

    assert "same content_id" in problems(html="<img>", attachments=[file, file])[0]


def test_raw_messages_gain_what_they_lack_and_lose_nothing() -> None:
    message = Message.from_mime(
        b"To: a@b.c\n\nhi", from_="Ana <x@y.z>", subject="S", bcc="q@r.s"
    )
    read = message_from_bytes(mime.render(message))

    assert message.raw == b"To: a@b.c\n\nhi"
    assert (read["From"], read["Subject"], read["To"]) == ("Ana <x@y.z>", "S", "a@b.c")
    assert read["Bcc"] is None
    assert mime.render(message).endswith(b"\r\n\r\nhi")


def test_replacing_what_a_raw_message_says_writes_it_anew() -> None:
    source = b"From: a@b.c\nTo: d@e.f\nSubject: old\n\nhi"

    for message in (
        Message.from_mime(source, subject="new"),
        Message.from_mime(source).model_copy(update={"subject": "new"}),
    ):
        assert message.raw is None
        assert b"old" not in mime.render(message)
        assert b"Subject: new\r\n" in mime.render(message)


def test_replacing_is_refused_when_something_would_be_lost() -> None:
    source = b"From: a@b.c, x@y.z\nTo: d@e.f\nSubject: old\n\nhi"

    with pytest.raises(
        MessageError, match=r"subject: cannot be replaced.*several addresses"
    ):
        Message.from_mime(source, subject="new")
    assert Message.from_mime(source, category="c", bcc="q@r.s").raw == source
