"""One address: what is taken, what is refused and why."""

import pytest

from mailbalance.errors import MessageError
from mailbalance.message import Address, Message

GOOD = [
    ("ana@example.com", "", "ana@example.com"),
    ("Ana <ana@example.com>", "Ana", "ana@example.com"),
    ("  Ana Sofia   <ana@example.com> ", "Ana Sofia", "ana@example.com"),
    ("<ana@example.com>", "", "ana@example.com"),
    ('"Doe, Jane" <j@example.com>', "Doe, Jane", "j@example.com"),
    (r'"a \"b\" \\c" <j@example.com>', r'a "b" \c', "j@example.com"),
    ("=?utf-8?q?Ren=C3=A9=2C_X?= <r@example.com>", "René, X", "r@example.com"),
    ("René O'Neil-Ü. <r@example.com>", "René O'Neil-Ü.", "r@example.com"),
    ("a.b+c!#$%&'*/?=^_`{|}~-@x.co", "", "a.b+c!#$%&'*/?=^_`{|}~-@x.co"),
    ('"a b"@example.com', "", '"a b"@example.com'),
    ('"a@b"@example.com', "", '"a@b"@example.com'),
    ('"ab"@example.com', "", "ab@example.com"),
    ('"a <b>"@example.com', "", '"a <b>"@example.com'),
    ('Ana <"a<b"@example.com>', "Ana", '"a<b"@example.com'),
    ("x@münchen.example", "", "x@xn--mnchen-3ya.example"),
    ("x@faß.de", "", "x@xn--fa-hia.de"),
    ("x@MÜNCHEN.example", "", "x@xn--mnchen-3ya.example"),
    ("x@例え。テスト", "", "x@xn--r8jz45g.xn--zckzah"),
    ("X@Example.COM", "", "X@Example.COM"),
    ("x@localhost", "", "x@localhost"),
    ("x@xn--mnchen-3ya.example", "", "x@xn--mnchen-3ya.example"),
    (f"{'a' * 64}@example.com", "", f"{'a' * 64}@example.com"),
    ("josé@example.com", "", "josé@example.com"),
    ("a=b?c@example.com", "", "a=b?c@example.com"),
    # Most who say iso-8859-1 mean windows-1252 (WHATWG Encoding Standard, section 4.2).
    ("=?iso-8859-1?Q?O=92Neil?= <o@x.com>", "O\u2019Neil", "o@x.com"),
    ("=?ISO_8859-1?b?gDU=?= <o@x.com>", "€5", "o@x.com"),
]

BAD = [
    ("", "is empty"),
    (" ", "is empty"),
    ("ana", "has no @"),
    ("@example.com", "nothing before its @"),
    ('""@example.com', "nothing before its @"),
    ("ana@", "nothing after its @"),
    ("ana@example.com.", "ends in a dot"),
    ("ana@.example.com", "rules of names"),
    ("ana@example..com", "rules of names"),
    ("ana@-x.com", "rules of names"),
    ("ana@x_y.com", "rules of names"),
    ("ana@exa mple.com", "rules of names"),
    (f"ana@{'a' * 64}.com", "rules of names"),
    ("ana@[192.0.2.1]", "address literal"),
    ("ana@192.0.2.1", "IP address"),
    (".ana@example.com", "dot in the wrong place"),
    ("ana.@example.com", "dot in the wrong place"),
    ("a..b@example.com", "dot in the wrong place"),
    (f"{'a' * 65}@example.com", "more than 64 octets"),
    (f"{'é' * 33}@example.com", "more than 64 octets"),
    (f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 61}.com", "more than 254 octets"),
    ("a@b@example.com", "more than one @"),
    ("a@example.com, b@example.com", "more than one address"),
    ("a@example.com;b@example.com", "more than one address"),
    ("Ana <a@x.com>, Bo <b@x.com>", "more than one address"),
    ("Doe, Jane <j@example.com>", "without quotes"),
    ("Ana (Sales) <ana@example.com>", "without quotes"),
    ("ana(comment)@example.com", "comment"),
    ("ana@example.com (Ana)", "rules of names"),
    ("team: a@x.com, b@x.com;", "group syntax"),
    ("team: <a@x.com>", "group syntax"),
    ("<@relay.com:ana@example.com>", "route"),
    ('"Ana <ana@example.com>', "quotes that do not hold"),
    ('"a"b <ana@example.com>', "quotes that do not hold"),
    ("Ana <ana@example.com> x", "text after its >"),
    ("<<ana@example.com>>", "< or > twice"),
    ('<"a"<ana@example.com>', "< or > twice"),
    ("a b@example.com", "needs quotes"),
    ("=?utf-8?q?evil=40x.com?=@example.com", "encoded word"),
    ('"ab@example.com', "never closed"),
    ("x@☃.example.", "ends in a dot"),
    ("x@\u200d.example", "international domain"),
    ("ana@example.com\nBcc: b@x.com", "line break"),
    ("ana\x00@example.com", "control character"),
    ("\ud800@example.com", "surrogate"),
]


@pytest.mark.parametrize(("text", "name", "email"), GOOD)
def test_an_address_is_read_into_name_and_email(
    text: str, name: str, email: str
) -> None:
    assert Address.parse(text) == Address(email=email, name=name)


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_anything_but_one_address_is_refused_with_the_reason(
    text: str, reason: str
) -> None:
    with pytest.raises(MessageError, match=reason):
        Address.parse(text)


@pytest.mark.parametrize("text", [text for text, _ in BAD if len(text) > 12])
def test_a_refusal_names_the_place_and_never_shows_the_value(text: str) -> None:
    with pytest.raises(MessageError) as caught:
        Message(to=["good@example.com", text], text="x")

    assert caught.value.problems[0].startswith("to[1]: ")
    assert text not in str(caught.value)


def test_an_encoded_name_in_an_unknown_charset_is_refused() -> None:
    with pytest.raises(MessageError, match="cannot be decoded"):
        Address.parse("=?x-unknown?q?a?= <a@example.com>")


def test_a_part_before_the_at_sign_that_is_not_ascii_is_flagged() -> None:
    assert not Address.parse("josé@example.com").ascii_local
    assert Address.parse("jose@münchen.example").ascii_local


def test_the_domain_is_what_stands_after_the_last_at_sign() -> None:
    assert Address.parse('"a@b"@example.com').domain == "example.com"


def test_names_lose_the_white_space_around_them() -> None:
    assert Address(email="a@x.com", name="\u00a0 Ana ").name == "Ana"


def test_addresses_can_be_compared_hashed_and_not_changed() -> None:
    one, two = Address.parse("Ana <a@x.com>"), Address(email="a@x.com", name="Ana")

    assert {one} == {two}
    with pytest.raises(AttributeError, match="cannot be changed"):
        one.name = "Bo"  # type: ignore[misc]
