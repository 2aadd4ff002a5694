"""The addresses of a call.

What lives here: text to ``Address``, first by the strict rule for one address, then as
real mail writes them. What must not: judging; ``fault_of`` knows what SES refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from mailbalance.dropin.calls.draft import Draft
from mailbalance.errors import MessageError
from mailbalance.message import Address
from mailbalance.mime import address_lists

#: Lists of a Destination, with the field of the message each stands for.
LISTS = {"ToAddresses": "to", "CcAddresses": "cc", "BccAddresses": "bcc"}

UNREADABLE = "it cannot be read as one address, so no other provider can be given it"


@lru_cache(maxsize=1024)
def read(text: str) -> Address | None:
    """Read one address, or give ``None`` when it is none, or several.

    The few senders of an application come again with every call.
    """
    try:
        return Address.parse(text)
    except MessageError:
        found = address_lists.read(text)
    odd = found.grouped or found.unnamed or found.faults
    one = len(found.addresses) == 1 and not odd
    return found.addresses[0] if one else None


def read_sender(draft: Draft, text: str | None, place: str) -> None:
    """Read From."""
    if not text:
        return
    draft.sender = text
    address = read(text)
    if address is not None:
        draft.put("from_", address, place)
    else:
        draft.keep(place, UNREADABLE)
        draft.wordless = True


def read_destination(
    draft: Draft, destination: Mapping[str, Any] | None, place: str
) -> None:
    """Read To, Cc and Bcc."""
    for name, field in LISTS.items():
        if destination and (texts := destination.get(name)):
            where = f"{place}.{name}"
            if addresses := _readable(draft, texts, where, draft.unread):
                draft.put(field, addresses, where)


def read_all(draft: Draft, texts: Iterable[str], place: str) -> tuple[Address, ...]:
    """Read recipients; those that cannot be read are kept as written."""
    return _readable(draft, texts, place, draft.unread)


def read_replies(draft: Draft, params: Mapping[str, Any]) -> None:
    """Read Reply-To."""
    place = "ReplyToAddresses"
    texts = params.get(place)
    if texts and (addresses := _readable(draft, texts, place, [])):
        draft.put("reply_to", addresses, place)


def _readable(
    draft: Draft, texts: Iterable[str], place: str, others: list[str]
) -> tuple[Address, ...]:
    addresses: list[Address] = []
    for at, text in enumerate(texts):
        address = read(text)
        if address is not None:
            addresses.append(address)
        else:
            draft.keep(f"{place}[{at}]", UNREADABLE)
            others.append(text)
    return tuple(addresses)
