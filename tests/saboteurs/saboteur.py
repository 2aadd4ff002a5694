"""One saboteur: what it changes, which promise that breaks, and who must notice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path


@dataclass(frozen=True)
class Change:
    """One text of a source file, replaced by another wherever it stands.

    Attributes:
        file: The file, from the package on.
        old: The text.
        new: What takes its place.
        times: How often the text stands there.
    """

    file: str
    old: str
    new: str
    times: int = 1

    def of(self, source: str) -> str:
        """Give the source with the change.

        Raises:
            LookupError: When the text is not there as often as expected; then the source
                has changed, and the saboteur must follow.
        """
        if source.count(self.old) != self.times:
            raise LookupError(
                f"{self.file}: the text of a saboteur is there "
                f"{source.count(self.old)} times, not {self.times}:\n{self.old}"
            )
        return source.replace(self.old, self.new)


@dataclass(frozen=True)
class Saboteur:
    """A variant of the library that breaks one promise.

    Attributes:
        name: What it does.
        promise: What it breaks, as one sentence that ought to hold.
        changes: How.
        tests: The tests that must notice, as pytest takes them; not all of them need to.
    """

    name: str
    promise: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]

    def sources(self, root: Path) -> Mapping[Path, str]:
        """Give the changed sources of a copy of the package, by their files."""
        sources: dict[Path, str] = {}
        for change in self.changes:
            path = root / "mailbalance" / change.file
            source = sources.get(path)
            if source is None:
                source = path.read_text(encoding="utf-8")
            sources[path] = change.of(source)
        return sources

    def do(self, root: Path) -> None:
        """Change a copy."""
        for path, source in self.sources(root).items():
            path.write_text(source, encoding="utf-8")
            # Bytecode is trusted by size and second, and a copy keeps both.
            Path(cache_from_source(str(path))).unlink(missing_ok=True)

    def undo(self, root: Path, original: Path) -> None:
        """Put the copy right again."""
        for path in self.sources(original):
            inside = path.relative_to(original)
            (root / inside).write_bytes(path.read_bytes())
            Path(cache_from_source(str(root / inside))).unlink(missing_ok=True)


def all_tests(saboteurs: Iterable[Saboteur]) -> list[str]:
    """Give every test that any of them names, each once."""
    return sorted({test for each in saboteurs for test in each.tests})
