"""Files that travel with a message.

What lives here: ``Attachment``, its checks, and reading a file into one. What must not:
how a file is encoded; ``mailbalance.mime`` does that. URLs are never fetched.
"""

from __future__ import annotations

import mimetypes
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, Strict, model_validator

from mailbalance.characters import fault_in_file_name, fault_in_line
from mailbalance.errors import MessageError
from mailbalance.value import Bytes, FaultsError, Text, Value

#: Octets; what file systems take, and SES's FileName too.
_LONGEST_NAME = 255

#: type/subtype of RFC 2045 section 5.1, lengths of RFC 6838 section 4.2, and parameters.
_CONTENT_TYPE = re.compile(
    r"""(?P<type>[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126})
        /(?P<subtype>[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126})
        (?P<rest>(?:[ ]?;[ ]?[A-Za-z0-9!#$&^_.+-]+=
        (?:[A-Za-z0-9!#$%&'*+.^_`{|}~-]+|"[ !#-\[\]-~]*"))*)""",
    re.VERBOSE,
)
_OURS = re.compile(r";\s*(name|boundary|filename)\s*=", re.IGNORECASE)

#: A content id as it stands between < and > (RFC 2392; clients need no @ in it).
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}")

_UNKNOWN_TYPE = "application/octet-stream"


def _check_filename(value: str) -> str:
    if not value:
        raise ValueError("is empty; give the name that readers shall see")
    if (fault := fault_in_file_name(value)) is not None:
        raise ValueError(fault)
    if "/" in value or "\\" in value or value in (".", ".."):
        raise ValueError("holds a path; give the last part of it only")
    if len(value.encode()) > _LONGEST_NAME:
        raise ValueError(f"has more than {_LONGEST_NAME} octets; shorten it")
    return value


def _check_content_type(value: str) -> str:
    found = _CONTENT_TYPE.fullmatch(value)
    if found is None:
        raise ValueError("is no content type; write it as type/subtype, like image/png")
    if found["type"].lower() == "multipart":
        raise ValueError("is a container, not a file; attach its parts one by one")
    if _OURS.search(found["rest"]):
        raise ValueError("has a name or boundary in it; use filename for the name")
    return value


def _check_content_id(value: str) -> str:
    if (fault := fault_in_line(value)) is not None:
        raise ValueError(fault)
    if not _CONTENT_ID.fullmatch(value):
        raise ValueError(
            "must be 1 to 200 ASCII characters without spaces and angle brackets"
        )
    return value


def guess_content_type(filename: str) -> str:
    """Guess from the ending, as ``mimetypes`` does; a compressed file is just bytes."""
    kind, packed = mimetypes.guess_type(filename, strict=False)
    if packed == "gzip":
        return "application/gzip"
    return kind if kind and not packed else _UNKNOWN_TYPE


class Attachment(Value):
    """A file: bytes, and how readers see them.

    Attributes:
        content: The bytes, sent exactly as they are.
        filename: The name readers see: no path, no control characters, no characters that
            turn the reading direction, at most 255 octets.
        content_type: ``type/subtype`` with optional parameters; guessed from the name.
        inline: Whether the HTML shows it (``<img src="cid:...">``).
        content_id: What the HTML calls it, without angle brackets. An inline file without
            one is called by its file name.
    """

    content: Bytes
    filename: Annotated[Text, AfterValidator(_check_filename)]
    content_type: Annotated[Text, AfterValidator(_check_content_type)] = _UNKNOWN_TYPE
    inline: Annotated[bool, Strict()] = False
    content_id: Annotated[Text, AfterValidator(_check_content_id)] | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            content: bytes | bytearray | memoryview,
            filename: str,
            content_type: str = ...,
            inline: bool = False,
            content_id: str | None = None,
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, value: Any) -> Any:
        if isinstance(value, os.PathLike):
            return _from_file(Path(value))
        if not isinstance(value, dict):
            return value
        name = value.get("filename")
        if not isinstance(name, str):
            return value
        filled = dict(value)
        if filled.get("content_type") is None:
            filled["content_type"] = guess_content_type(name)
        if filled.get("inline") is True and filled.get("content_id") is None:
            filled["content_id"] = _id_from(name)
        return filled

    @classmethod
    def from_path(
        cls,
        path: str | os.PathLike[str],
        *,
        filename: str | None = None,
        content_type: str | None = None,
        inline: bool = False,
        content_id: str | None = None,
    ) -> Self:
        """Read a file.

        Args:
            path: Where it is. It is read now; later changes do not matter.
            filename: The name readers see; the path's last part if not given.
            content_type: Its type; guessed from the name if not given.
            inline: Whether the HTML shows it.
            content_id: What the HTML calls it.

        Raises:
            MessageError: When it cannot be read, or one of the rest is wrong.
        """
        try:
            fields = _from_file(Path(path))
        except ValueError as error:
            raise MessageError(f"attachment: {error}") from error
        fields |= {"inline": inline, "content_id": content_id}
        fields |= {} if filename is None else {"filename": filename}
        fields |= {} if content_type is None else {"content_type": content_type}
        return cls(**fields)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return {"content": path.read_bytes(), "filename": path.name}
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{path.name!r} cannot be read: {reason}") from error


def _id_from(filename: str) -> str:
    if not _CONTENT_ID.fullmatch(filename):
        fault = (
            "is missing, and the file name cannot stand in for it; give one of ASCII "
            'characters without spaces, and write <img src="cid:..."> with it'
        )
        raise FaultsError([(".content_id", fault)])
    return filename
