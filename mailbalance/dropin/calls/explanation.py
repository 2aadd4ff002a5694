"""What becomes of a call's parameters when another provider carries the message.

What lives here: ``explain``, which tells for one call what ``parameters`` tells for all.
What must not: values of the caller's; an explanation may be printed or logged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mailbalance.backends._mailtrap_request import reason_against
from mailbalance.dropin.calls import faults, parameters
from mailbalance.dropin.calls.call import OPERATIONS
from mailbalance.dropin.calls.draft import Draft
from mailbalance.dropin.calls.parameters import TABLE, Effect, Rule
from mailbalance.dropin.calls.reading import drafts
from mailbalance.errors import MessageError
from mailbalance.message import Envelope

_INDEX = re.compile(r"\[\d+\]")
_CAPITAL = re.compile(r"(?:^|_)([a-z])")
_NEW = Rule("stays on SES", "this version of mailbalance does not know it")


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter of a call.

    Attributes:
        path: The parameter, with ``[]`` for the members of a list.
        effect: What becomes of it elsewhere than at SES.
        why: To what, or why.
    """

    path: str
    effect: Effect
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A call's parameters, and what becomes of each; ``str`` of it is a table.

    Attributes:
        rows: One for each parameter given.
        whole: What keeps the message as a whole from Mailtrap's API; empty when it can go
            there.
    """

    rows: tuple[Row, ...]
    whole: tuple[str, ...]

    def __str__(self) -> str:
        widths = [
            max((len(row.path) for row in self.rows), default=0),
            len("stays on SES"),
        ]
        lines = [
            f"{row.path:{widths[0]}}  {row.effect:{widths[1]}}  {row.why}"
            for row in self.rows
        ]
        verdict = [f"Not by Mailtrap's API: {why}" for why in self.whole]
        return "\n".join([*lines, *(verdict or ["Mailtrap's API can carry it."])])


def explain(
    operation: str,
    params: Mapping[str, Any],
    *,
    service: Literal["ses", "sesv2"] = "sesv2",
    templates: Mapping[str, str] | None = None,
) -> Explanation:
    """Tell what becomes of each parameter of a call; values are not shown.

    Args:
        operation: ``"SendEmail"`` or ``"send_email"``.
        params: The call's parameters.
        service: Which client it is a call of.
        templates: SES template names with the ids of their Mailtrap twins.

    Raises:
        ValueError: When it is no operation that sends mail.
    """
    name = _CAPITAL.sub(lambda found: found[1].upper(), operation)
    if (service, name) not in OPERATIONS:
        known = ", ".join(
            sorted(each for owner, each in OPERATIONS if owner == service)
        )
        raise ValueError(f"{service} has no such sending operation; they are {known}")
    found = drafts(service, name, params, templates=templates or {})
    whole = tuple(dict.fromkeys(_wholes(service, name, params, found)))
    kept: dict[str, str] = {}
    for reason in (reason for draft in found for reason in draft.reasons):
        kept.setdefault(_INDEX.sub("[]", reason.place), reason.why)
    rules = TABLE[service, name]
    rows = [
        _row(path, rules.get(path, _NEW), kept) for path in parameters.given(params)
    ]
    return Explanation(tuple(rows), whole)


def _wholes(
    service: str, name: str, params: Mapping[str, Any], found: Iterable[Draft]
) -> Iterator[str]:
    """Give all that keeps the call, or one of its messages, from Mailtrap's API."""
    for fault in faults.all_faults(service, name, params):
        yield f"SES is known to refuse it: {fault.reason}"
    for draft in found:
        if why := _verdict(draft):
            yield why


def _verdict(draft: Draft) -> str | None:
    try:
        part = draft.part()
        envelope = part.envelope or Envelope.of(part.message)
    except MessageError as error:
        return str(error)
    return part.only_ses or reason_against(part.message, envelope)


def _row(path: str, rule: Rule, kept: Mapping[str, str]) -> Row:
    for place, why in kept.items():
        if place and (place == path or path.startswith((f"{place}.", f"{place}["))):
            return Row(path, "stays on SES", why)
    return Row(path, rule.effect, rule.why)
