"""The ``mailbalance`` command, also as ``python -m mailbalance``.

What lives here: starting the command line, or saying how to install it. What must not:
any command; they are in ``mailbalance.cli``, which needs packages that the library itself
does without.
"""

from __future__ import annotations

import sys

#: What the extra ``cli`` brings.
_EXTRA = ("rich", "typer")


def main() -> None:
    """Run the command line with ``sys.argv``."""
    try:
        from mailbalance.cli.app import run
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        line = 'The command line needs its extra: pip install "mailbalance[cli]"\n'
        sys.stderr.write(line)
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
