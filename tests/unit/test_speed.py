"""The ``speed`` extra changes nothing but speed: the same bytes with it and without."""

import base64
import json
import random
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import Attachment, Envelope, Message, speed
from mailbalance.backends import _json, _mailtrap_request, _ses_request
from mailbalance.mime import transfer

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
_odd = st.text(st.characters(max_codepoint=0x2FF) | st.sampled_from("\u2028\ud7ff😀"))


def refuse(value):
    raise TypeError(value)


def without(act, *args):
    """Call something as if the extra were not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "orjson", None)
        patch.setattr(speed, "pybase64", None)
        return act(*args)


def test_these_tests_run_with_the_extra():
    assert {"orjson", "pybase64"} <= sys.modules.keys()


@given(_values | _odd)
def test_json_is_the_same(value):
    made = speed.dumps(value, refuse)

    assert made == without(speed.dumps, value, refuse)
    assert json.loads(made) == value


@pytest.mark.parametrize("value", [2**64, -(2**70), {"a": [1.5, 10**20, "x"]}])
def test_numbers_that_one_of_them_does_not_take_are_the_same(value):
    assert speed.dumps(value, refuse) == without(speed.dumps, value, refuse)


@given(st.text(st.characters(max_codepoint=0x2FF)).map(lambda text: text * 1024))
@pytest.mark.parametrize("most", [1023, 1024, 2000])
def test_a_long_text_is_the_same_however_it_is_escaped(most, text):
    usual = text[:most].translate(dict.fromkeys(range(32), "\n\r\t"))
    for each in (text[:most], usual):
        made = without(lambda value: _json.whole({"a": _json.text(value)}), each)

        assert made == speed.dumps({"a": each}, refuse)


@pytest.mark.parametrize("code", range(32))
def test_every_control_character_of_a_long_text_is_escaped(code):
    text = 'a "\\' + chr(code) * 3 + "z" * 2000
    made = without(lambda value: _json.whole({"a": _json.text(value)}), text)

    assert made == speed.dumps({"a": text}, refuse)
    assert (speed.escaped(text) is None) == (chr(code) not in "\t\n\r")


def test_a_long_text_is_left_to_orjson_where_it_is():
    assert _json.text("a" * 5000) == "a" * 5000
    assert without(_json.text, "a" * 1024) == _json.Ready(b"a" * 1024)
    assert without(_json.text, "a" * 1023) == "a" * 1023


def test_half_of_a_surrogate_pair_is_an_error_in_a_long_text_too():
    with pytest.raises(ValueError, match="surrogates not allowed"):
        speed.escaped("a" * 5000 + "\ud800")


def test_what_is_ready_is_copied_unless_it_is_large():
    small, large = _json.Ready(b"s" * 65535), _json.Ready(b"l" * 65536)

    assert _json.encoded({"a": small}) == b'{"a":"' + small.inside + b'"}'
    pieces = _json.encoded({"a": small, "b": large})
    assert any(piece is large.inside for piece in pieces)
    assert b"".join(pieces) == _json.whole({"a": small, "b": large})


@pytest.mark.parametrize("broken", ["\ud800", {"a": "\udfff"}])
def test_half_of_a_surrogate_pair_is_an_error_either_way(broken):
    for way in (speed.dumps, lambda *args: without(speed.dumps, *args)):
        with pytest.raises(ValueError, match="surrogates not allowed"):
            way(broken, refuse)


@given(st.binary())
def test_base64_is_the_same(content):
    made = speed.base64(content)

    assert made == without(speed.base64, content) == base64.b64encode(content)


#: Around the sizes at which a file is encoded in another number of steps.
SEAMS = sorted(
    {n + d for n in (0, 57, 12288, 14592, 24576, 29184) for d in range(-2, 3)}
)


@pytest.mark.parametrize("size", [size for size in SEAMS if size >= 0])
@pytest.mark.parametrize("way", [lambda act, *args: act(*args), without])
def test_base64_is_whole_at_every_seam(size, way):
    content = random.Random(size).randbytes(size)
    digits = base64.b64encode(content)
    lines = [digits[at : at + 76] for at in range(0, len(digits), 76)]

    assert way(speed.base64, content) == digits
    assert way(transfer.base64, content) == b"\r\n".join(lines)


@pytest.mark.parametrize("encode", [speed.base64, transfer.base64])
@pytest.mark.parametrize("way", [lambda act, *args: act(*args), without])
def test_base64_of_a_file_takes_little_more_memory_than_it_gives(encode, way):
    content = bytes(1_000_000)
    tracemalloc.start()
    try:
        made = way(encode, content)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 1.25 * len(made)


def message(**changes):
    fields = {"from_": "a@x.com", "to": "b@x.com", "subject": "é", "text": "\x01\u2028"}
    return Message(**fields | changes)


@given(
    st.lists(st.binary(min_size=1), max_size=3),
    st.booleans(),
    st.sampled_from(["\x01\u2028", 'é "\n' * 999]),
)
def test_requests_are_the_same_with_what_is_ready_put_in(contents, raw, text):
    files = [Attachment(content=c, filename="a.bin") for c in contents]
    changes = {"message_id": "<1@x.com>", "date": "2026-11-23T00:00:00Z"} if raw else {}
    given = message(attachments=files, text=text, **changes)

    for module in (_ses_request, _mailtrap_request):
        body = module.request_body(given, Envelope.of(given))
        fresh = given.model_copy()
        other = without(module.request_body, fresh, Envelope.of(fresh))
        assert _json.whole(body) == without(_json.whole, other)


def test_a_number_beyond_64_bits_does_not_lose_an_attachment():
    """orjson gives up half way, after some content was put aside."""
    body = {"a": _json.Base64(b"eA=="), "b": 2**70, "c": _json.Base64(b"eQ==")}

    assert json.loads(_json.whole(body)) == {"a": "eA==", "b": 2**70, "c": "eQ=="}


def test_an_attachment_is_encoded_once_for_all_tries():
    given = message(attachments=[Attachment(content=b"abc", filename="a.bin")])

    assert _json.attached(given) is _json.attached(given)
    assert _json.rendered(given) is _json.rendered(given)


def test_what_json_has_no_word_for_is_an_error():
    with pytest.raises(TypeError):
        _json.whole({"a": object()})
