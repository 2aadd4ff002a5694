"""The SES side: the caller's own client, asked once for each try.

What lives here: building the signed request and getting one response, with every hook
that botocore runs on the way but its retry loop. What must not: judging what came
(``verdicts``), deciding what follows (``delivery.plan``).

botocore's ``Endpoint.make_request`` would post the same message three times or more on a
lost reply or a 5xx, and SES has no key by which to drop the second copy. So the steps of
one turn of its loop are made here: ``request-created`` (signing), ``before-send``,
``response-received``; only ``needs-retry`` is not asked. Where ``make_request`` is wrapped,
as by monitoring, it is called, with an endpoint that asks for no retry. The private methods
used are the same from botocore 1.31 (boto3 1.28) to 1.44, which CI runs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from mailbalance.dropin.stubs import has_foreign_hooks, make_request_is_wrapped
from mailbalance.dropin.turns import endpoint_for
from mailbalance.dropin.words import WORDS

if TYPE_CHECKING:
    from mailbalance.dropin.replies import Reply
    from mailbalance.errors import DeliveryError


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

    __slots__ = (
        "_knocked", "_last", "asked", "client", "model", "most", "params", "request",
    )  # fmt: skip

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
        #: Requests that the caller's ``Config``, environment or profile allows for a call,
        #: whichever retry mode it names; ``None`` when nobody said a number.
        self.most: int | None = (client.meta.config.retries or {}).get(
            "total_max_attempts"
        )
        self.asked = 0
        self._last: Reply | AskError | None = None
        self._knocked: tuple[Any, list[Any] | Exception] | None = None

    @property
    def service(self) -> str:
        """``ses`` or ``sesv2``."""
        return str(self.model.service_model.service_name)

    @property
    def url(self) -> str:
        """Where its requests go."""
        return str(self.request["url"])

    @property
    def is_spent(self) -> bool:
        """Whether the client was asked as often as its caller allows."""
        return self.most is not None and self.asked >= self.most

    def limit(self, error: DeliveryError) -> None:
        """Let nobody ask again for a message when its caller allows no further request."""
        if self.is_spent and error.retry_here:
            error.__dict__["retry_here"] = False  # of this one, not of its class

    def is_answered(self) -> bool:
        """Say whether a hook of ``before-send`` answers the request in place of AWS.

        Only asking tells, and it is asked just once: ``plain`` and ``ask`` go on from here.
        """
        name = f"{self.model.service_model.service_id.hyphenize()}.{self.model.name}"
        event = f"before-send.{name}"
        if not has_foreign_hooks(self.client, event):
            return False
        endpoint = self.client._endpoint
        endpoint._update_retries_context(self.request["context"], 1)
        try:
            prepared = endpoint.create_request(self.request, self.model)
        except Exception:  # noqa: BLE001 - no keys, perhaps; who asks SES meets it again
            return False
        answers: list[Any] | Exception
        try:
            answers = endpoint._event_emitter.emit(event, request=prepared)
        except Exception as error:  # noqa: BLE001 - raised where botocore raises it
            answers = error
        self._knocked = prepared, answers
        return isinstance(answers, Exception) or any(
            answer is not None for _, answer in answers
        )

    def plain(self) -> Reply:
        """Make the call as a plain client does, after ``is_answered`` has said yes.

        Raises:
            Exception: What a plain client raises.
        """
        endpoint, (prepared, answers) = (
            self.client._endpoint,
            self._knocked or (None, []),
        )
        twin = endpoint_for(endpoint, prepared, retries=True, answers=answers)
        answer: Reply = twin.make_request(self.model, self.request)
        return answer

    def ask_within(self) -> Reply:
        """Ask, or give what came last when no further request is allowed.

        That happens where a split has SES twice, as ``ses`` and ``ses-smtp``.
        """
        if self._last is None or not self.is_spent:
            try:
                self._last = self.ask()
            except AskError as error:
                self._last = error
        if isinstance(self._last, AskError):
            raise self._last
        return self._last

    def ask(self, request: dict[str, Any] | None = None) -> Reply:
        """Post the call once and give the response, whatever its status.

        Raises:
            AskError: When there is none.
        """
        endpoint, request = self.client._endpoint, request or self.request
        context, outer = request["context"], sys.exception()
        knocked, self._knocked = self._knocked, None
        prepared, answers = knocked or (None, None)
        self.asked += 1
        endpoint._update_retries_context(context, self.asked)
        try:
            if prepared is None or request is not self.request:
                prepared, answers = endpoint.create_request(request, self.model), None
        except Exception as error:
            raise AskError(error, "sign", outer) from error
        if answers is not None or make_request_is_wrapped():
            twin = endpoint_for(endpoint, prepared, retries=False, answers=answers)
            return self._made(twin, request, outer)
        try:
            response, failed = endpoint._get_response(prepared, self.model, context)
        except Exception as error:
            raise AskError(error, "reply", outer) from error
        if failed is not None:
            raise AskError(failed, "exchange", outer) from failed
        answer: Reply = response
        return answer

    def _made(
        self, endpoint: Any, request: dict[str, Any], outer: BaseException | None
    ) -> Reply:
        try:
            answer: Reply = endpoint.make_request(self.model, request)
        except Exception as error:
            raise AskError(error, "exchange", outer) from error
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
