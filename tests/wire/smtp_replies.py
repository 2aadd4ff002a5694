"""Every reply an SMTP server can give, at every stage, and what it must come to.

The rules are written from the standards, not from the library's tables: RFC 5321 sections
4.2 and 4.3.2 (what a code means, and which one is due), RFC 3207 and RFC 4954 (STARTTLS
and AUTH). They know codes only; what a provider's own words change has tests of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product, starmap
from typing import Literal, get_args

from mailbalance.errors import (
    DeliveryError,
    RejectedError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.wire.smtp import Accepted, Credentials, Mail, Reuse, Server, SmtpWire
from tests.wire.certainty import Figures, disagreements
from tests.wire.cutting import HOWS, TIMEOUT, How
from tests.wire.memory import MemoryLoop, Network, installed
from tests.wire.smtp_submission import Submission

Stage = Literal[
    "greeting", "EHLO", "STARTTLS", "EHLO2", "AUTH", "MAIL", "RCPT", "DATA", "dot",
    "RSET", "QUIT",
]  # fmt: skip
Form = Literal["plain", "enhanced", "multiline", "multiline enhanced"]

STAGES: tuple[Stage, ...] = get_args(Stage)
FORMS: tuple[Form, ...] = get_args(Form)
CODES = (
    0, 199,  # none of SMTP's
    200, 211, 214, 220, 221, 235, 250, 251, 252, 299,
    300, 334, 350, 354, 399,
    400, 401, 420, 421, 422, 430, 431, 432, 441, 442, 446, 447, 450, 451, 452, 453, 454,
    471, 499,
    500, 501, 502, 503, 504, 511, 521, 523, 530, 534, 535, 538, 541, 550, 551, 552, 553,
    554, 555, 556, 571, 599,
    600, 999,  # nor are these
)  # fmt: skip

#: The one code that is the success at these stages; at the others any 2yz is.
DUE = {
    "greeting": 220,
    "EHLO": 250,
    "STARTTLS": 220,
    "EHLO2": 250,
    "AUTH": 235,
    "DATA": 354,
}

#: Before the first word about a message.
OPENING = ("greeting", "EHLO", "STARTTLS", "EHLO2", "AUTH")

#: What a reply to EHLO must offer next, by the phase that misses it.
OFFERING = {"EHLO": "starttls", "EHLO2": "auth"}

MAIL = Mail("a@x.com", ("b@x.com",), b"Subject: test\n\nhello")
NOBODYS = Mail("a@x.com", ("old@x.com",), b"Subject: before\n\nhello")


def expected(stage: Stage, code: int) -> type[DeliveryError] | None:
    """Give the error that a reply must become; ``None`` if the message is accepted."""
    if stage == "QUIT":
        return None  # whatever is said after the message was taken
    if not 200 <= code <= 599:
        return UnknownOutcomeError if stage == "dot" else TransientError
    if stage in OFFERING and code == 250:
        return UnavailableError  # these words offer neither STARTTLS nor AUTH
    if stage == "RSET":
        return None  # a connection that cannot be reset is replaced by a new one
    if code == DUE.get(stage) or (stage not in DUE and code < 300):
        return None
    if code < 400:
        return UnknownOutcomeError if stage == "dot" else TransientError
    return TransientError if code < 500 else _for_good(stage, code)


def _for_good(stage: Stage, code: int) -> type[DeliveryError]:
    """Say what a 5yz means: who is it that is refused?"""
    if code in (530, 534, 538):
        return UnavailableError  # RFC 4954 section 6: our way of logging in
    if stage in ("RCPT", "DATA", "dot") or code == 552:
        return RejectedError if stage not in OPENING else UnavailableError
    return UnavailableError  # this server, or at MAIL this sender


def worded(code: int, form: Form) -> str:
    """Give the reply's bytes, but for the last line's end."""
    enhanced = f"{code // 100}.1.0 " if "enhanced" in form else ""
    last = f"{code:03} {enhanced}so it says"
    if "multiline" in form:
        return f"{code:03}-{enhanced}first\r\n{code:03}-\r\n{last}"
    return last


@dataclass(frozen=True)
class Case:
    """One reply."""

    stage: Stage
    code: int
    form: Form
    how: How


class Play:
    """One reply being given."""

    def __init__(self, case: Case, network: Network) -> None:
        self.case = case
        self.network = network
        self.servers: list[Submission] = []
        self._replies: dict[str, str] = {}
        self._said = {"RCPT": MAIL.recipients[0]}.get(case.stage, case.stage)
        network.dialled = self._dial
        self.wire = SmtpWire(
            Server("h.test", security="starttls", credentials=Credentials("u", "pw")),
            backend="sim",
            reuse=Reuse(connections=1),
        )

    def _dial(self) -> Submission:
        """Give a server; only the first one dialled has the reply."""
        replies = self._replies if not self.servers else {}
        server = Submission(replies=replies, security="starttls")
        self.servers.append(server)
        return server

    def prepare(self) -> Mail | None:
        """Give the message for nobody that must come first, for something to reset."""
        if self.case.stage != "RSET":
            self._set()
            return None
        self._replies["old@x.com"] = "550 no"
        return NOBODYS

    def _set(self) -> None:
        self._replies[self._said] = worded(self.case.code, self.case.form)

    def run(self) -> Accepted | Exception:
        if (before := self.prepare()) is not None:
            self._attempt(before)
            self._set()
        result = self._attempt(MAIL)
        self.wire.close()
        return result

    async def arun(self) -> Accepted | Exception:
        if (before := self.prepare()) is not None:
            await self._aattempt(before)
            self._set()
        result = await self._aattempt(MAIL)
        await self.wire.aclose()
        await asyncio.sleep(0)
        return result

    def judge(self, result: Accepted | Exception) -> Iterator[str]:
        """Say what of the result is not as the rules want it."""
        wanted = expected(self.case.stage, self.case.code)
        found = None if isinstance(result, Accepted) else type(result)
        if found is not wanted:
            yield f"{found and found.__name__}, not {wanted and wanted.__name__}: {result}"
        outcome = getattr(result, "outcome", "accepted")
        claimed = result.recipients if isinstance(result, Accepted) else ()
        took = [each.recipients for server in self.servers for each in server.took]
        yield from disagreements(outcome, claimed, took)
        if isinstance(result, DeliveryError) and result.phase != self._phase:
            yield f"its phase is {result.phase}"
        yield from (f"line {at} was left open" for at in self.network.leaked)

    @property
    def _phase(self) -> str:
        if self.case.code == 250 and self.case.stage in OFFERING:
            return OFFERING[self.case.stage]
        return {"EHLO2": "ehlo"}.get(self.case.stage, self.case.stage.lower())

    def _attempt(self, mail: Mail) -> Accepted | Exception:
        try:
            return self.wire.send(mail, timeout=TIMEOUT)
        except Exception as error:  # noqa: BLE001 - whatever escapes is judged
            return error

    async def _aattempt(self, mail: Mail) -> Accepted | Exception:
        try:
            return await self.wire.asend(mail, timeout=TIMEOUT)
        except Exception as error:  # noqa: BLE001 - whatever escapes is judged
            return error


def figures(hows: Iterable[How] = HOWS, forms: Iterable[Form] = FORMS) -> Figures:
    """Give every reply once in each form."""
    every = product(STAGES, CODES, forms, hows)
    found = Figures()
    with installed() as place, found.timed():
        loop = MemoryLoop()
        try:
            for case in starmap(Case, every):
                network = Network(Submission, now=place.network.now)
                place.network = loop.network = network
                play = Play(case, network)
                if case.how == "sync":
                    result = play.run()
                else:
                    result = loop.run_until_complete(play.arun())
                outcome = getattr(result, "outcome", "accepted")
                found.add(case, outcome, play.judge(result))
        finally:
            loop.close()
    return found
