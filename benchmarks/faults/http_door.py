"""An HTTP server that answers as SES or Mailtrap would, and fails as it is told.

What lives here: the acts of a script, and HTTP as far as they need it.
"""

from __future__ import annotations

import json
import ssl
import time
import uuid
from typing import Literal

from faults.doors import ADDRESS, STALL, Book, Door, reset

_TROUBLE = {
    "429": ("429 Too Many Requests", "TooManyRequestsException"),
    "500": ("500 Internal Server Error", "InternalServiceErrorException"),
    "503": ("503 Service Unavailable", "ServiceUnavailableException"),
}
_RUBBISH = b"<html><body>Please log in to the guest network</body></html>"


class HttpDoor(Door):
    """Takes POSTs of one provider.

    Acts: ``ok``; ``429``, ``503`` (not accepted); ``reset`` (not accepted, no reply);
    ``rubbish`` (not accepted, 200 with a page); and the same after acceptance:
    ``+reset``, ``+stall``, ``+500``, ``+rubbish``.
    """

    def __init__(
        self,
        book: Book,
        context: ssl.SSLContext,
        provider: Literal["ses", "mailtrap"],
        script: tuple[str, ...] = (),
    ) -> None:
        self._provider = provider
        super().__init__(book, context, script)

    def serve(self, sock: ssl.SSLSocket) -> None:
        """Answer requests until one of them is answered badly."""
        with sock.makefile("rb") as reader:
            while True:
                length = 0
                line = reader.readline()
                while line.strip():
                    name, _, value = line.lower().partition(b":")
                    if name == b"content-length":
                        length = int(value)
                    elif name == b"expect":
                        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                    line = reader.readline()
                body = reader.read(length)
                if not body or not self._answer(sock, body):
                    return

    def _answer(self, sock: ssl.SSLSocket, body: bytes) -> bool:
        found = dict.fromkeys(each.decode() for each in ADDRESS.findall(body))
        act = self.act(next(iter(found)))
        if act == "ok" or act.startswith("+"):
            self.book.accept(list(found))
        act = act.removeprefix("+")
        if act == "reset":
            reset(sock)
        elif act == "stall":
            time.sleep(STALL)
            reset(sock)
        elif act == "rubbish":
            sock.sendall(_reply("200 OK", _RUBBISH, "content-type: text/html"))
        elif act in _TROUBLE:
            status, code = _TROUBLE[act]
            text = json.dumps({"message": code, "errors": [code]}).encode()
            sock.sendall(_reply(status, text, f"x-amzn-errortype: {code}"))
        else:
            sock.sendall(_reply("200 OK", self._success()))
        return act not in ("reset", "stall")

    def _success(self) -> bytes:
        made = str(uuid.uuid4())
        if self._provider == "ses":
            return json.dumps({"MessageId": f"0100-{made}-000000"}).encode()
        return json.dumps({"success": True, "message_ids": [made]}).encode()


def _reply(status: str, body: bytes, header: str = "x-a: b") -> bytes:
    kind = "" if "content-type" in header else "content-type: application/json\r\n"
    head = f"HTTP/1.1 {status}\r\n{kind}{header}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body
