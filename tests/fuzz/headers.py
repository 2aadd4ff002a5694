"""Targets of header text: one address, lists of them, values, encoded words.

What must hold: only ``MessageError``, which never repeats what it was given; what was read
is read the same again; no control character and no second address survives; a value never
makes a header of its own, for two readers that share no code with ours.
"""

import email
import re
from email import policy
from types import SimpleNamespace

import fast_mail_parser

from mailbalance import mime
from mailbalance.address import Address
from mailbalance.errors import MessageError, RejectedError, UnsuitableError
from mailbalance.mime import address_lists, parameters
from mailbalance.mime.dates import date_value, read_date
from mailbalance.rules import encoded_words
from mailbalance.wire.smtp.commands import path
from tests.fuzz.choices import Choices, many, stretched
from tests.fuzz.target import Saboteur, Target

#: As ``rules.characters`` has it, said once more: C0, DEL, C1, line breaks, surrogates.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

#: Characters that an error may repeat by chance.
_BY_CHANCE = 12


def text_of(data: bytes) -> str:
    """Give a text; bytes that are none become halves of surrogate pairs."""
    return stretched(data).decode("utf-8", "surrogateescape")


def must_not_repeat(error: MessageError, text: str) -> None:
    """An error tells the fault, never the value."""
    assert len(text) < _BY_CHANCE or text not in str(error)


def must_be_sound(address: Address) -> None:
    """What holds for every address there is, wherever it came from."""
    assert not UNSAFE.search(address.email + address.name)
    assert address.name == address.name.strip()
    local, at, domain = address.email.rpartition("@")
    assert local
    assert at
    assert re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", domain)
    assert Address.parse(str(address)) == address
    assert Address(email=address.email, name=address.name) == address


def check_address(data: bytes) -> None:
    text = text_of(data)
    try:
        address = Address.parse(text)
    except MessageError as error:
        must_not_repeat(error, text)
        return
    must_be_sound(address)
    try:
        assert re.fullmatch(r"<[!-;=?-~]+>", path(address.email))
    except (RejectedError, UnsuitableError):
        assert not address.ascii_local or re.search("[ <>]", address.email)
    if address.ascii_local:
        _must_be_one_recipient(mime.address_list([address]), address)


def _must_be_one_recipient(line: str, address: Address) -> None:
    assert re.fullmatch(r"[ -~]+", line)
    found = address_lists.read(line)
    assert found.addresses == [address]
    assert not found.faults
    assert not found.grouped
    if re.search("[<>]", address.email):
        return  # the witness takes such a mark for the end, though it stands in quotes
    read = fast_mail_parser.parse_email(f"To: {line}\r\n\r\n".encode())
    assert [each.address for each in read.to] == [address.email]


ADDRESS = Target(
    "addresses",
    check_address,
    (
        b"ana@example.com",
        "Ana Müller <ana@münchen.example>".encode(),
        b'"Doe, \\"J\\"" <"a b"@x-y.co>',
        b"=?utf-8?q?J=C3=B6rg?= <a@b.c>",
        b"a@b.c, d@e.f",
        b"<@r.x:a@b.c>",
        b"g: a@b.c;",
        b'"a\\b"@[1.2.3.4]',
        "x@faß.de".encode(),
        many(64, b"a") + b"@" + many(63, b"b") + b".net",
    ),
    Saboteur(
        "mailbalance.rules.address_rules:fault_in_line",
        lambda sound: lambda value: sound(re.sub("[\x01-\x08]", "", value)),
        b"a\x07b <a@b.c>",
    ),
    longest=300,
    found=(b' "@o>"@o',),
)


def check_list(data: bytes) -> None:
    text = text_of(data)
    found = address_lists.read(text)
    for address in found.addresses:
        must_be_sound(address)
        assert "\ufffd" not in address.email  # it stands for bytes that are no text
    plain = [each for each in found.addresses if each.ascii_local]
    if plain:
        again = address_lists.read(mime.address_list(plain))
        assert again.addresses == plain
        assert not again.faults


LIST = Target(
    "address-lists",
    check_list,
    (
        b"a@b.c, Ana <d@e.f>, g: h@i.j, k@l.m;, n@o.p (Nora)",
        b'"a, b" <c@d.e>,, =?utf-8?b?w6Q=?= <x@y.z>; (c(d)e) f@g.h',
        b"a@=?utf-8?q?m=C3=BCnchen?=.example, =?x?q?a?= <b@c.d>",
        b'"\\"' + many(500, b"\\") + b",<<>>:;",
    ),
    Saboteur(
        "mailbalance.mime.folding:_QUOTE",
        lambda sound: SimpleNamespace(sub=lambda quoted, text: text),
        b'a@b.c (Nora "x")',
    ),
    found=(b'""@ ;cd<cd<" <]"@c>a, @c>,',),
    longest=400,
)

_RENDERED = b"From: a@b.c\r\nTo: d@e.f\r\n\r\nbody\r\n"
_NAMES = (
    "X-A",
    "Subject",
    "Comments",
    "References",
    "List-Unsubscribe",
    "Sender",
    "X-" + "L" * 70,
    "Feedback-ID",
    "X-MT-Custom-Variables",
)


def check_value(data: bytes) -> None:
    choices = Choices(data)
    name = choices.text(40) if choices.number(8) == 0 else choices.one_of(_NAMES)
    value = text_of(choices.rest())
    try:
        (both,) = mime.prepend((_RENDERED,), [(name, value)])
    except MessageError as error:
        must_not_repeat(error, value)
        return
    assert both.endswith(_RENDERED)
    head = both.removesuffix(_RENDERED).decode("ascii")
    assert re.fullmatch(r"[!-9;-~]+: (?:[\t -~]|\r\n[ \t])*\r\n", head)
    assert all(len(line) <= 998 for line in head.split("\r\n"))
    stdlib = email.message_from_bytes(both, policy=policy.compat32)
    assert stdlib.keys() == [name, "From", "To"]
    assert stdlib.get_payload() == "body\r\n"
    rust = fast_mail_parser.parse_email(both)
    assert {each.lower() for each in rust.headers} == {name.lower(), "from", "to"}
    if name == "X-A":
        assert rust.headers["X-A"] in (value, [value])


VALUE = Target(
    "headers",
    check_value,
    (
        b"\1\0hello",
        "\1\2Grüße, =?utf-8?q?x?= and  more ".encode(),
        b"\1\4<https://example.com/u?a=b>, <mailto:u@example.com>",
        b"\1\0" + many(2000, b"x") + b" y",
        b"\0\3X:Yz",
        b"\1\5Ana <a@b.c>",
        "\1\0a\tb\u2028c".encode(),
    ),
    Saboteur(
        "mailbalance.rules.header_rules:fault_in_line",
        lambda sound: (
            lambda value, tab=False: sound(re.sub("[\x01-\x08]", "", value), tab=tab)
        ),
        b"\1\0a\x01b",
    ),
)


def check_words(data: bytes) -> None:
    text = text_of(data)
    decoded, _ = encoded_words.decode(text)
    assert isinstance(decoded, str)
    if not re.search("[\ud800-\udfff]", text):
        words = encoded_words.encode(text)
        assert all(
            re.fullmatch(r"=\?utf-8\?[qb]\?[!->@-~]+\?=", each) for each in words
        )
        assert all(len(word) <= encoded_words.LONGEST for word in words)
        assert encoded_words.decode(" ".join(words)) == (text, True)
    main, named, _ = parameters.read(text)
    assert all(isinstance(each, str) for each in (main, *named, *named.values()))
    date = read_date(text)
    assert date is None or read_date(date_value(date)) == date


WORDS = Target(
    "header-words",
    check_words,
    (
        b"=?utf-8?q?a=20b?= =?utf-8?b?w6Q=?=",
        b"=?utf-7?q?+AGE-?= =?idna?q?xn--a?= =?x-unknown?b?4?=",
        b"text/plain; charset=utf-8; name*0*=x''%ff; name*1=b; name*12*=c",
        b"a; name*" + many(5000, b"1") + b"=x",
        b"Mon, 23 Nov 2026 04:00:00 +0200 (EET)",
        b"1 Jan 99 00:00 PDT",
        "é".encode() * 40,
    ),
    Saboteur(
        "mailbalance.rules.encoded_words:_Q_OF",
        lambda sound: [*sound[:0x5F], "_", *sound[0x60:]],
        b"a_b",
    ),
)

TARGETS = (ADDRESS, LIST, VALUE, WORDS)
