"""What SES says of an account, read; pure.

What lives here: the reply of GetAccount as rates, or as the error it amounts to. What must
not: asking.

Sources: Amazon SES API v2 reference, GetAccount and SendQuota; Developer Guide, "Managing
your Amazon SES sending limits": quotas count recipients, and belong to the account in one
region. Read 2026-11-23.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbalance.backend import Rate
from mailbalance.backends import _answers, _http
from mailbalance.backends._ses_errors import RULES
from mailbalance.backends._ses_reply import said
from mailbalance.errors import TransientError, UnavailableError

if TYPE_CHECKING:
    from mailbalance.wire.http import HttpResponse
    from mailbalance.wire.sigv4 import Keys

PATH = "/v2/email/account"

_DAY = 86400.0

#: More than any account may send in a day; a larger figure stands for no limit.
_MOST = 1e9

#: Less than any account may send in a second; a smaller figure is none.
_LEAST = 1e-9

#: Codes for keys that are good, but may not ask this.
_MAY_NOT_ASK = frozenset({"AccessDeniedException", "AccessDenied"})

#: Statuses by which SES refuses the caller; any other below 500 only the question.
_REFUSALS = frozenset({400, 401, 402, 403, 407, 429})

_PAUSED = "SES says that sending is paused for this account; see its console"


def account_rates(backend: str, response: HttpResponse, keys: Keys) -> tuple[Rate, ...]:
    """Give the rates that GetAccount tells; none if we may not ask or it is busy.

    Raises:
        UnavailableError: When sending is paused, or SES refuses the keys.
        TransientError: When SES is in trouble, or it is not SES that answers.
    """
    if response.status != 200:
        _must_be_alive(backend, response, keys)
        return ()
    reply = _answers.decoded(response.body)
    quota = reply.get("SendQuota") if isinstance(reply, dict) else None
    if not isinstance(quota, dict):
        raise TransientError(
            "the reply to GetAccount is not one of SES",
            backend=backend,
            phase="reply",
            code="200",
        )
    if reply.get("SendingEnabled") is False:
        raise UnavailableError(
            _PAUSED,
            scope="account",
            backend=backend,
            phase="reply",
            code="SendingPausedException",
        )
    return tuple(_rates(quota))


def _rates(quota: dict[str, Any]) -> list[Rate]:
    speed, day = _number(quota, "MaxSendRate"), _number(quota, "Max24HourSend")
    used = int(_number(quota, "SentLast24Hours"))
    found = []
    if speed > 0:
        count = max(1, int(speed))
        found.append(Rate(count, max(1.0, 1 / speed), "recipients", "account"))
    if day > 0:  # -1 stands for no limit
        found.append(Rate(max(1, int(day)), _DAY, "recipients", "account", used))
    return found


def _number(quota: dict[str, Any], name: str) -> float:
    value = quota.get(name)
    if isinstance(value, (int, float)) and value > _LEAST:
        return float(min(value, _MOST))
    return 0.0


def _must_be_alive(backend: str, response: HttpResponse, keys: Keys) -> None:
    """Raise what an error reply means for sending; for most that is nothing."""
    code, text = said(response, keys)
    verdict = _http.judge(RULES, response.status, code, text)
    if response.status >= 500:
        verdict = _http.Verdict(TransientError)
    else:
        refused = response.status in _REFUSALS and code not in _MAY_NOT_ASK
        if not (refused and issubclass(verdict.error, UnavailableError)):
            return
    raise _http.failure(
        verdict, response, backend=backend, code=code or str(response.status), text=text
    )
