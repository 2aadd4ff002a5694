"""Bodies of a finished message into 7 bits.

What lives here: the encoding of the parts that need it, in place. What must not: headers.

SES rewrites 8-bit parts when it tracks opens and clicks, and garbles them; not every
server takes 8BITMIME (RFC 6152), and none a line of over 998 octets.
"""

from __future__ import annotations

from functools import partial

from mailbalance.mime import parameters, raw, structure, transfer

_AS_IT_IS = frozenset(["", "7bit", "8bit", "binary"])
_ENCODING = b"content-transfer-encoding"
_HIGH = bytes(range(0x80, 0x100))


def seven_bit(data: bytes, *, depth: int = 0) -> bytes:
    """Encode the bodies that are not 7-bit, in a message with CRLF line ends.

    What is signed stays as it is: its signature is about these very bytes (RFC 1847).
    """
    if transfer.is_seven_bit(data) or depth > structure.DEEPEST:
        return data
    fields, body = raw.split(data)
    named = [(raw.name_of(field), field) for field in fields]
    kind, params, *_ = parameters.read(_value(named, b"content-type"))
    encoding = _value(named, _ENCODING).partition("(")[0].strip().lower()
    if kind in ("multipart/signed", "multipart/encrypted") or encoding not in _AS_IT_IS:
        return data
    if kind.startswith("multipart/"):
        change = partial(seven_bit, depth=depth + 1)
        inner = structure.replaced(body, params.get("boundary", ""), change)
        return b"".join([*fields, b"\r\n", inner])
    if kind in ("message/rfc822", "message/global"):
        return b"".join([*fields, b"\r\n", seven_bit(body, depth=depth + 1)])
    if transfer.is_seven_bit(body):
        return data
    name, body = _encoded(body, is_text=kind.startswith("text/") or not kind)
    kept = [field for key, field in named if key != _ENCODING]
    mark = b"Content-Transfer-Encoding: %s\r\n" % name
    return b"".join([*kept, mark, b"\r\n", body])


def _encoded(body: bytes, *, is_text: bool) -> tuple[bytes, bytes]:
    if is_text and len(body.translate(None, _HIGH)) > len(body) * 5 // 6:
        quoted = transfer.quoted_printable(body)
        # A line that is new here could be one of the boundaries around it.
        if b"\n--" not in quoted and not quoted.startswith(b"--"):
            return b"quoted-printable", quoted
    return b"base64", transfer.base64(body)


def _value(named: list[tuple[bytes, bytes]], name: bytes) -> str:
    field = next((field for key, field in named if key == name), b"")
    text = field.partition(b":")[2].replace(b"\r\n", b"")
    return text.decode("utf-8", "replace").strip()
