"""Every decision about a message that has a key: who sends it, and what the others get.

What lives here: ``Claiming``. What must not: waiting, a store, or sending; drivers in
``keyed`` do these.

How to read it: ``steps()`` is a generator, as ``delivery.plan()`` is. It yields what to do,
as a function of the ``Hands`` that do it, is sent what came of it, and is thrown what that
raised, an interruption included. It ends with the receipt, or raises what the caller gets.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any, TypeAlias

from mailbalance import events
from mailbalance.backend import Receipt
from mailbalance.errors import (
    DeliveryError,
    KeyConflictError,
    MailError,
    UnknownOutcomeError,
)
from mailbalance.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from mailbalance.backend import Answer, Attempt
    from mailbalance.keys import Claim, End
    from mailbalance.message import Envelope, Message
    from mailbalance.retry import RetryPolicy

#: Seconds between two looks at a key that another send has: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.25

#: Seconds past the policy's time-out after which a send that told nothing is given up.
GRACE = 60.0

_CONFLICT = (
    "key: was used for another message; nothing was sent. Give each message a key of its "
    "own, and the same content whenever it is sent again"
)
_STILL = "another send with this key is still under way; this one sent nothing"
_LAPSED = "an earlier send with this key never told its end; this one sent nothing"


@dataclass(frozen=True, slots=True)
class Hands:
    """What a driver can do; the async one's functions give awaitables."""

    claim: Callable[..., Any]
    settle: Callable[..., Any]
    release: Callable[..., Any]
    wait: Callable[[float], Any]
    deliver: Callable[[Envelope], Any]


Act: TypeAlias = "Callable[[Hands], Any]"
Acts: TypeAlias = "Generator[Act, Any, None]"


class Claiming:
    """One send of a message with a key.

    Attributes:
        attempts: Set by the driver once the message was routed: every attempt so far.
        heard: Set by the driver as soon as it is known what became of the message.
    """

    def __init__(
        self,
        message: Message,
        envelope: Envelope,
        policy: RetryPolicy,
        clock: Callable[[], float],
    ) -> None:
        self._message = message
        self._envelope = envelope
        self._policy = policy
        self._clock = clock
        self._key = message.key or ""
        self._fingerprint = fingerprint(message, envelope)
        self._token = token_hex(16)
        self.attempts: Sequence[Attempt] | None = None
        self.heard: Answer | None = None

    def steps(self) -> Generator[Act, Any, Receipt]:
        """Decide, one step at a time."""
        before = yield from self._claim()
        if isinstance(before, Receipt):
            return before
        receipt: Receipt
        try:
            envelope = _for_the_rest(self._envelope, before)
            receipt = yield lambda hands: hands.deliver(envelope)
        except GeneratorExit:
            raise
        except BaseException as error:
            yield from self._failed(error, before)
            raise
        receipt = _after(before, receipt)
        yield from self._settle(receipt)
        return receipt

    def unknown(self, detail: str, phase: str = "key") -> UnknownOutcomeError:
        """Make the error that says: nobody can know."""
        error = UnknownOutcomeError(detail, phase=phase)
        stamp = self._message.stamp()
        error.message_id, error.mailbalance_id = stamp.message_id, stamp.id
        return error

    def _claim(self) -> Generator[Act, Any, End | None]:
        """Get the key, or the end of the send that had it.

        Returns:
            ``None`` when the key is ours; the receipt of the earlier send; or, when the
            key is ours in spite of it, the unknown outcome of an earlier one.
        """
        ends, pause = self._clock() + self._policy.timeout, FIRST_PAUSE
        before: UnknownOutcomeError | None = None
        over: str | None = None
        while True:
            claim = yield from self._ask(over, before)
            if claim.token == self._token:
                return before
            if claim.fingerprint != self._fingerprint:
                raise KeyConflictError(_CONFLICT)
            if isinstance(claim.end, Receipt):
                return claim.end
            if claim.end is None and not claim.lapsed:
                before = over = None
                yield from self._wait(min(pause, ends - self._clock()))
                pause = min(pause * 1.5, LONGEST_PAUSE)
                continue
            before, over = self._unknown_before(claim.end), claim.token

    def _ask(
        self, over: str | None, before: UnknownOutcomeError | None
    ) -> Generator[Act, Any, Claim]:
        """Ask for the key; whatever interrupts that leaves no claim behind."""
        lease = self._policy.timeout + GRACE
        claim: Claim
        try:
            claim = yield lambda hands: hands.claim(
                self._key, self._fingerprint, self._token, lease=lease, over=over
            )
        except GeneratorExit:
            raise
        except BaseException:
            yield from self._give_back(before)
            raise
        return claim

    def _wait(self, pause: float) -> Acts:
        if pause <= 0:
            raise self.unknown(_STILL)
        yield lambda hands: hands.wait(pause)

    def _unknown_before(self, end: UnknownOutcomeError | None) -> UnknownOutcomeError:
        """Give the unknown outcome of an earlier send, or raise it, as the policy says."""
        error = self.unknown(_LAPSED) if end is None else again(end)
        if self._policy.unknown != "retry":
            raise error
        return error

    def _failed(self, error: BaseException, before: UnknownOutcomeError | None) -> Acts:
        """Give the key back, or keep with it what nobody can know."""
        if isinstance(self.heard, Receipt):  # broken off when it had been accepted
            yield from self._settle(_after(before, self.heard))
            return
        end = self._unknown_of(error)
        if end is None:
            yield from self._give_back(before)
            if before is not None and isinstance(error, DeliveryError):
                raise before from error
            return
        if before is not None:
            end.accepted = (*before.accepted, *end.accepted)
        yield from self._settle(again(end))

    def _unknown_of(self, error: BaseException) -> UnknownOutcomeError | None:
        """Give the unknown outcome that an exception means, if it does mean one."""
        for told in (error, self.heard):
            if isinstance(told, UnknownOutcomeError):
                return told
        if isinstance(error, DeliveryError) or self.attempts is None:
            return None
        # A mistake found while a request is built was not sent, but a try before it may
        # have been. Anything else may have struck at any moment.
        refuted = all(each.outcome == "not_accepted" for each in self.attempts)
        if refuted and isinstance(error, MailError):
            return None
        return self.unknown(f"broken off by {type(error).__name__}", "send")

    def _give_back(self, before: UnknownOutcomeError | None) -> Acts:
        """Free the key; but what was unknown before stays so, if nothing was accepted."""
        if before is not None:
            yield from self._settle(again(before))
            return
        yield from _record(lambda hands: hands.release(self._key, self._token))

    def _settle(self, end: End) -> Acts:
        yield from _record(lambda hands: hands.settle(self._key, self._token, end))


def _record(act: Act) -> Acts:
    """Tell the store; a failure of it does not change what became of the message."""
    try:
        yield act
    except Exception:  # noqa: BLE001 - a store is foreign code
        why = "a key store failed; the key stays claimed until it lapses"
        events.write(logging.ERROR, why, failed=True)


def again(error: UnknownOutcomeError) -> UnknownOutcomeError:
    """Give the same facts as a new exception: raising one adds to it, and keeps frames."""
    copied = copy.copy(error)
    if notes := getattr(error, "__notes__", ()):
        copied.__notes__ = list(notes)
    return copied


def _for_the_rest(envelope: Envelope, before: UnknownOutcomeError | None) -> Envelope:
    """Leave out who has the message already."""
    if before is None or not before.accepted:
        return envelope
    return envelope.only(a for a in envelope.recipients if a not in before.accepted)


def _after(before: UnknownOutcomeError | None, receipt: Receipt) -> Receipt:
    """Add to a receipt what came before it."""
    if before is None:
        return receipt
    accepted = (*before.accepted, *receipt.accepted)
    return replace(receipt, accepted=accepted, possible_duplicate=True)
