"""One session on a server, object by object, against what was sent there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from xnatsync.core.errors import ContentDiffers, NotThere, ReadFailed, ReplyStrange
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.judging import SAME, Got, judge_bytes, judge_content, judge_listed
from xnatsync.core.manifest import Kind, Level
from xnatsync.core.remote import FileListing
from xnatsync.core.streams import at_most, closed_after
from xnatsync.core.tree import Node, Problem, Tree
from xnatsync.core.verification import Finding, Tally, Verdict
from xnatsync.dicom.identity import pixel_digest
from xnatsync.ledger.rows import EntryRow, FileRow, ReceiptRow, UnitRow
from xnatsync.routes.drop.fetch_back import told
from xnatsync.routes.drop.settings import DropRoute, attached_tree, is_attached, object_key, source_tree, target_tree
from xnatsync.verify.examiner import Looking
from xnatsync.verify.filed_copies import Digests


@dataclass(frozen=True, slots=True)
class Place:
    """Where a study is on its server now."""

    listing: FileListing
    session_id: str | None  # in the archive; None: it waits in the prearchive, from which nothing is fetched


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent to a target by the units that are verified together."""

    units: tuple[UnitRow, ...]
    files: dict[int, list[FileRow]]  # by unit; none where the item was read anew since
    receipts: dict[int, ReceiptRow]
    entries: dict[str, EntryRow]
    elsewhere: frozenset[str] = frozenset()  # what the route delivered of the study under another label

    def source(self, unit: UnitRow) -> Tree:
        """What the unit sent: its manifest, or what the merge base remembers of it."""
        if files := self.files[unit.id]:
            return source_tree(files)
        mine = [entry for entry in self.entries.values() if entry.unit_id == unit.id]
        nodes = [Node(row.key, row.source_size, 0, {"sha256": row.source_sha256.hex()}) for row in mine]
        return Tree(nodes, complete=True)

    @property
    def members(self) -> dict[str, str]:
        """The names that were sent, and the objects they stand for."""
        return {file.member: file.key for files in self.files.values() for file in files if file.kind == Kind.DICOM}


class Comparison:
    """One session, object by object."""

    def __init__(
        self, looking: Looking, route: DropRoute, sent: Sent, place: Place, level: Level, copies: Digests
    ) -> None:
        self.looking, self.route, self.sent, self.place, self.copies = looking, route, sent, place, copies
        self.fetching = level.rank >= Level.PIXELS.rank
        self.level = level
        self.target = target_tree(place.listing, sent.members)
        self.tally = Tally()
        self.findings: list[Finding] = []
        self.cut = ""  # why not everything that was asked for came back
        self.proven_anew: list[tuple[EntryRow, int, str]] = []

    def result(self) -> tuple[Tally, list[Finding]]:
        """Judge everything that was sent, and say what else is there."""
        fetched = self._fetched() if self.fetching and self.place.session_id is not None else {}
        done: set[str] = set()
        for unit in self.sent.units:
            source = self.sent.source(unit)
            for key, ours in source.items():
                if key in done or is_attached(key) or isinstance(ours, Problem):
                    continue
                done.add(key)
                self._note(key, *self._judged(unit, ours, fetched))
            self._attached(unit, source)
        for key in self.target:
            if key not in done and key not in self.sent.entries and key not in self.sent.elsewhere:
                self.findings.append(Finding("server", Verdict.EXTRA, key, "not sent by this route"))
        if self.proven_anew:
            unit, now = self.sent.units[0], self.looking.now()
            self.looking.ledger.confirm_entries(unit.route, unit.target, self.proven_anew, now)
        return self.tally, self.findings

    def _judged(self, unit: UnitRow, ours: Node, fetched: dict[str, Got]) -> tuple[Verdict, str]:
        theirs = self.target.get(ours.key)
        entry = self.sent.entries.get(ours.key)
        proven = entry if entry is not None and entry.state == "verified" else None
        receipt = self.sent.receipts.get(unit.id)
        proven_at = Level(receipt.level) if receipt is not None else Level.NAMES
        before = _as_proven(proven, proven_at) if proven is not None and not self.fetching else None
        listed = judge_listed(ours, theirs, complete=self.target.complete, proven=before)
        if not self.fetching or listed[0] in {Verdict.MISSING, Verdict.DIFFERS} or not isinstance(theirs, Node):
            return listed
        if self.place.session_id is None:
            return Verdict.UNVERIFIABLE, "it waits in the prearchive, from which nothing is fetched back"
        got = fetched.get(ours.key)
        if got is None and self.cut:
            return Verdict.UNVERIFIABLE, self.cut
        was_fetched = proven is not None and proven_at.rank >= Level.PIXELS.rank
        digest = proven.target_digest if proven is not None and was_fetched else ""
        verdict = judge_content(self._as_copied(ours), got, self.level, proven_md5=digest, proven_at=proven_at)
        if verdict[0] is Verdict.SAME and got is not None and proven is not None:
            stated = theirs.size if theirs.size is not None else got.size, theirs.digests.get("md5", "")
            self.proven_anew.append((proven, *((got.size, got.md5) if was_fetched else stated)))
        return verdict

    def _as_copied(self, ours: Node) -> Node:
        """Take the digests of pixel data and content from the filed copy: the manifest may not have them."""
        return replace(ours, digests={**self.copies.get(ours.key, {}), **ours.digests})

    def _note(self, key: str, verdict: Verdict, detail: str) -> None:
        self.tally += Tally(1, int(verdict is Verdict.SAME))
        if verdict is not Verdict.SAME:
            self.findings.append(Finding("server", verdict, key, detail))

    # --- what is fetched back ------------------------------------------------------------------------------------

    def _fetched(self) -> dict[str, Got]:
        listing, members = self.place.listing, self.sent.members
        keys = {(file.scan, file.resource, file.name): object_key(file, members) for file in listing.files}
        wanted = {key for unit in self.sent.units for key in self.sent.source(unit)}
        ours = {place: key for place, key in keys.items() if key in wanted}
        scans = sorted({scan for scan, _, _ in ours})
        found: dict[str, Got] = {}
        self._fetch(scans, ours, found)
        if self.cut and len(scans) > 1:  # what one damaged file kept from us is asked for scan by scan
            for scan in scans:
                if any(place[0] == scan and key not in found for place, key in ours.items()):
                    self._fetch([scan], ours, found)
        return found

    def _fetch(self, scans: Sequence[str], ours: Mapping[tuple[str, str, str], str], found: dict[str, Got]) -> None:
        """Fetch scans; when that ends early, what came before still counts."""
        assert self.place.session_id is not None
        server = self.looking.server(self.sent.units[0].server)
        try:
            with closed_after(server.fetch_scans(self.place.session_id, scans)) as files:
                for scan, resource, name, content in files:
                    key = ours.get((scan, resource, name))
                    if key is not None:
                        got, before = self._got(content), found.get(key)
                        found[key] = got if before in (None, got) else Got(0, "", "", "", "", "", twice=True)
        except (ReadFailed, ReplyStrange) as error:
            self.cut = str(error)

    def _got(self, content: Iterator[bytes]) -> Got:
        passing = self.looking.digested(content, self._told)
        facts = pixel_digest(passing, content=True)
        found = told(facts)
        return Got(passing.size, passing.sha256, passing.md5, found["pixels"], facts.sop_uid, found.get("content", ""))

    def _told(self, size: int) -> None:
        self.tally += Tally(read_bytes=size)
        self.looking.progress.fetched(size)

    # --- attached files ------------------------------------------------------------------------------------------

    def _attached(self, unit: UnitRow, source: Tree) -> None:
        wanted = [node for key, node in source.items() if is_attached(key) and isinstance(node, Node)]
        if not wanted:
            return
        if self.place.session_id is None:
            self._rest(wanted, "it waits in the prearchive, which takes no attachments")
            return
        server = self.looking.server(unit.server)
        listed = attached_tree(server.resource_files(self.place.session_id, self.route.attach_to))
        for ours in wanted:
            verdict = self._attachment(unit, ours, listed)
            if verdict[0] is Verdict.MISSING and self._is_there_as_another(ours, listed):
                verdict = SAME
            self._note(ours.key, *verdict)

    def _is_there_as_another(self, ours: Node, listed: Tree) -> bool:
        """Return whether a later item brought the same content again: its name begins with that item's number."""
        twins = (
            (unit, node)
            for unit in self.sent.units
            for key, node in self.sent.source(unit).items()
            if is_attached(key) and key != ours.key and isinstance(node, Node)
        )
        digest = ours.digests["sha256"]
        return any(
            node.digests["sha256"] == digest and self._attachment(unit, node, listed)[0] is Verdict.SAME
            for unit, node in twins
        )

    def _attachment(self, unit: UnitRow, ours: Node, listed: Tree) -> tuple[Verdict, str]:
        """Nobody rewrites an attached file: its size and its digest, where one is stated, are ours or wrong."""
        theirs = listed.get(ours.key)
        verdict = judge_listed(ours, theirs, complete=listed.complete, proven=None)
        if verdict[0] is not Verdict.SAME or not isinstance(theirs, Node):
            return verdict
        if theirs.size != ours.size:
            return Verdict.DIFFERS, f"it has {theirs.size} bytes instead of {ours.size}"
        if self.fetching:
            return self._attachment_fetched(unit, ours)
        stated, own = theirs.digests.get("md5", ""), ours.digests.get("md5", "")
        return (Verdict.DIFFERS, "its digest is not ours") if stated and own and stated != own else verdict

    def _attachment_fetched(self, unit: UnitRow, ours: Node) -> tuple[Verdict, str]:
        assert self.place.session_id is not None
        owner = Owner(OwnerKind.SESSION, unit.project, self.place.session_id, unit.subject, session=unit.session)
        key = ResourceKey("", self.route.attach_to)
        name = ours.key.removeprefix("attached/")
        try:
            with closed_after(self.looking.archive(unit.server).fetch_file(owner, key, name)) as pieces:
                announced = at_most(
                    pieces, ours.size, lambda came: ContentDiffers(f"{came} bytes came and more follow")
                )
                passing = self.looking.digested(announced, self._told).drain()
        except NotThere:
            return Verdict.MISSING, "the server lists it, and does not have it"
        except ContentDiffers as error:
            return Verdict.DIFFERS, f"it is longer than {ours.size} bytes ({error})"
        return judge_bytes(ours.size or 0, ours.digests["sha256"], passing.size, passing.sha256)

    def _rest(self, wanted: Sequence[Node], why: str) -> None:
        for ours in wanted:
            self._note(ours.key, Verdict.UNVERIFIABLE, why)


def _as_proven(entry: EntryRow, level: Level) -> Node:
    """What a listing showed of an object when it was proven last.

    Under a receipt by pixels or bytes the digest is of what was fetched; a listing may state one that is out of date.
    """
    digests = {"md5": entry.target_digest} if entry.target_digest and level is Level.NAMES else {}
    return Node(entry.key, entry.target_size, 0, digests)
