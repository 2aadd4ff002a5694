"""Attaching a mailer to genuine boto3 clients, one by one or all that are made.

What lives here: registering the hooks, and the wrapper around
``botocore.session.Session.create_client``. What must not: what the hooks do (``hooks``).

A client of boto3 holds its own copy of its session's event handlers, made when it was
created. So a session cannot be told later; each client is.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import botocore.session

from mailbalance.dropin.hooks import Hooks
from mailbalance.dropin.mailers import mailer_for_clients
from mailbalance.dropin.passed_by import (
    SERVICES,
    WHAT_WORKS,
    described,
    is_async,
    passed_by,
    service_of,
    tell_of_aiobotocore,
    tell_of_clients,
)
from mailbalance.errors import ConfigError

if TYPE_CHECKING:
    from mailbalance.mailer import Mailer
    from mailbalance.routing import Share

ClientT = TypeVar("ClientT")

_REMEMBER = "mailbalance-remember"
_ANSWER = "mailbalance-answer"


def attach(
    client: ClientT, mailer: Mailer | None = None, *, strict: bool = True
) -> ClientT:
    """Let a mailer carry what a boto3 SES client sends from now on.

    Attaching again replaces the mailer. Stubber, hooks of yours, moto and whoever patches
    the client keep their place before it.

    Args:
        client: A client of ``ses`` or ``sesv2``, however it was made.
        mailer: Who sends. Default: the mailer behind ``mailbalance.send()``, made from the
            environment at the first send.
        strict: Whether what SES is known to refuse is kept off other providers, so that
            SES itself says so; without SES in the split, it is refused with SES's code.

    Returns:
        The same client.

    Raises:
        TypeError: When it is no client of ``ses`` or ``sesv2``, or one of aiobotocore.
    """
    if is_async(client):
        raise TypeError(f"attach() takes clients of boto3; {WHAT_WORKS}")
    service = service_of(client)
    if service not in SERVICES:
        raise TypeError(
            f"attach() takes boto3 clients of {' or '.join(sorted(SERVICES))}, "
            f"not {service or type(client).__name__!r}"
        )
    detach(client)
    hooks = Hooks(client, mailer, strict=strict)
    events = client.meta.events  # type: ignore[attr-defined]
    events.register(f"before-parameter-build.{service}", hooks.remember, _REMEMBER)
    # The last slot of the least specific name runs after every other handler.
    events.register_last("before-call", hooks.answer, _ANSWER)
    with _lock:
        _attached.add(client)
    return client


def detach(client: Any) -> None:
    """Take the mailer off a client; it then sends by itself again.

    Does nothing to a client that has none.
    """
    service, events = service_of(client), client.meta.events
    with _lock:
        _attached.discard(client)
    events.unregister("before-call", unique_id=_ANSWER)
    events.unregister(f"before-parameter-build.{service}", unique_id=_REMEMBER)


@dataclass(eq=False)
class _Installation:
    """What one ``install`` or ``installed`` has set, and the clients it attached."""

    mailer: Mailer | None
    strict: bool
    clients: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)
    told_of_async: bool = False

    def end(self) -> None:
        """Detach what it attached."""
        for client in list(self.clients):
            detach(client)

    def tell_of_async(self) -> None:
        """Say once in the log that aiobotocore is not covered, as soon as it is there."""
        self.told_of_async = self.told_of_async or tell_of_aiobotocore()


#: The innermost is last; one list for the process.
_installations: list[_Installation] = []
_lock = threading.RLock()
#: Every client that has a mailer, however it came to it.
_attached: weakref.WeakSet[Any] = weakref.WeakSet()


def install(mailer: Mailer | None = None, *, strict: bool = True) -> None:
    """Attach to every SES client made from now on, by any session of boto3 or botocore.

    Call it once when the program starts, before the first client is made. Clients made
    before are left as they are, and named in the log; clients of aiobotocore are not
    covered. Calling it again sets the mailer for later clients.

    Args:
        mailer: As for ``attach``.
        strict: As for ``attach``.
    """
    with _lock:
        if _installations:
            _installations[-1].mailer, _installations[-1].strict = mailer, strict
        else:
            _installations.append(_Installation(mailer, strict))
            tell_of_clients(passed_by(_attached))
        _installations[-1].tell_of_async()
        _wrap()


def uninstall() -> None:
    """Undo ``install``: clients made later are plain, and those it attached are again."""
    with _lock:
        while _installations:
            _installations.pop().end()
        _unwrap()


@contextmanager
def installed(mailer: Mailer | None = None, *, strict: bool = True) -> Iterator[None]:
    """Install for as long as a block runs; what was installed before comes back after.

    Args:
        mailer: As for ``attach``.
        strict: As for ``attach``.
    """
    inner = _Installation(mailer, strict)
    with _lock:
        _installations.append(inner)
        _wrap()
    try:
        yield
    finally:
        with _lock:
            if inner in _installations:
                _installations.remove(inner)
            inner.end()
            if not _installations:
                _unwrap()


@dataclass(frozen=True, slots=True)
class Status:
    """Which SES clients of this process send through a mailer.

    Attributes:
        installed: Whether clients made from now on do.
        attached: Those that do, as ``"sesv2 in eu-west-1"``.
        passed_by: Those that do not: made before ``install``, detached, or aiobotocore's.
        split: How the mailer of clients made from now on divides, with its counts; empty
            when that is not configured.
        problem: Why the split is empty, or ``""``.
    """

    installed: bool
    attached: tuple[str, ...]
    passed_by: tuple[str, ...]
    split: tuple[Share, ...]
    problem: str = ""


def status() -> Status:
    """Report which SES clients of this process send through a mailer, and by which split.

    Looks through all objects of the process if it has SES clients, which may take a tenth
    of a second in a large one.
    """
    with _lock:
        innermost = _installations[-1] if _installations else None
        attached = tuple(sorted(map(described, list(_attached))))
        others = passed_by(_attached)
    split: tuple[Share, ...] = ()
    problem = ""
    try:
        mailer = innermost.mailer if innermost else None
        split = (mailer or mailer_for_clients()).split()
    except ConfigError as error:
        problem = str(error)
    return Status(innermost is not None, attached, others, split, problem)


def _created(client: Any) -> None:
    """Attach to a client that was just made."""
    with _lock:
        if _installations and service_of(client) in SERVICES:
            innermost = _installations[-1]
            innermost.tell_of_async()
            attach(client, innermost.mailer, strict=innermost.strict)
            innermost.clients.add(client)


def _create_client(original: Any) -> Any:
    @functools.wraps(original)
    def create_client(session: Any, *args: Any, **kwargs: Any) -> Any:
        client = original(session, *args, **kwargs)
        _created(client)
        return client

    _wrappers.add(create_client)
    return create_client


#: Every wrapper of ours; others may have put theirs around one of them.
_wrappers: weakref.WeakSet[Any] = weakref.WeakSet()


def _wrap() -> None:
    """Put a wrapper around the method, unless one of ours is there already."""
    made: Any = botocore.session.Session
    found: Any = made.create_client
    while found is not None and found not in _wrappers:
        found = getattr(found, "__wrapped__", None)
    if found is None:
        made.create_client = _create_client(made.create_client)


def _unwrap() -> None:
    """Take our wrapper off; one that others have wrapped stays, and does nothing."""
    made: Any = botocore.session.Session
    if made.create_client in _wrappers:
        made.create_client = made.create_client.__wrapped__
