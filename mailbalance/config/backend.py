"""How one backend is configured, whichever way that was said.

What lives here: ``BackendSettings``, the value that every backend is made from. What must
not: where it came from; that is ``dsn`` and ``settings``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from pydantic import SecretStr

from mailbalance.frozen import FrozenDict


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
        """Give one sentence for each option that this kind of backend does not have."""
        wanted = sorted(known)
        offer = f"the options are {', '.join(wanted)}" if wanted else "it takes none"
        return [
            f"{self.variable}: unknown option {option!r}; {offer}"
            for option in sorted(set(self.options) - set(wanted))
        ]
