"""A request that is ready, posted by an HTTP client: what the client alone costs."""

from __future__ import annotations

import json
from collections.abc import Callable

from clients.loops import loop_of, repeated
from clients.ses_boto3 import call

PATH = "/v2/email/outbound-emails"
HEADERS = {"Content-Type": "application/json", "Authorization": "x" * 200}


def httpx_tasks(url: str, at_once: int) -> Callable[[int], None]:
    """Post by httpx, so many at once."""
    import httpx

    body = json.dumps(call(None)).encode()
    limits = httpx.Limits(
        max_connections=at_once, max_keepalive_connections=at_once, keepalive_expiry=60
    )
    client = httpx.AsyncClient(limits=limits, headers=HEADERS, timeout=60)

    async def one() -> None:
        (await client.post(url + PATH, content=body)).raise_for_status()

    return repeated(loop_of("asyncio"), one, at_once)


def aiohttp_tasks(url: str, at_once: int) -> Callable[[int], None]:
    """Post by aiohttp, so many at once."""
    import aiohttp

    body = json.dumps(call(None)).encode()
    loop = loop_of("asyncio")

    async def opened() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=at_once, keepalive_timeout=60)
        return aiohttp.ClientSession(connector=connector, headers=HEADERS)

    session = loop.run_until_complete(opened())

    async def one() -> None:
        async with session.post(url + PATH, data=body) as reply:
            await reply.read()

    return repeated(loop, one, at_once)
