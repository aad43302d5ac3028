"""Verifies a mirror or a push: the living versions against the tree, and against what the server lists or gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xnatsync.core.conflict import is_conflict_copy
from xnatsync.core.errors import NotThere, ReadFailed, ReplyStrange, ServerBusy
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceSeen
from xnatsync.core.manifest import Level
from xnatsync.core.remote import FileListing
from xnatsync.core.verification import Depth, Finding, Looked, Repair, Tally, Target, Verdict
from xnatsync.core.wording import counted
from xnatsync.ledger.tree_rows import OwnerRow, VersionRow
from xnatsync.mirror.listings import Listings
from xnatsync.mirror.survey import check_tree
from xnatsync.mirror.world import TreeWorld
from xnatsync.routes.mirror import METADATA, MirrorRoute
from xnatsync.service.tree_comparison import AtServer, compare_server, compare_tree
from xnatsync.service.tree_repair import Refetch
from xnatsync.service.verifying import Looking
from xnatsync.tree_ports import TreeLook

_PASSING = (ReadFailed, ReplyStrange, ServerBusy)  # one owner could not be looked at; the server may be well
Identity = tuple[str, str, str]  # project, kind, accession ID


@dataclass(slots=True)
class _Sight:
    """What one look at both sides showed, before anything is compared file by file."""

    tree: TreeLook = field(default_factory=lambda: TreeLook({}))
    owners: dict[Identity, tuple[Owner, tuple[ResourceSeen, ...]]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)  # projects that were listed completely
    unseen: dict[str, str] = field(default_factory=dict)  # projects that could not be listed, and why
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
    ) -> None:
        """`sharing` are the routes whose files lie in the same folder."""
        self.looking, self.world, self.route, self.sharing = looking, world, route, sharing
        read = level is None or level.rank >= Level.PIXELS.rank or repairing
        server = Level.NAMES if level is None else Level.BYTES if level.rank >= Level.PIXELS.rank else level
        self.depth = Depth(server, Level.BYTES if read else Level.NAMES)
        self.sight = _Sight()
        self.listings: Listings | None = None
        self.refetch = Refetch(looking, route, self.sight_of_tree)

    def sight_of_tree(self) -> TreeLook:
        """What the one look at the tree showed."""
        return self.sight.tree

    # --- what there is -------------------------------------------------------------------------------------------

    def targets(self) -> list[Target]:
        """Lists the owners that something was agreed of; FolderMissing when the tree is not the one we know."""
        if check_tree(self.world, self.route):
            return []
        self.sight.tree = self.looking.trees.look_tree(self.route.folder)
        for project in self.route.projects:
            self._list(project)
        rows = self.looking.ledger.owners(self.route.name)
        self.sight.rows = {row.id: row for row in rows}
        return [self._target(row) for row in rows if row.phase != "gone" or self.looking.ledger.living_of(row.id)]

    def _list(self, project: str) -> None:
        try:
            inventory = self.looking.archive(self.route.server).inventory(project, self.route.selection.kinds)
        except (*_PASSING, NotThere) as error:  # a hidden project looks as an absent one does: nothing is concluded
            self.sight.unseen[project] = str(error)
            return
        self._take(inventory)

    def _take(self, inventory: Inventory) -> None:
        if inventory.complete:
            self.sight.whole.add(inventory.project)
        for owner, resources in inventory.owners.items():
            self.sight.owners[inventory.project, *owner.key] = owner, resources

    def _target(self, row: OwnerRow) -> Target:
        files = sum(resource.files for resource in self.looking.ledger.resources(row.id))
        session_id = row.server_id if row.kind == OwnerKind.SESSION.value else ""
        return Target(
            self.route.name, self.route.server, row.project, row.subject, row.session, session_id, (row.id,), files
        )

    def prepare(self, chosen: list[Target]) -> None:
        """Lists are asked for in batches, in the order in which owners are verified."""
        found = [self._seen(self.sight.rows[target.ids[0]]) for target in chosen]
        pairs = zip(chosen, found, strict=True)
        weights = {seen[0]: target.files for target, seen in pairs if seen is not None and seen[1]}
        self.listings = Listings(self.looking.archive(self.route.server), weights)

    def _seen(self, row: OwnerRow) -> tuple[Owner, tuple[ResourceSeen, ...]] | None:
        return self.sight.owners.get((row.project, *row.key))

    # --- one owner -----------------------------------------------------------------------------------------------

    def examine(self, target: Target) -> Looked:
        """Compares one owner's files with the tree and with the server."""
        row = self.sight.rows[target.ids[0]]
        versions = self.looking.ledger.living_of(row.id)
        local, findings = compare_tree(self.looking, self.route, row.id, versions, self.sight.tree, self.depth.local)
        server, others = self._server(row, [version for version in versions if version.label != METADATA])
        return Looked(target, self.depth, server, local, (*others, *findings))

    def _server(self, row: OwnerRow, versions: Sequence[VersionRow]) -> tuple[Tally, list[Finding]]:
        seen = self._seen(row)
        if seen is None:
            return self._absent(row, len(versions))
        owner, resources = seen
        assert self.listings is not None
        try:
            empty = not resources and row.project in self.sight.whole
            listing = FileListing(()) if empty else self.listings.take(owner)
        except _PASSING as error:
            return self._whole(len(versions), Verdict.UNVERIFIABLE, str(error))
        wanted = {part.key: part for part in resources if self.route.selection.wants_resource(owner, part)}
        at_server = AtServer(owner, listing, wanted, self.route.selection)
        return compare_server(self.looking, self.route, row.id, versions, at_server, self.depth.server)

    def _absent(self, row: OwnerRow, many: int) -> tuple[Tally, list[Finding]]:
        """An owner that the inventory does not name is gone only if the inventory is whole."""
        if row.project in self.sight.whole and row.kind in {kind.value for kind in self.route.selection.kinds}:
            since = f" (since {row.gone_at[:10]})" if row.gone_at is not None else ""
            return self._whole(many, Verdict.MISSING, f"the server no longer has it{since}")
        why = self.sight.unseen.get(
            row.project, "the listing of its project is not complete, or the route leaves it out"
        )
        return self._whole(many, Verdict.UNVERIFIABLE, why)

    def _whole(self, many: int, verdict: Verdict, detail: str) -> tuple[Tally, list[Finding]]:
        return Tally(many), [Finding("server", verdict, None, detail, many)] if many else []

    # --- what has no owner ---------------------------------------------------------------------------------------

    def aside(self) -> list[Looked]:
        """Tells what the server has of owners that were never brought, and what lies in the tree and is nobody's."""
        found = []
        known = {(row.project, *row.key) for row in self.sight.rows.values()}
        for identity, (owner, resources) in self.sight.owners.items():
            wanted = [part for part in resources if self.route.selection.wants_resource(owner, part)]
            if identity not in known and wanted and self.route.selection.wants_owner(owner):
                found.append(self._new(owner, wanted))
        for project, why in self.sight.unseen.items():
            target = Target(self.route.name, self.route.server, project)
            found.append(Looked(target, self.depth, findings=(Finding("server", Verdict.UNVERIFIABLE, None, why),)))
        if strangers := self._strangers():
            target = Target(self.route.name, self.route.server, "")
            found.append(Looked(target, self.depth, findings=tuple(strangers)))
        return found

    def _new(self, owner: Owner, resources: Sequence[ResourceSeen]) -> Looked:
        files = sum(part.files or 0 for part in resources)
        detail = f"new on the server, and not brought yet: {counted(len(resources), 'resource')}"
        session_id = owner.id if owner.kind is OwnerKind.SESSION else ""
        target = Target(self.route.name, self.route.server, owner.project, owner.subject, owner.session, session_id)
        return Looked(target, self.depth, findings=(Finding("server", Verdict.EXTRA, None, detail, max(files, 1)),))

    def _strangers(self) -> list[Finding]:
        ours = {path for name in {self.route.name, *self.sharing} for path, _ in self.looking.ledger.living(name)}
        return [
            Finding("tree", Verdict.EXTRA, path, _whose(path))
            for path in sorted(self.sight.tree.files)
            if path not in ours
        ]

    # --- repair --------------------------------------------------------------------------------------------------

    def mend(self, looked: Looked, *, rehearse: bool) -> list[Repair]:
        """Makes due what is missing or damaged in the tree; see `tree_repair`."""
        return self.refetch.mend(looked, rehearse=rehearse)


def _whose(path: str) -> str:
    return "a copy of what was edited here" if is_conflict_copy(path) else "not put there by xnatsync"
