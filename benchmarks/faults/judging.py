"""What a caller was told about each recipient, held against what the servers took over.

What lives here: the words and the counting; one rule for every client.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

#: What a caller knows of one recipient afterwards. An exception counts as ``not sent``
#: where it, or what caused it, shows that; all others leave the caller in ``doubt``.
Told = Literal["sent", "sent, perhaps twice", "not sent", "doubt"]

#: In the order of the table's columns.
ENDS = (
    "arrived",
    "refused",
    "given up",
    "in doubt",
    "doubled, told",
    "told wrong",
    "doubled unseen",
    "lost unseen",
)
MEANING = {
    "arrived": "one copy arrived, and the caller was told so",
    "refused": "the server refuses this recipient for good, and the caller was told so",
    "given up": "nothing arrived, and the caller was told so; another try is due",
    "in doubt": "an exception that does not say whether it arrived; one copy or none did",
    "doubled, told": "two copies or more, and the caller was told that this may be",
    "told wrong": "the caller was told that it was not sent, and it arrived",
    "doubled unseen": "two copies or more, and the caller was not told",
    "lost unseen": "the caller was told that it was sent, and nothing arrived",
}


@dataclass
class Tally:
    """The ends that one client's mails came to."""

    ends: Counter[str] = field(default_factory=Counter)

    def count(self, recipient: str, told: Told, copies: int) -> None:
        """Count one recipient of one message."""
        self.ends[end_of(recipient, told, copies)] += 1


def end_of(recipient: str, told: Told, copies: int) -> str:
    """Name what one recipient's mail came to."""
    if copies > 1:
        return "doubled, told" if told == "sent, perhaps twice" else "doubled unseen"
    if told == "doubt":
        return "in doubt"
    if told == "not sent":
        if copies:
            return "told wrong"
        return "refused" if "-refused@" in recipient else "given up"
    return "arrived" if copies else "lost unseen"
