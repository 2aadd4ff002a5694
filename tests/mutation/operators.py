"""The small mistakes that are put into a module, one at a time; deterministic.

What lives here: each kind of mistake, and finding the places for it. What must not:
running tests.

Why not a tool from elsewhere (read 2026-11-23): mutmut 3.8 changes function bodies only,
and the classifiers are tables at the level of their module; cosmic-ray 8.7 writes each
mutant into the working tree, and knows nothing of tables or patterns either.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
}

#: One name for another; the errors of sending go round in a ring.
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_NAMES |= {
    "RejectedError": "TransientError",
    "TransientError": "ThrottledError",
    "ThrottledError": "UnavailableError",
    "UnavailableError": "UnknownOutcomeError",
    "UnknownOutcomeError": "UnsuitableError",
    "UnsuitableError": "RejectedError",
}

#: What shows a value to people, or only types; no test need hold its words.
_SHOWS = {"__repr__", "__str__"}
_SAYS_NOTHING = {"repr", "compare", "hint"}

Place = tuple[ast.AST, str, int | None]


class Mutant(NamedTuple):
    """A module with one mistake in it.

    Attributes:
        line: Where it is.
        what: The mistake, in a few words.
        source: The whole module.
    """

    line: int
    what: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Give every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    seen = {ast.unparse(tree)}
    unread = set(_unread(tree))
    for (owner, name, at), node, level in list(_places(tree, module_level=True)):
        if node in unread:
            continue
        # An element that is left out is as good as one misspelt, and words are words.
        spelt = isinstance(owner, ast.Tuple | ast.Set | ast.List | ast.Dict)
        table = level and not (spelt and isinstance(node, ast.Constant))
        for what, changed in _mistakes(node, module_level=table):
            _put(owner, name, at, changed)
            mutated = ast.unparse(ast.fix_missing_locations(tree))
            _put(owner, name, at, node)
            if mutated not in seen:
                seen.add(mutated)
                yield Mutant(getattr(node, "lineno", 0), what, mutated)


def _put(owner: ast.AST, name: str, at: int | None, node: Any) -> None:
    if at is None:
        setattr(owner, name, node)
    else:
        getattr(owner, name)[at] = node


def _places(
    owner: ast.AST, *, module_level: bool
) -> Iterator[tuple[Place, ast.AST, bool]]:
    """Walk the code that runs: no docstrings, annotations or imports."""
    for name, value in ast.iter_fields(owner):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        listed = value if isinstance(value, list) else [value]
        for at, node in enumerate(listed):
            if not isinstance(node, ast.AST) or _is_left_alone(node):
                continue
            place = owner, name, at if isinstance(value, list) else None
            yield place, node, module_level
            inner = module_level and not isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
            )
            yield from _places(node, module_level=inner)


def _unread(tree: ast.AST) -> Iterator[ast.AST]:
    """Give the defaults of parameters that only the form of a protocol asks for.

    The function does not read them, so another default changes nothing.
    """
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            names = (each for line in function.body for each in ast.walk(line))
            read = {each.id for each in names if isinstance(each, ast.Name)}
            for parameter, default in _defaults(function.args):
                if parameter.arg not in read:
                    yield from ast.walk(default)


def _defaults(given: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr]]:
    placed = [*given.posonlyargs, *given.args]
    last = placed[len(placed) - len(given.defaults) :]
    yield from zip(last, given.defaults, strict=True)
    for parameter, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        if default is not None:
            yield parameter, default


def _is_left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr):
        return True
    if isinstance(node, ast.FunctionDef):
        return node.name in _SHOWS
    if isinstance(node, ast.keyword):
        return node.arg in _SAYS_NOTHING
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Name) and node.value.id == "Literal"
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.Assign):
        return any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _mistakes(node: ast.AST, *, module_level: bool) -> Iterator[tuple[str, ast.AST]]:
    kinds = (*_KINDS, *_TABLES) if module_level else _KINDS
    for kind, make in kinds:
        if isinstance(node, kind):
            yield from make(node)


def _compare(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    for at, sign in enumerate(node.ops):
        signs = [*node.ops]
        signs[at] = _SWAPS[type(sign)]()  # type: ignore[call-overload]
        changed = ast.Compare(node.left, signs, node.comparators)
        yield f"{_short(node)} -> {_short(changed)}", changed


def _operator(node: ast.BoolOp | ast.BinOp | ast.AugAssign) -> Iterator[Any]:
    if type(node.op) in _SWAPS:
        fields = {name: value for name, value in ast.iter_fields(node) if name != "op"}
        changed = type(node)(op=_SWAPS[type(node.op)](), **fields)
        yield f"{_short(node)} -> {_short(changed)}", changed


def _choice(node: ast.If | ast.IfExp | ast.While) -> Iterator[tuple[str, ast.AST]]:
    fields = dict(ast.iter_fields(node))
    for known in (True, False) if not isinstance(node, ast.While) else (False,):
        test = ast.Constant(known)
        yield f"{_short(node.test)} -> {known}", type(node)(**{**fields, "test": test})


def _negation(node: ast.UnaryOp) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.op, ast.Not | ast.USub):
        yield f"{_short(node)} -> {_short(node.operand)}", node.operand


def _name(node: ast.Name) -> Iterator[tuple[str, ast.AST]]:
    if node.id in _NAMES and isinstance(node.ctx, ast.Load):
        other = _NAMES[node.id]
        yield f"{node.id} -> {other}", ast.Name(other, ast.Load())


def _constant(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    value = node.value
    if isinstance(value, bool):
        yield f"{value} -> {not value}", ast.Constant(not value)
    elif isinstance(value, int | float):
        yield f"{value} -> {value + 1}", ast.Constant(value + 1)


def _statement(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """Leave a statement out; one that only says something is no mistake to miss."""
    yield f"no {_short(node)}", ast.Pass()


def _return(node: ast.Return) -> Iterator[tuple[str, ast.AST]]:
    if node.value is not None and not (
        isinstance(node.value, ast.Constant) and node.value.value is None
    ):
        yield f"{_short(node)} -> None", ast.Return(ast.Constant(None))


def _keyword(node: ast.keyword) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        other = ast.Constant(f"{node.value.value}X")
        yield f"{node.arg}={node.value.value!r}", ast.keyword(node.arg, other)


_KINDS: tuple[tuple[Any, Any], ...] = (
    (ast.Compare, _compare),
    ((ast.BoolOp, ast.BinOp, ast.AugAssign), _operator),
    ((ast.If, ast.IfExp, ast.While), _choice),
    (ast.UnaryOp, _negation),
    (ast.Name, _name),
    (ast.Constant, _constant),
    (
        (ast.Expr, ast.Raise, ast.AugAssign, ast.Continue, ast.Break, ast.Delete),
        _statement,
    ),
    (ast.Return, _return),
    (ast.keyword, _keyword),
)


def _elements(node: ast.Tuple | ast.Set | ast.List) -> Iterator[tuple[str, ast.AST]]:
    """Leave out what a table of the module holds."""
    for at, element in enumerate(node.elts):
        rest = node.elts[:at] + node.elts[at + 1 :]
        fields = {**dict(ast.iter_fields(node)), "elts": rest}
        if rest or not isinstance(node, ast.Set):
            yield f"without {_short(element)}", type(node)(**fields)


def _facts(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    """Leave out what a line of a table says."""
    for at, given in enumerate(node.keywords):
        if given.arg in _SAYS_NOTHING:
            continue
        rest = node.keywords[:at] + node.keywords[at + 1 :]
        yield f"without {_short(given)}", ast.Call(node.func, node.args, rest)


def _pattern(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    """Leave out a part of a pattern, or misspell it."""
    if isinstance(node.value, str) and node.value:
        for part, shorter in without_alternatives(node.value):
            yield f"pattern without {part!r}", ast.Constant(shorter)
        yield f"{node.value[:30]!r} misspelt", ast.Constant(f"{node.value}X")


_TABLES: tuple[tuple[Any, Any], ...] = (
    ((ast.Tuple, ast.Set, ast.List), _elements),
    (ast.Call, _facts),
    (ast.Constant, _pattern),
)


def without_alternatives(pattern: str) -> Iterator[tuple[str, str]]:
    """Give each alternative of a regular expression, and the pattern without it."""
    size = len(pattern)
    edges = [_Edge(0, 0, 0, "("), *_edges(pattern), _Edge(size, size, 0, ")")]
    for at, begin in enumerate(edges):
        if begin.sign == ")":
            continue
        end = next(each for each in edges[at + 1 :] if each.depth <= begin.depth)
        if (begin.sign, end.sign) == ("(", ")"):
            continue
        part = pattern[begin.end : end.start]
        # the bar goes with what it parts from the rest
        cut = (begin.end, end.end) if begin.sign == "(" else (begin.start, end.start)
        yield part.strip(), pattern[: cut[0]] + pattern[cut[1] :]


class _Edge(NamedTuple):
    """Where an alternative begins or ends: ``(``, ``|`` or ``)``."""

    start: int
    end: int
    depth: int
    sign: str


_SIGNS = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<sign>\((?:\?(?:P<\w+>|<?[:=!]))?|[|)])",
    re.DOTALL,
)


def _edges(pattern: str) -> Iterator[_Edge]:
    depth = 0
    for found in _SIGNS.finditer(pattern):
        sign = (found["sign"] or " ")[0]
        depth += sign == "("
        if sign != " ":
            yield _Edge(found.start(), found.end(), depth, sign)
        depth -= sign == ")"


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
