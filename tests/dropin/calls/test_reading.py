"""What each parameter becomes in the message that another provider gets."""

import json

import pytest

from mailbalance.backends._mailtrap_request import reason_against
from mailbalance.errors import MessageError
from mailbalance.message import Address, Envelope
from tests.dropin.calls.samples import (
    TEXT,
    TO,
    UUID,
    bulk_v1,
    bulk_v2,
    part,
    parts,
    simple,
    stored,
    v1,
    v2,
)

ARN = "arn:aws:ses:eu-west-1:1:identity/x"


def goes_to_mailtrap(part):
    envelope = part.envelope or Envelope.of(part.message)
    return part.only_ses is None and reason_against(part.message, envelope) is None


@pytest.mark.parametrize("params", [v1(), v2()], ids=["v1", "v2"])
def test_a_simple_message_is_carried_whole(params):
    found = part(params)

    assert (found.message.subject, found.message.text) == ("Hello", "Hi")
    assert found.message.to == (Address(email="bo@example.com", name="Bo"),)
    assert goes_to_mailtrap(found)


@pytest.mark.parametrize(
    "more",
    [
        {"ConfigurationSetName": "set"},
        {"EndpointId": "abc.123"},
        {"FromEmailAddressIdentityArn": ARN},
        {"FeedbackForwardingEmailAddress": "bounces@other.example"},
        {"FeedbackForwardingEmailAddressIdentityArn": ARN},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_only_concerns_ses_keeps_no_message_there(more):
    assert goes_to_mailtrap(part(v2(**more)))


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"TenantName": "t"}, "TenantName"),
        (
            {"ListManagementOptions": {"ContactListName": "l"}},
            "ListManagementOptions.ContactListName",
        ),
        (
            {
                "ConfigurationOverrides": {
                    "Tracking": {"OpenTrackingEnabled": "DISABLED"}
                }
            },
            "ConfigurationOverrides.Tracking.OpenTrackingEnabled",
        ),
        (
            {
                "ConfigurationOverrides": {
                    "Tracking": {"ClickTrackingEnabled": "ENABLED"}
                }
            },
            "ConfigurationOverrides.Tracking.ClickTrackingEnabled",
        ),
        (
            {"Destination": {"ToAddresses": ["a, b@example.com"]}},
            "Destination.ToAddresses[0]",
        ),
        ({"ReplyToAddresses": ["x@example.com", "?"]}, "ReplyToAddresses[1]"),
        (
            {"EmailTags": [{"Name": "k", "Value": "1"}, {"Name": "k", "Value": "2"}]},
            "EmailTags[1].Name",
        ),
        ({"EmailTags": [{"Name": "k", "Value": "a\x00"}]}, "EmailTags"),
    ],
)
def test_what_only_ses_can_do_keeps_the_message_there(more, named):
    assert part(v2(**more)).only_ses.startswith(f"{named}: ")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"Headers": [{"Name": "X-SES-A", "Value": "1"}]}, "Content.Simple.Headers"),
        (
            {"Headers": [{"Name": "X-A", "Value": "1"}, {"Name": "x-a", "Value": "2"}]},
            "Content.Simple.Headers[1]",
        ),
        (
            {"Attachments": [{"RawContent": b"x", "FileName": "a/b"}]},
            "Content.Simple.Attachments[0]",
        ),
        ({"Subject": {"Data": "two\nlines"}}, "Content.Simple.Subject.Data"),
        ({"Body": {"Text": {"Data": ""}}}, "Content.Simple.Body"),
    ],
)
def test_content_that_fields_cannot_say_stays_on_ses(more, named):
    assert part(simple(**more)).only_ses.startswith(f"{named}: ")


def test_headers_are_carried_with_their_encoded_words_decoded():
    header = {"Name": "X-Note", "Value": "=?utf-8?q?=E2=82=AC?="}

    assert part(simple(Headers=[header])).message.headers == {"X-Note": "€"}


def test_files_are_carried():
    file = {
        "RawContent": bytearray(b"png"),
        "FileName": "logo.png",
        "ContentDisposition": "INLINE",
        "ContentId": "<logo>",
        "ContentTransferEncoding": "BASE64",
    }
    (found,) = part(simple(Attachments=[file])).message.attachments

    assert (found.content, found.content_type) == (b"png", "image/png")
    assert (found.inline, found.content_id) == (True, "logo")


@pytest.mark.parametrize(
    ("name", "value", "category", "metadata"),
    [
        ("campaign", "spring", None, {"campaign": "spring"}),
        ("category", "spring", "spring", {}),
        ("category", "Gr_-C3_-B6_-C3_-9Fe", "Größe", {}),
        ("_-63ategory", "x", None, {"category": "x"}),
        ("my_-20key", "_-", None, {"my key": ""}),
        ("a_-b", "_-00", None, {"a_-b": "_-00"}),
        ("a", "_-FF", None, {"a": "_-FF"}),
        ("category", "", None, {"category": ""}),
    ],
)
def test_tags_become_category_and_metadata(name, value, category, metadata):
    message = part(v1(Tags=[{"Name": name, "Value": value}])).message

    assert (message.category, message.metadata) == (category, metadata)


def test_a_mapped_template_goes_to_both_sides():
    found = part(stored(TemplateData='{"a": [1]}'), welcome=UUID)

    assert found.message.mailtrap.template_uuid == UUID
    assert found.message.mailtrap.template_variables == {"a": (1,)}
    assert found.message.ses.template_name == "welcome"
    assert goes_to_mailtrap(found)


def test_beside_a_template_the_tag_category_is_a_custom_variable():
    tags = [{"Name": "category", "Value": "c"}]
    found = part(stored() | {"EmailTags": tags}, welcome=UUID)

    assert found.message.metadata == {"category": "c"}
    assert goes_to_mailtrap(found)


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ({"TemplateName": "other"}, "Content.Template.TemplateName"),
        ({"TemplateArn": "arn:x:template/welcome"}, "Content.Template.TemplateArn"),
        ({"TemplateContent": {"Text": "Hi"}}, "Content.Template.TemplateContent"),
        ({"TemplateData": "[]"}, "Content.Template.TemplateData"),
        ({"TemplateData": '{"a": NaN}'}, "Content.Template.TemplateName"),
    ],
)
def test_a_template_without_a_twin_stays_on_ses(template, named):
    assert part(stored(**template), welcome=UUID).only_ses.startswith(f"{named}: ")


def test_an_arn_is_looked_up_as_an_arn():
    arn = "arn:aws:ses:eu-west-1:1:template/welcome"
    params = {"Source": "ana@example.com", "Destination": TO, "Template": "welcome"}
    params |= {"TemplateArn": arn, "TemplateData": "{}"}

    assert part(params, welcome=UUID).only_ses.startswith("TemplateArn: ")
    assert goes_to_mailtrap(part(params, **{arn: UUID}))


def test_an_entry_replaces_headers_tags_and_data_of_the_whole_call():
    data = {"ReplacementTemplateData": '{"user": {"name": "Bo"}, "list": [2]}'}
    entry = {
        "ReplacementEmailContent": {"ReplacementTemplate": data},
        "ReplacementHeaders": [{"Name": "x-a", "Value": "2"}],
        "ReplacementTags": [{"Name": "k", "Value": "2"}],
    }
    default = {
        "TemplateData": '{"user": {"name": "?", "age": 3}, "list": [1, 1]}',
        "Headers": [{"Name": "X-A", "Value": "1"}, {"Name": "X-B", "Value": "1"}],
    }
    tags = [{"Name": "k", "Value": "1"}, {"Name": "l", "Value": "1"}]
    params = bulk_v2(entry, {}, template=default, DefaultEmailTags=tags)

    first, second = (each.message for each in parts(params, welcome=UUID))

    merged = {"user": {"name": "Bo", "age": 3}, "list": (2,)}
    assert first.mailtrap.template_variables == merged
    assert first.headers == {"X-B": "1", "x-a": "2"}
    assert first.metadata == {"k": "2", "l": "1"}
    assert second.headers == {"X-A": "1", "X-B": "1"}


def test_an_entry_of_a_v1_bulk_call_has_its_own_data_and_tags():
    entry = {
        "ReplacementTemplateData": json.dumps({"a": 2}),
        "ReplacementTags": [{"Name": "k", "Value": "2"}],
    }
    found = part(bulk_v1(entry, DefaultTemplateData='{"a": 1, "b": 1}'), welcome=UUID)

    assert found.message.mailtrap.template_variables == {"a": 2, "b": 1}
    assert found.message.metadata == {"k": "2"}
    assert goes_to_mailtrap(found)


def test_an_entry_without_recipients_fails_alone():
    good, bad = parts(bulk_v2({}, {"Destination": {}}), welcome=UUID)

    assert (good.fault, good.only_ses) == (None, None)
    assert bad.fault.code == "BadRequestException"
    assert bad.only_ses == "BulkEmailEntries[1].Destination: there is no recipient"


def test_a_call_without_recipients_is_refused_by_the_parameters_name():
    with pytest.raises(
        MessageError, match=r"^Destination\.ToAddresses: there is no rec"
    ):
        part(v2(Destination={}))


def test_recipients_that_only_ses_can_read_stay_in_the_envelope():
    lists = {"ToAddresses": ["a..b@docomo.example", "bo@example.com"]}
    found = part(v2(Destination=lists))

    assert found.envelope.recipients == ("bo@example.com", "a..b@docomo.example")
    assert found.only_ses.startswith("Destination.ToAddresses[0]: ")


def test_a_second_kind_of_content_stays_on_ses():
    content = {"Simple": TEXT, "Template": {"TemplateName": "welcome"}}

    assert "it is not the only content" in part(v2(content), welcome=UUID).only_ses


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({}, "DefaultContent.Template.Headers"),
        ({"ReplacementHeaders": []}, "DefaultContent.Template.Headers"),
        (
            {"ReplacementHeaders": [{"Name": "X-A", "Value": "1"}]},
            "BulkEmailEntries[0].ReplacementHeaders",
        ),
    ],
)
def test_a_header_is_named_where_it_was_given(entry, place):
    given = {"Headers": [{"Name": "X-SES-A", "Value": "1"}]}
    (found,) = parts(bulk_v2(entry, template=given), welcome=UUID)

    assert found.only_ses.startswith(f"{place}: ")


@pytest.mark.parametrize("make", [simple, stored], ids=["simple", "template"])
def test_a_files_description_is_left_out_with_a_note(make):
    file = {"RawContent": b"x", "FileName": "a.txt", "ContentDescription": "d"}
    found = part(make(Attachments=[file]), welcome=UUID)

    (note,) = found.left_out
    assert note.endswith(".Attachments[0].ContentDescription")
    assert goes_to_mailtrap(found)


def test_the_second_tag_beside_a_template_is_a_variable():
    headers = [{"Name": "X-Tag", "Value": text} for text in ("one", "two")]
    found = part(stored(Headers=headers), welcome=UUID)

    assert found.message.metadata == {"tag_1": "one", "tag_2": "two"}
    assert found.message.headers["X-Tag"] == "one"
    assert goes_to_mailtrap(found)
