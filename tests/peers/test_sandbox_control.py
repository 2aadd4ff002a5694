"""The control door of the local sandbox."""

import json
from typing import Any

import pytest

from mailbalance.sandbox import Sandbox
from tests.peers.sandbox_clients import (
    mailtrap_message,
    post,
    request,
    ses_simple,
    sesv2,
)


def get(box: Sandbox, path: str) -> Any:
    status, _, body = request(box, "control", "GET", path)
    assert status == 200
    return body


def change(
    box: Sandbox, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    sent = {"Content-Type": "application/json"} | headers
    data = b"" if body is None else json.dumps(body).encode()
    status, _, reply = request(box, "control", method, path, data, sent)
    return status, reply


def test_the_index_tells_where_everything_is(box: Sandbox) -> None:
    index = get(box, "/")

    assert index["doors"]["ses"] == box.urls()["ses"]
    assert index["ca_file"] == str(box.ca_file)


def test_messages_are_listed_page_by_page_and_by_door(box: Sandbox) -> None:
    for number in range(5):
        post(box, "/api/send", mailtrap_message(subject=f"number {number}"))
    ses_simple(sesv2(box))

    page = get(box, "/messages?door=mailtrap&offset=1&limit=2")

    assert page["total"] == 5
    subjects = [each["subject"] for each in page["messages"]]
    assert subjects == ["number 1", "number 2"]
    assert get(box, "/messages")["total"] == 6


def test_one_message_is_shown_parsed_and_raw(box: Sandbox) -> None:
    post(box, "/api/send", mailtrap_message(custom_variables={"demo_id": "7"}))
    number = box.messages()[0].id

    shown = get(box, f"/messages/{number}")
    status, headers, body = request(box, "control", "GET", f"/messages/{number}/raw")

    assert shown["parsed"]["variables"] == {"demo_id": "7"}
    assert shown["identity"] == "7"
    assert (status, json.loads(body)["subject"]) == (200, "hello")
    assert headers["content-disposition"].startswith("attachment")
    assert headers["x-content-type-options"] == "nosniff"


def test_counts_and_duplicates_are_told(box: Sandbox) -> None:
    for _ in range(2):
        post(box, "/api/send", mailtrap_message(custom_variables={"demo_id": "7"}))

    assert get(box, "/counts")["mailtrap"]["accepted"] == 2
    assert get(box, "/duplicates") == {"7": 2}


def test_messages_can_be_forgotten(box: Sandbox) -> None:
    post(box, "/api/send", mailtrap_message())

    assert change(box, "DELETE", "/messages")[0] == 204
    assert box.messages() == []


def test_faults_come_and_go(box: Sandbox) -> None:
    fault = {"door": "mailtrap", "kind": "throttle", "retry_after": 2}

    assert change(box, "POST", "/faults", fault)[0] == 204
    assert post(box, "/api/send", mailtrap_message())[0] == 429
    assert get(box, "/faults")["mailtrap"][0]["kind"] == "throttle"

    assert change(box, "DELETE", "/faults?door=mailtrap")[0] == 204
    assert post(box, "/api/send", mailtrap_message())[0] == 200


def test_a_port_can_be_shut_and_opened(box: Sandbox) -> None:
    change(box, "POST", "/faults", {"door": "mailtrap", "kind": "refuse"})
    with pytest.raises(ConnectionRefusedError):
        post(box, "/api/send", mailtrap_message())

    change(box, "DELETE", "/faults")
    assert post(box, "/api/send", mailtrap_message())[0] == 200


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {"door": "ses"},
        {"kind": "drop"},
        {"door": "sns", "kind": "drop"},
        {"door": "ses", "kind": "explode"},
        {"door": "ses", "kind": "drop", "colour": "red"},
        {"door": None, "kind": "drop"},
        {"door": "ses", "kind": "delay", "seconds": "long"},
    ],
)
def test_a_senseless_fault_is_refused_in_words(box: Sandbox, wrong: Any) -> None:
    status, reply = change(box, "POST", "/faults", wrong)

    assert status == 400
    assert reply["error"]
    assert get(box, "/faults") == {}


@pytest.mark.parametrize(
    "path", ["/messages?door=sns", "/messages?limit=-1", "/messages?offset=x"]
)
def test_a_senseless_question_is_refused(box: Sandbox, path: str) -> None:
    assert request(box, "control", "GET", path)[0] == 400


@pytest.mark.parametrize("path", ["/messages/99", "/messages/99/raw", "/nothing"])
def test_what_is_not_there_is_not_found(box: Sandbox, path: str) -> None:
    assert request(box, "control", "GET", path)[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "127.0.0.1"])
def test_a_foreign_host_name_is_refused(box: Sandbox, host: str) -> None:
    assert request(box, "control", "GET", "/", headers={"Host": host})[0] == 403


def test_localhost_is_a_good_host_name(box: Sandbox) -> None:
    host = {"Host": f"localhost:{box.port('control')}"}

    assert request(box, "control", "GET", "/", headers=host)[0] == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1"])
def test_a_foreign_origin_is_refused(box: Sandbox, origin: str) -> None:
    post(box, "/api/send", mailtrap_message())

    assert change(box, "DELETE", "/messages", Origin=origin)[0] == 403
    assert len(box.messages()) == 1


def test_a_fault_needs_the_content_type_of_json(box: Sandbox) -> None:
    fault = {"door": "ses", "kind": "drop"}

    assert (
        change(box, "POST", "/faults", fault, **{"Content-Type": "text/plain"})[0]
        == 415
    )


def test_a_huge_fault_is_refused(box: Sandbox) -> None:
    assert change(box, "POST", "/faults", {"x": "x" * 100_000})[0] == 413
