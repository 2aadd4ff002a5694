"""The reference page of parameters, made from the table.

What lives here: the page's text, printed by ``python -m mailbalance.dropin.calls.page``.
What must not: any rule.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from mailbalance.dropin.calls.parameters import TABLE

_HEAD = """\
# What becomes of each boto3 parameter

Code that calls boto3's SES clients keeps calling them; the drop-in sends some by Mailtrap.
SES always gets the call exactly as it was made.
This page says what becomes of each parameter when Mailtrap carries the message instead:

* **carried**: Mailtrap gets it as it is;
* **translated**: Mailtrap gets it in its own form;
* **not needed**: it has no meaning elsewhere, and readers see no difference;
* **left out**: Mailtrap has no place for it, and readers hardly see it; the log says so;
* **stays on SES**: only SES can do it, so a message with it is never sent elsewhere.

Nothing is dropped without a word.
A parameter that is not listed, as botocore got it later, keeps the message on SES too.
`mailbalance.dropin.explain` prints this table for one call, with what is special about it.

<!-- Made from the code by: python -m mailbalance.dropin.calls.page -->
"""


def page() -> str:
    """Give the page."""
    return "\n".join([_HEAD, *_tables()])


def _tables() -> Iterator[str]:
    for (service, operation), rules in TABLE.items():
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
        yield f'## `boto3.client("{service}").{method}`\n'
        yield "| parameter | effect | to what, or why |\n|---|---|---|"
        for path, rule in rules.items():
            yield f"| `{path}` | {rule.effect} | {rule.why} |"
        yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
