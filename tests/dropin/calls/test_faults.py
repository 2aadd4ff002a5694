"""What SES's server would refuse, in its words."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailbalance.dropin.calls import SesFault, fault_of, fault_words
from tests.dropin.calls.samples import (
    RAW,
    TEXT,
    TO,
    bulk_v1,
    bulk_v2,
    operation_of,
    parts,
    raw_v1,
    raw_v2,
    simple,
    stored,
    v1,
    v2,
)


def fault(params):
    return fault_of(*operation_of(params), params)


def words(params):
    found = fault(params)
    return found and found.message


#: With "Hello" and "Hi" beside it, all that SES takes by v2.
FILE = b"x" * 31_457_275


def long(count, character="x"):
    return v1(Message={**TEXT, "Body": {"Text": {"Data": character * count}}})


def people(count):
    return {"ToAddresses": [f"p{n}@example.com" for n in range(count)]}


@pytest.mark.parametrize(
    "params", [v1(), v2(), stored(), raw_v1(), raw_v2(), bulk_v1({}), bulk_v2({})]
)
def test_nothing_is_wrong_with_a_good_call(params):
    assert fault(params) is None


def test_the_code_is_that_of_the_service():
    bad = {"Destination": people(51)}

    assert fault(v1(**bad)) == SesFault(
        "InvalidParameterValue", "Recipient count exceeds 50."
    )
    assert fault(v2(**bad)).code == "BadRequestException"
    assert fault(v1(Destination=people(50))) is None


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        (
            {"Name": "a:b", "Value": "c"},
            "Invalid tag name <a:b>: only alphanumeric ASCII characters, '_',  '-' are "
            "allowed.",
        ),
        (
            {"Name": "a", "Value": "c d"},
            "Invalid tag value <c d>: only alphanumeric ASCII characters, '_',  '-' , "
            "'.', '@' are allowed.",
        ),
        ({"Name": "a" * 256, "Value": "c"}, "Tag name cannot exceed 255 characters."),
        ({"Name": "a", "Value": "c" * 256}, "Tag value cannot exceed 255 characters."),
        ({"Name": "", "Value": "c"}, "The tag name must be specified."),
        ({"Name": "a", "Value": ""}, "The tag value must be specified."),
        ({"Name": "ses:feedback-id-a", "Value": "x@y.z"}, None),
    ],
)
def test_tags_are_held_to_their_characters(tag, said):
    assert words(v1(Tags=[tag])) == said
    assert words(v2(EmailTags=[tag])) == said


def test_tags_are_looked_at_first():
    bad = v1(Tags=[{"Name": "?", "Value": "x"}], Source="nobody", Destination={})

    assert words(bad).startswith("Invalid tag name")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nobody", "Missing final '@domain'"),
        ("", "Missing final '@domain'"),
        ("a@", "Missing domain"),
        ("karen @example.com", "Local address contains control or whitespace"),
        ("jörg@example.com", "Local address contains control or whitespace"),
        ("a@exa mple.com", "Domain contains control or whitespace"),
        ("a@bücher.example", "Domain contains control or whitespace"),
        ("a@exam_ple.com", "Domain contains illegal character"),
        ("a@.example.com", "Domain starts with dot"),
        ("a@example..com", "Domain contains dot-dot"),
        ("a@example.com.", "Domain ends with dot"),
        ("Karen, Chan <k@example.com>", "Illegal address"),
        ("a@example.com, b@example.com", "Illegal address"),
        ('"Karen, Chan" <k@example.com>', None),
        ("Jörg <j@example.com>", None),
        ('"a b"@example.com', None),
        ("k@example.com (Karen, Chan)", None),
        ("a@b", None),
        ("a..b@docomo.example", None),
    ],
)
def test_addresses_are_held_to_their_form(address, said):
    assert words(v1(Destination={"CcAddresses": [address]})) == said
    assert words(v2(ReplyToAddresses=[address])) == said


def test_an_address_may_have_320_characters():
    assert words(v1(Source=f"{'n' * 300} <a@example.com>")) is None
    assert words(v1(Source=f"{'n' * 310} <a@example.com>")).startswith("Address length")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            {"Headers": [{"Name": f"X-{n}", "Value": "v"} for n in range(16)]},
            "Number of",
        ),
        ({"Headers": [{"Name": "a:b", "Value": "v"}]}, "Invalid header: a:b"),
        ({"Headers": [{"Name": "X-A", "Value": "é"}]}, "Invalid header: X-A"),
        ({"Headers": [{"Name": "X-A", "Value": "v" * 994}]}, "Header too long: X-A"),
        (
            {"Headers": [{"Name": "Reply-To", "Value": "v"}]},
            "Header not allowed: Reply-To",
        ),
        (
            {"Attachments": [{"FileName": "a.EXE", "RawContent": b""}]},
            "Illegal filename",
        ),
        ({"Attachments": [{"FileName": "", "RawContent": b""}]}, "Attachment FileName"),
        (
            {
                "Attachments": [
                    {"FileName": "a", "RawContent": b"", "ContentId": "c" * 79}
                ]
            },
            "Attachment ContentId",
        ),
        ({"Body": {}}, "The message body must have"),
    ],
)
def test_content_is_held_to_its_limits(content, said):
    assert words(simple(**content)).startswith(said)


@pytest.mark.parametrize("content", [{"Simple": TEXT, "Raw": {"Data": RAW}}, {"X": 1}])
def test_there_is_exactly_one_content(content):
    assert (
        words(v2(content))
        == "Exactly one of Simple, Raw or Template must be specified."
    )


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ({"TemplateArn": "arn"}, "Exactly one of TemplateName"),
        ({"TemplateName": ""}, "Exactly one of TemplateName"),
        ({"TemplateData": "[]"}, "TemplateData must be"),
        ({"TemplateData": '{"a": "%s"}' % ("x" * 262_144)}, "TemplateData must be"),
    ],
)
def test_templates_are_held_to_their_form(template, said):
    assert words(stored(**template)).startswith(said)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (raw_v1(RAW.replace(b"From:", b"X-A:")), "Missing required header 'From'."),
        (raw_v2(RAW.replace(b"From:", b"X-A:")), "Missing required header 'From'."),
        (raw_v1(b"From: a@example.com\n\nHi"), "Missing required header 'To'."),
        (raw_v1(Source="nobody"), "Missing final '@domain'"),
        (raw_v1(Destinations=people(51)["ToAddresses"]), "Recipient count exceeds 50."),
    ],
)
def test_raw_messages_are_held_to_what_ses_wants(params, said):
    assert words(params) == said


def test_a_forbidden_file_in_a_raw_message_is_found_and_its_mere_mention_is_not():
    kind = b'Content-Type: application/x; name="a.exe"\r\nSubject:'

    assert words(raw_v1(RAW.replace(b"Subject:", kind))) == "Illegal filename: a.exe"
    assert words(raw_v1(RAW.replace(b"Hi", b'name="a.exe"'))) is None


@pytest.mark.parametrize(
    ("params", "most"),
    [
        (raw_v1(RAW + b"x" * 10_485_760), 10_485_760),
        (raw_v2(RAW + b"x" * 10_485_760), None),
        (long(10_485_760), 10_485_760),
        (long(10_485_755), None),
        (long(10_485_756), 10_485_760),
        (long(2_621_439, "\U0001f600"), 10_485_760),
        (long(2_621_438, "\U0001f600"), None),
        (simple(Attachments=[{"FileName": "a", "RawContent": FILE}]), None),
        (
            simple(Attachments=[{"FileName": "a", "RawContent": FILE + b"x"}]),
            41_943_040,
        ),
    ],
    ids=["v1 raw", "v2 raw", "v1", "fits", "over", "wide", "fits too", "file", "big"],
)
def test_size_is_held_to_that_of_the_api(params, most):
    said = words(params)

    assert (
        said is None
        if most is None
        else said.startswith(f"Message length is more than {most}")
    )


def test_a_configuration_set_that_can_have_no_such_name_does_not_exist():
    said = "Configuration set <a b> does not exist."

    assert fault(v1(ConfigurationSetName="a b")) == SesFault(
        "ConfigurationSetDoesNotExist", said
    )
    assert fault(v2(ConfigurationSetName="a b")) == SesFault("NotFoundException", said)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (bulk_v2(*[{}] * 51), "Destinations must have at most 50"),
        (bulk_v2(), "Destinations must have at least"),
        (bulk_v1({}, Source="nobody"), "Invalid email address<nobody>."),
        (bulk_v2({}, FromEmailAddress=""), "Source cannot be empty"),
        (bulk_v1({}, DefaultTemplateData="?"), "TemplateData must be"),
        (bulk_v1({}, Template=""), "The template name must be"),
        (bulk_v2({}) | {"DefaultContent": {}}, "DefaultContent must"),
    ],
)
def test_bulk_calls_are_refused_as_wholes(params, said):
    assert words(params).startswith(said)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"Destination": {}}, "Destination must have at least one address."),
        ({"Destination": people(51)}, "Recipient count exceeds 50."),
        ({"Destination": {"ToAddresses": ["x"]}}, "Missing final '@domain'"),
        ({"ReplacementTags": [{"Name": "", "Value": "x"}]}, "The tag name must be"),
        ({"Destination": TO}, None),
    ],
)
def test_an_entry_is_refused_alone(entry, said):
    params = bulk_v2({}, entry)
    first, second = parts(params)

    assert (fault(params), first.fault) == (None, None)
    assert (
        second.fault is None if said is None else second.fault.message.startswith(said)
    )


_NAMES = st.text("ab \t\nü.'<>\"(),\\", max_size=8)
_LOCALS = st.text("ab+._-ü \n", max_size=5)
_DOMAINS = st.text("ab.-_ü\n", max_size=5)


@given(_NAMES, _LOCALS, _DOMAINS)
@example("n" * 306, "a", "example.com")
@example("n" * 307, "a", "example.com")
def test_the_short_way_for_ordinary_addresses_ends_where_the_long_one_does(
    name: str, local: str, domain: str
) -> None:
    for text in (f"{local}@{domain}", f"{name}<{local}@{domain}>"):
        assert fault_words.in_address(text) == fault_words._in_unusual(text)


@pytest.mark.parametrize("text", ["ana@x.com", "Jörg A. <a.b+c_d@x-y.com>"])
def test_an_ordinary_address_takes_the_short_way(text):
    assert fault_words._ORDINARY.fullmatch(text)
