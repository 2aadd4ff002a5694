"""S14, S15, S25: what the package never does, held against its own sources."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailbalance
from mailbalance import Mailer
from mailbalance.sandbox import Sandbox

PACKAGE = Path(mailbalance.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

#: Modules that decompress or decode what came from outside (S14), that run what they read
#: (S25), or that start programs.
NEVER = {
    "zlib", "gzip", "bz2", "lzma", "zipfile", "tarfile", "zstandard", "brotli", "PIL",
    "cv2", "imghdr", "sndhdr", "marshal", "shelve", "dill", "cloudpickle", "joblib",
    "yaml", "xml", "lxml", "code", "codeop", "runpy", "ctypes", "cffi", "subprocess",
    "pty", "commands", "telnetlib", "ftplib", "jinja2", "mako", "tornado", "shutil",
}  # fmt: skip
#: Where one of the others may be used, and why.
ONLY = {
    "pickle": {"testing/contract.py"},  # proves that errors survive one
    "tempfile": {"sandbox/server.py"},  # the folder of its throw-away certificate
    "urllib.request": set(),
}
CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
#: What one module does all the same: it writes an ``__init__`` out of the field names of
#: our own classes when they are defined, as ``dataclasses`` does; nothing it reads.
OWN = {"swift.py": ["exec"]}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def faults(source: str, name: str) -> list[str]:
    tree = ast.parse(source)
    found = [each for each in imports(tree) if each.partition(".")[0] in NEVER]
    found += [each for each in imports(tree) if name not in ONLY.get(each, {name})]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in CALLS or called in ("os.system", "os.popen", "os.execv"):
                found.append(called)
            if any(each.arg == "shell" for each in node.keywords):
                found.append(f"{called}(shell=)")
    return found


def test_no_module_runs_decompresses_or_unpickles_what_it_reads() -> None:
    names = {path: path.relative_to(PACKAGE).as_posix() for path in SOURCES}
    found = {name: faults(path.read_text(), name) for path, name in names.items()}

    assert len(found) > 100
    assert {name: each for name, each in found.items() if each} == OWN


PLANTED = [
    "import zlib", "from gzip import open", "import xml.etree.ElementTree", "import pickle",
    "def f():\n  from pickle import loads", "eval('1')", "import os; os.system('x')",
    "import os.path, subprocess", "run('x', shell=True)",
    "from urllib.request import urlopen",
]  # fmt: skip


@pytest.mark.parametrize("source", PLANTED)
def test_the_scan_finds_what_it_looks_for(source: str) -> None:
    assert faults(source, "planted.py")


def test_the_linter_watches_for_the_rest() -> None:
    """Rules S1 to S7 of ruff: pickle, yaml, weak hashes, shells, requests unverified."""
    settings = (PACKAGE.parent / "pyproject.toml").read_text()
    chosen = settings.partition("select = [")[2].partition("]")[0]

    assert '"S"' in chosen
    assert "S3" not in settings.partition("\nignore = [")[2].partition("]")[0]


#: What template languages would run.
PAYLOADS = [
    "{{7*7}}", "{{ config }}", "{{''.__class__.__mro__[1].__subclasses__()}}", "${7*7}",
    "#{7*7}", "<%= 7*7 %>", "{% debug %}", "{% import os %}", "{php}echo 1;{/php}",
    "%{7*7}", "*{7*7}", "~{7*7}", "@(7*7)", "[[${7*7}]]",
    "{{constructor.constructor('x')()}}", "{{#with 's'}}{{/with}}", "{{this}}",
    "{{{raw}}}", "{{>partial}}", "{{!comment}}", "{0}", "{0.__class__}",
    "{a.__init__.__globals__}", "%(x)s", "%s%n", "$x", "${x}", "$$", "{self}",
    "{{range.constructor}}", "#set($x=1)", "#include('/etc/passwd')", "<#assign x=1>",
    "${T(java.lang.Runtime)}", "{{x|attr('y')}}", "`id`", "$(id)", "__import__('os')",
    "{{lipsum}}", "{{request}}",
]  # fmt: skip
TEMPLATES = {
    "ses": lambda value: {"ses": {"template_name": "t", "template_data": {"v": value}}},
    "mailtrap": lambda value: {
        "mailtrap": {
            "template_uuid": "813e39db-c74a-4830-b037-0e6ba8b1fe88",
            "template_variables": {"v": value},
        }
    },
}


@pytest.mark.parametrize("way", TEMPLATES)
def test_variables_of_a_template_travel_as_data(box: Sandbox, way: str) -> None:
    with Mailer.from_env(box.environ("ses=1,mailtrap=1")) as mailer:
        for value in PAYLOADS:
            box.clear()
            mail = {"from_": "a@b.com", "to": "c@d.com", **TEMPLATES[way](value)}
            mailer.send(via=way, **mail)
            (arrived,) = box.messages()
            assert value in strings(json.loads(arrived.raw))


def test_nothing_of_a_text_is_ever_replaced(box: Sandbox) -> None:
    text = "\n".join(PAYLOADS)
    with Mailer.from_env(box.environ("mailtrap=1")) as mailer:
        box.clear()
        mailer.send(from_="a@b.com", to="c@d.com", subject=PAYLOADS[0], text=text)
        (arrived,) = box.messages()

    assert (arrived.parsed.subject, arrived.parsed.text) == (PAYLOADS[0], text)


def strings(value: object) -> Iterator[str]:
    """Give every text in JSON, and in JSON that stands in it as text."""
    if isinstance(value, str):
        yield value
        if value.startswith("{"):
            try:
                yield from strings(json.loads(value))
            except ValueError:
                return
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def test_there_are_forty_payloads() -> None:
    assert len(PAYLOADS) == 40
