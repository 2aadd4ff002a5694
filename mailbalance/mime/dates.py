"""The Date header (RFC 5322 section 3.3), in both directions.

What lives here: formatting and reading a date, without the locale. What must not: clocks.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_DATE = re.compile(
    r"(?:[A-Za-z]{3}\s*,)?\s*(\d{1,2})\s+([A-Za-z]{3})\s+(\d{4}|\d{2})"
    r"\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([+-]\d{4}|[A-Za-z]{1,5})?\s*(?:\([^()]*\))?\s*"
)

#: Hours. Source: RFC 5322 section 4.3; any other name means +0000.
_ZONES = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8}
_ZONES["PDT"] = -7

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = [
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
]


def date_value(moment: datetime) -> str:
    """Give a header's value for a moment with a time zone; whole minutes of offset."""
    zone = "+0000"
    if moment.tzinfo is not UTC:
        offset = moment.utcoffset()
        if offset is None or offset.total_seconds() % 60:
            moment = moment.astimezone(UTC)
        else:
            zone = _zone_value(int(offset.total_seconds()) // 60)
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02d} {_MONTHS[moment.month - 1]} "
        f"{moment.year:04d} {moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} "
        f"{zone}"
    )


def _zone_value(minutes: int) -> str:
    hours, left = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}{left:02d}"


def read_date(value: str) -> datetime | None:
    """Read a Date header, or give ``None``; a date without a zone is taken as UTC."""
    found = (
        _DATE.fullmatch(value.strip()) if value.isascii() and len(value) < 200 else None
    )
    month = found[2].title() if found else ""
    if found is None or month not in _MONTHS:
        return None
    year = int(found[3]) + (
        0 if len(found[3]) == 4 else 2000 if int(found[3]) < 50 else 1900
    )
    try:
        return datetime(
            year,
            _MONTHS.index(month) + 1,
            int(found[1]),
            int(found[4]),
            int(found[5]),
            min(int(found[6] or 0), 59),
            tzinfo=_zone(found[7] or ""),
        )
    except ValueError:
        return None


def _zone(text: str) -> timezone:
    if text[:1] not in ("+", "-"):
        return timezone(timedelta(hours=_ZONES.get(text.upper(), 0)))
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    return timezone(-offset if text[0] == "-" else offset)
