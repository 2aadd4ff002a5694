"""Bytes to text in the charset a message names, whatever that name is.

What lives here: the one place that trusts a charset name from outside. What must not: any
knowledge of MIME structure.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,39}")
_PRIVATE = re.compile("[\uf8f0-\uf8f3]")
_SURROGATES = re.compile("[\ud800-\udfff]")

#: Codecs that Python calls text encodings but that no mail means.
_NOT_FOR_MAIL = frozenset(
    {
        "idna",
        "punycode",
        "undefined",
        "unicode_escape",
        "raw_unicode_escape",
        "mbcs",
        "oem",
    }
)

#: Names seen in mail that Python does not know, or knows too narrowly: writers who say
#: gb2312, ks_c_5601-1987 or iso-8859-1 use the supersets (WHATWG Encoding Standard,
#: section 4.2).
_ALIASES = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso-8859-6-e": "iso-8859-6",
    "iso-8859-6-i": "iso-8859-6",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-8-i": "iso-8859-8",
    "ks-c-5601-1987": "cp949",
    "euc-kr": "cp949",
    "unicode-1-1-utf-7": "utf-7",
    "x-gbk": "gb18030",
    "x-sjis": "cp932",
    "shift-jis": "cp932",
    **dict.fromkeys(("iso-8859-9", "iso8859-9", "latin5"), "cp1254"),
    **dict.fromkeys(("iso-8859-11", "tis-620"), "cp874"),
    **dict.fromkeys(("iso-8859-1", "iso8859-1", "iso88591", "cp819"), "cp1252"),
    **dict.fromkeys(("iso-8859-1:1987", "latin1", "latin-1", "l1"), "cp1252"),
    **dict.fromkeys(("ibm819", "iso-ir-100", "csisolatin1", "x-cp1252"), "cp1252"),
}


def decode(data: bytes, charset: str) -> tuple[str, bool]:
    """Give the text, and whether it is exactly what the bytes say.

    Never raises: what cannot be decoded becomes U+FFFD. No name, or ASCII, is read as
    UTF-8, since that is what mislabelled mail mostly is.
    """
    # A comment may follow, and quotes stand around it (RFC 2045 section 5.1).
    name = charset.partition("(")[0].strip(" \t\r\n\"';").lower()
    if name in ("", "us-ascii", "ascii", "utf-8", "utf8"):
        return _strict_or_replaced(data, "utf-8")
    codec = _ALIASES.get(name.replace("_", "-"), name)
    if not _NAME.fullmatch(codec) or codec.replace("-", "_") in _NOT_FOR_MAIL:
        return _strict_or_replaced(data, "utf-8")[0], False
    try:
        text, exact = _strict_or_replaced(data, codec)
    except (LookupError, ValueError):
        return _strict_or_replaced(data, "utf-8")[0], False
    if codec == "cp932" and _PRIVATE.search(text):
        # What Python gives for bytes that no reader knows.
        return _PRIVATE.sub("\ufffd", text), False
    return text, exact


def _strict_or_replaced(data: bytes, codec: str) -> tuple[str, bool]:
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        return _SURROGATES.sub("\ufffd", data.decode(codec, "replace")), False
    clean = _SURROGATES.sub("\ufffd", text)
    return clean, clean == text
