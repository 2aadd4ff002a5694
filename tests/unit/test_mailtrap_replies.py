"""What Mailtrap's replies mean, one at a time and without a network."""

from __future__ import annotations

import json

import pytest

from mailbalance import (
    DeliveryError,
    Envelope,
    Message,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.backends._mailtrap_reply import ids, must_be_alive, receipt
from mailbalance.secret import Secret
from mailbalance.wire.http import HttpResponse

TOKEN = "token-canary-0123456789"
ACCOUNT = {"backend": "mine", "token": Secret(TOKEN)}


def judged(status, **said):
    message = Message(from_="a@example.com", to="b@example.com", text="x")
    mail = message, Envelope.of(message)
    return receipt(HttpResponse(status, {}, json.dumps(said).encode()), mail, **ACCOUNT)


def test_a_success_is_a_receipt_for_everybody():
    found = judged(200, success=True, message_ids=["id-1"])

    assert (found.outcome, found.backend) == ("accepted", "mine")
    assert (found.provider_ids, found.accepted) == (("id-1",), ("b@example.com",))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (199, UnknownOutcomeError),
        (201, UnknownOutcomeError),
        (299, UnknownOutcomeError),
        (300, UnavailableError),
    ],
)
def test_a_success_is_said_by_200_and_nothing_else(status, expected):
    with pytest.raises(expected) as caught:
        judged(status, success=True, message_ids=["id-1"])

    found = caught.value
    assert (found.backend, found.phase, found.code) == ("mine", "reply", str(status))


def test_a_200_that_says_no_is_told_in_its_own_words():
    with pytest.raises(UnknownOutcomeError, match=r"200 without success: odd \*{4}"):
        judged(200, success=False, errors=[f"odd {TOKEN}"])


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["a", "", 0, None, False, ["b"], {}, 7], ("a", "7")),
        ("ab", ()),
        (None, ()),
        ({"0": "a"}, ()),
    ],
)
def test_only_texts_and_numbers_are_ids(given, found):
    assert ids({"message_ids": given}) == found


@pytest.mark.parametrize("status", [200, 302, 401, 404, 429, 499])
def test_any_clear_answer_to_a_probe_is_a_sign_of_life(status):
    must_be_alive(HttpResponse(status, {}, b""), **ACCOUNT)


@pytest.mark.parametrize("status", [500, 503, 599])
def test_a_server_in_trouble_does_not_pass_a_probe(status):
    with pytest.raises(DeliveryError) as caught:
        must_be_alive(HttpResponse(status, {}, TOKEN.encode()), **ACCOUNT)

    found = caught.value
    assert type(found) is TransientError
    assert (found.backend, found.phase, found.code) == ("mine", "reply", str(status))
    assert found.detail == "****"
