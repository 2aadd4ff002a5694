"""The Mailtrap door: its sending API over HTTP.

What lives here: paths, token check, single and batch replies. What must not: the checks
of a message (``mailtrap_rules``) and sockets.
"""

from __future__ import annotations

import hmac
import itertools
import json
import re
import uuid
from typing import TYPE_CHECKING, Any

from mailbalance.sandbox import mailtrap_rules as rules
from mailbalance.sandbox.http import Answer, Call, as_json
from mailbalance.sandbox.identity import identify
from mailbalance.sandbox.store import Arrival, Door

if TYPE_CHECKING:
    from mailbalance.sandbox.credentials import Credentials
    from mailbalance.sandbox.faults import Fault

Json = dict[str, Any]

#: Bytes; Mailtrap's page "Sending limits" (2026-08). A message's JSON is about as long as
#: its MIME: attachments are base64 in both.
MAX_MESSAGE = 10 * 1024 * 1024
MAX_BATCH = 50 * 1024 * 1024
MAX_REQUESTS = 500

_PATH = re.compile(r"/api/(send|batch)(?:/(\d{1,19}))?")
#: What its edge (Cloudflare) says before the API is reached.
_BLOCKED = b"<html><head><title>403 Forbidden</title></head><body></body></html>"
_HTML = (("content-type", "text/html; charset=UTF-8"),)


class MailtrapDoor:
    """``POST /api/send`` and ``/api/batch``, with or without a sandbox id."""

    name: Door = "mailtrap"
    max_body = MAX_BATCH + 65536

    def __init__(
        self, credentials: Credentials, verified: frozenset[str] | None
    ) -> None:
        self._token = credentials.token
        self._verified = verified
        self._sandbox_ids = itertools.count(4_967_738_534)

    def answer(self, call: Call) -> Answer:
        """Judge a request."""
        path = _PATH.fullmatch(call.path)
        if not call.headers.get("user-agent"):
            return Answer(403, _BLOCKED, _HTML)
        if path is None or path[2] == "0":
            return _errors(404, "Not Found")
        if call.method != "POST":
            return _errors(405, "Method Not Allowed")
        if not self._authorized(call):
            return _errors(401, "Unauthorized")
        try:
            request = json.loads(call.body)
        except (ValueError, RecursionError):
            return _errors(400, "Bad Request")
        if not isinstance(request, dict):
            return _errors(400, "Bad Request")
        send = self._send if path[1] == "send" else self._batch
        return send(request, call, sandbox=path[2] is not None)

    def too_large(self) -> Answer:
        """The answer to an oversize request; its body is not documented."""
        return Answer(413, b"", headers=())

    def fault_answer(self, fault: Fault) -> Answer:
        """A fault in Mailtrap's words; from its edge, in HTML."""
        status, text = {
            "throttle": (429, "Rate limit exceeded"),
            "reject": (400, "Message rejected by a fault of the local sandbox"),
        }.get(fault.kind, (500, "Internal server error"))
        status = fault.code or status
        if status in {502, 503, 504} or status >= 520:
            answer = Answer(status, f"<html><h1>{status}</h1></html>".encode(), _HTML)
        else:
            answer = _errors(status, fault.text or text)
        return with_retry_after(answer, fault)

    def _authorized(self, call: Call) -> bool:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else ""
        given = given or call.headers.get("api-token", "")
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _send(self, request: Json, call: Call, *, sandbox: bool) -> Answer:
        if len(call.body) > MAX_MESSAGE:
            return self.too_large()
        if found := rules.problems(request):
            return _errors(400, *found)
        if not sandbox and not self._allows(request):
            return _errors(401, "Unauthorized")
        arrival = self._arrival(request, call.body, call.path, sandbox=sandbox)
        body = {"success": True, "message_ids": list(arrival.provider_ids)}
        return Answer(200, as_json(body), accepted=(arrival,))

    def _batch(self, request: Json, call: Call, *, sandbox: bool) -> Answer:
        base, requests = request.get("base") or {}, request.get("requests")
        if not isinstance(requests, list) or not requests:
            return _errors(400, "empty field: 'requests'")
        if len(requests) > MAX_REQUESTS:
            return _errors(400, f"'requests' must have at most {MAX_REQUESTS} items")
        if not isinstance(base, dict) or not all(isinstance(r, dict) for r in requests):
            return _errors(400, "Bad Request")
        if not sandbox and not self._allows(base | requests[0]):
            return _errors(401, "Unauthorized")
        responses: list[Json] = []
        accepted: list[Arrival] = []
        for each in requests:
            merged = base | each
            if found := rules.problems(merged):
                responses.append({"success": False, "errors": found})
                continue
            arrival = self._arrival(merged, as_json(merged), call.path, sandbox=sandbox)
            accepted.append(arrival)
            ids = list(arrival.provider_ids)
            responses.append({"success": True, "message_ids": ids})
        body = as_json({"success": True, "responses": responses})
        return Answer(200, body, accepted=tuple(accepted))

    def _allows(self, request: Json) -> bool:
        sender = request.get("from")
        email = sender.get("email") if isinstance(sender, dict) else None
        domain = str(email or "").rpartition("@")[2].lower()
        return self._verified is None or not domain or domain in self._verified

    def _arrival(
        self, request: Json, raw: bytes, path: str, *, sandbox: bool
    ) -> Arrival:
        recipients = rules.recipients(request)
        variables = request.get("custom_variables") or {}
        if len(as_json(variables)) > rules.MAX_VARIABLES:
            variables = {}
            raw = as_json({k: v for k, v in request.items() if k != "custom_variables"})
        if sandbox:
            ids: tuple[str, ...] = (str(next(self._sandbox_ids)),)
        else:
            ids = tuple(str(uuid.uuid1()) for _ in recipients)
        return Arrival(
            sender=request["from"]["email"],
            recipients=recipients,
            raw=raw,
            provider_ids=ids,
            identity=identify(variables, (request.get("headers") or {}).items()),
            path=path,
        )


def with_retry_after(answer: Answer, fault: Fault) -> Answer:
    """Add ``Retry-After``, if the fault asks for it."""
    if fault.retry_after is None:
        return answer
    header = ("retry-after", f"{fault.retry_after:g}")
    return Answer(answer.status, answer.body, (*answer.headers, header))


def _errors(status: int, *texts: str) -> Answer:
    return Answer(status, as_json({"success": False, "errors": list(texts)}))
