"""What the fake Mailtrap refuses."""

from typing import Any

import pytest

from mailbalance.sandbox.mailtrap_rules import problems, recipients

Json = dict[str, Any]
TEMPLATE = "e1bd8a2e-0c6c-4b6c-9c1b-0123456789ab"


def message(**changes: Any) -> Json:
    good: Json = {
        "from": {"email": "ana@example.com", "name": "Ana"},
        "to": [{"email": "bo@example.com"}],
        "subject": "s",
        "text": "t",
    }
    merged = good | changes
    return {name: value for name, value in merged.items() if value is not None}


def templated(**changes: Any) -> Json:
    bare: Json = {"template_uuid": TEMPLATE, "subject": None, "text": None}
    return message(**(bare | changes))


GOOD = [
    message(),
    message(to=None, bcc=[{"email": "c@x.com"}]),
    message(text=None, html="<p>"),
    message(category="c" * 255, custom_variables={"a": "1"}),
    message(headers={"Reply-To": "a@x.com, b@x.com", "X-A": "1"}),
    message(attachments=[{"filename": "a", "content": "eA=="}]),
    message(to=[{"email": f"a{n}@x.com"} for n in range(1000)]),
    templated(template_variables={"a": {"b": [1]}}),
]


@pytest.mark.parametrize("good", GOOD)
def test_a_good_message_is_accepted(good: Json) -> None:
    assert problems(good) == []


#: The texts that were recorded from Mailtrap, or live-tested by others.
RECORDED = [
    (message(**{"from": None}), "'from' is required"),
    (message(**{"from": {"email": "ana"}}), "'from' address is invalid"),
    (message(subject=None), "'subject' is required"),
    (message(to=None), "'to', 'cc' or 'bcc' address is required"),
    (message(text=None), "must specify either text or html body"),
    (templated(subject="s"), "'subject' is not allowed with 'template_uuid'"),
    (templated(category="c"), "'category' is not allowed with 'template_uuid'"),
]
OTHERS = [
    (message(to=[{"email": "é@x.com"}]), "'to' address is invalid"),
    (message(to=[{"email": "b\x7f@x.com"}]), "'to' address is invalid"),
    (
        message(attachments=[{"filename": "f", "content": "QÐ=="}]),
        "'attachments[0].content' must be base64 encoded",
    ),
    (message(to="bo@example.com"), "'to' address is invalid"),
    (message(cc=[{"email": f"a{n}@x.com"} for n in range(1001)]), "at most 1000"),
    (message(reply_to={"email": "x"}), "'reply_to' address is invalid"),
    (message(category="c" * 256), "at most 255"),
    (message(text=1), "'text' must be a string"),
    (message(headers=["x"]), "'headers' must be an object"),
    (message(headers={"X-A": 1}), "must be a string"),
    (message(headers={"Message-ID": "<a>"}), "reserved header 'Message-ID'"),
    (message(attachments={}), None),
    (message(attachments="x"), "must be an array"),
    (message(attachments=[{"content": "eA=="}]), "attachments[0].filename"),
    (message(attachments=[{"filename": "a", "content": "!"}]), "base64"),
    (
        message(attachments=[{"filename": "a", "content": "eA==", "disposition": "x"}]),
        "disposition",
    ),
]


@pytest.mark.parametrize(("wrong", "text"), RECORDED + OTHERS)
def test_a_wrong_message_is_refused_in_words(wrong: Json, text: str | None) -> None:
    found = problems(wrong)

    assert found == [] if text is None else any(text in each for each in found)


def test_every_problem_is_told_at_once() -> None:
    assert problems({"to": [{"email": "a@x.com"}], "text": "t"}) == [
        "'from' is required",
        "'subject' is required",
    ]


def test_recipients_come_in_the_order_of_the_ids() -> None:
    groups = {name: [{"email": f"{name}@x.com"}] for name in ("bcc", "cc", "to")}

    assert recipients(message(**groups)) == ("to@x.com", "cc@x.com", "bcc@x.com")
