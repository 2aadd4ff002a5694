"""What botocore knows about the AWS account: keys, region and endpoint.

What lives here: asking botocore's own chain, late, once for all who wait, and in a thread
of our own, because parts of it (``credential_process``, a metadata or token service) keep
to no time-out of ours. It is the only place that imports botocore. What must not: signing
(``sigv4.py``), sending (``http``).
"""

from __future__ import annotations

import contextlib
import copy
import errno
import math
import os
import re
import time
from typing import TYPE_CHECKING, Any, TypeVar

from mailbalance.errors import DeliveryError, TransientError, UnavailableError
from mailbalance.fork_lock import IMPORTING, ForkLock
from mailbalance.secret import bare, hidden
from mailbalance.wire import aws_unconfigured as unconfigured
from mailbalance.wire.net.deadline import OPENING
from mailbalance.wire.net.tls import ca_of_requests
from mailbalance.wire.net.within import Asking, awithin, within
from mailbalance.wire.sigv4 import STRANGE, Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.session import Session

T = TypeVar("T")

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

#: Seconds for which keys must still be valid to be used while new ones are fetched, which
#: botocore wants from 15 minutes before their end; longer than any request takes.
_GOOD_FOR = 120

#: Seconds before such a fetch is begun again, when it failed.
_PAUSE = 5.0

_THREAD = "mailbalance-keys"
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
        self._latest: Keys | None = None
        # Of its own: the other is held while botocore reads files, and an event loop may
        # not wait for that.
        self._beginning = ForkLock()
        self._asking: Asking[Keys] | None = None
        self._asked = -math.inf
        self._asked_by = 0
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

    @property
    def answers_at_once(self) -> bool:
        """Whether region and endpoint are known without asking botocore."""
        return self.likely_region() is not None and self._has_nothing_to_ask()

    def keys(self, *, timeout: float = OPENING) -> Keys:
        """Return the keys to sign with.

        Keys that come too late are kept for the next time.

        Args:
            timeout: Seconds to wait for a metadata or token service, or a process.

        Raises:
            UnavailableError: When there are none.
            TransientError: When what gives them does not answer, or not in time.
        """
        found = self.at_hand()
        if found is None:
            with self._in_time():
                found = self._ask().answer(timeout)
        return found

    async def akeys(self, *, timeout: float = OPENING) -> Keys:
        """Async version of ``keys``."""
        found = self.at_hand()
        if found is None:
            with self._in_time():
                found = await self._ask().aanswer(timeout)
        return found

    def at_hand(self) -> Keys | None:
        """Return the keys, if that cannot block; otherwise ``None``.

        Raises:
            UnavailableError: When what is at hand cannot be used.
        """
        latest = self._latest
        if latest is not None and latest is self._credentials and self._is_ours():
            return latest  # of the environment
        if self.given is not None:
            return self.given
        if (known := self._known() or self._environ_keys()) is None:
            return None
        needs_new = getattr(known, "refresh_needed", None)
        if needs_new is None or not needs_new():
            return self._checked()
        if latest is None or needs_new(refresh_in=_GOOD_FOR):
            return None
        # A service that is silent now must not hold up any message.
        if time.monotonic() - self._asked > _PAUSE:
            with contextlib.suppress(OSError):
                self._ask()
        return latest

    def within(self, timeout: float, question: Callable[[], T]) -> T:
        """Return an answer that may need botocore, if it comes in time.

        Raises:
            TransientError: When it does not, or when nothing can be asked at all.
        """
        with self._in_time():
            return within(timeout, question, _THREAD)

    async def awithin(self, timeout: float, question: Callable[[], T]) -> T:
        """Async version of ``within``."""
        with self._in_time():
            return await awithin(timeout, question, _THREAD)

    def forget(self, used: Keys) -> None:
        """Drop keys that AWS calls expired, unless others have taken their place."""
        if self._latest is None or self._latest == used:
            self._credentials = self._latest = None

    def _ask(self) -> Asking[Keys]:
        """Ask for keys in a thread, or join those who have asked.

        Raises:
            OSError: When no thread can be started.
        """
        with self._beginning.held():
            asking, process = self._asking, os.getpid()
            # A thread of the parent's does not go on in a child.
            if asking is None or asking.over or self._asked_by != process:
                asking = self._asking = Asking(self._checked, _THREAD)
                self._asked, self._asked_by = time.monotonic(), process
            return asking

    def _checked(self) -> Keys:
        """Return keys that can be used, from what is known or from the chain.

        Raises:
            DeliveryError: When there are none, or nobody gives any.
        """
        with self._translated():
            known = self._known() or self._look_up()
            keys = known if isinstance(known, Keys) else _keys_of(known)
        if keys is None or not keys.access_key:
            raise self._unavailable(_NO_KEYS, "credentials")
        if not keys.can_be_sent:
            raise self._unavailable(STRANGE, "credentials")
        self._latest = keys
        return keys

    def _is_ours(self) -> bool:
        """Say whether what is known was looked up by this process, not its parent.

        botocore renews keys under a lock of its own, which a fork may leave locked.
        """
        return self._process == os.getpid()

    def _known(self) -> Any:
        return self._credentials if self._is_ours() else None

    def _environ_keys(self) -> Keys | None:
        """Return the keys in the environment, where nothing else can say more."""
        if not self._has_nothing_to_ask():
            return None
        found = unconfigured.keys(self._environ)
        if found is not None:
            self._credentials, self._process = found, os.getpid()
        return found

    def _look_up(self) -> Any:
        """Find what gives keys; under no lock, since that may take for ever."""
        with IMPORTING:  # botocore makes a TLS context, too
            session = self._session()
            provider = session.get_component("credential_provider")
        known = provider.load_credentials()
        self._credentials, self._process = known, os.getpid()
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

    @contextlib.contextmanager
    def _in_time(self) -> Iterator[None]:
        """Tell of an answer that did not come, or could not even be asked for."""
        try:
            yield
        except DeliveryError as error:
            # Others who waited get it too, and each send writes its attempts into its own.
            raise copy.copy(error) from error.__cause__
        except TimeoutError as error:
            raise self._not_now("no AWS credentials in time", "timeout") from error
        except OSError as error:
            code = errno.errorcode.get(error.errno or 0, "")
            why = f"AWS credentials could not be asked for: {error.strerror or error}"
            raise self._not_now(why, code) from error

    def _not_now(self, detail: str, code: str) -> TransientError:
        return TransientError(
            detail, backend=self._backend, phase="credentials", code=code
        )

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
    # A helper's JSON may hold anything, which botocore passes on.
    if not all(isinstance(each, str | None) for each in frozen):
        raise TypeError("keys that are no text")
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
