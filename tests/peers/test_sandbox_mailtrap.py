"""The fake Mailtrap, asked by the official SDK and by plain requests."""

import base64
import uuid
from typing import Any

import mailtrap
import pytest

from mailbalance.sandbox import Sandbox
from tests.peers.sandbox_clients import mailtrap_client, mailtrap_message, post


@pytest.fixture(autouse=True)
def trust(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(box.ca_file))


def mail(**changes: Any) -> mailtrap.Mail:
    good: dict[str, Any] = {
        "sender": mailtrap.Address("ana@example.com", "Ana"),
        "to": [mailtrap.Address("bo@example.com")],
        "subject": "hello",
        "text": "text",
    }
    return mailtrap.Mail(**(good | changes))


def test_the_official_sdk_is_answered(box: Sandbox) -> None:
    reply = mailtrap_client(box).send(
        mail(
            cc=[mailtrap.Address("c@example.com")],
            bcc=[mailtrap.Address("d@example.com")],
            category="news",
            custom_variables={"demo_id": "7"},
            headers={"X-A": "1"},
        )
    )

    stored = box.messages("mailtrap")[0]
    assert reply["success"] is True
    assert tuple(reply["message_ids"]) == stored.provider_ids
    assert [uuid.UUID(each).version for each in stored.provider_ids] == [1, 1, 1]
    recipients = ("bo@example.com", "c@example.com", "d@example.com")
    assert stored.recipients == recipients
    assert (stored.parsed.category, stored.identity) == ("news", "7")
    assert stored.parsed.sender == "Ana <ana@example.com>"


def test_an_attachment_of_the_sdk_arrives(box: Sandbox) -> None:
    attachment = mailtrap.Attachment(
        content=base64.b64encode(b"12345"),
        filename="logo.png",
        disposition=mailtrap.Disposition.INLINE,
        mimetype="image/png",
        content_id="logo",
    )

    mailtrap_client(box).send(mail(attachments=[attachment]))

    (found,) = box.messages()[0].parsed.attachments
    assert (found.filename, found.size, found.content_id) == ("logo.png", 5, "logo")


def test_a_wrong_token_is_the_sdks_authorization_error(box: Sandbox) -> None:
    with pytest.raises(mailtrap.AuthorizationError, match="Unauthorized"):
        mailtrap_client(box, token="wrong").send(mail())

    assert box.counts()["mailtrap"].refused == 1


def test_the_sandbox_path_gives_one_decimal_id(box: Sandbox) -> None:
    client = mailtrap_client(box, sandbox=True, inbox_id="42")

    reply = client.send(mail(cc=[mailtrap.Address("c@example.com")]))

    assert len(reply["message_ids"]) == 1
    assert reply["message_ids"][0].isdigit()
    assert box.messages()[0].path == "/api/send/42"


def test_a_batch_of_the_sdk_is_answered_item_by_item(box: Sandbox) -> None:
    base = mailtrap.BatchMail(
        sender=mailtrap.Address("ana@example.com"), subject="hello", text="text"
    )
    wanted = [
        mailtrap.BatchEmailRequest(to=[mailtrap.Address("a@example.com")]),
        mailtrap.BatchEmailRequest(to=[mailtrap.Address("not an address")]),
        mailtrap.BatchEmailRequest(
            to=[mailtrap.Address("b@example.com")], subject="other"
        ),
    ]

    reply = mailtrap_client(box).batch_send(
        mailtrap.BatchSendEmailParams(base=base, requests=wanted)
    )

    assert reply["success"] is True
    assert [each["success"] for each in reply["responses"]] == [True, False, True]
    assert [m.parsed.subject for m in box.messages()] == ["hello", "other"]


def test_a_batch_in_which_all_fail_is_still_a_success(box: Sandbox) -> None:
    status, _, reply = post(box, "/api/batch", {"requests": [{}, {}]})

    assert (status, reply["success"]) == (200, True)
    assert [each["success"] for each in reply["responses"]] == [False, False]
    assert box.messages() == []


@pytest.mark.parametrize("body", [{}, {"requests": []}])
def test_an_empty_batch_is_refused(box: Sandbox, body: dict[str, Any]) -> None:
    status, _, reply = post(box, "/api/batch", body)

    assert (status, reply["errors"]) == (400, ["empty field: 'requests'"])


def test_a_batch_of_501_is_refused(box: Sandbox) -> None:
    assert post(box, "/api/batch", {"requests": [{}] * 501})[0] == 400


def test_the_api_token_header_does_as_well(box: Sandbox) -> None:
    headers = {"Authorization": None, "Api-Token": box.credentials.token}

    assert post(box, "/api/send", mailtrap_message(), headers)[0] == 200


def test_a_request_without_a_user_agent_is_blocked_in_html(box: Sandbox) -> None:
    headers = {"User-Agent": None}

    status, found, _ = post(box, "/api/send", mailtrap_message(), headers)

    assert (status, found["content-type"][:9]) == (403, "text/html")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_object_is_refused(box: Sandbox, body: bytes) -> None:
    assert post(box, "/api/send", body)[0] == 400


def test_validation_texts_are_listed(box: Sandbox) -> None:
    status, _, reply = post(box, "/api/send", {"text": "t"})

    assert status == 400
    assert reply == {
        "success": False,
        "errors": [
            "'from' is required",
            "'to', 'cc' or 'bcc' address is required",
            "'subject' is required",
        ],
    }


def test_a_message_over_ten_megabytes_is_refused(box: Sandbox) -> None:
    big = mailtrap_message(text="x" * (10 * 1024 * 1024))

    assert post(box, "/api/send", big)[0] == 413
    assert box.messages() == []


def test_a_request_over_every_limit_is_read_and_refused(box: Sandbox) -> None:
    big = b"x" * (51 * 1024 * 1024)

    assert post(box, "/api/batch", big)[0] == 413


def test_custom_variables_over_the_limit_are_dropped_in_silence(box: Sandbox) -> None:
    variables = {"demo_id": "7", "big": "x" * 1000}

    status, _, _ = post(box, "/api/send", mailtrap_message(custom_variables=variables))

    assert status == 200
    assert box.messages()[0].parsed.variables == {}
    assert box.messages()[0].identity is None


@pytest.mark.parametrize(
    ("method_path", "status"),
    [("/api/sent", 404), ("/api/send/0", 404), ("/api/send/x", 404), ("/", 404)],
)
def test_an_unknown_path_is_not_found(
    box: Sandbox, method_path: str, status: int
) -> None:
    assert post(box, method_path, mailtrap_message())[0] == status


def test_an_unverified_domain_is_unauthorized_but_not_in_the_sandbox() -> None:
    with Sandbox(verified={"example.org"}) as box:
        assert post(box, "/api/send", mailtrap_message())[0] == 401
        assert post(box, "/api/send/7", mailtrap_message())[0] == 200


def test_throttling_names_the_time_to_wait_if_asked(box: Sandbox) -> None:
    box.fault("mailtrap", "throttle", retry_after=3)

    status, headers, reply = post(box, "/api/send", mailtrap_message())

    assert (status, headers["retry-after"]) == (429, "3")
    assert reply["errors"] == ["Rate limit exceeded"]


def test_an_edge_error_is_html(box: Sandbox) -> None:
    box.fault("mailtrap", "error", code=502)

    status, headers, body = post(box, "/api/send", mailtrap_message())

    assert (status, headers["content-type"][:9]) == (502, "text/html")
    assert b"<html>" in body


@pytest.mark.parametrize(
    ("recipient", "status"),
    [("bounce+550+no@example.com", 400), ("reject-451@example.com", 503)],
)
def test_a_recipient_can_ask_for_a_refusal(
    box: Sandbox, recipient: str, status: int
) -> None:
    message = mailtrap_message(to=[{"email": recipient}])

    assert post(box, "/api/send", message)[0] == status
    assert box.counts()["mailtrap"].refused == 1
