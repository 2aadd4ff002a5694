"""An exception may strike anywhere in a send: nothing leaks, nothing is lost or doubled.

Signal handlers (Ctrl-C, a worker's soft time limit) raise at the start of whatever call the
main thread makes next. Each scene here is run once for every Python call that it makes, and
that call raises.
"""

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tenacity import wait_none

import mailbalance
from mailbalance import (
    Accepted,
    Attempted,
    GaveUp,
    Mailer,
    Message,
    MessageStarted,
    Receipt,
    RejectedError,
    RetryPolicy,
    TransientError,
    UnknownOutcomeError,
)
from mailbalance.backends.memory import MemoryBackend
from mailbalance.batch import Load
from mailbalance.delivery.retry import Timing
from mailbalance.errors import MailError

#: Calls of the longest scene, and more.
MOST = 4000
#: In the names of the library's files.
OURS = str(Path(mailbalance.__file__).parent)


class Struck(BaseException):
    """What a signal handler raises, as ``KeyboardInterrupt`` is."""


class StruckTooError(Exception):
    """The same as an ``Exception``, as the soft time limits of job queues are."""


class Counting(MemoryBackend):
    """Counts the sends that gave a receipt."""

    given = 0

    def send(self, message, envelope, *, timeout):
        receipt = super().send(message, envelope, timeout=timeout)
        self.given += 1
        return receipt


class Together(Counting):
    """Takes several messages in one go."""

    load = Load(messages=3, size=10_000_000)

    def lane(self, message):
        return "all"

    def send_batch(self, mails, *, timeout):
        return [self.send(*mail, timeout=timeout) for mail in mails]

    async def asend_batch(self, mails, *, timeout):
        raise NotImplementedError


class Watching:
    """Notes what it is told, by message."""

    def __init__(self) -> None:
        self.began: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.struck = self.may_hear_again = False

    def __call__(self, event) -> None:
        if isinstance(event, MessageStarted):
            self.began[event.message_id] += 1
        elif isinstance(event, Attempted):
            self.attempts[event.message_id] += 1
        elif isinstance(event, Accepted):
            self.ended[event.receipt.message_id] += 1
        elif isinstance(event, GaveUp):
            self.ended[event.message_id] += 1


class Scene:
    """One mailer over backends that take one message at a time."""

    error: BaseException | None = None
    after = False
    warmed = 0

    def __init__(self, *backends, observers=0, **options) -> None:
        self.backends = backends
        self.watchers = [Watching() for _ in range(observers)]
        weights = {each: 1 if each is backends[0] else "backup" for each in backends}
        self.mailer = Mailer(
            weights,
            observers=self.watchers,
            from_="a@example.com",
            policy=RetryPolicy(timeout=30, wait=wait_none()),
            timing=Timing(sleep=self.sleep),
            **options,
        )

    def sleep(self, seconds: float) -> None:
        assert not self.after, "a later send waits"

    def warm(self) -> None:
        """Send a message before: the first of all goes no straight way."""
        self.warmed = 1
        for backend in self.backends:
            self.mailer.send(note("before"), via=backend.name)
        for watcher in self.watchers:
            watcher.__init__()

    def copies(self) -> int:
        """Count what the backends have of the first message."""
        sent = (sent for each in self.backends for sent in each.sent)
        return sum(each.message.subject == "first" for each in sent)

    def check(self) -> None:
        """Nothing is left of the message, and the next one goes."""
        assert [each.in_flight for each in self.mailer.status()] == [0] * len(
            self.backends
        )
        assert list(self.mailer.in_flight.senders()) == []
        assert not self.mailer.in_flight.held
        self._check_told()
        carried = {share.backend: share.carried for share in self.mailer.split()}
        assert carried == {each.name: each.given for each in self.backends}
        for backend in self.backends:
            before = len(backend.sent)
            self.mailer.send(note("after"), via=backend.name)
            assert len(backend.sent) == before + 1
        began = time.monotonic()
        self.mailer.close()
        assert time.monotonic() - began < 5

    def _check_told(self) -> None:
        sent = {
            s.message.stamp().message_id
            for b in self.backends
            for s in b.sent
            if s.message.subject != "before"
        }
        for watcher in self.watchers:
            # The one that is struck may be told again; what it raises itself is its own.
            if watcher.struck and isinstance(self.error, Exception):
                continue
            assert set(watcher.began) <= set(watcher.ended), "an end is not told"
            assert sent <= set(watcher.ended), "an end is not told"
            most = 2 if watcher.struck or watcher.may_hear_again else 1
            assert max(watcher.ended.values(), default=1) <= most, "told again"


def note(text: str, **more) -> Message:
    return Message(
        to="b@example.com", subject=text, text=text, from_="a@example.com", **more
    )


class Tracer:
    """Raises at the start of the call of that number, once."""

    def __init__(self, place: int, error: BaseException, *, ours: bool) -> None:
        self.left = place
        self.ours = ours
        self.error = error
        self.fired = ""

    def __call__(self, frame, event, _):
        if event != "call":
            return
        called = frame.f_locals.get("self")
        if frame.f_code.co_filename == __file__ and not isinstance(
            called, Watching | Counting
        ):
            return
        caller = frame.f_back.f_code.co_filename
        if self.ours and OURS not in frame.f_code.co_filename + caller:
            return
        self.left -= 1
        if self.left >= 0 or self.fired:
            return
        self.fired = f"{frame.f_code.co_filename}:{frame.f_code.co_name}"
        note_struck(frame)
        sys.settrace(None)
        raise self.error


def note_struck(frame) -> None:
    """Mark the observer that is just being told, if any."""
    while frame is not None:
        if frame.f_code is Watching.__call__.__code__:
            frame.f_locals["self"].struck = True
        frame = frame.f_back


def strike(
    place: int, error: BaseException, act: Callable[[], object], *, ours: bool
) -> Tracer:
    """Run it with an exception at one of its calls."""
    tracer, before = Tracer(place, error, ours=ours), sys.gettrace()
    sys.settrace(tracer)
    try:
        act()
    except (type(error), MailError):
        pass
    finally:
        sys.settrace(before)
    return tracer


def sweep(
    kind: type[BaseException],
    scene: Callable[[], tuple[Scene, Callable[[], object]]],
    check: Callable[[Scene], None] = Scene.check,
    *,
    ours: bool = False,
) -> int:
    """Strike at each call in turn; return how many there were."""
    faults: list[str] = []
    for place in range(MOST):
        made, act = scene()
        made.error = kind()
        struck = strike(place, made.error, act, ours=ours)
        made.after = True
        try:
            check(made)
        except (AssertionError, MailError) as error:
            faults.append(f"{place} {struck.fired}: {str(error)[:300]!r}")
        if not struck.fired:
            break
    else:
        pytest.fail(f"the scene has more than {MOST} calls")
    text = "\n".join(faults[:12])
    assert not faults, f"{len(faults)} of {place}\n{text}"
    return place


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level("CRITICAL", "mailbalance")


#: What strikes a destructor is dropped by Python, as it would be without us.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)

kinds = pytest.mark.parametrize("kind", [Struck, StruckTooError])


def one(name: str = "one", *answers, kind: type[Counting] = Counting) -> Counting:
    return kind(name, answers=answers, concurrency=1)


def _sending(*backends, observers: int = 0, warm: bool = False):
    scene = Scene(*backends, observers=observers)
    if warm:
        scene.warm()
    return scene, lambda: scene.mailer.send(note("first"))


@kinds
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("observers", [0, 1, 2])
def test_a_send(kind, observers, warm):
    def scene():
        return _sending(one(), observers=observers, warm=warm)

    assert sweep(kind, scene) > 10


@kinds
@pytest.mark.parametrize("observers", [0, 2])
def test_a_send_that_fails_over(kind, observers):
    def scene():
        first = one("one", TransientError("gone", phase="connect"))
        return _sending(first, one("two"), observers=observers)

    assert sweep(kind, scene) > 10


@kinds
@pytest.mark.parametrize("observers", [0, 2])
@pytest.mark.parametrize("error", [RejectedError, UnknownOutcomeError, TransientError])
def test_a_send_that_nobody_accepts(kind, observers, error):
    def scene():
        return _sending(
            one("one", *(error("no", phase="reply") for _ in range(3))),
            one("two", *(error("no", phase="reply") for _ in range(3))),
            observers=observers,
        )

    def check(made: Scene) -> None:
        for backend in made.backends:
            backend._answers.clear()
        made.check()

    assert sweep(kind, scene, check) > 10


def _check_key(made: Scene) -> None:
    before = made.copies()
    given = sum(each.given - made.warmed for each in made.backends)
    try:
        again = made.mailer.send(note("first", key="k"))
    except UnknownOutcomeError:
        assert not given, "a receipt was known"
    else:
        assert isinstance(again, Receipt)
    after = made.copies()
    assert after <= 1
    assert after >= before
    made.check()


@kinds
@pytest.mark.parametrize("observers", [0, 2])
@pytest.mark.parametrize("fails", [False, True])
def test_a_send_with_a_key(kind, observers, fails):
    def scene():
        answers = [TransientError("gone", phase="connect")] if fails else []
        made = Scene(one("one", *answers), one("two"), observers=observers)
        return made, lambda: made.mailer.send(note("first", key="k"))

    assert sweep(kind, scene, _check_key) > 10


@kinds
@pytest.mark.parametrize("observers", [0, 1])
@pytest.mark.parametrize("backend", [Counting, Together])
def test_many(kind, observers, backend):
    def scene():
        made = Scene(one(kind=backend), observers=observers)
        made.warm()
        messages = [note(f"number {number}") for number in range(4)]

        def act():
            for result in made.mailer.send_many(messages, concurrency=2):
                assert result.ok or result.error

        return made, act

    for _ in Scene(one(kind=backend)).mailer.send_many([note("imports")]):
        pass

    def check(made: Scene) -> None:
        ends = time.monotonic() + 20
        while list(made.mailer.in_flight.permits()) and time.monotonic() < ends:
            time.sleep(0.001)
        made.check()

    # Locks and threads of Python's own, written in Python, do not survive this.
    assert sweep(kind, scene, check, ours=True) > 10


@pytest.mark.proof
@kinds
@pytest.mark.parametrize("observers", [0, 2])
@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("warm", [False, True])
def test_at_any_moment(kind, observers, key, warm):
    """By a timer, wherever the interpreter looks for signals; tracebacks are kept."""
    armed = False
    kept: list[BaseException] = []

    def handler(_, frame):
        if armed:
            note_struck(frame)
            # Between its return and the counting of it, an observer may be told again.
            around = {frame.f_code.co_name, frame.f_back.f_code.co_name}
            for watcher in made.watchers if "_tell_end" in around else ():
                watcher.may_hear_again = True
            raise kind

    before = signal.signal(signal.SIGALRM, handler)
    ends, chance = time.monotonic() + 4, random.Random(5)
    try:
        while time.monotonic() < ends:
            made = Scene(one(), observers=observers)
            message = note("first", key=key)
            if warm:
                made.warm()
            made.error = kind()
            try:
                armed = True
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(2e-6, 4e-4))
                made.mailer.send(message)
                armed = False
            except kind as error:
                armed = False
                kept[:] = [*kept[-20:], error]
            finally:
                armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
            (made.check if key is None else lambda m=made: _check_key(m))()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert kept


def test_messages_that_ended_are_forgotten_however_they_did():
    made = Scene(one())
    for number in range(200):
        made.backends[0].answer(RejectedError("no", phase="reply"))
        with pytest.raises(RejectedError):
            made.mailer.send(note(f"refused {number}"))
    for result in made.mailer.send_many(note(f"many {n}") for n in range(200)):
        assert result.ok

    assert len(made.mailer.dispatcher.state.live) < 50
