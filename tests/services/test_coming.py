"""The page for those who come from xnatctl: each weakness that was seen there has a line, and a test that is there."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from cli.test_upload import study
from cli_world import REPOSITORY
from noun_world import PROJECT, NounWorld
from xnatsync import XNATClient

PAGE = REPOSITORY / "docs" / "coming-from-xnatctl.md"
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
LINK = re.compile(r"\[`(\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")
SEEN = 38  # weaknesses of version 0.6.0, by runs against a stand-in or in its source


def faults(text: str) -> list[str]:
    """Rows that are missing, and those whose test is not there."""
    rows = {int(number): (test, here) for number, _, here, test in ROW.findall(text)}
    found = [f"{number}: no row" for number in range(1, SEEN + 1) if number not in rows]
    for number, (test, _) in rows.items():
        links = LINK.findall(test)
        found += [] if links else [f"{number}: no test"]
        for name, path in links:
            file = REPOSITORY / path
            if not file.exists() or f"def {name}(" not in file.read_text(encoding="utf-8"):
                found.append(f"{number}: {path} has no {name}")
    return found


def test_every_weakness_has_a_line_and_a_test() -> None:
    """By its number; a test that was renamed is missed."""
    text = PAGE.read_text(encoding="utf-8")

    assert faults(text) == []
    assert faults(text.replace("| 7 |", "| 99 |"))
    assert faults(text.replace("[`test_", "[`test_no_", 1)) != []


def test_an_upload_needs_no_temporary_folder(
    far: NounWorld, client: XNATClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none, and everything arrives: no copy of the data is made on its way."""
    study(far.root / "exam")
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(far.root / "nowhere"))
    monkeypatch.setattr(tempfile, "tempdir", str(far.root / "nowhere"))

    done = client.uploads.upload_dicom(PROJECT, "SUB01", "SUB01_MR1", far.root / "exam")

    assert (done.success, done.succeeded) == (True, 6)
    assert not (far.root / "nowhere").exists()


def test_names_that_begin_with_a_dot_are_downloaded(far: NounWorld, client: XNATClient, tmp_path: Path) -> None:
    """Alone or below a folder of such a name: they are files as all others, and a second run leaves them."""
    far.store("XNAT_E00001", "BIDS", {".bidsignore": b"extra/", ".dir/a.json": b"{}"})

    for _ in range(2):
        done = client.downloads.download_resource("MR001", "BIDS", tmp_path / "to", project=PROJECT, extract=True)
        assert done.success, done.errors

    files = {
        one.name: one.read_bytes()
        for one in (tmp_path / "to").rglob("*")
        if one.is_file() and ".xnatsync" not in one.parts
    }
    assert files == {".bidsignore": b"extra/", "a.json": b"{}"}
