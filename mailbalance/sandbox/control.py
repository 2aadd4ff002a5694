"""The control door: what arrived, as JSON, and faults on demand.

What lives here: HTTP routes over the box. What must not: HTML (a message is never shown
as a page here), or anything that sends mail on.

A web page in the user's browser must not get at it: the Host header must name this
machine (DNS rebinding), a change from another origin is refused, and a change needs a
JSON content type, which a plain form cannot send.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailbalance.sandbox.faults import Fault
from mailbalance.sandbox.http import App, Receive, Scope, Send
from mailbalance.sandbox.store import DOORS, Counts, Door, Stored

if TYPE_CHECKING:
    from mailbalance.sandbox.server import Sandbox

#: Bytes of the largest request to this door.
MAX_BODY = 65536
#: Messages in one listing.
MAX_LISTING = 1000


def control_app(box: Sandbox) -> App:
    """Make the application for one box."""
    routes = Routes(box)
    app = Starlette(
        routes=[
            Route("/", routes.index),
            Route("/messages", routes.messages, methods=["GET"]),
            Route("/messages", routes.clear, methods=["DELETE"]),
            Route("/messages/{number}", routes.message),
            Route("/messages/{number}/raw", routes.raw),
            Route("/counts", routes.counts),
            Route("/duplicates", routes.duplicates),
            Route("/faults", routes.faults, methods=["GET"]),
            Route("/faults", routes.add_fault, methods=["POST"]),
            Route("/faults", routes.heal, methods=["DELETE"]),
        ],
        exception_handlers={HTTPException: _as_json_error},
    )
    return LocalOnly(app)


#: Digits of the number of a message; there are never so many.
_DIGITS = 18


class LocalOnly:
    """Refuses what a foreign web page could send."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403."""
        headers = {
            k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]
        }
        port = scope["server"][1]
        hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        origins = {None, *(f"http://{host}" for host in hosts)}
        if headers.get("host") not in hosts:
            refusal = _reply({"error": "unknown Host"}, status=403)
            await refusal(scope, receive, send)
        elif headers.get("origin") not in origins:
            refusal = _reply({"error": "foreign Origin"}, status=403)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class Routes:
    """The answers of the control door."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box

    async def index(self, _: Request) -> Response:
        """Where everything is."""
        return _reply(
            {
                "doors": self._box.urls(),
                "ca_file": str(self._box.ca_file),
                "control": ["/messages", "/counts", "/duplicates", "/faults"],
            }
        )

    async def messages(self, request: Request) -> Response:
        """A page of messages, newest last, without their bodies."""
        query = request.query_params
        found = self._box.messages(_wanted_door(request))
        offset, limit = _number(query, "offset", 0), _number(query, "limit", 100)
        page = found[offset : offset + min(limit, MAX_LISTING)]
        shown = [summary(message) for message in page]
        return _reply({"total": len(found), "messages": shown})

    async def message(self, request: Request) -> Response:
        """One message with everything parsed from it."""
        stored = self._stored(request)
        return _reply(summary(stored) | {"parsed": dataclasses.asdict(stored.parsed)})

    async def raw(self, request: Request) -> Response:
        """What came over the wire; never to be shown as a page."""
        stored = self._stored(request)
        headers = {
            "content-disposition": f'attachment; filename="{stored.id}.txt"',
            "content-security-policy": "sandbox; default-src 'none'",
            "x-content-type-options": "nosniff",
        }
        return Response(stored.raw, media_type="text/plain", headers=headers)

    async def counts(self, _: Request) -> Response:
        """The counts of every door."""
        counts = self._box.counts()
        return _reply({door: counted(c) for door, c in counts.items()})

    async def duplicates(self, _: Request) -> Response:
        """The same messages accepted more than once for the same recipient."""
        return _reply(dict(self._box.duplicates()))

    async def clear(self, _: Request) -> Response:
        """Forget messages and counts."""
        self._box.clear()
        return Response(status_code=204)

    async def faults(self, _: Request) -> Response:
        """The faults in force."""
        listing = self._box.faults.listing()
        return _reply(
            {
                door: [dataclasses.asdict(f) for f in found]
                for door, found in listing.items()
            }
        )

    async def add_fault(self, request: Request) -> Response:
        """Put a fault on a door: ``{"door": ..., "kind": ..., "count": ...}``."""
        kind = request.headers.get("content-type", "").partition(";")[0]
        if kind.strip().lower() != "application/json":
            raise HTTPException(415, "send application/json")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise HTTPException(413, "too large")
        try:
            wanted = json.loads(body)
            door = _door(str(wanted.pop("door")))
            fault = Fault(**wanted)
        except RecursionError:
            raise HTTPException(400, "not a fault: nested too deeply") from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise HTTPException(400, f"not a fault: {error}") from error
        self._box.faults.add(door, fault)
        await self._box.follow_faults()
        return Response(status_code=204)

    async def heal(self, request: Request) -> Response:
        """Take faults away, from ``?door=`` or from every door."""
        self._box.faults.heal(_wanted_door(request))
        await self._box.follow_faults()
        return Response(status_code=204)

    def _stored(self, request: Request) -> Stored:
        # Not Starlette's own ``int``, which fails on more digits than Python reads.
        text = request.path_params["number"]
        is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
        stored = self._box.message(int(text)) if is_number else None
        if stored is None:
            raise HTTPException(404, "no such message, or not kept any more")
        return stored


def summary(stored: Stored) -> dict[str, Any]:
    """A message as JSON, without its content."""
    return {
        "id": stored.id,
        "door": stored.door,
        "provider": stored.provider,
        "received_at": stored.received_at.isoformat(),
        "answered": stored.answered,
        "sender": stored.sender,
        "recipients": list(stored.recipients),
        "provider_ids": list(stored.provider_ids),
        "identity": stored.identity,
        "size": len(stored.raw),
        "subject": stored.parsed.subject,
    }


def counted(counts: Counts) -> dict[str, int]:
    """The counts of a door as JSON."""
    return dataclasses.asdict(counts) | {"answered": counts.answered}


def as_text(value: object) -> str:
    """JSON in ASCII, so that half a surrogate pair in a message cannot break it."""
    return json.dumps(value, separators=(",", ":"))


def _reply(value: object, *, status: int = 200) -> Response:
    return Response(as_text(value), status, media_type="application/json")


def _door(name: str) -> Door:
    for door in DOORS:
        if door == name:
            return door
    raise HTTPException(400, f"unknown door; there are {', '.join(DOORS)}")


def _wanted_door(request: Request) -> Door | None:
    name = request.query_params.get("door")
    return None if name is None else _door(name)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        raise HTTPException(400, f"{name} must be a number")
    return int(text[:9])


async def _as_json_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "failed"
    return _reply({"error": detail}, status=status)
