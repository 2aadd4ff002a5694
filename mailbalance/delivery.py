"""Every decision about trying again, and none of the acting.

What lives here: ``plan()``. What must not: I/O, sleeping, a clock of its own, or the name
of any provider or error class; the plan reads facts from the errors (``retry_here``,
``try_next``, ``outcome``), numbers from a ``RetryPolicy``, and asks ``Traffic`` who may go.

How to read it: ``plan()`` is a generator. It yields a ``Try`` ("ask this backend, for these
recipients, after this delay") and is sent what came of it: a ``Receipt`` or a
``DeliveryError``. When it is done it yields the final ``Receipt``, or raises. The two
drivers in ``driver`` pump it, one with ``time.sleep``, one with ``asyncio.sleep``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbalance.backend import Attempt, Receipt, Try
from mailbalance.routing.traffic import Traffic
from mailbalance.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator

    from mailbalance.backend import Answer, Backend
    from mailbalance.retry import RetryPolicy
    from mailbalance.routing import Route
    from mailbalance.routing.gate import Pass


@dataclass(frozen=True, slots=True)
class CallerGone:
    """Sent to a plan in place of an answer when nobody waits for the message any more.

    Attributes:
        answer: What the try under way came to; ``None`` between two tries.
    """

    answer: Answer | None = None


class Alone:
    """Said to a plan in place of an answer: its first try was not made together after all.

    Nothing of it reached a backend; the message goes by itself.
    """


def plan(
    route: Route,
    recipients: tuple[str, ...],
    policy: RetryPolicy,
    *,
    clock: Callable[[], float],
    can_carry: Callable[[Backend, tuple[str, ...]], bool] = lambda *_: True,
    record: list[Attempt] | None = None,
    traffic: Traffic | None = None,
    sender: str = "",
    together: Container[str] = (),
) -> Generator[Try | Receipt, Answer | CallerGone | Alone, None]:
    """Decide the tries for one message, one at a time.

    Sent a ``CallerGone``, it makes no further try and ends with what is known; sent an
    ``Alone``, it decides on its first try anew.

    Args:
        route: The backends to try, in order.
        recipients: Who the message is for.
        policy: When to try again.
        clock: Monotonic time in seconds.
        can_carry: Asked before a try for fewer recipients than all: an API that takes its
            recipients from the headers cannot send to some of them only.
        record: Where each attempt is written down as soon as it is judged.
        traffic: What is known of the backends' health and room; one that knows nothing
            if ``None``.
        sender: The domain the message comes from.
        together: The backends by which the first try may go with other messages.

    Yields:
        ``Try`` until it is settled, and last of all the ``Receipt``.

    Raises:
        DeliveryError: When no backend accepted the message for anybody; the last error, or
            the unknown one if there was any, with every attempt in ``attempts``.
    """
    story = Story(
        route,
        recipients,
        policy,
        [] if record is None else record,
        started=clock(),
        traffic=traffic or Traffic(),
        sender=sender,
    )
    given: Pass | None = story.first(together=together)
    try:
        while given is not None:
            left = policy.timeout - (given.began - story.started)
            heard = yield Try(
                story.backend(given),
                story.waiting,
                given.delay,
                left,
                given.probe,
                given.kind == "together",
            )
            if isinstance(heard, Alone):
                taken, given = given, None
                story.traffic.undo(taken)
                given = story.alone(clock())
                continue
            gone = isinstance(heard, CallerGone)
            answer = heard.answer if isinstance(heard, CallerGone) else heard
            now = clock()
            if answer is None:
                break
            story.note(answer, given, now)
            given = None
            if not (gone or story.settled):
                given = story.next_try(now, can_carry)
    finally:
        if given is not None:
            story.traffic.undo(given)
    yield story.end()
