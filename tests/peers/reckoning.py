"""What senders were told, compared with what the local sandbox took over.

What lives here: the comparison. A message is known by its one recipient.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from mailbalance.sandbox import Sandbox


def figures(
    box: Sandbox, told: Iterable[dict[str, Any]], expected: int
) -> dict[str, int]:
    """Count what was told and what was wrong with it.

    Args:
        box: Where the messages went; it must have kept them all.
        told: For each message ``to``, ``outcome`` and, when accepted, ``ids``.
        expected: How many messages there were.
    """
    there: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for stored in box.messages():
        there[stored.recipients[0]].append(stored.provider_ids)
    results = list(told)
    accepted = {each["to"]: tuple(each["ids"]) for each in results if "ids" in each}
    refused = {each["to"] for each in results if each["outcome"] == "not_accepted"}
    return {
        "messages": expected,
        "told accepted": len(accepted),
        "never told": expected - len(results),
        "told otherwise": len(results) - len(accepted),
        "lost": sum(to not in there for to in accepted),
        "doubled": sum(len(ids) > 1 for ids in there.values()),
        "refused and there": sum(to in there for to in refused),
        "wrong ids": sum(
            ids not in there[to] for to, ids in accepted.items() if to in there
        ),
    }


def wrong(found: dict[str, int]) -> dict[str, int]:
    """Give those of the figures that must be 0 and are not."""
    fine = {"messages", "told accepted"}
    return {name: count for name, count in found.items() if count and name not in fine}
