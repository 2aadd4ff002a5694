"""For the tests of people who send with mailbalance.

What lives here: ``capture()``, which keeps messages in memory instead of sending them, the
``Mailbox`` it gives, and ``BackendContract``, the tests that every backend must pass. The
pytest fixture ``mailbalance_mailbox`` comes with the package. What must not: anything that
production code would import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailbalance.testing.contract import BackendContract
    from mailbalance.testing.mailbox import Mailbox, capture

__all__ = ["BackendContract", "Mailbox", "capture"]

_HOME = {
    "BackendContract": "mailbalance.testing.contract",
    "Mailbox": "mailbalance.testing.mailbox",
    "capture": "mailbalance.testing.mailbox",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module: pytest imports this package at every start."""
    if name not in _HOME:
        raise AttributeError(f"module 'mailbalance.testing' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
