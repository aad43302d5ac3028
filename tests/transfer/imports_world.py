"""Two stand-in XNATs and a session of real objects in the first; the second changes on arrival what names a person."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pydicom

from big_project import add_resource
from transfer.engine_world import EngineWorld
from transfer.inline import inline
from transfer_world import PASSWORD, SOURCE, TARGET, USER, XNAT, Pair, Side, a_side
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.manifest import Level
from xnatsync.core.remote import RemoteFile
from xnatsync.core.verification import Depth, Verdict
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.ledger.imports import ObjectRow
from xnatsync.routes.transfer.run import TransferRun, run
from xnatsync.sandbox.model.objects import Resource
from xnatsync.verify.carried import Carried
from xnatsync.verify.examiner import Looking
from xnatsync.verify.transfers import Examination, Examined

__all__ = ["PASSWORD", "USER"]
LABEL = "S1_MR"
SCRIPT = (  # as sites have it: who it is goes, and all UIDs are others
    'version "6.1"\n(0020,000D) := hashUID[(0020,000D)]\n(0020,000E) := hashUID[(0020,000E)]\n'
    '(0008,0018) := hashUID[(0008,0018)]\n(0010,0010) := "Nobody"\n(0010,0020) := "X1"\n'
)
NAME = "Doe^Jane"  # in the source's objects and fields: nowhere at the destination


@dataclass(slots=True)
class Moving:
    """Both servers, a coordinator between them, and the objects."""

    pair: Pair
    world: EngineWorld
    study: list[tuple[ResourceKey, bytes]] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"/data/projects/{SOURCE}/subjects/S1/experiments/{LABEL}"

    @property
    def here(self) -> Owner:
        return self.pair.source.owner(OwnerKind.SESSION, LABEL)

    @property
    def there(self) -> Owner:
        return self.pair.target.owner(OwnerKind.SESSION, LABEL, TARGET)

    def run(self, **keys: object) -> TransferRun:
        """Transfer once."""
        bugs: list[str] = []
        with inline():
            done = run(
                self.world.world(), replace(self.world.route, **keys), workers=1, patience_s=90.0,  # type: ignore[arg-type]
                on_bug=bugs.append,
            )  # fmt: skip
        assert bugs == []
        return done

    def plant(self, files: dict[str, bytes], key: ResourceKey = ResourceKey("5", "DICOM")) -> None:  # noqa: B008
        """Put files into a resource of a scan of the source as a pipeline does, whatever they are called."""
        site = self.pair.source.site
        session = site.experiments[self.here.id]
        add_resource(site, session.scans[key.scan], f"{session.folder}/SCANS/{key.scan}", key.label, files)

    def resource(self, side: Side, owner: Owner, scan: str, label: str = "DICOM") -> Resource:
        return side.site.experiments[owner.id].scans[scan].resources[label]

    def objects(self, side: Side, owner: Owner) -> list[RemoteFile]:
        """The objects of a session, as its server lists them."""
        return [file for file in side.server.all_files([owner])[owner].files if file.resource == "DICOM"]

    def codes(self) -> dict[str, str]:
        """What is in trouble, by path."""
        return {trouble.path: trouble.code for trouble in self.world.troubles()}

    def rows(self) -> list[ObjectRow]:
        """What the ledger knows of the objects."""
        (owner,) = [row for row in self.world.ledger.owners("t") if row.session == LABEL]
        return list(self.world.ledger.import_objects(owner.id).values())

    def examined(self, *, reads: bool = False) -> Examined:
        """What a certificate would say of the session."""
        found = Examination(
            ledger=self.world.ledger, route=self.world.route, source=self.pair.source.server,
            there=self.pair.target.server, reads=reads,
        ).entities()  # fmt: skip
        return next(one for one in found if one.source.session == LABEL)

    def grave(self, *, reads: bool = False) -> dict[str, str]:
        """What of the session is not as it was, by name: its fate."""
        differences = self.examined(reads=reads).comparison.differences
        return {f"{one.part} {one.name}": one.fate.value for one in differences if one.is_grave}

    def verified(self, level: Level | None) -> tuple[str, Depth]:
        """What `verify` says of the session at a level: the gravest finding, and how deep it looked."""
        world = self.world.world()
        looking = Looking(
            ledger=world.ledger, clock=world.clock, ids=world.ids, run_id=world.run_id, progress=world.progress,
            stopping=world.stopping, disk=None, trees=None, server=world.server, archive=world.server,  # type: ignore[arg-type]
        )  # fmt: skip
        examination = Examination(
            ledger=world.ledger, route=self.world.route, source=self.pair.source.server, there=self.pair.target.server
        )
        carried = Carried(looking, self.world.route, examination, level, repairing=False)
        (target,) = [one for one in carried.targets() if one.session == LABEL]
        looked = carried.examine(target)
        wrong = [found.verdict.value for found in looked.findings if found.verdict is not Verdict.EXTRA]
        return (wrong[0] if wrong else "same"), looked.depth

    def sent(self, *names: str) -> list[str]:
        """What was asked of the destination that changes something there, by the words of its address."""
        lines = [line for line in self.pair.target.writes() if "JSESSION" not in line and "/xapi/anonymize" not in line]
        return [line for line in lines if any(name in line for name in names)] if names else lines

    def spoil(self, old: bytes, new: bytes, *, listed: bool = True, at: int = 0) -> str:
        """Change the bytes of an object on the disk of the destination, which may list them as well; gives its name."""
        side, owner = self.pair.target, self.there
        for file in sorted(self.objects(side, owner), key=lambda one: one.name)[at:]:
            resource = self.resource(side, owner, file.scan)
            with side.site.store.open(f"{resource.folder}/{file.name}") as held:
                content = held.read()
            if old in content:
                changed = content.replace(old, new) if old else content[:-1] + bytes([content[-1] ^ 0xFF])
                side.site.store.write(f"{resource.folder}/{file.name}", [changed])
                if listed:
                    resource.entries[file.name].digest = hashlib.md5(changed, usedforsecurity=False).hexdigest()
                return file.name
        raise AssertionError(old)


@contextmanager
def moving(folder: Path, *, script: str = SCRIPT, **keys: object) -> Iterator[Moving]:
    """Make them: two scans with odd numbers and names, one without DICOM, and what people wrote."""
    with a_side("prod") as source, a_side("staging") as target:
        pair = Pair(source, target)
        world = EngineWorld(folder / "one", quiet_s=1.0)
        world.source, world.there = source.server, target.server  # type: ignore[assignment]
        world.route = replace(world.route, project=SOURCE, to_project=TARGET, dicom="import", **keys)  # type: ignore[arg-type]
        made = Moving(pair, world)
        for side, project in ((source, SOURCE), (target, TARGET)):
            side.xml(f"/data/projects/{project}", f'<xnat:Project ID="{project}" {XNAT}/>')
        if script:
            anonymise(target, script)
        fill(made, folder)
        yield made
        world.ledger.close()


def anonymise(side: Side, script: str) -> None:
    """Let the script of the site run on everything that comes."""
    side.put("/xapi/anonymize/site", script.encode(), "text/plain")


def fill(made: Moving, folder: Path) -> None:
    source = made.pair.source
    plan = StudyPlan("P7", NAME, "20240101", (SeriesPlan(1, "T1", 4), SeriesPlan(2, "T2", 3)), size=(16, 16))
    paths = make_study(folder / "study", plan, seed=5)
    uid = str(pydicom.dcmread(paths[0], stop_before_pixels=True).StudyInstanceUID)
    session = source.put(made.place, xsiType="xnat:mrSessionData", date="2024-01-01", note="calm", UID=uid,
                         acquisition_site="Ward 7",
                         **{"xnat:mrSessionData/dcmPatientName": NAME,
                            "xnat:mrSessionData/fields/field[name=who]/field": "RK"})  # fmt: skip
    scans = f"/data/experiments/{session}/scans"
    for scan, kind in (("5", "anat"), ("9", "func"), ("N", "notes")):
        source.put(f"{scans}/{scan}", xsiType="xnat:mrScanData", type=kind, quality="questionable", note=f"of {scan}")
    for number, path in enumerate(paths):
        key = ResourceKey("5" if number < 4 else "9", "DICOM")
        made.study.append((key, path.read_bytes()))
        made.plant({f"odd name {number}": path.read_bytes()}, key)
    source.put(f"{scans}/5/resources/NIFTI/files/t1.nii", b"nifti" * 99)
    source.put(f"{scans}/N/resources/TEXT/files/a.txt", b"a text")
    source.put(f"/data/experiments/{session}/resources/NOTES/files/readme.txt", b"of the session")
    source.put(f"/data/experiments/{session}/assessors/S1_QC", xsiType="xnat:qcManualAssessorData", rater="me")
