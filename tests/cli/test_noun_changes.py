"""The commands that change projects, subjects, sessions and scans: what they did is read from the server's state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli_fields import document_faults
from noun_world import PASSWORD, PROJECT, USER, NounWorld, furnish, here
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.model.creation import create_project, create_subject
from xnatsync.sandbox.model.objects import Experiment, Subject

P = ("-P", PROJECT)


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        create_project(found.site, "OTHER", found.owner)
        yield found


def done(far: NounWorld, *words: str, code: int = 0) -> dict[str, Any]:
    """Run a command that ends so, and hold its document against the page."""
    ran = far.run(*words, "-o", "json")
    assert ran.code == code, (ran.out, ran.err)
    document: dict[str, Any] = json.loads(ran.out)
    assert document_faults(document) == []
    return document


def subjects(far: NounWorld) -> list[str]:
    return sorted(subject.label for subject in far.site.subjects.values())


def subject(far: NounWorld, label: str) -> Subject:
    return next(each for each in far.site.subjects.values() if each.label == label)


def session(far: NounWorld, label: str) -> Experiment:
    return next(each for each in far.site.experiments.values() if each.label == label)


# --- whatever the command ------------------------------------------------------------------------------------------

ASKED = {  # commands that destroy, or open: they ask, and what would be lost is there yet
    ("project", "access", PROJECT, "--set", "public"),
    ("project", "revoke", PROJECT, "jane"),
    ("project", "delete", PROJECT),
    ("subject", "delete", "EMPTY", *P),
    ("subject", "delete", "SUB001", "--force", *P),
    ("subject", "unshare", "SUB002", "--from", "OTHER", *P),
    ("subject", "rename", "SUB001", "SUB002", "--merge", *P),
    ("session", "delete", "-E", "MR001", *P),
    ("session", "unshare", "-E", "PET001", "--from", "OTHER", *P),
    ("session", "share", "-E", "MR001", "--into", "OTHER", "--primary", *P),
    ("scan", "delete", "-E", "MR001", "-s", "1", *P),
    ("scan", "delete", "-E", "MR001", "-s", "*", *P),
}
UNASKED = {
    ("project", "create", "NEW"),
    ("project", "grant", PROJECT, "joe", "--role", "member"),
    ("subject", "create", "NEW", *P),
    ("subject", "share", "SUB001", "--into", "OTHER", *P),
    ("subject", "rename", "SUB001", "P1", *P),
    ("subject", "vars", "SUB001", "a=b", *P),
    ("session", "create", "-E", "NEW", "-S", "SUB001", *P),
    ("session", "share", "-E", "MR001", "--into", "OTHER", *P),
    ("session", "set", "-E", "MR001", "note=fine", *P),
    ("session", "vars", "-E", "MR001", "a=b", *P),
    ("scan", "quality", "-E", "MR001", "-s", "1", "unusable", *P),
    ("scan", "note", "-E", "MR001", "-s", "1,2", "fine", *P),
}


def people(far: NounWorld) -> None:
    """More of what these commands are about."""
    for login in ("jane", "joe"):
        far.site.accounts.add(login, "x")
    far.site.projects[PROJECT].members["jane"] = "member"
    create_subject(far.site, PROJECT, "EMPTY", far.owner)
    subject(far, "SUB002").shares["OTHER"] = "SUB002"
    session(far, "PET001").shares["OTHER"] = "PET001"


@pytest.mark.parametrize("words", sorted(ASKED | UNASKED), ids=" ".join)
def test_a_dry_run_changes_nothing_and_the_command_does(far: NounWorld, words: tuple[str, ...]) -> None:
    """The plan has the document of the deed; what destroys wants a yes where nobody can be asked."""
    people(far)

    dry = done(far, *words, "--dry-run")
    assert dry["dry_run"] is True
    refused = far.run(*words) if words in ASKED else None
    assert far.writes() == []
    made = done(far, *words, "--yes")

    if refused is not None:
        assert refused.code == 2, refused.err
        assert "XS-DECLINED" in refused.err
    assert far.writes() != []
    assert made["dry_run"] is False
    if "changes" in made:
        assert {change["outcome"] for change in dry["changes"]} == {"planned"}
        assert {change["outcome"] for change in made["changes"]} == {"done"}
        for planned, change in zip(dry["changes"], made["changes"], strict=True):
            assert planned["id"] in {"", change["id"]}


def test_a_slip_is_found_before_anything_is_sent(far: NounWorld) -> None:
    """In the name of whatever is to be changed: not found, and not created."""
    people(far)
    slips = {"SUB001": "SUB01", "SUB002": "SUB02", "EMPTY": "EMPTI", "MR001": "MR01", "PET001": "PET01", "jane": "jnae"}
    slips |= {"joe": "jo", PROJECT: f"{PROJECT}2", "OTHER": "OTHERS", "1": "9", "1,2": "1,9"}
    for turn, words in enumerate(sorted(ASKED | UNASKED)):
        places = [number for number, word in enumerate(words) if word in slips]
        places = [number for number in places if (words[1], number) != ("rename", 3)]  # a new label may be any
        for number in places[turn % len(places) :][:1] if places else ():  # now the thing, now its project
            word = words[number]
            ran = far.run(*words[:number], slips[word], *words[number + 1 :], "--yes")
            assert ran.code == 3, (words, ran)
            assert "XS-NOT-THERE" in ran.err or "has no subject" in " ".join(ran.out.split()), ran
            assert far.writes() == [], words


def test_what_is_done_is_in_the_diary(far: NounWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By accession ID and not by label; a dry run is not."""
    config = tmp_path / "c.toml"
    config.write_text(
        f'[ledger]\npath = "{tmp_path / "ledger.db"}"\n[servers.box]\nurl = "{far.server.url}"\nuser = "{USER}"\n'
    )
    monkeypatch.setenv("XNATSYNC_BOX_PASSWORD", PASSWORD)
    for name in ("XNAT_URL", "XNAT_USER", "XNAT_PASS"):
        monkeypatch.delenv(name)
    assert far.run("--config", str(config), "sync").code == 0
    held = session(far, "MR001").id
    words = ("--config", str(config), "session", "delete", "-E", "MR001", *P)

    assert far.run(*words, "--dry-run").code == 0
    assert far.run(*words, "--yes").code == 0

    told = far.run("--config", str(config), "history").out
    assert told.count("session.deleted") == 1
    assert held in told
    assert "MR001" not in told


# --- one by one ---------------------------------------------------------------------------------------------------


def test_projects(far: NounWorld) -> None:
    """Made, opened, peopled."""
    people(far)
    done(far, "project", "create", "NEW", "--name", "A & B", "--pi", "Jane van Smith", "--accessibility", "protected")

    made = far.site.projects["NEW"]
    assert (made.name, made.accessibility) == ("A & B", "protected")
    assert done(far, "project", "create", "NEW", code=3)["error"]["code"] == "XS-ALREADY-THERE"
    assert done(far, "project", "access", PROJECT)["changes"][0]["after"] == "private"
    assert done(far, "project", "grant", PROJECT, "jane", "--role", "member")["changes"][0]["outcome"] == "already"
    rows = far.rows("project", "users", PROJECT)
    assert [(row["login"], row["role"]) for row in rows] == [("jane", "member"), (USER, "owner")]
    assert far.run("project", "users", PROJECT, "-q").out.split() == ["jane", USER]


def test_a_subject_with_sessions_is_not_deleted_by_the_way(far: NounWorld) -> None:
    """Without --force; and never another one whose label is its accession ID."""
    held = subject(far, "SUB001")
    create_subject(far.site, PROJECT, held.id, far.owner)

    refused = done(far, "subject", "delete", "SUB001", "--yes", *P, code=3)
    deleted = done(far, "subject", "delete", held.id, "--yes", *P)

    assert refused["error"]["code"] == "XS-NOT-EMPTY"
    assert deleted["changes"][0]["label"] == held.id
    assert subjects(far) == ["SUB001", "SUB002"]


def test_the_one_that_was_shown_is_the_one_that_is_deleted(far: NounWorld, tmp_path: Path) -> None:
    """Where a default project holds a subject whose label is the accession ID of the one that is meant."""
    config = tmp_path / "c.toml"
    config.write_text(f'[defaults]\nproject = "{PROJECT}"\n')
    empty = create_subject(far.site, PROJECT, "EMPTY", far.owner)
    create_subject(far.site, PROJECT, empty.id, far.owner)

    assert far.run("--config", str(config), "subject", "delete", "EMPTY", "--yes").code == 0

    assert subjects(far) == sorted(["SUB001", "SUB002", empty.id])


def test_a_subject_is_shown(far: NounWorld) -> None:
    """With everything that belongs to it."""
    subject(far, "SUB001").variables["age_grp"] = "A"

    shown = done(far, "subject", "show", "SUB001", *P)

    assert [row["label"] for row in shown["experiments"]] == ["MR001", "MR002"]
    assert shown["variables"] == {"age_grp": "A"}
    assert "age_grp" in far.run("subject", "show", "SUB001", *P).out
    assert done(far, "subject", "vars", "set", "SUB001", "b=c=d", *P)["set"] == {"b": "c=d"}
    assert done(far, "subject", "vars", "SUB001", *P)["variables"] == {"age_grp": "A", "b": "c=d"}


@pytest.mark.parametrize(
    "text",
    [
        "SUB001,007\nSUB002,008\n", "\ufeffold;new\nSUB001;007\n\nSUB002;008\n", "SUB001\t007\nSUB002\t008",
        '{"SUB001": "007", "SUB002": "008"}',
    ],
)  # fmt: skip
def test_a_mapping_keeps_its_zeros(far: NounWorld, tmp_path: Path, text: str) -> None:
    """However it is written (cases.md, 9)."""
    table = tmp_path / "table"
    table.write_text(text, encoding="utf-8")

    done(far, "subject", "rename", "--mapping", str(table), *P)

    assert subjects(far) == ["007", "008"]


@pytest.mark.parametrize(
    "text", ["", "SUB001\n", "SUB001,A\nSUB001,B\n", '{"SUB001": 7}', '{"A": "B", "A": "C"}', "{", "A,B,C\n", "\xff"]
)
def test_a_mapping_that_is_none_renames_nothing(far: NounWorld, tmp_path: Path, text: str) -> None:
    """The line is named."""
    table = tmp_path / "table"
    table.write_bytes(text.encode("latin-1"))

    assert done(far, "subject", "rename", "--mapping", str(table), *P, code=2)["error"]["code"] == "XS-USAGE"
    assert far.writes() == []


def test_a_pattern_renames_and_a_taken_label_is_told(far: NounWorld) -> None:
    """Exit code 3 while something that was asked for is not so; merged when that is asked for."""
    create_subject(far.site, PROJECT, "SUB001_old", far.owner)
    words = ("subject", "rename", "--pattern", r"(SUB\d+)_old", "--to", "{1}", *P)

    left = done(far, *words, code=3)
    merged = done(far, *words, "--merge", "--yes")

    assert [change["outcome"] for change in left["changes"]] == ["skipped"]
    assert [change["deed"] for change in merged["changes"]] == ["merge"]
    assert subjects(far) == ["SUB001", "SUB002"]
    for odd in ((), ("A",), ("A", "B", "--pattern", "x"), ("--pattern", "x"), ("--to", "x")):
        assert far.run("subject", "rename", *odd, *P).code == 2


def test_sessions(far: NounWorld) -> None:
    """Made, filled, shared."""
    done(far, "session", "create", "-E", "CT1", "-S", "SUB002", "--modality", "CT", "--date", "2026-04-01", *P)
    done(far, "session", "set", "-E", "CT1", "note=it's fine", "acquisition_site=here", *P)
    done(far, "session", "set", "-E", "CT1", "visit_id", "V1", *P)
    done(far, "session", "share", "-E", "CT1", "--into", "OTHER", *P)
    again = done(far, "session", "share", "-E", "CT1", "--into", "OTHER", *P)

    made = session(far, "CT1")
    assert {"note": "it's fine", "acquisition_site": "here", "visit_id": "V1"}.items() <= made.fields.items()
    assert (made.xsi_type, made.shares) == ("xnat:ctSessionData", {"OTHER": "CT1"})
    assert again["changes"][0]["outcome"] == "already"
    assert far.run("session", "unshare", "-E", "CT1", "--from", PROJECT, "--yes", *P).code == 2
    assert session(far, "CT1") is made
    assert done(far, "session", "vars", "-E", "CT1", "rater=A", *P)["variables"] == {"rater": "A"}


def test_scans(far: NounWorld) -> None:
    """Shown, judged, deleted; one that is not there stops the command before anything is."""
    shown = done(far, "scan", "show", "1", "-E", "MR001", *P)
    done(far, "scan", "quality", "-E", "MR001", "-s", "*", "questionable", *P)
    done(far, "scan", "note", "-E", "MR001", "-s", "2", "it's fine", *P)

    scans = session(far, "MR001").scans
    assert (shown["file_count"], shown["resources"]) == (4, ["DICOM", "NIFTI"])
    assert {scan.fields["quality"] for scan in scans.values()} == {"questionable"}
    assert scans["2"].fields["note"] == "it's fine"
    before = len(far.writes())
    assert done(far, "scan", "delete", "-E", "MR001", "-s", "1,9", "--yes", *P, code=3)["error"]
    assert len(far.writes()) == before


def test_a_scan_that_stays_is_no_success(far: NounWorld) -> None:
    """The server refuses one of two: both are told, and the exit code is not 0."""
    far.server.faults.add(Fault("DELETE", "/scans/1", "status", status=403))

    told = done(far, "scan", "delete", "-E", "MR001", "-s", "1,2", "--yes", *P, code=3)

    assert [(change["id"], change["outcome"], change["code"]) for change in told["changes"]] == [
        ("1", "failed", "XS-ACCESS-DENIED"), ("2", "done", None),
    ]  # fmt: skip
    assert list(session(far, "MR001").scans) == ["1"]


def test_people_read_the_same(far: NounWorld) -> None:
    """A line for each thing, and what would be done beforehand."""
    dry = far.run("scan", "delete", "-E", "MR001", "-s", "*", "--dry-run", *P)
    did = far.run("subject", "rename", "SUB001", "P1", *P)

    assert dry.out.splitlines()[0].startswith("to be deleted: scan 1")
    assert dry.out.splitlines()[-1] == "nothing was changed"
    assert did.out.startswith("renamed: subject SUB001 (XNAT_S00001)")
