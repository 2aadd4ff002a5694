"""Targets of the local sandbox's HTTP doors: the JSON of both providers, and HTTP itself.

What must hold: a door survives anything; it takes over only what has the provider's proper
form; what was taken over can be read.
"""

import asyncio
import base64
import json
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

from uvicorn.server import ServerState

from mailbalance.sandbox import signature
from mailbalance.sandbox.credentials import Credentials
from mailbalance.sandbox.faults import Faults
from mailbalance.sandbox.http import Answer, Call, DoorApp, connection_factory
from mailbalance.sandbox.mailtrap import MailtrapDoor
from mailbalance.sandbox.reading import read
from mailbalance.sandbox.ses import SesDoor
from mailbalance.sandbox.store import Store
from tests.fuzz.choices import Choices, many, stretched
from tests.fuzz.in_memory import Transport, the_loop
from tests.fuzz.target import Saboteur, Target

_KEYS = Credentials("AKIAFUZZ", "secret", token="token", sandbox_user="u")


def _must_hold(door: Any, answer: Answer) -> None:
    assert 200 <= answer.status < 600
    assert answer.status == 200 or not answer.accepted
    for name, value in answer.headers:
        assert re.fullmatch(r"[a-z-]+", name)
        assert not re.search(r"[\r\n\0]", value)
        value.encode("latin-1")
    for arrival in answer.accepted:
        assert arrival.recipients
        assert arrival.provider_ids
        json.loads(arrival.raw)
        read(door.name, arrival.raw, arrival.recipients)


_BODIES = ("text", "html")


def check_mailtrap(data: bytes) -> None:
    choices = Choices(data)
    door = MailtrapDoor(_KEYS, choices.one_of((None, frozenset({"x.com"}))))
    path = choices.one_of(("/api/send", "/api/batch", "/api/send/42", "/api/send/0"))
    headers = {"user-agent": "x", "authorization": "Bearer token"}
    if choices.number(8) == 0:
        headers["authorization"] = choices.some().decode("latin-1")
    body = stretched(choices.rest())
    answer = door.answer(Call("POST", path, "", headers, body))

    _must_hold(door, answer)
    for arrival in answer.accepted:
        for each in (arrival.sender, *arrival.recipients):
            assert re.fullmatch(r"[!-?A-~]+@[!-?A-~]+", each)
        request = json.loads(arrival.raw)
        assert "template_uuid" in request or any(map(request.get, _BODIES))


_JSON = (
    b'{"from":{"email":"a@x.com","name":"A"},"to":[{"email":"b@y.com"}],"subject":"s",'
    b'"text":"t","html":"h","headers":{"X-A":"1"},"category":"c","custom_variables":'
    b'{"k":"v"},"attachments":[{"filename":"f","content":"QQ==","content_id":"i"}]}'
)
MAILTRAP = Target(
    "sandbox-mailtrap",
    check_mailtrap,
    (
        b"\0\0\1" + _JSON,
        b'\0\1\1{"base":' + _JSON + b',"requests":[{"to":[{"email":"c@z.com"}]},{}]}',
        b'\0\2\1{"from":{"email":"a@x.com"},"to":[{"email":"b@y"}],"template_uuid":"u",'
        b'"template_variables":{"a":1},"reply_to":{"email":"r@x.com","name":""}}',
        b"\1\0\0\x0cBearer \xe9oken" + _JSON,
        b"\0\0\1" + many(1200, b"["),
        b'\0\0\1{"from":null,"to":{},"headers":[],"attachments":{},"category":[]}',
        b"\0\0\1" + _JSON.replace(b'"v"', b'"\\ud800"').replace(b'"s"', b"[1]"),
    ),
    Saboteur(
        "mailbalance.sandbox.mailtrap_rules:_ADDRESS",
        lambda sound: re.compile(r"[^\s<>,;]+@[^\s<>,;]+"),
        b"\0\0\1" + _JSON.replace(b"b@y", b"b@@"),
    ),
    found=(b"\0\0\1" + _JSON.replace(b"QQ==", "QÐ==".encode()),),
    longest=700,
)


def check_ses(data: bytes) -> None:
    choices = Choices(data)
    door = SesDoor(_KEYS, choices.one_of((None, frozenset({"x.com"}))), lambda: 0)
    strange = choices.some() if choices.number(4) == 0 else b""
    body = stretched(choices.rest())
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    headers = {"host": "h", "x-amz-date": stamp}
    bulk = b"BulkEmailEntries" in body
    path = f"/v2/email/outbound-{'bulk-' if bulk else ''}emails"
    call = Call("POST", path, "", headers, body)
    if strange:
        text = strange.decode("latin-1")
        headers |= {"authorization": f"{signature.ALGORITHM} {text}", "x-amz-x": text}
        assert door.answer(call).status in (400, 403)
        return
    answer = door.act(call)

    _must_hold(door, answer)
    for arrival in answer.accepted:
        assert len(arrival.recipients) <= 50
        assert all("@" in each for each in (arrival.sender, *arrival.recipients))
        for tag in json.loads(arrival.raw).get("EmailTags") or ():
            assert re.fullmatch(r"[A-Za-z0-9_-]+|ses:feedback-id-[ab]", tag["Name"])


_SIMPLE = (
    b'{"FromEmailAddress":"A <a@x.com>","Destination":{"ToAddresses":["b@y.com"],'
    b'"CcAddresses":[],"BccAddresses":null},"ReplyToAddresses":["r@x.com"],"Content":'
    b'{"Simple":{"Subject":{"Data":"s"},"Body":{"Text":{"Data":"t"},"Html":{"Data":"h",'
    b'"Charset":"utf-8"}},"Headers":[{"Name":"X-A","Value":"1"}],"Attachments":[{'
    b'"FileName":"f","RawContent":"QQ=="}]}},"EmailTags":[{"Name":"k","Value":"v"}]}'
)
_BULK = (
    b'{"FromEmailAddress":"a@x.com","DefaultContent":{"Template":{"TemplateName":"t",'
    b'"TemplateData":"{}"}},"DefaultEmailTags":[{"Name":"k","Value":"v"}],'
    b'"BulkEmailEntries":[{"Destination":{"ToAddresses":["b@y.com"]},"ReplacementTags":'
    b'[{"Name":"k","Value":"w"}],"ReplacementHeaders":[{"Name":"X-A","Value":"1"}],'
    b'"ReplacementEmailContent":{"ReplacementTemplate":{"ReplacementTemplateData":"{}"'
    b'}}},{"Destination":{"ToAddresses":["c@y.com"]}}]}'
)
_RAW = base64.b64encode(b"From: a@x.com\nTo: b@y.com\nX-Demo-Id: 1\n\nx")
SES = Target(
    "sandbox-ses",
    check_ses,
    (
        b"\0\1" + _SIMPLE,
        b"\0\1" + _BULK,
        b'\0\1{"Content":{"Raw":{"Data":"' + _RAW + b'"}}}',
        b'\0\1{"FromEmailAddress":"a@x.com","Destination":{"ToAddresses":["b@y.com"]},'
        b'"Content":{"Template":{"TemplateName":"n","TemplateData":"{}"}},'
        b'"ConfigurationSetName":"c"}',
        b"\0\0\x40Credential=AKIAFUZZ/20261123/us-east-1/ses/aws4_request, SignedHeaders"
        b"=host, Signature=0",
        b"\0\1" + many(1200, b"["),
        b'\0\1{"FromEmailAddress":"' + many(1500, b"(") + b'"}',
        b'\0\1{"Content":{"Simple":[]},"Destination":[],"EmailTags":{}}',
        b"\0\1" + _SIMPLE.replace(b'"s"', b"7").replace(b'"t"', b"null"),
    ),
    Saboteur(
        "mailbalance.sandbox.ses_rules:_TAG_NAME",
        lambda sound: re.compile(r"[ -~]+"),
        b"\0\1" + _SIMPLE.replace(b'"k"', b'"*"'),
    ),
    found=(b'\0\1{"Content":{"Raw":{"Data":"RnJvbTo\xff\xffzogYkf="}}}',),
    longest=900,
)


@cache
def _served() -> Any:
    """Serve the Mailtrap door by HTTP, in memory."""
    app = DoorApp(MailtrapDoor(_KEYS, None), Store(keep=10), Faults())
    return connection_factory(app, ServerState())


def _ask(pieces: list[bytes]) -> bytes:
    async def hold() -> bytes:
        wire = Transport()
        protocol = _served()()
        protocol.connection_made(wire)
        for piece in filter(None, pieces):
            if wire.closed:
                break
            protocol.data_received(piece)
            for _ in range(3):
                await asyncio.sleep(0)
        if not wire.closed:
            protocol.eof_received()
        protocol.connection_lost(None)
        for _ in range(3):
            await asyncio.sleep(0)
        return bytes(wire.written)

    return the_loop().run_until_complete(hold())


def check_http(data: bytes) -> None:
    choices = Choices(data)
    ends = choices.taken(8)
    said = _ask(Choices(ends).pieces(stretched(choices.rest())))

    assert b"Internal Server Error" not in said
    assert not said or re.match(rb"HTTP/1\.1 [1-5][0-9][0-9] ", said)


_POST = b"POST /api/send HTTP/1.1\r\nHost: h\r\nUser-Agent: x\r\n"
_POST += b"Authorization: Bearer token\r\n"
HTTP = Target(
    "sandbox-http",
    check_http,
    (
        b"\x50" * 8 + _POST + b"Content-Length: %d\r\n\r\n" % len(_JSON) + _JSON,
        b"\x50" * 8 + _POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"\x50" * 8 + b"GET /%ff?a=\xe9 HTTP/1.0\r\n\r\n" + _POST + b"\r\n",
        b"\x50" * 8 + b"OPTIONS * HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
        b"\x50" * 8 + b"POST /api/send HTTP/1.1\r\nApi-Token: \xff\r\nHost: h\r\n\r\n",
    ),
    Saboteur(
        "mailbalance.sandbox.http:_call",
        lambda sound: (
            lambda scope, body: (
                sound(scope, body)
                if scope["raw_path"] in (b"/api/send", b"/%ff", b"*")
                else None
            )
        ),
        b"\x50" * 8 + b"GET /x HTTP/1.1\r\nHost: h\r\nUser-Agent: x\r\n\r\n",
    ),
    longest=800,
)

TARGETS = (MAILTRAP, SES, HTTP)
