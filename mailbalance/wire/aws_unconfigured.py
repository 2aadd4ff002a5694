"""What botocore says where nothing but keys and a region is set: known without asking it.

What lives here: telling that there is nothing else to ask, and its two answers for such a
place. What must not: reading what is configured; as soon as there is a file or a variable
of AWS's that may say something, botocore is asked, and its answer stands.

Importing botocore takes as long, and as much memory, as all of this library. Small
containers and functions mostly have no more than these variables.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from mailbalance.wire.sigv4 import Keys

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Variables that AWS's SDKs read, by how their names begin. Source: botocore's session,
#: providers and plugins (1.44, read 2026-11).
_THEIRS = ("AWS_", "BOTO")
#: Those that change neither endpoint nor trust, nor where keys come from while they are
#: in the environment themselves. Source: the same; what Lambda sets as well.
_HARMLESS = frozenset(
    {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    | {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV"}
    | {"AWS_EC2_METADATA_DISABLED"}
)
_HARMLESS_KINDS = ("AWS_LAMBDA_", "AWS_XRAY_")

#: Regions of the partition "aws"; the others have domains of their own. Source:
#: botocore's partitions.json (1.44, read 2026-11).
_USUAL_REGION = re.compile(r"(?:us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[0-9]+")


def nothing_to_ask(environ: Mapping[str, str] | None) -> bool:
    """Whether botocore would find neither a file nor a variable that says more.

    Args:
        environ: Replaces the environment of the process, as ``AwsChain`` takes it.
    """
    home = os.path.expanduser("~") if environ is None else environ.get("HOME")
    if home is not None and ("$" in home or home.startswith("~")):
        return False  # botocore would look at variables in it
    if home is not None and os.path.lexists(os.path.join(home, ".aws")):
        return False
    return all(
        name in _HARMLESS or name.startswith(_HARMLESS_KINDS)
        for name in (os.environ if environ is None else environ)
        if name.startswith(_THEIRS)
    )


def endpoint(region: str) -> str | None:
    """Give the base URL for SES v2, if the region's name tells it."""
    if _USUAL_REGION.fullmatch(region) is None:
        return None
    return f"https://email.{region}.amazonaws.com"


def keys(environ: Mapping[str, str] | None) -> Keys | None:
    """Give the keys in the environment, which are asked before anything else."""
    said = os.environ if environ is None else environ
    access_key = said.get("AWS_ACCESS_KEY_ID")
    secret_key = said.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key:
        return None
    return Keys(access_key, secret_key, said.get("AWS_SESSION_TOKEN") or None)
