"""What a DSN or a constructor says about SES's API, checked.

What lives here: the options, and what belongs together. What must not: looking anything
up; what is not said is found by ``wire/aws.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbalance.backends import _pace
from mailbalance.errors import ConfigError
from mailbalance.wire.aws import BAD_REGION, REGION
from mailbalance.wire.sigv4 import STRANGE, Keys

if TYPE_CHECKING:
    from mailbalance.config import BackendSettings

#: What a DSN may hold after its question mark.
OPTIONS = frozenset(
    {"region", "session_token", "profile", "configuration_set", "endpoint", "ca"}
    | {"account"}
    | _pace.OPTIONS
)


def given_keys(
    name: str, access_key: str | None, secret_key: str | None, token: str | None
) -> Keys | None:
    """Put given keys together.

    Raises:
        ConfigError: When one half is missing.
    """
    if access_key and secret_key:
        keys = Keys(access_key, secret_key, token)
        if not keys.can_be_sent:
            raise ConfigError(f"{name}: {STRANGE}")
        return keys
    if access_key or secret_key or token:
        raise ConfigError(
            f"{name}: access key and secret key belong together; give both, or neither "
            "to use AWS's own chain"
        )
    return None


def region_problem(name: str, region: str | None) -> str | None:
    """Return what is wrong with a region, or ``None``."""
    if region is None or REGION.fullmatch(region):
        return None
    return f"{name}: {BAD_REGION}"


def given_endpoint(settings: BackendSettings) -> tuple[str | None, list[str]]:
    """Give the endpoint that the settings ask for, and what is wrong with that."""
    given = settings.options.get("endpoint")
    if settings.host is None:
        stray = f"{settings.name}: a port needs a host; write it into endpoint="
        return given, [stray] if settings.port is not None else []
    port = f":{settings.port}" if settings.port is not None else ""
    both = f"{settings.name}: a host and endpoint= say the same thing; give one"
    return f"https://{settings.host}{port}", [both] if given else []
