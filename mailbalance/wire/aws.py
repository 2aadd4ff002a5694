"""What botocore knows about the AWS account: keys, region and endpoint.

What lives here: asking botocore's own chain, once, late and under a lock. It is the only
place that imports botocore. What must not: signing (``sigv4.py``), sending (``http``).
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from mailbalance.errors import DeliveryError, TransientError, UnavailableError
from mailbalance.fork_lock import IMPORTING, ForkLock
from mailbalance.later import Later
from mailbalance.secret import bare, hidden
from mailbalance.wire import aws_unconfigured as unconfigured
from mailbalance.wire.sigv4 import STRANGE, Keys
from mailbalance.wire.tls import ca_of_requests

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from botocore.session import Session
else:
    asyncio = Later("asyncio", globals())

#: Where a region may be said in the environment, in this order. botocore reads only the
#: first; every other AWS SDK, and Lambda, sets the second.
REGION_VARIABLES = ("AWS_DEFAULT_REGION", "AWS_REGION")

#: botocore's exceptions that may pass by themselves: a metadata or token service that
#: did not answer. The others need somebody to mend the configuration.
_PASSING = frozenset(
    {
        "ConnectionError",
        "HTTPClientError",
        "MetadataRetrievalError",
        "CredentialRetrievalError",
    }
)

#: Those that speak of configuration files only, in botocore's own words.
_OF_FILES = frozenset(
    {
        "ConfigNotFound",
        "ConfigParseError",
        "NoRegionError",
        "PartialCredentialsError",
        "ProfileNotFound",
    }
)

#: botocore's own names of places that keys come from (``credentials.py``, 1.44).
_PROVIDERS = frozenset(
    {
        "assume-role",
        "assume-role-with-web-identity",
        "container-role",
        "custom-process",
        "iam-role",
        "login",
        "sso",
    }
)

_NO_REGION = (
    "no AWS region: set AWS_REGION, or region= in the URL, or a region in the profile"
)
#: What a region's name is made of; it becomes a part of a host's.
REGION = re.compile(r"[a-z0-9-]+")

BAD_REGION = "the AWS region has characters that no region's name has"
_NO_KEYS = (
    "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE,"
    " or run where a role gives them"
)


class AwsChain:
    """Keys, region and endpoint as a boto3 client in this place would find them.

    Args:
        backend: The name that errors carry.
        region: Given by the user; wins over everything.
        endpoint: The same, for the endpoint.
        keys: The same, for the keys; then nothing is ever looked up.
        profile: A profile of the AWS configuration files.
        environ: Replaces the environment of the process, whole; ``HOME`` in it says where
            the AWS configuration files are, and without it none are read.

    Attributes:
        given: The keys that the user gave, if any.
    """

    def __init__(
        self,
        *,
        backend: str,
        region: str | None = None,
        endpoint: str | None = None,
        keys: Keys | None = None,
        profile: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._backend = backend
        self._region = region and region.strip()
        self._endpoint = endpoint and endpoint.strip()
        self.given = keys
        self._profile = profile
        self._environ = None if environ is None else hidden(environ)
        self._lock = ForkLock()
        self._made: Session | None = None
        self._credentials: Any = None
        self._process = os.getpid()

    def likely_region(self) -> str | None:
        """Give the region if no file has to be read for it; never imports botocore."""
        if self._region is None:
            environ = hidden(self._environ)
            said = (environ.get(name) for name in REGION_VARIABLES)
            self._region = next((region for region in said if region), None)
        return self._region

    def region(self) -> str:
        """Give the region.

        Raises:
            UnavailableError: When none is configured, or the profile does not exist.
        """
        found = self.likely_region()
        if found is None:
            with self._translated():
                found = self._session().get_config_variable("region")
        if not found:
            raise self._unavailable(_NO_REGION, "region")
        if not REGION.fullmatch(found):
            raise self._unavailable(BAD_REGION, "region")
        self._region = found
        return found

    def spoilt(self) -> str | None:
        """Return what is wrong with keys in the environment, which are used as they are."""
        found = None if self.given is not None else unconfigured.keys(self._environ)
        if found is None or self._profile is not None:
            return None
        secret = found.secret_key
        return None if found.can_be_sent and secret == secret.strip() else STRANGE

    def endpoint(self) -> str:
        """Give the base URL for SES v2, without a slash at the end.

        Raises:
            UnavailableError: When no region is configured, or the profile does not exist.
        """
        if self._endpoint is None:
            region, found = self.region(), None
            if self._has_nothing_to_ask():
                found = unconfigured.endpoint(region)
            self._endpoint = found or self._asked_endpoint(region)
        return self._endpoint.rstrip("/")

    def _asked_endpoint(self, region: str) -> str:
        with self._translated(), self._lock.held():
            # Keys that cannot be used, so that making a client looks up none.
            client = self._session().create_client(
                "sesv2",
                region_name=region,
                aws_access_key_id="unused",
                aws_secret_access_key="unused",  # noqa: S106
            )
            endpoint: str = client.meta.endpoint_url
            client.close()
        return endpoint

    def ca_bundle(self) -> str | None:
        """Give the path in ``AWS_CA_BUNDLE``, in the profile or in ``REQUESTS_CA_BUNDLE``.

        In this order, as botocore looks for it (``ClientArgsCreator`` and
        ``EndpointCreator``).
        """
        found: str | None = None
        if not self._has_nothing_to_ask():
            with self._translated():
                found = self._session().get_config_variable("ca_bundle")
        return (found and found.strip()) or ca_of_requests(self._environ)

    def keys(self) -> Keys:
        """Give the keys to sign with; may wait for a metadata or token service.

        Raises:
            UnavailableError: When there are none.
            TransientError: When the service that gives them does not answer.
        """
        if self.given is not None:
            return self.given
        with self._translated():
            known = self._known() or self._look_up()
            keys = known if isinstance(known, Keys) else _keys_of(known)
        if keys is None or not keys.access_key:
            raise self._unavailable(_NO_KEYS, "credentials")
        if not keys.can_be_sent:
            raise self._unavailable(STRANGE, "credentials")
        return keys

    async def akeys(self, *, timeout: float) -> Keys:
        """Do as ``keys`` does; what may block waits in a thread.

        Args:
            timeout: Seconds to wait for it.
        """
        if self.given is not None or self._at_hand():
            return self.keys()
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.to_thread(self.keys)
        except TimeoutError as error:
            raise TransientError(
                "no AWS credentials in time",
                backend=self._backend,
                phase="credentials",
                code="timeout",
            ) from error

    def forget(self, used: Keys) -> None:
        """Drop keys that AWS calls expired, unless others have taken their place."""
        with self._lock.held():
            if not self._at_hand() or self.keys() == used:
                self._credentials = None

    def _at_hand(self) -> bool:
        """Say whether asking for the keys cannot block."""
        known = self._known()
        if known is None:
            return False
        needed = getattr(known, "refresh_needed", None)
        return needed is None or not needed()

    def _known(self) -> Any:
        """Give what this process looked up.

        botocore renews keys under a lock of its own, which a fork may leave locked.
        """
        return self._credentials if self._process == os.getpid() else None

    def _look_up(self) -> Any:
        with self._lock.held():
            known = self._known()
            if known is None:
                if self._has_nothing_to_ask():
                    known = unconfigured.keys(self._environ)
                if known is None:
                    with IMPORTING:  # botocore makes a TLS context, too
                        session = self._session()
                        provider = session.get_component("credential_provider")
                    known = provider.load_credentials()
                self._credentials = known
                self._process = os.getpid()
            return known

    def _has_nothing_to_ask(self) -> bool:
        """Whether botocore need not be imported to know what it would say."""
        if self._profile is not None or self._made is not None:
            return False
        return unconfigured.nothing_to_ask(self._environ)

    def _session(self) -> Session:
        if self._made is None:
            with self._lock.held():
                if self._made is None:
                    self._made = _new_session(self._profile, self._environ)
        return self._made

    def _translated(self) -> _Translated:
        return _Translated(self._backend)

    def _unavailable(self, detail: str, code: str) -> UnavailableError:
        return UnavailableError(
            detail, backend=self._backend, phase="credentials", code=code
        )


def _keys_of(found: Any) -> Keys | None:
    """Give what botocore's credentials hold just now; they may be renewed for that."""
    frozen = found and found.get_frozen_credentials()
    if not frozen:
        return None
    return Keys(frozen.access_key, frozen.secret_key, frozen.token)


def told(error: BaseException) -> str:
    """Return what an exception of botocore says, unless a helper may have said it.

    What a ``credential_process`` or a key service answers may hold the keys.
    """
    name = type(error).__name__
    if name in _OF_FILES:
        return " ".join(str(error).split())[:300]
    given = getattr(error, "kwargs", None)
    provider = given.get("provider") if isinstance(given, dict) else None
    where = f" of {provider}" if provider in _PROVIDERS else ""
    return f"{name}{where}; what the source of the keys said is not shown"


def forget(error: BaseException) -> None:
    """Take the words off an exception, which stays the context of what is raised next."""
    bare(error)
    error.args = ()
    vars(error).clear()
    error.__cause__ = error.__context__ = None


class _Translated:
    """Turns whatever botocore raises into errors of ours."""

    def __init__(self, backend: str) -> None:
        self._backend = backend

    def __enter__(self) -> None:
        return None

    def __exit__(self, cls: object, error: BaseException | None, _: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, DeliveryError):
            return
        names = [found.__name__ for found in type(error).__mro__]
        kind = UnavailableError if _PASSING.isdisjoint(names) else TransientError
        words = told(error)
        if names[0] not in _OF_FILES:
            forget(error)
        raise kind(
            f"botocore cannot say: {words}",
            backend=self._backend,
            phase="credentials",
            code=names[0],
        ) from bare(error)


def _new_session(profile: str | None, environ: Mapping[str, str] | None) -> Session:
    with IMPORTING:
        import botocore.session

        from mailbalance.wire.aws_environ import session_for

        if environ is None:
            return botocore.session.Session(profile=profile)
        # It makes a TLS context, amid which OpenSSL holds locks of its own.
        return session_for(profile, environ)
