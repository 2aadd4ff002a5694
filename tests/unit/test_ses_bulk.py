"""SES's bulk call: which messages share one, its body, and what its reply says of each."""

import json

import boto3
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import (
    Attachment,
    Message,
    Receipt,
    RejectedError,
    SesBackend,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
    UnsuitableError,
)
from mailbalance.backends._ses_bulk import CODES, answers, bulk_body, lane
from mailbalance.batch import ApartError
from mailbalance.message import Envelope
from mailbalance.options import SesOptions
from mailbalance.wire.http import HttpResponse
from mailbalance.wire.sigv4 import Keys

KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI")
MODEL = boto3.client(
    "sesv2", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
).meta.service_model.operation_model("SendBulkEmail")

#: A value for each option that messages of one lane may share.
OPTIONS = {
    "configuration_set": "news",
    "tenant": "shop",
    "from_arn": "arn:aws:ses:eu-west-1:1:identity/example.com",
    "feedback_address": "bounces@example.com",
    "feedback_arn": "arn:aws:ses:eu-west-1:1:identity/example.com",
    "source_arn": "arn:aws:ses:eu-west-1:1:identity/example.com",
    "return_path_arn": "arn:aws:ses:eu-west-1:1:identity/example.com",
    "open_tracking": False,
    "click_tracking": True,
}


def letter(number=0, *, ses=None, **fields):
    ses = {"template_name": "welcome", "template_data": {"n": number}} | (ses or {})
    sender = {"from_": "Shop <shop@example.com>", "to": f"p{number}@example.com"}
    return Message(**(sender | fields), ses=ses)


def mails(count, **fields):
    found = [letter(number, **fields) for number in range(count)]
    return [(message, Envelope.of(message)) for message in found]


def judged(given, reply, status=200):
    body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    return answers("ses", HttpResponse(status, {}, body), given, KEYS)


def results(*entries):
    return {"BulkEmailEntryResults": list(entries)}


def test_what_a_template_needs_is_said_by_each_and_the_rest_once():
    body = bulk_body(mails(2, category="bill", headers={"X-Batch": "7"}))

    entries = body.pop("BulkEmailEntries")
    assert body == {
        "FromEmailAddress": "Shop <shop@example.com>",
        "DefaultContent": {
            "Template": {"TemplateName": "welcome", "TemplateData": "{}"}
        },
    }
    assert [entry["Destination"] for entry in entries] == [
        {"ToAddresses": ["p0@example.com"]},
        {"ToAddresses": ["p1@example.com"]},
    ]
    replaced = [entry["ReplacementEmailContent"] for entry in entries]
    assert [json.loads(each["ReplacementTemplate"]["ReplacementTemplateData"])
            for each in replaced] == [{"n": 0}, {"n": 1}]  # fmt: skip
    assert entries[0]["ReplacementHeaders"] == [{"Name": "X-Batch", "Value": "7"}]
    assert {"Name": "category", "Value": "bill"} in entries[0]["ReplacementTags"]


def test_each_message_has_its_own_id_among_its_tags():
    first, second = bulk_body(mails(2))["BulkEmailEntries"]

    assert first["ReplacementTags"] != second["ReplacementTags"]


@given(st.sets(st.sampled_from(sorted(OPTIONS))), st.booleans())
def test_every_body_is_one_that_botocore_takes(names, reply_to):
    options = {name: OPTIONS[name] for name in names}
    fields = {"reply_to": "help@example.com"} if reply_to else {}

    body = bulk_body(mails(2, ses=options, **fields), configuration_set="own")

    report = ParamValidator().validate(body, MODEL.input_shape)
    assert not report.has_errors(), report.generate_report()


def test_every_option_of_ses_shares_a_lane_or_keeps_a_message_out_of_it():
    own = {"template_name", "template_arn", "template_data"}
    alone = {"contact_list", "topic"}
    refused = {"endpoint_id"}

    assert set(SesOptions.model_fields) == own | alone | refused | set(OPTIONS)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_messages_with_other_options_go_apart(name):
    assert lane(letter(ses={name: OPTIONS[name]})) != lane(letter())


@pytest.mark.parametrize(
    "fields",
    [
        {"from_": "other@example.com"},
        {"reply_to": "help@example.com"},
        {"ses": {"template_name": "goodbye"}},
    ],
    ids=str,
)
def test_messages_that_say_something_else_go_apart(fields):
    assert lane(letter(**fields)) != lane(letter())


def test_messages_that_differ_in_what_each_says_go_together():
    other = letter(9, category="bill", headers={"X-Batch": "7"}, metadata={"a": "b"})

    assert lane(other) == lane(letter()) is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"to": ["a@example.com", "b@example.com"]},
        {"cc": "c@example.com"},
        {"attachments": [Attachment(content=b"x", filename="x.txt")]},
        {"ses": {"contact_list": "people"}},
    ],
    ids=str,
)
def test_what_a_bulk_call_cannot_say_goes_alone(fields):
    assert lane(letter(**fields)) is None


def test_messages_without_a_stored_template_go_alone():
    message = Message(from_="a@example.com", to="b@example.com", subject="s", text="t")

    assert lane(message) is None


def test_each_entry_is_judged_by_itself():
    given = mails(3)

    taken, refused, slow = judged(
        given,
        results(
            {"Status": "SUCCESS", "MessageId": "0100-a"},
            {"Status": "MESSAGE_REJECTED", "Error": "no"},
            {"Status": "ACCOUNT_THROTTLED", "Error": "Maximum sending rate exceeded."},
        ),
    )

    assert isinstance(taken, Receipt)
    assert (taken.provider_ids, taken.accepted) == (("0100-a",), ("p0@example.com",))
    assert taken.message_id == given[0][0].stamp().message_id
    assert (type(refused), type(slow)) == (RejectedError, ThrottledError)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("MESSAGE_REJECTED", RejectedError),
        ("MAIL_FROM_DOMAIN_NOT_VERIFIED", UnavailableError),
        ("CONFIGURATION_SET_NOT_FOUND", UnavailableError),
        ("TEMPLATE_NOT_FOUND", UnsuitableError),
        ("ACCOUNT_SUSPENDED", UnavailableError),
        ("ACCOUNT_THROTTLED", ThrottledError),
        ("ACCOUNT_DAILY_QUOTA_EXCEEDED", UnavailableError),
        ("ACCOUNT_SENDING_PAUSED", UnavailableError),
        ("CONFIGURATION_SET_SENDING_PAUSED", UnavailableError),
        ("INVALID_PARAMETER", RejectedError),
        ("INVALID_SENDING_POOL_NAME", UnavailableError),
        ("TRANSIENT_FAILURE", TransientError),
        ("FAILED", RejectedError),
    ],
)
def test_every_status_has_its_meaning(status, kind):
    (answer,) = judged(mails(1), results({"Status": status, "Error": ""}))

    assert type(answer) is kind


@pytest.mark.parametrize(
    "status",
    [
        "CONFIGURATION_SET_NOT_FOUND",
        "CONFIGURATION_SET_SENDING_PAUSED",
        "INVALID_SENDING_POOL_NAME",
    ],
)
def test_a_configuration_set_that_the_messages_named_is_not_the_backends(status):
    named = mails(1, ses={"configuration_set": "news"})

    (answer,) = judged(named, results({"Status": status, "Error": ""}))

    assert type(answer) is UnsuitableError


def test_an_id_of_the_call_before_is_no_proof_for_this_one():
    body = json.dumps(results({"Status": "SUCCESS", "MessageId": "0100-a"})).encode()
    response = HttpResponse(200, {}, body, before=body)

    with pytest.raises(UnknownOutcomeError, match="id of the message before"):
        answers("ses", response, mails(1), KEYS)


def test_every_status_that_botocore_knows_is_in_that_table():
    shape = MODEL.output_shape.members["BulkEmailEntryResults"].member
    without_codes = {"SUCCESS", "INVALID_SENDING_POOL_NAME", "FAILED"}

    assert set(shape.members["Status"].enum) == set(CODES) | without_codes


@pytest.mark.parametrize(
    "entry",
    [None, 7, {}, {"Status": None}, {"Status": 3}, {"Status": "QUEUED"},
     {"Status": "success"}],
)  # fmt: skip
def test_an_entry_that_says_nothing_clear_is_unknown(entry):
    (answer,) = judged(mails(1), results(entry))

    assert isinstance(answer, UnknownOutcomeError)


@pytest.mark.parametrize("status", ["QUEUED", "TRANSIENT_FAILURE", "FAILED"])
def test_an_entry_with_an_id_was_perhaps_taken_whatever_its_status(status):
    (answer,) = judged(mails(1), results({"Status": status, "MessageId": "0100-a"}))

    assert isinstance(answer, UnknownOutcomeError)
    assert answer.likely == "accepted"


def test_a_recipient_of_any_message_may_be_why_a_call_is_refused():
    text = "Email address is not verified. p1@example.org"
    fields = {"from_": "shop@example.com", "ses": {"template_name": "t"}}
    found = [Message(to=f"p{n}@example.org", **fields) for n in range(2)]
    given = [(message, Envelope.of(message)) for message in found]

    with pytest.raises(UnsuitableError):
        judged(given, {"__type": "MessageRejected", "message": text}, 400)


def test_a_message_that_was_read_from_json_shares_a_lane():
    message = letter(category="x")

    assert lane(Message.model_validate_json(message.model_dump_json())) == lane(message)


def test_a_success_without_an_id_is_unknown_and_likely_accepted():
    (answer,) = judged(mails(1), results({"Status": "SUCCESS"}))

    assert isinstance(answer, UnknownOutcomeError)
    assert answer.likely == "accepted"


@pytest.mark.parametrize(
    "reply", [b"", b"<html>", {}, [], results(), results({"Status": "SUCCESS"})]
)
def test_a_reply_that_does_not_tell_of_each_is_unknown_for_each(reply):
    with pytest.raises(UnknownOutcomeError):
        judged(mails(2), reply)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "BadRequestException"),
        (400, "MessageRejected"),
        (404, "NotFoundException"),
    ],
)
def test_a_call_that_is_refused_as_a_whole_is_a_rejection(status, code):
    with pytest.raises(RejectedError):
        judged(mails(2), {"__type": code, "message": "no"}, status)


def test_a_key_that_may_not_send_in_bulk_says_nothing_of_the_messages():
    with pytest.raises(ApartError):
        judged(mails(2), {"__type": "AccessDeniedException", "message": "no"}, 403)


def test_a_throttled_call_concerns_all_of_its_messages():
    with pytest.raises(ThrottledError):
        judged(mails(2), {"__type": "TooManyRequestsException", "message": "rate"}, 429)


def test_no_key_is_in_any_error():
    said = f"{KEYS.secret_key} {KEYS.access_key}"

    (answer,) = judged(mails(1), results({"Status": "FAILED", "Error": said}))

    assert KEYS.secret_key not in f"{answer!r} {answer}"


def test_a_bulk_call_keeps_to_what_ses_takes():
    assert SesBackend(region="eu-west-1").load.messages == 50
