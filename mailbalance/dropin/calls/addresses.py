"""The addresses of a call.

What lives here: text to ``Address``, first by the strict rule for one address, then as
real mail writes them. What must not: judging; ``fault_of`` knows what SES refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mailbalance.dropin.calls.draft import Draft
from mailbalance.errors import MessageError
from mailbalance.message import Address
from mailbalance.mime import address_lists

#: Lists of a Destination, with the field of the message each stands for.
LISTS = {"ToAddresses": "to", "CcAddresses": "cc", "BccAddresses": "bcc"}

_UNREADABLE = "it cannot be read as one address, so no other provider can be given it"


def read(text: str) -> Address | None:
    """Read one address, or give ``None`` when it is none, or several."""
    try:
        return Address.parse(text)
    except MessageError:
        found = address_lists.read(text)
    one = len(found.addresses) == 1 and not (found.grouped or found.unreadable)
    return found.addresses[0] if one else None


def read_into(draft: Draft, name: str, texts: Iterable[str], place: str) -> None:
    """Read a list of addresses into a field of the message."""
    addresses: list[Address] = []
    for at, text in enumerate(texts):
        address = read(text)
        if address is None:
            draft.keep(f"{place}[{at}]", _UNREADABLE)
        else:
            addresses.append(address)
    if addresses:
        draft.put(name, tuple(addresses), place)


def read_one(draft: Draft, name: str, text: str | None, place: str) -> Address | None:
    """Read a single address into a field of the message."""
    if not text:
        return None
    address = read(text)
    if address is None:
        draft.keep(place, _UNREADABLE)
    else:
        draft.put(name, address, place)
    return address


def read_destination(
    draft: Draft, destination: Mapping[str, Any] | None, place: str
) -> None:
    """Read To, Cc and Bcc."""
    for name, field in LISTS.items():
        texts = (destination or {}).get(name) or ()
        read_into(draft, field, texts, f"{place}.{name}")
