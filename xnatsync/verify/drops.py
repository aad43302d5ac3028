"""Verifies what a drop route delivered: manifest and receipt against the server, and against the filed copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xnatsync.core.errors import AccessDenied, NotThere, ReadFailed, ReplyStrange, RouteUnknown, ServerBusy
from xnatsync.core.manifest import Level, manifest_digest
from xnatsync.core.phases import PROVEN, ItemPhase
from xnatsync.core.verification import Depth, Finding, Looked, Repair, Tally, Target, Unkept, Verdict
from xnatsync.core.wording import counted
from xnatsync.ledger.rows import FileRow, ReceiptRow, UnitRow
from xnatsync.routes.drop.settings import DropRoute, is_attached, target_tree
from xnatsync.verify.examiner import Looking
from xnatsync.verify.filed_copies import Copy, Digests, examine_copy
from xnatsync.verify.redelivery import redeliver, went_back
from xnatsync.verify.session_diff import Comparison, Place, Sent

_PASSING = (ReadFailed, ReplyStrange, ServerBusy)  # one session could not be looked at; the server may be well


class Drops:
    """Verifies one drop route."""

    kind = "unit"

    def __init__(self, looking: Looking, route: DropRoute, level: Level | None, *, repairing: bool) -> None:
        self.looking, self.route = looking, route
        self.back: set[int] = set()  # items that were put back into the drop folder
        self.parts: dict[str, list[UnitRow]] = {}  # what was delivered of each study, by whatever item
        read = level is None or level.rank >= Level.PIXELS.rank or repairing  # what is put back must be known whole
        self.depth = Depth(level or route.level, Level.BYTES if read else Level.NAMES)

    def targets(self) -> list[Target]:
        """List the sessions to which something was proven to have been delivered."""
        groups: dict[tuple[str, str, str], Target] = {}
        self.parts.clear()
        for unit in self.looking.ledger.units(route=self.route.name, living=False):
            if unit.phase not in PROVEN:
                continue
            key = (unit.target, unit.study_uid, unit.session_id or "")  # each session where it went since, if it did
            self.parts.setdefault(unit.study_uid, []).append(unit)
            before = groups.get(key)
            groups[key] = Target(
                route=self.route.name, server=unit.server, project=unit.project, subject=unit.subject,
                session=unit.session, session_id=unit.session_id or "",
                ids=(*(before.ids if before is not None else ()), unit.id),
                files=unit.files + (before.files if before is not None else 0),
            )  # fmt: skip
        return list(groups.values())

    def prepare(self, chosen: list[Target]) -> None:
        """Nothing: each session is listed by itself."""

    def aside(self) -> list[Looked]:
        """Nothing: what is in the drop folder is on its way."""
        return []

    def examine(self, target: Target) -> Looked:
        """Compare one session, as listed and if need be fetched, and the filed copies of what was sent there."""
        ledger = self.looking.ledger
        units = tuple(ledger.unit(number) for number in target.ids)
        files = {unit.id: ledger.files(unit.item_id, unit_id=unit.id) for unit in units}
        receipts = {unit.id: row for unit in units if (row := ledger.receipt(unit.id)) is not None}
        sent = Sent(units, files, receipts, ledger.entries(self.route.name, units[0].target), self._elsewhere(units))
        copies = [self._copy(unit, sent) for unit in units]
        local = sum((copy.tally for copy in copies), Tally())
        digests = {key: found for copy in copies for key, found in copy.digests.items()}
        server, findings = self._server(sent, digests)
        findings += [finding for copy in copies for finding in copy.findings]
        findings += [finding for unit in units for finding in _ledger(unit, files[unit.id], receipts.get(unit.id))]
        unkept = tuple(self._unkept(unit) for unit, copy in zip(units, copies, strict=True) if copy.gone)
        return Looked(
            target, self.depth, server, local, tuple(findings), tuple(one for one in unkept if one is not None)
        )

    def again(self, target: Target) -> Looked:
        """Each look is a new one."""
        return self.examine(target)

    def note(self, looked: Looked) -> None:
        """Nothing: what is missing of a drop is sent again only when a repair is asked for."""

    def mend(self, looked: Looked, *, rehearse: bool) -> list[Repair]:
        """Put filed copies back whose objects the server lost; see `redelivery`."""
        return list(redeliver(self.looking, self.route, looked, self.back, rehearse=rehearse))

    def _elsewhere(self, units: Sequence[UnitRow]) -> frozenset[str]:
        """List what this route delivered of the same study under another label or into another session."""
        others = [unit for unit in self.parts.get(units[0].study_uid, ()) if unit not in units]
        return frozenset(
            file.key for unit in others for file in self.looking.ledger.files(unit.item_id, unit_id=unit.id)
        )

    # --- our side ------------------------------------------------------------------------------------------------

    def _copy(self, unit: UnitRow, sent: Sent) -> Copy:
        item = self.looking.ledger.item(unit.item_id)
        if item.phase is not ItemPhase.DONE or went_back(self.looking, self.route, item):
            return Copy()
        files = list(sent.files[unit.id])
        if unit.id == min(other.id for other in self.looking.ledger.units(item_id=item.id, living=False)):
            files += [file for file in self.looking.ledger.files(item.id) if file.unit_id is None]
        files.sort(key=lambda file: file.position)
        gone = self.looking.ledger.let_go_of(item.id)
        files = [file for file in files if file.position not in gone]
        if self.route.after == "delete":
            files = [file for file in files if file.unit_id is None]
        contents = self.depth.server.rank >= Level.PIXELS.rank
        return examine_copy(self.looking, self.route, item, files, self.depth.local, contents=contents)

    def _unkept(self, unit: UnitRow) -> Unkept | None:
        item = self.looking.ledger.item(unit.item_id)
        return Unkept(item.route, item.id, item.filed_as or "") if item.unkept_at is None else None

    # --- the server's side ---------------------------------------------------------------------------------------

    def _server(self, sent: Sent, digests: Digests) -> tuple[Tally, list[Finding]]:
        expected = sum(len(sent.source(unit)) for unit in sent.units)
        try:
            place = self._find(sent.units[-1])
            if self.depth.server is Level.COUNTS:
                return self._counted(sent, place)
            return Comparison(self.looking, self.route, sent, place, self.depth.server, digests).result()
        except NotThere as error:
            return self._whole(expected, Verdict.MISSING, str(error))
        except AccessDenied as error:
            return self._whole(expected, Verdict.UNVERIFIABLE, f"this account may not read it: {error}")
        except (*_PASSING, RouteUnknown) as error:
            return self._whole(expected, Verdict.UNVERIFIABLE, str(error))

    def _whole(self, expected: int, verdict: Verdict, detail: str) -> tuple[Tally, list[Finding]]:
        return Tally(expected), [Finding("server", verdict, None, detail, expected)]

    def _find(self, unit: UnitRow) -> Place:
        """Find the study where it landed, or where it went since; NotThere when the server has lost it.

        A project that is hidden from us says nothing about what is in it: ReadFailed.
        """
        server = self.looking.server(unit.server)
        if unit.session_id is not None:
            try:
                return Place(server.session_files(unit.session_id), unit.session_id)
            except NotThere:
                if server.project(unit.project) is None:
                    raise ReadFailed(f"the project {unit.project} is not there, or hidden from this account") from None
        holders = server.sessions(unit.project, study_uid=unit.study_uid)
        if len(holders) == 1:
            return Place(server.session_files(holders[0].id), holders[0].id)
        if holders:
            raise ReadFailed(f"the study is on the server more than once: {counted(len(holders), 'session')}")
        if unit.session_id is None and unit.prearchive is not None:
            return Place(server.prearchive_files(unit.prearchive), None)
        raise NotThere(f"session {unit.session} ({unit.session_id}) is no longer there, nor is its study elsewhere")

    def _counted(self, sent: Sent, place: Place) -> tuple[Tally, list[Finding]]:
        wanted = {key for unit in sent.units for key in sent.source(unit) if not is_attached(key)}
        held = len(target_tree(place.listing, sent.members))
        if held >= len(wanted):
            return Tally(len(wanted), len(wanted)), []
        absent = len(wanted) - held
        complete = place.listing.complete
        verdict = Verdict.MISSING if complete else Verdict.UNVERIFIABLE
        detail = f"the server lists {counted(held, 'object')} of {len(wanted)}"
        detail += "" if complete else ", and its listing is not complete"
        return Tally(len(wanted), held), [Finding("server", verdict, None, detail, absent)]


def _ledger(unit: UnitRow, files: Sequence[FileRow], receipt: ReceiptRow | None) -> Iterator[Finding]:
    """A receipt vouches for exactly the manifest of its unit: one that does not has been tampered with."""
    if receipt is not None and files and receipt.manifest != manifest_digest((one.path, one.sha256) for one in files):
        text = f"the manifest of unit {unit.id} in the ledger is not the one that receipt {receipt.id} vouches for"
        yield Finding("filed", Verdict.DIFFERS, None, text, len(files))
