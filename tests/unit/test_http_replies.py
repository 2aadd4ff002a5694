"""Reading what providers say when they say no: bodies, waits, previews, base URLs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import (
    ConfigError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.backends import _answers, _http
from mailbalance.wire.http import HttpRequest, HttpResponse

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"null", ""),
        (b'{"success": false, "errors": ["a is required", "b"]}', "a is required; b"),
        (b'{"errors": ["Unauthorized"]}', "Unauthorized"),
        (b'{"errors": "Account access forbidden"}', "Account access forbidden"),
        (b'{"error": "Incorrect API token"}', "Incorrect API token"),
        (
            b'{"errors": {"name": ["is short", "x"], "base": ["odd"]}}',
            "name is short; name x; odd",
        ),
        (b'{"errors": {"filters": "invalid"}}', "filters invalid"),
        (b'{"message": "Rate."}', "Rate."),
        (b'{"Message": "Rate."}', "Rate."),
        (b'{"odd": {"message": "deep"}}', "deep"),
        (b'["one", "two", "one"]', "one; two"),
        (b'"text"', "text"),
        (b"42", ""),
        (b"plain\n text", "plain text"),
        (b"<html><style>p {}</style><h1>502</h1> Bad <b>Gateway", "502 Bad Gateway"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_every_form_of_error_body_is_read(body, text):
    assert _answers.texts(body) == text


@pytest.mark.parametrize(
    ("wrapped", "text"),
    [
        (["["] * 5, "x"),
        (["["] * 6, ""),
        (["[", *['{"message":'] * 4], "x"),
        (["[", *['{"message":'] * 5], ""),
    ],
)
def test_an_error_is_looked_for_a_few_levels_deep_only(wrapped, text):
    ends = {"[": "]", '{"message":': "}"}
    body = "".join(wrapped) + '"x"' + "".join(ends[each] for each in reversed(wrapped))

    assert _answers.texts(body.encode()) == text


@pytest.mark.parametrize(
    ("length", "shown"), [(500, "x" * 500), (501, f"{'x' * 497}...")]
)
def test_a_text_is_cut_at_five_hundred_characters(length, shown):
    assert _answers.scrubbed("x" * length, []) == shown


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b'{"a": 1}',
        b' \n{"a": 1} ',
        b'{"a": 1}x',
        b'{"a": 1}{',
        b"\xef\xbb\xbf[1]",
        '["\u00fc"]'.encode("utf-16"),
        '["\u00fc"]'.encode("utf-32-le"),
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b"null",
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_json_is_read_in_every_encoding_and_with_space_around(body):
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None

    assert _answers.decoded(body) == value


@given(st.one_of(st.binary(), _json.map(lambda value: json.dumps(value).encode())))
def test_no_body_can_break_the_reader(body):
    assert len(_answers.scrubbed(_answers.texts(body), [])) <= 500


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after": "\x1f2\x85"}, 2),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 -0000"}, 30),
        ({"retry-after": "Mon, 23 Nov 2026 13:00:30 +0100"}, 30),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "Mon, 23 Nov 2027 11:00:00 GMT"}, 600),
        ({"retry-after": "999999"}, 600),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "٣"}, None),
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"x-amz-retry-after": "1500", "retry-after": "9"}, 1.5),
        ({"x-amz-retry-after": "x", "retry-after": "9"}, 9),
    ],
)
def test_a_wait_is_read_in_seconds_or_as_a_date(headers, seconds):
    assert _answers.retry_after(headers, NOW) == seconds


@given(st.text())
def test_no_wait_can_break_the_reader(text):
    found = _answers.retry_after({"retry-after": text, "x-amz-retry-after": text}, NOW)

    assert found is None or 0 <= found <= 600


def test_a_preview_masks_secrets_and_shortens_files():
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=A/b, Signature=deadbeef",
        "X-Amz-Security-Token": "token",
    }
    body = json.dumps({"Data": "QUJD" * 10_000, "Text": "Grüße"}).encode()

    shown = _http.shown(HttpRequest("POST", "https://x/send", headers, body))

    assert shown.startswith("POST https://x/send\nHost: x\n")
    assert "Signature=***" in shown
    assert "X-Amz-Security-Token: ***" in shown
    assert "(40000 characters)" in shown
    assert "Grüße" in shown
    assert "deadbeef" not in shown
    assert len(shown) < 2000


def test_a_preview_shows_all_else_as_it_is():
    headers = {"Api-Token": "t0ken", "Authorization": "Bearer t0ken", "X-Plain": "yes"}
    texts = ["a" * 2000, "b" * 2001, 7]
    body = json.dumps({"list": texts, "object": {"inner": texts}}).encode()

    shown = _http.shown(HttpRequest("POST", "https://x/send", headers, body))

    assert "t0ken" not in shown
    assert "Authorization: Bearer ***\n" in shown
    assert "Api-Token: ***\n" in shown
    assert "X-Plain: yes\n" in shown
    assert (shown.count("a" * 2000), shown.count("b" * 60)) == (2, 2)
    assert shown.count("(2001 characters)") == 2
    assert shown.count(" 7\n") == 2
    assert '\n  "list": [' in shown


@pytest.mark.parametrize("status", [200, 299])
def test_a_success_that_cannot_be_read_points_to_acceptance(status):
    unknown, refused = _http.Verdict(UnknownOutcomeError), _http.Verdict(RejectedError)
    facts = {"backend": "b", "code": "c", "text": "t"}

    assert _http.failure(unknown, HttpResponse(status, {}, b""), **facts).likely
    for other in (199, 300, 500):
        found = _http.failure(unknown, HttpResponse(other, {}, b""), **facts)
        assert found.likely is None
    _http.failure(refused, HttpResponse(status, {}, b""), **facts)


@pytest.mark.parametrize(
    ("text", "hint", "detail"),
    [
        ("no", "", "no"),
        ("no", "set this", "no (set this)"),
        ("", "", "HTTP 400 without a reason"),
        ("", "set this", "HTTP 400 without a reason (set this)"),
    ],
)
def test_an_error_says_what_was_said_and_what_to_do(text, hint, detail):
    verdict = _http.with_hint(_http.Verdict(RejectedError), hint)

    response = HttpResponse(400, {}, b"")
    found = _http.failure(verdict, response, backend="b", code="c", text=text)

    assert (type(found), found.detail) == (RejectedError, detail)
    assert (found.backend, found.phase, found.code) == ("b", "reply", "c")


@pytest.mark.parametrize("scope", ["backend", "account", "sender"])
def test_an_error_says_what_is_unavailable(scope):
    verdict, response = (
        _http.Verdict(UnavailableError, scope),
        HttpResponse(403, {}, b""),
    )

    found = _http.failure(verdict, response, backend="b", code="c", text="t")

    assert found.scope == scope


@pytest.mark.parametrize(
    "status", [0, 100, 199, 200, 204, 299, 500, 502, 504, 599, 600]
)
def test_a_status_that_proves_nothing_leaves_the_outcome_unknown(status):
    assert _http.judge((), status, "", "") == _http.Verdict(UnknownOutcomeError)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8/base",
        "http://127.0.0.1:5000",
        "http://localhost:1",
        "http://[::1]:1",
    ],
)
def test_base_urls_are_https_or_on_this_machine(url):
    _http.check_base("ses", "endpoint", url, None)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com", "plaintext"),
        ("http://10.0.0.1", "plaintext"),
        ("http://127.0.0.1.example.com", "plaintext"),
        ("ftp://example.com", "https://"),
        ("example.com", "https://"),
        ("https://", "https://"),
        ("https://user:pw@example.com", "host, a port and a path only"),
        ("https://example.com/?a=b", "host, a port and a path only"),
        ("https://example.com:x", "https://"),
        ("https://[::1", "https://"),
    ],
)
def test_other_base_urls_are_a_mistake_in_the_configuration(url, reason):
    with pytest.raises(ConfigError, match="ses: endpoint") as caught:
        _http.check_base("ses", "endpoint", url, None)

    assert reason in str(caught.value)
    assert "pw@" not in str(caught.value)


def test_a_ca_file_that_cannot_be_read_is_a_mistake_in_the_configuration(tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("")

    for path, why in ((empty, "no cert"), (tmp_path / "missing.pem", "No such file")):
        with pytest.raises(ConfigError, match=f"ses: ca cannot be read: .*{why}"):
            _http.check_base("ses", "endpoint", None, str(path))
