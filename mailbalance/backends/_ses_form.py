"""What SES refuses of a message's form, by its API and over SMTP alike; pure.

Sources: SES developer guide, "Service quotas" and "Sending raw email" (lines, parts),
"Unsupported attachment types" and "Header fields" (2026-11).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailbalance import mime
from mailbalance.mime import raw, transfer

if TYPE_CHECKING:
    from mailbalance.message import Message

#: MIME parts of one message.
MOST_PARTS = 500

#: Text, HTML and the containers around them, beside the files.
_OTHER_PARTS = 5

_ENDINGS = """
ade adp app asp bas bat cer chm cmd com cpl crt csh der exe fxp gadget hlp hta inf ins isp
its js jse ksh lib lnk mad maf mag mam maq mar mas mat mau mav maw mda mdb mde mdt mdw mdz
msc msh msh1 msh2 mshxml msh1xml msh2xml msi msp mst ops pcd pif plg prf prg reg scf scr sct
shb shs sys ps1 ps1xml ps2 ps2xml psc1 psc2 tmp url vb vbe vbs vps vsmacros vss vst vsw vxd
ws wsc wsf wsh xnk
"""

#: Endings of files that SES does not deliver.
FORBIDDEN_ENDINGS = frozenset(_ENDINGS.split())

#: Headers that a raw message may have once (RFC 5322 section 3.6, RFC 2045 section 3, and
#: the unsubscribe headers of SES's page).
_ONCE = frozenset(
    {b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id"}
    | {b"in-reply-to", b"references", b"mime-version", b"content-type"}
    | {b"content-transfer-encoding", b"list-unsubscribe", b"list-unsubscribe-post"}
)

_EMPTY_LINE = re.compile(rb"\r\n\r\n|\n\r?\n|\r\r")


def fault(message: Message) -> str | None:
    """Return what of a message's form SES refuses, or ``None``."""
    if message.attachments and (found := _in_files(message)):
        return found
    if message.raw is None:  # what we write has neither
        return None
    return message.once("_ses_form", _in_raw) or mime.fault_in_header(message)


def _in_files(message: Message) -> str | None:
    if len(message.attachments) + _OTHER_PARTS > MOST_PARTS:
        return (
            f"attachments: with them it has over {MOST_PARTS} parts, which SES refuses"
        )
    for each in message.attachments:
        _, dot, ending = each.filename.rpartition(".")
        if dot and ending.lower() in FORBIDDEN_ENDINGS:
            return f"attachments: SES does not deliver .{ending.lower()} files"
    return None


def _in_raw(message: Message) -> str:
    """Return what is wrong with a raw message, or ``""``, which can be kept."""
    # What is sent need not be made to see that a usual original has neither.
    source = message.raw or b""
    suspect = transfer.has_long_line(source, end=1) or _repeated(source)
    if not suspect:
        return ""
    written = mime.render(message)
    if transfer.has_long_line(written):
        return (
            "raw: it has a line of over 998 characters, which SES refuses; encode that "
            "part as quoted-printable or base64"
        )
    twice = _repeated(written)
    return f"raw: it has more than one {twice}, which SES refuses" if twice else ""


def _repeated(source: bytes) -> str:
    """Return the name of a header that stands there twice and may not, or ``""``."""
    end = _EMPTY_LINE.search(source)
    fields, _ = raw.split(transfer.crlf(source[: end.start()] if end else source))
    seen: set[bytes] = set()
    for name in map(raw.name_of, fields):
        if name in _ONCE and name in seen:
            return name.decode("ascii").title()
        seen.add(name)
    return ""
