"""`project transfer` and its companions on two servers: what is there afterwards, and what is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_fields import document_faults, faults
from transfer.commands_world import HERE, THERE, Desk, a_desk
from transfer_world import PASSWORD, USER
from xnatsync.core.inventory import OwnerKind
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with a_desk(tmp_path, monkeypatch, lambda: tuple(capsys.readouterr())) as found:  # type: ignore[arg-type,return-value]
        yield found


def session_there(desk: Desk, label: str) -> str:
    return desk.pair.target.owner(OwnerKind.SESSION, label, "NEURO_DEV").id


def test_a_project_is_transferred_and_signed_for(desk: Desk) -> None:
    """Twice: the second run writes nothing on either side, and the source was never written to."""
    before = desk.pair.source.writes()
    first = desk.document()

    assert document_faults(first) == []
    assert (first["exit_code"], first["outcome"]) == (0, "complete")
    assert first["experiments"] == {"synced": 3, "failed": 0, "skipped": 0}
    assert first["certificate"]["outcome"] == "complete"
    made = desk.certificate()
    assert all(one["complete"] for one in made["entities"])
    assert {one["name"] for entity in made["entities"] for one in entity["differences"]} == {"OTHER", "STAYS"}
    assert desk.run("certificate", "check", first["certificate"]["path"]).code == 0
    written = desk.pair.target.writes()

    again = desk.document()

    assert (again["exit_code"], again["certificate"]["new"]) == (0, False)
    assert again["looked_at"] <= 1  # the server never counted an empty resource: that session is looked at each time
    assert [one for one in desk.pair.target.writes()[len(written) :] if "JSESSION" not in one] == []
    assert [one for one in desk.pair.source.writes()[len(before) :] if "JSESSION" not in one] == []


def test_what_was_changed_behind_its_back_is_never_called_complete(desk: Desk) -> None:
    """Told, not overwritten, and no certificate says complete; `--repair` sends what was deleted."""
    assert desk.transfer().code == 0
    number = session_there(desk, "S1_MR")
    desk.pair.target.put(
        "/data/projects/NEURO_DEV/subjects/S1/experiments/S1_MR", xsiType="xnat:mrSessionData", note="other"
    )

    found = desk.document()

    assert (found["exit_code"], found["certificate"]["outcome"]) == (3, "incomplete")
    assert any(one["code"] == "XS-CHANGED-THERE" for one in found["troubles"])
    written = desk.run("certificate", "write", found["route"], "-o", "json")
    assert (written.code, document_faults(json.loads(written.out))) == (3, [])
    assert json.loads(written.out)["certificate"]["outcome"] == "incomplete"
    (session,) = [one for one in desk.certificate()["entities"] if one["destination_id"] == number]
    assert ("differs", "field", "note") in {(one["fate"], one["what"], one["name"]) for one in session["differences"]}


def test_a_plan_is_done_exactly(desk: Desk) -> None:
    """What changed since the plan is left as it is, and named."""
    asked = desk.run("project", "transfer", *HERE, *THERE, "--dry-run", "-o", "json")
    plan = json.loads(asked.out)
    assert document_faults(plan) == []
    assert asked.code == 0
    assert not [one for one in desk.pair.target.writes() if "JSESSION" not in one]
    (desk.root / "plan.json").write_text(asked.out)
    desk.pair.source.put(
        "/data/projects/NEURO/subjects/S2/experiments/S2_PET", xsiType="xnat:petSessionData", note="new since"
    )

    ran = desk.run("project", "transfer", "-p", "prod", "--dest-profile", "staging", "--plan",
                   str(desk.root / "plan.json"), "--yes", "-o", "json")  # fmt: skip

    found = json.loads(ran.out)
    assert (ran.code, document_faults(found)) == (3, [])
    assert [one["label"] for one in found["not_done"]] == ["S2_PET"]
    labels = {one.session for one in desk.pair.target.server.inventory("NEURO_DEV", frozenset(OwnerKind)).owners}
    assert labels == {"", "S1_MR", "S2_CT"}


def test_filters_of_the_file_hold_for_the_certificate_too(desk: Desk) -> None:
    """The example of the manual: MR sessions, and one resource left out."""
    file = desk.root / "transfer.yaml"
    file.write_text(
        "filtering:\n  imaging_sessions:\n    sync_type: include\n    xsi_types:\n"
        '      - xsi_type: "xnat:mrSessionData"\n        scan_resources:\n          sync_type: exclude\n'
        "          items:\n            - NIFTI\n"
    )

    found = desk.document("--config", str(file))

    assert (found["exit_code"], found["certificate"]["outcome"]) == (0, "complete")
    target = desk.pair.target
    owners = target.server.inventory("NEURO_DEV", frozenset(OwnerKind)).owners
    (session,) = [one for one in owners if one.kind is OwnerKind.SESSION]
    listed = {(file.scan, file.resource) for file in target.server.owner_files([session])[session].files}
    assert session.session == "S1_MR"
    assert ("1", "DICOM") in listed
    assert "NIFTI" not in {label for _, label in listed}


def test_the_companions_tell_what_there_is(desk: Desk) -> None:
    """Before the first transfer, and after it; each document as the page describes it."""
    checks = desk.run("project", "transfer-check", *HERE, *THERE, "-o", "json")
    found = json.loads(checks.out)
    assert (checks.code, document_faults(found)) == (0, [])
    assert {one["name"] for one in found["checks"]} >= {"source connection", "source login", "destination login"}
    assert desk.run("project", "transfer-status", "-P", "NEURO").code == 2
    assert json.loads(desk.run("project", "transfer-history", "-P", "NEURO", "-o", "json").out) == []

    assert desk.transfer().code == 0

    status = json.loads(desk.run("project", "transfer-status", "-P", "NEURO", "-o", "json").out)
    assert document_faults(status) == []
    assert (status["status"], status["experiments_synced"]) == ("complete", 3)
    rows = json.loads(desk.run("project", "transfer-history", "-P", "NEURO", "-o", "json").out)
    assert faults(rows, "list of project/transfer-history") == []
    signed = json.loads(desk.run("certificate", "list", "-o", "json").out)
    assert faults(signed, "list of certificate/list") == []
    assert desk.run("project", "transfer-check", *HERE, *THERE).code == 0


def test_a_file_to_begin_with_is_written_once(desk: Desk) -> None:
    place = desk.root / "transfer.yaml"
    words = ("project", "transfer-init", "-P", "NEURO", "--dest-project", "NEURO_DEV")
    assert desk.run(*words, "-f", str(place)).code == 0
    assert desk.run(*words).out == place.read_text()
    assert desk.run(*words, "-f", str(place)).code == 3
    assert desk.run("project", "transfer", *HERE, *THERE, "--config", str(place), "--dry-run").code == 0


def test_a_destination_may_be_named_by_its_address(desk: Desk) -> None:
    """A wrong password is told of, and nothing is sent; it is nowhere in what is printed."""
    there = ("--dest-url", desk.pair.target.box.url, "--dest-user", USER, "--dest-project", "NEURO_DEV")
    wrong = desk.run("project", "transfer", *HERE, *there, "--dest-pass", "not-the-password", "--yes")
    assert wrong.code == 6
    assert "not-the-password" not in wrong.out + wrong.err
    assert not [one for one in desk.pair.target.writes() if "JSESSION" not in one]

    right = desk.run("project", "transfer", *HERE, *there, "--dest-pass", PASSWORD, "--yes")

    assert right.code == 0
    assert "--dest-pass-stdin" in right.err


def test_nothing_is_copied_without_a_yes(desk: Desk) -> None:
    ran = desk.run("project", "transfer", *HERE, *THERE)
    assert ran.code != 0
    assert not [one for one in desk.pair.target.writes() if "JSESSION" not in one]


@pytest.mark.parametrize(
    "words",
    [
        ("-P", "NEURO", "--dest-project", "X"),
        ("-P", "NEURO", "--dest-profile", "staging"),
        ("-P", "NEURO", "--dest-project", "NEURO", "--dest-profile", "prod"),
        ("-P", "NEURO", "--dest-project", "X", "--dest-profile", "staging", "--dest-url", "http://127.0.0.1:1"),
        ("-P", "NEURO", "--dest-project", "X", "--dest-profile", "nowhere"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(desk: Desk, words: tuple[str, ...]) -> None:
    assert desk.run("project", "transfer", "-p", "prod", *words, "--yes").code == 2


def test_what_ends_with_an_incomplete_certificate_is_never_called_complete(desk: Desk) -> None:
    """The destination had another value before: nobody has to do anything, and the copy is not complete."""
    desk.pair.target.put("/data/projects/NEURO_DEV", description="another")
    told, document = desk.transfer(), desk.document()

    assert told.code == 3
    assert "staging: partial" in told.out
    assert "certificate: incomplete" in told.out
    assert document["outcome"] == "partial"
    assert document["certificate"]["outcome"] == "incomplete"
    status = json.loads(desk.run("project", "transfer-status", "-P", "NEURO", "-o", "json").out)
    rows = json.loads(desk.run("project", "transfer-history", "-P", "NEURO", "-o", "json").out)
    assert {status["status"], *(row["status"] for row in rows)} == {"partial"}


def test_one_project_under_two_addresses_is_no_transfer(desk: Desk) -> None:
    """It would agree with itself, and be called complete; whoever believes that deletes the only one."""
    other = desk.pair.source.box.url.replace("127.0.0.1", "localhost")
    there = ("--dest-url", other, "--dest-user", USER, "--dest-pass", PASSWORD, "--dest-project", "NEURO")
    for words in (("transfer", "--yes"), ("transfer", "--dry-run"), ("transfer-check",)):
        ran = desk.run("project", words[0], *HERE, *there, *words[1:])
        assert ran.code == 2, (words, ran)
        assert "same project" in ran.out + ran.err
        assert "complete" not in ran.out
    assert not list(desk.root.rglob("certificates/*.json"))
    assert desk.run("project", "transfer", *HERE, *THERE[:2], "--dest-project", "NEURO", "--yes").code == 0
    assert desk.run("project", "transfer", *HERE, *THERE[:2], "--dest-project", "NEURO", "--yes").code == 0


def test_a_label_that_the_destination_would_not_keep_is_foreseen_and_never_called_transferred(desk: Desk) -> None:
    assert desk.run("project", "transfer-check", *HERE, *THERE).code == 0
    desk.pair.source.put("/data/projects/NEURO/subjects/Subject%20X")

    check = desk.run("project", "transfer-check", *HERE, *THERE)
    ran = desk.transfer()

    assert check.code == 3
    assert "Subject%20X" in check.out
    assert ran.code == 3
    assert "Subject%20X: looked at" in ran.out + ran.err
    assert "Subject%20X: transferred" not in ran.out + ran.err


def test_a_project_that_is_not_there_makes_none(desk: Desk) -> None:
    ran = desk.run("project", "transfer", "-p", "prod", "-P", "NEURA", *THERE, "--yes")
    assert ran.code == 3
    assert not [one for one in desk.pair.target.writes() if "JSESSION" not in one]


def test_an_import_lets_the_script_of_the_destination_run(desk: Desk, tmp_path: Path) -> None:
    """With a plan before, a certificate after, and a check and a `verify` that know of it; nothing is sent twice."""
    side, plan = desk.pair.source, StudyPlan("P7", "Doe^Jane", "20260102", (SeriesPlan(1, "T1", 2),), size=(8, 8))
    session = side.owner(OwnerKind.SESSION, "S2_CT")
    paths = make_study(tmp_path / "study", plan, seed=5)
    place = f"/data/experiments/{session.id}/scans/1/resources/DICOM/files"
    side.put(f"{place}/1.2.9.dcm", paths[0].read_bytes(), overwrite="true")
    side.put(f"{place}/second", paths[1].read_bytes())
    desk.pair.target.put("/xapi/anonymize/site", b'version "6.1"\n(0010,0010) := "Nobody"\n', "text/plain")
    file = desk.root / "t.yaml"
    file.write_text(
        "dicom: import\nfiltering:\n  imaging_sessions:\n    sync_type: include\n    items: [S2_CT, S2_PET]\n"
    )
    checked = json.loads(desk.run("project", "transfer-check", *HERE, *THERE, "--config", str(file), "-o", "json").out)
    assert [one for one in checked["checks"] if one["state"] == "problem"] == []
    planned = json.loads(desk.transfer("--config", str(file), "--dry-run", "-o", "json").out)
    assert document_faults(planned) == []
    assert planned["errors"] == []
    steps = {one["label"]: one["effects"] for one in planned["steps"]}
    assert (steps["S2_CT"][0]["do"], steps["S2_CT"][0]["files"]) == ("import DICOM", 2)

    found = desk.document("--config", str(file))

    assert (found["exit_code"], document_faults(found), found["certificate"]["outcome"]) == (0, [], "complete")
    number = session_there(desk, "S2_CT")
    (signed,) = [one for one in desk.certificate()["entities"] if one["destination_id"] == number]
    filled = {one["name"] for one in signed["differences"] if one["fate"] == "filled by the import"}
    assert "dcmPatientName" in filled
    asked = [line for line in desk.pair.target.writes() if "/services/import" in line]
    assert len(asked) == 1
    again = desk.document("--config", str(file))
    assert (again["exit_code"], [line for line in desk.pair.target.writes() if "/services/import" in line]) == (
        0,
        asked,
    )
    assert "Jane" not in json.dumps(desk.certificate())
