"""S4: one text is one address, to us as to whoever reads it next."""

from email.headerregistry import Address as StdlibAddress
from email.utils import getaddresses
from functools import cache

import email_validator
import pytest

from mailbalance import Address, mime
from mailbalance.errors import MessageError

LOCALS = [
    "a", "A", "ana", "ana.b", "ana.b.c", "ana+tag", "ana-b", "ana_b", "1", "123", "a1",
    "1a", "a.1", "!", "#", "$", "%", "&", "'", "*", "+", "/", "=", "?", "^", "_", "`",
    "{", "|", "}", "~", "!#", "a!b", "a#b", "a$b", "a%b", "a&b", "a'b", "a*b", "a/b",
    "a=b", "a?b", "a^b", "a`b", "a{b", "a|b", "a}b", "a~b", "o'neil", "x=y", "-a", "a-",
    "---", "__", "a.-.b", '"a"', '"a.b"', "ana%example.org", "bounce=ana=example.org",
    '""',
]  # fmt: skip
GOOD_LOCALS = [each for each in LOCALS if each != '""'] + ["a" * 64, "a." * 31 + "aa"]
QUOTED = [
    '"a b"', '"a@b"', '"a,b"', '"a;b"', '"a:b"', '"(a)"', '"a..b"', '".a"',
    '"a."', '"[a]"', r'"a\"b"', r'"a\\b"', '" "', '"@"', '"a\'b"',
]  # fmt: skip
GOOD_DOMAINS = [
    "example.com", "EXAMPLE.com", "example.co.uk", "a.b", "a.b.c", "x-y.com",
    "x--y.com", "1.com", "123.example.com", "a1.com", "xn--bcher-kva.example",
    "xn--p1ai.xn--p1ai", "mail.example.com", "sub.sub.example.com", "co", "example",
    "bücher.example", "Bücher.example", "例え.jp", "пример.рф", "faß.de", "παράδειγμα.ελ",
    "mañana.com", "www.é.fr", "a" * 63 + ".com", ".".join(["a" * 61] * 3) + ".com",
]  # fmt: skip
BAD_LOCALS = [
    "", ".", "..", ".a", "a.", "a..b", "a b", "a\t", "a,b", "a;b", "a:b", "a<b", "a>b",
    "a(b)", "(c)a", "a(c)", "a[b", "a]b", "a\\b", 'a"b', '"a', 'a"', '"a"b', 'b"a"',
    '""', '"a".b', 'a."b"', "a\r\nb", "a\nb", "a\rb", "a\0b", "a\x7fb", "a\x85b",
    "a\u2028b", '"a\r\nb"', '"a\nb"', '"a\0b"', "a" * 65, "ä" * 33,
    '"' + "a b" * 22 + '"', "\ud800", "=?utf-8?q?a?=", "a=?b", "a\x1bb", "a\u2029b",
    "a\x0bb", "a\x0cb",
]  # fmt: skip
BAD_DOMAINS = [
    "", ".", "..", ".com", "com.", "example.com.", "a..b", "-a.com", "a-.com",
    "a_b.com", "a b.com", " a.com", "a.com\r\n", "a.com\n", "a.com\0", "a!b.com",
    "a,b.com", "a;b.com", "a:b.com", "a.com:25", "a.com/", "a/b.com", "a\\b.com",
    "a(c).com", "a.com(c)", "(c)a.com", "[127.0.0.1]", "[IPv6:::1]", "[a]", "127.0.0.1",
    "1.2.3", "1", "0x7f.1", "a@b.com", "@a.com", "a.com@", "a%00.com", "a%0d.com",
    "%61.com", "a..com", '"a".com', "a.com>", "<a.com", "a.com,b@c.com",
    "a.com;b@c.com", "a.com b@c.com", "a" * 64 + ".com", ".".join(["a" * 61] * 5),
    "\u2028.com", "a\u3002.com..", "xn--a\u00e4", "a\u200b.com\u2028", "☃\ud800.com",
    "a\u00ad-.com", "é-.com", "-é.com", "a｡｡b", "a\uff0fb.com", "a\uff20b.com",
    "a\uff1ab.com", "℀.com", "a\u202e.com", "..é.com",
]  # fmt: skip

#: Whole texts that some parser takes apart in another way (CVE-2023-27043 and its kin).
TRICKS = [
    "a@b.com, c@d.com", "a@b.com;c@d.com", "a@b.com c@d.com", "a@b.com<c@d.com>",
    "<a@b.com><c@d.com>", "a@b.com,", ",a@b.com", "a@b.com;", "<a@b.com>,", "<a@b.com",
    "a@b.com>", "<<a@b.com>>", "<>", "< >", "<@>", "@", "a", "@b.com", "a@", "a@@b.com",
    "a@b@c.com", "<@x.com:a@b.com>", "<@x.com,@y.com:a@b.com>", "x:a@b.com;", "x:;",
    "x: a@b.com, c@d.com;", "undisclosed-recipients:;", "a@b.com (c)", "(c) a@b.com",
    "a(c)@b.com", "a@(c)b.com", "A <a@b.com> (c)", "A (c) <a@b.com>", "A, B <a@b.com>",
    "A; B <a@b.com>", "A <a@b.com> B", "A <a@b.com>, B <c@d.com>", 'a@b.com"',
    '"a@b.com', '"A <a@b.com>', 'A" <a@b.com>', '"A" B <a@b.com>',
    "a@evil.com] <a@b.com>", "a@evil.com <a@b.com>", "a@evil.com, <a@b.com>",
    "A\r\nBcc: c@d.com <a@b.com>", "A\n <a@b.com>", "A\0 <a@b.com>", "A <a@b.com\r\n>",
    "A <a@b.com\n>", "A <\r\na@b.com>", "a@b.com\r\nRCPT TO:<c@d.com>",
    "a@b.com>\r\nRCPT TO:<c@d.com", "a@b.com> SIZE=1", "a@b.com NOTIFY=NEVER",
    "a@b.com\u2028", "mailto:a@b.com", "a@b.com?bcc=c@d.com",
    "=?utf-8?q?a=40b.com=2C_c?=@d.com", "=?x?q?=41@b.com?=@c.com", "a%40b.com",
    "=?utf-8?q?a=0D=0ABcc=3A?= <a@b.com>", "a@b.com%0d%0aBcc:c@d.com",
    "a@b.com\x85c@d.com", "A [B] <a@b.com>", "A: <a@b.com>", "A@B <a@b.com>",
    "A\\ <a@b.com>", "A < a@b.com>", "A <a@b.com >", "< a@b.com>", "a @b.com",
    "a@ b.com", "a@b .com", "a\u00a0@b.com", "a\u200b@b.com", "\u202eb@b.com",
    "a\u3000@b.com", "a\ufeff@b.com", "a@b\u00a0.com", "a@[b].com", "a@b.[com]",
    "a.@b.com", "a@b.com\ud800",
]  # fmt: skip

GOOD = [f"{local}@example.com" for local in [*GOOD_LOCALS, *QUOTED]]
GOOD += [f"a@{domain}" for domain in GOOD_DOMAINS]
BAD = [f"{local}@example.com" for local in BAD_LOCALS]
BAD += [f"a@{domain}" for domain in BAD_DOMAINS] + TRICKS


@cache
def other_reader(text: str) -> bool:
    """Whether email-validator, written by somebody else, takes it too."""
    try:
        email_validator.validate_email(
            text,
            check_deliverability=False,
            allow_quoted_local=True,
            allow_domain_literal=True,
            globally_deliverable=False,
            strict=True,
        )
    except (email_validator.EmailNotValidError, UnicodeError):
        return False
    return True


@pytest.mark.parametrize("text", GOOD)
def test_a_good_address_is_taken_and_reads_the_same_again(text: str) -> None:
    address = Address.parse(text)

    assert Address.parse(str(address)) == address
    assert Address.parse(f"<{text}>") == address
    assert StdlibAddress(addr_spec=address.email).domain == address.domain


@pytest.mark.parametrize("text", BAD, ids=ascii)
def test_what_another_reader_could_take_for_something_else_is_refused(
    text: str,
) -> None:
    with pytest.raises(MessageError):
        Address.parse(text)


def test_what_we_take_email_validator_takes_too() -> None:
    assert [text for text in GOOD if not other_reader(text)] == []


#: What we refuse and email-validator takes, each with the reason.
STRICTER = {
    "a@[127.0.0.1]": "an address literal, which neither provider takes",
    "a@[IPv6:::1]": "the same",
    "a@127.0.0.1": "an IP address without its brackets",
    "a@1.2.3": "what some resolvers take for one",
    "a@0x7f.1": "the same",
    "a@1": "the same",
    "=?utf-8?q?a?=@example.com": "readers decode it into another address",
    "=?utf-8?q?a=40b.com=2C_c?=@d.com": "the same",
    "a=?b@example.com": "the same",
    f"{'ä' * 33}@example.com": "over 64 octets before the @ (RFC 6531 counts octets)",
}


def test_what_we_refuse_email_validator_refuses_too() -> None:
    assert {text for text in BAD if other_reader(text)} == set(STRICTER)


#: What we take and email-validator does not: it needs SMTPUTF8, and nobody carries it.
LAXER = {"\u0301@b.com"}
CHARACTERS = [chr(code) for code in range(256)] + list(
    "\u00ad\u0130\u0131\u0301\u0430\u05d0\u0627\u180e\u200b\u200d\u200f\u2024\u2028"
    "\u202e\u2066\u2100\u3000\u3002\ufe52\ufeff\uff0e\uff20\uff1c\ufffd\U0001f600\ud800"
)
TEMPLATES = [
    "{}@b.com", "a{}@b.com", "a{}b@c.com", '"a{}b"@c.com', "a@{}b.com", "a@b{}c.com",
    "a@b.{}om", "a@b.com{}", "A{} <b@c.com>", '"A{}" <b@c.com>', "A <b@c.com{}>",
]  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_character_means_the_same_to_us_and_to_other_readers(
    template: str,
) -> None:
    for character in CHARACTERS:
        try:
            address = Address.parse(template.format(character))
        except MessageError:
            continue
        assert other_reader(address.email) or address.email in LAXER
        written = mime.address_list([address]) if address.ascii_local else ""
        read = [email for _, email in getaddresses([written])] if written else []
        assert read in ([], [address.email]), ascii(template.format(character))


NAMES = [
    "A, B", 'A "B"', "a@evil.com", "A <a@evil.com>", "A;B", "A (b)", "A\\",
    "=?utf-8?q?x?=", "A, <a@evil.com>,", "x:;", "Ünï, cødé", "漢字, 漢字",
    "A" * 200 + ", B", "a@e.com,b@e.com",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_never_becomes_an_address(name: str) -> None:
    """CVE-2025-1795: a comma in a long encoded name came out bare."""
    written = mime.address_list([Address(email="a@b.com", name=name)])

    assert [email for _, email in getaddresses([written])] == ["a@b.com"]


def test_the_corpus_has_the_size_of_the_checklist() -> None:
    generated = len(TEMPLATES) * len(CHARACTERS)

    assert len(set(GOOD)) + len(set(BAD)) + generated >= 300
