"""Which characters may stand in a field that reaches a header or a protocol line.

What lives here: the tests for control characters and their wording. What must not:
anything that strips or replaces; a value is right or it is refused.

Source: RFC 5322 section 2.2 (header text), RFC 5198 section 2 (C1 controls), Unicode 16
table 5-1 (U+0085, U+2028 and U+2029 break lines in many readers).
"""

from __future__ import annotations

import re

#: C0 but TAB, DEL, C1, the Unicode line breaks and halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSAFE_OR_TAB = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

#: Characters that turn the reading direction, and so can disguise a file name's ending.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")

_BREAKS = "\r\n\x0b\x0c\x85\u2028\u2029"


def fault_in_line(value: str, *, tab: bool = False) -> str | None:
    """Say what a one-line value must not hold, or ``None`` when it is fine.

    Args:
        value: The text of a header, name, parameter or option.
        tab: Whether a TAB may stand in it.
    """
    if value.isprintable():
        return None
    found = (_UNSAFE if tab else _UNSAFE_OR_TAB).search(value)
    return None if found is None else _name(found[0], found.start())


def fault_in_body(value: str) -> str | None:
    """Say why a text cannot be encoded at all, or ``None`` when it can."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        return _name(value[error.start], error.start)
    return None


def fault_in_file_name(value: str) -> str | None:
    """Say why a file name is unsafe, or ``None``; a directory part is not looked for."""
    found = _BIDI.search(value)
    if found is not None:
        return (
            f"holds U+{ord(found[0]):04X}, which turns the reading direction and can "
            "disguise a file's type; remove it"
        )
    return fault_in_line(value)


def _name(char: str, at: int) -> str:
    where = f"U+{ord(char):04X} at position {at}"
    if char in _BREAKS:
        return f"holds a line break ({where}); remove it"
    if "\ud800" <= char <= "\udfff":
        return f"holds half of a surrogate pair ({where}); decode the text properly"
    return f"holds a control character ({where}); remove it"
