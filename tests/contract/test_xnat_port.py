"""One suite for the port `Xnat`: what every XNAT must do for the engine to be right.

It runs on the sandbox's model in this process, as the simulation sees it; on the sandbox over real sockets, as an
administrator and as a plain member of the project; and on a real XNAT, if one is named that may be written to:

    XNATSYNC_TEST_SERVER=https://xnat.example.org XNATSYNC_TEST_USER=… XNATSYNC_TEST_PASSWORD=… \
    XNATSYNC_TEST_PROJECT=SCRATCH pytest tests/contract

The account must be a member (or owner) of the project.  Every run uses labels and UIDs of its own; what it leaves in
the archive are sessions called `CONTRACT_…` of a few kilobytes each, which may be deleted.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from contract.model_world import ModelWorld
from xnatsync.core.errors import (
    AccessDenied,
    CredentialsRefused,
    ForeignContent,
    NotThere,
    RequestRefused,
    XnatsyncError,
)
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.core.remote import ImportReply, ImportTarget, PrearchiveSeen, PrearchiveState, SessionSeen
from xnatsync.ports.drop import Xnat
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.objects import Project
from xnatsync.sandbox.model.site import Site
from xnatsync.xnat.server import XnatServer
from xnatsync.xnat.zipstream import zip_size

REAL = os.environ.get("XNATSYNC_TEST_SERVER", "")
PATIENCE_S = 60.0
Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class Place:
    """A server to try, who we are there, and how to get in with a password."""

    user: str
    password: str
    project: str
    connect: Callable[[str], Xnat]


def _over_http(url: str, user: str, password: str, project: str) -> Place:
    return Place(user, password, project, lambda word: XnatServer(url, user, word, server_name="contract"))


WORLDS = ["model", "sandbox-admin", "sandbox-member", *(["server"] if REAL else [])]


@pytest.fixture(scope="module", params=WORLDS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if request.param == "server":
        names = ("XNATSYNC_TEST_USER", "XNATSYNC_TEST_PASSWORD", "XNATSYNC_TEST_PROJECT")
        yield _over_http(REAL, *(os.environ[name] for name in names))
        return
    if request.param == "model":
        model = ModelWorld()
        yield Place(model.user, model.password, model.project, model.connect)
        model.close()
        return
    root = tmp_path_factory.mktemp("sandbox")
    site = Site.on_disk(root)
    admin = site.accounts.add("admin", "admin", admin=True)
    site.accounts.add("mia", "secret")
    site.projects["P1"] = Project("P1", stamps=site.stamp(admin), members={"mia": "member"})
    with SandboxServer(site, 0, root) as server:
        member = request.param == "sandbox-member"
        yield _over_http(server.url, *(("mia", "secret") if member else ("admin", "admin")), "P1")
    site.close()


@pytest.fixture(scope="module")
def server(place: Place) -> Iterator[Xnat]:
    with closing(place.connect(place.password)) as server:
        yield server


class Study:
    """A small study with UIDs of its own, and where it shall go."""

    def __init__(self, project: str, *, numbers: Sequence[int] = (4, 5), per_series: int = 3) -> None:
        self.uid = generate_uid()
        name = f"CONTRACT_{self.uid.replace('.', '')[-20:]}"
        self.target = ImportTarget(project, name, f"{name}_MR")
        self.objects: dict[str, bytes] = {}
        self.scans = {str(number): set[str]() for number in numbers}
        for number in numbers:
            series = generate_uid()
            for instance in range(per_series):
                uid, content = self._object(number, series, instance)
                self.objects[uid] = content
                self.scans[str(number)].add(uid)

    def _object(self, number: int, series: str, instance: int) -> tuple[str, bytes]:
        dataset = pydicom.dcmread(str(get_testdata_file("MR_small.dcm")))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SeriesNumber = self.uid, series, number
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.InstanceNumber = instance
        dataset.PatientComments = dataset.StudyDescription = dataset.AccessionNumber = ""
        sink = io.BytesIO()
        dataset.save_as(sink)
        return dataset.SOPInstanceUID, sink.getvalue()

    def send(self, server: Xnat, uids: Sequence[str] | None = None, target: ImportTarget | None = None) -> ImportReply:
        members = []
        for uid in self.objects if uids is None else uids:
            content = self.objects[uid]
            file = ManifestFile(uid, len(content), 0, b"", zlib.crc32(content), b"", Kind.DICOM)
            members.append((f"{uid}.dcm", file, iter([content])))
        size = zip_size((name, file.size) for name, file, _ in members)
        return server.import_zip(target or self.target, members, size=size, request_id=generate_uid())


def settled(server: Xnat, study: Study) -> PrearchiveSeen:
    """Gives the study's row, once nothing is going on with it."""

    def row() -> PrearchiveSeen | None:
        rows = [row for row in server.prearchive(study.target.project) if row.study_uid == study.uid]
        return rows[0] if rows and rows[0].state is not PrearchiveState.WORKING else None

    return eventually(row)


def archived(server: Xnat, study: Study) -> SessionSeen:
    """Gives the study's session in the archive, once it is there."""

    def session() -> SessionSeen | None:
        found = server.sessions(study.target.project, study_uid=study.uid)
        return found[0] if found else None

    return eventually(session)


def eventually(look: Callable[[], Seen | None]) -> Seen:
    deadline = time.monotonic() + PATIENCE_S
    while (seen := look()) is None:
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.2)
    return seen


@pytest.fixture(scope="module")
def delivered(server: Xnat, place: Place) -> tuple[Study, SessionSeen]:
    """A study in the archive, for tests that only look."""
    return deliver(server, place)


def deliver(server: Xnat, place: Place) -> tuple[Study, SessionSeen]:
    """Brings a study to the archive."""
    study = Study(place.project)
    (uri,) = study.send(server).uris
    server.build(uri, request_id=generate_uid())
    server.commit(uri, request_id=generate_uid())
    return study, archived(server, study)


# --- who and where -----------------------------------------------------------------------------------------------


def test_it_knows_us(server: Xnat, place: Place) -> None:
    """Under the name we logged in with."""
    assert server.whoami() == place.user


def test_it_refuses_a_wrong_password(place: Place) -> None:
    """At once, and not as a lost login."""
    with closing(place.connect("wrong")) as stranger:
        for look in (stranger.whoami, lambda: stranger.project(place.project)):
            with pytest.raises(CredentialsRefused):
                look()


def test_it_tells_its_version(server: Xnat) -> None:
    """And its clock, if at all, as seconds that could be now."""
    about = server.about()

    assert about.version[:1].isdigit()
    assert about.clock is None or abs(about.clock - time.time()) < 86_400


def test_a_project_is_seen_and_one_that_is_not_there_is_none(server: Xnat, place: Place) -> None:
    """Absence is an answer, not a failure."""
    seen = server.project(place.project)

    assert seen is not None
    assert seen.id == place.project
    assert server.project(f"NONE{place.project}") is None


def test_it_does_not_deny_a_right_that_we_have(server: Xnat, place: Place) -> None:
    """The account may edit the project; what is not known is never said to be refused, nor to be allowed."""
    assert server.may_edit(place.project) is not False
    assert server.may_edit(f"NONE{place.project}") is not True


def test_the_sessions_of_an_absent_project_are_not_none(server: Xnat, place: Place) -> None:
    """Nor is its prearchive empty."""
    with pytest.raises(NotThere):
        server.sessions(f"NONE{place.project}")
    with pytest.raises((NotThere, AccessDenied)):
        server.prearchive(f"NONE{place.project}")


def test_what_nobody_delivered_is_not_found(server: Xnat, place: Place, delivered: tuple[Study, SessionSeen]) -> None:
    """By its label, by its study, nor by the label of the one with the study of the other."""
    _, session = delivered

    assert server.sessions(place.project, label=f"{session.label}_X") == ()
    assert server.sessions(place.project, study_uid=generate_uid()) == ()
    assert server.sessions(place.project, label=session.label, study_uid=generate_uid()) == ()
    assert session in server.sessions(place.project)


def test_what_is_gone_cannot_be_acted_on(server: Xnat, place: Place) -> None:
    """A prearchive row that is not there, or no more: NotThere, never a success."""
    study = Study(place.project, numbers=(4,), per_series=1)
    (archived_uri,) = study.send(server).uris
    server.build(archived_uri, request_id=generate_uid())
    server.commit(archived_uri, request_id=generate_uid())
    archived(server, study)

    for uri in (f"/prearchive/projects/{place.project}/20200101_000000000/NONE", archived_uri):
        for act in (server.build, server.commit):
            with pytest.raises(NotThere):
                act(uri, request_id=generate_uid())
        with pytest.raises(NotThere):
            server.prearchive_files(uri)
        assert server.prearchive_log(uri) == ""


# --- a delivery --------------------------------------------------------------------------------------------------


def test_a_study_is_received_proven_archived_and_found(server: Xnat, place: Place) -> None:
    """The whole recipe: two series in two uploads to one row, built, listed, archived, listed again."""
    study = Study(place.project)
    uids = [list(scan) for scan in study.scans.values()]

    first = study.send(server, uids[0])
    second = study.send(server, uids[1])

    assert first == second
    (uri,) = first.uris
    row = settled(server, study)
    assert (row.uri, row.project, row.name) == (uri, place.project, study.target.session)
    assert row.state is PrearchiveState.RECEIVING

    server.build(uri, request_id=generate_uid())

    assert settled(server, study).state is PrearchiveState.READY
    waiting = server.prearchive_files(uri)
    assert waiting.complete
    assert {(file.scan, file.sop_uid) for file in waiting.files} == {
        (scan, uid) for scan, members in study.scans.items() for uid in members
    }
    assert server.sessions(place.project, study_uid=study.uid) == ()

    place_in_archive = server.commit(uri, request_id=generate_uid())

    assert place_in_archive.startswith(f"/archive/projects/{place.project}/")
    session = archived(server, study)
    assert (session.project, session.label, session.subject) == (
        place.project, study.target.session, study.target.subject,
    )  # fmt: skip
    assert server.sessions(place.project, label=study.target.session) == (session,)
    assert not [row for row in server.prearchive(place.project) if row.study_uid == study.uid]


def test_an_archived_session_lists_every_object(server: Xnat, delivered: tuple[Study, SessionSeen]) -> None:
    """By SOP Instance UID, in its scan."""
    study, session = delivered
    listing = server.session_files(session.id)

    assert listing.complete
    assert {(file.scan, file.sop_uid) for file in listing.files if file.resource == "DICOM"} == {
        (scan, uid) for scan, members in study.scans.items() for uid in members
    }


def test_objects_come_back_with_their_pixels(server: Xnat, delivered: tuple[Study, SessionSeen]) -> None:
    """Each file of the scans asked for, whole, and nothing of the others."""
    study, session = delivered
    back: dict[str, str] = {}
    for scan, resource, _, content in server.fetch_scans(session.id, ["5"]):
        dataset = pydicom.dcmread(io.BytesIO(b"".join(content)))
        assert (scan, resource) == ("5", "DICOM")
        back[dataset.SOPInstanceUID] = hashlib.sha256(dataset.PixelData).hexdigest()

    expected = {
        uid: hashlib.sha256(pydicom.dcmread(io.BytesIO(study.objects[uid])).PixelData).hexdigest()
        for uid in study.scans["5"]
    }
    assert back == expected


def test_fetching_may_be_given_up(server: Xnat, delivered: tuple[Study, SessionSeen]) -> None:
    """And the next request works as if nothing had been."""
    stream = server.fetch_scans(delivered[1].id, ["4", "5"])
    next(stream)
    stream.close()  # type: ignore[attr-defined]

    assert server.session_files(delivered[1].id).complete


def test_a_session_that_is_not_there_is_not_empty(server: Xnat) -> None:
    """Neither its scans nor its resources."""
    for look in (
        server.session_files,
        lambda session: server.resource_files(session, "NOTES"),
        lambda session: list(server.fetch_scans(session, ["4"])),
        lambda session: server.put_file(session, "NOTES", "x", iter([b"x"]), size=1, request_id=generate_uid()),
    ):
        with pytest.raises(NotThere):
            look("XNAT_E99999999")


def test_a_scan_that_is_not_there_is_not_empty(server: Xnat, delivered: tuple[Study, SessionSeen]) -> None:
    """Nothing came back, and that is no answer; asked for nothing, it gives nothing."""
    _, session = delivered

    with pytest.raises(XnatsyncError):
        list(server.fetch_scans(session.id, ["no such scan"]))
    assert list(server.fetch_scans(session.id, [])) == []


def test_an_object_that_is_sent_twice_is_there_once(server: Xnat, place: Place) -> None:
    """An upload may be repeated as long as its row waits, before it is built and after; it is the same row."""
    study = Study(place.project, numbers=(4,))

    (uri,) = study.send(server).uris
    assert study.send(server).uris == (uri,)
    server.build(uri, request_id=generate_uid())
    assert study.send(server, list(study.objects)[:1]).uris == (uri,)
    server.build(uri, request_id=generate_uid())

    assert settled(server, study).state is PrearchiveState.READY
    assert sorted(file.sop_uid for file in server.prearchive_files(uri).files) == sorted(study.objects)
    server.delete_prearchive(uri, request_id=generate_uid())


def test_one_study_under_two_labels_is_two_rows(server: Xnat, place: Place) -> None:
    """Each is listed under the label and subject it was sent to."""
    study = Study(place.project, numbers=(4,), per_series=1)
    other = ImportTarget(place.project, study.target.subject, f"{study.target.session}_B")

    (uri,), (other_uri,) = study.send(server).uris, study.send(server, target=other).uris

    rows = {row.uri: row for row in server.prearchive(place.project) if row.study_uid == study.uid}
    assert {uri: rows[uri].name, other_uri: rows[other_uri].name} == {
        uri: study.target.session, other_uri: other.session,
    }  # fmt: skip
    assert {row.subject for row in rows.values()} == {study.target.subject}
    for gone in rows:
        server.delete_prearchive(gone, request_id=generate_uid())


def test_another_study_is_never_merged_into_a_session(
    server: Xnat, place: Place, delivered: tuple[Study, SessionSeen]
) -> None:
    """Under the same label: refused, with a reason in the log, and the session is as it was."""
    first, session = delivered
    before = server.session_files(session.id)
    study = Study(place.project, numbers=(4,), per_series=1)
    (uri,) = study.send(server, target=first.target).uris
    server.build(uri, request_id=generate_uid())

    with pytest.raises(RequestRefused):
        server.commit(uri, request_id=generate_uid())

    assert settled(server, study).state in {PrearchiveState.CONFLICT, PrearchiveState.ERROR}
    assert server.prearchive_log(uri)
    assert server.session_files(session.id) == before
    assert server.sessions(place.project, study_uid=study.uid) == ()
    server.delete_prearchive(uri, request_id=generate_uid())


def test_sizes_and_digests_are_those_of_what_is_stored(server: Xnat, delivered: tuple[Study, SessionSeen]) -> None:
    """Of what comes back, that is: XNAT may have changed headers, but it may not be wrong about its own files."""
    _, session = delivered
    listed = {(file.scan, file.name): file for file in server.session_files(session.id).files}

    for scan, resource, name, content in server.fetch_scans(session.id, ["4"]):
        data = b"".join(content)
        file = listed[scan, name]
        assert (file.resource, file.size) == (resource, len(data))
        assert file.digest in {"", hashlib.md5(data).hexdigest()}


def test_late_objects_are_merged_into_the_archived_session(server: Xnat, place: Place) -> None:
    """The same study and label again, with one object more: nothing is lost, nothing doubled."""
    study = Study(place.project, numbers=(4,))
    early, late = list(study.objects)[:2], list(study.objects)[2:]
    for uids in (early, late):
        (uri,) = study.send(server, uids).uris
        server.build(uri, request_id=generate_uid())
        server.commit(uri, request_id=generate_uid())
        session = archived(server, study)

    eventually(lambda: len(server.session_files(session.id).files) == 3 or None)
    assert sorted(file.sop_uid for file in server.session_files(session.id).files) == sorted(study.objects)


def test_objects_that_are_there_already_are_refused(server: Xnat, place: Place) -> None:
    """A second delivery of the same objects ends in the prearchive, with a reason, and changes nothing."""
    study = Study(place.project, numbers=(4,))
    for _ in range(2):
        (uri,) = study.send(server).uris
        server.build(uri, request_id=generate_uid())
        if not server.sessions(place.project, study_uid=study.uid):
            server.commit(uri, request_id=generate_uid())
            before = server.session_files(archived(server, study).id)

    with pytest.raises(RequestRefused):
        server.commit(uri, request_id=generate_uid())

    assert settled(server, study).state in {PrearchiveState.CONFLICT, PrearchiveState.ERROR}
    assert server.prearchive_log(uri)
    assert server.session_files(archived(server, study).id) == before
    server.delete_prearchive(uri, request_id=generate_uid())
    assert not [row for row in server.prearchive(place.project) if row.study_uid == study.uid]


def test_a_prearchive_session_is_deleted(server: Xnat, place: Place) -> None:
    """Once, and a second time without complaint; to act on it otherwise is NotThere."""
    study = Study(place.project, numbers=(4,))
    (uri,) = study.send(server).uris

    server.delete_prearchive(uri, request_id=generate_uid())
    server.delete_prearchive(uri, request_id=generate_uid())

    assert not [row for row in server.prearchive(place.project) if row.study_uid == study.uid]
    assert server.prearchive_log(uri) == ""


def test_an_unbuilt_session_has_no_listing(server: Xnat, place: Place) -> None:
    """It cannot be taken for an empty one."""
    study = Study(place.project, numbers=(4,))
    (uri,) = study.send(server).uris

    with pytest.raises(NotThere):
        server.prearchive_files(uri)

    server.delete_prearchive(uri, request_id=generate_uid())


def test_an_unknown_project_is_no_error_and_never_the_target(server: Xnat, place: Place) -> None:
    """XNAT sends it elsewhere with 200 (import.md §1.6): the reply tells, and that is why it is read."""
    study = Study(place.project, numbers=(4,), per_series=1)
    nowhere = ImportTarget(f"NONE{place.project}", study.target.subject, study.target.session)

    reply = study.send(server, target=nowhere)

    assert not [uri for uri in reply.uris if uri.startswith(f"/prearchive/projects/{nowhere.project}/")]


def test_what_is_no_dicom_is_refused_in_words(server: Xnat, place: Place) -> None:
    """And not taken for something that may pass."""
    study = Study(place.project, numbers=(4,), per_series=1)
    (uid,) = study.objects
    study.objects[uid] = b"this is no DICOM object at all" * 10

    with pytest.raises(RequestRefused, match="unable to read DICOM object"):
        study.send(server)


# --- single files ------------------------------------------------------------------------------------------------


def test_a_file_is_stored_once_and_byte_for_byte(server: Xnat, place: Place) -> None:
    """Names with spaces and empty files too; a second one of the name changes nothing."""
    study = Study(place.project, numbers=(4,), per_series=1)
    (uri,) = study.send(server).uris
    server.commit(uri, request_id=generate_uid())
    session = archived(server, study)
    contents = {"report.pdf": b"%PDF" * 1000, "sub/two words.txt": b"hello", "empty.txt": b""}

    assert server.resource_files(session.id, "NOTES").files == ()
    for name, content in contents.items():
        pieces = iter([content] if content else [])
        server.put_file(session.id, "NOTES", name, pieces, size=len(content), request_id=generate_uid())
    with pytest.raises(ForeignContent):
        server.put_file(session.id, "NOTES", "report.pdf", iter([b"other"]), size=5, request_id=generate_uid())

    listed = {file.name: file for file in server.resource_files(session.id, "NOTES").files}
    assert {name: file.size for name, file in listed.items()} == {
        name: len(content) for name, content in contents.items()
    }
    for name, content in contents.items():
        assert listed[name].digest in {"", hashlib.md5(content).hexdigest()}


def test_a_reader_is_known_as_one(tmp_path: Path) -> None:
    """A collaborator may not edit: said beforehand, because XNAT would misroute the upload without a word."""
    site = Site.on_disk(tmp_path)
    reader = site.accounts.add("reader", "secret")
    site.projects["P1"] = Project("P1", stamps=site.stamp(reader), members={"reader": "collaborator"})
    with (
        SandboxServer(site) as sandbox,
        XnatServer(sandbox.url, "reader", "secret", server_name="x") as server,
    ):
        assert server.may_edit("P1") is False
    site.close()
