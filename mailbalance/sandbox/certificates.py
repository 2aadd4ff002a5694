"""A certificate authority that lives as long as the box.

What lives here: making it with ``trustme`` and writing its public part to a file. What
must not: any private key on disk for longer than it takes to load it.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


def server_context(ca_file: Path) -> ssl.SSLContext:
    """Make an authority, write its certificate to ``ca_file``, give a server's context.

    The server certificate is for ``127.0.0.1``, ``::1`` and ``localhost``.
    """
    authority = trustme.CA(organization_name="mailbalance local sandbox")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert("127.0.0.1", "::1", "localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(ca_file))
    return context
