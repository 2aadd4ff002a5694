"""How a mail address may be written: a strict reader of one address.

What lives here: the grammar of RFC 5321 section 4.1.2 as far as SES and Mailtrap take it,
over text. What must not: ``Address`` itself; lists of addresses in headers, which real
mail writes in many ways and ``mailbalance.mime`` reads.

Strict means: exactly one address; no comments, groups, routes or address literals. Lax
parsers are how a message reaches somebody it was not written to (CVE-2023-27043).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from mailbalance.later import Later
from mailbalance.rules import encoded_words
from mailbalance.rules.characters import fault_in_line

if TYPE_CHECKING:
    import idna
else:
    idna = Later("idna", globals())

#: Octets. Source: RFC 5321 sections 4.5.3.1.1 to 4.5.3.1.3; a path has 256 with its <>.
_LONGEST_LOCAL, _LONGEST_DOMAIN, _LONGEST_PATH = 64, 253, 254

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_DOT_ATOM = re.compile(rf"[{_ATEXT}\x80-\U0010ffff]+(?:\.[{_ATEXT}\x80-\U0010ffff]+)*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_ESCAPED = re.compile(r"\\(.)")
#: Most addresses: words for a name, nothing to quote, decode or trim. Only lengths and the
#: domain are left to be checked; what is not of this form may be right all the same.
_PLAIN = re.compile(
    r"(?:(?P<name>[A-Za-z0-9]+(?:[ .'-]+[A-Za-z0-9]+)*) <(?=[^>]+>))?"
    r"(?P<local>[\w+-]+(?:\.[\w+-]+)*)@(?P<domain>[A-Za-z0-9.-]+)(?(name)>)",
    re.ASCII,
)
_SPECIAL_IN_NAME = re.compile(r'[()<>\[\]:;@\\,"]|=\?')

_SEVERAL = "holds more than one address; give a list of addresses"
_FORM = "write it as name@example.com or Name <name@example.com>"


def check_email(value: str) -> str:
    """Give an addr-spec in wire form, its domain in A-labels.

    Raises:
        ValueError: With the fault and the fix, without the value.
    """
    if (fault := fault_in_line(value)) is not None:
        raise ValueError(fault)
    local, domain = _halves(value)
    if local in ("", '""'):
        raise ValueError(f"has nothing before its @; {_FORM}")
    if "=?" in local:
        raise ValueError(
            "has =? before its @, which readers may take for an encoded word and decode "
            "into another address"
        )
    if not local.isprintable():
        raise ValueError("has a character before its @ that nobody sees; remove it")
    if len(local.encode()) > _LONGEST_LOCAL:
        raise ValueError(f"has more than {_LONGEST_LOCAL} octets before its @")
    email = f"{local}@{_domain(domain)}"
    if len(email.encode()) > _LONGEST_PATH:
        raise ValueError(f"has more than {_LONGEST_PATH} octets")
    return email


def _halves(value: str) -> tuple[str, str]:
    if value.startswith('"'):
        quoted = _QUOTED.match(value)
        if quoted is None:
            raise ValueError('has a quote (") that is never closed')
        local, rest = _least_quoted(quoted[0]), value[quoted.end() :]
        at, domain = rest[:1], rest[1:]
    else:
        local, at, domain = value.partition("@")
        if at and local and not _DOT_ATOM.fullmatch(local):
            raise ValueError(_fault_in_local(local))
    if at != "@":
        raise ValueError(f"has no @; {_FORM}")
    if "@" in domain:
        raise ValueError(
            _SEVERAL if re.search("[,; ]", domain) else "has more than one @"
        )
    return local, domain


def _least_quoted(local: str) -> str:
    """Quote only what needs it: senders should (RFC 5321 section 4.1.2)."""
    bare = _ESCAPED.sub(r"\1", local[1:-1])
    if _DOT_ATOM.fullmatch(bare):
        return bare
    return '"' + bare.replace("\\", r"\\").replace('"', r"\"") + '"'


def _fault_in_local(local: str) -> str:
    if re.search("[,;]", local) and ":" not in local:
        return _SEVERAL
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return "has a dot in the wrong place before its @"
    if "(" in local:
        return "has a comment in parentheses; leave it out"
    if ":" in local:
        return "has group syntax (name: ...;); give the group's addresses as a list"
    return f"has a character before its @ that needs quotes; {_FORM}"


@lru_cache(maxsize=4096)
def _domain(domain: str) -> str:
    """Check a domain and give its A-labels; the same few come again and again."""
    if domain.startswith("["):
        raise ValueError(
            "has an address literal in [brackets], which neither SES nor Mailtrap takes; "
            "use a domain name"
        )
    if not domain:
        raise ValueError(f"has nothing after its @; {_FORM}")
    if domain.endswith("."):
        raise ValueError("ends in a dot; leave it out")
    if re.search("[,;]", domain):
        raise ValueError(_SEVERAL)
    ascii_domain = domain if domain.isascii() else _a_labels(domain)
    labels = ascii_domain.split(".")
    if len(ascii_domain) > _LONGEST_DOMAIN or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(
            "has a domain that breaks the rules of names: labels of 1 to 63 letters, "
            f"digits and inner hyphens, {_LONGEST_DOMAIN} characters in all"
        )
    if labels[-1].isdigit():
        raise ValueError("has an IP address after its @; use a domain name")
    return ascii_domain


def _a_labels(domain: str) -> str:
    """Encode an international domain (UTS-46, not transitional: faß.de keeps its ß)."""
    try:
        return idna.encode(domain, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, ValueError, IndexError):
        raise ValueError(
            "has an international domain that IDNA does not allow; check its spelling, "
            "or give it in its xn-- form"
        ) from None


def check_name(value: str) -> str:
    """Give a name without the white space around it.

    Raises:
        ValueError: With the fault and the fix, without the value.
    """
    if (fault := fault_in_line(value)) is not None:
        raise ValueError(fault)
    return value.strip()


def split(value: str) -> tuple[str, str]:
    """Take ``Name <email>`` apart into the name and an unchecked addr-spec.

    Raises:
        ValueError: With the fault and the fix, without the value.
    """
    text = value.strip(" \t")
    if not text:
        raise ValueError(f"is empty; {_FORM}")
    if not text.endswith(">"):
        if "<" in _after_quotes(text):
            raise ValueError(
                _SEVERAL if "," in text else "has text after its >; remove it"
            )
        return "", text
    if text.startswith('"'):
        quoted = _QUOTED.match(text)
        rest = text[quoted.end() :].lstrip(" \t") if quoted else ""
        if quoted is None or not rest.startswith("<"):
            raise ValueError(
                "has quotes that do not hold the whole name; quote all of it"
            )
        return _ESCAPED.sub(r"\1", quoted[0][1:-1]), _inside(rest)
    name, _, rest = text.partition("<")
    return _unquoted_name(name.rstrip(" \t"), rest), _inside("<" + rest)


def _after_quotes(text: str) -> str:
    """Leave out a quoted part in front, which may hold any mark."""
    quoted = _QUOTED.match(text)
    return text[quoted.end() :] if quoted else text


def _unquoted_name(name: str, rest: str) -> str:
    decoded, exact = encoded_words.decode(name)
    if not exact:
        raise ValueError("has a name whose encoded words cannot be decoded")
    if decoded == name and (found := _SPECIAL_IN_NAME.search(name)):
        raise ValueError(_fault_in_name(found[0], rest))
    return decoded


def _inside(angle: str) -> str:
    email = angle[1:-1]
    if re.search("[<>]", _after_quotes(email)):
        raise ValueError(
            _SEVERAL if "," in email else "has < or > twice; remove one pair"
        )
    if email.startswith("@"):
        raise ValueError("has a route before the address; leave it out")
    return email


def _fault_in_name(char: str, rest: str) -> str:
    if char == "," and "@" in rest and "," in rest:
        return _SEVERAL
    if char == ":":
        return "has group syntax (name: ...;); give the group's addresses as a list"
    return (
        f'has {char} in a name without quotes; write "Name" <name@example.com>, '
        "or give a list if these are several addresses"
    )


def fault_in(value: str) -> str | None:
    """Say why a text is not exactly one address, or ``None`` when it is."""
    try:
        name, email = split(value)
        check_email(email)
        check_name(name)
    except ValueError as error:
        return str(error)
    return None


def plain(value: str) -> tuple[str, str] | None:
    """Take a plain address apart: name and addr-spec in wire form.

    Returns:
        ``None`` when it is not of that form, or something is wrong with it.
    """
    if (found := _PLAIN.fullmatch(value)) is None:
        return None
    local, domain = found["local"], found["domain"]
    if len(local) > _LONGEST_LOCAL or len(local) + 1 + len(domain) > _LONGEST_PATH:
        return None
    try:
        return found["name"] or "", f"{local}@{_domain(domain)}"
    except ValueError:
        return None


def readable(name: str) -> str:
    """Give a name as it stands before an addr-spec, in quotes if it needs them."""
    if _SPECIAL_IN_NAME.search(name):
        return '"' + name.replace("\\", r"\\").replace('"', r"\"") + '"'
    return name
