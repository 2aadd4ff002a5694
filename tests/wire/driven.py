"""An exchange driven by hand: what each step comes to is given beforehand.

What lives here: ``Driven``, and requests and answers for it. What must not: a socket.
"""

from __future__ import annotations

import errno

from mailbalance import DeliveryError
from mailbalance.wire.http import HttpRequest, HttpResponse
from mailbalance.wire.http.exchange import Dialogue, Exchange
from mailbalance.wire.http.request import outgoing
from mailbalance.wire.net.drive import Read

URL = "http://host/send"
SHORT, LONG = b"x" * 100, b"x" * 100_000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
RESET = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
SLOW = TimeoutError("the deadline has passed")


class Driven:
    """A dialogue that was driven to its end.

    Args:
        body: The request's body.
        answers: What each step comes to, in order; an exception is thrown in. Reads
            beyond them find the connection closed.
        reused: Whether the connection was used before.
    """

    def __init__(self, body, *answers, reused=False, timeout=30.0, now=lambda: 0.0):
        self.exchange = Exchange("b", "host", timeout, now)
        self.exchange.reused = reused
        self.steps, self.response, self.error = [], None, None
        request = HttpRequest("POST", URL, {"X-Token": "secret"}, body)
        self.dialogue = Dialogue(outgoing(request), self.exchange)
        try:
            self._drive(self.dialogue.run(), list(answers))
        except DeliveryError as error:
            self.error = error

    def _drive(self, steps, answers):
        step = next(steps)
        while not isinstance(step, HttpResponse):
            self.steps.append(step)
            default = b"" if isinstance(step, Read) else None
            answer = answers.pop(0) if answers else default
            if isinstance(answer, Exception):
                step = steps.throw(answer)
            else:
                step = steps.send(answer)
        self.response = step

    def kinds(self):
        return [type(step) for step in self.steps]

    def written(self):
        pieces = [
            each for step in self.steps if type(step) is not Read for each in step[0]
        ]
        return b"".join(pieces)
