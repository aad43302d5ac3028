"""Evidence is in the repository: each section of the behaviour pages that is cited exists (docs/xnat)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tidy.house import ROOT

PAGES = ROOT / "docs" / "xnat"
CITED = re.compile(r"(hierarchy|import)\.md((?:[\s\"(,;–-]|and)*§\d+(?:\.\d+)*)+")
SECTION = re.compile(r"§(\d+(?:\.\d+)*)")
HEADING = re.compile(r"#{2,3} (\d+(?:\.\d+)*)\.? ")
ROW = re.compile(r"\| (\d+\.\d+) \|")


def sections(page: str) -> set[str]:
    """The numbers of headings, and of the rows of tables that are numbered like sections."""
    found: set[str] = set()
    for line in (PAGES / f"{page}.md").read_text("utf-8").splitlines():
        if heading := HEADING.match(line):
            found.add(heading[1])
        elif row := ROW.match(line):
            found.add(row[1])
    return found


def cited(text: str) -> Iterator[tuple[str, str]]:
    """Page and section of every citation."""
    for match in CITED.finditer(text):
        for number in SECTION.findall(match.group()):
            yield match[1], number


def test_every_section_that_is_cited_exists() -> None:
    known = {page: sections(page) for page in ("hierarchy", "import")}
    found = [
        (str(path.relative_to(ROOT)), page, number)
        for folder in ("xnatsync", "tests", "docs")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".md"} and path.parent != PAGES and path.name != "test_evidence.py"
        for page, number in cited(path.read_text("utf-8"))
    ]
    assert len(found) > 200
    assert [one for one in found if one[2] not in known[one[1]]] == []


def test_sections_of_the_pages_themselves_exist() -> None:
    known = {page: sections(page) for page in ("hierarchy", "import")}
    others = {"hierarchy": "import", "import": "hierarchy"}
    for page, other in others.items():
        text = (PAGES / f"{page}.md").read_text("utf-8")
        away = {number for name, number in cited(text) if name == other}
        own = {number for _, number in cited(text)} - away
        assert away <= known[other]
        assert own <= known[page]


@pytest.mark.parametrize("text", ["(hierarchy.md §99.1)", "import.md §6.6, §88", "hierarchy.md §3.2 and §77"])
def test_a_planted_section_that_is_not_there_is_found(text: str) -> None:
    known = {page: sections(page) for page in ("hierarchy", "import")}
    assert [number for page, number in cited(text) if number not in known[page]]
