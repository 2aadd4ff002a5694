"""TLS as every connection of ours uses it.

What lives here: the one ``SSLContext`` of the process. Building one costs about 30 ms
(loading the system's certificates), so it is made once for each CA file and shared by
threads, loops and backends. What must not: any way to switch verification off.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING

from mailbalance.secret import hidden

if TYPE_CHECKING:
    from collections.abc import Mapping


def ca_of_requests(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the path in ``REQUESTS_CA_BUNDLE``, which boto3 and requests honour."""
    return hidden(environ).get("REQUESTS_CA_BUNDLE") or None


@lru_cache(maxsize=16)
def client_context(ca: str | None = None) -> ssl.SSLContext:
    """Give the shared context: verified, host name checked, TLS 1.2 or later.

    Args:
        ca: Path of a PEM file, or of a folder prepared by OpenSSL's ``rehash``, to trust
            instead of the system's certificates. Without one, OpenSSL itself honours
            ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` of the process.

    Raises:
        OSError: When ``ca`` cannot be read.

    Source: RFC 8996 (TLS 1.0 and 1.1 are out of use), RFC 7817 (what to check).
    """
    if ca is not None and os.path.isdir(ca):  # as requests takes them
        context = ssl.create_default_context(capath=ca)
    else:
        context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525 section 2
    # Python takes SSLKEYLOGFILE up unasked; whoever reads that file reads the mail.
    context.keylog_filename = None  # type: ignore[assignment] # typeshed: str only
    return context


#: How OpenSSL says that the two sides have no version of TLS in common: in an alert of the
#: server's, or on seeing the one it chose.
_TOO_OLD = frozenset(
    {
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_SSL_VERSION",
        "VERSION_TOO_LOW",
    }
)

TOO_OLD = "TLS 1.2 or later is needed"


def is_too_old(error: BaseException) -> bool:
    """Report whether a handshake failed because the server knows older versions only."""
    return isinstance(error, ssl.SSLError) and getattr(error, "reason", "") in _TOO_OLD
