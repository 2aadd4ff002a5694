"""Finished MIME: who it goes to, what the call replaces in it, what leaves it."""

import pytest

from mailbalance import mime
from mailbalance.backends._mailtrap_request import reason_against, request_body
from mailbalance.errors import MessageError
from mailbalance.message import Envelope
from tests.dropin.calls.samples import RAW, part, raw_v1, raw_v2

TAGS = [{"Name": "k", "Value": "v"}]


def envelope(found):
    return found.envelope or Envelope.of(found.message)


def with_header(line):
    return RAW.replace(b"Subject:", line + b"\r\nSubject:")


def test_destinations_are_the_envelope_and_bcc_is_nobody_elses_business():
    found = part(raw_v1(Destinations=["bo@example.com", "X <x@example.com>"]))

    assert envelope(found).recipients == ("bo@example.com", "x@example.com")
    body = request_body(found.message, envelope(found))
    assert body["bcc"] == [{"email": "x@example.com"}]
    assert b"hidden" not in mime.render(found.message)


def test_without_destinations_the_headers_count():
    found = part(raw_v1())

    assert envelope(found).recipients == ("bo@example.com", "hidden@example.com")
    assert found.only_ses is None


def test_a_recipient_of_the_header_who_is_left_out_keeps_it_from_mailtraps_api():
    found = part(raw_v1(Destinations=["x@example.com"]))

    assert reason_against(found.message, envelope(found)).startswith("to, cc: ")
    assert found.only_ses is None


def test_the_other_recipients_of_a_header_that_cannot_be_read_are_not_lost():
    found = part(
        raw_v1(RAW.replace(b"bo@example.com", b"bo@example.com, c..d@x.example"))
    )

    assert found.only_ses == (
        "RawMessage.Data: To: entry 2 has a dot in the wrong place before its @"
    )


@pytest.mark.parametrize("source", ["bounces@example.com", "B <bounces@example.com>"])
def test_source_says_where_bounces_go(source):
    message = part(raw_v1(Source=source)).message

    assert message.ses.feedback_address == "bounces@example.com"
    assert message.from_.email == "ana@example.com"


def test_source_is_from_when_the_message_has_none():
    found = part(raw_v1(RAW.replace(b"From:", b"X-Was:"), Source="ana@example.com"))

    assert found.message.from_.email == "ana@example.com"
    assert found.only_ses is None


def test_a_return_path_header_is_read_and_taken_out():
    found = part(raw_v1(with_header(b"Return-Path: <r@example.com>")))

    assert found.message.ses.feedback_address == "r@example.com"
    assert b"r@example.com" not in mime.render(found.message)
    assert reason_against(found.message, envelope(found)) is None


def test_tags_of_the_header_are_read_and_those_of_the_call_replace_them():
    data = with_header(b"X-SES-MESSAGE-TAGS: a=b,\r\n category=news")

    assert part(raw_v1(data)).message.metadata == {"a": "b"}
    assert part(raw_v1(data)).message.category == "news"
    assert part(raw_v1(data, Tags=TAGS)).message.metadata == {"k": "v"}
    assert part(raw_v1(data, Tags=TAGS)).message.category is None


def test_options_of_the_call_beat_those_of_the_header():
    data = with_header(b"X-SES-CONFIGURATION-SET: old\r\nX-SES-FROM-ARN: arn:old")
    ses = part(raw_v1(data, ConfigurationSetName="new")).message.ses

    assert (ses.configuration_set, ses.from_arn) == ("new", "arn:old")


def test_control_headers_never_reach_a_reader():
    assert b"X-SES" not in mime.render(
        part(raw_v1(with_header(b"X-SES-FROM-ARN: a"))).message
    )


@pytest.mark.parametrize(
    "line", [b"X-SES-TENANT: t", b"X-SES-LIST-MANAGEMENT-OPTIONS: {l}; topic={t}"]
)
def test_a_header_that_only_ses_can_honour_keeps_the_message_there(line):
    assert part(raw_v1(with_header(line))).only_ses.startswith("RawMessage.Data: ")


def test_from_and_reply_to_of_a_v2_call_replace_those_of_the_message():
    more = {
        "FromEmailAddress": "Al <al@example.com>",
        "ReplyToAddresses": ["r@example.com"],
    }
    found = part(raw_v2(**more))

    assert str(found.message.from_) == "Al <al@example.com>"
    assert [each.email for each in found.message.reply_to] == ["r@example.com"]
    assert found.only_ses is None


def test_the_same_from_leaves_the_bytes_alone():
    assert part(raw_v2(FromEmailAddress="Ana <ana@example.com>")).message.raw == RAW


def test_from_cannot_be_replaced_in_what_fields_cannot_say():
    data = with_header(b"X-A: 1\r\nX-A: 2")

    found = part(raw_v2(data, FromEmailAddress="al@example.com"))

    assert found.only_ses.startswith("FromEmailAddress: cannot be replaced")


def test_what_is_no_message_stays_on_ses():
    found = part(raw_v1(b"\r\nbody", Destinations=["bo@example.com"]))

    assert found.only_ses.startswith("RawMessage.Data: ")
    assert found.envelope.recipients == ("bo@example.com",)


def test_nobody_to_send_to_is_refused_by_name():
    with pytest.raises(MessageError, match=r"^Destinations: there is no recipient"):
        part(raw_v1(b"From: a@example.com\r\n\r\nHi"))


@pytest.mark.parametrize("make", [raw_v1, raw_v2])
def test_tags_in_headers_become_category_and_variables(make):
    found = part(make(with_header(b"X-Tag: one\r\nX-TAG: =?utf-8?q?gr=C3=BCn?=")))

    assert found.only_ses is None
    body = request_body(found.message, envelope(found))
    assert body["category"] == "one"
    assert body["custom_variables"].items() >= {"tag_2": "grün"}.items()
    assert body["headers"]["X-Tag"] == "one"


def test_one_tag_in_a_header_is_the_category():
    found = part(raw_v1(with_header(b"X-Tag: one")))

    assert (found.message.category, found.message.metadata) == ("one", {})
    assert found.only_ses is None


def test_a_category_that_the_call_names_wins_over_a_tag_in_a_header():
    tags = [{"Name": "category", "Value": "named"}, {"Name": "tag_2", "Value": "own"}]
    found = part(raw_v2(with_header(b"X-Tag: a\r\nX-Tag: b"), EmailTags=tags))

    assert found.message.category == "named"
    assert found.message.metadata == {"tag_1": "a", "tag_2": "own"}


@pytest.mark.parametrize("tag", [b"x" * 256, b"", b" "])
def test_a_tag_that_is_no_category_does_not_hold_the_message(tag):
    assert part(raw_v1(with_header(b"X-Tag: " + tag))).only_ses is None
