"""The drop-in: code written for boto3's SES clients runs unchanged, and is split.

What lives here: the public names, and ``client``. What must not: what they do.

Three ways in, all with a genuine client of boto3:

* ``dropin.client("sesv2")`` in place of ``boto3.client("sesv2")``;
* ``dropin.attach(client)`` for a client that is there already;
* ``dropin.install()`` at start-up, for every SES client made afterwards.

Calls that send go through the mailer; on the SES side they are made by the client itself.
All other calls go to AWS as before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import boto3

from mailbalance.dropin.attaching import (
    Status,
    attach,
    detach,
    install,
    installed,
    status,
    uninstall,
)
from mailbalance.dropin.calls import explain
from mailbalance.dropin.errors import UnknownSendError
from mailbalance.dropin.metadata import delivery_error, receipt, receipts

if TYPE_CHECKING:
    from mypy_boto3_ses import SESClient
    from mypy_boto3_sesv2 import SESV2Client

    from mailbalance.mailer import Mailer

__all__ = [
    "Status",
    "UnknownSendError",
    "attach",
    "client",
    "delivery_error",
    "detach",
    "explain",
    "install",
    "installed",
    "receipt",
    "receipts",
    "status",
    "uninstall",
]


@overload
def client(
    service_name: Literal["ses"],
    mailer: Mailer | None = None,
    *,
    strict: bool = True,
    **boto3_kwargs: Any,
) -> SESClient: ...


@overload
def client(
    service_name: Literal["sesv2"],
    mailer: Mailer | None = None,
    *,
    strict: bool = True,
    **boto3_kwargs: Any,
) -> SESV2Client: ...


def client(
    service_name: Literal["ses", "sesv2"],
    mailer: Mailer | None = None,
    *,
    strict: bool = True,
    **boto3_kwargs: Any,
) -> Any:
    """Make a boto3 SES client whose messages a mailer carries.

    Args:
        service_name: ``ses`` or ``sesv2``.
        mailer: Who sends. Default: the mailer behind ``mailbalance.send()``, made from the
            environment at the first send.
        strict: Whether what SES is known to refuse is kept off other providers, so that
            SES itself says so; without SES in the split, it is refused with SES's code.
        **boto3_kwargs: What ``boto3.client`` takes: ``region_name``, ``config`` and so on.

    Raises:
        TypeError: For any other service.
        botocore.exceptions.NoRegionError: When no region is set; keys are not needed as
            long as SES carries nothing.
    """
    made = boto3.client(service_name, **boto3_kwargs)
    return attach(made, mailer, strict=strict)
