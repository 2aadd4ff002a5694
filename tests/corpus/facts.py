"""What a mail says, by readers that share no code with ours: the stdlib and a Rust one.

A fact that a reader cannot tell is ``None``. Texts are without line ends at their end, and
names of files that have none are ``""``.
"""

import base64
import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, TypeVar

import fast_mail_parser

Json = Mapping[str, Any]
T = TypeVar("T")

#: A file: its name, its type, its bytes.
File = tuple[str, str, bytes]

#: Read as readers read it (WHATWG Encoding Standard, section 4.2), as both do not.
_BROADER = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252"}


@dataclass(frozen=True)
class Facts:
    """What a mail says, each fact or ``None``."""

    recipients: tuple[str, ...] | None = None
    author: str | None = None
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    files: tuple[File, ...] | None = None


NAMES = ("recipients", "author", "subject", "text", "html", "files")


def _told(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except Exception:  # noqa: BLE001 - another's parser raises anything
        return None


def address(email: str) -> str:
    """Give an address in one form: its domain in lower case, as it goes over the wire."""
    local, _, domain = email.strip().strip("<>").rpartition("@")
    with contextlib.suppress(UnicodeError):
        domain = domain if domain.isascii() else domain.encode("idna").decode()
    return f"{local.strip()}@{domain.strip().lower()}"


def _everyone(emails: Iterable[str]) -> tuple[str, ...]:
    found = {address(email) for email in emails}
    return tuple(sorted(each for each in found if not each.startswith("@")))


def squeezed(text: str) -> str:
    """Forget white space, which readers of headers treat differently."""
    return "".join(text.split())


def _body(text: str | None) -> str:
    return re.sub("\r\n?", "\n", text or "").rstrip("\n")


def _file(name: str | None, kind: str, content: bytes) -> File:
    # Nobody decodes an attached message the same way twice.
    whole = b"" if kind.startswith("message/") else content
    # What is not encoded goes with other line ends, and DATA ends in one.
    return name or "", kind.lower(), re.sub(rb"\r\n?", b"\n", whole).rstrip(b"\n")


# By the standard library


def by_stdlib(data: bytes) -> Facts:
    """Read a mail with ``email``."""
    mail: Any = _told(lambda: message_from_bytes(data, policy=policy.default))
    if mail is None:
        return Facts()
    leaves = _told(lambda: list(_leaves(mail))) or []
    texts = {
        kind: _told(lambda kind=kind: _text(mail, leaves, kind))
        for kind in ("text/plain", "text/html")
    }
    return Facts(
        _told(lambda: _everyone(_emails(mail, "to", "cc", "bcc"))),
        _told(
            lambda: (
                (_emails(mail, "from") or [""])[0] and address(_emails(mail, "from")[0])
            )
        ),
        _told(lambda: squeezed(str(mail["subject"] or ""))),
        texts["text/plain"],
        texts["text/html"],
        _told(lambda: tuple(_stdlib_file(p) for p in leaves if not _is_text(mail, p))),
    )


def _emails(mail: EmailMessage, *names: str) -> list[str]:
    return [
        each.addr_spec
        for name in names
        for value in mail.get_all(name, [])
        for each in value.addresses
        if each.addr_spec and each.addr_spec != "<>"
    ]


def _leaves(part: Any) -> Iterable[Any]:
    if part.get_content_maintype() == "multipart" and part.is_multipart():
        for inner in part.iter_parts():
            yield from _leaves(inner)
    else:
        yield part


def _is_text(mail: Any, part: Any) -> bool:
    return (
        part.get_content_type() in ("text/plain", "text/html")
        and part.get_content_disposition() != "attachment"
        and (part is mail or not part.get_filename())
    )


def _text(mail: Any, leaves: list[Any], kind: str) -> str:
    found = [p for p in leaves if _is_text(mail, p) and p.get_content_type() == kind]
    if not found:
        return ""
    charset = (found[0].get_param("charset") or "utf-8").partition("(")[0].strip(" '\"")
    charset = _BROADER.get(charset.lower(), charset)
    charset = "utf-8" if charset.lower() in ("us-ascii", "ascii") else charset
    return _body(found[0].get_payload(decode=True).decode(charset))


def _stdlib_file(part: Any) -> File:
    content = b""
    if part.get_content_maintype() != "message":
        content = part.get_payload(decode=True)
    return _file(part.get_filename(), part.get_content_type(), content)


# By the Rust parser


def by_rust(data: bytes) -> Facts:
    """Read a mail with ``fast_mail_parser``."""
    mail: Any = _told(lambda: fast_mail_parser.parse_email(data))
    if mail is None:
        return Facts()
    people = [each.address for each in (*mail.to, *mail.cc, *mail.bcc) if each.address]
    kinds = re.compile(r"text/(plain|html)")
    texts = [
        [_body(text) for text in each] for each in (mail.text_plain, mail.text_html)
    ]
    clear = all("\ufffd" not in text for each in texts for text in each)
    return Facts(
        _told(lambda: _everyone(people)),
        _told(lambda: address(mail.from_.address) if mail.from_ else ""),
        _told(lambda: squeezed(mail.subject or "")),
        (texts[0] or [""])[0] if clear else None,
        (texts[1] or [""])[0] if clear else None,
        _told(
            lambda: tuple(
                _file(each.filename, each.mimetype, bytes(each.content))
                for each in mail.attachments
                if each.filename
                or each.disposition
                or not kinds.fullmatch(each.mimetype)
            )
        ),
    )


READERS: dict[str, Callable[[bytes], Facts]] = {"stdlib": by_stdlib, "rust": by_rust}


# What the providers' APIs were told


def of_mailtrap(request: Json) -> Facts:
    """Read the body of a request to Mailtrap's API."""
    people = [each for name in ("to", "cc", "bcc") for each in request.get(name) or ()]
    return Facts(
        _everyone(each["email"] for each in people),
        address(request["from"]["email"]),
        squeezed(request.get("subject") or ""),
        _body(request.get("text")),
        _body(request.get("html")),
        tuple(
            _file(
                each["filename"],
                each["type"].partition(";")[0],
                base64.b64decode(each["content"]),
            )
            for each in request.get("attachments") or ()
        ),
    )


def of_ses(request: Json) -> Facts:
    """Read the body of a request to SES with simple content."""
    simple = request["Content"]["Simple"]
    said = {name: part["Data"] for name, part in simple["Body"].items()}
    sender = by_stdlib(f"From: {request['FromEmailAddress']}\r\n\r\n".encode())
    return Facts(
        None,
        sender.author,
        squeezed(simple["Subject"]["Data"]),
        _body(said.get("Text")),
        _body(said.get("Html")),
        tuple(
            _file(
                each["FileName"],
                each["ContentType"].partition(";")[0],
                base64.b64decode(each["RawContent"]),
            )
            for each in simple.get("Attachments") or ()
        ),
    )


def of_message(message: Any) -> Facts:
    """Read the fields of a message, as a memory backend keeps it."""
    return Facts(
        None,
        address(message.from_.email) if message.from_ else "",
        squeezed(message.subject),
        _body(message.text),
        _body(message.html),
        tuple(
            _file(f.filename, f.content_type.partition(";")[0], f.content)
            for f in message.attachments
        ),
    )


def with_recipients(facts: Facts, recipients: Iterable[str]) -> Facts:
    """Give the facts with those to whom the server was to deliver."""
    return replace(facts, recipients=_everyone(recipients))
