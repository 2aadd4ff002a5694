"""How a run of ``send-many`` ended, in words, JSON and an exit code.

What lives here: the state of the whole file, this run's ends and those before. What must
not: sending, writing results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbalance.cli.output import Code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailbalance.cli.journal import Journal
    from mailbalance.cli.output import Output

#: Wrong rows that are told; the results file has them all.
_TOLD = 10

_STYLES = {"accepted": "green", "unknown": "yellow", "refused": "red", "wrong": "red"}


def summarise(
    out: Output,
    journal: Journal,
    rows: int,
    wrong: Sequence[tuple[int, str]],
    stopped: int | None = None,
) -> int:
    """Say how a run ended.

    Args:
        out: Where to.
        journal: What is known of each row.
        rows: How many there are.
        wrong: Each row that made no message: its line and why.
        stopped: The exit code of the signal that stopped it, if one did.

    Returns:
        The exit code.
    """
    counts = _counts(journal, rows)
    code = _code(counts) if stopped is None else stopped
    out.give({"ok": not code, "exit_code": code, "counts": counts, **_facts(wrong)})
    for what, number in sorted(counts.items()):
        out.say(f"{number:>7} {what.replace('_', ' ')}", _STYLES.get(what, ""))
    if not counts:
        out.say("0 messages: the file is empty.")
    _warn(out, journal, wrong)
    for advice in _advice(counts, stopped):
        out.warn(advice)
    return code


def _counts(journal: Journal, rows: int) -> dict[str, int]:
    counts = dict(journal.counts)
    if journal.in_doubt:
        counts["in_doubt"] = journal.in_doubt
    left = rows - sum(counts.values())
    return counts | ({"left": left} if left > 0 else {})


def _facts(wrong: Sequence[tuple[int, str]]) -> dict[str, Any]:
    return {"wrong": [{"line": line, "text": text} for line, text in wrong]}


def _warn(out: Output, journal: Journal, wrong: Sequence[tuple[int, str]]) -> None:
    for line, text in wrong[:_TOLD]:
        out.warn(f"line {line}: {text}")
    if len(wrong) > _TOLD:
        out.warn(f"and {len(wrong) - _TOLD} more wrong rows")
    if wrong:
        out.warn(f"Correct them and run the command again. Results: {journal.path}")
    if journal.failure is not None:
        why = journal.failure.strerror or "an error"
        out.warn(
            f"{journal.path} cannot be written: {why}. Sending has stopped, since a "
            "message whose sending is not written down could be sent twice."
        )


def _advice(counts: Mapping[str, int], stopped: int | None) -> list[str]:
    found = []
    if _sum(counts, "unknown", "in_doubt"):
        found.append(
            "What is unknown or in doubt may have been accepted, and is not sent again by "
            "itself: look it up at the provider first."
        )
    if stopped is not None:
        found.append("Stopped by a signal.")
    if counts.get("not_accepted"):
        found.append("Run the command again to send what was not accepted.")
    if counts.get("left"):
        found.append("Run the command again, and it goes on with what is left.")
    return found


def _code(counts: Mapping[str, int]) -> Code:
    """Give the exit code for the state of a file: the worst that needs somebody to act."""
    if _sum(counts, "unknown", "in_doubt"):
        return Code.REFUSED
    some = _sum(counts, "accepted", "partial")
    later = _sum(counts, "not_accepted", "left")
    refused, wrong = _sum(counts, "refused"), _sum(counts, "wrong")
    if refused or wrong or _sum(counts, "partial"):
        if some or later:
            return Code.PARTLY
        return Code.REFUSED if refused else Code.USAGE
    if later:
        return Code.PARTLY if some else Code.TEMPORARY
    return Code.OK


def _sum(counts: Mapping[str, int], *names: str) -> int:
    """Count the rows that ended so, in this run or before."""
    return sum(counts.get(n, 0) + counts.get(f"{n} before", 0) for n in names)
