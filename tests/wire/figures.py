"""The figures of every proof in this folder: ``python -m tests.wire.figures [--slow]``.

Without ``--slow`` it is what ``pytest -m proof tests/wire`` proves.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.wire import (
    cancelling,
    http_cuts,
    http_replies,
    interrupting,
    live_cancelling,
    live_cuts,
    smtp_cuts,
    smtp_replies,
)
from tests.wire.certainty import Figures
from tests.wire.doors import DOORS
from tests.wire.smtp_peer import AUTHORITY


def proofs() -> Iterator[tuple[str, Callable[[], Figures]]]:
    yield "SMTP cut at every byte", smtp_cuts.figures
    for way in http_cuts.WAYS:
        yield (
            f"HTTP cut at every byte ({way})",
            lambda way=way: http_cuts.figures(None, ways=(way,)),
        )
    yield "SMTP replies", smtp_replies.figures
    yield "HTTP replies, judged", http_replies.judged
    yield "HTTP replies, over the wire", lambda: http_replies.carried(6_000)
    for whole, of in ((False, "a backend"), (True, "a mailer")):
        yield (
            f"cancelled at every wait of {of}",
            lambda whole=whole: cancelling.figures(whole=whole),
        )
    yield "interrupted at every system call", interrupting.figures


def slow_proofs(ca: str) -> Iterator[tuple[str, Callable[[], Figures]]]:
    yield "real sockets in TLS, cut at random", lambda: live_cuts.figures(2_000, ca)
    count = 10_000 // 2 // len(DOORS) + 1
    for whole, of in ((False, "a backend"), (True, "a mailer")):
        yield (
            f"cancelled at random waits of {of}, live",
            lambda whole=whole: live_cancelling.figures(
                DOORS, ca, whole=whole, count=count
            ),
        )


def figures(*, slow: bool = False) -> dict[str, dict[str, object]]:
    """Run the proofs and give what they count."""
    with tempfile.TemporaryDirectory() as folder:
        ca = str(Path(folder) / "ca.pem")
        AUTHORITY.cert_pem.write_to_path(ca)
        chosen = slow_proofs(ca) if slow else proofs()
        return {name: prove().as_dict() for name, prove in chosen}


if __name__ == "__main__":
    json.dump(figures(slow="--slow" in sys.argv), sys.stdout, indent=2)
    sys.stdout.write("\n")
