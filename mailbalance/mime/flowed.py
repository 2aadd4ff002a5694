"""Text whose lines are not its paragraphs: ``format=flowed`` (RFC 3676).

What lives here: making paragraphs whole. Without it, ``delsp=yes`` leaves a space inside
words of languages that have none.
"""

from __future__ import annotations


def joined(text: str, *, delsp: bool) -> str:
    """Return flowed text with every paragraph in one line (RFC 3676 section 4).

    Args:
        text: Lines that end in LF.
        delsp: Whether the space at the end of a line that flows is not part of the text.
    """
    paragraphs: list[list[str]] = []
    goes_on_at: int | None = None
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")  # stuffed there, section 4.4
        signature = content == "-- "  # which is never flowed, section 4.3
        flows = content.endswith(" ") and not signature
        if delsp and flows:
            content = content[:-1]
        if goes_on_at == depth and not signature:
            paragraphs[-1].append(content)
        else:
            quoted = ">" * depth + " " * bool(depth and content)
            paragraphs.append([quoted, content])
        goes_on_at = depth if flows else None
    return "\n".join(["".join(pieces) for pieces in paragraphs])
