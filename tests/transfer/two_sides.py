"""Two archives in memory, as far as comparing asks of them, and a ledger that knows what stands for what."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from xnatsync.core.described import Described, Part, ThingKind
from xnatsync.core.errors import NotThere, ServerUnwell, XnatsyncError
from xnatsync.core.inventory import Inventory, Owner, OwnerKind
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.core.transfer_filter import TransferFilter
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import open_ledger
from xnatsync.routes.transfer.settings import TransferRoute
from xnatsync.verify.transfers import Examination

NOW = "2026-11-28T06:00:00Z"
ROUTE = TransferRoute("move", "prod", "NEURO", "staging", "NEURO_DEV")


@dataclass
class Shelf:
    """One archive: what it holds, by accession ID."""

    things: dict[str, tuple[Owner, Described, tuple[RemoteFile, ...]]] = field(default_factory=dict)
    whole: bool = True
    failing: XnatsyncError | None = None
    asked: list[str] = field(default_factory=list)

    def put(self, owner: Owner, described: Described, *files: RemoteFile) -> None:
        """Let it hold something."""
        self.things[owner.id] = (owner, described, files)

    def inventory(self, project: str, kinds: frozenset[OwnerKind]) -> Inventory:
        """List everything."""
        self.asked.append("inventory")
        return Inventory(project, {owner: () for owner, _, _ in self.things.values()}, self.whole)

    def describe(self, owner: Owner) -> Described:
        """Describe one thing."""
        self.asked.append(f"describe {owner.id}")
        if self.failing is not None:
            raise self.failing
        if owner.id not in self.things:
            raise NotThere(f"{owner.id} is not there")
        return self.things[owner.id][1]

    def all_files(self, owners: Sequence[Owner]) -> Mapping[Owner, FileListing]:
        """List the files of some."""
        self.asked.append("files")
        return {owner: FileListing(self.things[owner.id][2]) for owner in owners if owner.id in self.things}


def file(part: str, resource: str, name: str) -> RemoteFile:
    """Return a file that both sides list alike."""
    text = f"{part}/{resource}/{name}"
    return RemoteFile(part, resource, name, len(text), hashlib.md5(text.encode()).hexdigest())


SCAN = Described(ThingKind.SCAN, "1", "", "xnat:mrScanData", (("type", "T1"), ("quality", "usable")))
FILES = (file("1", "DICOM", "1.dcm"), file("1", "SNAPSHOTS", "1.gif"), file("", "QC", "x.csv"))


@dataclass
class TwoSides:
    """A project of a subject with a session, transferred."""

    ledger: Ledger
    run_id: int
    source: Shelf = field(default_factory=Shelf)
    there: Shelf = field(default_factory=Shelf)
    chosen: TransferFilter = field(default_factory=TransferFilter)

    @property
    def examination(self) -> Examination:
        """Compare them."""
        return Examination(
            ledger=self.ledger, route=replace(ROUTE, filters=self.chosen),
            source=self.source, there=self.there,  # type: ignore[arg-type]
        )  # fmt: skip

    def session_there(self, **changes: object) -> None:
        """Change the session at the destination behind the transfer's back."""
        owner, described, files = self.there.things["T_E1"]
        self.there.things["T_E1"] = (owner, replace(described, **changes), files)  # type: ignore[arg-type]

    def files_there(self, *files: RemoteFile) -> None:
        """Let the session there have these files."""
        owner, described, _ = self.there.things["T_E1"]
        self.there.things["T_E1"] = (owner, described, files)


def two_sides(folder: Path) -> TwoSides:
    """Make them, in agreement."""
    ledger = open_ledger(folder / "ledger.db")
    ledger.remember_route("move", "transfer", "digest", NOW)
    found = TwoSides(ledger, ledger.start_run("command", 1, "boot", "1", NOW))
    ids = {"project": ("NEURO", "NEURO_DEV"), "subject": ("P_S1", "T_S1"), "session": ("P_E1", "T_E1")}
    labels = {"project": "", "subject": "S1", "session": "S1_MR"}
    for kind, (here, there) in ids.items():
        what = ThingKind(kind)
        parts, files = ((SCAN,), FILES) if what is ThingKind.SESSION else ((), ())
        xsi_type = "xnat:mrSessionData" if parts else f"xnat:{kind}Data"
        described = Described(what, here, labels[kind], xsi_type, (("note", "calm"),), parts=parts)
        owners = [
            Owner(OwnerKind(kind), project, number, "S1" if kind != "project" else "",
                  session=labels[kind] if parts else "", xsi_type=described.xsi_type)
            for project, number in (("NEURO", here), ("NEURO_DEV", there))
        ]  # fmt: skip
        found.source.put(owners[0], described, *files)
        found.there.put(owners[1], replace(described, id=there), *files)
        (row,) = ledger.ensure_owners("move", owners[:1], NOW)
        ledger.note_counterpart(row.id, "", source_id=here, there_id=there, there_label=labels[kind], facts={})
        if parts:
            ledger.note_counterpart(row.id, str(Part(ThingKind.SCAN, "1")), source_id="1", there_id="1", there_label="",
                                    facts={})  # fmt: skip
    return found


UNWELL = ServerUnwell("it is unwell")
