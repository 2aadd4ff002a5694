"""The local sandbox: fake SES, fake Mailtrap and their SMTP, on this machine only.

What lives here: an independent witness. It takes mail as the two providers would, keeps
it, counts it, and fails on demand. What must not: any import from the rest of the
library, since a witness that shares code with the accused proves nothing.
"""

from __future__ import annotations

try:
    import starlette as _starlette  # noqa: F401
    import trustme as _trustme  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"the local sandbox needs the package {error.name!r}; "
        'install it with: pip install "mailbalance[sandbox]"'
    ) from error

from mailbalance.sandbox.credentials import Credentials
from mailbalance.sandbox.faults import Fault
from mailbalance.sandbox.reading import File, Parsed
from mailbalance.sandbox.server import Sandbox
from mailbalance.sandbox.ses import SesAccount
from mailbalance.sandbox.store import DOORS, Counts, Door, Stored

__all__ = [
    "DOORS",
    "Counts",
    "Credentials",
    "Door",
    "Fault",
    "File",
    "Parsed",
    "Sandbox",
    "SesAccount",
    "Stored",
]
