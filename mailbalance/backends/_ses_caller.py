"""Calls of SES's v2 API: signed, with keys fetched anew once when they have expired.

What lives here: ``Call``, and ``SesCaller``, which joins endpoint, keys, signature and
wire. What must not: what a call says or what its reply means.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from mailbalance.backends import _http
from mailbalance.backends._ses_errors import EXPIRED
from mailbalance.errors import UnavailableError
from mailbalance.fork_lock import ForkLock
from mailbalance.wire.http import HttpRequest, HttpResponse, HttpWire
from mailbalance.wire.net.deadline import Deadline
from mailbalance.wire.sigv4 import Keys, Signer

if TYPE_CHECKING:
    from mailbalance.wire.aws import AwsChain

T = TypeVar("T")


@dataclass(slots=True)
class Call(Generic[T]):
    """One call.

    Attributes:
        method: ``POST`` for what sends mail, ``GET`` for what commits nothing.
        path: Its path.
        read: Makes a value of the reply, or raises.
        body: The exact bytes of its body, in pieces if it is large.
    """

    method: Literal["POST", "GET"]
    path: str
    read: Callable[[HttpResponse, Keys], T] = field(repr=False)
    body: bytes | tuple[bytes, ...] = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Door:
    """Where requests go, once that is known, and who signs them, for each path."""

    base: str
    region: str
    wire: HttpWire
    signers: dict[str, Signer] = field(default_factory=dict)


class SesCaller:
    """Makes calls in the name of one backend.

    Args:
        backend: The name that errors carry.
        aws: Knows keys, region and endpoint.
        new_wire: Makes the wire when the first call needs it.
    """

    def __init__(
        self, backend: str, aws: AwsChain, new_wire: Callable[[], HttpWire]
    ) -> None:
        self.backend = backend
        self._aws = aws
        self._new_wire = new_wire
        self._lock = ForkLock()
        self.opened: Door | None = None

    def door(self) -> Door:
        """Find out, once, where requests go.

        Raises:
            UnavailableError: When that is not configured, or not to be used.
        """
        if self.opened is None:
            with self._lock.held():
                if self.opened is None:
                    self.opened = self._open()
        return self.opened

    def ask(self, call: Call[T], timeout: float) -> T:
        """Make a call.

        Raises:
            DeliveryError: As the wire does, or as ``call.read`` judges.
        """
        aws = self._aws
        deadline = Deadline(timeout, commits=call.method != "GET")
        door = self.opened or self._opened(deadline)
        keys = aws.given or aws.at_hand() or aws.keys(timeout=deadline.opening())
        hand_over = door.wire.get if call.method == "GET" else door.wire.post
        try:
            request = self.request(door, call, keys)
            return call.read(hand_over(request, timeout=deadline), keys)
        except UnavailableError as error:
            self._forget(keys, error, deadline)
            fresh = aws.keys(timeout=deadline.opening())
            if fresh == keys:
                raise
        request = self.request(door, call, fresh)
        return call.read(hand_over(request, timeout=deadline), fresh)

    async def aask(self, call: Call[T], timeout: float) -> T:
        """Async version of ``ask``."""
        aws = self._aws
        deadline = Deadline(timeout, commits=call.method != "GET")
        door = self.opened or await self._aopened(deadline)
        hand_over = door.wire.aget if call.method == "GET" else door.wire.apost
        keys = aws.given or aws.at_hand()
        if keys is None:
            keys = await aws.akeys(timeout=deadline.opening())
        try:
            request = self.request(door, call, keys)
            reply = await hand_over(request, timeout=deadline)
            return call.read(reply, keys)
        except UnavailableError as error:
            self._forget(keys, error, deadline)
            fresh = await aws.akeys(timeout=deadline.opening())
            if fresh == keys:
                raise
        request = self.request(door, call, fresh)
        reply = await hand_over(request, timeout=deadline)
        return call.read(reply, fresh)

    def request(self, door: Door, call: Call[T], keys: Keys) -> HttpRequest:
        """Give the signed request of a call."""
        signer = door.signers.get(call.path)
        if signer is None:
            signer = door.signers[call.path] = Signer(
                door.base + call.path,
                {"Content-Type": "application/json"} if call.body else {},
                method=call.method,
                region=door.region,
            )
        headers = signer.sign(call.body, keys, int(time.time()))
        return HttpRequest(call.method, signer.url, headers, call.body)

    def _forget(self, keys: Keys, error: UnavailableError, deadline: Deadline) -> None:
        """Make room for new keys after an error that new keys can fix, else raise it."""
        if error.code not in EXPIRED:
            raise error
        self._aws.forget(keys)
        deadline.open_again()

    def _opened(self, deadline: Deadline) -> Door:
        """Find out where requests go, which reads files, and botocore takes its time."""
        if self._aws.answers_at_once:
            return self.door()
        return self._aws.within(deadline.opening(), self.door)

    async def _aopened(self, deadline: Deadline) -> Door:
        """Async version of ``_opened``."""
        if self._aws.answers_at_once:
            return self.door()
        return await self._aws.awithin(deadline.opening(), self.door)

    def _open(self) -> Door:
        base = self._aws.endpoint()
        problem = _http.plaintext_problem(base, "the endpoint for SES")
        if problem is not None:
            raise UnavailableError(problem, backend=self.backend, phase="connect")
        return Door(base, self._aws.region(), self._new_wire())
