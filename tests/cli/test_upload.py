"""`session upload`: what is named becomes exactly the session that is named, byte for byte, or nothing of it does."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli_world import REPOSITORY
from noun_world import PASSWORD, PROJECT, USER, NounWorld, here
from xnatsync.app.profile import choose
from xnatsync.app.upload import UploadOrder, UploadReport, upload_to
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.engine.progress import Progress
from xnatsync.sandbox.http.faults import Fault

PATIENT, NAME = "PAT-4711", "Secret^Name"
TO = ("-P", PROJECT, "-S", "SUB01", "-E", "SUB01_MR1")


@pytest.fixture
def plain(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    """An empty project and no configuration file: the environment names the server, and that is all."""
    with here(tmp_path, capsys, monkeypatch) as found:
        found.site.settings.update({"enableSitewideAnonymizationScript": False})  # what is stored is what was sent
        yield found


def study(folder: Path, *, seed: int = 1, patient: str = PATIENT, slices: tuple[int, ...] = (4, 2)) -> list[Path]:
    plans = tuple(SeriesPlan(number, f"series {number}", many) for number, many in enumerate(slices, start=1))
    return make_study(folder, StudyPlan(patient, NAME, "20260302", plans, size=(16, 16)), seed=seed)


def packed(files: list[Path], form: str) -> bytes:
    stream = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(stream, "w") as made:
            for path in files:
                made.write(path, f"deep/{path.parent.name}/{path.name}")
    else:
        with tarfile.open(fileobj=stream, mode="w:gz" if form == "tar.gz" else "w") as made_tar:
            for path in files:
                made_tar.add(path, f"deep/{path.parent.name}/{path.name}")
    return stream.getvalue()


def held(world: NounWorld, label: str = "SUB01_MR1") -> list[bytes]:
    """The content of every DICOM file that the archive gives out for a session, sorted."""
    with httpx.Client(base_url=world.server.url, auth=(USER, PASSWORD), timeout=30) as client:
        found = [one.id for one in world.site.experiments.values() if one.label == label]
        if not found:
            return []
        listed = client.get(f"/data/experiments/{found[0]}/scans/ALL/files?format=json").json()["ResultSet"]["Result"]
        return sorted(client.get(row["URI"]).content for row in listed if row["collection"] == "DICOM")


def contents(files: list[Path]) -> list[bytes]:
    return sorted(path.read_bytes() for path in files)


def imports(world: NounWorld, since: int = 0) -> int:
    return sum(str(entry["path"]).startswith("/data/services/import") for entry in world.server.log[since:])


def writes(world: NounWorld, since: int = 0) -> list[tuple[str, str]]:
    kept = [entry for entry in world.server.log[since:] if entry["path"] != "/data/JSESSION"]
    return [(str(one["method"]), str(one["path"])) for one in kept if one["method"] in {"PUT", "POST", "DELETE"}]


def looks(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Everything below a folder, with size, time and mode."""
    return {
        path.relative_to(folder).as_posix(): (seen.st_size if path.is_file() else 0, seen.st_mtime_ns, seen.st_mode)
        for path in [folder, *folder.rglob("*")]
        if (seen := path.lstat())
    }


def upload(world: NounWorld, *sources: Path, **more: Any) -> UploadReport:
    """The same without the command line, with short waits."""
    order = {"project": PROJECT, "subject": "SUB01", "session": "SUB01_MR1", "quiet_s": 1.0, "patience_s": 20.0} | more
    bugs: list[str] = []
    made = upload_to(choose(None, None), UploadOrder(sources=sources, **order), threading.Event())
    report = made.run(progress=Progress(), on_bug=bugs.append)
    assert bugs == []
    return report


# --- what arrives ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["folder", "file", "zip", "tar", "tar.gz"])
@pytest.mark.parametrize("options", [(), ("--archive-format", "tar"), ("--gradual", "--workers", "16")], ids=str)
def test_every_form_arrives_byte_for_byte(plain: NounWorld, form: str, options: tuple[str, ...]) -> None:
    """In every way of sending: what the archive gives out is what lies here, and there is a receipt of it."""
    files = study(plain.root / "exam")
    (plain.root / "exam" / "read me").write_text("no object")
    source = plain.root / "exam"
    if form == "file":
        source, files = files[0], files[:1]
    elif form != "folder":
        source = plain.root / f"exam.{form}"
        source.write_bytes(packed(files, form))
    before = looks(plain.root / "exam")

    ran = plain.run("session", "upload", str(source), *TO, *options, "-o", "json")

    assert ran.code == 0, ran.err + ran.out
    assert held(plain) == contents(files)
    told = ran.document
    assert (told["status"], told["sent"], told["proven"]) == ("success", len(files), len(files))
    assert len(told["receipts"]) == 1
    assert looks(plain.root / "exam") == before
    assert imports(plain) == (len(files) if "--gradual" in options else len({path.parent for path in files}))
    assert not list((plain.root / "data").rglob("*.dcm"))


def test_names_tell_nothing(plain: NounWorld) -> None:
    """Objects without an ending, with a UID for a name, or with the ending of something else, are objects."""
    files = study(plain.root / "exam")
    named = []
    for number, path in enumerate(files):
        named.append(path.with_name(f"MR.1.2.840.{number}" if number % 2 else f"IM{number}.txt"))
        path.rename(named[-1])

    assert plain.run("session", "upload", str(plain.root / "exam"), *TO).code == 0
    assert held(plain) == contents(named)


def test_left_in_the_prearchive_and_archived_by_the_same_command_without_it(plain: NounWorld) -> None:
    """There it is proven too; what waits is then archived, and not sent a second time."""
    files = study(plain.root / "exam")
    source = str(plain.root / "exam")

    staged = plain.run("session", "upload", source, *TO, "--prearchive", "-o", "json")

    assert staged.code == 0, staged.err + staged.out
    assert staged.document["items"][0]["units"][0]["receipt"]["place"] == "prearchive"
    assert held(plain) == []
    assert [row.status for row in plain.site.prearchive.rows.values()] == ["READY"]
    since = len(plain.server.log)
    archived = plain.run("session", "upload", source, *TO, "-o", "json")
    assert archived.code == 0, archived.err + archived.out
    assert imports(plain, since) == 0
    assert held(plain) == contents(files)
    assert not plain.site.prearchive.rows


def test_files_that_are_listed_arrive_and_nothing_beside_them(plain: NounWorld) -> None:
    """As one session, wherever they lie."""
    files = study(plain.root / "exam")
    chosen = [files[0], files[-1]]

    for transport in ("zip", "gradual"):
        report = upload(plain, *chosen, transport=transport)
        assert report.exit_code == 0, report.run

    assert report.again
    assert held(plain) == contents(chosen)


# --- again -------------------------------------------------------------------------------------------------------


def test_the_same_command_again_sends_nothing_and_says_so(plain: NounWorld) -> None:
    """It looks at the server, writes nothing, and adds no receipt; a new file alone is sent."""
    files = study(plain.root / "exam")
    source = plain.root / "exam"
    first = plain.run("session", "upload", str(source), *TO, "-o", "json").document
    since = len(plain.server.log)

    again = plain.run("session", "upload", str(source), *TO)

    assert again.code == 0
    assert "nothing to send" in again.out
    assert writes(plain, since) == []
    assert len(plain.server.log) > since
    assert plain.run("session", "upload", str(source), *TO, "-o", "json").document["receipts"] == first["receipts"]
    more = study(plain.root / "more", slices=(4, 2, 1))[-1]
    shutil.copy(more, source / "late.dcm")
    late = plain.run("session", "upload", str(source), *TO, "-o", "json")
    assert (late.code, late.document["sent"]) == (0, 1), late.out
    assert held(plain) == contents([*files, more])


def test_what_the_server_has_lost_is_sent_again(plain: NounWorld) -> None:
    """A receipt of yesterday proves nothing of today."""
    files = study(plain.root / "exam")
    assert plain.run("session", "upload", str(plain.root / "exam"), *TO).code == 0
    (session,) = plain.site.experiments
    assert plain.ask("DELETE", f"/data/experiments/{session}?removeFiles=true")[0] == 200
    assert held(plain) == []

    ran = plain.run("session", "upload", str(plain.root / "exam"), *TO, "-o", "json")

    assert ran.code == 0, ran.out + ran.err
    assert ran.document["sent"] == len(files)
    assert held(plain) == contents(files)


@pytest.mark.parametrize("options", [(), ("--gradual",)], ids=str)
def test_killed_in_the_middle_it_goes_on_where_it_was(plain: NounWorld, options: tuple[str, ...]) -> None:
    """A password on its command line is not to be seen by then; the second run sends what was not acknowledged."""
    files = study(plain.root / "exam", slices=(30, 30))
    started: list[subprocess.Popen[str]] = []
    seen: list[bytes] = []

    def kill(_request: object) -> None:
        seen.append(Path(f"/proc/{started[0].pid}/cmdline").read_bytes() if sys.platform == "linux" else b"")
        os.kill(started[0].pid, signal.SIGKILL)

    plain.server.faults.add(Fault("POST", "/services/import", "call", before=kill, after=40 if options else 1))
    words = [sys.executable, "-m", "xnatsync", "session", "upload", str(plain.root / "exam"), *TO, *options]
    account = ["--username", USER, f"--password={PASSWORD}"]
    environment = plain.environment | {"XNAT_PASS": "wrong"}
    with subprocess.Popen(
        [*words, *account], text=True, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE
    ) as one:
        started.append(one)
        assert "warning" in one.communicate(timeout=60)[1]
    assert one.returncode == -signal.SIGKILL
    assert PASSWORD.encode() not in seen[0]
    assert held(plain) == []
    first = imports(plain)
    since = len(plain.server.log)

    report = upload(plain, plain.root / "exam", transport="gradual" if options else "zip")

    assert report.exit_code == 0, report.run
    assert held(plain) == contents(files)
    assert report.sent < len(files)
    assert imports(plain, since) <= (len(files) - first + 1 + 25 * 4 if options else 1)


def test_it_can_be_interrupted_and_goes_on(plain: NounWorld) -> None:
    """Asked to stop, it says the command that goes on, and ends with its own code."""
    files = study(plain.root / "exam")
    stop = threading.Event()
    plain.server.faults.add(Fault("POST", "/services/import", "call", before=lambda _request: stop.set()))
    order = UploadOrder(sources=[plain.root / "exam"], project=PROJECT, subject="SUB01", session="SUB01_MR1", quiet_s=1)

    report = upload_to(choose(None, None), order, stop).run(progress=Progress())

    assert (report.run.interrupted, report.exit_code) == (True, 5)
    assert upload(plain, plain.root / "exam").exit_code == 0
    assert held(plain) == contents(files)


def test_a_file_that_changes_while_it_is_sent_arrives_as_it_is_in_the_end(plain: NounWorld) -> None:
    """What the server holds afterwards is what lies here, and never a mixture of both."""
    files = study(plain.root / "exam", slices=(2, 3))
    other = study(plain.root / "other", slices=(2, 3))

    def change(_request: object) -> None:
        changed = bytearray(other[-1].read_bytes())
        changed[-2:] = b"\x01\x02"
        files[-1].write_bytes(changed)

    plain.server.faults.add(Fault("POST", "/services/import", "call", before=change))

    report = upload(plain, plain.root / "exam")
    while report.exit_code == 5:
        report = upload(plain, plain.root / "exam")

    assert report.exit_code == 0, report.run
    assert held(plain) == contents(files)


def test_a_damaged_upload_is_no_success(plain: NounWorld) -> None:
    """An object that the server lost on its way is missed, and sent once more before anything is archived."""
    files = study(plain.root / "exam")

    def lose(_request: object) -> None:
        (row,) = plain.site.prearchive.rows.values()
        content = plain.site.prearchive.content(row)
        content.forget(next(iter(content.objects)))

    struck = plain.server.faults.add(Fault("POST", "action=build", "call", before=lose))

    ran = plain.run("session", "upload", str(plain.root / "exam"), *TO, "--gradual")

    assert struck.hits == 1
    assert ran.code == 0, ran.out + ran.err
    assert held(plain) == contents(files)
    assert imports(plain) == len(files) + 1


# --- refused before anything is sent -----------------------------------------------------------------------------


def test_several_studies_under_one_label_are_refused_with_their_names(plain: NounWorld) -> None:
    study(plain.root / "exam" / "monday", seed=1)
    study(plain.root / "exam" / "tuesday", seed=2)

    for _ in range(2):
        ran = plain.run("session", "upload", str(plain.root / "exam"), *TO)
        assert ran.code == 3
        assert "monday" in ran.out
        assert "tuesday" in ran.out
        assert len(set(re.findall(r"2\.25\.[0-9]+", ran.out))) == 2
    assert imports(plain) == 0
    shutil.rmtree(plain.root / "exam" / "tuesday")
    assert plain.run("session", "upload", str(plain.root / "exam"), *TO).code == 0


def test_another_study_in_the_session_is_refused(plain: NounWorld) -> None:
    study(plain.root / "one", seed=1)
    study(plain.root / "two", seed=2)
    assert plain.run("session", "upload", str(plain.root / "one"), *TO).code == 0
    before, since = held(plain), len(plain.server.log)

    for overwrite in ("append", "delete", "none"):
        ran = plain.run("session", "upload", str(plain.root / "two"), *TO, "--overwrite", overwrite)
        assert ran.code == 3, ran.out
    assert writes(plain, since) == []
    assert held(plain) == before


def test_a_study_that_has_another_session_is_refused_with_its_name(plain: NounWorld) -> None:
    """A drop would follow it there; who named a session is told."""
    study(plain.root / "exam")
    assert plain.run("session", "upload", str(plain.root / "exam"), *TO).code == 0
    since = len(plain.server.log)

    ran = plain.run("session", "upload", str(plain.root / "exam"), *TO[:-1], "ANOTHER")

    assert ran.code == 3
    assert "SUB01_MR1" in ran.out
    assert writes(plain, since) == []


def test_a_wrong_project_is_told_with_those_near_it(plain: NounWorld) -> None:
    study(plain.root / "exam")
    ran = plain.run("session", "upload", str(plain.root / "exam"), "-P", "NEUROIMAGNIG", *TO[2:])

    assert ran.code == 3
    assert PROJECT in ran.err
    assert writes(plain) == []


@pytest.mark.parametrize(("subject", "session"), [("SUB 01", "E"), ("SUB01", "a.b"), ("SUB01", "")])
def test_a_label_that_xnat_would_change_is_refused(plain: NounWorld, subject: str, session: str) -> None:
    study(plain.root / "exam")
    ran = plain.run("session", "upload", str(plain.root / "exam"), "-P", PROJECT, "-S", subject, "-E", session)

    assert ran.code == 3, ran.err
    assert len(plain.server.log) == 0


def test_nothing_to_send_is_no_success(plain: NounWorld) -> None:
    (plain.root / "exam").mkdir()
    for _ in range(2):
        assert plain.run("session", "upload", str(plain.root / "exam"), *TO).code == 2
    (plain.root / "exam" / "notes.txt").write_text("no object")
    ran = plain.run("session", "upload", str(plain.root / "exam"), *TO)
    assert (ran.code, imports(plain)) == (2, 0)
    assert plain.run("session", "upload", str(plain.root / "absent"), *TO).code != 0


def test_overwrite_none_adds_nothing_to_a_session_that_is_there(plain: NounWorld) -> None:
    files = study(plain.root / "exam")
    part = plain.root / "part"
    part.mkdir()
    shutil.copy(files[0], part / "1.dcm")
    assert plain.run("session", "upload", str(part), *TO, "--overwrite", "none").code == 0
    since = len(plain.server.log)

    refused = plain.run("session", "upload", str(plain.root / "exam"), *TO, "--overwrite", "none")

    assert (refused.code, writes(plain, since)) == (3, [])
    assert plain.run("session", "upload", str(part), *TO, "--overwrite", "none").code == 0
    assert plain.run("session", "upload", str(plain.root / "exam"), *TO, "--overwrite", "delete").code == 0
    assert held(plain) == contents(files)


def test_other_content_under_our_names_is_never_replaced(plain: NounWorld) -> None:
    """Whatever `--overwrite` says: it is held, and the archive stays as it was."""
    files = study(plain.root / "exam", slices=(2,))
    assert plain.run("session", "upload", str(plain.root / "exam"), *TO).code == 0
    before = held(plain)
    changed = files[0].read_bytes()
    files[0].write_bytes(changed + bytes(64))

    ran = plain.run("session", "upload", str(plain.root / "exam"), *TO, "--overwrite", "delete", "--verify", "bytes")

    assert ran.code == 3, ran.out
    assert held(plain) == before


# --- files that are no objects -----------------------------------------------------------------------------------


def test_damaged_objects_are_told_and_what_is_done_is_what_was_asked(plain: NounWorld) -> None:
    """By itself: the rest arrives, and the code says that something did not.  Let be, or nothing at all: as asked."""
    files = study(plain.root / "exam")
    whole = files[:-1]
    files[-1].write_bytes(files[-1].read_bytes()[:-100])
    source = str(plain.root / "exam")

    nothing = plain.run("session", "upload", source, *TO, "--no-ignore-unparsable")
    assert (nothing.code, imports(plain)) == (3, 0)
    assert files[-1].name in nothing.out

    held_back = plain.run("session", "upload", source, *TO)
    assert held_back.code == 3
    assert files[-1].name in held_back.out
    assert held(plain) == contents(whole)

    let_be = plain.run("session", "upload", source, *TO, "--ignore-unparsable", "-o", "json")
    assert let_be.code == 0, let_be.out
    assert [one["path"] for one in let_be.document["items"][-1]["not_delivered"]] == ["02_series_2/0002.dcm"]
    assert held(plain) == contents(whole)


# --- what is said ------------------------------------------------------------------------------------------------


def test_headers_that_say_otherwise_are_told_by_field(plain: NounWorld) -> None:
    """And nothing of what they say is repeated, here or in the ledger's diary."""
    study(plain.root / "exam")
    ran = plain.run("session", "upload", str(plain.root / "exam"), *TO)
    history = plain.run("history", "-o", "json")

    assert ran.code == 0
    assert "PatientID" in ran.out
    assert not re.search(f"{PATIENT}|Secret", ran.out + ran.err + history.out)
    named = plain.run("session", "upload", str(plain.root / "exam"), "-P", PROJECT, "-S", PATIENT, "-E", "OTHER")
    assert "otherwise" not in named.out


def test_the_plan_is_what_is_done(plain: NounWorld) -> None:
    """It changes nothing, and counts what is then sent; a refusal is foreseen."""
    files = study(plain.root / "exam")
    source = str(plain.root / "exam")
    study(plain.root / "two" / "a", seed=3)
    study(plain.root / "two" / "b", seed=4)

    planned = plain.run("session", "upload", source, *TO, "--dry-run", "-o", "json")

    assert (planned.code, writes(plain)) == (0, [])
    assert planned.document["totals"]["send_objects"] == len(files)
    assert plain.run("session", "upload", str(plain.root / "two"), *TO, "--dry-run").code == 3
    assert not (plain.root / "data" / "xnatsync" / "ledger.db").exists()
    assert plain.run("session", "upload", source, *TO).code == 0
    again = plain.run("session", "upload", source, *TO, "--dry-run", "-o", "json").document
    assert (again["already_there"], again["totals"]["send_objects"]) == (True, 0)


def test_status_why_and_verify_speak_of_uploads(plain: NounWorld) -> None:
    """Without a configuration, from the ledger in its usual place; `verify` finds what the server has lost."""
    study(plain.root / "exam")
    study(plain.root / "two" / "a", seed=3)
    study(plain.root / "two" / "b", seed=4)
    assert plain.run("session", "upload", str(plain.root / "exam"), *TO).code == 0
    assert plain.run("session", "upload", str(plain.root / "two"), *TO[:-1], "TWO").code == 3

    status, why = plain.run("status"), plain.run("why", "SUB01_MR1")
    held_words = plain.run("why", str(plain.root / "two"))

    assert (status.code, why.code, held_words.code) == (0, 0, 0)
    assert "upload:" in status.out
    assert "no longer configured" not in status.out
    assert "Receipt 1" in why.out
    assert "session upload" in held_words.out
    assert "xnatsync sync" not in status.out + why.out + held_words.out
    verified = plain.run("verify", "-o", "json")
    assert (verified.code, verified.document["targets"][0]["session"]) == (0, "SUB01_MR1"), verified.out + verified.err
    session = next(one.id for one in plain.site.experiments.values() if one.label == "SUB01_MR1")
    assert plain.ask("DELETE", f"/data/experiments/{session}?removeFiles=true")[0] == 200
    assert plain.run("verify").code == 4
    mended = plain.run("verify", "--repair")
    assert "drop it again" not in mended.out
    (line,) = pasted(mended.out)
    assert (plain.run(*line).code, plain.run("verify").code) == (0, 0), line


def pasted(text: str) -> list[tuple[str, ...]]:
    """The uploads that a text advises, as they are typed."""
    found = re.findall(r"`xnatsync (session upload [^`]*)`", " ".join(text.split()))
    return [tuple(shlex.split(line)) for line in found]


def test_after_a_retry_the_command_is_told(plain: NounWorld) -> None:
    """The same upload, to be pasted; a source that was mended meanwhile arrives by it."""
    study(plain.root / "my exam" / "a", seed=3)
    study(plain.root / "my exam" / "b", seed=4)
    assert plain.run("session", "upload", str(plain.root / "my exam"), *TO).code == 3
    shutil.rmtree(plain.root / "my exam" / "b")

    ran = plain.run("retry", "--all")
    document = plain.run("retry", "1", "-o", "json").document

    assert ran.code == 0, ran.err
    assert "xnatsync sync" not in ran.out
    (line,) = pasted(ran.out)
    assert document["commands"] == [f"xnatsync {shlex.join(line)}"]
    assert plain.run(*line).code == 0


def test_a_source_that_cannot_be_written_to_is_only_read(plain: NounWorld) -> None:
    """No folder of ours, no mark, no time of access that is changed by us."""
    files = study(plain.root / "exam")
    for path in [*(plain.root / "exam").rglob("*"), plain.root / "exam"]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
    before = looks(plain.root / "exam")
    try:
        assert plain.run("session", "upload", str(plain.root / "exam"), *TO).code == 0
        assert looks(plain.root / "exam") == before
    finally:
        for path in [plain.root / "exam", *(plain.root / "exam").rglob("*")]:
            path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o200)
    assert held(plain) == contents(files)


def test_a_configured_server_is_meant_by_its_name_and_its_routes_are_left_alone(plain: NounWorld) -> None:
    """Its ledger is the configuration's; `sync` has nothing to do with uploads."""
    study(plain.root / "exam")
    config = plain.root / "config" / "xnatsync" / "xnatsync.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f'[ledger]\npath = "{plain.root}/mine.db"\n[servers.box]\nurl = "{plain.server.url}"\nuser = "{USER}"\n'
    )
    ran = plain.run("session", "upload", str(plain.root / "exam"), *TO, "-o", "json")

    assert ran.code == 0, ran.err
    assert (ran.document["server"], ran.document["route"].split("/")[0]) == ("box", "upload:box")
    assert (plain.root / "mine.db").exists()
    assert json.loads(plain.run("sync", "-o", "json").out)["items"] == []
