"""Reading what an API says when it says no, whatever form that takes.

What lives here: JSON or not, error texts in any shape, waits, clocks, scrubbing; pure. What
must not: what any of it means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from mailbalance.secret import scrub
from mailbalance.wire.http.reply import compression

if TYPE_CHECKING:
    from mailbalance.wire.http import HttpResponse

#: Characters of a provider's text that an error may carry.
LONGEST_DETAIL = 500

#: Seconds that a provider's ``Retry-After`` is believed; more is taken for a mistake.
LONGEST_WAIT = 600.0

_READER = json.JSONDecoder()


def decoded(body: bytes) -> Any:
    """Give a JSON body as Python values, or ``None`` when it is anything else."""
    try:
        text = body.decode()
        value, end = _READER.raw_decode(text)
        if end == len(text):
            return value
    except (ValueError, RecursionError):
        pass
    # Not the plain UTF-8 of RFC 8259 section 8.1, or with white space around it.
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def words(response: HttpResponse) -> str:
    """Return what a reply says, or that nobody can read it."""
    coding = compression(response.headers, response.body)
    if coding:
        return f"the reply is compressed ({coding}), which was not asked for"
    return texts(response.body)


def texts(body: bytes) -> str:
    """Give what an error body says, whatever its form, in one line.

    Lists, mappings, nested or bare strings under ``error``, ``errors`` or ``message``;
    text that is no JSON; the readable part of HTML.
    """
    value = decoded(body)
    if value is None and body.strip() != b"null":
        plain = re.sub(
            r"<(style|script)\b.*?</\1>|<[^>]*>", " ", _as_text(body), flags=re.S
        )
        return " ".join(plain.split())
    if isinstance(value, Mapping):
        low = {str(key).lower(): item for key, item in value.items()}
        named = [low[key] for key in ("errors", "error", "message") if low.get(key)]
        value = named or [item for key, item in low.items() if key != "success"]
    return "; ".join(dict.fromkeys(_strings(value, 0)))


def scrubbed(text: str, secrets: Iterable[str | None]) -> str:
    """Cut a provider's text to a decent length, without secrets or control characters."""
    clean = scrub(text, secrets)
    first = clean[:LONGEST_DETAIL]
    short = "".join(char if char.isprintable() else " " for char in first)
    return short if len(clean) <= LONGEST_DETAIL else f"{short[:-3]}..."


def retry_after(
    headers: Mapping[str, str], now: datetime | None = None
) -> float | None:
    """Give the seconds a provider asks to wait, or ``None``.

    Source: RFC 9110 section 10.2.3 (seconds or a date); ``x-amz-retry-after`` counts
    milliseconds (AWS SDK reference, "Retry behavior"). A value that makes no sense is
    ignored, and none is believed beyond ``LONGEST_WAIT``.
    """
    amazon, plain = (
        headers.get(name, "").strip() for name in ("x-amz-retry-after", "retry-after")
    )
    if re.fullmatch(r"[0-9]{1,12}", amazon):
        seconds = int(amazon) / 1000
    elif re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", plain):
        seconds = float(plain)
    elif (date := _date(plain)) is not None:
        seconds = max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
    else:
        return None
    return min(seconds, LONGEST_WAIT)


def clock_skew(headers: Mapping[str, str], now: datetime) -> float | None:
    """Give the seconds by which our clock runs ahead of the server's, if it says."""
    date = _date(headers.get("date", ""))
    return None if date is None else (now - date).total_seconds()


def _as_text(body: bytes) -> str:
    return body[: 8 * LONGEST_DETAIL].decode("utf-8", "replace")


def _strings(value: Any, depth: int) -> Iterable[str]:
    """Walk any JSON for its strings; a mapping's keys name what they are about."""
    if isinstance(value, str):
        yield " ".join(value.split())
    elif isinstance(value, Mapping) and depth < 5:
        for key, item in value.items():
            for text in _strings(item, depth + 1):
                yield text if key in {"base", "message", "error"} else f"{key} {text}"
    elif isinstance(value, list) and depth < 5:
        for item in value:
            yield from _strings(item, depth + 1)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
