"""Which SES templates have a twin at Mailtrap, for a mailer.

What lives here: where the answer comes from. What must not: reading files; that is
``config``.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from mailbalance.config import read_templates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbalance.mailer import Mailer


def templates_for(mailer: Mailer) -> Mapping[str, str]:
    """Give the Mailtrap template of each SES template that has one.

    Raises:
        ConfigError: When the file that ``MAILBALANCE_TEMPLATES`` names is wrong.
    """
    if mailer.templates is not None:
        return mailer.templates
    return _of_process(os.environ.get("MAILBALANCE_TEMPLATES", ""))


@functools.lru_cache(maxsize=8)
def _of_process(file: str) -> Mapping[str, str]:
    """Read a file once; it is part of the configuration, which does not change."""
    return read_templates({"MAILBALANCE_TEMPLATES": file} if file else {})
