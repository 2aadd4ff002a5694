"""A pytest plugin: nothing that the suite uses as a credential may show anywhere.

Run: ``python -m pytest -p tests.canary``

Every text that enters the library as a credential becomes a canary: what is made a
``Secret`` or a ``SecretStr``, and what variables and DSNs hold. From then on it is looked
for raw, percent-encoded, in hex, and in base64 wherever it may begin in there:

* in every log record of every logger, all of them at DEBUG, with the locals of tracebacks;
* in every exception that leaves a door of the library (``DOORS``), with the locals of every
  frame that is not a test's, along the whole chain of causes, and in its pickle;
* in the ``repr`` of whatever a door gives back, and of the object that it belongs to;
* in warnings, in what tests and commands print, and in files that the library writes.

What it cannot see: other processes that a test starts, exceptions that are caught inside
the library and dropped there, and credentials too short or too common to tell from text.
"""

import base64
import functools
import importlib
import inspect
import logging
import os
import pickle
import sys
import traceback
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

import pydantic
import pytest

from mailbalance import secret
from mailbalance.errors import MailError

HERE = str(Path(__file__).parent)
PACKAGE = str(Path(secret.__file__).parent)

#: Canaries watched at a time, the latest: every test brings its own.
MOST = 200
#: A shorter text, or one of these, may stand anywhere by chance.
SHORTEST = 8
COMMON = frozenset({"password", "AKIDEXAMPLE", "SECRETKEY"})

#: Characters of a text in a frame that are looked at, at each of its ends.
LONGEST = 20_000

#: Variables whose value is a credential, or holds one.
VARIABLES = (
    "MAILTRAP_API_TOKEN", "MAILTRAP_API_KEY", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "SES_SMTP_PASSWORD",
)  # fmt: skip

#: Where the library is entered: module, and class or function.
DOORS = (
    "mailbalance.mailer:Mailer",
    "mailbalance.default:send",
    "mailbalance.default:asend",
    "mailbalance.backends.ses:SesBackend",
    "mailbalance.backends.ses_smtp:SesSmtpBackend",
    "mailbalance.backends.mailtrap:MailtrapBackend",
    "mailbalance.backends.mailtrap_smtp:MailtrapSmtpBackend",
    "mailbalance.backends._smtp:SmtpBackend",
    "mailbalance.wire.aws:AwsChain",
    "mailbalance.wire.http.client:HttpWire",
    "mailbalance.wire.smtp.wire:SmtpWire",
    "mailbalance.config.settings:read_settings",
    "mailbalance.config.settings:read_backend",
    "mailbalance.config.dsn:parse_dsn",
    "mailbalance.dropin:client",
    "mailbalance.dropin.hooks:Hooks",
)


def forms(credential: str) -> list[str]:
    """Give every way in which a credential could be written."""
    data = credential.encode("utf-8", "surrogatepass")
    found = [credential, repr(credential)[1:-1], data.hex(), data.hex().upper()]
    found += [quote(data, safe=""), quote(data), quote_plus(data)]
    for offset in range(3):
        # Only the digits that no neighbour has a part in.
        encoded = base64.b64encode(bytes(offset) + data).decode()
        digits = encoded[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        found += [digits, digits.replace("+", "-").replace("/", "_")]
    return list(dict.fromkeys(found))


#: Tests that break the library on purpose, so that it shows a credential.
PLANTING = frozenset({"test_a_mistake_in_the_library_is_noticed"})


class Watch:
    """The canaries, and where one was seen."""

    def __init__(self) -> None:
        self.canaries: OrderedDict[str, list[str]] = OrderedDict()
        self.seen: list[str] = []
        self.looked: Counter[str] = Counter()

    def add(self, credential: object) -> None:
        """Watch for a credential from now on."""
        text = str.__str__(credential) if isinstance(credential, str) else ""
        if len(text) < SHORTEST or text in COMMON or len(set(text)) < SHORTEST // 2:
            return
        if text in self.canaries:
            self.canaries.move_to_end(text)
            return
        self.looked["credentials"] += 1
        self.canaries[text] = forms(text)
        while len(self.canaries) > MOST:
            self.canaries.popitem(last=False)

    def look(self, kind: str, where: str, text: str) -> None:
        """Look for every canary in a text."""
        self.looked[kind] += 1
        for credential, ways in list(self.canaries.items()):
            for form in ways:
                if form in text:
                    at = text.index(form)
                    shown = text[max(0, at - 60) : at] + "<CANARY>"
                    self.seen.append(
                        f"{kind} {where}: ...{shown} ({credential[:4]}...)"
                    )
                    break

    def look_at_error(self, kind: str, where: str, error: BaseException) -> None:
        """Look into an exception, its frames and all that led to it."""
        self.look(kind, where, "\n".join(told(error)))

    def look_at_value(self, where: str, value: object) -> None:
        """Look at the ``repr`` of a value."""
        self.look("value", where, _shown(value))


def told(error: BaseException) -> Iterator[str]:
    """Tell all of an error that ``traceback`` would with ``capture_locals``, and more.

    More: contexts that are not shown; less: the frames of tests, the middle of long texts.
    """
    waiting, seen = [error], {id(error)}
    while waiting:
        at = waiting.pop()
        yield from traceback.format_exception_only(at)
        for frame, line in traceback.walk_tb(at.__traceback__):
            file = Path(frame.f_code.co_filename)
            if not str(file).startswith(HERE):
                for name, value in frame.f_locals.items():
                    yield f"{file.name}:{line} {name} = {_shown(value)}"
        for led in (at.__cause__, at.__context__):
            if led is not None and id(led) not in seen:
                seen.add(id(led))
                waiting.append(led)


def _shown(value: object) -> str:
    if isinstance(value, str | bytes | bytearray) and len(value) > 2 * LONGEST:
        return f"{value[:LONGEST]!r}...{value[-LONGEST:]!r}"
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - of an object that is still being made
        return ""


WATCH = Watch()


# What makes canaries


def watch_credentials() -> None:
    """Let everything that becomes a credential become a canary."""
    init = pydantic.SecretStr.__init__

    def new(cls: type[str], text: str = "") -> str:
        WATCH.add(text)
        WATCH.add(text.removeprefix("Bearer "))
        WATCH.add(_password_in(text))
        return str.__new__(cls, text)

    def secret_str(self: Any, value: Any) -> None:
        WATCH.add(value)
        init(self, value)

    def environ(self: Any, given: Any) -> None:
        self._given = given
        for name in VARIABLES:
            WATCH.add(given.get(name))
        for name, value in given.items():
            if name.startswith("MAILBALANCE_") and name.endswith("_URL"):
                watch_dsn(value)

    secret.Secret.__new__ = new  # type: ignore[assignment,method-assign]
    secret.Environ.__init__ = environ  # type: ignore[method-assign]
    pydantic.SecretStr.__init__ = secret_str  # type: ignore[method-assign]


def _password_in(url: str) -> str | None:
    """Give the password in a URL, if it is one."""
    try:
        return urlsplit(url).password
    except ValueError:
        return None


def watch_dsn(dsn: str) -> None:
    """Watch for what a DSN holds between its scheme and its host."""
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return
    WATCH.add(unquote(parts.password or ""))
    if "mailtrap" in parts.scheme and parts.password is None:
        WATCH.add(unquote(parts.username or ""))


# Where they are looked for


def watch_logs() -> None:
    """See every record of every logger, all of them at DEBUG."""
    logging.getLogger().setLevel(logging.DEBUG)
    handle = logging.Logger.handle

    def seeing(self: logging.Logger, record: logging.LogRecord) -> None:
        if record.name.startswith("botocore") and not _is_by_the_library():
            return handle(self, record)  # a test's own client
        WATCH.look("log", record.name, record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            WATCH.look_at_error("log", record.name, record.exc_info[1])
        return handle(self, record)

    logging.Logger.handle = seeing  # type: ignore[method-assign]


def watch_doors() -> None:
    """See what leaves the library by each of its doors."""
    for door in DOORS:
        module, _, name = door.partition(":")
        found = getattr(importlib.import_module(module), name)
        if inspect.isclass(found):
            for each, member in list(vars(found).items()):
                if each == "__init__" or not each.startswith("_"):
                    _watch_member(found, each, member, f"{name}.{each}")
        else:
            _watch_function(found, name)


def _watch_member(owner: type, name: str, member: Any, where: str) -> None:
    if isinstance(member, classmethod):
        setattr(owner, name, classmethod(watching(member.__func__, where)))
    elif inspect.isfunction(member):
        setattr(owner, name, watching(member, where))


def _watch_function(found: Callable[..., Any], name: str) -> None:
    """Watch a function under every name that a module of the library has for it."""
    watched = watching(found, name)
    for module, loaded in list(sys.modules.items()):
        if module.partition(".")[0] == "mailbalance":
            for alias, value in list(vars(loaded).items()):
                if value is found:
                    setattr(loaded, alias, watched)


def watching(act: Callable[..., Any], where: str) -> Callable[..., Any]:
    """Look at what a call gives or raises."""

    @functools.wraps(act)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            result = act(*args, **kwargs)
        except BaseException as error:
            _raised(error, where)
            raise
        _given(result, args, where)
        return result

    @functools.wraps(act)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        try:
            result = await act(*args, **kwargs)
        except BaseException as error:
            _raised(error, where)
            raise
        _given(result, args, where)
        return result

    return acall if inspect.iscoroutinefunction(act) else call


def _given(result: object, args: tuple[object, ...], where: str) -> None:
    WATCH.look_at_value(where, result)
    if "." in where and args and not inspect.isclass(args[0]):
        WATCH.look_at_value(where, args[0])


def _raised(error: BaseException, where: str) -> None:
    WATCH.look_at_error("error", where, error)
    if isinstance(error, MailError):
        WATCH.look("pickle", where, pickle.dumps(error).decode("latin-1"))


WRITTEN: set[str] = set()


def watch_files() -> None:
    """Note every file that code of the library opens for writing."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(args[2], int):
            return
        writes = args[2] & (os.O_WRONLY | os.O_RDWR) or set(args[1] or "") & set("wax+")
        if writes and isinstance(args[0], str) and _is_by_the_library():
            WRITTEN.add(args[0])

    sys.addaudithook(hook)


def _is_by_the_library() -> bool:
    frame = sys._getframe(2)
    at: Any = frame
    while at is not None:
        name = at.f_code.co_filename
        if name.startswith(PACKAGE):
            return True
        if name.startswith(HERE):
            return False
        at = at.f_back
    return False


def look_at_files() -> None:
    """Look into what the library has written."""
    for name in sorted(WRITTEN):
        path = Path(name)
        if path.is_file():
            WATCH.look("file", path.name, path.read_bytes().decode("latin-1"))
            WRITTEN.discard(name)


def watch_commands() -> None:
    """See what commands print that are run in this process."""
    from typer.testing import CliRunner

    CliRunner.invoke = _printing(CliRunner.invoke)  # type: ignore[method-assign]


def _printing(invoke: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        ended = invoke(*args, **kwargs)
        WATCH.look("output", "command", ended.output)
        return ended

    return call


# The plugin


def pytest_configure(config: pytest.Config) -> None:
    """Begin to watch."""
    watch_credentials()
    watch_logs()
    watch_files()
    watch_commands()
    watch_doors()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Forget the canaries of one test before the next; those of fixtures stay."""
    lasting = OrderedDict(WATCH.canaries)
    yield
    WATCH.canaries = lasting


@pytest.fixture(autouse=True)
def canary(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test during which a credential was seen."""
    yield
    look_at_files()
    if request.node.name.partition("[")[0] in PLANTING:
        WATCH.seen.clear()
    if WATCH.seen:
        found = "\n".join(dict.fromkeys(WATCH.seen))
        WATCH.seen.clear()
        pytest.fail(f"canary: a credential can be seen:\n{found}", pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Look at what a test has printed."""
    outcome: Any = yield
    report = outcome.get_result()
    for title, text in report.sections if report.when != "teardown" else ():
        if "log" not in title:  # those were seen as they came
            WATCH.look("output", title, text)


def pytest_warning_recorded(warning_message: Any) -> None:
    """Look at a warning."""
    WATCH.look("warning", warning_message.category.__name__, str(warning_message))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail for what was seen after the last test; hand the figures of a worker on."""
    if WATCH.seen:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["canary"] = dict(WATCH.looked)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the figures of a worker."""
    WATCH.looked.update(getattr(node, "workeroutput", {}).get("canary", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell how much was looked at."""
    told = ", ".join(f"{n:,} {kind}" for kind, n in sorted(WATCH.looked.items()))
    terminalreporter.write_line(f"canary: {told}")
    for line in WATCH.seen:
        terminalreporter.write_line(f"canary: a credential can be seen: {line}")
