"""SES's API by aiobotocore, in an environment that has nothing of this library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clients.loops import loop_of, repeated
from clients.ses_boto3 import KEYS, REGION, call


def send(url: str, loop: str = "asyncio", at_once: int = 1) -> Callable[[int], None]:
    """Send so many at once."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    config = AioConfig(
        retries={"total_max_attempts": 1}, max_pool_connections=max(at_once, 10)
    )
    making = get_session().create_client(
        "sesv2", region_name=REGION, endpoint_url=url, config=config, **KEYS
    )
    runs_in = loop_of(loop)
    client: Any = runs_in.run_until_complete(making.__aenter__())

    async def one() -> None:
        await client.send_email(**call(None))

    return repeated(runs_in, one, at_once)
