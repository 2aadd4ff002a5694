"""Our signature against the signer of botocore, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest import mock

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from mailbalance.wire.sigv4 import Keys, Signer

_word = st.text("abcXYZ019-_", min_size=1, max_size=12)
_segment = st.text("abc XYZ019-_.~%+=:@$", max_size=8)
_hosts = st.one_of(
    st.just("email.eu-west-1.amazonaws.com"),
    st.just("Proxy.Example.COM"),
    st.just("[::1]"),
    st.just("127.0.0.1"),
)
_ports = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
_urls = st.builds(
    "{}://{}{}/{}".format,
    st.sampled_from(["http", "https"]),
    _hosts,
    _ports,
    st.lists(_segment, max_size=5).map("/".join),
)
_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
_times = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1))  # noqa: DTZ001
#: What a secret can hold: whatever is printable.
_printable = st.characters(exclude_categories=["C", "Z"], include_characters=" ")
_keys = st.builds(
    Keys,
    access_key=_word,
    secret_key=st.text(_printable, min_size=1, max_size=60),
    token=st.one_of(st.none(), _values.map(lambda text: "T" + text.strip())),
)


def _ours(url, headers, body, keys, region, now, method="POST"):
    signer = Signer(url, headers, region=region, method=method)
    return signer.sign(body, keys, int(now.replace(tzinfo=UTC).timestamp()))


def _botocores(url, headers, body, keys, region, now, method="POST"):
    request = AWSRequest(method, url, headers, body)
    credentials = Credentials(keys.access_key, keys.secret_key, keys.token)
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        SigV4Auth(credentials, "ses", region).add_auth(request)
    return dict(request.headers.items())


@given(
    url=_urls,
    content_type=_values,
    body=st.binary(max_size=200),
    keys=_keys,
    region=_word,
    now=_times,
)
def test_every_header_is_what_botocore_writes(
    url, content_type, body, keys, region, now
):
    headers = {"Content-Type": content_type}

    ours = _ours(url, headers, body, keys, region, now)

    theirs = _botocores(url, headers, body, keys, region, now)
    assert {name: ours[name] for name in theirs} == theirs
    assert set(ours) - set(theirs) == {"Host"}


@given(url=_urls, keys=_keys, region=_word, now=_times)
def test_a_get_without_a_body_is_signed_as_botocore_signs_it(url, keys, region, now):
    ours = _ours(url, {}, b"", keys, region, now, "GET")

    theirs = _botocores(url, {}, b"", keys, region, now, "GET")
    assert {name: ours[name] for name in theirs} == theirs
    assert set(ours) - set(theirs) == {"Host"}


URL = "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails"
NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)


@given(st.lists(st.tuples(st.binary(max_size=9), _keys, st.integers(0, 2)), max_size=9))
def test_what_is_kept_of_a_second_serves_no_other_time_or_keys(requests):
    signer = Signer(URL, {}, region="eu-west-1")

    for body, keys, later in requests * 2:
        ours = signer.sign(body, keys, int(NOW.timestamp()) + later)
        assert ours == _ours(
            URL, {}, body, keys, "eu-west-1", NOW + timedelta(seconds=later)
        )


def test_a_body_in_pieces_is_signed_as_one():
    whole, pieces = b"abc" * 5000, (b"abc" * 4000, b"", b"abc" * 1000)
    signer, keys = Signer(URL, {}, region="eu-west-1"), Keys("AK", "secret")

    assert signer.sign(pieces, keys, 1) == signer.sign(whole, keys, 1)
    assert signer.sign(pieces[:2], keys, 1) != signer.sign(whole, keys, 1)


def test_the_key_of_a_day_is_derived_once():
    from mailbalance.wire import sigv4

    sigv4._signing_key.cache_clear()
    keys, second = Keys("AK", "secret"), int(NOW.timestamp())

    for body in (b"a", b"b", b"c"):
        Signer("https://x/y", {}, region="eu-west-1").sign(body, keys, second)

    assert sigv4._signing_key.cache_info().misses == 1


def test_keys_never_show_their_secret():
    shown = repr(Keys("AKIA", "very-secret", "session-token"))

    assert "AKIA" in shown
    assert "very-secret" not in shown
    assert "session-token" not in shown
