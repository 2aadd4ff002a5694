"""How one backend is configured, whichever way that was said.

What lives here: ``BackendSettings``, the value that every backend is made from. What must
not: where it came from; that is ``dsn`` and ``settings``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from pydantic import SecretStr

from mailbalance.frozen import FrozenDict
from mailbalance.later import Later

if TYPE_CHECKING:
    import difflib
else:
    difflib = Later("difflib", globals())


#: A name as options have them, and no key or token has it.
_WORD = re.compile(r"[a-z]{1,10}(?:_[a-z]{1,10})?")

#: An option that looks like none; its name stays unsaid.
_UNSHOWN = "an unknown option, whose name is not shown since it may be a secret"


def variable(name: str) -> str:
    """Give the environment variable that holds a backend's DSN."""
    return f"MAILBALANCE_{name.upper().replace('-', '_')}_URL"


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """How one backend is configured.

    Attributes:
        name: Its name in the split.
        kind: ``ses+api``, ``ses+smtp``, ``mailtrap+api``, ``mailtrap+smtp``, ``memory`` or
            ``console``.
        host: The host given, or ``None`` for the provider's own.
        port: The port given, or ``None`` for the default.
        user: The user name or access key id given.
        secret: The token, password or secret key given.
        options: The DSN's options, checked by the backend that takes them.
        environ: The environment it was read from, for botocore's chain; ``None`` stands
            for the process's own.
    """

    name: str
    kind: str
    host: str | None = None
    port: int | None = None
    user: str | None = field(default=None, repr=False)
    secret: SecretStr | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default=FrozenDict(), repr=False)
    environ: Mapping[str, str] | None = field(default=None, repr=False)
    idle: bool = False

    def __reduce__(self) -> NoReturn:
        raise TypeError("settings hold secrets and are not pickled; read them anew")

    @property
    def variable(self) -> str:
        """The environment variable that holds its DSN."""
        return variable(self.name)

    def unknown_options(self, known: Iterable[str]) -> list[str]:
        """Return one sentence for each option that this kind of backend does not have.

        Its name is quoted only if it looks like one of them, or like a plain word: any
        other may be a secret that lost the name before it, or a part of one with a ``&``.
        """
        wanted = sorted(known)
        offer = f"the options are {', '.join(wanted)}" if wanted else "it takes none"
        found = []
        for option in sorted(set(self.options) - set(wanted)):
            near = difflib.get_close_matches(option, wanted, n=1)
            shown = near or _WORD.fullmatch(option)
            what = f"unknown option {option!r}" if shown else _UNSHOWN
            meant = f"did you mean {near[0]}? " if near and len(wanted) > 1 else ""
            found.append(f"{self.variable}: {what}; {meant}{offer}")
        return list(dict.fromkeys(found))
