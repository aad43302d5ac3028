"""What is not DICOM: kept with the item, attached to the session, or expected; always listed, never overwritten."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from drop_pieces import LABEL, delete, elsewhere, held, post, quick_sync, retry
from drop_world import DropWorld, only, unit_of
from xnatsync.sandbox.http.exchange import Response


def _attached(world: DropWorld, label: str = LABEL, resource: str = "ATTACHED") -> dict[str, bytes]:
    """The attached files as the server gives them back."""
    session = world.session(label)
    assert session is not None
    listed = world.get(f"/data/experiments/{session.id}/resources/{resource}/files?format=json").json()
    uris = [row["URI"] for row in listed["ResultSet"]["Result"]]
    return {uri.split("/files/", 1)[1]: world.get(uri).content for uri in uris}


def _clutter(folder: Path, **more: bytes) -> dict[str, bytes]:
    files = {
        **more,
        "README.txt": b"read me",
        "sub folder/notes (1).txt": b"notes",
        "sub folder/Grüße.pdf": b"%PDF-1.4 " + bytes(range(256)),
        "scan_catalog.xml": b"<catalog/>",
        "run.log": b"it ran\n",
        "photo.jpg": b"\xff\xd8\xff\xe0" + bytes(range(256)) * 700,
    }
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files


@pytest.mark.parametrize("other", ["keep", "ignore"])
def test_clutter_is_filed_with_its_item_and_listed(world: DropWorld, other: str) -> None:
    world.configure(other=other)
    world.study("exam")
    files = _clutter(world.folder / "exam")

    report = world.sync()

    assert report.exit_code == 0
    listed = {file.path: file.reason for file in only(report).others}
    assert set(listed) == set(files)
    assert all(listed.values())
    assert {f"exam/{name}" for name in files} <= world.filed()
    session = world.session(LABEL)
    assert session is not None
    assert not session.resources


def test_attached_files_arrive_byte_for_byte(world: DropWorld) -> None:
    """Also what nobody knows, and what is packed: they are delivered like that."""
    world.configure(other="attach")
    world.study("exam")
    files = _clutter(world.folder / "exam", raw=b"\x01\x02\x03" * 1000, more=b"7z\xbc\xaf\x27\x1c" + b"\x01\x02" * 100)

    report = world.sync()

    assert report.exit_code == 0, report
    stored = _attached(world)
    assert sorted(stored.values()) == sorted(files.values())
    assert len(stored) == len(files)
    receipt = unit_of(only(report)).receipt
    assert receipt is not None
    assert receipt.expected == 5 + len(files)
    assert {f"exam/{name}" for name in files} <= world.filed()


def test_files_of_one_name_from_two_items_of_a_study_do_not_collide(world: DropWorld) -> None:
    world.configure(other="attach")
    files = elsewhere(world, series=(2, 2))
    for name, part in (("one", files[:2]), ("two", files[2:])):
        for file in part:
            target = world.folder / name / file.name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(file.read_bytes())
        (world.folder / name / "README.txt").write_text(f"of part {name}")

    report = quick_sync(world)

    assert report.exit_code == 0, report
    assert sorted(_attached(world).values()) == [b"of part one", b"of part two"]


def test_the_same_name_in_other_spellings_does_not_collide(world: DropWorld) -> None:
    """Names that become the same in XNAT's alphabet."""
    world.configure(other="attach")
    world.study("exam")
    data = {"a b.txt": b"1", "a_b.txt": b"2", "a+b.txt": b"3", "ä.txt": b"4", "ö.txt": b"5", "A_B.txt": b"6"}
    for name, text in data.items():
        (world.folder / "exam" / name).write_bytes(text)
    there = len([path for path in (world.folder / "exam").iterdir() if path.is_file()])

    assert world.sync().exit_code == 0
    assert len(_attached(world)) == there


def test_what_somebody_put_into_the_resource_is_not_overwritten(world: DropWorld) -> None:
    """The name an attached file would have is taken: what is there stays, and the difference is told."""
    import httpx

    world.configure(other="attach")
    world.study("exam")
    (world.folder / "exam" / "README.txt").write_text("ours")

    def occupy() -> None:
        session = world.session(LABEL)
        assert session is not None
        url = f"{world.server.url}/data/experiments/{session.id}/resources/ATTACHED/files/1/README.txt?inbody=true"
        httpx.put(url, content=b"theirs", auth=("agent", "secret"), timeout=60).raise_for_status()

    world.after("POST", "action=commit", occupy)

    report = world.sync(patience_s=0.5)

    assert list(_attached(world).values()) == [b"theirs"]
    assert report.exit_code == 3, report
    assert unit_of(only(report)).unit.code in {"XS-OBJECTS-DIFFER", "XS-FOREIGN-CONTENT"}
    assert world.in_drop() == {"exam"}


def test_attached_files_of_an_item_that_is_dropped_again_are_not_stored_twice(world: DropWorld) -> None:
    """The second item attaches its own copy under its own number; nothing of the first is touched."""
    world.configure(other="attach")
    world.study("exam")
    (world.folder / "exam" / "README.txt").write_text("one")
    assert world.sync().exit_code == 0
    first = _attached(world)
    world.study("exam")
    (world.folder / "exam" / "README.txt").write_text("two")

    report = world.sync()

    assert report.exit_code == 0
    assert first.items() <= _attached(world).items()
    assert sorted(_attached(world).values()) == [b"one", b"two"]


def test_a_file_is_attached_to_the_study_of_its_folder_and_kept_when_there_is_none(world: DropWorld) -> None:
    world.configure(other="attach")
    world.study("cd/a", patient="SUB1", seed=1)
    world.study("cd/b", patient="SUB2", seed=2)
    (world.folder / "cd/a/note.txt").write_text("of a")
    (world.folder / "cd/b/note.txt").write_text("of b")
    (world.folder / "cd/top.txt").write_text("of neither")

    report = world.sync()

    assert report.exit_code == 0
    assert list(_attached(world, "SUB1_MR_20260301").values()) == [b"of a"]
    assert list(_attached(world, "SUB2_MR_20260301").values()) == [b"of b"]
    assert {f.path: "goes to the session" in f.reason for f in only(report).others} == {
        "a/note.txt": True,
        "b/note.txt": True,
        "top.txt": False,
    }
    assert "cd/top.txt" in world.filed()


@pytest.mark.parametrize("fault", ["lost_reply", "cut_request", "cut_response"])
def test_an_attachment_whose_upload_fails_arrives_all_the_same(world: DropWorld, fault: str) -> None:
    world.configure(other="attach")
    world.study("exam")
    files = _clutter(world.folder / "exam")
    struck = world.fault("PUT", "/files/", fault, bytes=1000)

    report = quick_sync(world)

    assert struck.hits == 1
    assert report.exit_code == 0, report
    assert sorted(hashlib.sha256(data).digest() for data in _attached(world).values()) == sorted(
        hashlib.sha256(data).digest() for data in files.values()
    )


def _leaves_a_part(world: DropWorld, *, stored: bytes = b"half a fi") -> None:
    """A store that was cut leaves a part at its place that no catalogue lists (hierarchy.md §6.1)."""
    asked: list[str] = []

    def cut(request: Any) -> None:
        asked.append(request.path)
        session = world.session(LABEL)
        assert session is not None
        name = request.path.split("/files/", 1)[1]
        world.site.store.write(f"{session.folder}/RESOURCES/ATTACHED/{name}", [stored], digest=False)

    world.fault("PUT", "/files/", "call", before=cut)
    world.fault("PUT", "/files/", "lost_reply")
    world.fault("PUT", "/files/", "status", status=504)


def test_the_part_that_a_cut_store_left_is_stored_over(world: DropWorld) -> None:
    """It is in no catalogue, and without `overwrite` the server says that it is there: it is ours."""
    world.configure(other="attach", quiet="1s")
    world.study("exam")
    files = _clutter(world.folder / "exam")
    _leaves_a_part(world)

    report = quick_sync(world)

    assert report.exit_code == 0, report
    assert sorted(_attached(world).values()) == sorted(files.values())
    stores = [entry for entry in world.server.log if entry["method"] == "PUT" and "/files/" in str(entry["path"])]
    assert sum("overwrite=true" in str(entry["query"]) for entry in stores) == 1


@pytest.mark.parametrize("left", ["a part", "all of it"])
def test_what_a_cut_store_left_is_asked_about_when_the_ledger_is_lost(world: DropWorld, left: str) -> None:
    """Cut three times; then nobody knows whose the part is: nothing is stored over it, and the advice leads on."""
    world.configure(other="attach", quiet="1s")
    world.study("exam")
    content = b"what they wrote of it"
    (world.folder / "exam" / "README.txt").write_bytes(content)
    for _ in range(3):
        _leaves_a_part(world, stored=content[:9] if left == "a part" else content)
    world.sync(patience_s=0.0)
    for path in world.root.glob("ledger.db*"):
        path.unlink()
    world.server.faults.clear()
    mark = len(world.server.log)

    stopped = held(quick_sync(world))

    assert (stopped.code, "refresh the catalogue" in (stopped.advice or "")) == ("XS-FOREIGN-CONTENT", True)
    assert not [entry for entry in world.server.log[mark:] if "overwrite=true" in str(entry["query"])]
    session = world.session(LABEL)
    assert session is not None
    where = f"/data/experiments/{session.id}/resources/ATTACHED"
    resource = f"/archive/experiments/{session.id}/resources/ATTACHED"
    post(world, f"/data/services/refresh/catalog?resource={resource}&options=append,checksum")
    assert len(_attached(world)) == 1
    if left == "a part":
        delete(world, f"{where}/files/{next(iter(_attached(world)))}")
    retry(world)
    report = quick_sync(world)
    assert report.exit_code == 0, held(report)
    assert list(_attached(world).values()) == [content]


@pytest.mark.parametrize("status", [409, 503])
def test_the_part_is_stored_over_after_a_store_that_failed(world: DropWorld, status: int) -> None:
    """The server was busy when the part was to be stored over: it is our part all the same (simulation, seed 10744)."""
    world.configure(other="attach", quiet="1s")
    world.study("exam")
    files = _clutter(world.folder / "exam")
    _leaves_a_part(world)
    busy = [True]

    def once(request: Any) -> Response | None:
        if busy and request.flag("overwrite"):
            busy.clear()
            return Response(
                status,
                body=b"<html><body><h3>Concurrent file sends of the same data is not supported.</h3></body></html>",
            )
        return None

    world.fault("PUT", "/files/", "call", before=once, times=99)

    report = quick_sync(world)

    assert not busy
    assert report.exit_code == 0, report
    assert sorted(_attached(world).values()) == sorted(files.values())


def test_what_somebody_else_left_there_is_never_stored_over(world: DropWorld) -> None:
    """No store of ours went without an answer: what is at the place is theirs, listed or not."""
    world.configure(other="attach")
    world.study("exam")
    (world.folder / "exam" / "README.txt").write_text("ours")
    theirs = "1/README.txt"

    def put_first() -> None:
        session = world.session(LABEL)
        assert session is not None
        world.site.store.write(f"{session.folder}/RESOURCES/ATTACHED/{theirs}", [b"theirs"], digest=False)

    world.after("POST", "action=commit", put_first)

    report = quick_sync(world)

    assert (report.exit_code, unit_of(only(report)).unit.code) == (3, "XS-FOREIGN-CONTENT")
    assert next(path for path in (world.root / "site").rglob(theirs)).read_bytes() == b"theirs"
    assert not [entry for entry in world.server.log if "overwrite=true" in str(entry["query"])]


def test_clutter_alone_is_never_sent(world: DropWorld) -> None:
    """There is no session to attach it to."""
    world.configure(other="attach")
    (world.folder / "notes").mkdir()
    files = _clutter(world.folder / "notes")

    report = world.sync()

    assert (report.exit_code, only(report).item.phase) == (0, "left")
    assert {file.path for file in only(report).others} == set(files)
    assert world.writes() == [("PUT", "/data/projects/P1")]
    assert world.in_drop() == {"notes"}


@pytest.mark.parametrize("size", [12, 4], ids=["changed", "truncated"])
def test_an_attachment_that_the_server_stored_damaged_is_caught(world: DropWorld, size: int) -> None:
    """The server's own catalogue says so: its digest is that of what it stored."""
    world.configure(other="attach")
    world.study("exam")
    (world.folder / "exam" / "README.txt").write_text("the original")
    damaged = b"the 0riginal"[:size]

    def damage() -> None:
        session = world.session(LABEL)
        assert session is not None
        for entry in session.resources["ATTACHED"].entries.values():
            entry.digest, entry.size = hashlib.md5(damaged, usedforsecurity=False).hexdigest(), len(damaged)

    world.after("PUT", "/files/", damage)

    report = world.sync()

    assert (report.exit_code, unit_of(only(report)).unit.code) == (3, "XS-OBJECTS-DIFFER")
    assert unit_of(only(report)).receipt is None
    assert world.in_drop() == {"exam"}


def test_a_server_that_tells_no_digests_cannot_prove_an_attachment(world: DropWorld) -> None:
    """No digest is never a proof: the item is held with what to do about it, the session itself is there."""
    world.configure(other="attach")
    files = world.study("exam")
    (world.folder / "exam" / "README.txt").write_text("the original")
    world.site.settings.values["checksums"] = False

    report = world.sync()

    unit = unit_of(only(report)).unit
    assert (report.exit_code, unit.code) == (3, "XS-UNVERIFIABLE")
    assert len(world.archived(LABEL)) == len(files)
    world.configure(other="keep")
    assert world.sync().exit_code == 0
