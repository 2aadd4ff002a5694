"""Health and limits over the split, through a whole mailer on a clock that is turned."""

import asyncio
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest
from tenacity import stop_after_attempt

from mailbalance import (
    ConfigError,
    HealthChanged,
    Mailer,
    MemoryBackend,
    RetryPolicy,
    ThrottledError,
    TransientError,
    UnavailableError,
)
from mailbalance.backend import Rate
from mailbalance.delivery.retry import Timing
from tests.unit.gates import fill

NOTE = {"from_": "me@example.com", "to": "ana@example.com", "text": "Hey"}


def refused():
    return TransientError("refused", phase="connect", code="ECONNREFUSED")


class Host(MemoryBackend):
    """A backend that can be dead, with rates, and with a probe that is counted."""

    def __init__(self, name, *, rates=(), concurrency=None, **options):
        super().__init__(name, **options)
        self.limits = replace(self.limits, rates=rates, concurrency=concurrency)
        self.fault = None
        self.probes = 0

    def send(self, message, envelope, *, timeout):
        if self.fault is not None:
            self.tries += 1
            raise self.fault()
        return super().send(message, envelope, timeout=timeout)


class Probed(Host):
    """One that can be asked without sending."""

    learns = False
    told = ()

    def probe(self, *, timeout):
        self.probes += 1
        if self.fault is not None:
            raise self.fault()
        return self.told

    async def aprobe(self, *, timeout):
        return self.probe(timeout=timeout)


class World:
    """A mailer over two hosts, and the clock that both go by."""

    def __init__(self, *hosts, how="sync", **options):
        self.now = 100.0
        self.how = how
        self.told = []
        self.hosts = {host.name: host for host in hosts}
        options.setdefault("policy", RetryPolicy(timeout=30.0))
        self.mailer = Mailer(
            dict(zip(hosts, (60, 40, 20), strict=False)),
            observers=[self.note],
            timing=Timing(
                lambda: self.now, self.sleep, self.asleep, lambda: self.now + 1e9
            ),
            **options,
        )

    def note(self, event):
        if isinstance(event, HealthChanged):
            self.told.append((event.scope, event.name, event.state))

    def sleep(self, seconds):
        self.now += seconds

    async def asleep(self, seconds):
        self.now += seconds

    def send(self, **fields):
        if self.how == "async":
            return asyncio.run(self.mailer.asend(**{**NOTE, **fields}))
        return self.mailer.send(**{**NOTE, **fields})

    def many(self, number, gap=0.0):
        """Send so many; give how many each host carried."""
        before = {name: len(host.sent) for name, host in self.hosts.items()}
        for _ in range(number):
            self.send()
            self.now += gap
        return tuple(len(h.sent) - before[n] for n, h in self.hosts.items())

    def status(self, name):
        return next(each for each in self.mailer.status() if each.backend == name)


@pytest.fixture(params=["sync", "async"])
def how(request):
    return request.param


def test_a_dead_host_is_found_within_five_messages(how):
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap, how=how)
    ses.fault = refused

    carried = world.many(100)

    assert (carried, ses.tries) == ((0, 100), 5)
    assert world.told == [("backend", "ses", "cooling")]


def test_a_host_that_comes_back_gets_its_share_and_no_flood():
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)
    ses.fault = refused
    world.many(1000, gap=0.001)

    ses.fault = None
    world.now += 10
    carried = world.many(1000)

    assert abs(carried[0] - 600) <= 1
    assert [state for *_, state in world.told] == ["cooling", "probing", "healthy"]


def test_what_it_was_assigned_stays_exact_through_an_outage():
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)
    world.many(300)
    ses.fault = refused
    world.many(400, gap=0.01)
    ses.fault = None
    world.now += 600
    world.many(300)

    shares = {share.backend: share for share in world.mailer.split()}

    assert abs(shares["ses"].assigned - 600) <= 1
    assert shares["ses"].diverted == shares["ses"].assigned - shares["ses"].carried - 5
    assert sum(share.carried for share in shares.values()) == 1000


def test_no_message_is_spent_on_a_host_that_does_not_answer_its_probe(how):
    ses, mailtrap = Probed("ses"), Host("mailtrap")
    world = World(ses, mailtrap, how=how)
    ses.fault = refused
    world.many(20)
    spent = ses.tries

    for _ in range(5):
        world.now += 400
        world.many(20)

    assert (ses.tries, ses.probes) == (spent, 5)


def test_a_probe_that_is_answered_lets_the_message_go(how):
    ses, mailtrap = Probed("ses"), Host("mailtrap")
    world = World(ses, mailtrap, how=how)
    ses.fault = refused
    world.many(20)
    ses.fault = None
    world.now += 10

    carried = world.many(1000)

    assert abs(carried[0] - 600) <= 1
    assert ses.probes == 3


def test_when_no_host_is_fit_the_one_that_is_due_first_is_tried():
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap, policy=RetryPolicy(stop=stop_after_attempt(1)))
    ses.fault = lambda: UnavailableError("bad key", phase="auth")
    mailtrap.fault = refused
    for _ in range(20):
        with pytest.raises((UnavailableError, TransientError)):
            world.send()
    assert {world.status(n).state for n in ("ses", "mailtrap")} == {"cooling"}

    mailtrap.fault = None

    assert world.send().backend == "mailtrap"


def test_a_lone_backend_is_tried_however_often_it_failed():
    only = Host("only")
    world = World(only, policy=RetryPolicy(stop=stop_after_attempt(1)))
    only.fault = refused
    for _ in range(50):
        with pytest.raises(TransientError):
            world.send()

    assert only.tries == 50


def test_an_account_that_is_stopped_stops_both_its_backends():
    ses, smtp = Host("ses", account="aws"), Host("ses-smtp", account="aws")
    world = World(ses, smtp, Host("mailtrap"))
    ses.fault = lambda: UnavailableError("paused", scope="account")
    world.many(10)
    before = ses.tries, smtp.tries

    world.many(50)

    assert (ses.tries, smtp.tries) == before
    assert ("account", "aws", "cooling") in world.told
    assert world.status("ses-smtp").state == "cooling"


def test_a_sender_that_is_not_allowed_stops_only_that_sender():
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)
    ses.fault = lambda: UnavailableError("not verified", scope="sender")
    world.many(10)
    tried = ses.tries
    ses.fault = None

    world.many(10)
    other = [world.send(from_="me@other.example").backend for _ in range(10)]

    assert (tried, ses.tries) == (1, 1 + other.count("ses"))
    assert other.count("ses") == 6
    assert world.status("ses").state == "healthy"
    assert world.status("ses").senders == ("example.com",)


def test_no_more_than_a_thousand_senders_are_remembered():
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)
    ses.fault = lambda: UnavailableError("not verified", scope="sender")

    for number in range(1800):
        world.send(from_=f"me@d{number}.example")

    assert len(world.mailer.dispatcher.state.senders) == 1000


def test_what_does_not_fit_goes_to_a_backend_with_room():
    ses, mailtrap = Host("ses", rates=(Rate(10, 60.0),)), Host("mailtrap")
    world = World(ses, mailtrap)

    carried = world.many(100)

    assert carried == (10, 90)
    shares = {share.backend: share for share in world.mailer.split()}
    assert (shares["ses"].assigned, shares["ses"].overflowed) in {(60, 50), (61, 51)}


def test_with_room_nowhere_a_message_waits_for_it(how):
    only = Host("only", rates=(Rate(10, 5.0),))
    world = World(only, how=how)

    world.many(15)

    assert (len(only.sent), world.now) == (15, 105.0)


def test_a_message_that_would_wait_too_long_is_told_so_and_not_sent(how):
    only = Host("only", rates=(Rate(1, 3600.0),))
    world = World(only, how=how)
    world.send()

    with pytest.raises(ThrottledError, match=r"no room for 3600\.0 s") as told:
        world.send()

    assert (len(only.sent), told.value.retry_after) == (1, 3600.0)
    assert (told.value.attempts, told.value.outcome) == ((), "not_accepted")


def test_a_rate_of_an_account_is_kept_by_all_its_backends_together():
    rate = Rate(10, 60.0, shared="account")
    world = World(
        Host("ses", account="aws", rates=(rate,)),
        Host("ses-smtp", account="aws", rates=(rate,)),
        Host("mailtrap"),
    )

    ses, smtp, _ = world.many(100)

    assert ses + smtp == 10


def test_recipients_are_counted_where_the_rate_counts_them():
    only = Host("only", rates=(Rate(10, 5.0, "recipients"),))
    world = World(only)

    for _ in range(4):
        world.send(to=[f"u{n}@example.com" for n in range(4)])

    assert world.now == 105.0


def test_a_provider_that_asks_to_slow_down_is_left_alone_for_as_long():
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)
    ses.answer(ThrottledError("slow", retry_after=60.0))
    world.many(10)
    tried = ses.tries

    world.many(50, gap=1.0)
    assert ses.tries == tried

    world.now += 60
    assert world.many(10)[0] == 6


def test_a_full_backend_is_passed_over():
    inside, free = threading.Event(), threading.Event()

    class Slow(Host):
        def send(self, message, envelope, *, timeout):
            inside.set()
            free.wait(10)
            return super().send(message, envelope, timeout=timeout)

    ses, mailtrap = Slow("ses", concurrency=1), Host("mailtrap")
    world = World(ses, mailtrap)
    first = threading.Thread(target=lambda: world.mailer.send(**NOTE, via="ses"))
    first.start()
    inside.wait(10)

    carried = world.many(20)
    full = world.status("ses")
    free.set()
    first.join(10)

    assert carried == (0, 20)
    assert (full.in_flight, full.concurrency) == (1, 1)
    assert world.status("ses").in_flight == 0


def test_an_outage_of_everything_costs_few_more_tries_than_messages():
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)
    world.many(1000)
    ses.fault = mailtrap.fault = lambda: TransientError("busy", phase="reply")
    ses.tries = mailtrap.tries = 0

    for _ in range(3_000):
        with pytest.raises(TransientError):
            world.send()

    again = ses.tries + mailtrap.tries - 2 * 3_000
    assert 0 < again <= 0.1 * 2 * 3_000


def test_a_drained_backend_gets_nothing_and_keeps_its_place_in_the_split():
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)

    world.mailer.drain("ses")
    drained, shown = world.many(100), world.status("ses")
    world.mailer.undrain("ses")
    back = world.many(100)

    assert (drained, shown.state, shown.reason) == ((0, 100), "drained", "by hand")
    assert abs(back[0] - 60) <= 1
    assert world.mailer.split()[0].diverted in (60, 61)


def test_a_drained_backend_is_not_used_in_need_either():
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)
    world.mailer.drain("ses")
    mailtrap.fault = refused

    for _ in range(10):
        with pytest.raises(TransientError):
            world.send()

    assert ses.tries == 0


def test_with_every_backend_drained_the_error_says_so():
    world = World(Host("only"))
    world.mailer.drain("only")

    with pytest.raises(UnavailableError, match="drained; undrain one"):
        world.send()


def test_a_frozen_backend_stays_in_use_whatever_happens():
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)
    world.mailer.freeze("ses")
    ses.fault = refused

    world.many(100)
    world.mailer.unfreeze("ses")
    frozen = ses.tries
    world.many(100)

    assert frozen in (60, 61)
    assert ses.tries == frozen + 5


def test_a_frozen_backend_that_cools_stays_out():
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)
    ses.fault = refused
    world.many(20)
    ses.fault = None

    world.mailer.freeze("ses")
    world.now += 4000

    assert world.many(50) == (0, 50)
    assert world.status("ses").frozen


@pytest.mark.parametrize("act", ["drain", "undrain", "freeze", "unfreeze"])
def test_acting_on_an_unknown_backend_names_the_known(act):
    world = World(Host("ses"), Host("mailtrap"))

    with pytest.raises(ConfigError, match=r"'sess'; they are ses, mailtrap"):
        getattr(world.mailer, act)("sess")


def test_the_status_tells_state_reason_and_dates():
    ses, mailtrap = Host("ses", rates=(Rate(14, 1.0),)), Host("mailtrap")
    world = World(ses, mailtrap)
    world.many(1)
    ses.fault = refused
    while world.status("ses").state == "healthy":
        world.send()

    told = world.status("ses")

    assert told.reason == "5 calls in a row without an answer"
    assert told.code == "ECONNREFUSED"
    assert told.since == datetime.fromtimestamp(world.now + 1e9, UTC)
    assert 4.0 <= (told.until - told.since).total_seconds() <= 6.0
    assert (told.rates[0].count, told.rates[0].used) == (14, ses.tries)
    assert told.as_dict()["since"].startswith("2001-09-09")


def test_the_route_tells_who_is_passed_over_and_why():
    ses, mailtrap = Host("ses"), Host("mailtrap", rates=(Rate(1, 60.0),))
    world = World(ses, mailtrap)
    world.mailer.drain("ses")
    world.send()

    route = world.mailer.route(**NOTE)

    assert dict(route.passed_over) == {
        "ses": "drained by hand",
        "mailtrap": "no room for 60.0 s",
    }


def test_limits_that_a_probe_tells_are_kept(how):
    ses, mailtrap = Probed("ses"), Host("mailtrap")
    ses.learns, ses.told = True, (Rate(10, 60.0, "recipients", "account"),)
    world = World(ses, mailtrap, how=how)

    carried = world.many(100)

    assert carried[0] in (10, 11)  # the first went before the answer was known
    assert ses.probes == 1


def test_limits_are_asked_for_anew_after_a_quarter_of_an_hour():
    ses = Probed("ses")
    ses.learns, ses.told = True, (Rate(10, 60.0),)
    world = World(ses)
    world.send()

    world.now += 901
    world.send()
    world.send()

    assert ses.probes == 2


def test_a_failure_to_tell_limits_holds_no_message_up(how):
    ses = Probed("ses")
    ses.learns = True
    ses.probe = lambda *, timeout: (_ for _ in ()).throw(refused())
    world = World(ses, how=how)

    world.many(10)

    assert len(ses.sent) == 10


@pytest.mark.parametrize("moment", ["send", "sleep"])
def test_a_message_that_is_interrupted_gives_its_place_back(moment):
    def interrupt(_seconds):
        raise KeyboardInterrupt

    only = Host("only", rates=(Rate(1, 5.0),), concurrency=1)
    world = World(only)
    world.send()
    if moment == "send":
        only.fault = KeyboardInterrupt
    else:
        mailer = world.mailer
        timing = replace(mailer.timing, sleep=interrupt)
        mailer.assemble(mailer.dispatcher, timing, mailer.keys)

    with pytest.raises(KeyboardInterrupt):
        world.send()

    assert world.status("only").in_flight == 0


def test_a_forked_child_knows_what_was_drained_and_has_nothing_in_flight():
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)
    world.mailer.drain("ses")
    held = fill(world.mailer.dispatcher.gate(ses, world.now), 3)
    assert world.status("ses").in_flight == len(held)

    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        told = world.status("ses")
        os.write(write, f"{told.state} {told.in_flight}".encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(read, 100) == b"drained 0"
    os.close(read)
    os.close(write)


def test_health_survives_eight_threads():
    ses, mailtrap = Host("ses", concurrency=4), Host("mailtrap")
    world = World(ses, mailtrap)
    random = Random(1)
    ses.fault = lambda: refused() if random.random() < 0.5 else ThrottledError("slow")

    def work():
        for _ in range(200):
            world.send()
            world.now += 0.01

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(mailtrap.sent) == 1600
    assert [each.in_flight for each in world.mailer.status()] == [0, 0]


class Asked(MemoryBackend):
    """Tells its limits when it is probed."""

    learns = True

    def probe(self, *, timeout):
        return ()


def test_who_acts_for_a_backend_keeps_its_rate_and_is_not_probed():
    mailer = Mailer({Asked("ses", rate="3/s"): 1})
    acting = {"ses": MemoryBackend("ses")}

    mailer.sender.run(mailer.take(**NOTE), stand_ins=acting)

    assert [(rate.count, rate.used) for rate in mailer.status()[0].rates] == [(3, 1)]
