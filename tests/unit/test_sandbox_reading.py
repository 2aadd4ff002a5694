"""What the local sandbox reads out of a message."""

import base64
import json
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance.sandbox.identity import identify, identify_mime, mime_fields
from mailbalance.sandbox.reading import read


def letter() -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    made["From"] = "Ana <ana@example.com>"
    made["To"] = "Bo <bo@example.com>"
    made["Subject"] = "Grüße"
    made["Message-ID"] = "<1@example.com>"
    made.set_content("text")
    made.add_alternative("<p>html</p>", subtype="html")
    return made


def mime(made: EmailMessage, *recipients: str) -> Any:
    return read("ses-smtp", made.as_bytes(), recipients or ("bo@example.com",))


def ses(**changes: Any) -> Any:
    request: dict[str, Any] = {
        "FromEmailAddress": "ana@example.com",
        "Destination": {"ToAddresses": ["bo@example.com"], "BccAddresses": ["c@x.com"]},
        "Content": {
            "Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}
        },
    }
    return read("ses", json.dumps(request | changes).encode(), ())


def test_the_parts_of_a_mime_message_are_read() -> None:
    parsed = mime(letter())

    assert parsed.sender == "Ana <ana@example.com>"
    assert (parsed.subject, parsed.text.strip()) == ("Grüße", "text")
    assert "html" in parsed.html


def test_a_recipient_that_no_header_names_is_bcc() -> None:
    assert mime(letter(), "BO@example.com", "hidden@x.com").bcc == ("hidden@x.com",)


def test_attachments_are_listed_and_an_attached_message_is_one() -> None:
    made = letter()
    made.add_attachment(b"12345", maintype="image", subtype="png", filename="a.png")
    made.add_attachment(letter())

    files = mime(made).attachments

    assert [(f.content_type, f.filename) for f in files] == [
        ("image/png", "a.png"),
        ("message/rfc822", ""),
    ]
    assert files[0].size == 5
    assert files[1].size > 100


def test_an_inline_image_keeps_its_content_id() -> None:
    made = letter()
    html = made.get_body(("html",))
    assert html is not None
    html.add_related(b"1", maintype="image", subtype="png", cid="<logo>")

    assert [f.content_id for f in mime(made).attachments] == ["logo"]


def test_custom_variables_and_tags_are_read_from_headers() -> None:
    made = letter()
    made["X-MT-Custom-Variables"] = '{"a": "1", "b": 2}'
    made["X-MT-Category"] = "news"
    made["X-SES-MESSAGE-TAGS"] = "c=3, d=4"
    made["X-SES-CONFIGURATION-SET"] = "main"

    parsed = mime(made)

    assert parsed.variables == {"a": "1", "b": "2", "c": "3", "d": "4"}
    assert (parsed.category, parsed.configuration_set) == ("news", "main")


@pytest.mark.parametrize("packed", ['{"a": "%s"}' % ("x" * 1000), "[1]", "{", "1"])
def test_custom_variables_that_mailtrap_ignores_are_ignored(packed: str) -> None:
    raw = f"X-MT-Custom-Variables: {packed}\r\n\r\n".encode()

    assert read("mailtrap-smtp", raw, ()).variables == {}


def test_a_simple_ses_message_is_read() -> None:
    parsed = ses(EmailTags=[{"Name": "a", "Value": "1"}], ReplyToAddresses=["r@x.com"])

    assert (parsed.to, parsed.bcc) == (("bo@example.com",), ("c@x.com",))
    assert (parsed.subject, parsed.text, parsed.reply_to) == ("s", "t", ("r@x.com",))
    assert parsed.variables == {"a": "1"}


def test_a_raw_ses_message_is_read_as_mime() -> None:
    raw = base64.b64encode(letter().as_bytes()).decode()

    parsed = ses(Content={"Raw": {"Data": raw}})

    assert parsed.subject == "Grüße"
    assert parsed.bcc == ("c@x.com",)


def test_tags_of_the_request_replace_those_of_the_header() -> None:
    made = letter()
    made["X-SES-MESSAGE-TAGS"] = "a=1"
    raw = base64.b64encode(made.as_bytes()).decode()

    parsed = ses(
        Content={"Raw": {"Data": raw}}, EmailTags=[{"Name": "b", "Value": "2"}]
    )

    assert parsed.variables == {"b": "2"}


def test_an_unknown_charset_is_shown_somehow() -> None:
    raw = b"Content-Type: text/plain; charset=klingon\r\n\r\nh\xe9\r\n"

    assert "h" in (read("ses-smtp", raw, ()).text or "")


@given(st.binary(max_size=300))
def test_rubbish_is_read_without_breaking(raw: bytes) -> None:
    read("mailtrap-smtp", raw, ("a@x.com",))
    identify_mime(mime_fields(raw))


@given(
    st.sampled_from(["From", "To", "Subject", "Content-Type", "X-MT-Custom-Variables"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=80),
)
def test_a_rubbish_header_is_read_without_breaking(name: str, value: str) -> None:
    raw = f"{name}: {value}\r\n\r\nbody\r\n".encode()

    read("ses-smtp", raw, ("a@x.com",))


def test_the_mark_is_the_demo_id_before_the_message_id() -> None:
    headers = [("Message-ID", "<1@x>"), ("X-Demo-Id", "two")]

    assert identify({"demo_id": "one"}, headers) == "one"
    assert identify({}, headers) == "two"
    assert identify(None, headers[:1]) == "<1@x>"
    assert identify({}) is None


def test_the_mark_is_found_in_folded_control_headers() -> None:
    folded = b'X-MT-Custom-Variables: {"a": "b",\r\n "demo_id": "9"}\r\n\r\nbody'
    tagged = b"X-SES-MESSAGE-TAGS: a=b,\r\n demo_id=9\r\nMessage-ID: <1@x>\r\n\r\n"

    assert identify_mime(mime_fields(folded)) == "9"
    assert identify_mime(mime_fields(tagged)) == "9"
