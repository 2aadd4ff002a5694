"""What SES says of single values it refuses: addresses, tags, headers, file names.

What lives here: one check for each kind of value, giving SES's words or ``None``. What
must not: where in a call the values stand (``faults``).

Sources: texts of addresses and tags as AWS returned them to LocalStack's recorded tests,
to Floci's probes of 2026-09 and to users (they are JavaMail's); SES developer guide,
"Header fields" and "Unsupported attachment types" (2026-11); bounds from botocore's model
of sesv2 (1.44). Where SES's words are not known, ours say the same in few words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from mailbalance.backends._ses_form import FORBIDDEN_ENDINGS

#: Characters of an address with its name.
LONGEST_ADDRESS = 320

#: Characters of a tag's name and of its value.
LONGEST_TAG = 255

#: Characters of a header's name, its value, and both.
LONGEST_HEADER_NAME, LONGEST_HEADER_VALUE, LONGEST_HEADER = 126, 995, 996

#: Headers with parameters of their own.
FORBIDDEN_HEADERS = frozenset(
    {"bcc", "cc", "content-disposition", "content-type", "date", "from", "message-id"}
    | {"mime-version", "reply-to", "return-path", "subject", "to"}
)

_TAG_NAME = re.compile(r"[A-Za-z0-9_-]+|ses:feedback-id-[ab]")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.@-]+")
_HEADER_NAME = re.compile(r"[!-9;-@A-~]+")
_HEADER_VALUE = re.compile(r"[ -~]+")

#: Quoted text, comments (one level deep) and <...>, as far as commas in them do not count.
_SHELTERED = re.compile(r'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)|<[^<>]*>', re.DOTALL)
_NAME_OR_COMMENT = re.compile(
    r'"(?:[^"\\]|\\.)*"(?=\s*<)|\((?:[^()\\]|\\.)*\)', re.DOTALL
)
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\U0010ffff]")
_NO_DOMAIN = re.compile(r"[^A-Za-z0-9.\[\]:-]")

#: An address, bare or in <...> after a name, in which there is nothing to be judged.
_ORDINARY = re.compile(
    r"(?:[^\"(),<>]*(<))?[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?(1)>)", re.ASCII
)


@lru_cache(maxsize=1024)
def in_address(text: str) -> str | None:
    """Say what SES says of an address; any name may stand before it.

    The few senders of an application come again with every call.
    """
    if len(text) <= LONGEST_ADDRESS and _ORDINARY.fullmatch(text):
        return None
    return _in_unusual(text)


def _in_unusual(text: str) -> str | None:
    if "," in _SHELTERED.sub("", text):
        return "Illegal address"
    local, at, domain = _addr_spec(text).partition("@")
    if local.startswith('"'):
        local, at, domain = _quoted_local(_addr_spec(text))
    elif _UNSEEN.search(local):
        return "Local address contains control or whitespace"
    if not at:
        return "Missing final '@domain'"
    return _in_domain(domain) or _too_long(text)


def _addr_spec(text: str) -> str:
    bare = _NAME_OR_COMMENT.sub("", text).strip()
    return bare[bare.rfind("<") + 1 : -1].strip() if bare.endswith(">") else bare


def _quoted_local(spec: str) -> tuple[str, str, str]:
    end = spec.rfind('"') + 1
    return spec[:end], spec[end : end + 1], spec[end + 1 :]


def _in_domain(domain: str) -> str | None:
    if not domain:
        return "Missing domain"
    if _UNSEEN.search(domain):
        return "Domain contains control or whitespace"
    if _NO_DOMAIN.search(domain):
        return "Domain contains illegal character"
    if domain.startswith("."):
        return "Domain starts with dot"
    if ".." in domain:
        return "Domain contains dot-dot"
    return "Domain ends with dot" if domain.endswith(".") else None


def _too_long(text: str) -> str | None:
    if len(text.strip()) <= LONGEST_ADDRESS:
        return None
    return (
        f"Address length is more than {LONGEST_ADDRESS} characters long: "
        f"'{text.strip()}'."
    )


def in_tag(tag: Mapping[str, str]) -> str | None:
    """Say what SES says of a message tag."""
    name, value = tag.get("Name", ""), tag.get("Value", "")
    for part, text in (("name", name), ("value", value)):
        if not text:
            return f"The tag {part} must be specified."
    if len(name) > LONGEST_TAG:
        return f"Tag name cannot exceed {LONGEST_TAG} characters."
    if not _TAG_NAME.fullmatch(name):
        return (
            f"Invalid tag name <{name}>: only alphanumeric ASCII characters, '_',  '-' "
            "are allowed."
        )
    if len(value) > LONGEST_TAG:
        return f"Tag value cannot exceed {LONGEST_TAG} characters."
    if not _TAG_VALUE.fullmatch(value):
        return (
            f"Invalid tag value <{value}>: only alphanumeric ASCII characters, '_',  "
            "'-' , '.', '@' are allowed."
        )
    return None


def in_header(header: Mapping[str, str]) -> str | None:
    """Say what SES says of a header beside simple content or a template."""
    name, value = header.get("Name", ""), header.get("Value", "")
    fits = len(name) <= LONGEST_HEADER_NAME and len(value) <= LONGEST_HEADER_VALUE
    if not (fits and _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)):
        return f"Invalid header: {name[:LONGEST_HEADER_NAME]}"
    if len(name) + len(value) > LONGEST_HEADER:
        return f"Header too long: {name}"
    if name.lower() in FORBIDDEN_HEADERS:
        return f"Header not allowed: {name}"
    return None


def in_file_name(name: str) -> str | None:
    """Say what SES says of the name of an attached file."""
    _, dot, ending = name.rpartition(".")
    if dot and ending.strip().lower() in FORBIDDEN_ENDINGS:
        return f"Illegal filename: {name}"
    return None
