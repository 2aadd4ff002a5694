"""A message built and written as MIME, by this library and by the standard one."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from measuring import mail


def _texts(ascii_only: bool) -> tuple[str, str]:
    if ascii_only:
        return mail.text(), mail.html()
    return mail.foreign_text(), mail.foreign_html()


def stdlib(ascii_only: bool, size: int) -> Callable[[int], None]:
    """Build and write by ``EmailMessage``."""
    text, html = _texts(ascii_only)
    file = mail.file(size)

    def run(number: int) -> None:
        for _ in range(number):
            message = EmailMessage()
            message["From"], message["To"] = mail.FROM, mail.TO
            message["Subject"] = mail.SUBJECT
            message.set_content(text)
            message.add_alternative(html, subtype="html")
            if size:
                message.add_attachment(
                    file, maintype="application", subtype="pdf", filename="a.pdf"
                )
            message.as_bytes()

    return run


def _making(ascii_only: bool, size: int) -> Callable[[], Any]:
    from mailbalance import Attachment, Message

    text, html = _texts(ascii_only)
    file = mail.file(size)

    def make() -> Message:
        files = [Attachment(content=file, filename="a.pdf")] if size else []
        return Message(
            from_=mail.FROM,
            to=mail.TO,
            subject=mail.SUBJECT,
            text=text,
            html=html,
            attachments=files,
        )

    return make


def built(ascii_only: bool, size: int) -> Callable[[int], None]:
    """Build and check a ``Message``."""
    make = _making(ascii_only, size)

    def run(number: int) -> None:
        for _ in range(number):
            make()

    return run


def ours_built(ascii_only: bool, size: int) -> Callable[[int], None]:
    """Build, check and write a ``Message``."""
    from mailbalance import mime

    make = _making(ascii_only, size)

    def run(number: int) -> None:
        for _ in range(number):
            mime.render(make())

    return run


class ours:  # noqa: N801 - called as the functions beside it are
    """Write messages that were built before the clock runs."""

    def __init__(self, ascii_only: bool, size: int) -> None:
        from mailbalance import mime

        self._make, self._render = _making(ascii_only, size), mime.render

    def prepare(self, number: int) -> list[Any]:
        """Build them."""
        return [self._make() for _ in range(number)]

    def __call__(self, ready: list[Any]) -> None:
        """Write them."""
        for place, message in enumerate(ready):
            self._render(message)
            ready[place] = None
