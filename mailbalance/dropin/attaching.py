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

if TYPE_CHECKING:
    from mailbalance.mailer import Mailer

ClientT = TypeVar("ClientT")

SERVICES = frozenset({"ses", "sesv2"})

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
        strict: Whether to refuse, wherever a message is to go, what SES's server would
            refuse, with SES's code.

    Returns:
        The same client.

    Raises:
        TypeError: When it is no client of ``ses`` or ``sesv2``.
    """
    service = _service_of(client)
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
    return client


def detach(client: Any) -> None:
    """Take the mailer off a client; it then sends by itself again.

    Does nothing to a client that has none.
    """
    service, events = _service_of(client), client.meta.events
    events.unregister("before-call", unique_id=_ANSWER)
    events.unregister(f"before-parameter-build.{service}", unique_id=_REMEMBER)


def _service_of(client: Any) -> str:
    meta = getattr(client, "meta", None)
    model = getattr(meta, "service_model", None)
    return str(getattr(model, "service_name", ""))


@dataclass(eq=False)
class _Installation:
    """What one ``install`` or ``installed`` has set, and the clients it attached."""

    mailer: Mailer | None
    strict: bool
    clients: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)

    def end(self) -> None:
        """Detach what it attached."""
        for client in list(self.clients):
            detach(client)


#: The innermost is last; one list for the process.
_installations: list[_Installation] = []
_lock = threading.RLock()


def install(mailer: Mailer | None = None, *, strict: bool = True) -> None:
    """Attach to every SES client made from now on, by any session of boto3 or botocore.

    Call it once when the program starts, before the first client is made; clients made
    before are left as they are. Calling it again sets the mailer for later clients.

    Args:
        mailer: As for ``attach``.
        strict: As for ``attach``.
    """
    with _lock:
        if _installations:
            _installations[-1].mailer, _installations[-1].strict = mailer, strict
        else:
            _installations.append(_Installation(mailer, strict))
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


def _created(client: Any) -> None:
    """Attach to a client that was just made."""
    with _lock:
        if _installations and _service_of(client) in SERVICES:
            innermost = _installations[-1]
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
