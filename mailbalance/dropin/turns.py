"""An endpoint of botocore for one call, some of whose events are answered otherwise.

``Endpoint.make_request`` and those who patch it see the usual object; only its events
pass through ``Relay``: no retries where the mailer decides on them, and no second question
to the hooks of ``before-send`` that were asked already.
"""

from __future__ import annotations

import copy
from typing import Any


class Relay:
    """Passes events on, but for those of one call that are answered here.

    Args:
        emitter: The client's own.
        retries: Whether ``needs-retry`` is asked.
        answers: What the hooks of ``before-send`` have answered, given back once in place
            of asking them; an exception is raised. ``None`` asks them.
    """

    def __init__(
        self, emitter: Any, *, retries: bool, answers: list[Any] | Exception | None
    ) -> None:
        self._emitter = emitter
        self._retries = retries
        self._answers = answers

    def emit(self, event_name: str, **kwargs: Any) -> Any:
        """Emit an event, or give the answers that are known."""
        if event_name.startswith("needs-retry.") and not self._retries:
            return []
        answers = self._answers
        if answers is not None and event_name.startswith("before-send."):
            self._answers = None
            if isinstance(answers, Exception):
                raise answers
            return answers
        return self._emitter.emit(event_name, **kwargs)


def endpoint_for(
    endpoint: Any,
    prepared: Any,
    *,
    retries: bool,
    answers: list[Any] | Exception | None = None,
) -> Any:
    """Give an endpoint that sends a prepared request first, and later ones as usual."""
    twin = copy.copy(endpoint)
    twin._event_emitter = Relay(
        endpoint._event_emitter, retries=retries, answers=answers
    )
    waiting = [prepared]

    def create_request(params: Any, operation_model: Any = None) -> Any:
        if waiting:
            return waiting.pop()
        return endpoint.create_request(params, operation_model)

    twin.create_request = create_request
    return twin
