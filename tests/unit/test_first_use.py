"""What is loaded or made at its first use, whoever comes first."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mailbalance
from mailbalance.later import Later

#: What runs in a process of its own, or serves tests.
APART = {"cli", "sandbox", "testing", "__main__.py"}


def late_imports(source):
    """Give the imports inside functions, and whether each is made under the lock."""
    found = []

    def walk(node, *, late, locked):
        for child in ast.iter_child_nodes(node):
            text = ast.unparse(child)
            if isinstance(child, ast.If) and text.startswith("if TYPE_CHECKING"):
                continue
            if late and imports(child, text):
                found.append((text, locked))
            walk(
                child,
                late=late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef),
                locked=locked or text.startswith("with IMPORTING"),
            )

    walk(ast.parse(source), late=False, locked=False)
    return found


def imports(node, text):
    if isinstance(node, ast.Call):
        return text.startswith("import_module(")
    return isinstance(node, ast.Import | ast.ImportFrom)


def test_a_late_import_is_found():
    source = """
def f():
    import a
    with IMPORTING:
        from b import c
    x = import_module('d')
"""

    assert late_imports(source) == [
        ("import a", False),
        ("from b import c", True),
        ("import_module('d')", False),
    ]


def test_every_late_import_is_one_that_a_fork_waits_for():
    root = Path(mailbalance.__file__).parent
    unlocked = [
        (str(path.relative_to(root)), what)
        for path in root.rglob("*.py")
        if path.relative_to(root).parts[0] not in APART
        for what, locked in late_imports(path.read_text())
        if not locked
    ]

    assert unlocked == [("__init__.py", "from mailbalance.fork_lock import IMPORTING")]


#: Sixteen threads make the first message of the process at the same moment.
RACE = """
import sys, threading
sys.setswitchinterval(1e-6)
from mailbalance import Attachment, Message
gate, made, failed = threading.Barrier(16), [], []
def make():
    gate.wait()
    try:
        made.append(Message(
            from_="a@example.com", to="Ana <b@example.com>", text="x",
            attachments=[Attachment(content=b"x", filename="a.txt")],
            ses={"configuration_set": "s"}, headers={"X-A": "b"}, metadata={"a": "b"},
        ))
    except BaseException as error:
        failed.append(error)
threads = [threading.Thread(target=make) for _ in range(16)]
for each in threads: each.start()
for each in threads: each.join()
assert not failed, failed
assert len({m.model_dump_json() for m in made}) == 1, made
"""


def test_a_module_is_loaded_when_something_of_it_is_asked_for():
    place = {}
    standing_in = place["json"] = Later("json", place)

    assert standing_in.dumps([1]) == "[1]"
    assert place["json"] is sys.modules["json"]


def test_a_module_is_known_by_the_last_part_of_its_name():
    place = {}

    assert Later("os.path", place).join("a", "b") == place["path"].join("a", "b")


def test_a_module_can_be_changed_through_what_stands_for_it(monkeypatch):
    place = {}

    monkeypatch.setattr(Later("json", place), "dumps", "another")

    assert sys.modules["json"].dumps == "another"


def test_a_name_that_a_module_lacks_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'json' has no attribute 'dump5'"):
        _ = Later("json", {}).dump5


def test_threads_that_make_the_first_message_together_all_get_theirs():
    subprocess.run([sys.executable, "-c", RACE], check=True)


#: A fork comes while another thread is loading a module for its first use.
FORK = """
import os, signal, sys, threading
from mailbalance import Mailer, Message
entered = threading.Event()
class Slow:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            entered.set()
            threading.Event().wait(0.3)
sys.meta_path.insert(0, Slow())
def act():
    {act}
thread = threading.Thread(target=act)
thread.start()
assert entered.wait(10)
child = os.fork()
if child == 0:
    signal.alarm(10)
    act()
    os._exit(0)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
MESSAGE = "Message(to='a@example.com', text='x')"
MAILER = "Mailer('memory=1', environ={})"
SEND = f"{MAILER}.send(from_='a@example.com', to='b@example.com', text='x')"


@pytest.mark.parametrize(
    ("act", "module"),
    [
        (MESSAGE, "importlib.metadata"),
        (MESSAGE, "mailbalance.rules.address_rules"),
        (MAILER, "mailbalance.routing.dispatcher"),
        ("Mailer.from_env({'MAILBALANCE_SPLIT': 'memory=1'})", "mailbalance.config"),
        (MAILER, "mailbalance.backends.memory"),
        (SEND, "mailbalance.delivery.attempt"),
    ],
)
def test_a_fork_waits_for_what_another_thread_is_loading(act, module):
    script = FORK.format(act=act, module=module)
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, timeout=30
    )

    assert done.returncode == 0, done.stderr
