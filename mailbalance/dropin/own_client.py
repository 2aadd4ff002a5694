"""The SES side: the caller's own client, asked once for each try.

What lives here: building the signed request and getting one response, with every hook
that botocore runs on the way but its retry loop. What must not: judging what came
(``verdicts``), deciding what follows (``delivery.plan``).

botocore's ``Endpoint.make_request`` would post the same message three times or more on a
lost reply or a 5xx, and SES has no key by which to drop the second copy. So the steps of
one turn of its loop are made here: ``request-created`` (signing), ``before-send``,
``response-received``; only ``needs-retry`` is not asked. The three private methods used
are the same from botocore 1.31 (boto3 1.28) to 1.44, which CI runs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from mailbalance.dropin.words import WORDS

if TYPE_CHECKING:
    from mailbalance.dropin.replies import Reply


class AskError(Exception):
    """One request came to no response.

    Attributes:
        cause: What botocore, or a hook of the user's, raised.
        phase: ``sign`` (nothing was sent), ``exchange`` (only the cause can tell) or
            ``reply`` (a response came, and then something broke).
        outer: What the caller was handling already when it called; it is at the end of
            the cause's context and says nothing about this request.
    """

    def __init__(
        self,
        cause: Exception,
        phase: Literal["sign", "exchange", "reply"],
        outer: BaseException | None,
    ) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.phase = phase
        self.outer = outer


class OwnClient:
    """One call of a genuine client, to be carried out by itself.

    Args:
        client: The caller's client.
        model: botocore's model of the operation.
        request: The serialized call.
        params: The call's parameters.
    """

    __slots__ = ("_asked", "client", "model", "params", "request")

    def __init__(
        self,
        client: Any,
        model: Any,
        request: dict[str, Any],
        params: Mapping[str, Any],
    ) -> None:
        self.client = client
        self.model = model
        self.request = request
        self.params = params
        self._asked = 0

    @property
    def service(self) -> str:
        """``ses`` or ``sesv2``."""
        return str(self.model.service_model.service_name)

    @property
    def url(self) -> str:
        """Where its requests go."""
        return str(self.request["url"])

    def ask(self, request: dict[str, Any] | None = None) -> Reply:
        """Post the call once and give the response, whatever its status.

        Raises:
            AskError: When there is none.
        """
        endpoint, request = self.client._endpoint, request or self.request
        context, outer = request["context"], sys.exception()
        self._asked += 1
        endpoint._update_retries_context(context, self._asked)
        try:
            prepared = endpoint.create_request(request, self.model)
        except Exception as error:
            raise AskError(error, "sign", outer) from error
        try:
            response, failed = endpoint._get_response(prepared, self.model, context)
        except Exception as error:
            raise AskError(error, "reply", outer) from error
        if failed is not None:
            raise AskError(failed, "exchange", outer) from failed
        answer: Reply = response
        return answer

    def ask_for(self, entries: tuple[int, ...]) -> Reply:
        """Post a bulk call for some of its entries."""
        key = WORDS[self.service].entries
        everything = self.params[key]
        if len(entries) == len(everything):
            return self.ask()
        narrowed = {**self.params, key: [everything[number] for number in entries]}
        made = self.client._serializer.serialize_to_request(narrowed, self.model)
        return self.ask({**self.request, "body": made["body"]})
