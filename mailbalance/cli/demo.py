"""``mailbalance demo``: the three promises, kept before your eyes.

What lives here: the steps, in order, and the words around them. What must not: how it is
done (``demo_run``), how it is judged (``demo_facts``) or drawn (``demo_view``).
"""

from __future__ import annotations

import dataclasses
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mailbalance.cli import demo_facts as facts
from mailbalance.cli.demo_run import SPLIT, demo_mailer, send_many
from mailbalance.cli.demo_view import NEXT, doors, progress, say_checks, table
from mailbalance.cli.output import Code, Json, Output
from mailbalance.cli.sandbox import new_sandbox

if TYPE_CHECKING:
    from mailbalance.cli.demo_facts import Check, Figures
    from mailbalance.cli.demo_run import Phase
    from mailbalance.mailer import Mailer
    from mailbalance.sandbox import Sandbox

#: The door that fails in step 2, and the one that loses a reply in step 3.
_BROKEN: Final = "ses"
_FORGETFUL: Final = "mailtrap"

#: Messages in step 3: enough for the split to choose every backend.
_FEW = 20


def demo(
    *,
    messages: Annotated[
        int,
        typer.Option(
            "--messages", metavar="N", min=20, max=100_000, help="How many in step 1."
        ),
    ] = 1000,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", metavar="N", min=0, help="Repeats a run's split exactly."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """See it all happen on this machine, in seconds.

    Sends 1,000 messages 60/40 through all four backends, breaks a door, and counts.

    Needs no account and no network: the doors are a local sandbox. Ends with exit code 1
    if any count at the doors is off.

    \b
    Examples:
      mailbalance demo
      mailbalance demo --messages 200 --seed 7 --json
    """  # noqa: D301 - a real backspace tells click not to wrap the lines after it
    out = Output(json=json)
    chosen = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    began = time.perf_counter()
    with (
        out.reporting(),
        new_sandbox(out, seed=chosen) as box,
        demo_mailer(box, chosen) as mailer,
    ):
        show = Show(out, box, mailer, messages)
        for step in (show.doors, show.split, show.failover, show.lost_reply):
            step()
    show.whole()
    _end(out, show, seed=chosen, seconds=time.perf_counter() - began)


def _end(out: Output, show: Show, *, seed: int, seconds: float) -> None:
    right = all(check.ok for check in show.checks)
    code = Code.OK if right else Code.REFUSED
    out.give(
        {
            "ok": right,
            "exit_code": code,
            "seed": seed,
            "split": SPLIT,
            "seconds": seconds,
        }
        | {"steps": [dataclasses.asdict(step) for step in show.steps]}
        | {"checks": [dataclasses.asdict(check) for check in show.checks]}
    )
    if not right:
        out.say(f"\nA count is off (seed {seed}).", "bold red")
        raise typer.Exit(code)
    out.say(f"\nAll counts are right. {seconds:.1f} s, seed {seed}.", "bold green")
    if not out.json:
        out.say(NEXT)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step came to, as JSON gives it.

    Attributes:
        name: Which step.
        messages: How many were sent.
        seconds: What that took, on this machine's loopback.
        backends: The figures of each backend.
        oddities: Messages that did not arrive exactly once, with their story.
    """

    name: str
    messages: int
    seconds: float
    backends: list[Figures]
    oddities: list[str]


@dataclass(slots=True)
class Show:
    """The steps of one demo.

    Attributes:
        out: Where it is told.
        box: The local sandbox.
        mailer: Who sends to it.
        messages: How many in the first step.
        steps: What they came to so far.
        checks: What was checked so far.
    """

    out: Output
    box: Sandbox
    mailer: Mailer
    messages: int
    steps: list[Step] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def doors(self) -> None:
        """Tell where everything is."""
        self.out.tell(
            "A local sandbox on this machine plays Amazon SES and Mailtrap; nothing leaves "
            "the machine, and every message below is counted at these doors:"
        )
        urls = self.box.urls()
        self.out.show(doors({name: urls[name] for name in self.mailer.backends}))

    def split(self) -> None:
        """Send everything while all is well."""
        self.out.say("\n1. The split", "bold")
        self.out.tell(
            f"{self.messages:,} messages go 60 % to SES and 40 % to Mailtrap, each by API "
            "and by SMTP over TLS."
        )
        phase, took = self._send("split", self.messages)
        checks = [facts.check_split(phase, self.mailer.split())]
        self._tell("split", phase, took, checks)

    def failover(self) -> None:
        """Shut one door, and send on."""
        self.out.say("\n2. A door fails", "bold")
        self.out.tell(
            f"The {_BROKEN} door now refuses every connection. A refused message was "
            "provably not accepted, so it moves to the next backend at once."
        )
        self.box.fault(_BROKEN, "refuse")
        phase, took = self._send("failover", max(_FEW, self.messages * 3 // 10))
        self.box.heal(_BROKEN)
        self._tell("failover", phase, took, [facts.check_failover(phase, _BROKEN)])

    def lost_reply(self) -> None:
        """Let one door accept a message without saying so."""
        self.out.say("\n3. A reply is lost", "bold")
        self.out.tell(
            f"The {_FORGETFUL} door takes one message over and hangs up without a word. "
            "Sending it again could deliver it twice, so the caller is told instead."
        )
        self.box.fault(_FORGETFUL, "drop", count=1)
        phase, took = self._send("lost-reply", _FEW)
        self.box.heal(_FORGETFUL)
        for error in phase.errors:
            self.out.say(f"  {type(error).__name__}: {error}", "yellow")
        self._tell("lost-reply", phase, took, [facts.check_lost_reply(phase)])

    def whole(self) -> None:
        """Count everything once more, now that the mailer is closed."""
        sent = sum(step.messages for step in self.steps)
        counts, doubled = self.box.counts().values(), len(self.box.duplicates())
        check = facts.check_whole(sent, counts, doubled)
        self.out.say()
        say_checks(self.out, [check])
        self.checks.append(check)

    def _send(self, name: str, count: int) -> tuple[Phase, float]:
        marks = [f"{name}-{number:06}" for number in range(count)]
        began = time.perf_counter()
        with progress(self.out, count) as advance:
            phase = send_many(self.mailer, self.box, marks, advance)
        return phase, time.perf_counter() - began

    def _tell(self, name: str, phase: Phase, took: float, checks: list[Check]) -> None:
        shares = self.mailer.split()
        rows = facts.figures(phase, shares, self.box.urls())
        every = [*checks, *facts.check_each_once(phase), facts.check_agreement(phase)]
        oddities = facts.oddities(phase)
        self.steps.append(Step(name, len(phase.told), took, rows, oddities))
        self.checks += every
        self.out.show(table(rows))
        rate = len(phase.told) / took
        self.out.tell(
            f"{rate:,.0f} messages a second. Rate and latencies are those of this "
            "machine's loopback, with client and doors in one process."
        )
        say_checks(self.out, every)
        for oddity in oddities[:_FEW]:
            self.out.say(f"         {oddity}")
