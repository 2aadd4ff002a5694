"""Mails to run: those of a folder, CPython's own, and generated and mutated ones."""

import base64
import quopri
import random
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

Mail = tuple[str, bytes]

#: Endings of files that hold one mail each; ``.txt`` are CPython's, none a maildir's.
_ENDINGS = {".eml", ".txt", ".msg", ".mail", ".mbox", ""}


def of_folder(folder: Path) -> Iterator[Mail]:
    """Give every mail file below a folder, in order."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix.lower() in _ENDINGS:
            yield str(file.relative_to(folder)), file.read_bytes()


def of_cpython() -> list[Mail]:
    """Give the mails of CPython's own tests, where the interpreter ships them."""
    found = find_spec("test")
    places = found.submodule_search_locations if found else None
    folders = [Path(place) / "test_email" / "data" for place in places or ()]
    return [m for folder in folders if folder.is_dir() for m in of_folder(folder)]


_NAMES = ["", "Ana", '"Doe, Jane"', "=?utf-8?q?J=C3=B6rg?=", "=?iso-8859-1?q?P=E9?="]
_PEOPLE = [
    "ana@example.com",
    "ben.b@Example.com",
    "c+d@x.example.com",
]
_QUOTED = '"q r"@example.com'
_SUBJECTS = [
    "Hello",
    "=?utf-8?b?R3LDvMOfZQ==?=",
    "a " * 60,
    "=?utf-8?q?a?= =?utf-8?q?b?=",
]
_TEXTS = [
    "Hello,\nworld",
    "Gr\u00fc\u00dfe\n\n-- \nme",
    "\u65e5\u672c\u8a9e " * 40,
    "x" * 2000,
    "=20 =\n.\n..\nFrom me\n",
]
_CHARSETS = ["utf-8", "iso-8859-1", "windows-1252", "utf-16", "shift_jis", "koi8-r"]
_FILES = ["a.pdf", "r\u00e9sum\u00e9.pdf", "a b.png", "x" * 80 + ".bin"]
_TYPES = ["application/pdf", "image/png", "text/csv", "application/octet-stream"]


def generated(count: int, seed: int) -> Iterator[Mail]:
    """Give mails as many kinds of writers write them, the same for a seed."""
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        yield f"generated-{number}", _mail(chance).replace(b"\n", _line_end(chance))


def mutated(count: int, seed: int) -> Iterator[Mail]:
    """Give generated mails whose content was damaged on the way."""
    for number, (_, data) in enumerate(generated(count, seed + 1)):
        chance = random.Random(f"{seed} mutated {number}")
        for _ in range(chance.randint(1, 4)):
            data = _damaged(data, chance)  # noqa: PLW2901
        yield f"mutated-{number}", data


def _line_end(chance: random.Random) -> bytes:
    return chance.choice([b"\n", b"\r\n", b"\r\n"])


def _mail(chance: random.Random) -> bytes:
    head = [f"From: {_person(chance)}", f"To: {_people(chance)}"]
    if chance.random() < 0.4:
        head.append(f"Cc: {_people(chance)}")
    if chance.random() < 0.2:
        head.append("Bcc: hidden@example.com")
    head += [f"Subject: {chance.choice(_SUBJECTS)}", "MIME-Version: 1.0"]
    chance.shuffle(head)
    return "\n".join(head).encode() + b"\n" + _content(chance)


def _person(chance: random.Random) -> str:
    email = chance.choice(_PEOPLE) if chance.random() < 0.97 else _QUOTED
    return f"{chance.choice(_NAMES)} <{email}>".strip()


def _people(chance: random.Random) -> str:
    return ",\n\t".join(_person(chance) for _ in range(chance.randint(1, 3)))


def _content(chance: random.Random) -> bytes:
    """Text, HTML or both, with images beside it, with files."""
    text, html = _text(chance, "plain"), _text(chance, "html")
    body = chance.choice([text, html, _multipart(chance, "alternative", [text, html])])
    if chance.random() < 0.3:
        image = _file(chance, "Content-ID: <i@example.com>\n")
        related = _multipart(chance, "related", [html, image])
        body = chance.choice(
            [related, _multipart(chance, "alternative", [text, related])]
        )
    files = [_file(chance) for _ in range(chance.choice([0, 0, 1, 2]))]
    return _multipart(chance, "mixed", [body, *files]) if files else body


def _text(chance: random.Random, subtype: str) -> bytes:
    text, charset = chance.choice(_TEXTS), chance.choice(_CHARSETS)
    try:
        data = text.encode(charset)
    except UnicodeEncodeError:
        charset, data = "utf-8", text.encode()
    encoding, data = _encoded(chance, data, plain=charset != "utf-16")
    flowed = "; format=flowed" if chance.random() < 0.1 else ""
    return _part(f"text/{subtype}; charset={charset}{flowed}", encoding, data)


def _file(chance: random.Random, more: str = "") -> bytes:
    name = chance.choice(_FILES)
    coded = base64.b64encode(name.encode()).decode()
    quoted = "".join(f"%{octet:02X}" for octet in name.encode())
    written = chance.choice(
        [f'filename="=?utf-8?b?{coded}?="', f"filename*=utf-8''{quoted}"]
    )
    shown = chance.choice(["attachment", "inline"] if more else ["attachment"])
    more += f"Content-Disposition: {shown};\n {written}\n"
    data = chance.randbytes(chance.choice([1, 57, 58, 3000]))
    return _part(chance.choice(_TYPES), *_encoded(chance, data, plain=False), more)


def _encoded(chance: random.Random, data: bytes, *, plain: bool) -> tuple[str, bytes]:
    kinds = ["quoted-printable", "8bit"] if plain else []
    kind = chance.choice([*kinds, "base64"])
    if kind == "base64":
        return kind, base64.encodebytes(data)
    return kind, quopri.encodestring(data) if kind != "8bit" else data


def _part(kind: str, encoding: str, data: bytes, more: str = "") -> bytes:
    head = f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n{more}\n"
    return head.encode() + data


def _multipart(chance: random.Random, kind: str, parts: list[bytes]) -> bytes:
    mark = f"=_{chance.getrandbits(64):x}".encode()
    body = b"".join(b"--" + mark + b"\n" + part + b"\n" for part in parts)
    head = b'Content-Type: multipart/%s; boundary="%s"\n\n' % (kind.encode(), mark)
    return head + body + b"--" + mark + b"--\n"


_BITS = [
    b"\r\n",
    b"\n",
    b"=",
    b"\x00",
    b"\xff",
    b'"',
    b"--",
    b";",
    b"(",
    b"=?utf-8?q?",
    b" ",
]


def _head(data: bytes) -> int:
    """Give where the header ends; what a damaged address means is no question here."""
    return max(data.find(b"\r\n\r\n") + 4, data.find(b"\n\n") + 2)


def _damaged(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(min(_head(data), len(data) - 1), len(data))
    kind = chance.choice(["cut", "drop", "insert", "swap", "twice"])
    if kind == "cut":
        return data[:at]
    if kind == "drop":
        return data[:at] + data[at + chance.randint(1, 30) :]
    if kind == "insert":
        return data[:at] + chance.choice(_BITS) + data[at:]
    if kind == "swap":
        return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
    end = at + chance.randint(1, 200)
    return data[:end] + data[at:end] + data[end:]
