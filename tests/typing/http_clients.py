"""Checked by mypy and pyright, never run: a user's own HTTP client is taken as it is.

What lives here: the four real classes, at both API backends, each in its place; and that
one out of its place is seen.
"""

from __future__ import annotations

import httpx
import httpx2

from mailbalance import MailtrapBackend, SesBackend


def httpx_use(client: httpx.Client, async_client: httpx.AsyncClient) -> None:
    """The clients of httpx."""
    SesBackend(http_client=client, async_http_client=async_client)
    MailtrapBackend(token="t", http_client=client, async_http_client=async_client)


def httpx2_use(client: httpx2.Client, async_client: httpx2.AsyncClient) -> None:
    """The clients of httpx2."""
    SesBackend(http_client=client, async_http_client=async_client)
    MailtrapBackend(token="t", http_client=client, async_http_client=async_client)


def swapped(client: httpx2.Client, async_client: httpx.AsyncClient) -> None:
    """An unneeded ignore is an error, so these two hold that the kinds are told apart."""
    SesBackend(http_client=async_client)  # type: ignore[arg-type]
    SesBackend(async_http_client=client)  # type: ignore[arg-type]
