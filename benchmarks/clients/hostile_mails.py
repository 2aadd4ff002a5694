"""Mails that are made to take long: one kind for each place that could be quadratic.

Each takes a count and gives bytes of about that many times the same.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

HEAD = "From: a@example.com\nTo: b@example.com\nSubject: s\n"
MIXED = "Content-Type: multipart/mixed; boundary=B\n\n"
ID = "<known@example.com>"


def parts(count: int, part: Callable[[int], str]) -> str:
    """Give a message of so many parts."""
    inside = "".join(f"--B\n{part(n)}\n" for n in range(count))
    return f"{HEAD}{MIXED}{inside}--B--\n"


def one(part: str) -> str:
    """Give a message of one part."""
    return parts(1, lambda _: part)


def only(header: str, body: str = "x") -> str:
    """Give a message with this header and body."""
    return f"{HEAD}{header}\n\n{body}"


def nested(count: int) -> str:
    """Give containers as deep as they may be, around a text."""
    heads = "".join(
        f"Content-Type: multipart/mixed; boundary=B{n}\n\n--B{n}\n" for n in range(49)
    )
    return f"{HEAD}{heads}\n{'text ' * count}"


def guessed(count: int) -> str:
    """Give a text with every boundary that would come first, the Message-ID being known."""
    ours = (
        blake2b(f"{ID} {n}".encode(), digest_size=15).hexdigest() for n in range(count)
    )
    text = "".join(f"--=_{boundary}\n" for boundary in ours)
    return (
        f"{HEAD}Message-ID: {ID}\n{MIXED}--B\n\n{text}\n"
        "--B\nContent-Type: text/html\n\nh\n--B--\n"
    ).replace("multipart/mixed", "multipart/alternative")


KINDS: dict[str, Callable[[int], str]] = {
    "parts with ids": lambda n: parts(
        n, lambda k: f"Content-ID: <{k}>\nContent-Type: a/b\n\nx"
    ),
    "parts with one id": lambda n: parts(
        n, lambda _: "Content-ID: <i>\nContent-Type: a/b\n\nx"
    ),
    "inline parts of one name": lambda n: parts(
        n, lambda _: "Content-Type: a/b\nContent-Disposition: inline; filename=a\n\nx"
    ),
    "inline parts that take names": lambda n: parts(
        n,
        lambda k: (
            f"Content-Type: a/b\nContent-Disposition: inline; filename=part-{n - k}.b\n\nx"
        ),
    ),
    "containers beside each other": lambda n: parts(
        n,
        lambda k: (
            f"Content-Type: multipart/mixed; boundary=C{k}\n\n--C{k}\n\nx\n--C{k}--"
        ),
    ),
    "containers in each other": nested,
    "boundaries": lambda n: f"{HEAD}{MIXED}" + "--B\n" * n * 4,
    "lines like boundaries": lambda n: f"{HEAD}{MIXED}" + "--Bx\n" * n * 20,
    "guessed boundaries": guessed,
    "a long file name": lambda n: one(f'Content-Type: a/b; name="{"é" * n * 3}"\n\nx'),
    "a name in many pieces": lambda n: one(
        "Content-Disposition: attachment"
        + "".join(f"; filename*{k}*=a" for k in range(n // 4))
        + "\n\nx"
    ),
    "a file in many paths": lambda n: one(
        f"Content-Type: a/b; name={'a/' * n * 3}\n\nx"
    ),
    "parameters": lambda n: only(
        "Content-Type: a/b" + "".join(f"; p{k}=v" for k in range(n // 2))
    ),
    "headers": lambda n: only("\n".join(f"X-{k}: v" for k in range(n))),
    "the same header": lambda n: only("\n".join(["X-A: v"] * n)),
    "headers of a part": lambda n: one(
        "".join(f"Content-X{k}: v\n" for k in range(n)) + "\nx"
    ),
    "To headers": lambda n: only("\n".join(f"To: a{k}@example.com" for k in range(n))),
    "addresses": lambda n: only(
        "Cc: " + ", ".join(f"a{k}@x.com" for k in range(n // 4))
    ),
    "encoded words": lambda n: only("X-A: " + " ".join(["=?utf-8?q?a?="] * n)),
    "encoded words by turns": lambda n: only(
        "X-A: " + " ".join(f"=?utf-{8 - k % 2}?q?a?=" for k in range(n))
    ),
    "words that do not end": lambda n: only("X-A: " + "=?utf-8?q?" * n * 4),
    "folded lines": lambda n: only("X-A: " + "\n a" * n * 8),
    "deep comments": lambda n: only(
        ("Reply-To: " + "(" * 8000 + "\n") * (n // 250) + "X-A: 1"
    ),
    "quotes": lambda n: only(
        ("Reply-To: " + '"' * 8000 + "\n") * (n // 250) + "X-A: 1"
    ),
    "comments in an encoding": lambda n: only(
        f"Content-Transfer-Encoding: {'(' * n * 20}"
    ),
    "message tags": lambda n: only(
        "\n".join(f"X-SES-MESSAGE-TAGS: a{k}=b" for k in range(n))
    ),
    "flowed text": lambda n: only(
        "Content-Type: text/plain; format=flowed", "> a \n" * n * 8
    ),
    "quoted flowed text": lambda n: only(
        "Content-Type: text/plain; format=flowed", ">" * n * 40 + "\n"
    ),
    "runs of base64": lambda n: only(
        "Content-Transfer-Encoding: base64", "QQ==\n" * n * 8
    ),
    "quoted-printable": lambda n: only(
        "Content-Transfer-Encoding: quoted-printable", "=  \n" * n * 8
    ),
    "references to ids": lambda n: one(
        f"Content-Type: text/html\n\n{'cid:x ' * n * 8}"
    ),
    "line ends": lambda n: only("X-A: 1", "\r" * n * 20),
}
