"""What an installed drop-in does not reach: clients made before it, and aiobotocore's.

Clients are found by looking through the objects that the garbage collector knows: nothing
is patched for it and nothing is kept. Where no SES client was ever made, which is usual
when a program starts, there is no class of one either and nothing is looked through.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Container, Iterable, Iterator
from typing import Any

from botocore.client import BaseClient

logger = logging.getLogger("mailbalance")

SERVICES = frozenset({"ses", "sesv2"})
#: What botocore calls the classes of their clients, in capitals.
_CLASSES = frozenset({"SES", "SESV2"})

WHAT_WORKS = (
    "aiobotocore and aioboto3 are not supported: use a client of boto3 in a thread "
    "(asyncio.to_thread(client.send_email, ...)), or send by mailbalance.asend()"
)


def service_of(client: Any) -> str:
    """Name the service that a client is of; ``""`` when it is no client."""
    meta = getattr(client, "meta", None)
    model = getattr(meta, "service_model", None)
    return str(getattr(model, "service_name", ""))


def is_async(client: Any) -> bool:
    """Say whether a client is one of aiobotocore's, whose methods are coroutines."""
    return any(
        each.__module__.partition(".")[0] == "aiobotocore"
        for each in type(client).__mro__
    )


def passed_by(attached: Container[Any]) -> tuple[str, ...]:
    """Describe the SES clients of this process that no mailer is attached to."""
    if not _others(attached):
        return ()
    gc.collect()  # what nobody holds any more sends nothing
    return tuple(sorted(map(described, _others(attached))))


def described(client: Any) -> str:
    """Describe a client: service and region."""
    more = " (aiobotocore)" if is_async(client) else ""
    return f"{service_of(client)} in {client.meta.region_name}{more}"


def tell_of_clients(names: Iterable[str]) -> None:
    """Write to the log that these clients send without the split."""
    found = ", ".join(names)
    if found:
        logger.warning(
            "SES clients made before dropin.install() send without the split: %s; make "
            "them after it, or pass each to dropin.attach()",
            found,
        )


def tell_of_aiobotocore() -> bool:
    """Write to the log that aiobotocore is not covered, if it is in use; say whether."""
    if "aiobotocore" not in sys.modules:
        return False
    logger.warning("dropin.install() does not cover its clients: %s", WHAT_WORKS)
    return True


def _others(attached: Container[Any]) -> list[Any]:
    kinds = {each for each in _kinds(BaseClient) if each.__name__.upper() in _CLASSES}
    if not kinds:
        return []
    return [
        each
        for each in gc.get_objects()
        if type(each) in kinds and service_of(each) in SERVICES and each not in attached
    ]


def _kinds(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)
