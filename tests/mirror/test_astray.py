"""Files in the tree of a push that are sent nowhere: `status` and `why` tell of each, from the ledger alone."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from cli_fields import document_faults
from mirror_box import MirrorBox

REPORT = "P1/S1/S1_MR/resources/QC/files/report.txt"
NOBODYS = "P1/S1/NOBODY/resources/QC/files/report.txt"
HOSTILE = "P1/S1/S1_MR/resources/QC/files/a\u202eb.txt"
ASTRAY = [
    "P1/S1/S1_MR/report.pdf",  # too high
    "P1/S1/S1_MR/resources/report.pdf",  # in no resource's folder
    "P1/S1/S1_MR/scans/1/deep/er/report.pdf",
    "notes.txt",
]
FINE = [
    "P1/S1/S1_MR/resources/OTHER/files/x.txt",  # not selected
    "P2/S1/S1_MR/report.pdf",  # of another project
    "P1/S1/S1_MR/session.xml",
]


def write(box: MirrorBox, *paths: str) -> None:
    """Puts files into the tree."""
    for path in paths:
        place = box.tree / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(path)


@pytest.fixture
def pushing(trees: MirrorBox) -> MirrorBox:
    """A session, and a push of its resources QC from the tree."""
    trees.session_with()
    head = trees.config.read_text().split("[routes.m]")[0]
    push = f'[routes.p]\nkind = "push"\nfolder = "{trees.tree}"\nserver = "s"\nproject = "P1"\nresources = ["QC"]\n'
    trees.config.write_text(f'{head}{push}settle = "0s"\n')
    write(trees, REPORT)
    return trees


def told(box: MirrorBox, *command: str) -> dict[str, Any]:
    """A command's document, as described."""
    ran = box.command(*command, "-o", "json")
    assert document_faults(ran.document) == []
    return dict(ran.document)


def in_status(box: MirrorBox) -> dict[str, tuple[str, bool]]:
    """What status says of such files."""
    (route,) = told(box, "status")["routes"]
    rows = route["tree"]["unplaced"] if route["tree"] is not None else []
    assert all(row["detail"] and row["advice"] and row["since"] for row in rows)
    return {row["path"]: (row["code"], row["person"]) for row in rows}


def test_status_tells_every_file_that_is_sent_nowhere(pushing: MirrorBox) -> None:
    """With its reason and what to do, whether or not a person must act; and nothing of what is as it should be."""
    write(pushing, NOBODYS, HOSTILE, *ASTRAY, *FINE)
    assert pushing.command("sync").code == 3
    shutil.move(pushing.tree, pushing.root / "away")  # nothing of this looks at the tree

    expected = {NOBODYS: ("XS-NOT-THERE", True), HOSTILE: ("XS-NAME-REFUSED", True)}
    assert in_status(pushing) == expected | dict.fromkeys(ASTRAY, ("XS-NO-PLACE", False))
    text = pushing.command("status").out
    assert "4 files: no file of a resource belongs there in this layout" in " ".join(text.split())


@pytest.mark.parametrize("path", [NOBODYS, *ASTRAY])
def test_why_tells_it_too(pushing: MirrorBox, path: str) -> None:
    """By the path in the tree, by the absolute one, and by its end."""
    write(pushing, NOBODYS, *ASTRAY)
    pushing.command("sync")

    for asked in (path, str(pushing.tree / path), path.partition("/")[2] or path):
        found = told(pushing, "why", asked)
        assert path in {row["path"] for row in found["unplaced"]}
        ran = pushing.command("why", asked)
        assert (ran.code, "It is not sent: " in ran.out, "what to do: " in ran.out) == (0, True, True)


def test_what_only_lies_astray_holds_nothing_up(pushing: MirrorBox) -> None:
    """It is no reason to wake anybody: 0; and the same again is not written down again."""
    write(pushing, *ASTRAY)

    plan, first = told(pushing, "plan"), told(pushing, "sync")
    with pushing.opened_ledger() as ledger:
        before = ledger.unplaced()
    second = pushing.command("sync")

    assert {row["path"] for row in plan["pushes"][0]["unplaced"]} == set(ASTRAY)
    assert {row["path"] for row in first["mirrors"][0]["unplaced"]} == set(ASTRAY)
    assert (first["exit_code"], second.code, second.out) == (0, 0, "nothing to do\n")
    with pushing.opened_ledger() as ledger:
        assert ledger.unplaced() == before


def test_it_is_over_once_the_file_is_moved(pushing: MirrorBox) -> None:
    """Or taken away: the next run says so."""
    write(pushing, *ASTRAY)
    pushing.command("sync")
    (pushing.tree / ASTRAY[0]).rename(pushing.tree / "P1/S1/S1_MR/resources/QC/files/report.pdf")
    for path in ASTRAY[1:]:
        (pushing.tree / path).unlink()

    assert pushing.command("sync").code == 0

    assert in_status(pushing) == {}
    assert pushing.command("why", ASTRAY[3]).code == 2


def test_of_very_many_some_are_named_and_all_are_counted(pushing: MirrorBox) -> None:
    """A folder that somebody unpacked in the wrong place."""
    write(pushing, *(f"P1/unpacked/{number}.dcm" for number in range(120)))

    assert pushing.command("sync").code == 0

    assert len(in_status(pushing)) == 51
    assert "120 files: no file of a resource belongs there" in " ".join(pushing.command("status").out.split())


def test_what_a_mirror_keeps_in_the_same_folder_is_not_astray(pushing: MirrorBox) -> None:
    """Files, metadata, conflict copies; of each file that an analyst put somewhere else there is a line."""
    session = pushing.session("S1_MR")
    assert session is not None
    pushing.fill(session.id, files=2)
    pushing.more_routes(
        f'[routes.m]\nkind = "mirror"\nfolder = "{pushing.tree}"\nserver = "s"\nproject = "P1"\npolicy = "replica"\n'
    )
    assert pushing.command("sync").code == 0
    file = pushing.tree / "P1/S1/S1_MR/scans/1/resources/NIFTI/files/1.nii"
    file.write_bytes(b"edited here")
    where = f"experiments/{session.id}/scans/1/resources/NIFTI/files/1.nii"
    pushing.upload(where, b"and replaced there", overwrite=True)
    write(pushing, ASTRAY[0])

    assert pushing.command("sync").code == 3
    assert pushing.command("sync").code == 3

    assert any("xnatsync-conflict" in path for path in pushing.shown())
    found = {route["name"]: route for route in told(pushing, "status")["routes"]}
    assert [row["path"] for row in found["p"]["tree"]["unplaced"]] == [ASTRAY[0]]
    assert found["m"]["tree"]["unplaced"] == []


def _link(place: Path) -> None:
    place.symlink_to(place.parent.parent)


def _pipe(place: Path) -> None:
    os.mkfifo(place)


def _socket(place: Path) -> None:
    before = Path.cwd()
    os.chdir(place.parent)  # a socket's address has 107 letters
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(place.name)
    os.chdir(before)


UNSEEN = {
    "P1/S1/S1_MR/resources/QC/files/linked.txt": _link,
    "P1/S1/S1_MR/resources/QC/files/deep": _link,
    "P1/S1/S1_MR/resources/QC/files/pipe": _pipe,
    "P1/S1/S1_MR/resources/QC/files/socket": _socket,
    "P1/S1/S1_MR/scans/1": _link,
    "P1/S1/S2_MR": _link,
    "P1/S1/S3_MR/resources/QC": _link,
    "P1/S2": _link,
}
NOT_MEANT = ["P1/S1/S1_MR/resources/OTHER", "P1/S1/S3_MR/resources/OTHER/files/x", "P2", "P1/S3/subject.xml", "notes"]


def test_what_is_not_followed_is_never_passed_over_in_silence(pushing: MirrorBox) -> None:
    """Somebody who links a result into the tree of a push reads that it was not sent; also in a plan, and in status."""
    for path, act in (UNSEEN | dict.fromkeys(NOT_MEANT, _link)).items():
        (pushing.tree / path).parent.mkdir(parents=True, exist_ok=True)
        act(pushing.tree / path)
    expected = dict.fromkeys(UNSEEN, ("XS-NOT-FOLLOWED", True))

    (planned,) = told(pushing, "plan")["pushes"]
    assert {row["path"]: (row["code"], row["person"]) for row in planned["unplaced"]} == expected
    for _ in range(2):
        assert pushing.command("sync").code == 3
        assert in_status(pushing) == expected


def test_a_folder_that_may_not_be_listed_is_told(pushing: MirrorBox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold something to send: the run does not end well, and says where; nothing is taken for removed."""
    assert pushing.command("sync").code == 0
    folders = [f"P1/S1/S1_MR/resources/{name}" for name in ("QC/files/mine", "QC", "OTHER")]
    write(pushing, *(f"{folder}/new.txt" for folder in folders))
    listed = os.scandir

    def refused(path: Any = ".") -> Any:
        if os.fspath(path) in shut:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", refused)
    for folder, due in zip(folders, (True, True, False), strict=True):
        shut = [str(pushing.tree / folder)]
        assert pushing.command("sync").code == (5 if due else 0)
        assert folder in in_status(pushing) or not due
    assert told(pushing, "why", REPORT)["trees"]


def test_many_that_nobody_owns_are_counted_once(pushing: MirrorBox) -> None:
    """The number of all of them stands in the line that names some."""
    write(pushing, *(f"P1/S1/NOBODY{number}/resources/QC/files/a.txt" for number in range(120)))
    text = " ".join(pushing.command("sync").out.split())
    assert "! 120 files: the server has no such session" in text
    assert "in all" not in text


QC = "P1/S1/S1_MR/resources/QC/files"
NAMES = ["a\tb", "a\nb", "a\x7fb", "su\tb/f", "a\\b", "a&b", "pct%41", "ä", "a:b", "star*", "my_catalog.xml"]


def test_a_name_that_would_not_stay_is_asked_about_in_run_and_plan_alike(pushing: MirrorBox) -> None:
    """Whoever reads it renames the file: neither the session nor the server's settings are at fault."""
    names = [f"{QC}/{name}" for name in NAMES]
    write(pushing, *names)
    expected = dict.fromkeys(names, "XS-NAME-REFUSED")

    (planned,) = told(pushing, "plan")["pushes"]
    (step,) = planned["steps"]
    cases = planned["unplaced"] + step["troubles"]
    assert {row["path"]: row["code"] for row in cases} == expected
    assert all("Rename the file" in row["advice"] for row in cases)
    assert pushing.command("sync").code == 3
    (route,) = told(pushing, "status")["routes"]
    found = route["tree"]["unplaced"] + route["tree"]["troubles"]
    assert {row["path"]: row["code"] for row in found} == expected
    for name in names:
        (pushing.tree / name).unlink()
    assert pushing.command("sync").code == 0
