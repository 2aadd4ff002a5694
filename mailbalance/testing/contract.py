"""The tests that every backend passes, for ours and for those that users write.

What lives here: ``BackendContract``. Subclass it in a test module, say how to put your
backend before a peer in each ``Scene``, and pytest runs the rest, by ``send`` and by
``asend``. What must not: any knowledge of one provider.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeAlias

import pytest

from mailbalance.backend import Backend, Probing, Rate, Receipt
from mailbalance.errors import (
    DeliveryError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnknownOutcomeError,
)
from mailbalance.message import Envelope, Message

#: What the peer behind the backend does.
Scene: TypeAlias = Literal[
    "accepts", "refuses", "throttles", "is gone", "loses replies"
]
How: TypeAlias = Callable[[Backend, Message], Receipt]

#: Seconds an attempt may take in these tests; a lost reply must be noticed sooner.
TIMEOUT = 10.0


def note(to: str = "ana@example.com") -> Message:
    """Make a message as plain as they come."""
    return Message(
        from_="Mailer <mailer@example.com>",
        to=to,
        cc="ben@example.com",
        bcc="eve@example.com",
        subject="Contract",
        text="One attempt, one clear end.",
    )


def by_send(backend: Backend, message: Message) -> Receipt:
    """Make one attempt in this thread."""
    try:
        return backend.send(message, Envelope.of(message), timeout=TIMEOUT)
    finally:
        backend.close()


def by_asend(backend: Backend, message: Message) -> Receipt:
    """Make one attempt in an event loop."""

    async def attempt() -> Receipt:
        try:
            return await backend.asend(message, Envelope.of(message), timeout=TIMEOUT)
        finally:
            await backend.aclose()

    return asyncio.run(attempt())


def probe(backend: Backend, how: How) -> tuple[Rate, ...]:
    """Probe a backend by ``probe`` or ``aprobe``, as ``how`` sends."""
    if not isinstance(backend, Probing):
        pytest.skip("it cannot be probed")
    if how is by_send:
        return backend.probe(timeout=TIMEOUT)
    return asyncio.run(aprobe(backend))


async def aprobe(backend: Backend) -> tuple[Rate, ...]:
    """Probe a backend in an event loop."""
    assert isinstance(backend, Probing)
    try:
        return await backend.aprobe(timeout=TIMEOUT)
    finally:
        await backend.aclose()


class BackendContract:
    """What a mailer relies on in a backend; subclass it as ``TestMyBackend``."""

    def backend(self, scene: Scene) -> Backend:
        """Give a new backend whose peer behaves like the scene."""
        raise NotImplementedError

    def received(self) -> int:
        """Tell how many messages the peer has accepted since the last ``backend()``."""
        raise NotImplementedError

    #: Text that must be seen nowhere.
    secret = "not-in-any-output"  # noqa: S105 - a placeholder that subclasses replace

    @pytest.fixture(params=[by_send, by_asend], ids=["send", "asend"])
    def how(self, request: pytest.FixtureRequest) -> How:
        """By ``send`` or by ``asend``: everything holds both ways."""
        chosen: How = request.param
        return chosen

    def test_it_is_a_backend_with_a_name_an_account_and_dated_limits(self) -> None:
        """The mailer asks these before it sends."""
        backend = self.backend("accepts")

        assert isinstance(backend, Backend)
        assert backend.name
        assert backend.account
        assert backend.limits.source

    def test_an_accepted_message_gives_a_receipt_for_every_recipient(
        self, how: How
    ) -> None:
        """Bcc included."""
        backend, message = self.backend("accepts"), note()

        receipt = how(backend, message)

        assert receipt.outcome == "accepted"
        assert receipt.backend == backend.name
        assert sorted(receipt.accepted) == sorted(Envelope.of(message).recipients)
        assert receipt.message_id == message.stamp().message_id

    def test_one_attempt_hands_over_one_message(self, how: How) -> None:
        """No backend retries on its own."""
        how(self.backend("accepts"), note())

        assert self.received() == 1

    def test_a_refused_message_is_rejected_and_not_sent(self, how: How) -> None:
        """A refusal is final."""
        backend = self.backend("refuses")

        with pytest.raises(RejectedError) as caught:
            how(backend, note())

        assert caught.value.backend == backend.name
        assert self.received() == 0

    def test_a_throttled_message_is_not_accepted(self, how: How) -> None:
        """The plan may try it again."""
        with pytest.raises(ThrottledError):
            how(self.backend("throttles"), note())

        assert self.received() == 0

    def test_a_peer_that_is_gone_accepts_nothing(self, how: How) -> None:
        """Provably: the plan moves the message on."""
        with pytest.raises(TransientError) as caught:
            how(self.backend("is gone"), note())

        assert caught.value.outcome == "not_accepted"
        assert self.received() == 0

    def test_a_lost_reply_leaves_the_outcome_unknown(self, how: How) -> None:
        """The peer has it, and nobody here can know."""
        with pytest.raises(UnknownOutcomeError):
            how(self.backend("loses replies"), note())

        assert self.received() == 1

    @pytest.mark.parametrize("scene", ["refuses", "is gone", "loses replies"])
    def test_its_errors_survive_a_pickle_and_hold_no_secret(
        self, scene: Scene, how: How
    ) -> None:
        """Errors cross process borders and end in logs."""
        with pytest.raises(DeliveryError) as caught:
            how(self.backend(scene), note())

        again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - made just now
        assert str(again) == str(caught.value)
        assert (
            self.secret not in f"{caught.value!r} {caught.value} {vars(caught.value)}"
        )

    def test_it_shows_no_secret_of_its_own(self) -> None:
        """Neither in its repr nor in a preview."""
        backend, message = self.backend("accepts"), note()

        shown = backend.preview(message, Envelope.of(message))

        assert self.secret not in shown + repr(backend)
        assert self.received() == 0

    def test_asking_what_it_refuses_sends_nothing(self) -> None:
        """The router asks before every pick."""
        backend, message = self.backend("accepts"), note()

        assert backend.refuses(message, Envelope.of(message)) is None
        assert self.received() == 0

    def test_a_probe_sends_nothing_and_a_message_may_follow(self, how: How) -> None:
        """What it tells are rates that can be kept."""
        backend = self.backend("accepts")

        rates = probe(backend, how)

        assert self.received() == 0
        assert all(rate.count > 0 and rate.period > 0 for rate in rates)
        how(backend, note())
        assert self.received() == 1

    @pytest.mark.parametrize("scene", ["is gone", "loses replies", "throttles"])
    def test_a_probe_that_fails_is_never_an_unknown_outcome(
        self, scene: Scene, how: How
    ) -> None:
        """Nothing was sent, so nothing can be in doubt."""
        backend = self.backend(scene)
        failure: DeliveryError | None = None
        try:
            probe(backend, how)
        except DeliveryError as error:
            failure = error
        finally:
            backend.close()

        assert self.received() == 0
        if failure is not None:
            assert failure.outcome == "not_accepted"
            assert failure.backend == backend.name
            assert self.secret not in f"{failure!r} {failure} {vars(failure)}"
        else:
            assert scene != "is gone"

    def test_many_threads_may_share_it(self) -> None:
        """Every message arrives once."""
        backend = self.backend("accepts")

        def attempt(number: int) -> Receipt:
            message = note(f"r{number}@example.com")
            return backend.send(message, Envelope.of(message), timeout=TIMEOUT)

        with ThreadPoolExecutor(8) as threads:
            receipts = list(threads.map(attempt, range(24)))
        backend.close()

        assert {receipt.outcome for receipt in receipts} == {"accepted"}
        assert self.received() == 24

    def test_many_tasks_may_share_it_in_one_loop_after_another(self) -> None:
        """A pool belongs to its loop; a second loop gets one of its own."""
        backend = self.backend("accepts")

        async def attempts() -> None:
            messages = [note(f"r{number}@example.com") for number in range(12)]
            await asyncio.gather(
                *(backend.asend(m, Envelope.of(m), timeout=TIMEOUT) for m in messages)
            )
            await backend.aclose()

        asyncio.run(attempts())
        asyncio.run(attempts())

        assert self.received() == 24

    def test_it_works_again_after_it_was_closed(self, how: How) -> None:
        """Closing closes connections, not the backend."""
        backend = self.backend("accepts")

        how(backend, note())
        how(backend, note())

        assert self.received() == 2
