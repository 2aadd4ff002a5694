"""The faults, each as a script for the door that a client tries first.

What lives here: names and scripts. ``+`` stands for "after acceptance"; see the doors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Case:
    """One fault, met by every message.

    Attributes:
        name: For the table.
        wire: Which door has it.
        script: What happens at the first, second ... attempt of each message.
        kinds: Suffixes of the recipients of each message.
        size: Bytes of the text of each message.
    """

    name: str
    wire: Literal["http", "smtp"]
    script: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("",)
    size: int = 100


CASES = (
    Case("connection refused", "http", ("refuse",)),
    Case("reset before a reply, not accepted", "http", ("reset",)),
    Case("accepted, then the reply is lost", "http", ("+reset",)),
    Case("accepted, then silence", "http", ("+stall",)),
    Case("accepted, then 500", "http", ("+500",)),
    Case("two answers of 429", "http", ("429", "429")),
    Case("two answers of 503", "http", ("503", "503")),
    Case("accepted, then 200 with a web page", "http", ("+rubbish",)),
    Case("200 with a web page, not accepted", "http", ("rubbish",)),
    Case("connection refused", "smtp", ("refuse",)),
    Case("cut in the middle of the message", "smtp", ("cut",), size=3_500_000),
    Case("reset at the dot, not accepted", "smtp", ("reset",)),
    Case("accepted, then the reply to the dot is lost", "smtp", ("+reset",)),
    Case("451 to the dot", "smtp", ("451",)),
    Case("an idle connection is closed", "smtp", ("+close",) * 9),
    Case("one of three recipients refused", "smtp", kinds=("", "-b", "-refused")),
    Case("one of three recipients deferred", "smtp", kinds=("", "-b", "-later")),
)
