"""AWS Signature Version 4 for requests without a query.

What lives here: the pure calculation, checked byte for byte against botocore's signer.
What must not: where keys come from (``wire/aws.py``), clocks (the time is passed in).

Source: AWS Identity and Access Management User Guide, "Create a signed AWS API request".
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from mailbalance.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from hashlib import _Hash as Hash

_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": 80, "https": 443}

#: Bytes that SHA-256 takes at once.
_BLOCK = 64

#: What is wrong with keys that cannot be sent.
STRANGE = (
    "the AWS access key, secret key or session token has a space, a line end or a strange "
    "character in it"
)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a request is signed with; only the access key id may be shown.

    Attributes:
        access_key: The access key id.
        secret_key: The secret access key.
        token: The session token of temporary credentials, or ``None``.
    """

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "secret_key", Secret(self.secret_key))
        if self.token is not None:
            object.__setattr__(self, "token", Secret(self.token))

    @property
    def can_be_sent(self) -> bool:
        """Whether headers can carry them: a line end would begin a header of its own."""
        told = f"{self.access_key}{self.token or ''}"
        return told.isascii() and told.isprintable() and " " not in told


class Signer:
    """Signs requests of one kind, which differ in their bodies and in little else.

    Args:
        url: Where they go; without a query.
        headers: Headers to put under the signature, besides those that are added.
        region: The region the endpoint belongs to.
        service: The signing name of the service.
        method: The requests' method.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        region: str,
        service: str = "ses",
        method: str = "POST",
    ) -> None:
        self.url = url
        self._headers = headers
        self._region = region
        self._service = service
        self._method = method
        self._form: _Form | None = None

    def sign(
        self, body: bytes | tuple[bytes, ...], keys: Keys, second: int
    ) -> dict[str, str]:
        """Give the headers that make a request a signed one.

        Args:
            body: The exact bytes of its body, in pieces if it is large.
            keys: What to sign with.
            second: The time, in whole seconds since 1970; the server accepts about five
                minutes either way.

        Returns:
            The headers with ``Host``, ``X-Amz-Date``, ``Authorization`` and, for
            temporary credentials, ``X-Amz-Security-Token``.
        """
        form = self._form
        # A busy sender signs hundreds of times in a second, most often with one object.
        same = form is not None and (form.keys is keys or form.keys == keys)
        if form is None or not same or form.second != second:
            form = self._form = self._begun(keys, second)
        if isinstance(body, bytes):
            digest = sha256(body)
        else:
            digest = sha256()
            for piece in body:
                digest.update(piece)
        canonical = form.canonical.copy()
        canonical.update(digest.hexdigest().encode())
        inner = form.inner.copy()
        inner.update(canonical.hexdigest().encode())
        outer = form.outer.copy()
        outer.update(inner.digest())
        signed = form.authorization + outer.hexdigest()
        return {**form.headers, "Authorization": signed}

    def _begun(self, keys: Keys, second: int) -> _Form:
        host, path = _target(self.url)
        stamp = datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")
        signed = {"Host": host, **self._headers, "X-Amz-Date": stamp}
        if keys.token:
            signed["X-Amz-Security-Token"] = keys.token
        lines = sorted(
            (name.lower(), Secret(" ".join(v.split()))) for name, v in signed.items()
        )
        names = ";".join(name for name, _ in lines)
        block = Secret("".join(f"{name}:{value}\n" for name, value in lines))
        scope = f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        key = _signing_key(keys.secret_key, stamp[:8], self._region, self._service)
        inner, outer = _begun_hmac(key)
        inner.update(f"{_ALGORITHM}\n{stamp}\n{scope}\n".encode())
        return _Form(
            second=second,
            keys=keys,
            headers=signed,
            canonical=sha256(f"{self._method}\n{path}\n\n{block}\n{names}\n".encode()),
            inner=inner,
            outer=outer,
            authorization=f"{_ALGORITHM} Credential={keys.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature=",
        )


def _begun_hmac(key: memoryview) -> tuple[Hash, Hash]:
    """Begin both hashes of an HMAC (RFC 2104 section 2), to be copied and gone on with.

    ``hmac.digest`` would look for its algorithm anew each time, which takes longer.
    """
    block = memoryview(key.tobytes().ljust(_BLOCK, b"\0"))
    return sha256(bytes(each ^ 0x36 for each in block)), sha256(
        bytes(each ^ 0x5C for each in block)
    )


@dataclass(frozen=True, slots=True)
class _Form:
    """All of a signature that does not depend on the body; it serves for one second.

    Attributes:
        second: Which one it is.
        keys: What is signed with.
        headers: The headers under the signature.
        canonical: The hash of the canonical request, up to the body's.
        inner: The inner hash of the signature, up to that of the canonical request.
        outer: The outer hash of the signature, up to the inner.
        authorization: The header's value up to the signature.
    """

    second: int
    keys: Keys
    headers: Mapping[str, str] = field(repr=False)
    canonical: Hash
    inner: Hash
    outer: Hash
    authorization: str = field(repr=False)


# A key serves a whole day and region; a few cover rotation and several accounts.
@lru_cache(maxsize=8)
def _signing_key(secret: str, day: str, region: str, service: str) -> memoryview:
    # Views, since a traceback shows the locals of an interrupted call by their repr.
    key = memoryview(f"AWS4{secret}".encode())
    for part in (day, region, service, "aws4_request"):
        key = memoryview(hmac.digest(key, part.encode(), "sha256"))
    return key


@lru_cache(maxsize=32)
def _target(url: str) -> tuple[str, str]:
    """Give the Host header and the canonical path of a URL."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None and parts.port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{parts.port}"
    return host, quote(_without_dots(parts.path), safe="/~")


def _without_dots(path: str) -> str:
    """Remove dot segments and doubled slashes (RFC 3986 section 5.2.4)."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment and segment != ".":
            kept.append(segment)
    end = "/" if kept and path.endswith("/") else ""
    return "/" + "/".join(kept) + end
