"""`prearchive`: documents as described, refusals that change nothing, and effects that the server shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli_fields import document_faults, faults
from cli_world import World
from noun_world import PASSWORD, PROJECT, USER, NounWorld, furnish, here
from sandbox.dicom_study import landed, study

Place = tuple[str, str, str]


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        yield found


@pytest.fixture
def place(far: NounWorld) -> Place:
    """A built session that waits."""
    return waiting(far)


def waiting(far: NounWorld, label: str = "NEW1", number: int = 1) -> Place:
    with httpx.Client(base_url=far.server.url, auth=(USER, PASSWORD), timeout=30) as web:
        web.put(f"/data/projects/{PROJECT}/prearchive_code/0").raise_for_status()
        uri = landed(web, study(study=number), f"project={PROJECT}&subject=S9&session={label}")
        web.post(f"{uri}?action=build").raise_for_status()
    project, timestamp, folder = uri.rstrip("/").split("/")[-3:]
    return project, timestamp, folder


def test_listings_are_the_rows_described(far: NounWorld, place: Place) -> None:
    """Under XNAT's own names, in all projects or one; `-q` prints addresses."""
    rows = far.rows("prearchive", "list")

    assert faults(rows, "list of prearchive/list") == []
    assert rows == far.rows("prearchive", "list", "--project", PROJECT)
    assert (rows[0]["project"], rows[0]["timestamp"], rows[0]["folderName"]) == place
    assert far.run("prearchive", "list", "-q").out == f"/prearchive/projects/{'/'.join(place)}\n"
    scans = far.rows("prearchive", "scans", *place)
    assert faults(scans, "list of prearchive/scans") == []
    assert [(scan["id"], scan["file_count"]) for scan in scans] == [("1", 2), ("2", 2)]
    assert "NEW1" in far.run("prearchive", "list").out


@pytest.mark.parametrize("words", [["show"], ["rebuild"], ["archive"], ["delete", "--yes"], ["delete", "--dry-run"]])
def test_each_document_is_the_one_described(words: list[str], far: NounWorld, place: Place) -> None:
    """Field by field; and the table for people says the session's name."""
    ran = far.run("prearchive", words[0], *place, *words[1:], "-o", "json")

    assert ran.code == 0, ran.err
    assert document_faults(ran.document) == []


def test_it_is_archived_under_the_labels_that_are_given(far: NounWorld, place: Place) -> None:
    """As the documented example spells it."""
    ran = far.run("prearchive", "archive", *place, "--subject", "SUB001", "--label", "MR009")

    assert ran.code == 0, ran.err
    (held,) = [held for held in far.site.experiments.values() if held.label == "MR009"]
    assert held.id in ran.out
    assert far.site.subjects[held.subject].label == "SUB001"
    assert far.rows("prearchive", "list") == []


def test_nothing_is_deleted_without_a_yes(far: NounWorld, place: Place) -> None:
    """Neither without a terminal nor by a plan; one row with it."""
    other = waiting(far, "NEW2", 2)

    assert far.run("prearchive", "delete", *place).code == 2
    assert far.run("prearchive", "delete", *place, "--dry-run").code == 0
    assert len(far.rows("prearchive", "list")) == 2

    assert far.run("prearchive", "delete", *place, "--yes").code == 0

    assert [row["timestamp"] for row in far.rows("prearchive", "list")] == [other[1]]
    gone = far.run("prearchive", "delete", *place, "--yes")
    assert (gone.code, "prearchive list --project" in gone.err) == (3, True)


@pytest.mark.parametrize("status", ["RECEIVING", "_ARCHIVING"])
def test_a_row_at_work_is_not_even_offered(status: str, far: NounWorld, place: Place) -> None:
    """Also not by the plan."""
    row = far.site.prearchive.find(*place)
    assert row is not None
    far.site.prearchive.set_status(row, status)

    for words in (["--yes"], ["--dry-run"]):
        ran = far.run("prearchive", "delete", *place, *words)
        assert (ran.code, status in ran.err) == (5, True)
    assert far.site.prearchive.find(*place) is row


def test_it_is_moved(far: NounWorld, place: Place) -> None:
    """The row of the other project is the result."""
    far.ask("PUT", "/data/projects/OTHER")

    ran = far.run("prearchive", "move", *place, "OTHER", "-o", "json")

    assert (ran.code, document_faults(ran.document), ran.document["project"]) == (0, [], "OTHER")
    assert far.site.prearchive.find("OTHER", *place[1:]) is not None
    assert far.run("prearchive", "move", "OTHER", *place[1:], "NOWHERE").code == 3


def test_settings_are_shown_and_set(far: NounWorld) -> None:
    """Set with a yes alone, and never by a plan."""
    words = ("prearchive", "settings", "-P", PROJECT)
    far.site.projects[PROJECT].prearchive_code = 4
    assert far.run(*words).out == f"project {PROJECT}: auto-archive\n"

    assert far.run(*words, "--set", "manual").code == 2
    planned = far.run(*words, "--set", "manual", "--dry-run", "-o", "json")
    assert (planned.code, document_faults(planned.document), planned.document["dry_run"]) == (0, [], True)
    assert far.site.projects[PROJECT].prearchive_code == 4

    done = far.run(*words, "--set", "manual", "--yes", "-o", "json")
    assert (done.code, document_faults(done.document), done.document["before"]) == (0, [], "auto-archive")
    assert far.site.projects[PROJECT].prearchive_code == 0


def test_what_was_done_is_in_the_diary(box: World) -> None:
    """With its outcome, by project and time; no label of a patient (E11)."""
    box.study("one")
    assert box.run("sync").code == 0
    with httpx.Client(base_url=box.server.url, auth=("admin", PASSWORD), timeout=30) as web:
        web.put("/data/projects/DEMO/prearchive_code/0").raise_for_status()
        uri = landed(web, study(), "project=DEMO&subject=S9&session=NEW1")
        web.post(f"{uri}?action=build").raise_for_status()
    timestamp = uri.split("/")[-2]

    assert box.run("prearchive", "delete", "DEMO", timestamp, "NEW1", "--yes").code == 0

    events = box.run("history", "-o", "json").document["events"]
    (line,) = [event for event in events if event["code"] == "prearchive.deleted"]
    assert line["data"]["outcome"] == "done"
    assert f"DEMO/{timestamp}" in line["text"]
    assert "NEW1" not in str(line)
