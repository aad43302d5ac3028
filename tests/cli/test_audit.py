"""`audit`: what is missing, what differs, what nobody expected, and for how long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cli_fields import document_faults
from cli_world import Ran
from noun_world import PROJECT, NounWorld, furnish, here
from xnatsync.app.clock import today


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        yield found


def written(far: NounWorld, name: str, text: str) -> str:
    (far.root / name).write_text(text, encoding="utf-8")
    return str(far.root / name)


def audit(far: NounWorld, *words: str) -> Ran:
    return far.run("audit", *words, "-P", PROJECT)


def verdicts(ran: Ran) -> list[tuple[str, str]]:
    return [(part["session"] or part["subject"] or "", part["verdict"]) for part in ran.document["findings"]]


@pytest.mark.parametrize("name", ["state.json", "state.csv"])
def test_what_is_written_now_matches_now(name: str, far: NounWorld) -> None:
    """`--init` and `audit` are each other's inverse."""
    target = str(far.root / name)

    made, ran = audit(far, "--init", target, "-o", "json"), audit(far, target)

    assert (made.code, ran.code) == (0, 0), ran.err
    assert document_faults(made.document) == []
    assert ran.out.splitlines()[1:] == [
        "OK: MR001: 2 scans",
        "OK: MR002: 1 scan",
        "OK: PET001: 1 scan",
        "everything is as expected",
    ]
    assert audit(far, target, "-q").out == ""


def test_a_manifest_is_never_overwritten_unasked(far: NounWorld) -> None:
    """It may be the good state."""
    target = written(far, "good.json", '{"MR001": 12}')

    refused = audit(far, "--init", target)

    assert (refused.code, Path(target).read_text(encoding="utf-8")) == (3, '{"MR001": 12}')
    assert audit(far, "--init", target, "--force").code == 0
    assert json.loads(Path(target).read_text(encoding="utf-8")) == {"MR001": 2, "MR002": 1, "PET001": 1}


def test_every_difference_is_told(far: NounWorld) -> None:
    """Missing, other counts, another subject, and what is not in the manifest; exit code 4."""
    target = written(far, "m.csv", "session,scans,subject\nMR001,12,SUB001\nMR002,1,SUB009\nMR009,3,\n")

    ran = audit(far, target, "-o", "json")

    assert (ran.code, ran.document["exit_code"], ran.document["differences"]) == (4, 4, 4)
    assert document_faults(ran.document) == []
    assert verdicts(ran) == [("MR001", "mismatch"), ("MR002", "mismatch"), ("MR009", "missing"), ("PET001", "extra")]
    assert audit(far, target).out.splitlines()[1:] == [
        "MISMATCH: MR001: 2 scans on the server (expected 12)",
        "MISMATCH: MR002: subject SUB001 on the server (expected SUB009)",
        "MISSING: MR009: not on the server (3 scans expected)",
        "EXTRA: PET001: 1 scan on the server, and not in the manifest",
        "4 differences found",
    ]


def test_further_sessions_may_be_allowed(far: NounWorld) -> None:
    """A project grows."""
    target = written(far, "m.json", '{"MR001": 2}')

    assert audit(far, target).code == 4
    ran = audit(far, target, "--allow-extra")
    assert ran.code == 0
    assert "EXTRA: MR002" in ran.out


def test_a_scan_that_is_gone_is_seen(far: NounWorld) -> None:
    """The count is that of the server, asked in one request."""
    target = str(far.root / "m.json")
    audit(far, "--init", target)
    assert far.ask("DELETE", "/data/experiments/XNAT_E00001/scans/2?removeFiles=true")[0] == 200
    before = len(far.server.log)

    ran = audit(far, target)

    assert ran.code == 4
    asked = [str(entry["path"]) for entry in list(far.server.log)[before:] if entry["method"] == "GET"]
    assert [path for path in asked if "JSESSION" not in path and path != "/data/auth"] == [
        f"/data/projects/{PROJECT}/experiments"
    ]
    assert "MISMATCH: MR001: 1 scan on the server (expected 2)" in ran.out


BROKEN = {
    ("no.json", '{"A": 1,\n "B": 2'): ("no.json:2", "no JSON"),
    ("twice.json", '{"A": 1,\n "B": 2,\n "\\u0041": 3}'): ("twice.json:3", "twice"),
    ("negative.json", '{"A": 1,\n\n "B": -2}'): ("negative.json:3", "whole number"),
    ("text.json", '{"A": "1"}'): ("text.json:1", "whole number"),
    ("truth.json", '{"A": true}'): ("truth.json:1", "whole number"),
    ("half.json", '{"A": 1.5}'): ("half.json:1", "whole number"),
    ("nested.json", '{"A": {"B": 1}}'): ("nested.json:1", "whole number"),
    ("list.json", '["A"]'): ("list.json:1", "no object"),
    ("long.json", '{"A": ' + "9" * 5000 + "}"): ("long.json:1", ""),
    ("deep.json", "[" * 100000): ("deep.json:1", ""),
    ("header.csv", "session,count\nA,1\n"): ("header.csv:1", "count"),
    ("lacks.csv", "session,subject\nA,1\n"): ("lacks.csv:1", "scans"),
    ("semicolon.csv", "session;scans\nA;1\n"): ("semicolon.csv:1", "semicolons"),
    ("negative.csv", "session,scans\nA,1\nB,-1\n"): ("negative.csv:3", "whole number"),
    ("twice.csv", "session,scans\nA,1\n\nA,1\n"): ("twice.csv:4", "twice"),
    ("short.csv", "session,scans,subject\nA,1\n"): ("short.csv:2", "columns"),
    ("quote.csv", 'session,scans\n"A,1\n'): ("quote.csv:", "CSV"),
    ("empty.csv", ""): ("empty.csv:1", "header"),
    ("unnamed.csv", "session,scans\n,1\n"): ("unnamed.csv:2", "label"),
}


@pytest.mark.parametrize("given", BROKEN, ids=lambda given: given[0])
def test_a_broken_manifest_is_named_with_its_line(given: tuple[str, str], far: NounWorld) -> None:
    """And nothing is asked of the server."""
    where, what = BROKEN[given]

    ran = audit(far, written(far, *given))

    text = " ".join(ran.err.split())
    assert ran.code == 2
    assert "[XS-LIST-INVALID]" in text
    assert where in text
    assert what in text
    assert "what to do:" in text
    assert not [entry for entry in list(far.server.log) if entry["method"] == "GET"]


def test_a_manifest_that_is_not_there_or_no_text_is_told(far: NounWorld) -> None:
    """Exit code 2."""
    assert audit(far, str(far.root / "nowhere.json")).code == 2
    (far.root / "latin.csv").write_bytes(b"session,scans\nM\xfcller,1\n")
    assert "latin.csv:2" in " ".join(audit(far, str(far.root / "latin.csv")).err.split())
    assert audit(far).code == 2


def test_the_schedule_the_server_and_the_mirror_are_held_against_each_other(far: NounWorld) -> None:
    """Each gap with its age in days."""
    day = today()
    ago = (day - timedelta(days=3)).isoformat()
    later = (day + timedelta(days=2)).isoformat()
    schedule = written(
        far,
        "s.csv",
        "session,subject,scheduled\n"
        f"MR001,SUB001,{ago}\nMR050,,{ago}\nMR051,,{later}\n,SUB002,2026-03-02\n,SUB003,{ago}\nMR052,,{day.isoformat()}\n",
    )
    for name in (f"{PROJECT}/SUB001/GONE/scans/1/resources/DICOM/files/a.dcm", f"{PROJECT}/SUB002/PET001/session.xml"):
        place = far.root / "tree" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")

    ran = audit(far, "--schedule", schedule, "--mirror", str(far.root / "tree"), "-o", "json")

    assert ran.code == 4
    assert document_faults(ran.document) == []
    found = {(part["session"] or part["subject"], part["verdict"]): part for part in ran.document["findings"]}
    assert set(found) == {
        ("GONE", "not_on_server"),
        ("MR001", "ok"),
        ("MR001", "not_in_mirror"),
        ("MR002", "not_scheduled"),
        ("MR002", "not_in_mirror"),
        ("MR050", "not_on_server"),
        ("MR051", "due"),
        ("MR052", "due"),
        ("PET001", "ok"),
        ("SUB003", "not_on_server"),
    }
    assert (found["MR050", "not_on_server"]["age_days"], found["MR051", "due"]["age_days"]) == (3, -2)
    assert found["MR001", "not_in_mirror"]["age_days"] == 3
    assert found["MR050", "not_on_server"]["text"] == "scheduled, not on the server since 3 days"
    assert ran.document["differences"] == 6


def test_a_project_that_is_as_planned_and_mirrored_is_well(far: NounWorld) -> None:
    """Exit code 0."""
    rows = [("MR001", "SUB001"), ("MR002", "SUB001"), ("PET001", "SUB002")]
    schedule = written(far, "s.csv", "subject,date\n" + "".join(f"{subject},2026-03-02\n" for _, subject in rows))
    for label, subject in rows:
        (far.root / "tree" / PROJECT / subject / label).mkdir(parents=True)
        (far.root / "tree" / PROJECT / subject / label / "session.xml").write_text("x", encoding="utf-8")

    ran = audit(far, "--schedule", schedule, "--mirror", str(far.root / "tree"))

    assert ran.code == 0, ran.out
    assert "everything is as expected" in ran.out


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("session,day\nA,2026-01-01\n", "s.csv:1"),
        ("session\nA\n", "s.csv:1"),
        ("session,date\nA,01/02/2026\n", "s.csv:2"),
        ("session,date\nA,\n", "s.csv:2"),
        ("session,subject,date\n,,2026-01-01\n", "s.csv:2"),
        ("session,date\nA,2026-01-01\nA,2026-01-02\n", "s.csv:3"),
    ],
)
def test_a_broken_schedule_is_named_with_its_line(text: str, where: str, far: NounWorld) -> None:
    """As a manifest is."""
    ran = audit(far, "--schedule", written(far, "s.csv", text))

    assert ran.code == 2
    assert where in " ".join(ran.err.split())


def test_a_mirror_that_is_not_mounted_proves_nothing(far: NounWorld) -> None:
    """Exit code 7, and not a list of everything as missing."""
    assert audit(far, "--mirror", str(far.root / "nowhere")).code == 7
    (far.root / "empty").mkdir()
    folder = far.root / "config" / "xnatsync"
    folder.mkdir(parents=True)
    (folder / "xnatsync.toml").write_text(
        f'[servers.prod]\nurl = "{far.server.url}"\n'
        f'[routes.nightly]\nkind = "mirror"\nserver = "prod"\nproject = "{PROJECT}"\nfolder = "{far.root / "empty"}"\n'
        'sessions = ["MR*"]\n',
        encoding="utf-8",
    )
    unmounted = audit(far, "--mirror", "nightly")
    assert unmounted.code == 7, unmounted.err
    (far.root / "empty" / ".xnatsync").mkdir()
    (far.root / "empty" / ".xnatsync" / "sentinel").write_text("xnatsync tree\n", encoding="utf-8")

    ran = audit(far, "--mirror", "nightly", "-o", "json")

    assert ran.code == 4, ran.err
    assert verdicts(ran) == [("MR001", "not_in_mirror"), ("MR002", "not_in_mirror")]


def test_the_page_says_the_same_and_escapes_what_it_repeats(far: NounWorld) -> None:
    """Labels of a manifest may hold anything."""
    target = written(far, "m.json", '{"<script>alert(1)</script>": 1, "MR001": 2}')
    page = far.root / "report.html"

    ran = audit(far, target, "--html", str(page))

    text = page.read_text(encoding="utf-8")
    assert ran.code == 4
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert text.count("<tr ") == 4
    assert audit(far, target, "--html", str(page)).code == 3


def test_a_project_that_is_hidden_is_no_empty_one(far: NounWorld) -> None:
    """Nothing is said about sessions."""
    ran = far.run("audit", written(far, "m.json", "{}"), "-P", "NOPE", "-o", "json")

    assert ran.code == 3
    assert ran.document["error"]["code"] == "XS-NOT-THERE"
