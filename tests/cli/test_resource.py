"""`resource list|show|upload|download|delete|refresh` as they are typed, against what the server holds afterwards."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_fields import document_faults
from noun_world import PROJECT, NounWorld, furnish, here
from xnatsync.core.errors import Exit


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        yield found


def data_set(root: Path) -> Path:
    (root / "sub-01").mkdir(parents=True)
    (root / "dataset_description.json").write_text("{}")
    (root / "sub-01" / "t1 w.nii.gz").write_bytes(b"volume")
    (root / ".bidsignore").write_text("tmp")
    return root


def session(far: NounWorld) -> dict[str, dict[str, object]]:
    found = next(each for each in far.site.experiments.values() if each.label == "MR001")
    return {label: dict(resource.entries) for label, resource in found.resources.items()}


def test_a_folder_is_uploaded_and_shown(far: NounWorld) -> None:
    """The line of the documents; a second time nothing is sent."""
    place = data_set(far.root / "bids_dataset")

    ran = far.run("resource", "upload", "XNAT_E00001", "BIDS", str(place), "--format", "BIDS", "-o", "json")

    assert ran.code == 0, ran.err
    assert document_faults(ran.document) == []
    assert (ran.document["sent_files"], ran.document["requests"], ran.document["level"]) == (3, 2, "session")
    assert set(session(far)["BIDS"]) == {"dataset_description.json", "sub-01/t1 w.nii.gz", ".bidsignore"}
    shown = far.run("resource", "show", "XNAT_E00001", "BIDS", "-o", "json")
    assert document_faults(shown.document) == []
    assert [file["name"] for file in shown.document["files"]] == sorted(session(far)["BIDS"])
    assert shown.document["format"] == "BIDS"
    again = far.run("resource", "upload", "XNAT_E00001", "BIDS", str(place))
    assert again.code == 0
    assert "there already: 3 files" in again.out


@pytest.mark.parametrize(
    ("words", "level"),
    [
        (["-P", PROJECT], "project"),
        (["-P", PROJECT, "-S", "SUB001"], "subject"),
        (["MR001", "-P", PROJECT, "--scan", "1"], "scan"),
    ],
)
def test_every_level_is_uploaded_listed_downloaded_and_deleted(far: NounWorld, words: list[str], level: str) -> None:
    """The same words everywhere."""
    named = words[:1] if words[0] == "MR001" else []
    rest = words[len(named) :]
    place = data_set(far.root / "in")

    ran = far.run("resource", "upload", *named, "PLAN", str(place), *rest, "-o", "json")

    assert (ran.code, ran.document["level"], ran.document["sent_files"]) == (0, level, 3)
    assert [row["label"] for row in far.rows("resource", "list", *named, *rest)].count("PLAN") == 1
    got = far.root / "plan.zip"
    fetched = far.run("resource", "download", *named, "PLAN", "--file", str(got), *rest)
    assert fetched.code == 0, fetched.err
    with zipfile.ZipFile(got) as archive:
        assert len(archive.namelist()) == 3
    dry = far.run("resource", "delete", *named, "PLAN", *rest, "--dry-run", "-o", "json")
    assert (dry.code, dry.document["deleted"], document_faults(dry.document)) == (0, False, [])
    unasked = far.run("resource", "delete", *named, "PLAN", *rest)
    assert (unasked.code, "XS-DECLINED" in unasked.err) == (Exit.USAGE, True)
    assert "PLAN" in [row["label"] for row in far.rows("resource", "list", *named, *rest)]
    gone = far.run("resource", "delete", *named, "PLAN", *rest, "--yes", "-o", "json")
    assert (gone.code, gone.document["deleted"], document_faults(gone.document)) == (0, True, [])
    assert "PLAN" not in [row["label"] for row in far.rows("resource", "list", *named, *rest)]


def test_a_dry_run_stores_nothing(far: NounWorld) -> None:
    """And tells what would be."""
    ran = far.run("resource", "upload", "XNAT_E00001", "NEW", str(data_set(far.root / "in")), "--dry-run", "-o", "json")

    assert (ran.code, ran.document["sent_files"], ran.document["requests"]) == (0, 3, 2)
    assert "NEW" not in session(far)


def test_another_content_is_named_and_replaced_only_when_asked(far: NounWorld) -> None:
    """Exit code 3, and what to type."""
    (far.root / "report.txt").write_text("mine")

    ran = far.run("resource", "upload", "XNAT_E00001", "QC", str(far.root / "report.txt"))

    assert ran.code == Exit.HELD
    assert "report.txt" in ran.err
    assert "--overwrite" in ran.err
    done = far.run("resource", "upload", "XNAT_E00001", "QC", str(far.root / "report.txt"), "--overwrite")
    assert done.code == 0
    assert session(far)["QC"]["report.txt"].size == 4  # type: ignore[attr-defined]


def test_a_mistyped_project_names_the_nearest(far: NounWorld) -> None:
    """Not found, and nothing is made."""
    (far.root / "a.txt").write_text("a")

    ran = far.run("resource", "upload", "-P", "NEUROIMAGIN", "PLAN", str(far.root / "a.txt"))

    assert ran.code == Exit.HELD
    assert "the nearest: NEUROIMAGING" in " ".join(ran.err.split())
    assert far.site.projects[PROJECT].resources == {}


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["show", "QC"],
        ["upload", "QC", "a.txt"],
        ["upload", "a.txt"],
        ["delete", "a", "b", "c"],
        ["upload", "-S", "SUB001", "XNAT_E00001", "QC", "a.txt"],
    ],
)
def test_words_that_name_no_place_are_usage(far: NounWorld, words: list[str]) -> None:
    """A forgotten session never means the default project."""
    ran = far.run("resource", *words)

    assert ran.code == Exit.USAGE, ran.err


def test_a_refresh_shows_what_was_unlisted(far: NounWorld) -> None:
    """With the options of the documents."""
    found = next(each for each in far.site.experiments.values() if each.label == "MR001")
    far.site.store.write(f"{found.resources['QC'].folder}/late.txt", [b"late"])

    ran = far.run("resource", "refresh", "XNAT_E00001", "QC", "--options", "append,checksum", "-o", "json")

    assert (ran.code, document_faults(ran.document)) == (0, [])
    assert "late.txt" in [file["name"] for file in ran.document["files"]]
    assert far.run("resource", "refresh", "XNAT_E00001", "QC", "--options", "nonsense").code == Exit.USAGE
