"""The checkout as a whole: links lead somewhere, and nothing knows the machine it was written on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidy.house import link_findings, machine_findings, tree_texts

TEXTS = dict(tree_texts())
FILES = frozenset(TEXTS)
EXISTS = FILES | {"/".join(name.split("/")[:depth]) for name in FILES for depth in range(1, name.count("/") + 1)}
PAGES = {name: text for name, text in TEXTS.items() if name.endswith(".md")}


def test_every_link_of_the_documents_leads_somewhere() -> None:
    """To a file of this checkout, and to a heading that is there."""
    assert [finding for name, text in PAGES.items() for finding in link_findings(name, text, PAGES, EXISTS)] == []


def test_nothing_knows_the_machine_it_was_written_on() -> None:
    """No path of a home folder or a workplace, in code, tests or documents."""
    assert [finding for name, text in TEXTS.items() for finding in machine_findings(name, text)] == []


PLANTED = ["/".join(["", *parts]) for parts in (("work", "main"), ("home", "jane", "data"), ("Users", "jane"))]


@pytest.mark.parametrize("path", [*PLANTED, "\\".join(["C:", "Users", "jane"])])
def test_a_planted_path_is_caught(path: str) -> None:
    """In quotes, in brackets or in the middle of a sentence."""
    for text in (f'"{path}"', f"see {path}.", f"({path})"):
        assert machine_findings("README.md", text)


@pytest.mark.parametrize(
    "text", ["/data/incoming", "https://host/work/x", "frame/work/flow", "~/.local/share", "/home/you/x"]
)
def test_a_path_of_nobody_is_not(text: str) -> None:
    """Examples and addresses are allowed."""
    assert machine_findings("README.md", text) == []


@pytest.mark.parametrize(
    ("link", "leads"),
    [
        ("[a](b.md)", True),
        ("[a](b.md#two-words)", True),
        ("[a](#here)", True),
        ("[a](../README.md)", True),
        ("[a](adr/)", True),
        ("[a](https://example.org/x)", True),
        ("`[a](nowhere.md)`", True),
        ("[a](nowhere.md)", False),
        ("[a](b.md#three-words)", False),
        ("[a](#there)", False),
        ("[a](../nowhere.md)", False),
    ],
)
def test_a_planted_link_is_caught(link: str, leads: bool) -> None:
    """Files and headings; code is no link."""
    pages = {"docs/a.md": f"# Here\n{link}\n", "docs/b.md": "## Two words\n```\n# Three words\n```\n", "README.md": ""}

    assert (
        link_findings("docs/a.md", pages["docs/a.md"], pages, frozenset({*pages, "docs", "docs/adr"})) == []
    ) is leads


def test_the_tree_is_what_is_tested() -> None:
    """Not a copy that was installed: a contributor's edits have an effect, in processes that tests start too."""
    import subprocess
    import sys

    import xnatsync

    root = Path(__file__).parents[2]
    assert Path(xnatsync.__file__).is_relative_to(root)
    code = "import xnatsync; print(xnatsync.__file__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=root / "tests")
    assert Path(done.stdout.strip()).is_relative_to(root / "xnatsync"), done
