"""Our signature against the signer of botocore, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from mailbalance.wire.sigv4 import Keys, sign

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
_keys = st.builds(
    Keys,
    access_key=_word,
    secret_key=st.text(min_size=1, max_size=60).filter(
        lambda text: text.isprintable()  # what a secret can hold
    ),
    token=st.one_of(st.none(), _values.map(lambda text: "T" + text.strip())),
)


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

    ours = sign(url, headers, body, keys=keys, region=region, now=now)

    theirs = _botocores(url, headers, body, keys, region, now)
    assert {name: ours[name] for name in theirs} == theirs
    assert set(ours) - set(theirs) == {"Host"}


@given(url=_urls, keys=_keys, region=_word, now=_times)
def test_a_get_without_a_body_is_signed_as_botocore_signs_it(url, keys, region, now):
    ours = sign(url, {}, b"", method="GET", keys=keys, region=region, now=now)

    theirs = _botocores(url, {}, b"", keys, region, now, "GET")
    assert {name: ours[name] for name in theirs} == theirs
    assert set(ours) - set(theirs) == {"Host"}


def test_the_key_of_a_day_is_derived_once():
    from mailbalance.wire import sigv4

    sigv4._signing_key.cache_clear()
    keys, now = Keys("AK", "secret"), datetime(2026, 11, 23, tzinfo=UTC)

    for body in (b"a", b"b", b"c"):
        sign("https://x/y", {}, body, keys=keys, region="eu-west-1", now=now)

    assert sigv4._signing_key.cache_info().misses == 1


def test_keys_never_show_their_secret():
    shown = repr(Keys("AKIA", "very-secret", "session-token"))

    assert "AKIA" in shown
    assert "very-secret" not in shown
    assert "session-token" not in shown
