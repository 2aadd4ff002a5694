"""What a person sees of a mailer and does to it by hand.

What lives here: ``Oversight``, the half of ``Mailer`` that sends nothing: shares, status,
draining and freezing. What must not: sending, or a decision that is not the caller's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailbalance.errors import ConfigError
from mailbalance.later import Later

if TYPE_CHECKING:
    from mailbalance import events
    from mailbalance.backend import Backend
    from mailbalance.driver import Timing
    from mailbalance.routing import BackendStatus, Router, Share, status
    from mailbalance.routing.traffic import Traffic
else:
    events = Later("mailbalance.events", globals())
    status = Later("mailbalance.routing.status", globals())


class Oversight:
    """The half of a mailer that a person watches and steers.

    All of it is about this process alone; a forked child inherits what was drained and
    frozen, and learns the rest for itself.
    """

    router: Router
    traffic: Traffic
    timing: Timing

    @property
    def backends(self) -> dict[str, Backend]:
        """The backends by name, in the order of the split."""
        return {e.backend.name: e.backend for e in self.router.entries}

    def split(self) -> tuple[Share, ...]:
        """Report weights, shares, and what this process assigned and carried."""
        state = self.traffic.state()
        return tuple(
            replace(
                share,
                diverted=state.diverted[share.backend],
                overflowed=state.overflowed[share.backend],
            )
            for share in self.router.shares()
        )

    def status(self) -> tuple[BackendStatus, ...]:
        """Tell how each backend stands: its health, its room and its share; never blocks.

        Sends nothing and asks nobody: it is what this process has seen.
        """
        now, wall = self.timing.clock(), self.timing.wall()
        return tuple(
            status.status(self.traffic, entry.backend, share, now=now, wall=wall)
            for entry, share in zip(self.router.entries, self.split(), strict=True)
        )

    def drain(self, backend: str) -> None:
        """Give a backend no more messages; those on their way end.

        The split goes on as if it were there, and other backends carry its share, until
        ``undrain``; nothing is paid back then. A message that only it can carry fails with
        an ``UnavailableError`` meanwhile.

        Raises:
            ConfigError: For a name that is not in the split.
        """
        self._must_know(backend)
        since = self.timing.clock()
        self.traffic.drained = {backend: since, **self.traffic.drained}
        events.logger.warning("backend %s is drained by hand", backend)

    def undrain(self, backend: str) -> None:
        """Let a drained backend carry its share again; its health decides when.

        Raises:
            ConfigError: For a name that is not in the split.
        """
        self._must_know(backend)
        left = {n: t for n, t in self.traffic.drained.items() if n != backend}
        self.traffic.drained = left
        events.logger.warning("backend %s is no longer drained", backend)

    def freeze(self, backend: str) -> None:
        """Keep a backend's health as it is now, whatever happens.

        One in use stays in use, though every message fails over from it; one that is
        cooling stays out. ``drain`` and ``undrain`` work as ever, and so do its limits.

        Raises:
            ConfigError: For a name that is not in the split.
        """
        self._must_know(backend)
        self.traffic.frozen |= {backend}
        events.logger.warning("backend %s is frozen by hand", backend)

    def unfreeze(self, backend: str) -> None:
        """Let a backend's health change by itself again.

        Raises:
            ConfigError: For a name that is not in the split.
        """
        self._must_know(backend)
        self.traffic.frozen -= {backend}
        events.logger.warning("backend %s is no longer frozen", backend)

    def _must_know(self, backend: str) -> None:
        if backend not in self.backends:
            names = ", ".join(self.backends)
            raise ConfigError(f"no backend is called {backend!r}; they are {names}")
