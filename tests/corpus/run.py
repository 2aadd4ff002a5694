"""Every mail through ``from_mime``, a memory backend and four endpoints, then compared.

What arrived is what the local sandbox stored, never what the client believes. A mail goes
as it was given, and once more written anew where the fields say all of it.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mailbalance import Mailer, MailError, MemoryBackend, Message, MessageError
from mailbalance.sandbox import Sandbox
from tests.corpus import facts
from tests.corpus.facts import NAMES, READERS, Facts
from tests.corpus.mails import Mail

ENDPOINTS = ("ses", "ses-smtp", "mailtrap", "mailtrap-smtp")
WAYS = ("memory", *ENDPOINTS)

#: Where a mail goes that names nobody.
SOMEBODY = "corpus@example.com"


#: Padding, and more digits in a later line.
_SEVERAL_RUNS = re.compile(
    rb"^[A-Za-z0-9+/]*==?[ \t]*\r?\n[A-Za-z0-9+/]{2,}=*\r?$", re.MULTILINE
)


@dataclass
class Report:
    """What became of the mails.

    Attributes:
        counts: How often each end came, by way.
        reasons: Why a mail was refused before it was sent, or left out.
        explained: Differences with a known reason.
        differences: All others.
    """

    mails: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Show it."""
        ends = ("same", "explained", "left out", "refused", "different")
        rows = [f"{'':14}" + "".join(f"{end:>11}" for end in ends)]
        for way in WAYS:
            cells = "".join(f"{self.counts[way, end]:>11,}" for end in ends)
            rows.append(f"{way:14}{cells}")
        unread = self.counts["from_mime", "refused"]
        rows.append(f"\n{self.mails:,} mails, {unread:,} of them no message")
        rows += [f"{n:>7,}  {why}" for why, n in self.reasons.most_common()]
        rows += [
            f"{n:>7,}  explained: {why}" for why, n in self.explained.most_common()
        ]
        return "\n".join([*rows, *self.differences])


def run(mails: Iterable[Mail]) -> Report:
    """Run them all on a local sandbox of their own."""
    report = Report()
    memory = MemoryBackend()
    with (
        Sandbox() as box,
        Mailer.from_env(box.environ(",".join(f"{w}=1" for w in ENDPOINTS))) as mailer,
        Mailer({memory: 1}, from_="demo@example.com") as kept,
    ):
        logging.getLogger("mailbalance").setLevel(logging.CRITICAL)
        for name, data in mails:
            _Run(report, box, mailer, kept, memory, name, data).all()
    return report


@dataclass
class _Run:
    """One mail."""

    report: Report
    box: Sandbox
    mailer: Mailer
    kept: Mailer
    memory: MemoryBackend
    name: str
    data: bytes

    def all(self) -> None:
        self.report.mails += 1
        try:
            given = _with_somebody(Message.from_mime(self.data))
        except MessageError as error:
            self.report.counts["from_mime", "refused"] += 1
            self.report.reasons[f"no message: {_why(error)}"] += 1
            return
        self.before = {name: read(self.data) for name, read in READERS.items()}
        self.flowed = b"format=flowed" in self.data.lower()
        forms = {"as given": given}
        if (given.text or given.html) and not given.unrepresented:
            forms["written anew"] = given.model_copy(update={"raw": None})
        for form, message in forms.items():
            for way in WAYS:
                self._send(message, way, form)

    def _send(self, message: Message, way: str, form: str) -> None:
        mailer = self.kept if way == "memory" else self.mailer
        self.box.clear()
        self.memory.sent.clear()
        try:
            mailer.send(message, via=way)
        except MailError as error:
            self._not_sent(error, message, way, form)
            return
        found = list(self._differences(message, way))
        for fact, why, here, there in found:
            if why:
                self.report.explained[f"{fact}: {why}"] += 1
            else:
                self.report.differences.append(
                    f"{self.name}, {form}, {way}, {fact}:\n    said    {_short(here)}"
                    f"\n    arrived {_short(there)}"
                )
        end = (
            "same"
            if not found
            else "explained"
            if all(f[1] for f in found)
            else "different"
        )
        self.report.counts[way, end] += 1

    def _not_sent(
        self, error: MailError, message: Message, way: str, form: str
    ) -> None:
        left_out = isinstance(error, MessageError)
        self.report.counts[way, "left out" if left_out else "refused"] += 1
        if left_out:
            self.report.reasons[f"{way}: {_why(error)}"] += 1
        elif self._has_no_author() or "header" in " ".join(message.unrepresented):
            self.report.explained["refused: its header is told to be broken"] += 1
        else:
            self.report.differences.append(f"{self.name}, {form}, {way}: {error}")

    def _has_no_author(self) -> bool:
        return not all(_is_address(each.author) for each in self.before.values())

    def _differences(
        self, message: Message, way: str
    ) -> Iterator[tuple[str, str, Any, Any]]:
        """Give each fact that differs, why it may, what was said and what arrived."""
        for reader, before in self.before.items():
            after = self._after(message, way, reader)
            for name in NAMES:
                here, there = getattr(before, name), getattr(after, name)
                if here is None or there is None or self._same(name, here, there):
                    continue
                if name in ("author", "recipients") and not here:
                    continue  # then it is the default, or somebody
                yield name, self._reason(message, way, name, reader), here, there

    def _after(self, message: Message, way: str, reader: str) -> Facts:
        """Read what arrived: with the reader where it is MIME."""
        if way == "memory":
            (sent,) = self.memory.sent
            found = facts.of_message(sent.message)
            return facts.with_recipients(found, sent.envelope.recipients)
        (stored,) = self.box.messages()
        if stored.door == "mailtrap":
            found = facts.of_mailtrap(json.loads(stored.raw))
        elif stored.door == "ses" and "Simple" in json.loads(stored.raw)["Content"]:
            found = facts.of_ses(json.loads(stored.raw))
        else:
            found = READERS[reader](_mime(stored.raw, stored.door))
        return facts.with_recipients(found, stored.recipients)

    def _same(self, name: str, here: Any, there: Any) -> bool:
        if name == "files":
            return len(here) == len(there) and all(
                mine[1:] == other[1:] and (not mine[0] or mine[0] == other[0])
                for mine, other in zip(here, there, strict=True)
            )
        if name == "text" and self.flowed:
            return _unflowed(here) == _unflowed(there)
        return bool(here == there)

    def _reason(self, message: Message, way: str, name: str, reader: str) -> str:
        """Say why a fact may differ, or ``""``."""
        told = " ".join(message.unrepresented)
        if told and (way == "memory" or "no header field" in told):
            return "told in unrepresented"
        unread = {"recipients": "no address", "files": "header that are no text"}
        if name in unread and unread[name] in told:
            return "told in unrepresented"
        if name in ("text", "html") and (why := _why_other_text(self.data)):
            return why
        if name == "files" and any(
            "=?" in file[0] for file in self.before[reader].files or ()
        ):
            return "an encoded word in a name that is broken"
        (other,) = READERS.keys() - {reader}
        mine, theirs = (getattr(self.before[each], name) for each in (reader, other))
        after = getattr(self._after(message, way, other), name)
        if theirs is None:
            return ""
        if after is not None and self._same(name, theirs, after):
            return f"{reader} alone sees it"
        if not self._same(name, mine, theirs):
            return "each reader reads the original in a way of its own"
        return ""


def _why_other_text(data: bytes) -> str:
    if b"utf-16" in data.lower():
        return "line ends of UTF-16 that is not encoded"
    several = _SEVERAL_RUNS.search(data) is not None
    return "base64 in several runs, of which others read the first" if several else ""


def _with_somebody(message: Message) -> Message:
    if message.to or message.cc or message.bcc:
        return message
    return message.model_copy(update={"bcc": [SOMEBODY]})


def _mime(raw: bytes, door: str) -> bytes:
    if door != "ses":
        return raw
    return base64.b64decode(json.loads(raw)["Content"]["Raw"]["Data"])


def _is_address(email: str | None) -> bool:
    local, _, domain = (email or "").rpartition("@")
    return bool(local and re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", domain))


def _unflowed(text: str) -> str:
    return re.sub(r"[\s>]", "", text)


def _why(error: Exception) -> str:
    """Give an error's reason without what differs from mail to mail."""
    first = str(error).splitlines()[0]
    return re.sub(r"\d[\d,]*", "N", first.rpartition("cannot carry this message: ")[2])[
        :90
    ]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:200]} ... {text[-80:]}"
