"""What a message becomes for SES: which form, which fields, and what is not carried."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import Attachment, Envelope, Message, MessageError, mime
from mailbalance.backends import _ses_limits
from mailbalance.backends._json import whole
from mailbalance.backends._ses_limits import LIMITS, reason_against
from mailbalance.backends._ses_request import request_body, why_raw


def message(**changes):
    fields = {
        "from_": "Ana <ana@example.com>",
        "to": "ben@example.com",
        "subject": "Hi",
        "text": "Hello",
    }
    return Message(**(fields | changes))


def body(given=None, envelope=None, **options):
    given = given or message()
    made = request_body(given, envelope or Envelope.of(given), **options)
    return json.loads(whole(made))


def file(**changes):
    fields = {"content": b"abc", "filename": "a.pdf", "content_type": "application/pdf"}
    return Attachment(**(fields | changes))


def test_a_plain_message_is_simple():
    given = message()

    assert body(given) == {
        "FromEmailAddress": "Ana <ana@example.com>",
        "Destination": {"ToAddresses": ["ben@example.com"]},
        "Content": {
            "Simple": {
                "Subject": {"Data": "Hi", "Charset": "UTF-8"},
                "Body": {"Text": {"Data": "Hello", "Charset": "UTF-8"}},
            }
        },
        "EmailTags": [{"Name": "mailbalance-id", "Value": given.stamp().id}],
    }


def test_names_are_written_as_headers_have_them():
    given = message(
        from_="Änne <a@example.com>", cc="Ö <o@example.com>", reply_to="r@x.de"
    )

    found = body(given)

    assert found["FromEmailAddress"].isascii()
    assert mime.address_list([given.from_]) == found["FromEmailAddress"]
    assert found["Destination"]["CcAddresses"][0].endswith("<o@example.com>")
    assert found["ReplyToAddresses"] == ["r@x.de"]


def test_blind_copies_carry_no_name():
    found = body(message(bcc="Secret Name <eve@example.com>"))

    assert found["Destination"]["BccAddresses"] == ["eve@example.com"]


def test_headers_and_attachments_are_fields():
    given = message(
        headers={"List-Unsubscribe": "<https://x.de/u>", "X-A": "b"},
        attachments=[file(), file(filename="b.png", inline=True, content_id="b1")],
    )

    simple = body(given)["Content"]["Simple"]

    assert {"Name": "X-A", "Value": "b"} in simple["Headers"]
    first, second = simple["Attachments"]
    assert base64.b64decode(first["RawContent"]) == b"abc"
    assert first["ContentDisposition"] == "ATTACHMENT"
    assert "ContentId" not in first
    assert (second["ContentDisposition"], second["ContentId"]) == ("INLINE", "b1")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"headers": {f"X-{n}": "a" for n in range(16)}}, "headers"),
        ({"headers": {"X-A": "ä"}}, "headers"),
        ({"headers": {"X-A": "a\tb"}}, "headers"),
        ({"headers": {"X-A": ""}}, "headers"),
        ({"headers": {"X-A": "a " * 498}}, "headers"),
        ({"headers": {"X-" + "A" * 70: "a" * 990}}, "headers"),
        ({"message_id": "<a@example.com>"}, "message_id"),
        ({"date": datetime(2026, 1, 1, tzinfo=UTC)}, "date"),
        ({"attachments": [file(filename="ä.pdf")]}, "attachments"),
        ({"attachments": [file(content=b"")]}, "attachments"),
        ({"attachments": [file(content_type="message/rfc822")]}, "attachments"),
        ({"attachments": [file(content_type="a/b; x=" + "y" * 78)]}, "attachments"),
        ({"attachments": [file(inline=True, content_id="c" * 79)]}, "attachments"),
    ],
)
def test_what_fields_cannot_say_goes_raw(changes, word):
    given = message(**changes)

    found = body(given)["Content"]

    assert word in why_raw(given, Envelope.of(given))
    assert base64.b64decode(found["Raw"]["Data"]) == mime.render(given)


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {f"X-{n}": "a" for n in range(15)}},
        {"headers": {"X-A": "a" * 500}},
        {"to": ["ben@example.com", "ben@EXAMPLE.com"], "cc": "ben@example.com"},
        {"html": "<p>Ü", "text": None},
        {"attachments": [file(filename="f" * 200 + ".pdf")]},
    ],
)
def test_what_fields_can_say_does_not(changes):
    given = message(**changes)

    assert why_raw(given, Envelope.of(given)) is None


def test_other_recipients_than_in_the_headers_go_raw_to_just_them():
    given = message(to=["ben@example.com", "eve@example.com"])

    found = body(given, Envelope.of(given).only(["eve@example.com"]))

    assert found["Destination"] == {"ToAddresses": ["eve@example.com"]}
    assert b"ben@example.com" in base64.b64decode(found["Content"]["Raw"]["Data"])
    assert "FromEmailAddress" not in found


def test_another_envelope_sender_gets_the_bounces():
    given = message()

    found = body(given, Envelope("bounce@example.com", ("ben@example.com",)))

    assert found["FeedbackForwardingEmailAddress"] == "bounce@example.com"


def test_a_template_takes_the_place_of_the_content():
    data = {"name": "Ana", "items": [1, {"ä": None}]}
    given = message(
        subject="",
        text=None,
        ses={"template_name": "Welcome", "template_data": data},
        attachments=[file()],
    )

    template = body(given)["Content"]["Template"]

    assert template["TemplateName"] == "Welcome"
    assert json.loads(template["TemplateData"]) == data
    assert len(template["Attachments"]) == 1


def test_options_of_ses_have_their_fields():
    given = message(
        category="welcome",
        metadata={"user_id": "42"},
        ses={
            "configuration_set": "set",
            "contact_list": "list",
            "topic": "news",
            "tenant": "t1",
            "from_arn": "arn:from",
            "feedback_address": "back@example.com",
            "feedback_arn": "arn:back",
            "open_tracking": False,
            "click_tracking": True,
        },
    )

    found = body(given, configuration_set="default")

    assert found["ConfigurationSetName"] == "set"
    assert found["ListManagementOptions"] == {
        "ContactListName": "list",
        "TopicName": "news",
    }
    assert found["TenantName"] == "t1"
    assert found["FromEmailAddressIdentityArn"] == "arn:from"
    assert found["FeedbackForwardingEmailAddress"] == "back@example.com"
    assert found["FeedbackForwardingEmailAddressIdentityArn"] == "arn:back"
    assert found["ConfigurationOverrides"]["Tracking"] == {
        "OpenTrackingEnabled": "DISABLED",
        "ClickTrackingEnabled": "ENABLED",
    }
    assert found["EmailTags"] == [
        {"Name": "category", "Value": "welcome"},
        {"Name": "user_id", "Value": "42"},
        {"Name": "mailbalance-id", "Value": given.stamp().id},
    ]


def test_the_backends_configuration_set_is_for_messages_without_one():
    assert body(configuration_set="default")["ConfigurationSetName"] == "default"


def test_arns_of_smtp_stand_in_for_those_of_the_api():
    found = body(message(ses={"source_arn": "arn:s", "return_path_arn": "arn:r"}))

    assert found["FromEmailAddressIdentityArn"] == "arn:s"
    assert found["FeedbackForwardingEmailAddressIdentityArn"] == "arn:r"


@pytest.fixture(scope="module")
def model():
    service = botocore.session.Session().get_service_model("sesv2")
    return service.operation_model("SendEmail").input_shape


_text = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=30
)
_address = st.builds("{}@example.com".format, st.text("abc", min_size=1, max_size=6))
_messages = st.builds(
    message,
    to=st.lists(_address, min_size=1, max_size=4),
    bcc=st.lists(_address, max_size=3),
    reply_to=st.lists(_address, max_size=3),
    subject=_text,
    text=st.text(st.characters(blacklist_categories=["Cs"]), min_size=1),
    headers=st.dictionaries(
        st.text("XYZ-", min_size=1, max_size=5).map("X-".__add__), _text
    ).filter(lambda found: len({name.lower() for name in found}) == len(found)),
    metadata=st.dictionaries(_text.filter(bool), _text, max_size=3),
    attachments=st.lists(st.builds(file, content=st.binary(max_size=50)), max_size=2),
)


@given(given=_messages)
def test_every_body_is_one_that_botocores_model_takes(model, given):
    found = json.loads(json.dumps(body(given)))

    report = ParamValidator().validate(found, model)

    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"to": [f"a{n}@example.com" for n in range(51)]}, "51 recipients"),
        ({"to": "bén@example.com"}, "not ASCII"),
        ({"reply_to": "bén@example.com"}, "not ASCII"),
        ({"attachments": [file(content=b"x" * 31_000_000)]}, str(LIMITS.size)),
        ({"ses": {"endpoint_id": "e1"}}, "SigV4a"),
        ({"metadata": {"key": "v" * 300}}, "metadata: 'key'"),
        (
            {"text": None, "subject": "", "mailtrap": {"template_uuid": "u"}},
            "stored at Mailtrap",
        ),
        ({"ses": {"template_name": "t"}}, "subject: the SES template makes it"),
        (
            {
                "subject": "",
                "text": None,
                "ses": {"template_name": "t"},
                "headers": {"X-A": "ä"},
            },
            "cannot do with a template",
        ),
    ],
)
def test_what_ses_cannot_carry_is_refused_in_a_sentence(changes, reason):
    given = message(**changes)

    assert reason in reason_against(given, Envelope.of(given))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"to": [f"a{n}@example.com" for n in range(50)]},
        {"attachments": [file(content=b"x" * 20_000_000)]},
        {"to": "ben@bücher.example"},
        {
            "subject": "",
            "text": None,
            "ses": {"template_name": "t"},
            "mailtrap": {"template_uuid": "u"},
        },
    ],
)
def test_what_ses_can_carry_is_not_refused(changes):
    given = message(**changes)

    assert reason_against(given, Envelope.of(given)) is None


def odd():
    """Fields that SES may have a reason against, each as often fine."""
    addresses = st.sampled_from(["b@x.com", "jörg@x.com", '"q q"@x.com'])
    fields = {
        "from_": addresses,
        "to": st.lists(addresses, max_size=2),
        "cc": st.lists(addresses, max_size=1),
        "bcc": st.lists(addresses, max_size=1),
        "reply_to": st.lists(addresses, max_size=1),
        "category": st.sampled_from(["c", "ö" * 99]),
        "metadata": st.sampled_from([{"a": "b"}, {"a": "ö" * 99}]),
        "headers": st.sampled_from([{"X-A": "b"}, {"X-A": "b" * 996}]),
        "text": st.sampled_from(["t", "t" * LIMITS.size]),
        "ses": st.sampled_from(
            [{"template_name": "t"}, {"template_arn": "t"}, {"endpoint_id": "e"}]
        ),
        "mailtrap": st.just({"template_uuid": "u"}),
    }
    return st.fixed_dictionaries({}, optional=fields)


@given(odd(), st.booleans())
def test_what_looks_usual_has_no_reason_against_it(changes, to_some):
    try:
        given = message(**changes)
    except MessageError:
        return
    envelope = Envelope.of(given)
    if to_some:
        envelope = envelope.only(f"{n}@x.com" for n in range(51))

    reason = next(_ses_limits._reasons(given, envelope), None)

    assert reason_against(given, envelope) == reason
