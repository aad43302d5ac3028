"""Verifies a mirror or a push: the living versions against the tree, and against what the server lists or gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from xnatsync.core.conflict import is_conflict_copy
from xnatsync.core.errors import NotThere, ReadFailed, ReplyStrange, ServerBusy
from xnatsync.core.inventory import Owner, OwnerKind, ResourceSeen
from xnatsync.core.manifest import Level
from xnatsync.core.remote import FileListing
from xnatsync.core.verification import DIFFERENCES, Depth, Finding, Looked, Repair, Tally, Target, Verdict
from xnatsync.core.wording import counted
from xnatsync.fetch.listings import Listings
from xnatsync.ledger.tree_rows import OwnerRow, VersionRow
from xnatsync.ports.tree import TreeLook
from xnatsync.routes.tree.mirror_settings import METADATA, MirrorRoute
from xnatsync.routes.tree.mirror_survey import check_tree
from xnatsync.routes.tree.world import TreeWorld
from xnatsync.verify.examiner import Looking
from xnatsync.verify.refetch import Refetch
from xnatsync.verify.resend import Resend
from xnatsync.verify.tree_diff import AtServer, compare_server, compare_tree

_PASSING = (ReadFailed, ReplyStrange, ServerBusy)  # one owner could not be looked at; the server may be well
Identity = tuple[str, str, str]  # project, kind, accession ID


@dataclass(slots=True)
class _Sight:
    """What one look at both sides showed, before anything is compared file by file."""

    tree: TreeLook = field(default_factory=lambda: TreeLook({}))
    owners: dict[Identity, tuple[Owner, tuple[ResourceSeen, ...]]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)  # projects that were listed completely
    unseen: dict[str, str] = field(default_factory=dict)  # projects that could not be listed, and why
    odd: list[tuple[str, str]] = field(default_factory=list)  # (project, why) of rows that nobody can read
    rows: dict[int, OwnerRow] = field(default_factory=dict)


class Trees:
    """Verifies one route that keeps a tree."""

    kind = "owner"

    def __init__(
        self,
        looking: Looking,
        world: TreeWorld,
        route: MirrorRoute,
        level: Level | None,
        *,
        repairing: bool,
        sharing: Sequence[str] = (),
        pushes: bool = False,
    ) -> None:
        """`sharing` are the routes whose files lie in the same folder; `pushes`: they came from here."""
        self.looking, self.world, self.route, self.sharing = looking, world, route, sharing
        read = level is None or level.rank >= Level.PIXELS.rank or repairing
        server = Level.NAMES if level is None else Level.BYTES if level.rank >= Level.PIXELS.rank else level
        self.depth = Depth(server, Level.BYTES if read else Level.NAMES)
        self.sight = _Sight()
        self.listings: Listings | None = None
        self.pushes = pushes
        self.refetch = Resend(looking, route) if pushes else Refetch(looking, route, self.sight_of_tree)

    def sight_of_tree(self) -> TreeLook:
        """What the one look at the tree showed."""
        return self.sight.tree

    # --- what there is -------------------------------------------------------------------------------------------

    def targets(self) -> list[Target]:
        """List the owners that something was agreed of; FolderMissing when the tree is not the one we know."""
        if check_tree(self.world, self.route):
            return []
        self.sight.tree = self.looking.trees.look_tree(self.route.folder)
        for project in self.route.projects:
            self._list(self.sight, project)
        rows = self.looking.ledger.owners(self.route.name)
        self.sight.rows = {row.id: row for row in rows}
        return [self._target(row) for row in rows if row.phase != "gone" or self.looking.ledger.living_of(row.id)]

    def _list(self, sight: _Sight, project: str) -> None:
        try:
            inventory = self.looking.archive(self.route.server).inventory(project, self.route.selection.kinds)
        except (*_PASSING, NotThere) as error:  # a hidden project looks as an absent one does: nothing is concluded
            sight.unseen[project] = str(error)
            return
        if inventory.complete:
            sight.whole.add(inventory.project)
        sight.odd += [(project, why) for _, why in inventory.refused]
        for owner, resources in inventory.owners.items():
            sight.owners[inventory.project, *owner.key] = owner, resources

    def _target(self, row: OwnerRow) -> Target:
        files = sum(resource.files for resource in self.looking.ledger.resources(row.id))
        session_id = row.server_id if row.kind == OwnerKind.SESSION.value else ""
        return Target(
            route=self.route.name,
            server=self.route.server,
            project=row.project,
            subject=row.subject,
            session=row.session,
            session_id=session_id,
            ids=(row.id,),
            files=files,
        )

    def prepare(self, chosen: list[Target]) -> None:
        """List are asked for in batches, in the order in which owners are verified."""
        rows = [self.sight.rows[target.ids[0]] for target in chosen]
        found = [self.sight.owners.get((row.project, *row.key)) for row in rows]
        pairs = zip(chosen, found, strict=True)
        weights = {seen[0]: target.files for target, seen in pairs if seen is not None and seen[1]}
        self.listings = Listings(self.looking.archive(self.route.server), weights)

    # --- one owner -----------------------------------------------------------------------------------------------

    def examine(self, target: Target) -> Looked:
        """Compare one owner's files with the tree and with the server."""
        versions = self.looking.ledger.living_of(target.ids[0])
        assert self.listings is not None
        return self._compared(target, versions, self.sight, self.listings)

    def again(self, target: Target) -> Looked:
        """Compare what was agreed by now with tree and server as they are now."""
        number, project = target.ids[0], target.project
        versions = self.looking.ledger.living_of(number)
        there = {one.path: self.looking.trees.stat(self.route.folder, one.path) for one in versions}
        tree = TreeLook({path: facts for path, facts in there.items() if facts is not None}, self.sight.tree.problems)
        sight = _Sight(tree, rows={number: self.looking.ledger.owner(number)})
        self._list(sight, project)
        looked = self._compared(target, versions, sight, Listings(self.looking.archive(self.route.server), {}))
        return replace(looked, findings=tuple(self._firm(looked.findings, versions)))

    def _firm(self, findings: Sequence[Finding], versions: Sequence[VersionRow]) -> Iterator[Finding]:
        """Whatever a run does to a file that was agreed on, it announces or has written down when we look."""
        known = {version.path: version.id for version in versions}
        for found in findings:
            now = self.looking.ledger.find_living(self.route.name, found.key or "")
            firm = now is not None and now.id == known.get(now.path) and now.trash is None
            if firm or found.verdict not in DIFFERENCES or found.key not in known:
                yield found
            else:
                text = "a run is at work with it, or died there: verify it again when `xnatsync sync` has ended"
                yield replace(found, verdict=Verdict.UNVERIFIABLE, detail=text)

    def _compared(self, target: Target, versions: Sequence[VersionRow], sight: _Sight, listings: Listings) -> Looked:
        row = sight.rows[target.ids[0]]
        local, findings = compare_tree(self.looking, self.route, row.id, versions, sight.tree, self.depth.local)
        of_server = [version for version in versions if version.label != METADATA]
        server, others = self._server(row, of_server, sight, listings)
        return Looked(target, self.depth, server, local, (*others, *findings))

    def _server(
        self, row: OwnerRow, versions: Sequence[VersionRow], sight: _Sight, listings: Listings
    ) -> tuple[Tally, list[Finding]]:
        seen = sight.owners.get((row.project, *row.key))
        if seen is None:
            return self._absent(row, len(versions), sight)
        owner, resources = seen
        try:
            empty = not resources and row.project in sight.whole
            listing = FileListing(()) if empty else listings.take(owner)
        except _PASSING as error:
            return self._whole(len(versions), Verdict.UNVERIFIABLE, str(error))
        wanted = {part.key: part for part in resources if self.route.selection.wants_resource(owner, part)}
        at_server = AtServer(owner, listing, wanted, self.route.selection)
        return compare_server(self.looking, self.route, row.id, versions, at_server, self.depth.server)

    def _absent(self, row: OwnerRow, many: int, sight: _Sight) -> tuple[Tally, list[Finding]]:
        """An owner that the inventory does not name is gone only if the inventory is whole."""
        if row.project in sight.whole and row.kind in {kind.value for kind in self.route.selection.kinds}:
            since = f" (since {row.gone_at[:10]})" if row.gone_at is not None else ""
            return self._whole(many, Verdict.MISSING, f"the server no longer has it{since}")
        why = sight.unseen.get(row.project, "the listing of its project is not complete, or the route leaves it out")
        return self._whole(many, Verdict.UNVERIFIABLE, why)

    def _whole(self, many: int, verdict: Verdict, detail: str) -> tuple[Tally, list[Finding]]:
        return Tally(many), [Finding("server", verdict, None, detail, many)] if many else []

    # --- what has no owner ---------------------------------------------------------------------------------------

    def aside(self) -> list[Looked]:
        """Say what the server has of owners that were never brought, and what lies in the tree and is nobody's."""
        found = []
        known = {(row.project, *row.key) for row in self.sight.rows.values()}
        for identity, (owner, resources) in self.sight.owners.items():
            wanted = [part for part in resources if self.route.selection.wants_resource(owner, part)]
            if identity not in known and wanted and self.route.selection.wants_owner(owner):
                found.append(self._new(owner, wanted))
        for project, why in [*self.sight.unseen.items(), *self.sight.odd]:
            target = Target(route=self.route.name, server=self.route.server, project=project)
            found.append(Looked(target, self.depth, findings=(Finding("server", Verdict.UNVERIFIABLE, None, why),)))
        if strangers := self._strangers():
            target = Target(route=self.route.name, server=self.route.server, project="")
            found.append(Looked(target, self.depth, findings=tuple(strangers)))
        return found

    def _new(self, owner: Owner, resources: Sequence[ResourceSeen]) -> Looked:
        files = sum(part.files or 0 for part in resources)
        detail = f"new on the server, and not fetched yet: {counted(len(resources), 'resource')}"
        session_id = owner.id if owner.kind is OwnerKind.SESSION else ""
        target = Target(
            route=self.route.name,
            server=self.route.server,
            project=owner.project,
            subject=owner.subject,
            session=owner.session,
            session_id=session_id,
        )
        return Looked(target, self.depth, findings=(Finding("server", Verdict.EXTRA, None, detail, max(files, 1)),))

    def _strangers(self) -> list[Finding]:
        ours = {path for name in {self.route.name, *self.sharing} for path, _ in self.looking.ledger.living(name)}
        return [
            Finding("tree", Verdict.EXTRA, path, _whose(path))
            for path in sorted(self.sight.tree.files)
            if path not in ours and not self._went(path)
        ]

    def _went(self, path: str) -> bool:
        """Return whether a run beside us has taken away what lay there when we looked."""
        return self.looking.others_at_work() and self.looking.trees.stat(self.route.folder, path) is None

    def note(self, looked: Looked) -> None:
        """Make the next run of a push look at an owner of which something is no longer on the server as it was sent."""
        gone = any(found.side == "server" and found.verdict in DIFFERENCES for found in looked.findings)
        if self.pushes and gone and looked.target.ids:
            self.looking.ledger.make_due(looked.target.ids[0])

    # --- repair --------------------------------------------------------------------------------------------------

    def mend(self, looked: Looked, *, rehearse: bool) -> list[Repair]:
        """Make due what is missing or damaged; see `tree_repair` and `push_repair`."""
        return self.refetch.mend(looked, rehearse=rehearse)


def _whose(path: str) -> str:
    return "a copy of what was edited here" if is_conflict_copy(path) else "not put there by xnatsync"
