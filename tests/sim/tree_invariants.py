"""The judge of mirrors and pushes: knows what really is in the tree and on the server, and never asks the ledger."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NoReturn

from sim import tree_people
from sim.invariants import REFUSALS_MAX, Violation
from sim.tree_disk import TRASH, Inode
from sim.tree_server import SECRET, FileKey
from xnatsync.core.errors import DiskRefused, PlaceTaken, ReplyStrange
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey, ResourceSeen
from xnatsync.core.layout import Place
from xnatsync.core.paths import OWN_FOLDER, HostileName, clashes, folded
from xnatsync.ledger.tree_rows import NewVersion
from xnatsync.routes.tree.run import TreeRun
from xnatsync.xnat import names

if TYPE_CHECKING:
    from sim.tree_world import TreeHistory

HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\\\\]"
)  # no letters: what moves the cursor, or the text
SIDECARS = ("session.xml", "subject.xml", "project.xml")


def is_sidecar(path: str) -> bool:
    """Tells whether a path is that of metadata, which we keep current under both policies."""
    return path.rpartition("/")[2] in SIDECARS


class TreeJudge:
    """Judges one history."""

    def __init__(self, history: TreeHistory) -> None:
        self.history = history
        self.checks: Counter[str] = Counter()
        self.known: set[bytes] = {b""}  # every complete content that anybody ever had
        self.by_hand: set[bytes] = set()  # what people wrote into the tree and must be found again
        self.thrown: dict[bytes, int] = {}  # what people removed, one name of it at least, and when
        self.trashed_at: dict[str, int] = {}  # when something came into the trash, by the wall clock
        self.trashed_ms: dict[str, int] = {}  # and in truth
        self.removed = 0  # in this run
        self.allowed: int | None = None  # how many it may remove
        self.refusals: Counter[FileKey] = Counter()

    def broken(self, promise: str, story: str) -> NoReturn:
        raise Violation(promise, story)

    # --- what people write and take away -------------------------------------------------------------------------

    def learn(self, data: bytes) -> None:
        """Somebody wrote a file into the tree."""
        self.known.add(data)
        if data:
            self.by_hand.add(data)

    def throw_away(self, data: bytes) -> None:
        """Somebody removed a file, or wrote over it: its second name perhaps, a conflict copy."""
        self.forget(data)
        self.thrown[data] = self.history.clock.ms

    def forget(self, *contents: bytes) -> None:
        """People took or overwrote something."""
        self.by_hand -= set(contents)

    def torn_by_power(self, whole: bytes, left: bytes) -> None:
        """What a person wrote was not on the disk yet."""
        self.forget(whole)
        self.known.add(left)

    # --- the run ---------------------------------------------------------------------------------------------------

    def before_run(self, *, alone: bool) -> None:
        """S5: one run at a time works with a ledger and its tree."""
        self.checks["run"] += 1
        if not alone:
            self.broken("S5", "a second run works with the ledger of one that goes on")

    # --- the tree ------------------------------------------------------------------------------------------------

    def before_mark(self) -> None:
        """S7: an unmounted tree is never written to."""
        self.checks["mark"] += 1
        living = self.history.question("select count(*) from version where until is null")
        if living and (not self.history.disk.mounted or self.history.disk.own_away is not None):
            self.broken("S7", f"a folder without its mark was made ours although {living} files should lie there")

    def before_naming(self, path: str) -> None:
        """S3: nothing is put outside of the tree, among our own files, or under a name that could do harm."""
        self.checks["naming"] += 1
        parts = path.split("/")
        if not {"", ".", ".."}.isdisjoint(parts) or parts[0].lower() == OWN_FOLDER or HARMFUL.search(path):
            self.broken("S3", f"{path!r} is no name for a file of a tree")

    def before_land(self, path: str, staged: Inode) -> None:
        """S3, S6: what is replaced stays somewhere, under `add` nothing is replaced; only what is flushed lands."""
        self.checks["land"] += 1
        disk = self.history.disk
        if not staged.flushed:
            self.broken("S6", f"{path} is put in its place before its bytes are on the disk")
        if staged.data not in self.known:
            self.broken("S6", f"{path} would show {len(staged.data)} bytes that nobody ever had")
        there = disk.names.get(path)
        if there is None:
            self._before_new(path)
            return
        if self.history.mirror.policy == "add" and not is_sidecar(path):
            self.broken("S3", f"{path} is replaced under the policy add")
        others = (inode.data for name, inode in {**disk.shown(), **disk.trashed()}.items() if name != path)
        thrown = (
            self.thrown.get(there.data, -1) >= self.history.began_ms
        )  # its second name, by people, in this very run
        if there.data != staged.data and there.data not in set(others) and not thrown:
            self.broken("S3", f"{path} is replaced, and what lay there is nowhere else")

    def _before_new(self, path: str) -> None:
        """S3: nothing is put beside what differs from it in letter case or Unicode form alone."""
        history = self.history
        if history.acts is tree_people.ACTS or history.person_wrote.get(path, -1) >= history.began_ms:
            return  # somebody removed it in this very run: they were beside each other before it
        folder = path.rpartition("/")[0]
        for other in history.disk.shown():
            beside = other.rpartition("/")[0] == folder and folded(other) == folded(path)
            if beside and history.person_wrote.get(other, -1) < history.began_ms:
                self.broken("S3", f"{path} is put beside {other}, and some disks take them for one")

    def _lies_elsewhere(self, at: FileKey, path: str) -> bool:
        """A scan may have been made anew with another type: what the server has lies at another path now."""
        return bool(
            self.history.question(
                "select count(*) from version v join owner o on o.id = v.owner_id "
                "where v.route = 'm' and v.until is null and o.server_id = ? and v.scan = ? and v.label = ? "
                "and v.name = ? and v.path <> ?",
                *at[1:], path,
            )
        )  # fmt: skip

    def before_discard(self, path: str) -> None:
        """S3, S7: only `replica` removes, only what the server no longer has, and only so many."""
        self.checks["discard"] += 1
        history = self.history
        if history.mirror.policy == "add":
            self.broken("S3", f"{path} is removed under the policy add")
        self.removed += 1
        rule = history.mirror.max_delete
        if isinstance(rule, int) and self.removed > rule:
            self.broken("S7", f"{self.removed} files are removed in one run, and max_delete is {rule}")
        at = self.server_key(path)
        if at is None:
            return
        there = at in history.server.truth() if at[3] else any(
            (kind.value, one.id) == at[:2] for one, kind in history.server.owners()
        )  # fmt: skip
        if (
            there
            and history.server.changed.get(at, -1) < history.began_ms
            and history.owners_moved_ms < history.began_ms
            and not self._lies_elsewhere(at, path)
        ):
            self.broken("S7", f"{path} is removed, and the server has it")

    def server_key(self, path: str) -> FileKey | None:
        """Whose file the ledger says lies at a path of the mirror."""
        rows = self.history.questions(
            "select o.kind, o.server_id, v.scan, v.label, v.name from version v join owner o on o.id = v.owner_id "
            "where v.route = 'm' and v.path = ? and v.until is null",
            path,
        )
        return rows[0] if rows else None  # type: ignore[return-value]

    def trash_holds(self, place: str) -> None:
        """Something came into the trash."""
        if place.startswith(TRASH):
            self.trashed_at[place] = self.history.clock.wall_ns
            self.trashed_ms[place] = self.history.clock.ms

    def before_empty(self, place: str) -> None:
        """What lies in the trash stays for as long as the route says."""
        self.checks["empty"] += 1
        age_s = (self.history.clock.ms - self.trashed_ms.get(place, 0)) / 1e3  # whatever one run's clock said
        if age_s < self.history.mirror.trash_keep_s - 1 and not self.history.jumps and self.history.ahead_runs < 2:
            self.broken("S3", f"{place} is thrown away after {age_s:.0f} s")
        self.forget(self.history.disk.names[place].data)

    def after_power_cut(self) -> None:
        """S6 where it counts."""
        self.tree_is_whole()

    def tree_is_whole(self) -> None:
        """S6: every path shows a complete content."""
        self.checks["whole"] += 1
        for path, inode in self.history.disk.shown().items():
            if inode.data not in self.known:
                self.broken("S6", f"{path} shows a part: {len(inode.data)} bytes that nobody ever wrote")

    def nothing_is_lost(self) -> None:
        """S3: every content that people wrote into the tree is in it, or in the trash."""
        self.checks["lost"] += 1
        if lost := self.by_hand - self.history.disk.kept():
            self.broken("S3", f"what somebody wrote is nowhere any more: {min(lost)[:24]!r}")

    # --- the server ----------------------------------------------------------------------------------------------

    def before_store(self, at: FileKey, data: bytes, *, overwrite: bool) -> None:
        """S3: what others put on the server is never overwritten, as far as the last listing showed it."""
        self.checks["store"] += 1
        there = self.history.server.truth().get(at)
        if not overwrite or there in {None, data} or there not in self.history.server.foreign:
            return
        if self.history.listed.get(at) == there and self.history.server.sent.get(at) != there:
            self.broken("S3", f"{at[4]} of somebody else is overwritten on the server")

    def begins_to_refuse(self) -> None:
        """The server takes no files for a while; it may have done so before."""
        self.refusals.clear()

    def refused_store(self, at: FileKey) -> None:
        """L6: what is refused is not repeated but with growing waits; more than so many fit into no such time.

        By a clock that is ahead every wait is over, and begins again once it is right: two stores more for such a run.
        """
        self.checks["refused"] += 1
        self.refusals[at] += 1
        if self.refusals[at] > REFUSALS_MAX + 2 * self.history.ahead_runs:
            self.broken("L6", f"{at[4]} was stored {self.refusals[at]} times while nothing was taken")

    # --- the ledger ----------------------------------------------------------------------------------------------

    def before_versions(self, begun: Sequence[NewVersion], ended: Iterable[tuple[int, str]]) -> None:
        """S9: what is written down as agreed is so; what is written down as removed is not there."""
        history = self.history
        for version in begun:
            self.checks["version"] += 1
            inode = history.disk.names.get(version.path)
            if history.person_wrote.get(version.path, -1) < history.began_ms:
                if inode is None or history.sha(inode.data) != version.sha256:
                    self.broken("S9", f"{version.path} is agreed on, and something else lies there")
                if version.origin == "server" and version.route == "m" and not history.disk.is_durable(version.path):
                    self.broken("S9", f"{version.path} is agreed on, and a power cut would undo it")
            if version.label:
                self._agrees_with_the_server(version)
        for number, why in ended:
            if why != "removed":
                continue
            ((path, sha256),) = history.questions("select path, sha256 from version where id = ?", number)
            there = history.disk.names.get(path)
            if (
                there is not None and history.sha(there.data) == sha256
                and history.person_wrote.get(path, -1) < history.began_ms
            ):  # fmt: skip
                self.broken("S7", f"{path} is written down as removed, and it lies there")

    def _agrees_with_the_server(self, version: NewVersion) -> None:
        history = self.history
        row = history.ledger.owner(version.owner_id)
        at = (row.kind, row.server_id, version.scan, version.label, version.name)
        if history.server.changed.get(at, -1) >= history.began_ms or history.owners_moved_ms >= history.began_ms:
            return
        brought_ms = history.disk.remembered.get((version.path, version.sha256), history.began_ms)
        if version.route == "m" and brought_ms < history.began_ms:
            return  # an earlier run brought it and could not write that down: it has its version, and is replaced
        held = self.server_content(at)
        if held is None or history.sha(held) != version.sha256:
            self.broken("S9", f"{version.path} is agreed on by {version.route}, and the server holds something else")

    def server_content(self, at: FileKey) -> bytes | None:
        """What the server holds, whichever project shows it."""
        kind, number, scan, label, name = at
        server = self.history.server
        resource = server.find(Owner(OwnerKind(kind), "", number), ResourceKey(scan, label))
        return server.content(resource, name) if resource is not None and name in resource.entries else None

    def after_tick(self) -> None:
        """What must be true whenever nothing is in the middle of something."""
        self.checks["tick"] += 1
        self.tree_is_whole()
        self.nothing_is_lost()
        self._holds_have_reasons()
        self._nothing_secret_is_told()

    def _holds_have_reasons(self) -> None:
        rows = self.history.questions("select id, hold, code, detail, advice from owner where hold is not null")
        for number, _, code, detail, advice in rows:
            if not (code and detail and advice):
                self.broken("L1", f"owner {number} is held without a reason or advice")
            if str(code).startswith("XS-BUG"):
                self.broken("BUG", f"owner {number}: {detail}")

    def _nothing_secret_is_told(self) -> None:
        """S8: the diary names nobody and no path."""
        for column in ("text", "data"):
            if self.history.question(f"select count(*) from event where instr({column}, '{SECRET}') > 0"):
                self.broken("S8", f"a label is in event.{column}")

    # --- at the end ----------------------------------------------------------------------------------------------

    def agrees(self) -> None:
        """L1: where nobody was asked, the tree shows what the server holds; under `replica` nothing else of it."""
        history, mirror = self.history, self.history.mirror
        troubled = {path for (path,) in history.questions("select path from trouble")}
        shown = {path: inode.data for path, inode in history.disk.shown().items()}
        wanted: dict[str, bytes] = {}
        for owner, seen in history.calm_inventory().items():
            if not mirror.selection.wants_owner(owner):
                continue
            for one in (one for one in seen if mirror.selection.wants_resource(owner, one)):
                key, resource = one.key, history.server.find(owner, one.key)
                assert resource is not None
                for name, entry in resource.entries.items():
                    path, data = (
                        mirror.layout.path(owner, key, name, scan_type=one.scan_type),
                        history.server.content(resource, name),
                    )
                    if not entry.digest and len(shown.get(path, b"")) == len(data):
                        data = shown.get(path, b"")  # without a digest, one of equal size looks the same
                    wanted[path] = data
        for path, data in wanted.items():
            if path not in troubled and shown.get(path) != data:
                self.broken("L1", f"{path} is not what the server holds, and nobody was told")
        if mirror.policy != "replica":
            return
        for (path,) in history.questions(
            "select path from version where route = 'm' and until is null and label <> ''"
        ):
            if path in shown and path not in wanted and path not in troubled and self._selected(path):
                self.broken("L1", f"{path} is kept although the server no longer has it, and nobody was told")

    def _selected(self, path: str) -> bool:
        place = self.history.mirror.layout.locate(path)
        return place is not None and self.history.mirror.selection.resources.match(place.resource)

    def conflict_copies_are_told(self) -> None:
        """L1: a copy of an edit that made way is told for as long as it lies there."""
        told = {path for (path,) in self.history.questions("select path from trouble")}
        mirror = self.history.mirror
        for path in self.history.disk.shown():
            beside, mark, _ = path.partition(".xnatsync-conflict-")
            place = mirror.layout.locate(beside)
            if not mark or place is None or (not place.sidecar and not self._selected(beside)):
                continue
            if self.server_key(path) is not None:  # the server has a file of such a name
                continue
            # what was left behind under the labels of nobody who is still there is a stranger's
            if self._owner_of(place) is not None and path not in told:
                self.broken("L1", f"{path} lies there and nobody is told")

    def _owner_of(self, place: Place) -> Owner | None:
        """Whose file lies at a place, among those who are still there."""
        for owner in self.history.shown():
            if (
                owner.kind is place.kind
                and place.project in {"", owner.project}
                and (
                    owner.id == place.session_id
                    if place.session_id
                    else (owner.subject, owner.session) == (place.subject, place.session)
                )
            ):
                return owner
        return None

    def is_nobodys(self, path: str) -> None:
        """L1: nobody is asked about a result of a session that is there."""
        place = self.history.push.layout.locate(path)
        if place is not None and self._owner_of(place) is not None:
            self.broken("L1", f"{path} is called nobody's, and its session is there")

    def what_is_stuck_keeps_nothing_else_back(self) -> None:
        """E2: who is held because the disk refuses one thing is told which, and that one does refuse."""
        rows = self.history.questions(
            "select o.id, t.path from owner o left join trouble t on t.owner_id = o.id and t.code = ?1 "
            "where (o.hold = 'person' and o.code = ?1) or t.code = ?1",
            DiskRefused.code,
        )
        stuck = tuple(self.history.disk.stuck)
        for number, path in rows:
            if path is None:
                self.broken("E2", f"owner {number} is held as a whole because the disk refuses one file")
            if not stuck:
                self.broken("E2", f"{path} is said to be refused, and nothing is")

    def odd_names_are_told(self, done: Sequence[TreeRun]) -> None:
        """L1: what a tree cannot hold, or not beside another file of the same owner, is told by its owner."""
        history, mirror = self.history, self.history.mirror
        run = " ".join(str(error) for one in done for error in one.errors)
        troubles = history.questions(
            "select o.kind, o.server_id, t.path, t.code from trouble t join owner o on o.id = t.owner_id "
            "where route = 'm'"
        )
        waits = {(kind, number) for kind, number, _, code in troubles if code in {PlaceTaken.code, DiskRefused.code}}
        waits |= {(kind, number) for kind, number, path, _ in troubles if not path}  # for another label
        told = {(kind, number, path) for kind, number, path, _ in troubles}
        shown = {owner.key: owner for owner in history.shown()}
        for one, kind in history.server.owners():
            owner = shown.get((kind.value, one.id))
            if owner is None:
                if one.id not in run:
                    self.broken("L1", f"nobody is told that {kind.value} {one.id} has a label that no tree can hold")
                continue
            if (kind.value, one.id) in waits or not mirror.selection.wants_owner(owner):
                continue
            paths: list[str] = []
            for key, resource, scan in history.server.resources_of(one):
                seen = ResourceSeen(key, scan_type=scan.fields.get("type", "") if scan is not None else "")
                if not mirror.selection.wants_resource(owner, seen):
                    continue
                for name in resource.entries:
                    path = self._path(owner, seen, name)
                    if path is not None:
                        paths.append(path)
                    elif one.id not in run and not told & {(kind.value, one.id, f"{key.scan}/{key.label}")}:
                        self.broken("L1", f"nobody is told of {name!r} in {key}")
            here = history.disk.shown()
            for group in clashes(paths):
                if not told & {(kind.value, one.id, path) for path in group} and not here.keys() >= set(group):
                    self.broken("L1", f"nobody is told that {group} are one on some disks")

    def _path(self, owner: Owner, seen: ResourceSeen, name: str) -> str | None:
        """Where a file belongs, None where no tree can hold its name."""
        try:
            for part in (seen.key.scan or "1", seen.key.label):
                names.segment(part, "judging")
            names.relative_path(name, "judging")
            return self.history.mirror.layout.path(owner, seen.key, name, scan_type=seen.scan_type)
        except (HostileName, ReplyStrange):
            return None

    def own_folder_is_tidy(self) -> None:
        """Nothing of an interrupted run is left in staging."""
        if left := [path for path in self.history.disk.names if path.startswith(f"{OWN_FOLDER}/staging/")]:
            self.broken("L3", f"{len(left)} files are left in staging")
