"""One-shot downloads: nothing has its name before it was proven, and nothing that is not ours is overwritten."""

from __future__ import annotations

import errno
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli_fields import document_faults
from cli_world import Ran
from noun_world import PROJECT, NounWorld, content, furnish, here
from xnatsync.disk import locks, staging
from xnatsync.sandbox.http.exchange import Request, Response
from xnatsync.sandbox.http.faults import Fault

IS_ZIP = r"format=zip"


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        yield found


def out(far: NounWorld) -> Path:
    return far.root / "out"


def fetch(far: NounWorld, *more: str, session: str = "XNAT_E00001") -> Ran:
    return far.run("session", "download", "-E", session, "--out", str(out(far)), *more)


def tree(far: NounWorld) -> dict[str, bytes]:
    """Everything that is there under its own name, without what we write for ourselves."""
    top = out(far)
    return {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in sorted(top.rglob("*"))
        if path.is_file() and path.relative_to(top).parts[1:2] != (".xnatsync",)
    }


def waiting(far: NounWorld) -> list[Path]:
    """What waits in staging."""
    return [path for path in out(far).rglob("*") if path.is_file() and "staging" in path.parts]


def zips(far: NounWorld) -> dict[str, bytes]:
    with zipfile.ZipFile(out(far) / "XNAT_E00001" / "scans.zip") as found:
        assert found.testzip() is None
        return {name: found.read(name) for name in found.namelist()}


def asked(far: NounWorld, since: int = 0) -> list[str]:
    return [f"{entry['path']}?{entry['query']}" for entry in list(far.server.log)[since:]]


def corrupt(change: Callable[[bytes], bytes]) -> Callable[[Request, Response], Response | None]:
    """Changes a body on its way, and lets it end as if nothing were wrong."""

    def after(request: Request, answer: Response) -> Response | None:
        body = answer.body if isinstance(answer.body, bytes) else b"".join(_pieces(answer))
        answer.body = change(body)
        answer.headers.pop("Content-Length", None)
        return answer

    return after


def _pieces(answer: Response) -> Iterator[bytes]:
    for piece in answer.body if not hasattr(answer.body, "path") else [answer.body]:  # type: ignore[union-attr]
        yield piece if isinstance(piece, bytes) else Path(piece.path).read_bytes()


def spoil_zips(far: NounWorld, change: Callable[[bytes], bytes], times: int = 99) -> Fault:
    return far.server.faults.add(Fault("GET", IS_ZIP, kind="call", after_call=corrupt(change), times=times))


def without_member(data: bytes, name: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as found, zipfile.ZipFile(made, "w") as kept:
        for info in found.infolist():
            if not info.filename.endswith(name):
                kept.writestr(info, found.read(info))
    return made.getvalue()


def with_member(data: bytes, name: str, body: bytes) -> bytes:
    made = io.BytesIO(data)
    with zipfile.ZipFile(made, "a") as kept:
        kept.writestr(name, body)
    return made.getvalue()


def swapped(data: bytes, name: str) -> bytes:
    """The same size, other bytes, a right CRC: only the digest of the listing tells."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as found, zipfile.ZipFile(made, "w") as kept:
        for info in found.infolist():
            body = found.read(info)
            kept.writestr(info.filename, body[::-1] if info.filename.endswith(name) else body)
    return made.getvalue()


# --- what is promised --------------------------------------------------------------------------------------------


def test_a_session_comes_as_one_zip(far: NounWorld) -> None:
    """With what the server holds, byte for byte."""
    ran = fetch(far)

    assert ran.code == 0, ran.err
    assert list(tree(far)) == ["XNAT_E00001/scans.zip"]
    assert zips(far)["MR001/scans/2/resources/DICOM/files/0001.dcm"] == content("MR001/2/1")
    assert len(zips(far)) == 7


@pytest.mark.parametrize("how", [["--workers", "4"], ["--unzip"], ["--unzip", "--workers", "1"]])
def test_a_session_comes_as_folders(how: list[str], far: NounWorld) -> None:
    """The same layout whatever asked for it, and no zip."""
    ran = fetch(far, *how, "--include-resources", "--name", "S1")

    found = tree(far)
    assert ran.code == 0, ran.err
    assert found["S1/scans/1/resources/DICOM/files/0003.dcm"] == content("MR001/1/3")
    assert found["S1/resources_NIFTI/bids/t1.json"] == b"{}"
    assert len(found) == 10
    assert not [name for name in found if name.endswith(".zip")]


def test_zips_stay_beside_folders_when_asked_for(far: NounWorld) -> None:
    """`--unzip --no-cleanup`, and one fetch of everything."""
    before = len(far.server.log)

    ran = fetch(far, "--unzip", "--no-cleanup", "--include-resources")

    assert ran.code == 0, ran.err
    assert len([path for path in asked(far, before) if "format=zip" in path]) <= 3
    assert zips(far)["MR001/scans/1/resources/DICOM/files/0001.dcm"] == content("MR001/1/1")
    assert "XNAT_E00001/resources_QC.zip" in tree(far)
    assert "XNAT_E00001/resources_QC/report.txt" in tree(far)


@pytest.mark.parametrize("how", [[], ["--unzip"], ["--unzip", "--no-cleanup"], ["--workers", "8"]])
def test_a_second_run_fetches_nothing(how: list[str], far: NounWorld) -> None:
    """And changes no file."""
    fetch(far, *how)
    first, before = tree(far), len(far.server.log)

    ran = fetch(far, *how, "-o", "json")

    assert ran.code == 0
    assert (ran.document["fetched_files"], ran.document["kept_files"]) == (0, 7)
    assert not [path for path in asked(far, before) if "format=zip" in path or "/files/" in path]
    assert tree(far) == first


@pytest.mark.parametrize("how", [[], ["--unzip"]])
def test_what_the_server_replaced_is_fetched_again(how: list[str], far: NounWorld) -> None:
    """The one file, by its digest, though its size is the same; a file that is gone here comes back too."""
    fetch(far, *how)
    far.store("XNAT_E00001", "DICOM", {"0002.dcm": content("another", 3000)}, "1")
    if how:
        (out(far) / "XNAT_E00001/scans/2/resources/DICOM/files/0001.dcm").unlink()

    ran = fetch(far, *how, "-o", "json")

    assert ran.code == 0, ran.err
    assert ran.document["fetched_files"] == (2 if how else 7)
    found = tree(far) if how else {f"XNAT_E00001{name.removeprefix('MR001')}": body for name, body in zips(far).items()}
    assert found["XNAT_E00001/scans/1/resources/DICOM/files/0002.dcm"] == content("another", 3000)
    assert found["XNAT_E00001/scans/2/resources/DICOM/files/0001.dcm"] == content("MR001/2/1")


def test_a_dry_run_tells_and_writes_nothing(far: NounWorld) -> None:
    """Counts and bytes, also of what a second run would still need."""
    ran = fetch(far, "--dry-run", "--unzip", "-o", "json")

    assert (ran.code, ran.document["fetched_files"], ran.document["fetched_bytes"]) == (0, 7, 21000)
    assert not out(far).exists()
    text = " ".join(far.stable(fetch(far, "--dry-run").out).split())
    assert "+ would be fetched to ROOT/out/XNAT_E00001: 7 files, 21.0 kB" in text


def test_scans_are_chosen_by_number_and_label(far: NounWorld) -> None:
    """`-s 1,2`, `-s '*'`, `--resource`."""
    place = ["--out", str(out(far)), "--unzip"]
    some = far.run("scan", "download", "-E", "XNAT_E00001", "-s", "1", "--resource", "NIFTI", *place)
    assert some.code == 0, some.err
    assert list(tree(far)) == ["XNAT_E00001/scans/1/resources/NIFTI/files/t1.nii.gz"]
    every = far.run("scan", "download", "-P", PROJECT, "-E", "MR001", "-s", "*", *place)

    assert every.code == 0, every.err
    assert len([name for name in tree(far) if name.startswith("MR001/")]) == 7


def test_a_resource_is_the_zip_that_was_named(far: NounWorld) -> None:
    """Of the session, and of a scan under the same label."""
    for more, inside in ([], "MR001/resources/NIFTI/files/"), (["--scan", "1"], "MR001/scans/1/resources/NIFTI/files/"):
        target = far.root / f"n{len(more)}.zip"
        ran = far.run("resource", "download", "XNAT_E00001", "NIFTI", "--file", str(target), *more)
        assert ran.code == 0, ran.err
        with zipfile.ZipFile(target) as found:
            assert {name for name in found.namelist() if name.startswith(inside)} == {*found.namelist()}
            assert f"{inside}t1.nii.gz" in found.namelist()


@pytest.mark.parametrize("command", ["session", "scan", "resource"])
def test_the_document_is_the_one_described(command: str, far: NounWorld) -> None:
    """For each of the three."""
    words = {
        "session": ["session", "download", "-E", "XNAT_E00001", "--out", str(out(far))],
        "scan": ["scan", "download", "-E", "XNAT_E00001", "-s", "1", "--out", str(out(far))],
        "resource": ["resource", "download", "XNAT_E00001", "QC", "--file", str(far.root / "q.zip")],
    }[command]

    ran = far.run(*words, "-o", "json")

    assert (ran.code, ran.document["schema"]) == (0, f"xnatsync/{command}-download/1"), ran.err
    assert document_faults(ran.document) == []


def test_people_are_told_what_came(far: NounWorld) -> None:
    """Golden output, without the time it took."""
    text = " ".join(far.stable(fetch(far).out).split())

    assert re.fullmatch(
        r"MR001 \(XNAT_E00001\): 2 scans, 7 files, 21\.0 kB \+ fetched in \d+ s: 7 files, 21\.0 kB "
        r"in ROOT/out/XNAT_E00001/scans\.zip",
        text,
    )


# --- what is not ours --------------------------------------------------------------------------------------------


def test_an_edited_file_is_left_as_it_is(far: NounWorld) -> None:
    """The rest comes, the file is named, and --force overwrites it."""
    fetch(far, "--unzip")
    edited = out(far) / "XNAT_E00001/scans/1/resources/DICOM/files/0001.dcm"
    edited.write_bytes(b"my own work")
    (out(far) / "XNAT_E00001/scans/1/resources/DICOM/files/0002.dcm").unlink()

    ran = fetch(far, "--unzip", "-o", "json")

    assert ran.code == 3
    assert [error["code"] for error in ran.document["errors"]] == ["XS-TREE-FOREIGN"]
    assert str(edited) in ran.document["errors"][0]["message"]
    assert edited.read_bytes() == b"my own work"
    assert (ran.document["fetched_files"], ran.document["kept_files"]) == (1, 5)
    assert fetch(far, "--unzip", "--force").code == 0
    assert edited.read_bytes() == content("MR001/1/1")


def test_a_foreign_file_of_the_same_content_is_welcome(far: NounWorld) -> None:
    """Say, downloaded with another program: nothing is fetched for it."""
    there = out(far) / "XNAT_E00001/scans/1/resources/DICOM/files/0001.dcm"
    there.parent.mkdir(parents=True)
    there.write_bytes(content("MR001/1/1"))

    ran = fetch(far, "--unzip", "-o", "json")

    assert (ran.code, ran.document["fetched_files"], ran.document["kept_files"]) == (0, 6, 1)


def test_a_foreign_zip_is_left_as_it_is(far: NounWorld) -> None:
    """And so is one of ours that somebody added to."""
    target = out(far) / "XNAT_E00001" / "scans.zip"
    target.parent.mkdir(parents=True)
    with zipfile.ZipFile(target, "w") as mine:
        mine.writestr("thesis.txt", "mine")
    before = target.read_bytes()

    ran = fetch(far)
    assert (ran.code, target.read_bytes()) == (3, before)
    assert "[XS-PLACE-TAKEN]" in ran.err
    assert fetch(far, "--force").code == 0
    with zipfile.ZipFile(target, "a") as mine:
        mine.writestr("thesis.txt", "mine")
    assert fetch(far).code == 3


def test_the_tree_of_a_mirror_is_not_written_to(far: NounWorld) -> None:
    """Its mark says whose it is."""
    own = out(far) / "XNAT_E00001" / ".xnatsync"
    own.mkdir(parents=True)
    (own / "sentinel").write_text("xnatsync tree\n", encoding="utf-8")

    ran = fetch(far, "--unzip")

    assert (ran.code, tree(far)) == (3, {})
    assert "belongs to a mirror" in " ".join(ran.err.split())


def test_a_link_leads_nowhere_out(far: NounWorld) -> None:
    """A folder that is a link is not followed."""
    elsewhere = far.root / "elsewhere"
    elsewhere.mkdir()
    (out(far) / "XNAT_E00001").mkdir(parents=True)
    (out(far) / "XNAT_E00001" / "scans").symlink_to(elsewhere)

    ran = fetch(far, "--unzip")

    assert ran.code != 0
    assert list(elsewhere.iterdir()) == []


# --- what comes damaged ------------------------------------------------------------------------------------------

ENDS_EARLY = {
    "cut with a clean end": lambda data: data[: len(data) // 2],
    "cut in the first header": lambda data: data[:20],
    "a bit flipped": lambda data: data[:400] + bytes([data[400] ^ 1]) + data[401:],
    "a page": lambda data: b"<html><body>Please log in</body></html>",
    "nothing": lambda data: b"",
}


@pytest.mark.parametrize("how", [[], ["--unzip"], ["--workers", "4"]], ids=["zip", "folders", "workers"])
@pytest.mark.parametrize("damage", ENDS_EARLY)
def test_a_damaged_answer_never_becomes_a_file(damage: str, how: list[str], far: NounWorld) -> None:
    """Neither from a zip nor alone: what has its name is whole, the program fails, and the next run completes."""
    spoil_zips(far, ENDS_EARLY[damage])
    single = Fault("GET", "/files/.", kind="call", after_call=corrupt(ENDS_EARLY[damage]), times=999)
    fault = far.server.faults.add(single)

    ran = fetch(far, *how)

    assert fault.hits
    found = tree(far)
    assert ran.code != 0, ran.out
    assert "XNAT_E00001/scans.zip" not in found
    for name, body in found.items():
        parts = name.split("/")
        dicom = parts[4] == "DICOM"
        assert body == (content(f"MR001/{parts[2]}/{int(parts[6][:4])}") if dicom else content("scan nifti"))
    far.server.faults.clear()
    assert fetch(far, *how).code == 0
    assert len(zips(far) if not how else tree(far)) == 7


def test_a_damage_that_passes_is_got_over(far: NounWorld) -> None:
    """The next try brings the rest."""
    spoil_zips(far, lambda data: data[: len(data) // 2], times=1)

    ran = fetch(far, "--unzip")

    assert ran.code == 0, ran.err
    assert "trying again" in ran.err
    assert len(tree(far)) == 7


@pytest.mark.parametrize("how", [[], ["--unzip"]], ids=["zip", "folders"])
def test_a_member_that_is_missing_in_the_zip_is_fetched_by_itself(how: list[str], far: NounWorld) -> None:
    """Or the program fails: silence is no answer."""
    spoil_zips(far, lambda data: without_member(data, "0002.dcm"))
    assert fetch(far, *how).code == 0
    assert len(zips(far) if not how else tree(far)) == 7

    far.server.faults.add(Fault("GET", r"/files/0002\.dcm", kind="status", status=404, times=99))
    ran = fetch(far, *how, "--name", "AGAIN", "-o", "json")

    assert ran.code == 3
    assert {error["code"] for error in ran.document["errors"]} == {"XS-NOT-THERE"}
    found = {name for name in tree(far) if name.startswith("AGAIN/")}
    assert len(found) == (5 if how else 0)


@pytest.mark.parametrize("how", [[], ["--unzip"]], ids=["zip", "folders"])
def test_a_member_of_other_content_is_thrown_away(how: list[str], far: NounWorld) -> None:
    """Right size, right CRC, wrong digest: it is fetched again alone, and when it stays wrong it is told."""
    spoil_zips(far, lambda data: swapped(data, "0001.dcm"))
    assert fetch(far, *how).code == 0
    found = zips(far) if not how else tree(far)
    assert {body for name, body in found.items() if name.endswith("scans/1/resources/DICOM/files/0001.dcm")} == {
        content("MR001/1/1")
    }

    far.server.faults.add(
        Fault("GET", r"/files/0001\.dcm", kind="call", after_call=corrupt(lambda data: data[::-1]), times=99)
    )
    ran = fetch(far, *how, "--name", "AGAIN", "-o", "json")

    assert ran.code == 5
    assert {error["code"] for error in ran.document["errors"]} == {"XS-CONTENT-DIFFERS"}
    assert not [name for name in tree(far) if name.startswith("AGAIN/") and name.endswith("0001.dcm")]


@pytest.mark.parametrize("name", ["../../evil.txt", "/evil.txt", "MR001/scans/1/resources/DICOM/files/../../../../x"])
def test_a_zip_that_climbs_out_writes_nothing_there(name: str, far: NounWorld) -> None:
    """What the server did not list is never written, wherever its name leads."""
    spoil_zips(far, lambda data: with_member(data, name, b"evil"))

    ran = fetch(far, "--unzip")

    assert not [path for path in far.root.rglob("*") if path.is_file() and path.read_bytes() == b"evil"]
    assert len(tree(far)) in {0, 7}
    assert (ran.code == 0) == (len(tree(far)) == 7)


def test_zips_that_are_always_cut_are_done_without(far: NounWorld) -> None:
    """A proxy that ends long answers does not keep files from coming one by one."""
    fault = far.server.faults.add(Fault("GET", IS_ZIP, kind="cut_response", times=99))

    ran = fetch(far, "--unzip")

    assert fault.hits
    assert ran.code == 0, ran.err
    assert len(tree(far)) == 7


def test_a_file_that_was_cut_is_gone_on_with(far: NounWorld) -> None:
    """By the same run, and by the next one: only what is missing comes."""
    session = far.session("MR009", scans=1)
    big = content("big", 400_000)
    far.store(session, "RAW", {"big.bin": big}, scan="1")
    far.server.faults.add(Fault("GET", "/files/big.bin", kind="cut_response", bytes=100_000, times=3))

    first = fetch(far, "--unzip", session=session)
    since = len(far.server.log)
    second = fetch(far, "--unzip", session=session)

    assert (first.code, second.code) == (5, 0), (first.err, second.err)
    (rest,) = [entry for entry in far.server.log[since:] if str(entry["path"]).endswith("big.bin")]
    assert rest["status"] == 206
    assert 0 < int(str(rest["bytes_out"])) <= 110_000
    assert list(tree(far).values()) == [big]
    assert waiting(far) == []


def test_what_is_left_of_a_file_is_not_gone_on_with_when_it_changed(far: NounWorld) -> None:
    """Parts of two versions are never put together, though the size is the same."""
    session = far.session("MR009", scans=1)
    big = content("big", 400_000)
    far.store(session, "RAW", {"big.bin": big}, scan="1")
    far.server.faults.add(Fault("GET", "/files/big.bin", kind="cut_response", bytes=100_000, times=3))
    assert fetch(far, "--unzip", session=session).code == 5
    assert len(waiting(far)) == 1
    far.store(session, "RAW", {"big.bin": big[::-1]}, scan="1")

    ran = fetch(far, "--unzip", session=session)

    assert ran.code == 0, ran.err
    assert list(tree(far).values()) == [big[::-1]]
    assert waiting(far) == []


def test_two_runs_at_once_keep_out_of_each_others_way(far: NounWorld) -> None:
    """What waits in staging is the other's; both end well."""
    own = out(far) / "XNAT_E00001" / ".xnatsync"
    (own / "staging").mkdir(parents=True)
    other = own / "staging" / "download-0123"
    other.write_bytes(b"being written")

    with locks.alone_in(own.parent, "download") as alone:
        assert alone
        ran = fetch(far, "--unzip")

    assert ran.code == 0, ran.err
    assert len(tree(far)) == 7
    assert [path.name for path in waiting(far)] == ["download-0123"]
    other.unlink()
    (out(far) / "XNAT_E00001" / next(iter(tree(far))).partition("/")[2]).unlink()
    assert fetch(far, "--unzip").code == 0
    assert len(tree(far)) == 7


def test_a_connection_that_is_always_cut_is_told(far: NounWorld) -> None:
    """After some tries; exit code 5."""
    far.server.faults.add(Fault("GET", f"{IS_ZIP}|/files/.", kind="cut_response", bytes=100, times=999))

    ran = fetch(far, "--unzip")

    assert ran.code == 5
    assert "[XS-READ-FAILED]" in ran.err
    assert {len(body) for body in tree(far).values()} <= {3000}


@pytest.mark.parametrize("how", [[], ["--unzip"]], ids=["zip", "folders"])
def test_a_full_disk_is_told_and_leaves_no_part(
    how: list[str], far: NounWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5; the next run goes on."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        if how:
            patched.setattr(staging, "_put", full)
        else:
            patched.setattr(zipfile._ZipWriteFile, "write", full)  # type: ignore[attr-defined]
        ran = fetch(far, *how)

    assert ran.code == 5
    assert "[XS-DISK-FULL]" in ran.err
    assert tree(far) == {}
    assert list(out(far).rglob("*.part")) == []
    assert fetch(far, *how).code == 0


# --- what is not there -------------------------------------------------------------------------------------------

ABSENT = {
    "a session": ["session", "download", "-E", "XNAT_E99999"],
    "a label without -P": ["session", "download", "-E", "MR001"],
    "a label of another project": ["session", "download", "-E", "MR001", "-P", "NOPE"],
    "a scan": ["scan", "download", "-E", "XNAT_E00001", "-s", "1,9"],
    "a resource of scans": ["scan", "download", "-E", "XNAT_E00001", "-s", "*", "--resource", "NOPE"],
}


@pytest.mark.parametrize("what", ABSENT)
def test_what_is_not_there_is_an_error_and_makes_no_folder(what: str, far: NounWorld) -> None:
    """A misspelt name is no empty success."""
    ran = far.run(*ABSENT[what], "--out", str(out(far)))

    assert ran.code == 3
    assert "[XS-NOT-THERE]" in ran.err
    assert not out(far).exists()


def test_a_resource_that_is_not_there_makes_no_zip(far: NounWorld) -> None:
    """Nor does a folder that is named as the zip."""
    target = far.root / "n.zip"

    assert far.run("resource", "download", "XNAT_E00001", "NOPE", "--file", str(target)).code == 3
    assert far.run("resource", "download", "XNAT_E00001", "QC", "--scan", "9", "--file", str(target)).code == 3
    assert not target.exists()
    assert far.run("resource", "download", "XNAT_E00001", "QC", "--file", str(far.root)).code == 2


@pytest.mark.parametrize("name", ["a/b", "..", "a\\b"])
def test_a_name_that_leads_elsewhere_is_refused(name: str, far: NounWorld) -> None:
    """The session's folder lies in --out."""
    assert fetch(far, "--name", name).code == 2


def test_a_wrong_password_writes_nothing(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 6."""
    monkeypatch.setenv("XNAT_PASS", "wrong")

    assert fetch(far).code == 6
    assert not out(far).exists()


def test_a_session_without_files_says_so(far: NounWorld) -> None:
    """It is no error, and no empty zip is made."""
    empty = far.session("EMPTY", scans=1)

    ran = fetch(far, session=empty)

    assert ran.code == 0, ran.err
    assert "there is nothing to download" in ran.out
    assert not out(far).exists()


WAYS: dict[str, Callable[[Path], None]] = {
    "a link for a folder": lambda place: place.symlink_to(place.parent.parent),
    "a file for a folder": lambda place: place.write_bytes(b"mine") and None,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", ["scans/1", "scans/1/resources/DICOM/files", "scans/2/resources"])
def test_what_is_in_the_way_of_some_keeps_nothing_else_away(way: str, where: str, far: NounWorld) -> None:
    """It stays, each file that it keeps from its place is named, and everything else is fetched."""
    place = out(far) / "XNAT_E00001" / where
    place.parent.mkdir(parents=True)
    WAYS[way](place)

    ran = fetch(far, "--unzip", "-o", "json")

    blocked = len(ran.document["errors"])
    assert (ran.code, {error["code"] for error in ran.document["errors"]}) == (3, {"XS-TREE-FOREIGN"})
    assert ran.document["fetched_files"] == 7 - blocked
    assert place.is_symlink() or place.read_bytes() == b"mine"
    place.unlink()
    again = fetch(far, "--unzip", "-o", "json")
    assert (again.code, again.document["fetched_files"]) == (0, blocked)


def test_a_folder_at_the_place_of_a_zip_is_never_replaced(far: NounWorld) -> None:
    """Not even by force; and what is said of it is true."""
    place = out(far) / "XNAT_E00001" / "scans.zip"
    place.mkdir(parents=True)
    (place / "mine").write_bytes(b"mine")

    ran = fetch(far, "--force")

    assert (ran.code, "[XS-PLACE-TAKEN]" in ran.err, "is replaced" in ran.err) == (3, True, False), ran.err
    assert (place / "mine").read_bytes() == b"mine"
