"""Files that travel with a message.

What lives here: ``Attachment``, and reading a file into one. What must not: how a file is
encoded; ``mailbalance.mime`` does that. URLs are never fetched.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, Strict, model_validator

from mailbalance.errors import MessageError
from mailbalance.later import Later
from mailbalance.value import Bytes, FaultsError, Text, Value

if TYPE_CHECKING:
    import mimetypes

    from mailbalance.rules import file_rules
else:
    mimetypes = Later("mimetypes", globals())
    file_rules = Later("mailbalance.rules.file_rules", globals())

_UNKNOWN_TYPE = "application/octet-stream"


def _without(rule: str) -> AfterValidator:
    """Refuse what a function of ``file_rules`` finds a fault in."""

    def check(value: str) -> str:
        fault: str | None = getattr(file_rules, rule)(value)
        if fault is not None:
            raise ValueError(fault)
        return value

    return AfterValidator(check)


def guess_content_type(filename: str) -> str:
    """Guess from the ending, as ``mimetypes`` does; a compressed file is just bytes.

    The type is in lower case, as readers give it back: tables of a system's types, which
    ``mimetypes`` reads, have a few in capitals.
    """
    kind, packed = mimetypes.guess_type(filename, strict=False)
    if packed == "gzip":
        return "application/gzip"
    return kind.lower() if kind and not packed else _UNKNOWN_TYPE


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
    filename: Annotated[Text, _without("fault_in_filename")]
    content_type: Annotated[Text, _without("fault_in_content_type")] = _UNKNOWN_TYPE
    inline: Annotated[bool, Strict()] = False
    content_id: Annotated[Text, _without("fault_in_content_id")] | None = None

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
            value = _from_file(Path(value))
        if not isinstance(value, dict) or not isinstance(value.get("filename"), str):
            return value
        filled = dict(value)
        if filled.get("content_type") is None:
            filled["content_type"] = guess_content_type(filled["filename"])
        if filled.get("inline") is True and filled.get("content_id") is None:
            filled["content_id"] = _id_from(filled["filename"])
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
    if file_rules.fault_in_content_id(filename) is not None:
        fault = (
            "is missing, and the file name cannot stand in for it; give one of ASCII "
            'characters without spaces, and write <img src="cid:..."> with it'
        )
        raise FaultsError([(".content_id", fault)])
    return filename
