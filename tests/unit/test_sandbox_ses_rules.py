"""What the fake SES refuses."""

import base64
from typing import Any

import pytest

from mailbalance.sandbox.ses_rules import address_fault, problem

Json = dict[str, Any]
LIMIT = 40 * 1024 * 1024


def request(**changes: Any) -> Json:
    simple = {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}
    good: Json = {
        "FromEmailAddress": "Ana <ana@example.com>",
        "Destination": {"ToAddresses": ["bo@example.com"]},
        "Content": {"Simple": simple},
    }
    return good | changes


def simple(**changes: Any) -> Json:
    content = request()["Content"]["Simple"] | changes
    return request(Content={"Simple": content})


def judge(wrong: Json, size: int = 100) -> str | None:
    found = problem(wrong, size, LIMIT)
    return None if found is None else f"{found.code}: {found.text}"


def header(name: str, value: str = "x") -> Json:
    return {"Name": name, "Value": value}


def attachment(name: str = "a.txt", content: str = "eA==", **more: Any) -> Json:
    return {"FileName": name, "RawContent": content, **more}


GOOD = [
    request(),
    request(Destination={"BccAddresses": [f"a{n}@x.com" for n in range(50)]}),
    request(EmailTags=[{"Name": "a-b_1", "Value": "c.d@e-f"}]),
    request(EmailTags=[{"Name": "ses:feedback-id-a", "Value": "1"}]),
    request(ConfigurationSetName="main_1-a"),
    request(ReplyToAddresses=["a@x.com", "B <b@x.com>"]),
    simple(Headers=[header(f"X-{n}") for n in range(15)]),
    simple(Attachments=[attachment(), attachment("b.pdf", ContentId="logo")]),
    simple(Subject={"Data": "é", "Charset": "UTF-8"}),
    request(Content={"Raw": {"Data": base64.b64encode(b"From: a@x.com").decode()}}),
    request(Content={"Template": {"TemplateName": "t", "TemplateData": "{}"}}),
]


@pytest.mark.parametrize("good", GOOD)
def test_a_good_request_is_accepted(good: Json) -> None:
    assert judge(good) is None


WRONG = [
    (request(Content={}), "Exactly one of"),
    (request(Content={"Simple": {}, "Raw": {}}), "Exactly one of"),
    (request(FromEmailAddress=""), "FromEmailAddress"),
    (request(Destination={}), "at least one address"),
    (
        request(Destination={"ToAddresses": [f"a{n}@x.com" for n in range(51)]}),
        "MessageRejected: Recipient count exceeds 50.",
    ),
    (request(Destination={"ToAddresses": ["nobody"]}), "Missing final '@domain'"),
    (request(Destination={"ToAddresses": ["é@x.com"]}), "control or whitespace"),
    (request(FromEmailAddress="@x.com"), "Missing local part"),
    (request(EmailTags=[{"Name": "", "Value": "x"}]), "tag name must be specified"),
    (request(EmailTags=[{"Name": "a" * 256, "Value": "x"}]), "exceed 255"),
    (request(EmailTags=[{"Name": "a b", "Value": "x"}]), "Invalid tag name <a b>"),
    (request(EmailTags=[{"Name": "a", "Value": "ü"}]), "Invalid tag value <ü>"),
    (request(ConfigurationSetName="no way"), "NotFoundException"),
    (simple(Subject={}), "Subject"),
    (simple(Body={}), "Text or Html"),
    (simple(Subject={"Data": "é"}), "Charset"),
    (simple(Headers=[header(f"X-{n}") for n in range(16)]), "exceeds 15"),
    (simple(Headers=[header("a:b")]), "Invalid header"),
    (simple(Headers=[header("X-A", "é")]), "Invalid header"),
    (simple(Headers=[header("X-A", "v" * 995)]), "Header too long"),
    (simple(Headers=[header("Message-ID")]), "not allowed: Message-ID"),
    (simple(Headers=[header("reply-to")]), "not allowed: reply-to"),
    (simple(Attachments=[attachment("run.EXE")]), "Illegal filename"),
    (simple(Attachments=[attachment(content="!")]), "not base64"),
    (simple(Attachments=[attachment("")]), "1 to 255"),
    (simple(Attachments=[attachment(ContentId="x" * 79)]), "at most 78"),
    (request(Content={"Raw": {"Data": ""}}), "Raw message is empty"),
    (request(Content={"Template": {}}), "TemplateName"),
    (
        request(Content={"Template": {"TemplateName": "t", "TemplateData": "[]"}}),
        "TemplateData",
    ),
]


@pytest.mark.parametrize(("wrong", "text"), WRONG, ids=[text for _, text in WRONG])
def test_a_wrong_request_is_refused_in_words(wrong: Json, text: str) -> None:
    assert text in str(judge(wrong))


def test_a_bad_tag_is_reported_before_a_bad_address() -> None:
    both = request(FromEmailAddress="ana", EmailTags=[{"Name": "a b", "Value": "x"}])

    assert "tag name" in str(judge(both))


def test_a_message_over_forty_megabytes_is_refused() -> None:
    assert judge(request(), LIMIT) is None
    assert "bytes long" in str(judge(request(), LIMIT + 1))


def test_a_raw_message_counts_without_the_base64_around_it() -> None:
    raw = request(Content={"Raw": {"Data": "AAAA" * 100}})

    assert problem(raw, 500, 300) is None
    assert problem(raw, 500, 299) is not None


@pytest.mark.parametrize("good", ["a@x.com", "A <a@x.com>", '"A, B" <a@x.com>'])
def test_a_good_address_has_no_fault(good: str) -> None:
    assert address_fault(good) is None


def test_comments_within_comments_without_end_are_no_address() -> None:
    assert "final '@domain'" in str(judge(request(FromEmailAddress="(" * 5000)))
