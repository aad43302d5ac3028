"""The door for those who come after us: what CONTRIBUTING.md names exists, and every command has a page of its own."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PATH = re.compile(r"`((?:tests|docs|xnatsync)/[\w./-]+|\.ci/run)[ `]")


def _help_pages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("help_pages", ROOT / "docs" / "help_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _missing(text: str) -> list[str]:
    return [name for name in PATH.findall(text) if not (ROOT / name).exists()]


def test_every_path_that_a_contributor_is_sent_to_exists() -> None:
    """In the tables too, where no link would be checked."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert len(PATH.findall(text)) > 15
    assert _missing(text) == []
    assert _missing(text + "`tests/nowhere.py`") == ["tests/nowhere.py"]


def test_every_command_has_a_page_with_a_summary(tmp_path: Path) -> None:
    """Pages of the site and man pages are made of the help: none may be without its first sentence."""
    made = _help_pages().write(tmp_path)

    names = {name for name, _, _ in made}
    assert {"xnatsync", "xnatsync-sync", "xnatsync-session-list", "xnatsync-config-init"} <= names
    assert [name for name, _, said in made if not said or said.startswith(("Usage", "Options"))] == []
    assert {path.stem for path in tmp_path.glob("*.md")} == names | {"index"}
    page = (tmp_path / "xnatsync-sync.md").read_text(encoding="utf-8")
    assert "--settle TIME" in page
    assert "xnatsync sync prisma --settle 0s" in page


def test_every_page_of_the_documents_is_in_the_site() -> None:
    """Sphinx refuses a page that no toctree names; so it is told without Sphinx too."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^([\w/-]+)$", index, re.MULTILINE)) | {"index"}
    pages = {
        path.relative_to(ROOT / "docs").with_suffix("").as_posix()
        for path in (ROOT / "docs").rglob("*.md")
        if not {"adr", "_build", "reference"} & set(path.relative_to(ROOT / "docs").parts)
    }

    assert pages - named == set()


def test_the_version_has_one_source() -> None:
    """What pip shows and what the program says cannot differ."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "xnatsync/__init__.py"


@pytest.mark.parametrize("check", ["ruff check", "ruff format --check", "mypy --strict", "sphinx"])
def test_what_takes_seconds_is_checked_before_the_tests(check: str) -> None:
    """A slip of the pen is told at once, not after a quarter of an hour."""
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert text.index(check) < text.index('wait "$linting" || ') < text.index('run "${commands[1]}"')
