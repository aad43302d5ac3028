"""An archive in memory with a prearchive: objects come one by one, are changed by a script, built and archived."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from transfer.model import Archive, Res, Thing
from xnatsync.core.described import ThingKind
from xnatsync.core.errors import NotThere, RequestRefused
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.manifest import ManifestFile, ObjectIdentity
from xnatsync.core.remote import (
    FileListing,
    ImportReply,
    ImportTarget,
    PrearchiveSeen,
    PrearchiveState,
    RemoteFile,
    SessionSeen,
)
from xnatsync.dicom.head import read_head
from xnatsync.dicom.identity import IDENTITY_TAGS, identity_of

_MR = "1.2.840.10008.5.1.4.1.1.4"
Members = Iterable[tuple[str, ManifestFile, Iterator[bytes]]]
IMPORT_WRITES = frozenset({"import_zip", "import_tar", "build", "commit", "delete_prearchive"})


def an_object(study: str, series: str, number: str, sop: str, pixels: bytes, patient: str = "A") -> bytes:
    """A whole object of 8 bits: 2 rows of so many columns."""
    meta = _element(0x0002, 0x0010, "UI", b"1.2.840.10008.1.2.1")
    body = b"".join(
        [
            _element(0x0008, 0x0016, "UI", _MR.encode()), _element(0x0008, 0x0018, "UI", sop.encode()),
            _element(0x0008, 0x0060, "CS", b"MR"), _element(0x0010, 0x0010, "PN", patient.encode()),
            _element(0x0020, 0x000D, "UI", study.encode()), _element(0x0020, 0x000E, "UI", series.encode()),
            _element(0x0020, 0x0011, "IS", number.encode()), _element(0x0028, 0x0002, "US", struct.pack("<H", 1)),
            _element(0x0028, 0x0010, "US", struct.pack("<H", 2)),
            _element(0x0028, 0x0011, "US", struct.pack("<H", len(pixels) // 2)),
            _element(0x0028, 0x0100, "US", struct.pack("<H", 8)),
            b"\xe0\x7f\x10\x00OB\0\0" + struct.pack("<I", len(pixels)) + pixels,
        ]
    )  # fmt: skip
    group = _element(0x0002, 0x0000, "UL", struct.pack("<I", len(meta)))
    return bytes(128) + b"DICM" + group + meta + body


def _element(group: int, element: int, vr: str, value: bytes) -> bytes:
    padded = value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", group, element, vr.encode(), len(padded)) + padded


def told(content: bytes) -> ObjectIdentity:
    """What an object says of itself."""
    head = read_head(iter([content]), IDENTITY_TAGS, hash_pixels=False)
    assert head is not None
    assert not head.problem, head.problem
    return identity_of(head)


def script(content: bytes) -> bytes:
    """What a site does on arrival: all UIDs are others, and so is who it is."""
    said = told(content)
    pixels = content[content.index(b"\xe0\x7f\x10\x00OB") + 12 :]
    others = ["9" + hashlib.sha256(uid.encode()).hexdigest()[:2].translate(_DIGITS) + uid
              for uid in (said.study_uid, said.series_uid, said.sop_uid)]  # fmt: skip
    return an_object(others[0], others[1], said.series_number, others[2], pixels, "Nobody")


_DIGITS = str.maketrans("abcdef", "123456")


@dataclass(slots=True)
class Waiting:
    """A row of the prearchive."""

    uri: str
    target: ImportTarget
    study: str
    members: dict[str, bytes] = field(default_factory=dict)
    built: bool = False


class ImportingArchive(Archive):
    """One server that takes imports."""

    def __init__(self, name: str, *, script: Callable[[bytes], bytes] = lambda content: content) -> None:
        super().__init__(name)
        self.script = script
        self.catalogued = False  # its catalogues tell UIDs
        self.waiting: dict[str, Waiting] = {}
        self.within: Callable[[], None] = lambda: None  # called in the middle of each object that comes
        self.archived_cut = 0  # objects that were archived and are not whole
        self.received: list[str] = []  # names of the objects that came whole, each time

    # --- reading -------------------------------------------------------------------------------------------------

    def object_uids(self, owner: Owner, resource: ResourceKey) -> Mapping[str, str]:
        self._call("object_uids")()
        if not self.catalogued:
            return {}
        return {name: told(content).sop_uid for name, content in self._res(owner, resource).files.items()}

    def session_files(self, session_id: str) -> FileListing:
        with_ = self._call("session_files")
        files = tuple(
            RemoteFile(part.id, label, name, len(content), self._digest(content))
            for part in self.things[session_id].parts
            if part.kind is ThingKind.SCAN
            for (_, label), res in part.resources.items()
            for name, content in sorted(res.files.items())
        )
        with_()
        return FileListing(files)

    def prearchive(self, project: str) -> tuple[PrearchiveSeen, ...]:
        self._call("prearchive")()
        rows = [
            PrearchiveSeen(one.uri, one.target.project, one.target.session, one.target.subject, one.study,
                           PrearchiveState.READY if one.built else PrearchiveState.RECEIVING, "")
            for one in self.waiting.values()
        ]  # fmt: skip
        return tuple(one for one in [*rows, *self.uploads] if one.project == project)

    def prearchive_files(self, uri: str) -> FileListing:
        self._call("prearchive_files")()
        row = self._row(uri)
        if not row.built:
            raise NotThere("it is not built")
        return FileListing(tuple(RemoteFile("1", "DICOM", name, len(one)) for name, one in sorted(row.members.items())))

    def prearchive_log(self, uri: str) -> str:
        self._call("prearchive_log")()
        return ""

    # --- writing -------------------------------------------------------------------------------------------------

    def import_zip(self, target: ImportTarget, members: Members, *, size: int, request_id: str) -> ImportReply:
        return self._take("import_zip", target, members)

    def import_tar(self, target: ImportTarget, members: Members, *, size: int, request_id: str) -> ImportReply:
        return self._take("import_tar", target, members)

    def _take(self, call: str, target: ImportTarget, members: Members) -> ImportReply:
        with_ = self._call(call)
        row: Waiting | None = None
        for name, _, pieces in members:
            content = b"".join(pieces)
            if row is None:
                row = self._row_of(target, told(content).study_uid)
                row.built = False
            row.members[name] = content[: len(content) - 2]  # of the object that is coming, a part is there already
            self.within()
            row.members[name] = self.script(content)
            self.received.append(name)
        with_()
        assert row is not None
        return ImportReply((row.uri,))

    def build(self, uri: str, *, request_id: str) -> None:
        with_ = self._call("build")
        self._row(uri).built = True
        with_()

    def commit(self, uri: str, *, request_id: str) -> str:
        with_ = self._call("commit")
        row = self._row(uri)
        session = self._session(row)
        for name, content in row.members.items():
            try:
                said = told(content)
            except AssertionError:
                self.archived_cut += 1
                continue
            self._file(session, said, name, content)
        session.changes += 1
        del self.waiting[uri]
        with_()
        return f"/archive/projects/{row.target.project}/subjects/{row.target.subject}/experiments/{session.label}"

    def delete_prearchive(self, uri: str, *, request_id: str) -> None:
        with_ = self._call("delete_prearchive")
        self.waiting.pop(uri, None)
        with_()

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _row(self, uri: str) -> Waiting:
        if uri not in self.waiting:
            raise NotThere(f"no row {uri}")
        return self.waiting[uri]

    def _row_of(self, target: ImportTarget, study: str) -> Waiting:
        for one in self.waiting.values():
            if (one.target, one.study) == (target, study):
                return one
        uri = f"/prearchive/projects/{target.project}/{next(self.numbers)}/{target.session}"
        self.waiting[uri] = Waiting(uri, target, study)
        return self.waiting[uri]

    def _session(self, row: Waiting) -> Thing:
        """The session that a row is merged into, or a new one with what the objects say."""
        study = told(self.script(next(iter(row.members.values())))).study_uid if row.members else ""
        study = next((told(one).study_uid for one in row.members.values() if one[-2:]), study)
        for one in self.things.values():
            if one.kind is ThingKind.SESSION and (one.project, one.label) == (row.target.project, row.target.session):
                if one.fields.get("@UID", study) != study:
                    raise RequestRefused("another study")
                return one
        subject = next(one for one in self.things.values() if one.label == row.target.subject)
        made = self.session(subject, row.target.session)
        made.fields = {"@UID": study, "dcmPatientName": "Nobody", "date": "2001-01-01"}
        return made

    def _file(self, session: Thing, said: ObjectIdentity, name: str, content: bytes) -> None:
        scan = next((one for one in session.parts if one.fields.get("@UID") == said.series_uid), None)
        if scan is None:
            scan = self.part_of(session, ThingKind.SCAN, said.series_number, "xnat:mrScanData", quality="usable")
            scan.fields |= {"@UID": said.series_uid, "@type": "made"}
        res = scan.resources.setdefault(("", "DICOM"), Res(next(self.numbers), "DICOM", "RAW"))
        res.files[name] = content
        res.changes += 1

    def sessions(
        self, project: str, *, label: str | None = None, study_uid: str | None = None
    ) -> tuple[SessionSeen, ...]:
        found = super().sessions(project, label=label)
        seen = (replace(one, study_uid=self.things[one.id].fields.get("@UID", "")) for one in found)
        return tuple(one for one in seen if study_uid in {None, one.study_uid})
