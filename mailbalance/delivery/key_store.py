"""Which keys were used, and what became of them: so that a second send sends nothing."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from mailbalance.errors import ConfigError
from mailbalance.fork_lock import ForkLock

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbalance.backend import Receipt
    from mailbalance.errors import UnknownOutcomeError

#: How a send with a key ended, as far as it is kept: a message that was provably not
#: accepted leaves nothing behind.
End: TypeAlias = "Receipt | UnknownOutcomeError"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a store knows of a key: whose it is, for what content, and how that ended.

    Attributes:
        token: Names the one send that claimed the key.
        fingerprint: Of the content it was claimed for.
        end: What became of it; ``None`` while that send is under way.
        lapsed: Whether that send ought to have ended long ago and never told. Nobody can
            know then whether the message was accepted.
    """

    token: str
    fingerprint: str
    end: End | None = None
    lapsed: bool = False


@runtime_checkable
class KeyStore(Protocol):
    """Remembers keys; each of its operations must be atomic.

    A key is free, claimed, or settled with an end. A claim lasts for its lease and has
    then lapsed, unsettled. A settled or lapsed claim is forgotten after a while that the
    store decides. An end can be pickled. What ``claim`` raises reaches the caller of
    ``send``; then nothing was sent.
    """

    def claim(
        self,
        key: str,
        fingerprint: str,
        token: str,
        *,
        lease: float,
        over: str | None = None,
    ) -> Claim:
        """Claim a free key, or tell what is known of it.

        Args:
            key: The key.
            fingerprint: Of the content to be sent.
            token: Names the send; drawn anew for every send.
            lease: Seconds after which the claim lapses.
            over: The token of an ended or lapsed claim to take the place of; if the key
                has another one by now, this changes nothing.

        Returns:
            The claim that the key has now: the caller's own if it bears its token.
        """
        ...

    def settle(self, key: str, token: str, end: End) -> None:
        """Keep the end of a send, if the key is still claimed with its token."""
        ...

    def release(self, key: str, token: str) -> None:
        """Free the key, if it is still claimed with this token."""
        ...

    def forget(self, key: str) -> bool:
        """Free a key whose send is not under way; say whether there was one."""
        ...

    async def aclaim(
        self,
        key: str,
        fingerprint: str,
        token: str,
        *,
        lease: float,
        over: str | None = None,
    ) -> Claim:
        """Do as ``claim`` does, without blocking the event loop."""
        ...

    async def asettle(self, key: str, token: str, end: End) -> None:
        """Do as ``settle`` does, without blocking the event loop."""
        ...

    async def arelease(self, key: str, token: str) -> None:
        """Do as ``release`` does, without blocking the event loop."""
        ...

    async def aforget(self, key: str) -> bool:
        """Do as ``forget`` does, without blocking the event loop."""
        ...


class MemoryKeys:
    """Remembers the keys of one process; safe for threads, tasks and forks.

    A forked child starts with what was settled before the fork. What was under way there
    has lapsed for the child: how it ends is told to the parent only.

    Args:
        window: Seconds for which an end is remembered. Default a day.
        most: How many keys are remembered; beyond it those settled longest ago go first,
            and never one whose send is under way.
        clock: Monotonic time in seconds.

    Raises:
        ConfigError: For a window that is no number above 0, or a ``most`` below 1.
    """

    def __init__(
        self,
        window: float = 86_400.0,
        most: int = 100_000,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if problems := list(_problems(window, most)):
            raise ConfigError(problems)
        self.window = window
        self.most = most
        self._clock = clock
        self._lock = ForkLock()
        # Each key is in one of them, but for a moment in both, so that a fork at that
        # moment loses nothing. Values are replaced and never changed, for the same reason.
        self._claimed: OrderedDict[str, tuple[Claim, float, int]] = OrderedDict()
        self._ended: OrderedDict[str, tuple[Claim, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._claimed) + len(self._ended)

    def __bool__(self) -> bool:
        return True  # an empty store is a store

    def __repr__(self) -> str:
        return f"<MemoryKeys {len(self._ended)} kept, {len(self._claimed)} under way>"

    def claim(
        self,
        key: str,
        fingerprint: str,
        token: str,
        *,
        lease: float,
        over: str | None = None,
    ) -> Claim:
        """Claim a free key, or tell what is known of it; see ``KeyStore``."""
        with self._lock.held():
            now = self._clock()
            self._tidy(now)
            found = self._find(key, now)
            if found is not None and found.token != over:
                return found
            mine = Claim(token, fingerprint)
            self._claimed[key] = mine, now + lease, os.getpid()
            self._claimed.move_to_end(key)
            self._ended.pop(key, None)
            while len(self) > self.most and self._ended:
                self._ended.popitem(last=False)
            return mine

    def settle(self, key: str, token: str, end: End) -> None:
        """Keep the end of a send, if the key is still claimed with its token."""
        with self._lock.held():
            now = self._clock()
            if found := self._claim_of(key, token, now):
                self._keep(key, replace(found, end=end, lapsed=False), now)

    def release(self, key: str, token: str) -> None:
        """Free the key, if it is still claimed with this token."""
        with self._lock.held():
            if self._claim_of(key, token, self._clock()):
                self._drop(key)

    def forget(self, key: str) -> bool:
        """Free a key whose send is not under way; say whether there was one.

        The way to send again after an unknown outcome was settled by hand.
        """
        with self._lock.held():
            found = self._find(key, self._clock())
            if found is None or (found.end is None and not found.lapsed):
                return False
            self._drop(key)
            return True

    async def aclaim(
        self,
        key: str,
        fingerprint: str,
        token: str,
        *,
        lease: float,
        over: str | None = None,
    ) -> Claim:
        """Do as ``claim`` does; it never blocks for long."""
        return self.claim(key, fingerprint, token, lease=lease, over=over)

    async def asettle(self, key: str, token: str, end: End) -> None:
        """Do as ``settle`` does."""
        self.settle(key, token, end)

    async def arelease(self, key: str, token: str) -> None:
        """Do as ``release`` does."""
        self.release(key, token)

    async def aforget(self, key: str) -> bool:
        """Do as ``forget`` does."""
        return self.forget(key)

    def _find(self, key: str, now: float) -> Claim | None:
        """Give what is known of a key and not yet out of the window."""
        if (held := self._claimed.get(key)) is not None:
            claim, until, process = held
            if now < until and process == os.getpid():
                return claim
            return replace(claim, lapsed=True) if now < until + self.window else None
        if (kept := self._ended.get(key)) is not None and now < kept[1]:
            return kept[0]
        return None

    def _claim_of(self, key: str, token: str, now: float) -> Claim | None:
        """Give the claim with this token, lapsed or not, that has no end yet."""
        found = self._find(key, now)
        unended = found is not None and found.token == token and found.end is None
        return found if unended else None

    def _keep(self, key: str, claim: Claim, since: float) -> None:
        self._ended[key] = claim, since + self.window
        self._ended.move_to_end(key)
        self._claimed.pop(key, None)

    def _drop(self, key: str) -> None:
        self._claimed.pop(key, None)
        self._ended.pop(key, None)

    def _tidy(self, now: float) -> None:
        """Forget what is out of the window, oldest first, and put lapsed claims aside."""
        process = os.getpid()
        while self._claimed:
            key, (claim, until, owner) = next(iter(self._claimed.items()))
            if now < until and owner == process:
                break
            self._keep(key, replace(claim, lapsed=True), until)
        while self._ended:
            key, (_, until) = next(iter(self._ended.items()))
            if now < until:
                break
            del self._ended[key]


def _problems(window: float, most: int) -> list[str]:
    problems = []
    if not 0 < window < inf:
        problems.append("keys: window must be a number of seconds above 0")
    if most < 1:
        problems.append("keys: most must be 1 or more")
    return problems
