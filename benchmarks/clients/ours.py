"""This library: a whole ``Mailer`` each time, with a split of two backends.

Both of them are the same server, so that the router has something to decide and every
message costs alike. The message is built and checked for every send, unless said otherwise,
and each goes to an address of its own, as mail does.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from measuring import mail

from clients.loops import loop_of, repeated
from mailbalance import Attachment, Envelope, Mailer, Message

SPLIT = (60, 40)
USER = {"username": "user", "password": "password"}

_numbers = itertools.count()


def fields(file: bytes | None = None) -> dict[str, Any]:
    """Give the mail as ``send`` takes it."""
    found: dict[str, Any] = {
        "from_": mail.FROM,
        "to": f"m{next(_numbers)}@example.com",
        "subject": mail.SUBJECT,
        "text": mail.text(),
        "html": mail.html(),
    }
    if file is not None:
        found["attachments"] = [Attachment(content=file, filename="report.bin")]
    return found


def ses_backend(
    url: str,
    ca: str | None = None,
    *,
    number: int = 0,
    at_once: int | None = None,
) -> Any:
    """Make a backend for SES's API."""
    from mailbalance import SesBackend

    return SesBackend(
        f"ses-{number}",
        region="eu-west-1",
        endpoint=url,
        ca=ca,
        access_key="AKIDEXAMPLE",
        secret_key="wJalrXUtnFEMI",  # noqa: S106 - nobody's
        concurrency=at_once,
        environ={},
    )


def mailtrap_backend(url: str, ca: str | None = None, *, number: int = 0) -> Any:
    """Make a backend for Mailtrap's API."""
    from mailbalance import MailtrapBackend

    token = "token"  # noqa: S105 - nobody's
    return MailtrapBackend(
        f"mailtrap-{number}", token=token, base_url=url, ca=ca, environ={}
    )


def smtp_backend(port: int, *, number: int = 0, at_once: int | None = None) -> Any:
    """Make a backend for SMTP, without TLS, which nobody here has."""
    from mailbalance import SesSmtpBackend

    return SesSmtpBackend(
        f"ses-smtp-{number}",
        region="eu-west-1",
        host="127.0.0.1",
        port=port,
        tls="off",
        concurrency=at_once,
        environ={},
        **USER,
    )


def _split(make: Callable[..., Any], *given: Any, **options: Any) -> Mailer:
    """Make a mailer with two backends of a kind."""
    pair = (make(*given, number=number, **options) for number in range(len(SPLIT)))
    return Mailer(dict(zip(pair, SPLIT, strict=True)))


def _sending(mailer: Mailer, size: int = 0) -> Callable[[int], None]:
    file = mail.file(size) if size else None

    def run(number: int) -> None:
        for _ in range(number):
            mailer.send(**fields(file))

    return run


def ses(url: str, ca: str | None = None, size: int = 0) -> Callable[[int], None]:
    """Send by SES's API, one after another."""
    return _sending(_split(ses_backend, url, ca), size)


def ases(url: str, loop: str = "asyncio", at_once: int = 1) -> Callable[[int], None]:
    """Send by SES's API in an event loop, so many at once."""
    mailer = _split(ses_backend, url, at_once=max(at_once, 16))
    return repeated(loop_of(loop), lambda: mailer.asend(**fields()), at_once)


def ses_in_threads(url: str, at_once: int) -> Callable[[int], None]:
    """Send by SES's API, so many at once."""
    send = _sending(_split(ses_backend, url, at_once=at_once))
    pool = ThreadPoolExecutor(at_once)
    return lambda number: list(pool.map(send, [number // at_once] * at_once)) and None


def mailtrap(url: str, ca: str | None = None, size: int = 0) -> Callable[[int], None]:
    """Send by Mailtrap's API, one after another."""
    return _sending(Mailer({mailtrap_backend(url, ca): 1}), size)


def smtp(port: int, size: int = 0, backends: int = 1) -> Callable[[int], None]:
    """Send by SMTP, one after another."""
    if backends == 1:
        return _sending(Mailer({smtp_backend(port): 1}), size)
    return _sending(_split(smtp_backend, port), size)


class Ready:
    """Sends messages that were made before the clock runs.

    Args:
        send: Takes the messages and sends them.
        rendered: Whether they are written as MIME beforehand too.
        per: How many there are for each call.
        make: Makes the fields of one, by its number.
    """

    def __init__(
        self,
        send: Callable[[list[Message]], object],
        *,
        rendered: bool = False,
        per: int = 1,
        make: Callable[[int], dict[str, Any]] = lambda _: fields(),
    ) -> None:
        self._send, self._rendered = send, rendered
        self._per, self._make = per, make

    def prepare(self, number: int) -> list[Message]:
        """Make the messages."""
        from mailbalance import mime

        made = [Message(**self._make(each)) for each in range(number * self._per)]
        if self._rendered:
            for each in made:
                mime.render(each)
        return made

    def __call__(self, ready: list[Message]) -> None:
        """Send them."""
        self._send(ready)


def smtp_ready(port: int, loop: str | None = None) -> Ready:
    """Send by SMTP what is written already, in an event loop if one is named."""
    mailer = Mailer({smtp_backend(port): 1})
    if loop is None:
        return Ready(lambda made: [mailer.send(each) for each in made], rendered=True)
    runs_in = loop_of(loop)

    async def several(made: list[Message]) -> None:
        for each in made:
            await mailer.asend(each)

    return Ready(lambda made: runs_in.run_until_complete(several(made)), rendered=True)


def smtp_many(port: int) -> Ready:
    """Send by SMTP with ``send_many``, in one thread and thus over one connection."""
    mailer = Mailer({smtp_backend(port): 1})
    return Ready(lambda made: _many(mailer, made, 1))


def smtp_in_threads(port: int, at_once: int) -> Callable[[int], None]:
    """Send by SMTP, so many at once."""
    send = _sending(Mailer({smtp_backend(port, at_once=at_once): 1}))
    pool = ThreadPoolExecutor(at_once)
    return lambda number: list(pool.map(send, [number // at_once] * at_once)) and None


def smtp_in_tasks(port: int, at_once: int, loop: str = "asyncio") -> Any:
    """Send by SMTP in an event loop, so many at once."""
    mailer = Mailer({smtp_backend(port, at_once=at_once): 1})
    return repeated(loop_of(loop), lambda: mailer.asend(**fields()), at_once)


def mailtrap_batch(
    url: str, ca: str | None, messages: int, distinct: bool, built: bool = False
) -> Any:
    """Send by Mailtrap's API with ``send_many``.

    Args:
        url: Where to.
        ca: What to trust.
        messages: In one call of ``send_many``.
        distinct: Whether each has a text of its own.
        built: Whether building the messages is counted.
    """
    mailer = Mailer({mailtrap_backend(url, ca): 1})
    if built:

        def run(number: int) -> None:
            for _ in range(number):
                given = (Message(**_one_of(each, distinct)) for each in range(messages))
                _many(mailer, given, 16)

        return run

    def send(made: list[Message]) -> None:
        for start in range(0, len(made), messages):
            _many(mailer, made[start : start + messages], 16)

    return Ready(send, per=messages, make=lambda each: _one_of(each, distinct))


def mailtrap_batch_call(url: str, ca: str | None, messages: int, distinct: bool) -> Any:
    """Make the same call by the backend alone, without routes, plans or threads."""
    backend = mailtrap_backend(url, ca)

    def send(made: list[Message]) -> None:
        for start in range(0, len(made), messages):
            part = made[start : start + messages]
            mails = [(each, Envelope.of(each)) for each in part]
            backend.send_batch(mails, timeout=30)

    return Ready(send, per=messages, make=lambda each: _one_of(each, distinct))


def _one_of(number: int, distinct: bool) -> dict[str, Any]:
    own = fields() | {"to": f"m{number}@example.com"}
    return own | {"text": f"Number {number}. {own['text']}"} if distinct else own


def _many(mailer: Mailer, messages: Any, concurrency: int) -> None:
    for result in mailer.send_many(messages, concurrency=concurrency):
        if result.error is not None:
            raise result.error


def wire(port: int) -> Ready:
    """Send by the wire of SMTP alone, without AUTH: for servers that cannot do that."""
    from mailbalance import mime
    from mailbalance.wire.smtp import Server, SmtpWire
    from mailbalance.wire.smtp.commands import Mail

    found = SmtpWire(Server("127.0.0.1", port, "off"), backend="smtp")

    def send(made: list[Message]) -> None:
        for each in made:
            envelope = Envelope.of(each)
            content = mime.render(each)
            mail = Mail(envelope.sender, envelope.recipients, content)
            found.send(mail, timeout=30)

    return Ready(send, rendered=True)


def in_place(url: str, built: bool = False) -> Callable[[int], float]:
    """Tell what the mailer adds to its backend's own work, one send after the other.

    Every other message goes by the backend alone, built and checked before the clock runs;
    caches are thus as warm as they are in a program that sends.

    Args:
        url: Where to.
        built: Whether the mailer's message is built beforehand too.
    """
    mailer, backend = _split(ses_backend, url), ses_backend(url)

    def alone(message: Message, envelope: Any) -> None:
        backend.send(message, envelope, timeout=30)

    def whole(message: Message | None, given: dict[str, Any]) -> None:
        mailer.send(message, **given)

    def run(number: int) -> float:
        difference = 0.0
        for _ in range(number):
            message = Message(**fields())
            message.stamp()
            difference -= _cpu(alone, message, Envelope.of(message))
            if built:
                difference += _cpu(whole, Message(**fields()), {})
            else:
                difference += _cpu(whole, None, fields())
        return difference

    return run


def _cpu(act: Callable[..., object], *given: Any) -> float:
    began = time.process_time()
    act(*given)
    return time.process_time() - began
