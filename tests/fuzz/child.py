"""One target under atheris, in a process of its own; it ends when libFuzzer does.

What lives here: the only place that imports atheris. What must not: choosing targets or
judging the result; that is ``__main__``.

Run by ``python -m tests.fuzz``, as ``python -m tests.fuzz.child sound|broken TARGET
FOUND`` and libFuzzer's own flags.
"""

import contextlib
import logging
import sys
from pathlib import Path

import atheris

from tests.fuzz.registry import all_targets


def main(kind: str, name: str, found: str, *flags: str) -> None:
    """Fuzz one target, or its broken twin.

    Args:
        kind: ``sound`` or ``broken``.
        name: The target's.
        found: Where to write the input that it fails on.
        *flags: libFuzzer's own.
    """
    # What the library logs about odd input is no finding, and there is much of it.
    logging.disable()
    # Only what is imported here is instrumented, and of that only the library.
    with atheris.instrument_imports(include=["mailbalance"]):
        target = all_targets()[name]

    def check(data: bytes) -> None:
        try:
            target.check(data)
        except BaseException:
            Path(found).write_bytes(data)
            raise

    broken = kind == "broken"
    with target.saboteur.at_work() if broken else contextlib.nullcontext():
        atheris.Setup([sys.argv[0], *flags], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
