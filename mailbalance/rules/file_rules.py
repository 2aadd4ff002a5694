"""How the names, types and ids of attached files may look.

What lives here: their grammars and the wording of faults. What must not: files.
"""

from __future__ import annotations

import re

from mailbalance.rules.characters import fault_in_file_name, fault_in_line

#: Octets; what file systems take, and SES's FileName too.
LONGEST_FILENAME = 255

#: type/subtype of RFC 2045 section 5.1, lengths of RFC 6838 section 4.2, and parameters.
_CONTENT_TYPE = re.compile(
    r"""(?P<type>[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126})
        /(?P<subtype>[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126})
        (?P<rest>(?:[ ]?;[ ]?[A-Za-z0-9!#$&^_.+-]+=
        (?:[A-Za-z0-9!#$%&'*+.^_`{|}~-]+|"[ !#-\[\]-~]*"))*)""",
    re.VERBOSE,
)
_OURS = re.compile(r";\s*(name|boundary|filename)\s*=", re.IGNORECASE)

#: Characters; a header line has room for it and its parameters.
_LONGEST_CONTENT_TYPE = 400

#: A content id as it stands between < and > (RFC 2392; clients need no @ in it).
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}")


def fault_in_filename(name: str) -> str | None:
    """Say why a file name cannot be used, or ``None`` when it can."""
    if not name:
        return "is empty; give the name that readers shall see"
    if (fault := fault_in_file_name(name)) is not None:
        return fault
    if "/" in name or "\\" in name or name in (".", ".."):
        return "holds a path; give the last part of it only"
    if name != name.strip():
        return "begins or ends with a space, which hides its type; remove it"
    if len(name.encode()) > LONGEST_FILENAME:
        return f"has more than {LONGEST_FILENAME} octets; shorten it"
    return None


def fault_in_content_type(value: str) -> str | None:
    """Say why a content type cannot be that of a file, or ``None`` when it can."""
    found = (
        _CONTENT_TYPE.fullmatch(value) if len(value) <= _LONGEST_CONTENT_TYPE else None
    )
    if found is None:
        return "is no content type; write it as type/subtype, like image/png"
    if found["type"].lower() == "multipart":
        return "is a container, not a file; attach its parts one by one"
    if _OURS.search(found["rest"]):
        return "has a name or boundary in it; use filename for the name"
    return None


def fault_in_content_id(value: str) -> str | None:
    """Say why a content id cannot be used, or ``None`` when it can."""
    if (fault := fault_in_line(value)) is not None:
        return fault
    if not _CONTENT_ID.fullmatch(value):
        return "must be 1 to 200 ASCII characters without spaces and angle brackets"
    return None
