"""What a message becomes for Mailtrap's API, and what its API cannot say."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailtrap import Address as TheirAddress
from mailtrap import Mail

from mailbalance import Attachment, Envelope, Message
from mailbalance.backends._json import whole
from mailbalance.backends._mailtrap_request import (
    LIMITS,
    reason_against,
    request_body,
)


def message(**changes):
    fields = {
        "from_": "Ana <ana@example.com>",
        "to": "ben@example.com",
        "subject": "Hi",
        "text": "Hello",
    }
    return Message(**(fields | changes))


def body(given=None, envelope=None):
    given = given or message()
    return json.loads(whole(request_body(given, envelope or Envelope.of(given))))


def file(**changes):
    fields = {"content": b"abc", "filename": "a.pdf", "content_type": "application/pdf"}
    return Attachment(**(fields | changes))


def test_a_plain_message_has_no_more_fields_than_it_needs():
    given = message()

    assert body(given) == {
        "from": {"email": "ana@example.com", "name": "Ana"},
        "to": [{"email": "ben@example.com"}],
        "subject": "Hi",
        "text": "Hello",
        "custom_variables": {"mailbalance_id": given.stamp().id},
    }


def test_it_is_what_mailtraps_own_library_sends():
    ours = message(
        category="c",
        metadata={"k": "v"},
        headers={"X-A": "ä"},
        reply_to="r@example.com",
    )
    theirs = Mail(
        sender=TheirAddress(email="ana@example.com", name="Ana"),
        to=[TheirAddress(email="ben@example.com")],
        subject="Hi",
        text="Hello",
        category="c",
        custom_variables={"k": "v", "mailbalance_id": ours.stamp().id},
        headers={"X-A": "ä"},
        reply_to=TheirAddress(email="r@example.com"),
    )

    assert body(ours) == theirs.api_data


@pytest.mark.parametrize(
    ("metadata", "own"),
    [
        ({}, True),
        ({"k": "x" * 937}, True),
        ({"k": "x" * 938}, False),
        ({"mailbalance_id": "mine"}, False),
    ],
)
def test_our_own_id_leaves_room_for_the_callers_variables(metadata, own):
    given = message(metadata=metadata)

    found = body(given)["custom_variables"]

    added = {"mailbalance_id": given.stamp().id} if own else {}
    assert found == metadata | added
    assert len(json.dumps(found)) <= 1000


def test_one_reply_address_is_a_field_and_several_are_a_header():
    one = body(message(reply_to="R <r@example.com>"))
    two = body(message(reply_to=["Ö <r@example.com>", "s@example.com"]))

    assert one["reply_to"] == {"email": "r@example.com", "name": "R"}
    assert "headers" not in one
    assert "reply_to" not in two
    assert two["headers"]["Reply-To"].endswith("<r@example.com>, s@example.com")


def test_files_are_base64_with_their_place():
    found = body(
        message(
            attachments=[file(), file(filename="b.png", inline=True, content_id="b1")]
        )
    )

    first, second = found["attachments"]
    assert base64.b64decode(first["content"]) == b"abc"
    assert first["disposition"] == "attachment"
    assert "content_id" not in first
    assert (second["disposition"], second["content_id"]) == ("inline", "b1")


def test_a_template_stands_alone():
    data = {"name": "Ana", "items": [1, {"ä": None}]}
    options = {"template_uuid": "u-1", "template_variables": data}

    found = body(message(subject="", text=None, mailtrap=options))

    assert (found["template_uuid"], found["template_variables"]) == ("u-1", data)
    assert not {"subject", "text", "html", "category"} & set(found)


def test_hidden_recipients_may_be_fewer_or_more_than_in_bcc():
    given = message(bcc=["eve@example.com", "BEN@example.com", "ben@EXAMPLE.com"])

    some = body(given, Envelope("ana@example.com", ("ben@example.com",)))
    more = body(
        given, Envelope("ana@example.com", ("ben@example.com", "x@example.com"))
    )

    assert "bcc" not in some
    assert more["bcc"] == [{"email": "x@example.com"}]


def test_the_letter_case_of_a_domain_makes_nobody_another():
    given, envelope = message(), Envelope("ana@example.com", ("ben@EXAMPLE.com",))

    assert reason_against(given, envelope) is None
    assert "bcc" not in body(given, envelope)


def test_the_letter_case_before_the_at_makes_somebody_else():
    envelope = Envelope("ana@example.com", ("Ben@example.com",))

    assert "one is left out" in reason_against(message(), envelope)


_text = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=30
)
_address = st.builds("{}@example.com".format, st.text("abc", min_size=1, max_size=6))
_messages = st.builds(
    message,
    to=st.lists(_address, min_size=1, max_size=4),
    cc=st.lists(_address, max_size=3),
    bcc=st.lists(_address, max_size=3),
    subject=_text.filter(bool),
    metadata=st.dictionaries(_text.filter(bool), _text, max_size=3),
)


@given(given=_messages)
def test_every_recipient_is_in_the_body_and_nobody_else(given):
    envelope = Envelope.of(given)
    found = json.loads(whole(request_body(given, envelope)))

    named = {
        address["email"]
        for name in ("to", "cc", "bcc")
        for address in found.get(name, [])
    }

    assert named == set(envelope.recipients)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"to": "bén@example.com"}, "not ASCII"),
        ({"reply_to": "bén@example.com"}, "not ASCII"),
        ({"subject": ""}, "subject"),
        ({"cc": [f"a{n}@example.com" for n in range(1001)]}, "cc: 1001 addresses"),
        ({"attachments": [file(content=b"x" * 9_000_000)]}, str(LIMITS.size)),
        ({"attachments": [file(content=b"")]}, "one is empty"),
        ({"metadata": {"key": "v" * 1000}}, "metadata: 1011 bytes"),
        ({"metadata": {"key": "ü" * 170}}, "metadata: 1031 bytes"),
        ({"headers": {"Category": "x"}}, "headers['Category']"),
        ({"ses": {"contact_list": "l"}}, "contact_list"),
        ({"ses": {"tenant": "t"}}, "tenant"),
        ({"ses": {"endpoint_id": "t"}}, "endpoint_id"),
        ({"subject": "", "text": None, "ses": {"template_name": "t"}}, "stored at SES"),
        ({"mailtrap": {"template_uuid": "u"}}, "subject: Mailtrap's template"),
        (
            {
                "subject": "",
                "text": None,
                "category": "c",
                "mailtrap": {"template_uuid": "u"},
            },
            "category: Mailtrap's template",
        ),
        ({"unrepresented": ["It has three bodies."]}, "It has three bodies."),
    ],
)
def test_what_mailtrap_cannot_carry_is_refused_in_a_sentence(changes, reason):
    given = message(**changes)

    assert reason in reason_against(given, Envelope.of(given))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"metadata": {"key": "v" * 900}},
        {"to": "ben@bücher.example"},
        {"to": [f"a{n}@example.com" for n in range(1000)]},
        {"ses": {"configuration_set": "c", "open_tracking": False}},
        {"attachments": [file(content=b"x" * 7_000_000)]},
        {
            "subject": "",
            "text": None,
            "ses": {"template_name": "t"},
            "mailtrap": {"template_uuid": "u"},
        },
    ],
)
def test_what_mailtrap_can_carry_is_not_refused(changes):
    given = message(**changes)

    assert reason_against(given, Envelope.of(given)) is None


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (Envelope("ana@example.com", ("eve@example.com",)), "one is left out"),
        (Envelope("other@example.com", ("ben@example.com",)), "envelope sender"),
        (Envelope("ana@example.com", ("ben@example.com", "é@x.de")), "not ASCII"),
    ],
)
def test_an_envelope_apart_from_the_headers_is_refused(envelope, reason):
    assert reason in reason_against(message(), envelope)


def test_an_envelope_without_some_hidden_recipients_is_not_refused():
    given = message(bcc=["eve@example.com", "x@example.com"])

    assert (
        reason_against(
            given, Envelope.of(given).only(["ben@example.com", "eve@example.com"])
        )
        is None
    )
