"""What the library makes of an environment, piece by piece, as far as it goes.

What lives here: reading each part on its own, so that one mistake does not hide what is
right with the rest. What must not: printing, the network, or a secret's value.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbalance.assembly import make_entries
from mailbalance.cli.variables import Variable, doubts, variables_set
from mailbalance.config import (
    BackendSettings,
    Weight,
    parse_split,
    read_backend,
    variable,
)
from mailbalance.errors import ConfigError, MailError
from mailbalance.mailer import Mailer
from mailbalance.message import Envelope, Message
from mailbalance.wire.aws import AwsChain

if TYPE_CHECKING:
    from mailbalance.backend import Backend

_WAYS = {
    "ses+api": "Amazon SES by API",
    "ses+smtp": "Amazon SES by SMTP",
    "mailtrap+api": "Mailtrap by API",
    "mailtrap+smtp": "Mailtrap by SMTP",
    "memory": "kept in memory",
    "console": "printed",
}
_TLS = {
    "tls=starttls": "STARTTLS",
    "tls=implicit": "TLS at once",
    "tls=off": "off (loopback)",
}
#: What stands for the region in a host's name while no variable says it.
_NO_REGION = "REGION"


@dataclass(frozen=True, slots=True)
class Door:
    """One backend of the split, as it was understood.

    Attributes:
        name: Its name in the split.
        share: The fraction of messages it gets; ``None`` for a backup.
        way: Provider and protocol, in words.
        where: The address that requests go to.
        tls: How the connection is secured.
        stream: Mailtrap's stream, or ``""``.
        account: What quotas belong to.
        credentials: Where they come from, never what they are.
    """

    name: str
    share: float | None
    way: str
    where: str
    tls: str
    stream: str
    account: str
    credentials: str


@dataclass(frozen=True, slots=True)
class Understood:
    """All that was understood.

    Attributes:
        variables: What is set.
        backends: Those of the split that can be made.
        problems: What makes sending impossible, one sentence each.
        warnings: What looks odd, one sentence each.
    """

    variables: tuple[Variable, ...]
    backends: tuple[Door, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def understand(environ: Mapping[str, str]) -> Understood:
    """Read the environment as ``Mailer.from_env`` does, and go on after a problem."""
    problems: list[str] = []
    try:
        Mailer.from_env(environ).close()
    except ConfigError as error:
        problems += error.problems
    split = _split(environ)
    backends: list[Door] = []
    warnings: list[str] = []
    for weight in split:
        try:
            backends.append(_door(weight, split, environ, warnings))
        except ConfigError as error:
            problems += error.problems
        except MailError as error:
            problems.append(str(error))
    warnings += doubts(environ, [weight.name for weight in split])
    return Understood(
        variables_set(environ),
        tuple(backends),
        tuple(dict.fromkeys(problems)),
        tuple(dict.fromkeys(warnings)),
    )


def _split(environ: Mapping[str, str]) -> tuple[Weight, ...]:
    try:
        return parse_split(environ.get("MAILBALANCE_SPLIT", ""))
    except ConfigError:
        return ()


def _door(
    weight: Weight,
    split: tuple[Weight, ...],
    environ: Mapping[str, str],
    warnings: list[str],
) -> Door:
    settings = read_backend(weight.name, environ)
    backend = make_entries({weight.name: 1}, environ)[0].backend
    where, tls = _way_out(backend, settings, environ)
    backend.close()
    credentials = _credentials(settings, environ, warnings)
    total = sum(each.value for each in split)
    return Door(
        name=weight.name,
        share=None if weight.backup else float(weight.value / total),
        way=_WAYS[settings.kind],
        where=where,
        tls=tls,
        stream=_stream(settings),
        account=backend.account,
        credentials=credentials,
    )


def _way_out(
    backend: Backend, settings: BackendSettings, environ: Mapping[str, str]
) -> tuple[str, str]:
    """Tell where a backend sends to, off the first line of a request it would make.

    Raises:
        ConfigError: When it has nowhere to send to.
    """
    probe = Message(from_="probe@example.com", to="probe@example.com", text="probe")
    first = backend.preview(probe, Envelope.of(probe)).partition("\n")[0]
    if first.startswith("POST "):
        address = first.removeprefix("POST ")
        return address, "on" if address.startswith("https:") else "off (loopback)"
    if first.startswith("# "):
        address, _, tls = first.partition(": ")[2].partition(", ")
        if _NO_REGION in address:
            address = address.replace(_NO_REGION, _region(settings, environ))
        return address, _TLS.get(tls, tls)
    if settings.kind == "ses+api":
        raise ConfigError(first)
    return "", ""


def _region(settings: BackendSettings, environ: Mapping[str, str]) -> str:
    """Give the region that the AWS files say; nothing but files is asked."""
    given = None if environ is os.environ else environ
    return AwsChain(backend=settings.name, environ=given).region()


def _stream(settings: BackendSettings) -> str:
    if not settings.kind.startswith("mailtrap"):
        return ""
    if settings.options.get("sandbox_id") or settings.options.get("sandbox"):
        return "Mailtrap Sandbox"
    return settings.options.get("stream", "transactional")


def _credentials(
    settings: BackendSettings, environ: Mapping[str, str], warnings: list[str]
) -> str:
    """Tell where credentials come from, by name only."""
    kind, name = settings.kind, settings.name
    url = variable(name)
    if "@" in environ.get(url, ""):
        return url
    if kind.startswith("mailtrap"):
        names = ("MAILTRAP_API_TOKEN", "MAILTRAP_API_KEY")
        return next((name for name in names if environ.get(name)), "")
    if not kind.startswith("ses"):
        return ""
    if kind == "ses+smtp" and environ.get("SES_SMTP_PASSWORD"):
        return "SES_SMTP_USERNAME, SES_SMTP_PASSWORD"
    if settings.options.get("profile"):
        return f"profile= in {url}"
    for said in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        if environ.get(said):
            return said
    warnings.append(
        f"{name}: no AWS keys in the environment; unless the AWS files or a role give "
        "them, set AWS_ACCESS_KEY_ID=... and AWS_SECRET_ACCESS_KEY=..."
    )
    return "AWS files or a role, asked when sending"
