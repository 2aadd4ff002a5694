"""Print the first shell block below a heading of README.md.

Run: python .ci/readme_command.py "Run the tests"
"""

import re
import sys
from pathlib import Path


def command(readme: str, heading: str) -> str:
    """Give the text of the block, or end with what is missing."""
    section = readme.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    block = re.search(r"```(?:sh|bash|console)\n(.*?)```", section, re.DOTALL)
    if not block:
        sys.exit(f"README.md has no shell block below the heading {heading!r}")
    return block[1]


if __name__ == "__main__":
    sys.stdout.write(
        command(Path("README.md").read_text(encoding="utf-8"), sys.argv[1])
    )
