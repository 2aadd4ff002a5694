"""What an address says is what it was made of."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import field_validator

from mailbalance import mime
from mailbalance.errors import MessageError
from mailbalance.message import Address
from mailbalance.mime import address_lists
from mailbalance.rules import address_rules as grammar
from tests.properties.mails import addresses


@given(addresses)
def test_text_and_back_gives_the_same_address(address: Address) -> None:
    assert Address.parse(str(address)) == address


@given(st.lists(addresses, max_size=6))
def test_a_header_and_back_gives_the_same_addresses(people: list[Address]) -> None:
    found = address_lists.read(mime.address_list(people))

    assert found.addresses == people
    assert not found.grouped
    assert not found.faults


@given(addresses)
def test_checking_an_address_again_changes_nothing(address: Address) -> None:
    assert Address(email=address.email, name=address.name) == address


@given(st.text(max_size=40) | st.text('ab.@<>"(),;:\\ é', max_size=20))
def test_any_text_is_one_address_or_refused(text: str) -> None:
    try:
        address = Address.parse(text)
    except MessageError:
        return
    local, _, domain = address.email.rpartition("@")
    assert domain.isascii()
    assert local
    assert len(address.email.encode()) <= 254
    assert Address.parse(str(address)) == address


@given(st.text('a@b.c,<>"():; \\', max_size=60))
def test_a_list_never_yields_an_address_we_would_not_take(text: str) -> None:
    for address in address_lists.read(text).addresses:
        assert Address.parse(str(address)) == address


@given(
    st.text(
        st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20
    ),
    st.text('ab.@<>"(),;:\\ é', max_size=10),
)
@example(" <]", "cd")
@example(">", "")
def test_any_mark_may_stand_in_the_quotes_before_an_at(local: str, name: str) -> None:
    quoted = local.replace("\\", "\\\\").replace('"', '\\"')
    try:
        address = Address(email=f'"{quoted}"@x.com', name=name)
    except MessageError:
        assert "=?" in local
        return
    assert Address.parse(str(address)) == address
    found = address_lists.read(mime.address_list([address]))
    assert found.addresses == [address]


_words = st.from_regex("[A-Za-z0-9 .'-]{1,70}", fullmatch=True)
_domains = st.from_regex(
    "([a-z0-9-]{1,64}[.]){0,5}[A-Za-z0-9-]{1,9}[.]?", fullmatch=True
)


@given(_words, _words, _domains)
@example("Ana", "a" * 65, "example.com")
@example("Ana", "ana", "127.0.0.1")
@example("A  B", "ana", f"{'a.' * 125}com")
def test_the_short_way_for_plain_addresses_ends_where_the_long_one_does(
    name: str, local: str, domain: str
) -> None:
    for text in (f"{local}@{domain}", f"{name} <{local}@{domain}>"):
        assert _end_of(text) == _end_of(text, long=True)


def _end_of(text: str, *, long: bool = False) -> object:
    """Give all that came of a text; a space more at its end makes the way long."""
    try:
        address = Address.parse(f"{text} " if long else text)
    except MessageError as error:
        return error.problems
    return address, address.__getstate__(), hash(address), repr(address)


def test_a_plain_address_takes_the_short_way() -> None:
    assert all(map(grammar._PLAIN.fullmatch, ["ana@x.com", "A. B <a.b+c@x-y.com>"]))


class _Inside(Address):
    """An address of one domain, with a field more."""

    tag: str = "x"

    @field_validator("email")
    @classmethod
    def _is_ours(cls, value: str) -> str:
        if not value.endswith("@ours.example"):
            raise ValueError("is none of ours")
        return value


def test_a_subclass_checks_a_plain_address_as_any_other() -> None:
    assert _Inside.parse("Bob <bob@ours.example>").tag == "x"
    with pytest.raises(MessageError, match="none of ours"):
        _Inside.parse("bob@theirs.example")
