"""Who stands between a client and the network and may answer in place of AWS.

A test that stubs its SES client must never send real mail, so such a client gets all of its
calls, whatever the split says. Stubber and ``BaseClient._make_api_call`` come before our
hooks anyway; this module looks at everything between our hooks and the socket.

Tools that watch a program in production patch the same functions as tests do. They are told
apart by what they show: a wrapper says what it wraps (``__wrapped__``, as functools.wraps
and wrapt set it), a stub does not.
"""

from __future__ import annotations

import http.client
import logging
import socket
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import urllib3.connection
import urllib3.connectionpool
from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.client import BaseClient
from botocore.endpoint import Endpoint
from botocore.httpsession import URLLib3Session

logger = logging.getLogger("mailbalance")

#: Where a request passes after our hooks, from the client down to the connection.
_ENDPOINT = (
    "make_request", "_send_request", "_get_response", "_do_get_response", "_send",
)  # fmt: skip
_POOL = ("urlopen", "_make_request", "_get_conn", "ConnectionCls")
_CONNECTION = (
    "connect", "request", "putrequest", "endheaders", "send", "_send_output",
    "getresponse",
)  # fmt: skip
_WAY: tuple[tuple[type, tuple[str, ...]], ...] = (
    (BaseClient, ("_make_request",)),
    (Endpoint, _ENDPOINT),
    (URLLib3Session, ("send",)),
    (AWSHTTPConnectionPool, _POOL),
    (AWSHTTPSConnectionPool, _POOL),
    (AWSHTTPConnection, _CONNECTION),
    (AWSHTTPSConnection, _CONNECTION),
    # What the two above call by super().
    (urllib3.connection.HTTPConnection, _CONNECTION),
    (http.client.HTTPConnection, _CONNECTION),
)

#: Packages whose own functions are what a plain client runs.
_GENUINE = frozenset({"botocore", "urllib3", "http", "socket"})
#: Packages that patch without saying what they wrap, and answer nothing: monitoring,
#: green threads, proxies, and a guard that lets nobody out, Mailtrap's share included.
_HARMLESS = _GENUINE | {"sentry_sdk", "gevent", "eventlet", "socks", "pytest_socket"}
#: Packages whose hooks of ``before-send`` need not be asked; moto says when it is on.
_SILENT_HOOKS = _HARMLESS | {"moto"}
#: More wrappers around one function than anybody has.
_DEEPEST = 32

#: Owner, name, and the value last found harmless: comparing costs next to nothing.
_known: list[tuple[Any, str, Any]] = [
    *((owner, name, getattr(owner, name)) for owner, names in _WAY for name in names),
    (socket, "socket", socket.socket),
]
#: Reasons that were logged.
_told: set[str] = set()


def stub_of(client: Any) -> str:
    """Say who answers this client's requests in place of AWS; ``""`` when nobody does.

    Hooks of ``before-send`` that are not moto's are not among them: only a request tells
    whether they answer (``OwnClient.is_answered``).
    """
    if _moto_is_on():
        return "moto"
    found = _patched_class() or _patched_object(client)
    if found and found not in _told:
        _told.add(found)
        logger.warning(
            "%s is patched by something that does not say what it wraps, so all calls of "
            "this SES client are left to it, and the split does not apply",
            found,
        )
    return found


def has_foreign_hooks(client: Any, event: str) -> bool:
    """Say whether hooks of ``before-send`` other than moto's wait for an event."""
    emitter = client.meta.events._emitter
    hooks = emitter._lookup_cache.get(event)
    if hooks is None:
        hooks = emitter._handlers.prefix_search(event)
    return any(_package(hook) not in _SILENT_HOOKS for hook in hooks)


def make_request_is_wrapped() -> bool:
    """Say whether somebody watches ``Endpoint.make_request``, as New Relic does."""
    owner: Any = Endpoint
    return not all(
        type(each) is FunctionType and _package(each) in _GENUINE
        for each in (owner.make_request, owner._send_request)
    )


def _moto_is_on() -> bool:
    models = sys.modules.get("moto.core.models")
    return bool(getattr(getattr(models, "botocore_stubber", None), "enabled", False))


def _patched_class() -> str:
    for at, (owner, name, known) in enumerate(_known):
        value = getattr(owner, name, None)
        if value is known:
            continue
        if not _is_harmless(value):
            return f"{getattr(owner, '__qualname__', owner.__name__)}.{name}"
        _known[at] = owner, name, value
    return ""


def _patched_object(client: Any) -> str:
    endpoint = client._endpoint
    if "_make_request" in vars(client) or type(endpoint) is not Endpoint:
        return f"{type(client).__name__}._make_request"
    if not vars(endpoint).keys().isdisjoint(_ENDPOINT):
        return "the client's endpoint"
    session = endpoint.http_session
    if type(session) is not URLLib3Session or "send" in vars(session):
        return "the client's HTTP session"
    return ""


def _is_harmless(value: Any) -> bool:
    return any(_package(each) in _HARMLESS for each in _layers(value))


def _layers(value: Any) -> Iterator[Any]:
    """Give a callable, what it wraps, what that wraps, and so on."""
    for _ in range(_DEEPEST):
        if value is None:
            return
        yield value
        value = getattr(value, "__wrapped__", None)


def _package(value: Any) -> str:
    """Name the package that a callable's code comes from, whatever it says of itself."""
    value = getattr(value, "__func__", value)
    if type(value) is FunctionType:
        module = value.__globals__.get("__name__") or ""
    else:
        module = (value if issubclass(type(value), type) else type(value)).__module__
    return str(module).partition(".")[0]
