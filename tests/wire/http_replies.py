"""Every status an API can answer with, in seven shapes, and what it must come to.

The rules are written from RFC 9110 section 15 and from what the providers promise (SES: a
``MessageId``; Mailtrap: ``success: true``), not from the library's tables. They know
statuses and shapes only; what a provider's own codes and words change has tests elsewhere.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias, get_args

import pytest

from mailbalance.backend import Receipt
from mailbalance.backends.mailtrap import MailtrapBackend
from mailbalance.backends.ses import SesBackend
from mailbalance.errors import (
    DeliveryError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
    UnsuitableError,
)
from mailbalance.wire.http import HttpResponse, HttpWire
from tests.wire.certainty import Figures, sampled
from tests.wire.cutting import HOWS, TIMEOUT, How
from tests.wire.http_cuts import ENVELOPES, MESSAGES, WAYS, Way, backend_of, new_backend
from tests.wire.http_submission import (
    REFUSAL,
    SUCCESS,
    Api,
    HttpSubmission,
    Script,
    chunked,
    sized,
)
from tests.wire.live_cuts import Server as LiveServer
from tests.wire.memory import MemoryLoop, Network, installed
from tests.wire.smtp_peer import CERTIFICATE

Shape = Literal["empty", "success", "error", "html", "cut", "wrong types", "huge"]

Door: TypeAlias = "SesBackend | MailtrapBackend"

APIS: tuple[Api, ...] = get_args(Api)
SHAPES: tuple[Shape, ...] = get_args(Shape)
STATUSES = range(100, 600)

WRONG = {
    "ses": b'{"MessageId": {"is": ["no", "text"]}}',
    "mailtrap": b'{"success": "true", "message_ids": 7}',
}
HTML = b"<html><body><h1>Oh no</h1></body></html>"
HUGE = b'{"filler": "' + b"x" * (1 << 20) + b'"}'

MISUNDERSTOOD = {
    *range(300, 400), 404, 405, 406, 410, 411, 412, 414, 415, 416, 417, 421, 426, 428, 431,
    501, 505,
}  # fmt: skip
NOT_US = {401, 402, 403, 407, 451, 511}
LATER = {408, 409, 425, 503}

#: The 5xx that do not leave open whether the message was taken.
CLEAR = {501, 503, 505, 511}

#: Replies that end with their headers (RFC 9110 section 6.4.1).
BODILESS = {204, 304}


def expected(api: Api, status: int, shape: Shape) -> type[DeliveryError] | None:
    """Give the error that a reply must become; ``None`` if the message is accepted."""
    if status == 200 and shape == "success":
        return None
    if status < 300 or (status >= 500 and status not in CLEAR):
        # Success, or no end, but not as it is promised; or whatever else it says.
        return UnknownOutcomeError
    if status == 429:
        return ThrottledError
    if api == "ses" and shape == "error":
        return RejectedError  # SES's own code says that it is the message
    if status in MISUNDERSTOOD | NOT_US:
        return UnavailableError
    if status in LATER:
        return TransientError
    if status == 413:
        return UnsuitableError
    return RejectedError


def body(api: Api, shape: Shape) -> bytes:
    return {
        "empty": b"",
        "success": SUCCESS[api],
        "error": REFUSAL[api],
        "html": HTML,
        "cut": SUCCESS[api][:-3],
        "wrong types": WRONG[api],
        "huge": HUGE,
    }[shape]


@dataclass(frozen=True)
class Case:
    """One reply."""

    api: Api
    status: int
    shape: Shape
    how: How = "sync"
    way: Way = "direct"


def judged(statuses: Iterable[int] = STATUSES) -> Figures:
    """Have the backends judge replies without a wire."""
    found = Figures()
    with pytest.MonkeyPatch.context() as patch, found.timed():
        for api, status, shape in product(APIS, statuses, SHAPES):
            reply = HttpResponse(status, {}, body(api, shape))
            patch.setattr(HttpWire, "post", lambda *_, reply=reply, **__: reply)
            case = Case(api, status, shape)
            result = _attempt(case)
            found.add(case, _outcome(result), _complaints(case, result))
    return found


def _carriable(hows: Iterable[How], ways: Iterable[Way]) -> Iterator[Case]:
    """Give every reply that a wire can carry."""
    statuses = range(200, 600)
    for how, way, api, status, shape in product(hows, ways, APIS, statuses, SHAPES):
        if shape == "empty" or status not in BODILESS:
            yield Case(api, status, shape, how, way)


def carried(
    count: int | None, hows: Iterable[How] = HOWS, ways: Sequence[Way] = WAYS
) -> Figures:
    """Have some of the replies come over the whole wire, in one piece or in chunks."""
    every = list(_carriable(hows, ways))
    found = Figures()
    with installed() as place, found.timed():
        loop = MemoryLoop()
        try:
            for case in sampled(every, count):
                network = Network(_serving(case), now=place.network.now)
                place.network = loop.network = network
                if case.how == "sync":
                    result = _attempt(case)
                    backend_of(case.api, case.way).close()
                else:
                    result = loop.run_until_complete(_aattempt(case))
                broken = [*_complaints(case, result), *_leaks(network)]
                found.add(case, _outcome(result), broken)
        finally:
            loop.close()
    return found


def over_sockets(count: int, how: How, ca: str) -> Figures:
    """Have some of the replies come over real sockets and TLS."""
    every = list(_carriable([how], ["direct"]))
    network = Network(HttpSubmission)  # type: ignore[arg-type]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    found = Figures()
    with (
        LiveServer(network, context) as server,
        asyncio.Runner() as runner,
        found.timed(),
    ):
        base = f"https://127.0.0.1:{server.port}"
        doors = {api: new_backend(api, base, ca=ca) for api in APIS}
        for case in sampled(every, count):
            network.dialled = _serving(case)
            door = doors[case.api]
            if how == "sync":
                result = _attempt(case, door)
                door.close()
            else:
                result = runner.run(_aattempt(case, door))
            found.add(case, _outcome(result), _complaints(case, result))
    return found


def _serving(case: Case) -> Callable[[], HttpSubmission]:
    def reply(api: Api) -> bytes:
        said = body(api, case.shape)
        framed = chunked if said and case.status % 2 else sized
        return framed(case.status, said)

    return lambda: HttpSubmission(case.api, lambda: Script(True, reply))


def _leaks(network: Network) -> Iterator[str]:
    yield from (f"line {at} was left open" for at in network.leaked)


def _outcome(result: Receipt | Exception) -> str:
    return getattr(result, "outcome", "escaped")


def _complaints(case: Case, result: Receipt | Exception) -> Iterator[str]:
    wanted = expected(case.api, case.status, case.shape)
    found = None if isinstance(result, Receipt) else type(result)
    if found is not wanted:
        yield f"{found and found.__name__}, not {wanted and wanted.__name__}: {result}"
    if isinstance(result, DeliveryError) and len(str(result)) > 1000:
        yield f"it says {len(str(result))} characters"


def _attempt(case: Case, door: Door | None = None) -> Receipt | Exception:
    backend = door or backend_of(case.api, case.way)
    try:
        return backend.send(MESSAGES["test"], ENVELOPES["test"], timeout=TIMEOUT)
    except Exception as error:  # noqa: BLE001 - whatever escapes is judged
        return error


async def _aattempt(case: Case, door: Door | None = None) -> Receipt | Exception:
    backend = door or backend_of(case.api, case.way)
    try:
        return await backend.asend(MESSAGES["test"], ENVELOPES["test"], timeout=TIMEOUT)
    except Exception as error:  # noqa: BLE001 - whatever escapes is judged
        return error
    finally:
        await backend.aclose()
        await asyncio.sleep(0)
