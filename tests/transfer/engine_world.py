"""Two archives in memory, a transfer between them, a real ledger, and a clock that never really waits."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from transfer.model import Archive
from xnatsync.core.described import ThingKind
from xnatsync.engine.progress import Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import copy_apart, open_ledger
from xnatsync.ledger.tree_rows import TroubleRow
from xnatsync.routes.transfer.run import TransferPlan, TransferRun, plan, run
from xnatsync.routes.transfer.settings import TransferRoute
from xnatsync.routes.transfer.world import TransferWorld


class Clock:
    """Time passes when somebody waits."""

    def __init__(self) -> None:
        self.s = 0.0

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=self.s)

    def elapsed_s(self) -> float:
        return self.s

    def wait(self, seconds: float) -> bool:
        self.s += seconds
        return False


class Ids:
    """Names of requests, in their order."""

    def __init__(self, prefix: str) -> None:
        self.prefix, self.numbers = prefix, itertools.count(1)

    def request_id(self) -> str:
        return f"{self.prefix}-{next(self.numbers)}"


class EngineWorld:
    """A coordinator with its ledger."""

    def __init__(
        self,
        folder: Path,
        source: Archive | None = None,
        there: Archive | None = None,
        *,
        on_disk: bool = False,
        **keys: Any,
    ) -> None:
        """A ledger in memory, unless something else has to read it."""
        self.source, self.there = source or Archive("a"), there or Archive("b")
        self.route = replace(TransferRoute("t", "a", "P", "b", "Q"), **keys)
        self.folder, self.clock, self.runs = folder, Clock(), itertools.count(1)
        self.path, self.on_disk = folder / "ledger.db", on_disk
        self.ledger = self.open()

    def open(self) -> Ledger:
        self.folder.mkdir(parents=True, exist_ok=True)
        ledger = open_ledger(self.path) if self.on_disk else copy_apart(self.path)
        ledger.remember_route("t", "transfer", "digest", "2026-03-01T00:00:00.000Z")
        return ledger

    def killed(self) -> None:
        """What was not committed is gone with the process; the transaction that was open was rolled back on its way."""
        assert not self.ledger._raw.in_transaction

    def world(self, ledger: Ledger | None = None) -> TransferWorld:
        ledger = ledger or self.ledger
        run_id = ledger.start_run("command", 1, "boot", "0", "2026-03-01T00:00:00.000Z")
        return TransferWorld(
            ledger=ledger, clock=self.clock, ids=Ids(f"r{self.folder.name}{next(self.runs)}"), run_id=run_id,
            progress=Progress(), stopping=lambda: False, server={"a": self.source, "b": self.there}.__getitem__,
            routes={"t": self.route},
        )  # type: ignore[arg-type]  # fmt: skip

    def run(self, patience_s: float = 300.0, **keys: Any) -> TransferRun:
        """Transfers once."""
        self.source.calls.clear()
        self.there.calls.clear()
        bugs: list[str] = []
        route = replace(self.route, **keys)
        done = run(self.world(), route, workers=1, patience_s=patience_s, on_bug=bugs.append)
        assert bugs == []
        return done

    def plan(self) -> TransferPlan:
        """Plans on a copy of the ledger."""
        apart = copy_apart(self.path)
        try:
            return plan(self.world(apart), self.route)
        finally:
            apart.close()

    def codes(self) -> set[str]:
        """What is in trouble."""
        return {trouble.code for trouble in self.ledger.troubles("t")}

    def troubles(self) -> list[TroubleRow]:
        return self.ledger.troubles("t")


def furnish(archive: Archive, project: str = "P") -> None:
    """Fills a project with every kind of thing."""
    held = archive.project(project, description="a study", keywords="brain")
    archive.put(held, "PROTOCOL", {"plan.pdf": b"%PDF"})
    for number in (1, 2):
        subject = archive.subject(project, f"S{number}", gender="female", **{"fields/field[name=iq]": "100"})
        subject.custom["form/1"] = '{"a": 1}'
        archive.put(subject, "NOTES", {"a.txt": b"a", "deep/b.txt": b"bb"})
        record = archive.part_of(
            subject, ThingKind.RECORD, f"S{number}_CLIN", "xnat:subjectVariablesData", date="2026-01-01"
        )
        archive.put(record, "FORMS", {"form.csv": b"x,y"})
        session = archive.session(subject, f"S{number}_MR", UID=f"1.2.{number}", date="2026-01-02", note="fine")
        archive.put(session, "QC", {"report.txt": b"good"})
        for scan in ("1", "2"):
            made = archive.part_of(session, ThingKind.SCAN, scan, "xnat:mrScanData", type="T1", quality="usable")
            res = archive.put(made, "DICOM", {f"{one}.dcm": f"{number}/{scan}/{one}".encode() for one in range(3)})
            res.format, res.content = "DICOM", "RAW"
        archive.part_of(session, ThingKind.SCAN, "3-noDICOM", "xnat:otherDicomScanData", type="x")
        rec = archive.part_of(session, ThingKind.RECONSTRUCTION, "R1", "xnat:reconstructedImageData", type="mean")
        archive.put(rec, "NIFTI", {"r.nii.gz": b"r"}, "out")
        qc = archive.part_of(session, ThingKind.ASSESSOR, f"S{number}_QC", "xnat:qcManualAssessorData", rater="me")
        archive.put(qc, "LOG", {"in.txt": b"in"}, "in")
        archive.put(qc, "LOG", {"out.txt": b"out"}, "out")
        archive.put(session, "EMPTY", {})
