"""The judge: what must be true whatever happens.  It knows the truth of disk and server, not what the ledger says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sim import content, given
from sim.disk import is_object
from xnatsync.core import errors
from xnatsync.core.errors import Disposition, XnatsyncError
from xnatsync.core.manifest import Kind, Level, ManifestFile
from xnatsync.core.retry import TRIES_MAX
from xnatsync.dicom.identity import pixel_digest
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.sandbox.model.scantypes import session_type

if TYPE_CHECKING:
    from sim.world import History
    from xnatsync.sandbox.model.prearchive import Row

_PIXELS: dict[bytes, bytes | None] = {}


LOOKED_MS = 60_000  # what came since may have been missed by the last look
SHOWN_MS = 8_000  # after this time no listing leaves out what is there
REFUSALS_MAX = 9  # of one write to one target within eleven hours: after 0, 2, 12, 72, 372 s and so on


class Violation(AssertionError):
    """A promise was broken.  `promise` is its name in docs/guarantees.md."""

    def __init__(self, promise: str, story: str) -> None:
        super().__init__(f"{promise}: {story}")
        self.promise = promise


def _tries_max(code: str) -> int:
    return next((kind.tries_max for kind in _classes(XnatsyncError) if kind.code == code), TRIES_MAX)


def _disposition(code: str) -> Disposition | None:
    return _BY_CODE.get(code)


def _classes(kind: type[XnatsyncError]) -> list[type[XnatsyncError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _classes(child))]


_BY_CODE = {kind.code: kind.disposition for kind in _classes(errors.XnatsyncError)}


class Judge:
    """Looks at every effect as it happens, and at everything after each tick."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.headed: set[bytes] = set()  # objects of which a server was seen to hold more than their pixels
        self.collided: dict[tuple[int, str], int] = {}  # units and what they said of a collision, and since when
        self.vouched: dict[bytes, Level] = {}  # contents whose server was seen, by us, to hold them at a level
        self.hidden: set[str] = set()  # keys that an incomplete listing did not show in this step
        self.checks: Counter[str] = Counter()
        self.refusals: Counter[tuple[str, tuple[str, str]]] = Counter()
        self.refusing_since = 0
        self.answered: set[bytes] = set()  # objects of which an upload was answered as it should be
        self.judged_at = -1

    def broken(self, promise: str, story: str) -> None:
        raise Violation(promise, story)

    # --- the truth -----------------------------------------------------------------------------------------------

    def holds(self, data: bytes, level: Level) -> bool:
        """Tells whether the server really holds an object at a level."""
        ours = content.facts(data)
        assert ours is not None
        prearchive = self.history.route.destination == "prearchive"
        for uid, stored in self.history.server.objects(ours.study_uid, prearchive=prearchive):
            if uid != self.history.server.stored_uid(ours.sop_uid) or len(stored) < max(ours.floor, 1):
                continue
            if level is Level.NAMES or _pixels(stored) == (ours.pixels or _all_but_what_is_rewritten(data)[1]):
                return True
        return False

    def _holds_its_head(self, data: bytes) -> bool:
        """Tells whether all that servers do not rewrite of an object is on the server, and not its pixels alone."""
        ours = content.facts(data)
        assert ours is not None
        wanted = _all_but_what_is_rewritten(data)
        stored = self.history.server.objects(ours.study_uid, prearchive=False)
        return any(
            uid == self.history.server.stored_uid(ours.sop_uid) and _all_but_what_is_rewritten(there) == wanted
            for uid, there in stored
        )

    # --- effects on the disk -------------------------------------------------------------------------------------

    def before_move(self, source: Path, target: Path) -> None:
        """S1, S2: only what is proven is filed, and nothing else is ever moved but into custody."""
        disk, route = self.history.disk, self.history.route
        self.checks["move"] += 1
        if route.given is not None:
            self.broken("S12", f"{source} was named by a command, and moved")
        if target.is_relative_to(route.custody):
            if not source.is_relative_to(route.folder):
                self.broken("S1", f"{source} was taken into custody")
            return
        if not (target.is_relative_to(route.done) and source.is_relative_to(route.custody)):
            self.broken("S1", f"{source} was moved to {target}")
        for name in disk.below(source):
            data = disk.files[name].data
            if content.sha(data) in self.history.torn:
                continue
            if not self._is_vouched(data, self.history.route.level):
                self.broken("S1", f"{name} was filed although its server does not hold it")
            if not content.is_archive(data) and not self._in_manifest(data):
                self.broken("S2", f"{name} was filed and no manifest has its digest")

    def before_remove(self, path: Path) -> None:
        """S1: only what its server holds pixel by pixel is ever removed."""
        self.checks["remove"] += 1
        data = self.history.disk.files[str(path)].data
        if any(self._is_left_out(inner) for inner in self._inside(data)):
            self.broken("S10", f"{path} was removed, and the selection leaves it out")
        if self.history.route.after != "delete" or not path.is_relative_to(self.history.route.custody):
            self.broken("S4", f"{path} was removed")
        for inner in self._objects(data):
            if not is_object(inner) and self.vouched.get(content.sha(inner)) is not Level.BYTES:
                self.broken("S1", f"{path} was removed, and its server does not hold it")
        if not self._is_vouched(data, Level.PIXELS):
            self.broken("S1", f"{path} was removed, and its server does not hold its pixels")
        if not self.history.touched and any(content.sha(inner) not in self.headed for inner in self._sent(data)):
            self.broken("S1", f"{path} was removed, and its server holds another head of it")

    def _objects(self, data: bytes) -> list[bytes]:
        return [inner for _, inner in content.members(data)] if content.is_archive(data) else [data]

    def _sent(self, data: bytes) -> list[bytes]:
        return [inner for inner in self._objects(data) if is_object(inner) and not self._is_left_out(inner)]

    def _is_vouched(self, data: bytes, level: Level) -> bool:
        return all(
            (held := self.vouched.get(content.sha(inner))) is not None and held.rank >= level.rank
            for inner in self._sent(data)
        )

    def _is_left_out(self, data: bytes) -> bool:
        """S10: left out by the selection, now or when its item was planned, and never vouched for."""
        return self.history.first_choice.leaves(data) and content.sha(data) not in self.vouched

    def _in_manifest(self, data: bytes) -> bool:
        return bool(self.history.question("select count(*) from file where sha256 = ?", content.sha(data)))

    # --- effects on the server -----------------------------------------------------------------------------------

    def writes_to(self, target: tuple[str, str]) -> None:
        """S5: one writer at a time, and none while an effect without an answer may still land."""
        self.checks["write"] += 1
        if self.history.route.given is not None and target != (given.PROJECT, given.SESSION):
            self.broken("S12", f"a command named {given.SESSION}, and {target[1]} is written to")
        if target in self.history.in_flight:
            self.broken("S5", f"two writers at {target[1]}")
        for pending in self.history.server.pending:
            if pending.target == target and pending.jumps == self.history.jumps:  # the long delayed ones have none
                self.broken("S5", f"a {pending.what} without an answer may still land on {target[1]}")

    def is_answered(self, project: str, uris: Sequence[str], sent: Sequence[ManifestFile]) -> None:
        """An upload is answered: with one place of its project, or with something else, which acknowledges nothing."""
        if len(uris) == 1 and uris[0].startswith(f"/prearchive/projects/{project}/"):
            self.answered |= {file.sha256 for file in sent}

    def _only_what_was_answered_is_acknowledged(self) -> None:
        """S13: an object counts as acknowledged when its own upload was answered, and not before."""
        for (digest,) in self.history.questions("select source_sha256 from entry where acknowledged = 1"):
            self.checks["acknowledged"] += 1
            if bytes(digest) not in self.answered:
                self.broken("S13", "an object is called acknowledged, and no upload of it was answered")

    def before_object(self, file: ManifestFile) -> None:
        """S7: what an incomplete listing does not show is not known to be missing."""
        self.checks["object"] += 1
        data = self.history.known.get(file.sha256)
        if data is not None:
            self.is_to_be_sent(data)
        ours = content.facts(data) if data is not None else None
        if ours is not None and ours.sop_uid in self.hidden and self.holds(data, Level.NAMES):  # type: ignore[arg-type]
            self.broken("S7", "an object was sent because an incomplete listing did not show it")

    def is_to_be_sent(self, data: bytes) -> None:
        """S10: what the selection leaves out is never sent, as an object or beside one."""
        if self.history.choice.leaves(data):
            self.broken("S10", "an object was sent that the selection leaves out")

    def could_be_merged(self, sent: Sequence[ManifestFile]) -> None:
        """L7: what the server says that it would refuse is not sent: a part that is of another type than its session.

        The session was there before the step began, and is shown as one of the study: no script has rewritten its UID.
        """
        history, server = self.history, self.history.server
        told = server.tells_settings and server.site.settings.flag("preventCrossModalityMerge")
        told = told and not (server.scripted or server.hashes)
        if not told or not sent or history.touched or history.route.destination != "archive":
            return
        parts = self._part(sent[0])
        if not parts:
            return
        self.checks["foreseen"] += 1
        kind = session_type([one.sop_class for one in parts], [one.modality for one in parts])
        for session in server.sessions():
            old = server.born.get(session.id, history.step_began_ms) < history.step_began_ms - SHOWN_MS
            if old and server.is_of(session, parts[0].study_uid) and session.xsi_type != kind:
                self.broken("L7", f"a part of type {kind} was sent to a session of type {session.xsi_type}")

    def _part(self, file: ManifestFile) -> list[content.Facts]:
        """What the archive lacks of the unit that sends this file: its series go one by one."""
        rows = self.history.questions(
            "select o.sha256 from file f join file o on o.unit_id = f.unit_id where f.sha256 = ? and f.unit_id in "
            "(select unit_id from attempt where effect = 'import' and outcome is null)",
            file.sha256,
        )
        datas = [data for (digest,) in rows if (data := self.history.known.get(digest)) is not None]
        parts = [one for data in datas if (one := content.facts(data)) is not None]
        held = {uid for uid, _ in self.history.server.objects(parts[0].study_uid, prearchive=False)} if parts else set()
        return [one for one in parts if one.sop_uid not in held]

    def before_delete(self, uri: str) -> None:
        """S3: a route deletes nothing on the server."""
        self.broken("S3", f"{uri} was to be deleted")

    def acts_on(self, row: Row, *, archives: bool) -> None:
        """S3: nothing but rows that we sent something to is ever archived.

        One of our study that appears after we began to send is taken for ours until it is built, which shows what is
        in it; one that was there before never is.
        """
        before = self.history.questions(
            "select a.before from attempt a join unit u on u.id = a.unit_id "
            "where a.effect = 'import' and u.study_uid = ?",
            row.tag,
        )
        known = not before or any(row.uri in json.loads(uris) for (uris,) in before)
        if row.uri not in self.history.server.ours and (archives or known):
            self.broken("S3", f"{row.uri} was uploaded by somebody else, and we act on it")

    def after_effect(self, before: dict[str, tuple[bytes, float]]) -> None:
        """S3: what is in the archive stays as it is, and what others uploaded stays somewhere."""
        self.checks["effect"] += 1
        after = self.history.server.site.store._files
        for path, (data, _) in before.items():
            if path.startswith("archive/") and (path not in after or after[path][0] is not data):
                self.broken("S3", f"{path} in the archive was overwritten or deleted")
        foreign = self.history.server.foreign
        if foreign:
            kept = {content.sha(data) for data, _ in after.values()}
            ours = tuple(uri.replace("/prearchive/projects/", "prearchive/") for uri in self.history.server.ours)
            # In a row of ours lie the same bytes as somebody else's, when both had them: archiving may anonymise ours.
            theirs = {content.sha(data) for path, (data, _) in before.items() if not path.startswith(ours)}
            lost = theirs & foreign - kept
            if lost:
                self.broken("S3", "what somebody else uploaded was overwritten or deleted")

    # --- proofs --------------------------------------------------------------------------------------------------

    def before_receipt(self, unit_id: int, level: Level) -> dict[bytes, Level]:
        """S9: a receipt says the truth at the moment at which it is written; gives what it vouches for."""
        self.checks["receipt"] += 1
        vouched: dict[bytes, Level] = {}
        for row in self.history.ledger.files(self.history.ledger.unit(unit_id).item_id, unit_id=unit_id):
            data = self.history.known.get(row.sha256)
            if data is None:
                if row.sha256 not in self.history.torn:
                    self.broken("S9", f"{row.path} is in a manifest and nobody ever dropped it")
                continue
            if row.kind == Kind.DICOM and not self.history.touched and not self.holds(data, level):
                self.broken("S9", f"a receipt at level {level} for {row.path}, which the server does not hold")
            if row.kind == Kind.OTHER and not self.history.touched and not self._stored(data):
                self.broken("S9", f"a receipt for the attached file {row.path}, which the server does not hold")
            deletes = row.kind == Kind.DICOM and self.history.route.after == "delete"
            if deletes and (self.history.touched or self._holds_its_head(data)):  # touched: it may be deleted by now
                self.headed.add(row.sha256)
            vouched[row.sha256] = level if row.kind in {Kind.DICOM, Kind.DUPLICATE} else Level.BYTES
        return vouched

    def _stored(self, data: bytes) -> bool:
        return any(
            self.history.server.read(f"{resource.folder}/{entry.path}") == data
            for session in self.history.server.sessions()
            for resource in session.resources.values()
            for entry in resource.entries.values()
        )

    # --- what a server refuses -----------------------------------------------------------------------------------

    def begins_to_refuse(self) -> None:
        """The server takes no writes for a while; it may have done so before."""
        self.refusals.clear()
        self.refusing_since = self.history.starts_over()

    def refused_write(self, method: str, target: tuple[str, str]) -> None:
        """L6: what is refused is not repeated but with growing waits; more than so many fit into no such time.

        A unit that is planned anew, or that a person lets go, begins anew.
        """
        self.checks["refused"] += 1
        self.refusals[method, target] += 1
        lives = 1 + self.history.starts_over() - self.refusing_since
        if self.refusals[method, target] > REFUSALS_MAX * lives:
            self.broken("L6", f"{method} was tried {self.refusals[method, target]} times while nothing was taken")

    # --- after each tick -----------------------------------------------------------------------------------------

    def before_settling(self, item: ItemRow) -> None:
        """S11: no item is taken for complete beside a lock that was there long before it was last looked at."""
        lock = self.history.disk.files.get(str(self.history.route.folder / f"{item.path}.lock"))
        if not self.history.route.wait_while or lock is None or item.place != "drop":
            return
        self.checks["lock"] += 1
        if lock.written_ms < self.history.clock.ms - LOOKED_MS:
            self.broken("S11", f"item {item.id} settled beside its lock")

    def after_tick(self) -> None:
        """What the ledger must never say."""
        self.checks["tick"] += 1
        if self.judged_at == self.history.raw.total_changes:
            return  # nothing was written since
        self.judged_at = self.history.raw.total_changes
        rows = self.history.questions(
            "select 'unit', id, hold, code, tries, detail, advice from unit where code is not null "
            "union all select 'item', id, hold, code, tries, detail, advice from item where code is not null"
        )
        for kind, number, hold, code, tries, detail, advice in rows:
            if code == errors.SessionCollision.code:
                self.collided.setdefault((number, detail), self.history.clock.ms)
            if str(code).startswith("XS-BUG"):
                self.broken("BUG", f"{kind} {number}: {detail}")
            if hold == "person":
                self._is_for_a_person(f"{kind} {number}", code, tries, detail, advice)
        self._nothing_lost_is_done()
        self._only_what_was_answered_is_acknowledged()
        twice = self.history.questions(
            "select target from unit where phase in ('sent', 'landed') group by target having count(*) > 1"
        )
        if twice:
            self.broken("S5", f"two units write to {twice[0][0]}")

    def _nothing_lost_is_done(self) -> None:
        """S1: no item is proven or done with a file that nobody accounts for: what is left of a lost object."""
        rows = self.history.questions(
            "select f.item_id, f.path, f.sha256, f.unit_id from file f join item i on i.id = f.item_id "
            "where i.phase in ('verified', 'done') and f.kind not in ('dicom', 'duplicate') and f.left_by = ''"
        )
        for item_id, path, digest, unit_id in rows:
            lost = bytes(digest) in self.history.junk or path.endswith((".dcm", "IM0007"))
            if not lost or (item_id, bytes(digest)) in self.history.let_be:
                continue
            route = self.history.route
            by_a_setting = path.endswith("9/raw") and (unit_id is not None or route.other != "keep")
            by_a_setting |= route.given is not None and route.given.unparsable == "leave"
            if not by_a_setting:
                self.broken("S1", f"item {item_id} is done, and nobody accounts for {path}")

    def _is_for_a_person(self, name: str, code: str, tries: int, detail: str, advice: str) -> None:
        """L1: a hold has code, reason and advice, and waits for a person only when time does not help."""
        if not (code and detail and advice):
            self.broken("L1", f"{name} is held without a reason or advice")
        final = _disposition(code) in {Disposition.PERSON, Disposition.REFUSED}
        if not final and tries <= _tries_max(code):
            self.broken("L1", f"{name} was given up after {tries} tries: {code}")

    def blames_nobody(self, unit: UnitRow) -> None:
        """A unit that says that others' content is in its way is right: it was not our own half-done work.

        Another version of ours may have been there when it looked, and be overwritten or deleted since.
        """
        earlier = self.history.question(
            "select count(*) from entry e join file f on f.unit_id = ? and f.key = e.key "
            "where e.state = 'verified' or e.source_sha256 <> f.sha256", unit.id,
        ) or self.history.question(
            "select count(*) from file f join file o on o.key = f.key and o.sha256 <> f.sha256 "
            "join attempt a on a.unit_id = o.unit_id where f.unit_id = ?", unit.id,
        )  # fmt: skip
        if self.history.losses:  # what we sent with a ledger that was lost is a stranger's to this one
            return
        server = self.history.server
        if unit.code == errors.ForeignContent.code and not (server.foreign or server.latecomers or earlier):
            self.broken("L1", f"unit {unit.id} blames foreign content, and nobody else ever uploaded any")

        keys = {key for (key,) in self.history.questions("select key from file where unit_id = ?", unit.id)}
        told_at = self.collided.get((unit.id, unit.detail or ""), 0)
        mine = [
            one
            for one in server.sessions()
            if server.is_of(one, unit.study_uid)
            and (not server.hashes or server.named(one) & keys)
            and server.born.get(one.id, 0) <= told_at  # else it came since: the collision was with another one
        ]
        if server.scripted:  # it shows other UIDs: only what is known to have landed from here can be recognised
            landed = self.history.ledger.landed_in(unit.server, unit.project, unit.study_uid)
            mine = [one for one in mine if one.id in landed]
        archived = "in the archive of" in (unit.detail or "")
        if unit.code == errors.SessionCollision.code and archived and any(one.label == unit.session for one in mine):
            self.broken("L1", f"unit {unit.id} collides with the session of its own study")

    # --- at the very end -----------------------------------------------------------------------------------------

    def nothing_is_forgotten(self) -> None:
        """S1, L1: every file that still lies in the drop folder or in custody belongs to an item the ledger knows."""
        disk, route = self.history.disk, self.history.route
        known = self.history.questions(
            "select place, path, phase from item where phase <> 'done' or ?", route.after == "keep"
        )
        places = {str(route.source_path(place, path)) for place, path, _ in known}
        places |= {
            str(route.folder / name)
            for name, phase in self.history.questions(
                "select l.name, i.phase from loose l join item i on i.id = l.item_id"
            )
            if phase != "done" or route.after == "keep"
        }
        for name in disk.below(route.folder):
            if Path(name).is_relative_to(route.done):
                continue
            if not any(name == place or name.startswith(f"{place}/") for place in places):
                self.broken("S1", f"{name} lies there and the ledger has forgotten it")

    def what_is_left_out_is_told(self) -> None:
        """S10: what was left out is in a manifest with the key, nothing else is, and no item was left without need."""
        rows = self.history.questions(
            "select f.sha256, f.left_by, i.phase from file f join item i on i.id = f.item_id "
            "where i.phase <> 'dismissed'"
        )
        for sha256, left_by, phase in rows:
            data = self.history.known.get(sha256)
            if data is None or not is_object(data):
                continue
            self.checks["selected"] += 1
            if left_by and not self.history.first_choice.leaves(data):
                self.broken("S10", f"an object that is selected was left out by {left_by}")
            if not left_by and self.history.choice.leaves(data):
                self.broken("S10", "an object that is not selected is in a manifest as if it were")
            if phase == "left" and not self.history.choice.leaves(data):
                self.broken("S10", "an item was left, and it holds an object that is selected")

    def everything_is_somewhere(self) -> None:
        """S1: an object that nobody took away is on the disk, or its server was proven to hold its pixels."""
        on_disk = {content.sha(inner) for file in self.history.disk.files.values() for inner in self._inside(file.data)}
        for digest, data in self.history.known.items():
            gone = digest not in on_disk and digest not in self.history.given_up
            if gone and is_object(data) and self.vouched.get(digest, Level.COUNTS).rank < Level.PIXELS.rank:
                self.broken("S1", "an object is nowhere any more")

    def _inside(self, data: bytes) -> list[bytes]:
        try:
            return self._objects(data)
        except Exception:  # a torn archive
            return [data]

    def nothing_secret_is_told(self) -> None:
        """S8: neither the patient's name nor the password is in any text of the ledger."""
        for table, columns in (
            ("event", ("text", "data")), ("item", ("detail", "advice")), ("unit", ("detail", "advice")),
            ("attempt", ("detail",)), ("receipt", ("evidence",)), ("file", ("reason",)),
        ):  # fmt: skip
            for column in columns:
                told = f"instr({column}, 'Geheimnis') + instr({column}, 'Greta') > 0"
                found = self.history.question(f"select count(*) from {table} where {told}")
                if found:
                    self.broken("S8", f"a secret is in {table}.{column}")


def _pixels(data: bytes) -> bytes | None:
    """The picture of an object; of one that has none, all that servers do not rewrite."""
    digest = content.sha(data)
    if digest not in _PIXELS:
        _PIXELS[digest] = pixel_digest(iter([data])).pixels or _all_but_what_is_rewritten(data)[1]
    return _PIXELS[digest]


@lru_cache(maxsize=4096)
def _all_but_what_is_rewritten(data: bytes) -> tuple[bytes | None, bytes | None]:
    facts = pixel_digest(iter([data]), content=True)
    return facts.pixels, facts.content
