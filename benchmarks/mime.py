"""How much does it cost to write a message, against the stdlib's EmailMessage?

Run: ``python benchmarks/mime.py [rounds]``. Each round times every case once, ours and the
stdlib's in turn, so that a busy machine slows both; the medians of the rounds' ratios are
what counts. Ours includes building and checking the ``Message``.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from mailbalance import mime
from mailbalance.message import Attachment, Message

_LINE = "The quick brown fox jumps over the lazy dog, and so does the cat.\n"
_UMLAUTS = "Größere Füße brauchen größere Schuhe, sagt die Bäckerin täglich.\n"
_NOISE = random.Random(1).randbytes(500_000)

#: Text of 3 KB and HTML of 7 KB, as in a receipt; then a PDF of 500 KB as well.
CASES: dict[str, dict[str, Any]] = {
    "ASCII 10 KB": {"line": _LINE, "file": None},
    "non-ASCII 10 KB": {"line": _UMLAUTS, "file": None},
    "500 KB attachment": {"line": _LINE, "file": _NOISE},
}


def parts(line: str) -> tuple[str, str]:
    """Give 3 KB of text and 7 KB of HTML."""
    paragraphs = f"<p>{line.strip()}</p>\n"
    return line * (3_000 // len(line)), paragraphs * (7_000 // len(paragraphs))


def built(text: str, html: str, file: bytes | None) -> Message:
    """Build and check a Message."""
    files = [Attachment(content=file, filename="a.pdf")] if file else []
    return Message(
        from_="Ana <ana@example.com>",
        to="bo@example.com",
        subject="Your receipt",
        text=text,
        html=html,
        attachments=files,
    )


def ours(text: str, html: str, file: bytes | None) -> bytes:
    """Build, check and write a Message."""
    return mime.render(built(text, html, file))


def stdlib(text: str, html: str, file: bytes | None) -> bytes:
    """Do the same with the stdlib."""
    message = EmailMessage()
    message["From"] = "Ana <ana@example.com>"
    message["To"] = "bo@example.com"
    message["Subject"] = "Your receipt"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    if file:
        message.add_attachment(
            file, maintype="application", subtype="pdf", filename="a.pdf"
        )
    return message.as_bytes()


def timed(write: Callable[..., object], calls: int, *arguments: Any) -> float:
    """Give the CPU seconds of one call."""
    started = time.process_time()
    for _ in range(calls):
        write(*arguments)
    return (time.process_time() - started) / calls


def main(rounds: int) -> None:
    """Time every case and print the table."""
    print(
        f"CPU time, medians of {rounds} interleaved rounds; us; whole and write: to stdlib"
    )
    print(f"{'':<18}   build  +write  stdlib   whole   write")
    for name, case in CASES.items():
        arguments = (*parts(case["line"]), case["file"])
        calls = 5 if case["file"] else 50
        times = [
            tuple(timed(write, calls, *arguments) for write in (built, ours, stdlib))
            for _ in range(rounds)
        ]
        build, both, theirs = (
            statistics.median(column) * 1e6 for column in zip(*times, strict=True)
        )
        whole = statistics.median(o / s for _, o, s in times)
        alone = statistics.median((o - b) / s for b, o, s in times)
        print(
            f"{name:<18}{build:>8.1f}{both:>8.1f}{theirs:>8.0f}{whole:>8.3f}{alone:>8.3f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
