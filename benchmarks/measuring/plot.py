"""The picture of the results: how far from its aim each goal is.

What lives here: one figure, drawn by matplotlib. What must not: measuring.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from measuring.tables import Found, shown

MET, MISSED = "#2a7f62", "#c8553d"


def draw(goals: Sequence[Found], file: Path) -> None:
    """Draw each goal as a bar: its cost in parts of what was aimed at, the least best.

    Raises:
        ImportError: When matplotlib is not installed; the extra ``bench`` has it.
    """
    import matplotlib

    matplotlib.use("svg")
    # The same picture for the same figures, so that a change of it means something.
    matplotlib.rcParams["svg.hashsalt"] = "mailbalance"
    matplotlib.rcParams["svg.fonttype"] = "none"  # text as text, not as outlines
    from matplotlib import pyplot

    known = [each for each in goals if each.value is not None][::-1]
    figure, axes = pyplot.subplots(figsize=(11, 0.36 * len(known) + 1.2))
    parts = [_part(each) for each in known]
    colours = [MET if each.good else MISSED for each in known]
    axes.barh(range(len(known)), parts, color=colours)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_yticks(range(len(known)), [each.what for each in known], fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("what it costs, in parts of the aim (1 is the aim, less is better)")
    for place, (each, part) in enumerate(zip(known, parts, strict=True)):
        axes.text(
            part, place, f" {shown(each.value)} {each.unit}", va="center", fontsize=8
        )
    axes.margins(x=0.15)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def _part(goal: Found) -> float:
    value = goal.value or 1e-9
    return value / goal.limit if goal.sense == "at most" else goal.limit / value
