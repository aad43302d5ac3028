"""Whatever goes wrong on the way, nothing partial or wrong ever has a final name, and all is well once it is over.

Faults are struck at the sandbox, on a real socket, and a watcher looks at the tree all the while.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from mirror_world import OURS, Hurried, HurriedApp, MirrorWorld, some_bytes
from ports_between import app_between
from xnatsync.core.errors import DiskFull, DiskUnwell, XnatsyncError
from xnatsync.core.hold import Hold
from xnatsync.core.retry import TRIES_MAX
from xnatsync.ledger.open import open_ledger
from xnatsync.sandbox.http.exchange import Response

SCAN = "P1/S1/S1_MR/scans/{scan}/resources/NIFTI/files/{name}"
LOGIN = b'<!DOCTYPE html><html><head><title>XNAT</title></head><body><form name="form1" id="login">Log in</form></html>'


@pytest.fixture
def damaged(world: MirrorWorld) -> MirrorWorld:
    """A session that was not pulled yet, and time that goes fast."""
    world.make_app = HurriedApp
    world.number = world.session_with()
    world.fill(world.number, files=5)
    return world


def held(world: MirrorWorld, *, scans: int = 2, files: int = 5) -> dict[str, bytes]:
    """What the tree shows of the session once all is well."""
    return {
        SCAN.format(scan=scan, name=f"{number}.nii"): some_bytes(f"{world.number}/{scan}/{number}", 100)
        for scan in range(1, scans + 1)
        for number in range(1, files + 1)
    }


def codes(report: Any) -> set[str]:
    """Every code that a report tells."""
    found = {trouble.code for trouble in report.troubles} | {error.code for error in report.errors}
    return found | {row.code for row in report.held}


@contextmanager
def watched(world: MirrorWorld, allowed: dict[str, bytes]) -> Iterator[list[str]]:
    """Looks at the tree all the while; what is seen there and is not allowed makes the test fail."""
    seen: list[str] = []
    end = threading.Event()

    def look() -> None:
        while not end.wait(0.002):
            seen.extend(wrong(world, allowed))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        end.set()
        watcher.join()
    assert seen + wrong(world, allowed) == []


def wrong(world: MirrorWorld, allowed: dict[str, bytes]) -> list[str]:
    """The files under final names that are not what they should be."""
    found = []
    for path in world.tree.rglob("*"):
        name = path.relative_to(world.tree).as_posix()
        if name.startswith(OURS) or name.endswith(".xml") or not path.is_file():
            continue
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        if allowed.get(name) != content:
            found.append(f"{name}: {content[:40]!r}")
    return found


def ends_well(world: MirrorWorld, expected: dict[str, bytes]) -> None:
    """The next run brings the rest, and the one after it finds nothing to do."""
    world.server.faults.clear()
    Hurried.gone_s += 86400.0
    report = world.mirror(patience_s=60.0)
    assert (report.exit_code, report.errors) == (0, ()), report
    assert world.files() == expected
    again = world.mirror()
    assert (again.exit_code, dict(again.counts)) == (0, {})
    assert [path.name for path in (world.tree / OURS / "staging").rglob("*") if path.is_file()] == []


# --- transfers -----------------------------------------------------------------------------------------------------


def joined(response: Response) -> bytes:
    """The whole body of an answer."""
    body: Any = response.body
    if isinstance(body, bytes):
        return body
    pieces = [body] if not hasattr(body, "__iter__") else body
    out = b""
    for piece in pieces:
        out += piece if isinstance(piece, bytes) else part_of(piece)
    return out


def part_of(body: Any) -> bytes:
    with open(body.path, "rb") as file:
        file.seek(body.offset)
        return file.read(body.length)


def rezipped(change: Callable[[dict[zipfile.ZipInfo, bytes]], dict[Any, bytes]]) -> Callable[[Any, Any], Response]:
    """Answers with the zip that was asked for, after a change of its members."""

    def call(_request: Any, response: Response) -> Response:
        with zipfile.ZipFile(io.BytesIO(joined(response))) as archive:
            members = {info: archive.read(info) for info in archive.infolist()}
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w") as archive:
            for info, content in change(members).items():
                archive.writestr(info, content)
        return Response(200, {"Content-Type": "application/zip"}, sink.getvalue())

    return call


def truncated(response: Response, share: float) -> Response:
    body = joined(response)
    return Response(200, {"Content-Type": "application/zip"}, iter([body[: int(len(body) * share)]]))


def without_one(members: dict[zipfile.ZipInfo, bytes]) -> dict[Any, bytes]:
    return dict(list(members.items())[1:])


def swapped(members: dict[zipfile.ZipInfo, bytes]) -> dict[Any, bytes]:
    (one, first), (other, second), *rest = members.items()
    return {one: second, other: first, **dict(rest)}


def climbing(members: dict[zipfile.ZipInfo, bytes]) -> dict[Any, bytes]:
    return {**members, zipfile.ZipInfo("S1_MR/scans/1-T1/resources/NIFTI/files/../../../../../../../evil"): b"evil"}


def rooted(members: dict[zipfile.ZipInfo, bytes]) -> dict[Any, bytes]:
    return {**members, zipfile.ZipInfo("/tmp/evil"): b"evil"}


def linked(members: dict[zipfile.ZipInfo, bytes]) -> dict[Any, bytes]:
    (one, _), *rest = members.items()
    link = zipfile.ZipInfo(one.filename)
    link.create_system, link.external_attr = 3, 0o120777 << 16
    return {link: b"/etc/passwd", **dict(rest)}


def twice(members: dict[zipfile.ZipInfo, bytes]) -> dict[Any, bytes]:
    (one, first), *_ = members.items()
    return {**members, zipfile.ZipInfo(one.filename): first[::-1]}


ZIPS: dict[str, Callable[[Any, Response], Response | None]] = {
    "half of it, ended cleanly": lambda _, response: truncated(response, 0.5),
    "no directory, ended cleanly": lambda _, response: truncated(response, 0.7),
    "nothing at all": lambda _, response: Response(200, {"Content-Type": "application/zip"}, b""),
    "a login page": lambda _, response: Response(200, {"Content-Type": "text/html"}, LOGIN),
    "a login page that says it is a zip": lambda _, response: Response(200, {"Content-Type": "application/zip"}, LOGIN),
    "a member is missing": rezipped(without_one),
    "contents are swapped": rezipped(swapped),
    "a name that climbs": rezipped(climbing),
    "a name at the root": rezipped(rooted),
    "a link": rezipped(linked),
    "a name twice": rezipped(twice),
}


@pytest.mark.parametrize("what", sorted(ZIPS))
def test_a_zip_that_is_not_what_was_asked_for(damaged: MirrorWorld, what: str) -> None:
    """Every time for a while, then right."""
    fault = damaged.fault("GET", "/files.*format=zip", "call", after_call=ZIPS[what], times=99)

    with watched(damaged, held(damaged)):
        report = damaged.mirror(patience_s=60.0)

    assert fault.hits > 0
    assert not (damaged.tree.parent / "evil").exists()
    assert report.exit_code in {0, 5}, report  # 0: what came whole was kept, and the rest came in other ways
    assert (report.exit_code == 0) == (damaged.files() == held(damaged))
    assert (report.exit_code == 0) == (not codes(report)), report
    assert codes(report) <= {"XS-READ-FAILED", "XS-REPLY-STRANGE", "XS-CONTENT-DIFFERS", "XS-AUTH-LOST"}, report
    ends_well(damaged, held(damaged))


@pytest.mark.parametrize("what", sorted(ZIPS))
def test_a_zip_that_is_wrong_once_is_asked_for_again(damaged: MirrorWorld, what: str) -> None:
    """The same run ends well."""
    damaged.fault("GET", "/files.*format=zip", "call", after_call=ZIPS[what])

    with watched(damaged, held(damaged)):
        report = damaged.mirror(patience_s=60.0)

    assert report.exit_code == 0, report
    ends_well(damaged, held(damaged))


def test_zips_that_always_break_are_done_without(damaged: MirrorWorld) -> None:
    """A server that cannot send one file of a zip, or a proxy that ends long answers, keeps no file from coming."""
    damaged.make_app = HurriedApp
    fault = damaged.fault("GET", "/files.*format=zip", "cut_response", times=99)

    for _ in range(3):
        with watched(damaged, held(damaged)):
            report = damaged.mirror(patience_s=0.0)
        Hurried.gone_s += 86400.0

    assert 1 <= fault.hits <= 2  # what came before a cut is kept: few that are left come alone at once
    assert report.exit_code == 0, report
    assert damaged.files() == held(damaged)


CONNECTIONS: dict[str, dict[str, Any]] = {
    "cut in the middle": {"kind": "cut_response"},
    "cut after some bytes": {"kind": "cut_response", "bytes": 700},
    "no answer": {"kind": "lost_reply"},
    "busy": {"kind": "status", "status": 503, "headers": {"Retry-After": "7"}},
    "broken": {"kind": "status", "status": 500},
    "a gateway": {"kind": "status", "status": 502},
    "a login page": {"kind": "login_page"},
    "not logged in": {"kind": "status", "status": 401},
}
REQUESTS = {
    "the zip": "/files.*format=zip",
    "the list of files": "/files(?!.*format=zip)",
    "the project": r"/data/projects/P1\?",
    "the sessions": r"/data/experiments\?",
    "the metadata": "format=xml",
}


@pytest.mark.parametrize("where", sorted(REQUESTS))
@pytest.mark.parametrize("what", sorted(CONNECTIONS))
def test_a_connection_that_fails(damaged: MirrorWorld, what: str, where: str) -> None:
    """Once is mended by the run or by the next one; nothing is ever half there."""
    fault = damaged.fault("GET", REQUESTS[where], **CONNECTIONS[what], times=1)

    with watched(damaged, held(damaged)):
        report = damaged.mirror(patience_s=60.0)

    assert fault.hits == 1
    assert report.exit_code in {0, 5, 6}, report
    assert (report.exit_code == 0) == (not codes(report)), report
    ends_well(damaged, held(damaged))


def entry_of(world: MirrorWorld, scan: str = "1", name: str = "1.nii") -> Any:
    """What the server's own catalogue says of a file."""
    return world.site.experiments[world.number].scans[scan].resources["NIFTI"].entries[name]


def test_a_catalogue_whose_digest_is_not_that_of_the_bytes(damaged: MirrorWorld) -> None:
    """That file never comes, all others do; a person is asked in the end, and it goes on once it is mended."""
    entry = entry_of(damaged)
    right, entry.digest = entry.digest, hashlib.md5(b"another").hexdigest()
    expected = held(damaged)
    others = {path: content for path, content in expected.items() if path != SCAN.format(scan=1, name="1.nii")}

    with watched(damaged, others):
        report = damaged.mirror(patience_s=60.0)

    assert (report.exit_code, codes(report)) == (5, {"XS-CONTENT-DIFFERS"})
    assert damaged.files() == others
    for _ in range(12):
        Hurried.gone_s += 86400.0 * 2
        report = damaged.mirror(patience_s=1.0)
    assert (report.exit_code, codes(report)) == (3, {"XS-CONTENT-DIFFERS"})
    assert damaged.files() == others
    entry.digest = right
    ends_well(damaged, expected)


@pytest.mark.parametrize("zero", [False, True])
def test_an_empty_file_and_one_without_a_digest(damaged: MirrorWorld, zero: bool) -> None:
    """Nothing to compare but the size, and sometimes nothing at all."""
    name = SCAN.format(scan=1, name="1.nii")
    if zero:
        entry = entry_of(damaged)
        (path,) = [p for p in (damaged.root / "site").rglob("1.nii") if p.read_bytes() == held(damaged)[name]]
        path.write_bytes(b"")
        entry.size, entry.digest = 0, ""
    else:
        entry_of(damaged).digest = ""

    ends_well(damaged, held(damaged) | ({name: b""} if zero else {}))


# --- big files -----------------------------------------------------------------------------------------------------


BIG = 200_000


def big(world: MirrorWorld) -> str:
    """A session with one big file, and a mirror that fetches it alone."""
    world.configure(big_file="10kB", policy="replica")
    world.number = world.session_with(scans=1)
    where = f"experiments/{world.number}/scans/1/resources/NIFTI/files/big.nii"
    world.upload(where, some_bytes("big", BIG))
    return where


@pytest.mark.parametrize("changed", [False, True])
def test_a_big_file_that_was_cut_is_gone_on_with_unless_it_changed(world: MirrorWorld, changed: bool) -> None:
    """Only what is missing comes; but parts of two versions are never put together."""
    world.make_app = HurriedApp
    where = big(world)
    asked: list[str] = []

    def note(request: Any) -> None:
        if request.method == "GET":
            asked.append(request.headers.get("range", ""))

    world.fault("GET", "big.nii", "call", before=note, times=99)
    world.fault("GET", "big.nii", "cut_response", bytes=150_000)
    name = SCAN.format(scan=1, name="big.nii")

    with watched(world, {}):
        report = world.mirror(patience_s=0.0)
    assert (report.exit_code, codes(report)) == (5, {"XS-READ-FAILED"})
    content = some_bytes("big", BIG)
    if changed:
        content = some_bytes("other", BIG)
        world.upload(where, content, overwrite=True)
    Hurried.gone_s += 86400.0
    with watched(world, {name: content}):
        report = world.mirror(patience_s=60.0)

    assert (report.exit_code, world.files()) == (0, {name: content})
    assert asked[0] == ""
    if changed:
        assert asked[1] == ""
    else:
        assert asked[1].startswith("bytes=")
        assert 0 < int(asked[1].removeprefix("bytes=").rstrip("-")) <= 150_000
    ends_well(world, {name: content})


def test_a_big_file_that_changes_between_the_listing_and_the_rest_of_it(world: MirrorWorld) -> None:
    """The digest of the two parts together is neither's: it is fetched whole, and right in the end."""
    world.make_app = HurriedApp
    where = big(world)
    name = SCAN.format(scan=1, name="big.nii")
    other = some_bytes("other", BIG)
    world.fault("GET", "big.nii", "cut_response", bytes=150_000)
    assert world.mirror(patience_s=0.0).exit_code == 5
    world.server.faults.clear()
    Hurried.gone_s += 86400.0
    once = [True]

    def change(_request: Any) -> None:
        if once:
            once.clear()
            world.upload(where, other, overwrite=True)

    world.fault("GET", "big.nii", "call", before=change, times=1)

    with watched(world, {name: other}):
        report = world.mirror(patience_s=60.0)

    assert not once
    assert (report.exit_code, world.files()) == (0, {name: other})
    ends_well(world, {name: other})


# --- our own disk --------------------------------------------------------------------------------------------------


@contextmanager
def mounted(world: MirrorWorld, options: str) -> Iterator[None]:
    """A small disk of its own for the tree; skips where we may not mount."""
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(world.tree)], capture_output=True)
    if made.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {made.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(world.tree)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="a small disk is mounted as Linux does it")
@pytest.mark.parametrize("alone", [False, True])
def test_a_full_disk(damaged: MirrorWorld, alone: bool) -> None:
    """Told; what fits is whole; it goes on once there is room."""
    files = 6
    number = damaged.session_with("FAT_MR", scans=1)
    damaged.fill(number, scans=1, files=files, size=100_000, resource="FAT")
    expected = held(damaged) | {
        f"P1/S1/FAT_MR/scans/1/resources/FAT/files/{name}.nii": some_bytes(f"{number}/1/{name}", 100_000)
        for name in range(1, files + 1)
    }
    with mounted(damaged, "size=500k"):
        damaged.configure(big_file="10kB" if alone else "64MB")
        with watched(damaged, expected):
            report = damaged.mirror(patience_s=20.0)
        assert (report.exit_code, codes(report)) == (5, {"XS-DISK-FULL"}), report
        subprocess.run(["mount", "-o", "remount,size=5m", str(damaged.tree)], check=True)
        ends_well(damaged, expected)


@pytest.mark.skipif(sys.platform != "linux", reason="a small disk is mounted as Linux does it")
def test_a_tree_that_became_read_only(damaged: MirrorWorld) -> None:
    """Told; nothing changes; it goes on once it may."""
    with mounted(damaged, "size=5m"):
        assert damaged.mirror().exit_code == 0
        damaged.upload(f"experiments/{damaged.number}/scans/1/resources/NIFTI/files/new.nii", b"new")
        subprocess.run(["mount", "-o", "remount,ro", str(damaged.tree)], check=True)
        with watched(damaged, held(damaged)):
            report = damaged.mirror(patience_s=20.0)
        assert (report.exit_code, codes(report)) == (5, {"XS-DISK-UNWELL"}), report
        assert damaged.files() == held(damaged)
        subprocess.run(["mount", "-o", "remount,rw", str(damaged.tree)], check=True)
        ends_well(damaged, held(damaged) | {SCAN.format(scan=1, name="new.nii"): b"new"})


def kept(world: MirrorWorld) -> set[bytes]:
    """All contents that the tree and the trash hold."""
    trash = (world.tree / OURS / "trash").rglob("*")
    return {*world.files().values(), *(path.read_bytes() for path in trash if path.is_file())}


METHODS = ["mark", "look_tree", "stage", "flush", "land", "settle_folders", "keep", "discard", "rename", "read"]


@pytest.mark.parametrize(("after", "error"), [(False, DiskFull), (True, DiskUnwell)])
@pytest.mark.parametrize("method", METHODS)
def test_a_disk_that_fails_at_one_call(
    damaged: MirrorWorld, method: str, after: bool, error: type[XnatsyncError]
) -> None:
    """Before or after it has acted, and once: the same run, or the next, comes to the same end."""
    damaged.configure(policy="replica", max_delete=100)
    if method != "mark":
        assert damaged.mirror().exit_code == 0
        where = f"experiments/{damaged.number}/scans"
        damaged.upload(f"{where}/1/resources/NIFTI/files/1.nii", b"replaced", overwrite=True)
        damaged.upload(f"{where}/1/resources/NIFTI/files/new.nii", b"new")
        damaged.delete(f"{where}/2?removeFiles=true")
        damaged.put("/data/projects/P1/subjects/S1/experiments/S1_MR?label=N_MR")
        os.utime(damaged.tree / SCAN.format(scan=1, name="2.nii"), (1, 1))
        new = held(damaged, scans=1) | {
            SCAN.format(scan=1, name="1.nii"): b"replaced",
            SCAN.format(scan=1, name="new.nii"): b"new",
        }
        expected = {path.replace("S1_MR", "N_MR"): content for path, content in new.items()}
    else:
        expected = held(damaged)
    before = damaged.files()
    struck: list[str] = []

    def failing(call: Callable[..., Any], *args: Any, **more: Any) -> Any:
        if struck:
            return call(*args, **more)
        struck.append(method)
        if after:
            call(*args, **more)
        raise error(f"{method} failed")

    damaged.make_app = lambda _: app_between(damaged.config, trees={method: failing}, kind=HurriedApp)
    report = damaged.mirror(patience_s=60.0)
    damaged.make_app = HurriedApp

    assert struck
    assert (report.exit_code == 0) == (not codes(report)), report
    assert set(before.values()) <= kept(damaged)
    ends_well(damaged, expected)
    assert set(before.values()) <= kept(damaged)


# --- two at once ---------------------------------------------------------------------------------------------------


def test_of_two_runs_at_once_the_second_is_refused(damaged: MirrorWorld) -> None:
    """It ends with 8, does nothing, and the first comes to its end."""
    codes_seen: list[int] = []

    def second(_request: Any) -> None:
        command = [sys.executable, "-m", "xnatsync", "--config", str(damaged.config), "sync"]
        codes_seen.append(subprocess.run(command, capture_output=True, timeout=120).returncode)

    damaged.fault("GET", "format=zip", "call", before=second)

    report = damaged.mirror(patience_s=60.0)

    assert (report.exit_code, codes_seen) == (0, [8])
    ends_well(damaged, held(damaged))


def test_what_failed_too_often_is_tried_once_in_each_run_as_its_advice_says(damaged: MirrorWorld) -> None:
    """A person is asked, and whoever mends it has nothing else to do."""
    fault = damaged.fault("GET", "/scans/.*/files", "status", status=500, times=1000)
    damaged.mirror(patience_s=0.0)
    with closing(open_ledger(damaged.root / "ledger.db")) as ledger:
        (row,) = [row for row in ledger.owners("m") if row.hold is not None]
        hold = Hold(kind="retry", code="XS-READ-FAILED", detail="", advice="", retry_at=row.seen_at, tries=TRIES_MAX)
        ledger.hold_owner(row.id, hold)

    for _ in range(2):
        hits = fault.hits
        damaged.mirror(patience_s=60.0)
        assert fault.hits > hits
        with damaged.opened_ledger() as ledger:
            tired = ledger.owner(row.id)
        assert tired.hold == "person"
        assert "Each run tries it once more" in (tired.advice or "")
    fault.times = 0

    assert damaged.mirror().exit_code == 0
    assert damaged.files() == held(damaged)
