"""How the pages are written: links that lead somewhere, the project's words, no traces."""

import re
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, name_of, prose

LINK = re.compile(r"\]\(([^)\s]+)\)")
ADDRESS = re.compile(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)*\.[a-z]{2,})")

pages = pytest.mark.parametrize("page", PAGES, ids=name_of)


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub makes them."""
    titles = (re.match(r"#+ (.*)", line) for _, line in prose(page))
    plain = (re.sub(r"[^\w\- ]", "", t[1].lower()) for t in titles if t)
    return {title.replace(" ", "-") for title in plain}


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for number, line in prose(page):
        for target in LINK.findall(line):
            if target.startswith("https://"):
                continue
            file, _, anchor = target.partition("#")
            found = (page.parent / file).resolve() if file else page
            assert found.is_file(), f"{name_of(page)}:{number}: {target}"
            assert not anchor or anchor in anchors(found), f"{number}: {target}"


@pages
def test_no_line_holds_two_sentences(page: Path) -> None:
    for number, line in prose(page):
        if line.startswith(("|", "* ", "#", "1. ", "2. ", "3. ", "4. ", "5. ")):
            continue
        plain = re.sub(r"`[^`]*`", "x", line)
        assert not re.search(r"[^A-Z\s][.!?][*)]* [A-Z]", plain), (
            f"{name_of(page)}:{number}"
        )


@pages
def test_sandbox_is_never_said_alone(page: Path) -> None:
    allowed = re.compile(
        r"(Mailtrap Sandbox|Mailtrap Sandboxes|[Tt]he local sandbox|a local sandbox"
        r"|SES sandbox|of its sandboxes|calls a sandbox|^## mailbalance sandbox$)"
    )
    for number, line in prose(page):
        plain = allowed.sub("", re.sub(r"`[^`]*`|\]\([^)]*\)", "", line))
        assert "sandbox" not in plain.lower(), f"{name_of(page)}:{number}: {line}"


@pages
def test_addresses_are_those_of_nobody(page: Path) -> None:
    for domain in ADDRESS.findall(page.read_text(encoding="utf-8")):
        assert domain.endswith("example.com"), domain


@pages
def test_no_page_names_a_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert not re.search(r"/(home|root|work|tmp|Users)/|\bagent\b|\bsession \d", text)


def test_a_dead_link_and_a_lone_sandbox_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("See [it](nowhere.md). The sandbox. Mail x@acme.org.\n")

    for check in (
        test_every_link_leads_somewhere,
        test_no_line_holds_two_sentences,
        test_sandbox_is_never_said_alone,
        test_addresses_are_those_of_nobody,
    ):
        with pytest.raises(AssertionError):
            check(page)
