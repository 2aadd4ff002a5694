"""The results file as a file: one JSON object in each line, held by one process.

What lives here: the lock, whole lines or none at all, and a last line that was torn. What
must not: what the lines mean (``journal``).
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

#: More bytes than any line has, and how each begins.
_TAIL, _BEGINNING = 1 << 20, b'{"line": '

#: Windows would turn line ends into its own. A link is not followed: whoever may write to
#: the folder could have lines written to, and believed from, a file of their choice.
_FLAGS = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)
_FLAGS |= getattr(os, "O_NOFOLLOW", 0)

if sys.platform == "win32":
    import msvcrt

    #: A byte no file reaches: Windows keeps others from reading what is locked.
    _FAR = 1 << 40

    def _lock(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class InUseError(Exception):
    """Another run holds the results file."""


class ResultsFile:
    """A results file that no other run may use until this one ends.

    It has no buffer, so what was written outlives the process.

    Args:
        path: Where it is, or will be.

    Raises:
        InUseError: When another run has it.
        typer.BadParameter: When it cannot be opened.

    Attributes:
        warning: Who else could read or change what it says, as a sentence; ``""`` when
            nobody can.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warning = ""
        self._file: int | None = None
        self._torn = False
        with self._explained():
            try:
                self._must_be_file(os.lstat(path))
            except FileNotFoundError:
                return
            self._file = self._open(0)
            found = os.fstat(self._file)
            self._must_be_file(found)  # it may have been changed for another meanwhile
            self.warning = self._exposed(found)
            _mend(self._file)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Give each line's object.

        Raises:
            typer.BadParameter: When one is none.
        """
        if self._file is None:
            return
        with self._explained(), open(self._file, "rb", closefd=False) as file:
            file.seek(0)
            for number, text in enumerate(file, 1):
                try:
                    yield dict(json.loads(text))
                except (ValueError, TypeError, RecursionError):
                    raise self.odd(number) from None

    def odd(self, number: int) -> typer.BadParameter:
        """Give the error for a line that is none of a results file."""
        return typer.BadParameter(
            f"{self.path}: line {number} is none of a results file; give another file "
            "by --results"
        )

    def create(self) -> None:
        """Make the file, if it is not there yet.

        Raises:
            InUseError: When another run has made it meanwhile.
            typer.BadParameter: When it cannot be made.
        """
        with self._explained():
            if self._file is None:
                try:
                    self._file = self._open(os.O_CREAT | os.O_EXCL)
                except FileExistsError:
                    self._must_be_file(os.lstat(self.path))
                    raise

    def append(self, objects: list[dict[str, Any]]) -> None:
        """Write lines, whole ones or none.

        Raises:
            OSError: When they cannot be written.
        """
        if self._file is None or self._torn:
            raise OSError("not open")
        text = "".join(f"{json.dumps(each)}\n" for each in objects).encode()
        size = os.lseek(self._file, 0, os.SEEK_END)
        try:
            while text:
                text = text[os.write(self._file, text) :]
        except OSError:
            self._torn = True
            with suppress(OSError):
                os.ftruncate(self._file, size)
                self._torn = False
            raise

    def close(self) -> None:
        """Close it, which lets another run have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self, how: int) -> int:
        # Refused recipients stand in it: it is for nobody else to read.
        file = os.open(self.path, _FLAGS | how, 0o600)
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            os.close(file)
            raise self._in_use() from None
        return file

    def _must_be_file(self, found: os.stat_result) -> None:
        if stat.S_ISLNK(found.st_mode):
            raise typer.BadParameter(
                f"{self.path} is a symbolic link, which results are not written through; "
                "remove it, or give the file that it leads to by --results"
            )
        if not stat.S_ISREG(found.st_mode):
            raise typer.BadParameter(f"{self.path} is no file that results could be in")

    def _exposed(self, found: os.stat_result) -> str:
        """Give the warning about who else has the file: it decides what is sent."""
        if sys.platform == "win32":  # its modes say nothing about who may
            return ""
        if found.st_uid != os.geteuid():
            return (
                f"{self.path} belongs to another user, who can change what it says was "
                "sent, and read whom it names."
            )
        others = found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        if not others:
            return ""
        able = "change" if others & (stat.S_IWGRP | stat.S_IWOTH) else "read"
        return f"Other users can {able} {self.path}; chmod 600 keeps it to yourself."

    def _in_use(self) -> InUseError:
        return InUseError(
            f"Another run is using {self.path}. Nothing was sent; run it again when that "
            "one has ended."
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise self._in_use() from None
        except OSError as error:
            why = f"{self.path} cannot be used for results: {error.strerror}"
            raise typer.BadParameter(why) from None


def _mend(file: int) -> None:
    """Cut off a last line that a killed run did not write to its end."""
    size = os.lseek(file, 0, os.SEEK_END)
    os.lseek(file, max(0, size - _TAIL), os.SEEK_SET)
    torn = os.read(file, _TAIL).rpartition(b"\n")[2]
    try:
        if torn and json.loads(torn):
            os.write(file, b"\n")
    except (ValueError, RecursionError):
        if torn.startswith(_BEGINNING[: len(torn)]):
            os.ftruncate(file, size - len(torn))
