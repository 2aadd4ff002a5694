"""Environment and DSNs to settings. (Grows into the whole of DESIGN 8.)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from mailbalance.frozen import FrozenDict


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """How one backend is configured, whichever way that was said.

    Attributes:
        name: Its name in the split.
        kind: ``ses+api``, ``ses+smtp``, ``mailtrap+api``, ``mailtrap+smtp``, ``memory`` or
            ``console``.
        host: The host given, or ``None`` for the provider's own.
        port: The port given, or ``None`` for the default.
        user: The user name or access key id given.
        secret: The token, password or secret key given.
        options: The DSN's options, checked by the backend that takes them.
        environ: The environment it was read from, for botocore's chain.
    """

    name: str
    kind: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    secret: SecretStr | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=FrozenDict)
    environ: Mapping[str, str] | None = field(default=None, repr=False)

    def unknown_options(self, known: Iterable[str]) -> list[str]:
        """Give one sentence for each option that this kind of backend does not have."""
        wanted = sorted(known)
        return [
            f"{self.name}: unknown option {option!r} in its URL; "
            f"the options are {', '.join(wanted)}"
            for option in sorted(set(self.options) - set(wanted))
        ]
