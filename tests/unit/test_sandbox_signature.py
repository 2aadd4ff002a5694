"""The local sandbox's check of AWS signatures, against botocore's signer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys
from hypothesis import given
from hypothesis import strategies as st

from mailbalance.sandbox.credentials import Credentials
from mailbalance.sandbox.http import Call
from mailbalance.sandbox.signature import check

CREDENTIALS = Credentials()
PATH = "/v2/email/outbound-emails"


def signed(
    body: bytes = b"{}",
    *,
    path: str = PATH,
    query: str = "",
    keys: Keys | None = None,
    service: str = "ses",
    headers: dict[str, str] | None = None,
) -> Call:
    url = f"http://127.0.0.1:5000{path}" + (f"?{query}" if query else "")
    request = AWSRequest("POST", url, data=body, headers=headers or {})
    keys = keys or Keys(CREDENTIALS.access_key, CREDENTIALS.secret_key)
    SigV4Auth(keys, service, "eu-west-1").add_auth(request)
    sent = {"host": "127.0.0.1:5000"} | {
        k.lower(): v for k, v in request.headers.items()
    }
    return Call("POST", path, query, sent, body)


def judge(call: Call, later: timedelta = timedelta()) -> str | None:
    refusal = check(call, CREDENTIALS, datetime.now(UTC) + later)
    return None if refusal is None else f"{refusal.code}: {refusal.text}"


@given(
    body=st.binary(max_size=200),
    value=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
)
def test_what_botocore_signs_is_accepted(body: bytes, value: str) -> None:
    assert judge(signed(body, headers={"X-Amz-Meta": value})) is None


@pytest.mark.parametrize("query", ["a=1", "b=2&a=1", "a=%20x&a=1", "Reason=B&Reason=A"])
def test_a_query_is_part_of_what_is_signed(query: str) -> None:
    call = signed(query=query)

    assert judge(call) is None
    assert judge(replace(call, query=query + "9")) is not None


def test_an_encoded_path_is_encoded_once_more() -> None:
    assert judge(signed(path="/v2/email/identities/a%40example.com")) is None


def test_a_session_token_must_be_signed() -> None:
    keys = Keys(CREDENTIALS.access_key, CREDENTIALS.secret_key, "token")
    call = signed(keys=keys)
    assert judge(call) is None

    plain = signed()
    unsigned = replace(plain, headers={**plain.headers, "x-amz-security-token": "t"})

    assert "must be a 'SignedHeader'" in str(judge(unsigned))


def test_a_changed_body_is_refused() -> None:
    assert "SignatureDoesNotMatch" in str(judge(replace(signed(), body=b"{ }")))


def test_a_wrong_secret_is_refused() -> None:
    call = signed(keys=Keys(CREDENTIALS.access_key, "wrong"))

    assert "SignatureDoesNotMatch" in str(judge(call))


def test_an_unknown_key_is_refused() -> None:
    call = signed(keys=Keys("AKIAUNKNOWN", CREDENTIALS.secret_key))

    assert str(judge(call)).startswith("UnrecognizedClientException")


def test_a_missing_signature_is_refused() -> None:
    call = Call("POST", PATH, "", {"host": "x"}, b"")

    assert str(judge(call)).startswith("MissingAuthenticationTokenException")


def test_another_service_is_refused() -> None:
    assert "correct service: 'ses'" in str(judge(signed(service="s3")))


@pytest.mark.parametrize(
    ("minutes", "text"), [(16, "Signature expired"), (-16, "not yet current")]
)
def test_a_clock_that_is_far_off_is_refused(minutes: int, text: str) -> None:
    assert text in str(judge(signed(), timedelta(minutes=minutes)))


@pytest.mark.parametrize("minutes", [14, -14])
def test_a_clock_that_is_little_off_is_accepted(minutes: int) -> None:
    assert judge(signed(), timedelta(minutes=minutes)) is None


def test_an_unsigned_host_is_refused() -> None:
    call = signed()
    header = call.headers["authorization"].replace("host;", "")

    changed = replace(call, headers={**call.headers, "authorization": header})

    assert "'host' must be" in str(judge(changed))


def test_a_declared_hash_must_be_that_of_the_body() -> None:
    call = signed(headers={"X-Amz-Content-SHA256": "0" * 64})

    assert "x-amz-content-sha256" in str(judge(call))


@given(st.text(max_size=80))
def test_rubbish_is_refused_and_never_breaks_the_check(header: str) -> None:
    call = signed()

    changed = replace(call, headers={**call.headers, "authorization": header})

    assert judge(changed) is not None


@pytest.mark.parametrize("stamp", ["", "now", "20261123", "99999999T999999Z"])
def test_a_rubbish_date_is_refused(stamp: str) -> None:
    call = signed()

    changed = replace(call, headers={**call.headers, "x-amz-date": stamp})

    assert judge(changed) is not None
