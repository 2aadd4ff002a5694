"""Which SES templates have a twin at Mailtrap.

What lives here: the one place that asks the configuration. What must not: reading files.
"""

from __future__ import annotations

from collections.abc import Mapping


def templates() -> Mapping[str, str]:
    """Give the Mailtrap template of each SES template that has one."""
    return {}
