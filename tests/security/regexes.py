"""Every regular expression of the package, and how it does on evil texts.

Run: ``python -m tests.security.regexes SIZE``. It prints one line of JSON for each
expression that takes more than ``LIMIT`` seconds of processor time on one text, and the
figures at the end. It is a process of its own, so that one that hangs can be ended.
"""

import ast
import importlib
import itertools
import json
import pkgutil
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mailbalance

PACKAGE = Path(mailbalance.__file__).parent

#: Seconds of processor time for one text of 64 KiB. What is linear takes milliseconds;
#: what is quadratic, 64 KiB squared at some nanoseconds each, takes ten and more.
LIMIT = 2.0

#: What each way of using an expression comes down to.
WAYS = {
    "fullmatch": "fullmatch", "match": "match", "search": "search", "sub": "search",
    "subn": "search", "split": "search", "findall": "search", "finditer": "search",
}  # fmt: skip

#: Texts that are cut before they are looked at, with their longest form.
BOUNDS = {r"mailbalance.backends._answers <(style|script)\b.*?</\1>|<[^>]*>": 4000}


class SlowError(Exception):
    """It took too long."""


@dataclass(frozen=True)
class Expression:
    """One expression, where it is, and how it is used there."""

    where: str
    pattern: Any
    flags: int
    ways: frozenset[str] = frozenset({"fullmatch", "search"})

    def run(self, text: Any) -> None:
        """Use it on a text in each of its ways."""
        compiled = re.compile(self.pattern, self.flags)
        for way in self.ways:
            found = getattr(compiled, way)(text)
        if "search" in self.ways and found:
            sum(1 for _ in compiled.finditer(text))


def expressions() -> list[Expression]:
    """Give every expression of the package."""
    found: dict[tuple[str, Any], Expression] = {}
    sources: dict[str, ast.Module] = {}
    for module in pkgutil.walk_packages([str(PACKAGE)], "mailbalance."):
        if not module.name.endswith("__main__"):
            loaded = importlib.import_module(module.name)
            sources[module.name] = ast.parse(Path(loaded.__file__ or "").read_bytes())
    everywhere = uses(*sources.values())
    for name, tree in sources.items():
        ways = everywhere | uses(tree)
        for each in [*_compiled(name, ways), *_literal(name, tree)]:
            found.setdefault((name, each.pattern), each)
    return list(found.values())


def uses(*trees: ast.Module) -> dict[str, set[str]]:
    """Give, for every name of an expression, the ways it is used in."""
    found: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in WAYS:
                owner = ast.unparse(node.value).rpartition(".")[2]
                found.setdefault(owner, set()).add(WAYS[node.attr])
    return found


def _compiled(module: str, ways: dict[str, set[str]]) -> Iterator[Expression]:
    """Give those that are made when the module is imported."""
    for name, value in vars(sys.modules[module]).items():
        if isinstance(value, re.Pattern):
            used = ways.get(name) or {"fullmatch", "search"}
            where = f"{module}.{name}"
            yield Expression(where, value.pattern, value.flags, frozenset(used))


def _literal(module: str, tree: ast.Module) -> Iterator[Expression]:
    """Give those that stand in calls of ``re``."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner, way = ast.unparse(node.func.value), WAYS.get(node.func.attr)
        if owner == "re" and way and isinstance(node.args[0], ast.Constant):
            names = set(re.findall(r"re\.([A-Z]+)\b", ast.unparse(node)))
            flags = sum(int(getattr(re, name)) for name in names)
            pattern = node.args[0].value
            yield Expression(f"{module} {pattern}", pattern, flags, frozenset({way}))


def evil(pattern: Any, size: int) -> Iterator[Any]:
    """Give texts on which a bad expression for this alphabet would go astray."""
    text = pattern if isinstance(pattern, str) else pattern.decode("latin-1")
    plain = re.sub(r"\\[nrtdswDSWbBxuU0-9]|[\[\](){}|*+?^$]", "", text)
    alphabet = list(dict.fromkeys(plain.replace("\\", "") + 'a0 "<\\.=@,;:-\r\n\t'))[
        :24
    ]
    runs = [each * size for each in alphabet]
    runs += [(a + b) * (size // 2) for a, b in itertools.pairwise(alphabet)]
    literal = "".join(c for c in plain if c.isprintable())[:20] or "a"
    starts = ["", literal, alphabet[0]]
    runs += [(literal[:n] * size)[:size] for n in (2, 3, 5, 8)]
    for run in runs:
        for start in starts[: 1 + (run[0] in 'a0 <"')]:
            whole = f"{start}{run}\0"
            yield (
                whole
                if isinstance(pattern, str)
                else whole.encode("latin-1", "replace")
            )


def slow(*_: object) -> None:
    raise SlowError


def measure(size: int, chosen: list[Expression]) -> dict[str, int]:
    """Try every expression on every text; print what is slow."""
    signal.signal(signal.SIGVTALRM, slow)
    figures = {"expressions": len(chosen), "texts": 0, "slow": 0}
    for each in chosen:
        for text in evil(each.pattern, min(size, BOUNDS.get(each.where, size))):
            figures["texts"] += 1
            try:
                signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
                each.run(text)
            except SlowError:
                figures["slow"] += 1
                told = {"where": each.where, "pattern": str(each.pattern)}
                print(json.dumps(told | {"text": str(text[:40])}), flush=True)  # noqa: T201
                break
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return figures


if __name__ == "__main__":
    given = [Expression("given", each, 0) for each in sys.argv[2:]]
    print(json.dumps(measure(int(sys.argv[1]), given or expressions())))  # noqa: T201
