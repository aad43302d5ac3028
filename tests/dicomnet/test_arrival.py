"""To the sandbox's receiver, and what its server lists afterwards: a receiver's word and the arrival are two things."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread

import pytest

from dicomnet.conftest import QUICK, Send
from dicomnet.objects import CSA, IMPLICIT, JPEG_2000, JPEG_LS, RLE, ROOT, dicom_file, sent_part, write_study
from dicomnet.peers import keeping
from noun_world import PASSWORD, USER, NounWorld, here
from xnatsync import XNATClient
from xnatsync.app.store_proof import _Look, _marks, _note
from xnatsync.app.store_survey import survey
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.core.store_plan import Pair, Sendable
from xnatsync.dicomnet.peer import Peer
from xnatsync.dicomnet.sending import Sending, Sent
from xnatsync.sandbox.model.creation import create_project
from xnatsync.sandbox.model.rebuilder import Rebuilder
from xnatsync.sandbox.scp.receiver import Receiver
from xnatsync.services.dicom_store import FolderNotThere, NoDicomFiles
from xnatsync.services.uploads import DICOMStoreSummary, UploadService
from xnatsync.xnat.arrivals import mark_in, mark_of

DATA = Path(__file__).parents[3] / "shared" / "data" / "dcm_qa_nih"


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        create_project(found.site, "P1", found.owner)
        found.site.settings.update(
            {"enableSitewideAnonymizationScript": False, "receivedFileUser": USER, "sessionXmlRebuilderInterval": 0}
        )
        found.site.projects["P1"].prearchive_code = 0
        yield found


@pytest.fixture
def receiver(world: NounWorld) -> Iterator[Receiver]:
    with Receiver(world.site) as running:
        yield running


@pytest.fixture
def client(world: NounWorld) -> Iterator[XNATClient]:
    with XNATClient(world.server.url, USER, PASSWORD) as found:
        yield found


def build(world: NounWorld) -> None:
    """What the timer of the site does when nothing comes any more."""
    Rebuilder(world.site).tick()


@contextmanager
def timer(world: NounWorld) -> Iterator[None]:
    """That timer, with little patience."""
    over = Event()

    def tick() -> None:
        while not over.wait(0.3):
            build(world)

    thread = Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def stored(world: NounWorld) -> list[bytes]:
    found = []
    for row in world.site.prearchive:
        for path, _ in world.site.store.list(row.path):
            if path.endswith(".dcm"):
                with world.site.store.open(f"{row.path}/{path}") as file:
                    found.append(file.read())
    return found


def test_the_data_sets_that_arrive_are_those_of_the_files(
    world: NounWorld, receiver: Receiver, source: Path, send: Send
) -> None:
    """Byte for byte, compressed ones too, a maker's own class too."""
    files = [
        dicom_file(number, syntax=syntax, sop_class=sop_class)
        for number, (syntax, sop_class) in enumerate(
            [
                (IMPLICIT, "1.2.840.10008.5.1.4.1.1.4"),
                (JPEG_2000, "1.2.840.10008.5.1.4.1.1.2"),
                (JPEG_LS, CSA),
                (RLE, "1.2.840.10008.5.1.4.1.1.7"),
            ],
            start=1,
        )
    ]
    for number, content in enumerate(files):
        (source / f"{number}.any.name").write_bytes(content)

    report = send(receiver.port, "XNAT", workers=2)

    assert (report.exit_code, report.stored) == (0, 4)
    assert sorted(map(sent_part, stored(world))) == sorted(map(sent_part, files))


@pytest.mark.skipif(not DATA.is_dir(), reason="the data set is not here")
def test_a_real_study_arrives(source: Path, send: Send) -> None:
    """Of a scanner, byte for byte; the sandbox would write its heads again, as XNAT does."""
    found = sorted(path for path in DATA.rglob("*") if path.is_file() and path.stat().st_size > 50_000)
    originals = [path.read_bytes() for path in found if path.read_bytes()[128:132] == b"DICM"][:40]
    for number, content in enumerate(originals):
        (source / f"{number}").write_bytes(content)

    with keeping() as keeper:
        report = send(keeper.port)

    assert (report.exit_code, report.stored) == (0, len(originals))
    assert sorted(content for _, _, content in keeper.held) == sorted(map(sent_part, originals))


def test_arrival_is_seen_in_the_prearchive_and_in_the_archive(
    world: NounWorld, receiver: Receiver, source: Path, send: Send, client: XNATClient
) -> None:
    """Once the site has built the session; by name in the prearchive, by UID in the archive."""
    write_study(source, 4)
    with timer(world):
        report = send(receiver.port, "XNAT", server=client.server, wait_s=20)
    assert report.proof is not None
    assert (report.exit_code, report.proof.found, report.proof.missing) == (0, 4, ())
    row = next(iter(world.site.prearchive))
    assert report.proof.places == (row.uri,)

    status, _ = world.ask("POST", f"/data/services/archive?src={row.uri}")
    assert status in {200, 301}
    report = send(receiver.port, "XNAT", server=client.server, wait_s=20)
    assert report.proof is not None
    assert (report.before, report.stored, report.exit_code) == (4, 0, 0)
    assert report.proof.places == (next(e.id for e in world.site.experiments.values() if e.label == "SESS01"),)


def test_an_object_that_is_gone_is_not_called_arrived(
    world: NounWorld, receiver: Receiver, source: Path, send: Send, client: XNATClient
) -> None:
    """The receiver said 0x0000 of each; the exit code is not 0, and the missing ones are named."""
    write_study(source, 3)
    report = send(receiver.port, "XNAT", server=client.server, wait_s=0)
    assert report.stored == 3
    lost = next(iter(world.site.prearchive))
    path = next(p for p, _ in world.site.store.list(lost.path) if p.endswith(".dcm"))
    with world.site.lock:
        world.site.store.delete(f"{lost.path}/{path}")
        world.site.prearchive.content(lost).forget(path)
    build(world)

    report = send(receiver.port, "XNAT", server=client.server, wait_s=20)

    assert report.proof is not None
    assert (report.before, len(report.proof.missing), report.proof.waiting) == (3, 1, False)
    assert report.exit_code == 4


def test_a_server_that_still_receives_is_not_blamed(
    world: NounWorld, receiver: Receiver, source: Path, send: Send, client: XNATClient
) -> None:
    """When the wait is over before the site has built the session: try later."""
    write_study(source, 2)
    report = send(receiver.port, "XNAT", server=client.server, wait_s=0)
    assert report.proof is not None
    assert (report.proof.waiting, report.proof.found, report.exit_code) == (True, 0, 5)


def test_two_objects_that_share_a_mark_prove_nothing() -> None:
    """The mark has 32 bits: of two objects with one mark neither is proven by it; a UID that is listed proves."""
    one, other = "1.2.Aa", "1.2.BB"  # as Java hashes texts
    mark = mark_of("1.2.3", one)
    assert mark == mark_of("1.2.3", other)
    objects = [Sendable(uid, Pair("1.2.3", "1.2"), uid, "9.9", 1, b"", 0) for uid in (one, other)]
    named = FileListing((RemoteFile("1", "DICOM", f"9.9-1-1-{mark}.dcm", 1),))
    listed = FileListing((RemoteFile("1", "DICOM", "any", 1, sop_uid=other),))
    both, single = _Look(), _Look()

    _note(both, named, {one, other}, _marks(objects))
    _note(both, listed, {one, other}, _marks(objects))
    _note(single, named, {one}, _marks(objects[:1]))

    assert (both.found, single.found) == ({other}, {one})


def test_the_mark_is_that_of_the_template(world: NounWorld, receiver: Receiver, source: Path, send: Send) -> None:
    """As the sandbox names what it receives (import.md §4.6)."""
    write_study(source, 1)
    send(receiver.port, "XNAT")
    row = next(iter(world.site.prearchive))
    (name,) = [path for path, _ in world.site.store.list(row.path) if path.endswith(".dcm")]
    assert mark_in(name) == mark_of("1.2.840.10008.5.1.4.1.1.4", f"{ROOT}.1.1.1")
    assert mark_in("0001.dcm") == mark_in("a-b.dcm.txt") == ""


# --- the service and the command ---------------------------------------------------------------------------------


def test_the_service_sends_and_says_so(world: NounWorld, receiver: Receiver, source: Path, client: XNATClient) -> None:
    """By its documented signature; a second call sends nothing again."""
    write_study(source, 3)
    service = UploadService(client)

    first = service.upload_dicom_store(source, "127.0.0.1", "XNAT", port=receiver.port, workers=2)
    again = service.upload_dicom_store(source, "127.0.0.1", "XNAT", port=receiver.port, cleanup=False)

    assert isinstance(first, DICOMStoreSummary)
    assert (first.total_files, first.sent, first.failed, first.success, first.proven) == (3, 3, 0, True, None)
    assert (again.sent, again.skipped, again.success) == (3, 3, True)
    assert len(receiver.log) == len(stored(world)) == 3
    assert {one.calling for one in receiver.log} == {"XNATCTL"}
    assert first.workspace == source
    assert first.log_dir.is_dir()


def test_the_service_raises_what_is_documented(
    world: NounWorld, receiver: Receiver, source: Path, client: XNATClient
) -> None:
    """ValueError without a folder, RuntimeError without objects or a receiver: errors of ours as well."""
    service = UploadService(client)
    with pytest.raises(ValueError, match="not a folder") as no_folder:
        service.upload_dicom_store(source / "none", "127.0.0.1", "XNAT", port=receiver.port)
    assert isinstance(no_folder.value, FolderNotThere)
    with pytest.raises(RuntimeError, match="no DICOM") as nothing:
        service.upload_dicom_store(source, "127.0.0.1", "XNAT", port=receiver.port)
    assert isinstance(nothing.value, NoDicomFiles)
    write_study(source, 1)
    with pytest.raises(RuntimeError, match="called AE title"):
        service.upload_dicom_store(source, "127.0.0.1", "OTHER", port=receiver.port)
    (source / "0001.dcm").write_bytes(dicom_file(1)[:-4])
    cut = service.upload_dicom_store(source, "127.0.0.1", "XNAT", port=receiver.port)
    assert (cut.success, cut.sent, cut.failed) == (False, 0, 1)
    assert "truncated" in cut.errors[0]
    assert len(receiver.log) == 0


def test_the_command_takes_the_documented_environment(
    world: NounWorld, receiver: Receiver, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rehearsal first, then the transfer, then nothing more to do."""
    write_study(source, 2)
    (source / "readme.txt").write_text("no object")
    told = {"HOST": "127.0.0.1", "PORT": str(receiver.port), "CALLED_AET": "XNAT", "CALLING_AET": "SCANNER7"}
    for name, value in told.items():
        monkeypatch.setenv(f"XNAT_DICOM_{name}", value)

    rehearsed = world.run("session", "upload-dicom", str(source), "--dry-run")
    assert rehearsed.code == 0
    assert "would be accepted: 2 objects; nothing was sent" in rehearsed.out
    assert len(receiver.log) == 0

    sent = world.run("session", "upload-dicom", str(source), "-o", "json")
    document = json.loads(sent.out)
    assert (sent.code, document["confirmed"], document["failed"], document["proof"]) == (0, 2, [], None)
    assert [other["path"] for other in document["others"]] == ["readme.txt"]
    assert {one.calling for one in receiver.log} == {"SCANNER7"}

    again = world.run("session", "upload-dicom", str(source))
    assert again.code == 0
    assert "confirmed before, and not sent again: 2 objects" in again.out
    assert "the receiver's word is all that is known" in again.out
    assert len(receiver.log) == 2


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--called-aet", "XNAT"], 2, "--host is missing"),
        (["--host", "127.0.0.1"], 2, "--called-aet is missing"),
        (["--host", "127.0.0.1", "--called-aet", "A" * 17], 2, "is no AE title"),
        (["--host", "127.0.0.1", "--called-aet", "X", "--tls-cert", "x.pem"], 2, "without --tls"),
        (["--host", "no such host.invalid", "--called-aet", "X"], 5, "no address is known"),
    ],
)
def test_what_is_missing_is_told(world: NounWorld, source: Path, words: list[str], code: int, told: str) -> None:
    """Before anything is sent."""
    write_study(source, 1)
    ran = world.run("session", "upload-dicom", str(source), *words)
    assert ran.code == code, ran.err
    assert told in " ".join(ran.err.split())


def test_the_exit_code_is_not_zero_while_one_is_missing(world: NounWorld, receiver: Receiver, source: Path) -> None:
    """A truncated file, and two contents under one UID: the rest is stored, and these are named."""
    write_study(source, 4)
    (source / "cut.dcm").write_bytes(dicom_file(9)[:-6])
    (source / "other.dcm").write_bytes(dicom_file(2, pixels=b"\6" * 32))
    (source / "copy.dcm").write_bytes(dicom_file(1))

    ran = world.run(
        "session", "upload-dicom", str(source), "--host", "127.0.0.1", "--port", str(receiver.port),
        "--called-aet", "XNAT", "-o", "json",
    )  # fmt: skip
    document = json.loads(ran.out)

    assert (ran.code, document["confirmed"], document["copies"]) == (3, 3, 1)
    assert sorted(left["path"] for left in document["doubtful"]) == ["0002.dcm", "cut.dcm", "other.dcm"]
    assert f"{ROOT}.1.1.2" not in {one.sop_uid for one in receiver.log}


def test_a_file_that_changes_on_the_way_is_not_confirmed(world: NounWorld, receiver: Receiver, source: Path) -> None:
    """Its last bytes are not sent, so the receiver has nothing of it; the others are stored."""
    made = write_study(source, 3)
    found = survey(source)
    changed = {"0002.dcm": made["0002.dcm"][:-4] + b"\7\7\7\7", "0003.dcm": made["0003.dcm"] + b"\0\0"}
    told: list[Sent] = []
    sending = Sending(
        Peer("127.0.0.1", receiver.port, "XNAT", "XNATSYNC"),
        lambda one: iter([changed.get(one.path, made[one.path])]),
        told.append,
        patience=QUICK,
    )
    sending.send(found.objects)

    assert sorted((sent.object.path, sent.outcome.value) for sent in told) == [
        ("0001.dcm", "stored"),
        ("0002.dcm", "changed"),
        ("0003.dcm", "changed"),
    ]
    assert len(stored(world)) == len(receiver.log) == 1


def test_what_the_importer_of_an_xnat_cannot_read_is_0xc000(world: NounWorld, receiver: Receiver) -> None:
    """Any failure of the importer is (import.md §5); nothing of it is kept, and it is not called stored."""
    content = b"neither elements nor anything else " * 4
    pair = Pair("1.2.840.10008.5.1.4.1.1.4", IMPLICIT)
    one = Sendable("x", pair, "1.2.3", "1.2", len(content), sha256(content).digest(), 0)
    told: list[Sent] = []
    peer = Peer("127.0.0.1", receiver.port, "XNAT", "XNATSYNC")

    Sending(peer, lambda _: iter([content]), told.append, patience=QUICK).send([one])

    assert [(sent.outcome.value, sent.status) for sent in told] == [("failed", 0xC000)]
    assert [row.status for row in receiver.log] == [0xC000]
    assert stored(world) == []


def test_a_stop_ends_it_and_nothing_is_lost(receiver: Receiver, source: Path, send: Send) -> None:
    """What was confirmed is not sent again."""
    write_study(source, 3)
    stop = Event()
    stop.set()
    assert send(receiver.port, "XNAT", stop=stop).confirmed == 0
    assert send(receiver.port, "XNAT").stored == 3


def test_what_no_message_can_name_is_told_even_when_odd_objects_are_wanted(source: Path, send: Send) -> None:
    """An object with an odd modality is sent when that is asked for; an odd class or syntax has no context."""
    odd = dicom_file(1).replace(b"CS\2\0MR", b"CS\2\0M/")
    (source / "odd").write_bytes(odd)
    (source / "class").write_bytes(dicom_file(2, sop_class="1.2.840.10008.5.1.4.1.x.4"))
    (source / "syntax").write_bytes(dicom_file(3, syntax="1.2.840.10008.1.x.1"))

    with keeping() as keeper:
        held = send(keeper.port)
        assert (held.exit_code, held.stored, len(held.doubtful)) == (3, 0, 3)
        wanted = send(keeper.port, odd=True)

    assert (wanted.exit_code, wanted.stored) == (3, 1)
    assert sorted(left.path for left in wanted.doubtful) == ["class", "syntax"]
    assert [content for _, _, content in keeper.held] == [sent_part(odd)]
