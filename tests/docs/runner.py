"""Running the code blocks of a page, in order, as its reader would.

What lives here: ``PageRun``, with one method for each language a block may have. What must
not: leave. A language nobody knows, or a command nobody can run or check, is a failure; a
block is never skipped.

A page runs in a folder of its own and against a local sandbox of its own:

* ``python`` runs in this process; the blocks of a page share their names. A first line
  like ``# shop.py`` saves it too; ``# test_shop.py`` is run by pytest instead.
* ``text`` and ``json`` are what the block above printed; ``...`` stands for anything.
* ``sh`` and ``console`` (``$ command``, then its output) are commands; see ``commands``.
* ``ini`` is a configuration: it must be read, and its backends made.
* ``dsn`` is one DSN a line: each must be read, and its backend made.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mailbalance import Mailer, default, dropin
from mailbalance.backends import make_backend
from mailbalance.cli.variables import _MASKED, _OPEN
from mailbalance.config import parse_dsn, read_backend, read_settings
from mailbalance.frozen import FrozenDict
from tests.docs.blocks import Block, read_blocks
from tests.docs.commands import Commands

#: What a reader has besides the lines of a block: accounts at both providers.
ACCOUNTS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
SPLIT = "ses=60,mailtrap=40"


class PageRun:
    """The blocks of one page, run one after another.

    Args:
        folder: Where files are saved and commands run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "page"}
        self.printed: str | None = None
        self.commands = Commands(folder)
        self._languages: dict[str, Callable[[Block], str | None]] = {
            "python": self._python,
            "text": self._text,
            "json": self._json,
            "sh": self.commands.shell,
            "console": self.commands.console,
            "ini": _configuration,
            "dsn": _dsns,
        }

    def run(self, block: Block) -> None:
        """Run one block.

        Raises:
            AssertionError: When it does not do what the page says; names page and line.
        """
        if block.language not in self._languages:
            known = ", ".join(self._languages)
            raise AssertionError(
                f"{block.place}: a block of language {block.language!r} cannot be run; "
                f"use one of {known}"
            )
        try:
            self.printed = self._languages[block.language](block)
        except Exception as error:
            error.add_note(f"in the block at {block.place}")
            raise

    def run_page(self, page: Path) -> None:
        """Run every block of a page."""
        for block in read_blocks(page):
            self.run(block)

    def close(self) -> None:
        """Close what the page's blocks left open."""
        self.commands.close()
        dropin.uninstall()
        for value in (*self.names.values(), default.replace_default(None)):
            if isinstance(value, Mailer):
                value.close()

    def _python(self, block: Block) -> str:
        file = block.file
        if file:
            (self.folder / file).write_text(block.text, encoding="utf-8")
        if file and file.startswith("test_"):
            return self._pytest(file)
        # Blank lines before it make line numbers those of the page.
        code = compile("\n" * block.line + block.text, block.page, "exec")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, self.names)  # noqa: S102 - our own page
        return printed.getvalue()

    def _pytest(self, file: str) -> str:
        # Without the plugins that others brought: they take longer than the test.
        environ = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
        plugin = ["-p", "mailbalance.testing.plugin", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", "-q", *plugin, file]
        ran = subprocess.run(
            command,
            check=False,
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def _text(self, block: Block) -> None:
        assert self.printed is not None, (
            f"{block.place}: it shows output, and the block above prints none"
        )
        must_match(block.text, self.printed)

    def _json(self, block: Block) -> None:
        assert self.printed is not None, (
            f"{block.place}: it shows output, and the block above prints none"
        )
        wanted, got = json.loads(block.text), json.loads(self.printed)
        assert wanted == _masked(got, wanted)


def must_match(expected: str, printed: str) -> None:
    """Compare output with what a page shows of it; ``...`` stands for anything."""
    wanted, got = _plain(expected), _plain(printed)
    parts = map(re.escape, wanted.split("..."))
    if not re.fullmatch(".*?".join(parts), got, re.DOTALL):
        raise AssertionError(f"the page shows\n{wanted}\nand what came is\n{got}")


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def _masked(got: Any, wanted: Any) -> Any:
    """Put ``"..."`` where the page has it."""
    if wanted == "...":
        return wanted
    if isinstance(got, dict) and isinstance(wanted, dict):
        return {key: _masked(value, wanted.get(key)) for key, value in got.items()}
    if isinstance(got, list) and isinstance(wanted, list) and len(got) == len(wanted):
        return [_masked(*pair) for pair in zip(got, wanted, strict=True)]
    return got


def _configuration(block: Block) -> None:
    lines = [line for line in block.text.splitlines() if line and line[0] not in "#;"]
    given = dict(line.split("=", 1) for line in lines)
    environ = {"MAILBALANCE_SPLIT": SPLIT, **ACCOUNTS, **given}
    if not {"MAILTRAP_API_TOKEN", "MAILTRAP_API_KEY"} & set(given):
        environ["MAILTRAP_API_TOKEN"] = "TOKEN"
    read_settings(environ)
    Mailer.from_env(environ).close()
    for variable in given:
        found = re.fullmatch("MAILBALANCE_(.+)_URL", variable)
        if found:
            name = found[1].lower().replace("_", "-")
            make_backend(read_backend(name, environ)).close()
        else:
            assert variable in {*_OPEN, *_MASKED}, (
                f"{variable} is no variable of the library's"
            )


def _dsns(block: Block) -> None:
    for line in block.text.split():
        settings = parse_dsn(line, name="some-name")
        make_backend(replace(settings, environ=FrozenDict(ACCOUNTS))).close()


def clear_environment() -> None:
    """Take out whatever a page must not depend on."""
    for name in list(os.environ):
        if name.startswith(("MAILBALANCE_", "MAILTRAP_", "AWS_", "SES_")):
            del os.environ[name]
