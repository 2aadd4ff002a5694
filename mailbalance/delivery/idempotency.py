"""A message that has a key: who sends it, and what the others get.

``Claiming`` makes every decision. Its ``steps()`` is a generator, as ``delivery.plan`` is:
it yields what to do, as a function of the ``Hands`` that do it, is sent what came of it,
and is thrown what that raised, an interruption included. It ends with the receipt, or
raises what the caller gets. ``send`` and ``asend`` are its two drivers.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any, TypeAlias

from mailbalance import events
from mailbalance.backend import Receipt
from mailbalance.delivery.fingerprint import fingerprint
from mailbalance.errors import (
    DeliveryError,
    KeyConflictError,
    MailError,
    UnknownOutcomeError,
)
from mailbalance.later import Later

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator

    from mailbalance.backend import Answer, Attempt
    from mailbalance.delivery.key_store import Claim, End, KeyStore
    from mailbalance.delivery.retry import RetryPolicy
    from mailbalance.delivery.sender import Sender
    from mailbalance.message import Envelope, Message
else:
    asyncio = Later("asyncio", globals())

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
        attempts: Every attempt so far.
        begun: Set by the driver once the message is about to be routed.
        heard: Set by the driver as soon as it is known what became of the message.
        held: Whether the key may be ours and has not been told its end.
        before: The unknown outcome of an earlier send, in whose place this one is.
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
        self.attempts: list[Attempt] = []
        self.begun = False
        self.heard: Answer | None = None
        self.held = False
        self.before: UnknownOutcomeError | None = None

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

    def after(self, error: BaseException) -> Acts:
        """Tell the key its end, when an exception has ended the steps themselves.

        A signal handler may raise in them as well, and they go no further then.
        """
        yield from self._failed(error, self.before)

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
            self.held = False
            if claim.fingerprint != self._fingerprint:
                raise KeyConflictError(_CONFLICT)
            if isinstance(claim.end, Receipt):
                return claim.end
            if claim.end is None and not claim.lapsed:
                before = over = self.before = None
                yield from self._wait(min(pause, ends - self._clock()))
                pause = min(pause * 1.5, LONGEST_PAUSE)
                continue
            before = self.before = self._unknown_before(claim.end)
            over = claim.token

    def _ask(
        self, over: str | None, before: UnknownOutcomeError | None
    ) -> Generator[Act, Any, Claim]:
        """Ask for the key; whatever interrupts that leaves no claim behind."""
        lease = self._policy.timeout + GRACE
        claim: Claim
        self.held = True
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
        if isinstance(error, DeliveryError) or not self.begun:
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
        yield from self._record(lambda hands: hands.release(self._key, self._token))

    def _settle(self, end: End) -> Acts:
        yield from self._record(lambda hands: hands.settle(self._key, self._token, end))

    def _record(self, act: Act) -> Acts:
        """Tell the store; a failure of it does not change what became of the message.

        Told once more after an interruption, which may have come before the store kept it:
        settling and releasing are for one token, so twice is the same as once.
        """
        try:
            try:
                yield act
            except GeneratorExit:
                raise
            except BaseException:
                yield act
                raise
        except Exception:  # noqa: BLE001 - a store is foreign code
            self.held = False
            why = "a key store failed; the key stays claimed until it lapses"
            events.write(logging.ERROR, why, failed=True)
        self.held = False


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


def send(
    sender: Sender,
    keys: KeyStore,
    message: Message,
    via: str | None,
    envelope: Envelope | None,
) -> Receipt:
    """Send a message that has a key; returns and raises what ``Mailer.send`` does."""
    sending = _Sending(sender, keys, message, via, envelope)
    claiming, hands = sending.claiming, sending.hands()
    try:
        receipt: Receipt = _do(claiming.steps(), hands)
    except BaseException as error:
        if claiming.held:
            _do(claiming.after(error), hands)
        raise
    return receipt


def _do(steps: Generator[Act, Any, Any], hands: Hands) -> Any:
    """Do steps in this thread; return what they come to."""
    try:
        act = next(steps)
        while True:
            try:
                act = steps.send(act(hands))
            except (StopIteration, GeneratorExit):
                raise
            except BaseException as error:  # noqa: BLE001 - the steps raise it again
                act = steps.throw(error)
    except StopIteration as end:
        return end.value


async def asend(
    sender: Sender,
    keys: KeyStore,
    message: Message,
    via: str | None,
    envelope: Envelope | None,
) -> Receipt:
    """Async version of ``send``, in a task that outlives its caller until it is settled."""
    sending = _Sending(sender, keys, message, via, envelope)
    task = asyncio.ensure_future(_end_of(sending))
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        sending.leave(task)
        raise
    end = task.result()
    if isinstance(end, Exception):
        raise end
    return end


async def _end_of(sending: _Sending) -> Receipt | Exception:
    """Give what it comes to, not raised: a loop that ends logs what its tasks raise."""
    try:
        return await _drive(sending)
    except Exception as error:  # noqa: BLE001 - raised where somebody waits for it
        return error


async def _drive(sending: _Sending) -> Receipt:
    claiming, hands = sending.claiming, sending.async_hands()
    try:
        receipt: Receipt = await _ado(claiming.steps(), hands)
    except BaseException as error:
        if claiming.held:
            await _ado(claiming.after(error), hands)
        raise
    return receipt


async def _ado(steps: Generator[Act, Any, Any], hands: Hands) -> Any:
    """Async version of ``_do``."""
    try:
        act = next(steps)
        while True:
            try:
                act = steps.send(await act(hands))
            except (StopIteration, GeneratorExit):
                raise
            except BaseException as error:  # noqa: BLE001 - the steps raise it again
                act = steps.throw(error)
    except StopIteration as end:
        return end.value


class _Sending:
    """One send of a message with a key, and what is needed to do its steps."""

    def __init__(
        self,
        sender: Sender,
        keys: KeyStore,
        message: Message,
        via: str | None,
        envelope: Envelope | None,
    ) -> None:
        sender.in_flight.must_be_open()
        envelope = envelope or message.envelope()
        self._sender = sender
        self._keys = keys
        self._timing = sender.timing
        self._since = sender.timing.clock()
        self._message = message
        self._via = via
        self._gone = self._may_stop = False
        self._over: asyncio.Future[None] | None = None
        self.claiming = Claiming(message, envelope, sender.policy, sender.timing.clock)

    def hands(self) -> Hands:
        """Give what does the steps in this thread."""
        keys, timing = self._keys, self._timing
        return Hands(keys.claim, keys.settle, keys.release, timing.sleep, self._deliver)

    def async_hands(self) -> Hands:
        """Give what does them in this task."""
        keys = self._keys
        return Hands(
            keys.aclaim, keys.asettle, keys.arelease, self._await, self._adeliver
        )

    def leave(self, task: asyncio.Task[Receipt | Exception]) -> None:
        """Stop where that is possible, and let the rest end without a caller.

        A question to the store is never broken off: nobody would know its answer.
        """
        self._gone = True
        self._sender.in_flight.detached.add(task)
        task.add_done_callback(self._sender.in_flight.detached.discard)
        if self._may_stop:
            task.cancel()

    def _hear(self, end: Answer | None) -> None:
        self.claiming.heard = self.claiming.heard or end  # the first word counts
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _deliver(self, envelope: Envelope) -> Receipt:
        return self._sender.run(
            self._message,
            envelope,
            via=self._via,
            waited=self._waited(),
            on_end=self._hear,
            record=self.claiming.attempts,
        )

    async def _adeliver(self, envelope: Envelope) -> Receipt:
        """Send it; when that is stopped, wait for the attempt in flight to end."""
        self._must_be_wanted()
        self._over = asyncio.get_running_loop().create_future()
        self._may_stop = True
        try:
            return await self._sender.arun(
                self._message,
                envelope,
                via=self._via,
                waited=self._waited(),
                on_end=self._hear,
                record=self.claiming.attempts,
            )
        except asyncio.CancelledError:
            return await self._end_of_attempt(self._over)
        finally:
            self._may_stop = False

    def _waited(self) -> float:
        self.claiming.begun = True
        return self._timing.clock() - self._since

    async def _await(self, pause: float) -> None:
        self._must_be_wanted()
        self._may_stop = True
        try:
            await self._timing.asleep(pause)
        finally:
            self._may_stop = False

    def _must_be_wanted(self) -> None:
        if self._gone:
            raise asyncio.CancelledError

    async def _end_of_attempt(self, over: asyncio.Future[None]) -> Receipt:
        """Wait for it, also while the event loop is ending and cancels every task."""
        self._may_stop = False
        clock, left = self._timing.clock, self._sender.policy.timeout
        ends = clock() + left
        while not over.done() and left > 0:
            try:
                await asyncio.wait([over], timeout=left)
            except asyncio.CancelledError:
                left = ends - clock()
            else:
                break
        end = self.claiming.heard
        if end is None:
            raise self.claiming.unknown("the attempt never told its end", "send")
        if isinstance(end, DeliveryError):
            raise end
        return end
