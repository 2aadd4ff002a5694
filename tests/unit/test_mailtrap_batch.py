"""Mailtrap's batch call: its body, and what its reply says of each message."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import (
    Attachment,
    MailtrapBackend,
    Message,
    Receipt,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.backends import _json
from mailbalance.backends._mailtrap_batch import LOAD, answers, batch_body
from mailbalance.backends._mailtrap_request import request_body
from mailbalance.message import Envelope
from mailbalance.secret import Secret
from mailbalance.wire.http import HttpResponse


def mails(*differing, **alike):
    """Make messages that say the same but for what is given for each."""
    alike = {"from_": "shop@example.com", "subject": "Hi", "text": "Hello."} | alike
    found = []
    for number, own in enumerate(differing):
        message = Message(**{"to": f"p{number}@example.com", **alike, **own})
        found.append((message, Envelope.of(message)))
    return found


def body_of(given):
    return json.loads(_json.whole(batch_body(given)))


def judged(given, reply, status=200):
    body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    return answers(
        HttpResponse(status, {}, body),
        given,
        backend="mailtrap",
        token=Secret("t0p-secret"),
    )


def test_what_all_messages_say_alike_is_said_once():
    body = body_of(mails({}, {}, category="bill"))

    assert body["base"] == {
        "from": {"email": "shop@example.com"},
        "subject": "Hi",
        "text": "Hello.",
        "category": "bill",
    }
    assert [set(item) for item in body["requests"]] == [{"to", "custom_variables"}] * 2


def test_what_is_alike_to_python_only_is_said_by_each():
    def using(value):
        said = {"template_uuid": "u", "template_variables": {"list": [{"n": value}]}}
        return {"mailtrap": said, "subject": "", "text": None}

    body = body_of(mails(using(1), using(True), using(1.0)))

    assert "template_variables" not in body["base"]
    found = [item["template_variables"]["list"][0]["n"] for item in body["requests"]]
    assert [type(each) for each in found] == [int, bool, float]


def test_what_one_message_lacks_is_said_by_the_others_themselves():
    body = body_of(mails({"html": "<p>Hi</p>"}, {}))

    assert "html" not in body["base"]
    assert [item.get("html") for item in body["requests"]] == ["<p>Hi</p>", None]


def test_headers_are_never_mixed_from_two_places():
    body = body_of(mails({"headers": {"X-A": "1"}}, {"headers": {"X-B": "2"}}))

    assert "headers" not in body["base"]
    assert [item["headers"] for item in body["requests"]] == [
        {"X-A": "1"},
        {"X-B": "2"},
    ]


_choices = {
    "from_": ["shop@example.com", "Shop <shop@example.com>", "Shop <me@example.com>"],
    "reply_to": [(), "r@example.com", "R <r@example.com>", ["a@x.de", "b@x.de"]],
    "subject": ["Hi", "Hello"],
    "text": ["Hello.", "Good day."],
    "html": [None, "<p>Hello.</p>"],
    "category": [None, "bill"],
    "headers": [{}, {"X-A": "1"}, {"X-A": "2"}],
    "metadata": [{}, {"k": "1"}, {"k": "x" * 950}],
    "cc": [(), "c@example.com"],
    "attachments": [
        [Attachment(content=b"x", filename=name)] * n
        for name, n in (("a", 0), ("a", 1), ("b", 1), ("b", 2))
    ],
}
_templates = [
    {"mailtrap": {"template_uuid": uuid, "template_variables": {"n": value}}}
    for uuid, value in (("u", 1), ("u", True), ("v", 1), ("u", {}))
]
_plain = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(each) for name, each in _choices.items()}
)
_written = {"subject": "", "text": None, "html": None, "category": None}
_messages = _plain | st.builds(
    lambda plain, template: {**plain, **template, **_written},
    _plain,
    st.sampled_from(_templates),
)


@given(st.lists(_messages, min_size=1, max_size=4) | st.lists(_plain, max_size=1).map(
    lambda found: [*found, *found, *found, {}]
))  # fmt: skip
def test_base_and_item_together_say_what_the_message_alone_would(differing):
    given = mails(*differing)

    body = body_of(given)

    whole = [{**body.get("base", {}), **item} for item in body["requests"]]
    alone = [json.loads(_json.whole(request_body(*mail))) for mail in given]
    assert [json.dumps(each, sort_keys=True) for each in whole] == [
        json.dumps(each, sort_keys=True) for each in alone
    ]


@pytest.mark.parametrize("name", _choices)
def test_of_two_messages_each_says_itself_what_it_says_otherwise(name):
    one, two = (mails({name: each})[0] for each in _choices[name][:2])

    body = body_of([one, two, one])

    whole = [{**body["base"], **item} for item in body["requests"]]
    assert whole == [
        json.loads(_json.whole(request_body(*mail))) for mail in (one, two, one)
    ]


def test_an_attachment_that_all_share_is_sent_once():
    attachment = Attachment(content=b"x" * 30_000, filename="a.bin")

    given = mails(*[{}] * 50, attachments=[attachment])

    assert len(_json.whole(batch_body(given))) < 60_000


def test_recipients_are_never_shared():
    body = body_of(mails({"to": "ana@example.com"}, {"to": "ana@example.com"}))

    assert all(
        item["to"] == [{"email": "ana@example.com"}] for item in body["requests"]
    )


def test_each_item_of_the_reply_is_judged_by_itself():
    given = mails({}, {}, {})

    one, two, three = judged(
        given,
        {
            "success": True,
            "responses": [
                {"success": True, "message_ids": ["id-1"]},
                {"success": False, "errors": ["'to' address is invalid"]},
                {"success": True},
            ],
        },
    )

    assert isinstance(one, Receipt)
    assert (one.provider_ids, one.accepted) == (("id-1",), ("p0@example.com",))
    assert isinstance(two, RejectedError)
    assert two.detail == "'to' address is invalid"
    assert isinstance(three, Receipt)


def test_an_item_whose_sender_is_not_verified_concerns_that_sender():
    (answer,) = judged(
        mails({}),
        {"responses": [{"success": False, "errors": ["domain is not verified"]}]},
    )

    assert isinstance(answer, UnavailableError)
    assert answer.scope == "sender"


@pytest.mark.parametrize("item", [None, 7, "ok", [], {}, {"success": "yes"}])
def test_an_item_that_says_nothing_clear_is_unknown(item):
    (answer,) = judged(mails({}), {"success": True, "responses": [item]})

    assert isinstance(answer, UnknownOutcomeError)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        {"success": True},
        {"success": False, "errors": ["no"]},
        {"success": True, "responses": []},
        {"success": True, "responses": [{"success": True}]},
        {"success": True, "responses": [{"success": True}] * 3},
        {"success": True, "responses": {"0": {"success": True}}},
    ],
    ids=str,
)
def test_a_reply_that_does_not_tell_of_each_is_unknown_for_each(reply):
    with pytest.raises(UnknownOutcomeError):
        judged(mails({}, {}), reply)


def test_the_token_is_not_in_any_error():
    given = mails({})
    reply = {"responses": [{"success": False, "errors": ["token t0p-secret is odd"]}]}

    (answer,) = answers(
        HttpResponse(200, {}, json.dumps(reply).encode()),
        given,
        backend="mailtrap",
        token=Secret("t0p-secret"),
    )

    assert "t0p" not in str(answer)


def test_messages_of_two_hosts_or_two_senders_go_apart():
    backend = MailtrapBackend(token="t")
    plain, bulk, other = (
        mails({}, {"stream": "bulk"}, {"from_": "me@other.example"})[n][0]
        for n in range(3)
    )

    assert len({backend.lane(plain), backend.lane(bulk), backend.lane(other)}) == 3


def test_a_batch_keeps_to_what_mailtrap_takes():
    assert (LOAD.messages, LOAD.size) == (500, 41_943_040)
