"""What is used and never shown: secrets, environments, and the frames that held them.

What lives here: a text without a repr, the same for an environment, and the cutting of
tracebacks: programs that report errors often show every frame's locals, and a caller's
password must not be among them. What must not: where a secret comes from or goes.

Source: Sentry and rich show locals by their ``repr``; ``traceback.TracebackException``
does with ``capture_locals``.
"""

from __future__ import annotations

import base64
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import NoReturn, ParamSpec, Self, TypeVar
from urllib.parse import quote

from mailbalance.errors import MailError

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=BaseException)

MASK = "****"

#: Digits of base64 that do not stand in a text by chance.
_FEWEST = 8


class Secret(str):
    """A text like any other, but for its ``repr``; it is copied and never pickled."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{MASK}'"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled; configure the other process anew")


#: Variables that are not stripped.
_AS_IT_IS = frozenset(
    {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
)


class Environ(Mapping[str, str]):
    """A mapping of variables of which ``repr`` shows only how many there are.

    White space around a value is no part of it: files and shells leave line ends there.
    AWS's keys stay as they are, since botocore reads them, and reads them so.
    """

    __slots__ = ("_given",)

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    @property
    def is_of_the_process(self) -> bool:
        """Whether it stands for ``os.environ`` itself."""
        return self._given is os.environ

    def __getitem__(self, name: str) -> str:
        value = self._given[name]
        return value if name in _AS_IT_IS else value.strip()

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def __repr__(self) -> str:
        return f"<environment of {len(self)} variables>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("an environment holds secrets and is not pickled")


def hidden(environ: Mapping[str, str] | None = None) -> Environ:
    """Give an environment that is not shown; that of the process for ``None``."""
    if isinstance(environ, Environ):
        return environ
    return Environ(os.environ if environ is None else environ)


def scrub(text: str, secrets: Iterable[str | None]) -> str:
    """Take secrets out of a text, plain, percent-encoded and in base64."""
    for secret in filter(None, secrets):
        for form in _forms(secret):
            text = text.replace(form, MASK)
    return text


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret, safe=""), quote(secret))
    data = secret.encode("utf-8", "surrogatepass")
    yield from (data.hex(), data.hex().upper(), base64.b64encode(data).decode())
    for offset in range(3):
        # Inside a longer text: the digits that no neighbour has a part in.
        digits = base64.b64encode(bytes(offset) + data).decode()
        inner = digits[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        if len(inner) >= _FEWEST:
            yield inner


def bare(error: E) -> E:
    """Take the frames off an error and off everything that led to it."""
    for each in _led_to(shown(error)):
        each.__traceback__ = None
    return error


def shown(error: E) -> E:
    """Give an error without those that it and its causes were raised instead of.

    They are not shown and kept all the same, with texts that may quote what was sent.
    """
    for each in list(_led_to(error)):
        if each.__suppress_context__:
            each.__context__ = None
    return error


def _led_to(error: BaseException | None) -> Iterator[BaseException]:
    """Walk from an error back to the first one; both ways count, shown or not."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        at = waiting.pop()
        if at is not None and id(at) not in seen:
            seen.add(id(at))
            yield at
            waiting += at.__cause__, at.__context__


def _until_foreign(trace: TracebackType | None) -> TracebackType | None:
    """Keep the frames that come before the first one of another library."""
    if trace is None or not _is_ours(trace):
        return None
    at = trace
    while at.tb_next is not None and _is_ours(at.tb_next):
        at = at.tb_next
    at.tb_next = None
    return trace


def _is_ours(trace: TracebackType) -> bool:
    name = str(trace.tb_frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] == __package__


def without_foreign_frames(error: BaseException) -> None:
    """Take the frames of other libraries off an error and off everything that led to it.

    Theirs hold what is sent, and so do ours that they call; those above stay.
    """
    for each in _led_to(error):
        each.__traceback__ = _until_foreign(each.__traceback__)


class frameless:  # noqa: N801 - reads as the context manager it is
    """Whatever is raised inside leaves without the frames of other libraries."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            without_foreign_frames(error)


def hushed(act: Callable[P, R]) -> Callable[P, R]:
    """Let no traceback of our errors show what a call was given, or made of it."""

    @functools.wraps(act)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return act(*args, **kwargs)
        except MailError as error:
            bare(error)
            raise  # which adds no frame, as raising it anew would

    return call
