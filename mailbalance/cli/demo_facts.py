"""What the demo proves: figures for each backend, and checks that can fail.

What lives here: pure functions of a ``Phase``. What must not: sending or printing. Every
check counts at the doors, which share no code with the library; the client's own word is
only ever compared with them.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbalance.errors import UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailbalance.backend import Attempt
    from mailbalance.cli.demo_run import Phase
    from mailbalance.routing import Share
    from mailbalance.sandbox import Counts

#: Three or more backends keep within two messages of their share, in any stretch.
_BOUND = 2


@dataclass(frozen=True, slots=True)
class Figures:
    """One backend in one phase.

    Attributes:
        backend: Its name, and that of the door it goes to.
        door: The address of that door.
        weight: Its weight, of the sum of all.
        assigned: Messages that the split chose it for.
        carried: Messages it accepted, as the client was told.
        at_door: Messages its door took over.
        rejected: Attempts that were not accepted.
        unknown: Attempts with an unknown outcome.
        median: Seconds of an accepted attempt; half took less. ``None`` without any.
        p95: The same; 95 of 100 took less.
    """

    backend: str
    door: str
    weight: float
    assigned: int
    carried: int
    at_door: int
    rejected: int
    unknown: int
    median: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Check:
    """One claim, and whether the doors bear it out.

    Attributes:
        claim: In words.
        ok: Whether it holds.
        found: The figures behind it.
    """

    claim: str
    ok: bool
    found: str


def figures(
    phase: Phase, shares: Iterable[Share], urls: dict[str, str]
) -> list[Figures]:
    """Give the figures of every backend."""
    return [_figures(phase, share, urls[share.backend]) for share in shares]


def _figures(phase: Phase, share: Share, url: str) -> Figures:
    name = share.backend
    attempts = phase.attempts(name)
    outcomes = Counter(attempt.outcome for attempt in attempts)
    took = [a.duration for a in attempts if a.outcome == "accepted"]
    return Figures(
        backend=name,
        door=url,
        weight=float(share.weight),
        assigned=phase.assigned[name],
        carried=sum(receipt.backend == name for receipt in phase.receipts),
        at_door=phase.accepted[name],
        rejected=outcomes["not_accepted"],
        unknown=outcomes["unknown"],
        median=statistics.median(took) if took else None,
        p95=_p95(took),
    )


def _p95(took: list[float]) -> float | None:
    if len(took) < 2:
        return took[0] if took else None
    return statistics.quantiles(took, n=20, method="inclusive")[-1]


def check_split(phase: Phase, shares: Iterable[Share]) -> Check:
    """Check that every backend was chosen for its share."""
    total = len(phase.told)
    off = {s.backend: phase.assigned[s.backend] - s.share * total for s in shares}
    worst = max(off, key=lambda name: abs(off[name]))
    right = abs(off[worst]) < _BOUND and sum(phase.assigned.values()) == total
    return Check(
        f"the split is exact, each backend within {_BOUND} messages of its share",
        right,
        f"furthest off: {worst} by {off[worst]:+.1f}",
    )


def check_each_once(phase: Phase) -> list[Check]:
    """Check that nothing was lost and nothing doubled, message by message."""
    lost = sum(times == 0 for times in phase.seen.values())
    doubled = sum(times > 1 for times in phase.seen.values())
    total, arrived = len(phase.told), sum(phase.accepted.values())
    return [
        Check(
            "nothing lost",
            lost == 0 and arrived >= total,
            f"{arrived} at the doors for {total} sent, {lost} missing",
        ),
        Check(
            "nothing doubled",
            doubled == 0 and arrived <= total,
            f"{doubled} arrived more than once, {max(0, arrived - total)} too many",
        ),
    ]


def check_whole(sent: int, counts: Iterable[Counts], doubled: int) -> Check:
    """Check the sums once more at the end, when nothing can be on its way any more."""
    arrived = sum(count.accepted for count in counts)
    return Check(
        "over all steps every message arrived exactly once",
        arrived == sent and doubled == 0,
        f"{arrived} at the doors for {sent} sent, {doubled} more than once",
    )


def check_agreement(phase: Phase) -> Check:
    """Check that the receipts say what the doors say."""
    carried = Counter(receipt.backend for receipt in phase.receipts)
    answered = {
        door: count - phase.unanswered[door] for door, count in phase.accepted.items()
    }
    off = sorted(door for door in answered if answered[door] != carried[door])
    return Check(
        "receipts and doors agree",
        not off,
        f"they differ at {', '.join(off)}" if off else f"{carried.total()} receipts",
    )


def check_failover(phase: Phase, broken: str) -> Check:
    """Check that what was meant for a broken door was carried elsewhere."""
    moved = sum(r.assigned == broken != r.backend for r in phase.receipts)
    expected, carried = phase.assigned[broken], phase.accepted[broken]
    return Check(
        f"all mail meant for {broken} was carried by the others",
        0 < moved == expected and carried == 0 and not phase.errors,
        f"{moved} of {expected} moved, {len(phase.errors)} failed",
    )


def check_lost_reply(phase: Phase) -> Check:
    """Check that exactly the one lost reply is told as unknown, and arrived once."""
    unknown = [m for m, t in phase.told.items() if isinstance(t, UnknownOutcomeError)]
    unanswered = sum(phase.unanswered.values())
    once = all(phase.seen[mark] == 1 for mark in unknown)
    attempts = sum(len(phase.told[mark].attempts) for mark in unknown)
    return Check(
        "the lost reply raised UnknownOutcomeError and was not sent again",
        len(unknown) == len(phase.errors) == unanswered == attempts == 1 and once,
        f"{unanswered} taken over without a reply, {len(unknown)} unknown, "
        f"{attempts} attempts",
    )


def oddities(phase: Phase) -> list[str]:
    """Tell the story of each message that did not arrive exactly once."""
    return [
        f"{mark} arrived {times} times: {_story(phase.told[mark].attempts)}"
        for mark, times in phase.seen.items()
        if times != 1
    ]


def _story(attempts: Iterable[Attempt]) -> str:
    return "; ".join(
        f"{a.backend} {a.outcome} in {a.phase or '-'} ({a.code or '-'}) {a.detail}".rstrip()
        for a in attempts
    )
