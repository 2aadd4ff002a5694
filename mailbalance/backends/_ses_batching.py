"""The bulk calls of one SES backend, until SES says that it may make none.

What lives here: ``SesBulk``. What must not: what a bulk call says or what its reply means
(``_ses_bulk``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbalance.backends import _json
from mailbalance.backends._ses_bulk import PATH, answers, bulk_body, lane
from mailbalance.backends._ses_caller import Call
from mailbalance.batch import ApartError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from mailbalance.backend import Answer
    from mailbalance.backends._ses_caller import SesCaller
    from mailbalance.batch import Mail
    from mailbalance.message import Message
    from mailbalance.wire.http import HttpResponse
    from mailbalance.wire.sigv4 import Keys


class SesBulk:
    """Makes bulk calls in the name of one backend.

    An IAM policy may allow ``ses:SendEmail`` and not ``ses:SendBulkEmail``; then the
    first call finds out, its messages go alone, and so do all that follow.
    """

    def __init__(self, caller: SesCaller, configuration_set: str | None) -> None:
        self._caller = caller
        self._configuration_set = configuration_set
        self._refused = False

    def lane(self, message: Message) -> Hashable | None:
        """Name what messages must have in common to share a call."""
        return None if self._refused else lane(message)

    def ask(self, mails: Sequence[Mail], timeout: float) -> list[Answer]:
        """Make one call for all; see ``Batching.send_batch``."""
        try:
            return self._caller.ask(self._call(mails), timeout)
        except ApartError:
            self._refused = True
            raise

    async def aask(self, mails: Sequence[Mail], timeout: float) -> list[Answer]:
        """Do as ``ask`` does, without blocking the event loop."""
        try:
            return await self._caller.aask(self._call(mails), timeout)
        except ApartError:
            self._refused = True
            raise

    def _call(self, mails: Sequence[Mail]) -> Call[list[Answer]]:
        body = bulk_body(mails, configuration_set=self._configuration_set)

        def read(response: HttpResponse, keys: Keys) -> list[Answer]:
            return answers(self._caller.backend, response, mails, keys)

        return Call("POST", PATH, read, _json.encoded(body))
