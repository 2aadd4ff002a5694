"""TLS as every connection of ours uses it.

What lives here: the one ``SSLContext`` of the process. Building one costs about 30 ms
(loading the system's certificates), so it is made once for each CA file and shared by
threads, loops and backends. What must not: any way to switch verification off.
"""

from __future__ import annotations

import ssl
from functools import lru_cache


@lru_cache(maxsize=16)
def client_context(ca: str | None = None) -> ssl.SSLContext:
    """Give the shared context: verified, host name checked, TLS 1.2 or later.

    Args:
        ca: Path of a PEM file to trust instead of the system's certificates.

    Raises:
        OSError: When ``ca`` cannot be read.

    Source: RFC 8996 (TLS 1.0 and 1.1 are out of use), RFC 7817 (what to check).
    """
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525 section 2
    # Python takes SSLKEYLOGFILE up unasked; whoever reads that file reads the mail.
    context.keylog_filename = None  # type: ignore[assignment] # typeshed: str only
    return context
