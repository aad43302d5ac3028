"""The read side, spelled as xnatctl spells it: listings that scripts read, and errors that scripts notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli_fields import document_faults, faults
from noun_world import PASSWORD, PROJECT, USER, NounWorld, furnish, here
from xnatsync import XNATClient
from xnatsync.sandbox.http.faults import Fault


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        yield found


LISTS: dict[str, list[str]] = {
    "project/list": ["project", "list"],
    "subject/list": ["subject", "list", "-P", PROJECT],
    "session/list": ["session", "list", "-P", PROJECT],
    "scan/list": ["scan", "list", "-P", PROJECT, "-E", "MR001"],
    "resource/list": ["resource", "list", "XNAT_E00001"],
}


@pytest.mark.parametrize("name", LISTS)
def test_a_listing_is_an_array_of_the_rows_described(name: str, far: NounWorld) -> None:
    """No envelope: `jq '.[].id'` works."""
    furnish(far)

    rows = far.rows(*LISTS[name])

    assert rows
    assert faults(rows, f"list of {name}") == []


def test_the_check_of_rows_sees_a_wrong_one(far: NounWorld) -> None:
    """A field that is missing, or of another type."""
    furnish(far)
    rows = far.rows("session", "list", "-P", PROJECT)
    del rows[0]["subject"]
    rows[1]["id"] = 7

    assert len(faults(rows, "list of session/list")) == 2


def test_sessions_are_listed_with_what_scripts_ask_for(far: NounWorld) -> None:
    """By label, filtered by subject (label or accession ID) and modality."""
    ids = furnish(far)

    rows = far.rows("session", "list", "-P", PROJECT)

    assert [(row["id"], row["label"], row["subject"], row["date"], row["modality"]) for row in rows] == [
        (ids["MR001"], "MR001", "SUB001", "2026-03-02", "MR"),
        (ids["MR002"], "MR002", "SUB001", "2026-03-02", "MR"),
        (ids["PET001"], "PET001", "SUB002", "2026-03-02", "PT"),
    ]
    for subject in ("SUB002", rows[2]["subject_id"]):
        found = far.rows("session", "list", "-P", PROJECT, "--subject", subject)
        assert [row["label"] for row in found] == ["PET001"]
    assert far.rows("session", "list", "-P", PROJECT, "--modality", "pet") == rows[2:]
    assert far.rows("session", "list", "-P", PROJECT, "--modality", "PT") == rows[2:]
    assert far.rows("session", "list", "-P", PROJECT, "-S", "NOBODY") == []


def test_a_session_shared_into_a_project_is_listed_there_under_its_label(far: NounWorld) -> None:
    """And its scans are reached by that label."""
    ids = furnish(far)
    assert far.ask("PUT", "/data/projects/OTHER")[0] == 200
    place = f"/data/experiments/{ids['MR001']}/projects/OTHER?label=GUEST"
    assert far.ask("PUT", place)[0] == 200, place

    (row,) = far.rows("session", "list", "-P", "OTHER")

    assert (row["id"], row["label"]) == (ids["MR001"], "GUEST")
    assert len(far.rows("scan", "list", "-P", "OTHER", "-E", "GUEST")) == 2
    assert far.run("scan", "list", "-P", "OTHER", "-E", "MR001", "-o", "json").code == 3


def test_scans_are_listed_as_a_person_counts(far: NounWorld) -> None:
    """2 before 10."""
    far.session("LONG", scans=11)

    rows = far.rows("scan", "list", "-P", PROJECT, "-E", "LONG")

    assert [row["id"] for row in rows] == [str(number) for number in range(1, 12)]
    assert rows[0]["series_description"] == "series 1"


def test_resources_are_those_of_the_session_or_of_one_scan(far: NounWorld) -> None:
    """A scan whose type is another scan's ID does not mix in (hierarchy.md §3.6)."""
    ids = furnish(far)
    far.site.experiments[ids["MR001"]].scans["2"].fields["type"] = "1"

    own = far.rows("resource", "list", ids["MR001"])
    scans = far.rows("resource", "list", ids["MR001"], "--scan", "1")

    assert [(row["label"], row["file_count"], row["file_size"]) for row in own] == [("NIFTI", 2, 9002), ("QC", 1, 5)]
    assert [row["label"] for row in scans] == ["DICOM", "NIFTI"]


def test_quiet_gives_the_keys_alone(far: NounWorld) -> None:
    """One a line, for `for` loops."""
    ids = furnish(far)

    assert far.run("session", "list", "-P", PROJECT, "-q").out == "".join(f"{value}\n" for value in ids.values())
    assert far.run("subject", "list", "-P", PROJECT, "-q").out == "SUB001\nSUB002\n"
    assert far.run("resource", "list", ids["MR001"], "--quiet").out == "NIFTI\nQC\n"
    assert far.run("session", "list", "-P", PROJECT, "-S", "NOBODY", "-q").out == ""


SHOWS = {
    "whoami": ["whoami"],
    "auth-login": ["auth", "login"],
    "project-show": ["project", "show", PROJECT],
    "session-show": ["session", "show", "-P", PROJECT, "-E", "MR001"],
}


@pytest.mark.parametrize("name", SHOWS)
def test_a_single_thing_is_the_document_described(name: str, far: NounWorld) -> None:
    """With its schema."""
    furnish(far)

    ran = far.run(*SHOWS[name], "-o", "json")

    assert (ran.code, ran.document["schema"]) == (0, f"xnatsync/{name}/1"), ran.err
    assert document_faults(ran.document) == []


def test_a_listing_is_what_the_services_say(far: NounWorld) -> None:
    """One implementation: the same names, the same sizes, and no request for counts that are not shown."""
    ids = furnish(far)
    place = f"/data/experiments/{ids['MR001']}/scans/1?xnat:mrScanData/note=two%0Alines"
    assert far.ask("PUT", place)[0] == 200
    with XNATClient(far.server.url, USER, PASSWORD) as client:
        sessions, scans = client.sessions.list(PROJECT), client.scans.list("MR001", PROJECT)
        seen = client.projects.get(PROJECT)
    mark = len(far.server.log)

    rows = far.rows("scan", "list", "-P", PROJECT, "-E", "MR001")

    asked = [str(line["path"]).partition("?")[0] for line in far.server.log[mark:]]
    assert not [path for path in asked if path.endswith("/resources")]
    assert [row["id"] for row in rows] == [scan.scan_id for scan in scans]
    assert rows[0]["note"] == scans[0].note == "two lines"
    assert [row["id"] for row in far.rows("session", "list", "-P", PROJECT)] == [each.id for each in sessions]
    shown = far.run("project", "show", PROJECT, "-o", "json").document
    assert (shown["subjects"], shown["sessions"]) == (seen.subject_count, seen.session_count) == (2, 3)


def test_people_get_a_table(far: NounWorld) -> None:
    """Golden output."""
    furnish(far)

    assert far.run("session", "list", "-P", PROJECT).out == (
        "id           label   subject  date        modality\n"
        "XNAT_E00001  MR001   SUB001   2026-03-02  MR\n"
        "XNAT_E00002  MR002   SUB001   2026-03-02  MR\n"
        "XNAT_E00003  PET001  SUB002   2026-03-02  PT\n"
    )
    assert far.stable(far.run("session", "show", "-E", "XNAT_E00001").out) == (
        "MR001\n"
        "  id: XNAT_E00001\n"
        "  subject: SUB001\n"
        "  project: NEUROIMAGING\n"
        "  date: 2026-03-02\n"
        "  type: xnat:mrSessionData\n"
        "  scans: 2\n"
        "    id  type     quality  series description\n"
        "    1   T1 head  usable   series 1\n"
        "    2   T1 head  usable   series 2\n"
        "  resources of the session: 2\n"
        "    label  format  files    size\n"
        "    NIFTI              2  9.0 kB\n"
        "    QC                 1     5 B\n"
    )
    assert far.stable(far.run("whoami").out) == (
        "username: reader\nserver: URL\nprofile: environment\ndefault project: none\npassword from: environment\n"
    )


# --- what goes wrong ---------------------------------------------------------------------------------------------

MISSING = {
    "a session": ["scan", "list", "-P", PROJECT, "-E", "NOPE"],
    "a session by ID": ["scan", "list", "-E", "XNAT_E99999"],
    "a label without its project": ["scan", "list", "-E", "MR001"],
    "a scan": ["resource", "list", "XNAT_E00001", "--scan", "9"],
    "a project": ["session", "list", "-P", "NOPE"],
    "subjects of no project": ["subject", "list", "-P", "NOPE"],
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_not_there_is_an_error_and_nothing_on_stdout(what: str, far: NounWorld) -> None:
    """`jq length` must never count an error, and XNAT answers some of these with 200."""
    furnish(far)

    ran = far.run(*MISSING[what], "-o", "json")

    assert (ran.code, ran.out) == (3, "")
    assert "[XS-NOT-THERE]" in ran.err


def test_a_label_without_a_project_is_told_what_is_missing(far: NounWorld) -> None:
    """As the manual of xnatctl says: labels mean something within a project only."""
    furnish(far)

    ran = far.run("session", "show", "-E", "MR001")

    assert ran.code == 3
    assert "Name its project with -P" in ran.err


def test_a_wrong_password_is_denied(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 6; nothing on stdout; the password is not repeated."""
    monkeypatch.setenv("XNAT_PASS", "not-the-password")

    ran = far.run("session", "list", "-P", PROJECT, "-o", "json")

    assert (ran.code, ran.out) == (6, "")
    assert "[XS-AUTH-REFUSED]" in ran.err
    assert "not-the-password" not in ran.err


@pytest.mark.parametrize(
    "body",
    ["", "<html><body>Maintenance</body></html>", '{"ResultSet":{"Result":[{"label":"MR0', '{"items":[]}'],
    ids=["nothing", "page", "half", "no listing"],
)
def test_an_answer_that_is_no_listing_is_never_an_empty_one(body: str, far: NounWorld) -> None:
    """XNAT answers some failures with 200 and nothing (hierarchy.md §3.1)."""
    furnish(far)
    fault = far.server.faults.add(
        Fault("GET", "^/data/projects/[^/]+/experiments", kind="body", status=200, body=body, times=9)
    )

    ran = far.run("session", "list", "-P", PROJECT, "-o", "json")

    assert (ran.code, ran.out) == (5, "")
    assert fault.hits


# --- which server ------------------------------------------------------------------------------------------------


def configure(far: NounWorld, text: str) -> None:
    folder = far.root / "config" / "xnatsync"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "xnatsync.toml").write_text(text, encoding="utf-8")


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.delenv(name)


def asked(far: NounWorld) -> dict[str, Any]:
    ran = far.run("whoami", "-o", "json")
    assert ran.code == 0, ran.err
    return ran.document


def test_the_environment_alone_is_enough(far: NounWorld) -> None:
    """No configuration file is there."""
    seen = asked(far)

    assert (seen["username"], seen["server"], seen["profile"]) == (USER, far.server.url, "environment")


def test_a_profile_is_a_server_of_the_configuration(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """And wins over the environment, whose credentials are used only where they are for this very address."""
    configure(far, f'[servers.prod]\nurl = "{far.server.url}"\nuser = "{USER}"\nproject = "{PROJECT}"\n')
    furnish(far)

    same = far.run("session", "list", "-p", "prod")
    monkeypatch.setenv("XNAT_URL", "http://127.0.0.1:1")
    refused = far.run("session", "list", "-p", "prod")
    monkeypatch.setenv("XNATSYNC_PROD_PASSWORD", PASSWORD)
    listed = far.run("session", "list", "--profile", "prod", "-q")

    assert (same.code, refused.code, listed.code) == (0, 6, 0), (refused.err, listed.err)
    assert "XNAT_USER and XNAT_PASS were not used: they belong to another address" in " ".join(refused.err.split())
    assert "[XS-AUTH-MISSING]" in refused.err
    assert len(listed.out.splitlines()) == 3
    assert far.run("whoami", "-p", "nobody").code == 2


def test_the_only_server_of_the_configuration_is_meant(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the password of the environment, when it can be meant for no other."""
    without(monkeypatch, "XNAT_URL")
    configure(far, f'[servers.prod]\nurl = "{far.server.url}"\nuser = "{USER}"\n[defaults]\nproject = "{PROJECT}"\n')

    assert (asked(far)["profile"], asked(far)["default_project"]) == ("prod", PROJECT)
    configure(
        far,
        f'[servers.prod]\nurl = "{far.server.url}"\nuser = "{USER}"\n'
        f'[servers.dev]\nurl = "http://127.0.0.1:1"\nuser = "{USER}"\n',
    )
    ran = far.run("whoami")
    assert ran.code == 2
    assert "dev, prod" in ran.err


def test_a_password_goes_to_no_other_address(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """XNAT_PASS beside XNAT_URL is not sent to the server that XNATSYNC_URL names, nor to a profile of two."""
    monkeypatch.setenv("XNATSYNC_URL", far.server.url)
    mixed = far.run("whoami")
    without(monkeypatch, "XNATSYNC_URL", "XNAT_URL")
    servers = "".join(f'[servers.{name}]\nurl = "{far.server.url}/{name}"\nuser = "{USER}"\n' for name in ("a", "b"))
    configure(far, servers)
    profile = far.run("whoami", "-p", "a")

    assert (mixed.code, profile.code) == (6, 6)
    assert far.server.log == []


def test_what_the_file_says_about_the_same_address_holds_for_the_environment(far: NounWorld) -> None:
    """Its default project, and not that of another server."""
    furnish(far)
    configure(
        far,
        f'[servers.other]\nurl = "http://127.0.0.1:1"\nproject = "OTHER"\n'
        f'[servers.same]\nurl = "{far.server.url}/"\nproject = "{PROJECT}"\n',
    )

    assert asked(far)["default_project"] == PROJECT
    assert len(far.rows("scan", "list", "-E", "MR002")) == 1


def test_a_default_project_hides_no_accession_id(far: NounWorld) -> None:
    """`-E XNAT_E00001` works whatever project is the default; with -P it must be in that project."""
    ids = furnish(far)
    far.ask("PUT", "/data/projects/OTHER")
    configure(far, '[defaults]\nproject = "OTHER"\n')

    assert len(far.rows("scan", "list", "-E", ids["MR001"])) == 2
    assert far.run("scan", "list", "-E", ids["MR001"], "-P", "OTHER").code == 3


@pytest.mark.parametrize("missing", ["XNAT_USER", "XNAT_PASS"])
def test_what_is_missing_in_the_environment_is_named(
    missing: str, far: NounWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody is asked."""
    without(monkeypatch, missing)

    ran = far.run("whoami")

    assert (ran.code, missing in ran.err, far.server.log) == (6, True, [])


def test_an_address_with_a_password_in_it_is_refused_and_not_repeated(
    far: NounWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be in every log."""
    monkeypatch.setenv("XNAT_URL", "https://me:secret@xnat.example.org")

    ran = far.run("whoami")

    assert ran.code == 2
    assert "secret" not in ran.err
