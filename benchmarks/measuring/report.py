"""The page of results.

What lives here: Markdown from what was found, and the check against earlier results. What
must not: measuring. The texts on missed goals are kept by hand in ``missed.toml``: by how
much comes from the run, and why from whoever has looked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from measuring.tables import Found, Result, Share, shown

#: How much worse a ratio may be than in earlier results before the check says so. Wide:
#: figures of the same code vary by a fifth between runs on a busy machine.
MARGIN = 1.5
#: Functions and modules of a profile that the page shows.
SHOWN = 8


def page(
    facts: Mapping[str, str],
    results: Sequence[Result],
    texts: Mapping[str, str],
    how: str,
) -> str:
    """Give the whole page.

    Args:
        facts: On what it was measured.
        results: What was found.
        texts: Why a goal is missed, by its name.
        how: What the run was.
    """
    goals = [goal for result in results for goal in result.goals]
    lines = [
        "# Results",
        "",
        f"Written by `python benchmarks`, {how}; [what is measured, and why ratios]"
        "(../docs/explanation/speed.md).",
        "",
        *(f"* {name}: {value}" for name, value in facts.items()),
        "",
        "## Goals",
        "",
        "![How far each goal is met](results.svg)",
        "",
        *_goals(goals),
        "",
        *_missed(goals, texts),
        *(line for result in results for line in _section(result)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _goals(goals: Sequence[Found]) -> Iterator[str]:
    yield "| goal | aim | found | verdict |"
    yield "|---|---:|---:|---|"
    for each in goals:
        sign = "<=" if each.sense == "at most" else ">="
        aim = f"{sign} {each.limit:g} {each.unit}"
        yield f"| {each.what} | {aim} | {shown(each.value)} {each.unit} | {each.verdict} |"


def _missed(goals: Sequence[Found], texts: Mapping[str, str]) -> Iterator[str]:
    missed = [each for each in goals if each.value is not None and not each.good]
    if not missed:
        return
    yield "## Goals that are missed"
    yield ""
    for each in missed:
        yield f"### {each.what}"
        yield ""
        sign = "at most" if each.sense == "at most" else "at least"
        yield (
            f"Found {shown(each.value)} {each.unit} where {sign} {each.limit:g} "
            f"{each.unit} was aimed at: {each.verdict}."
        )
        yield from (line for line in texts.get(each.name, "").strip().splitlines())
        if each.profile:
            yield ""
            yield "Where the time goes, by cProfile, which makes calls look dearer:"
            yield ""
            yield from _profile(each.modules, each.profile)
        yield ""


def _profile(modules: Sequence[Share], functions: Sequence[Share]) -> Iterator[str]:
    yield "| share | module | share | function |"
    yield "|---:|---|---:|---|"
    for (module, its), (function, own) in zip(
        modules[:SHOWN], functions[:SHOWN], strict=False
    ):
        yield f"| {its:.0%} | `{_cell(module)}` | {own:.0%} | `{_cell(function)}` |"


def _cell(name: str) -> str:
    return name.replace("|", "\\|")


def _section(result: Result) -> Iterator[str]:
    yield f"## {result.question}"
    yield ""
    yield f"`python benchmarks/{result.name}.py`"
    for table in result.tables:
        yield ""
        yield f"### {table.title}"
        yield ""
        yield from table.lines()
    yield ""


def worse(now: Sequence[Result], before: Sequence[Result]) -> list[str]:
    """Say which goals' figures are much worse than they were."""
    earlier = {goal.name: goal for result in before for goal in result.goals}
    found = []
    for goal in (goal for result in now for goal in result.goals):
        was = earlier.get(goal.name)
        if was is None or was.value is None or goal.value is None:
            continue
        less_is_better = goal.sense == "at most"
        apart = goal.value / was.value if less_is_better else was.value / goal.value
        if apart > MARGIN:
            found.append(
                f"{goal.what}: {shown(goal.value)} {goal.unit}, "
                f"was {shown(was.value)} {was.unit}"
            )
    return found
