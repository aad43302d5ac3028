"""The judge of transfers: it looks at both servers themselves, and knows who wrote what and what was shown to whom."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from sim.invariants import Violation
from sim.transfer_server import Facts, SimSide, flat
from transfer.model import Thing
from xnatsync.core.described import Described, Part, ThingKind
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.remote import RemoteFile
from xnatsync.ledger.tree_rows import NewVersion

if TYPE_CHECKING:
    from sim.transfer_world import TransferHistory

SECRET, VALUE = "Geheim", "Wert"  # in every label, and in every value of a field


class TransferJudge:
    """Everything that is promised of transfers, judged where it happens."""

    def __init__(self, history: TransferHistory) -> None:
        self.history = history
        self.checks: Counter[str] = Counter()
        self.ever: set[object] = set()  # every value and content that the source ever had
        self.by_people: dict[tuple[str, str, str, str], object] = {}  # at the destination, as they left it
        self.removed: dict[tuple[str, str, str, str], set[str]] = {}  # by people: whose ledger knew it
        self.shown: dict[tuple[str, str], Facts] = {}  # by coordinator and ID there: what it saw last
        self.unsaid: set[tuple[str, str, str]] = set()  # files of the source of which no digest was stated
        self.silent: set[str] = set()  # entities of the destination that changed without a trace
        self.uploads: list[tuple[int, str, str]] = []  # of strangers: since when, label and UID
        self.planning = False
        self.offsets: dict[tuple[str, object], int] = {}  # of the clock then: one that jumps ends every wait
        self.under_way: Counter[tuple[str, object]] = Counter()  # writes that will land: whose, and of what

    def broken(self, promise: str, story: str) -> NoReturn:
        raise Violation(promise, story)

    # --- what people do ------------------------------------------------------------------------------------------

    def learn(self) -> None:
        """Remembers what the source has now."""
        self.ever.update(value for value in flat(self.history.source).values() if value)

    def people_did(self, before: Facts) -> None:
        """Notes what people changed at the destination."""
        after = flat(self.history.there)
        for key in {*before, *after}:
            if before.get(key) == after.get(key) and (key in before) == (key in after):
                continue
            self.history.meddled = True
            if key in after:
                self.by_people[key] = after[key]
                self.removed.pop(key, None)
            else:
                self.by_people.pop(key, None)
                self.removed[key] = {one.name for one in self.history.coordinators if self._is_known(one, key)}

    def _is_known(self, coordinator: Any, key: tuple[str, str, str, str]) -> bool:
        """Whether a ledger holds that something stood at the destination: only then it is not to be sent again."""
        number, _, kind, name = key
        rows = coordinator.questions("select owner_id from counterpart where part = '' and there_id = ?", number)
        for (owner_id,) in rows:
            if kind == "file":
                label, _, file = name.partition("/")
                found = coordinator.questions(
                    "select count(*) from version where owner_id = ? and label = ? and name = ? and until is null",
                    owner_id, label, file,
                )  # fmt: skip
                if found[0][0]:
                    return True
        return False

    def silently(self, entity: Thing) -> None:
        self.silent.add(entity.id)

    def uploaded(self, label: str, uid: str) -> None:
        self.history.meddled = True
        self.uploads.append((self.history.clock.ms, label, uid))

    # --- what we are shown ---------------------------------------------------------------------------------------

    def looked(self, side: SimSide, number: str, *, files: bool, hidden: Sequence[RemoteFile] = ()) -> None:
        """Remembers what one of our processes was shown of an entity of the destination."""
        if side.side == "source":
            if files:
                self.unsaid = {key for key in self.unsaid if key[0] != number}
                if not side.held.digests:
                    self.unsaid.add((number, "", ""))
            return
        kept = {
            key: value
            for key, value in self.shown.get((side.writer, number), {}).items()
            if (key[2] == "file") is not files
        }
        away = {(number, file.scan, "file", f"{file.resource}/{file.name}") for file in hidden}
        kept |= {
            key: value
            for key, value in flat(self.history.there).items()
            if key[0] == number and (key[2] == "file") is files and key not in away
        }
        self.shown[side.writer, number] = kept

    def has_digest(self, side: SimSide, number: str, key: ResourceKey, name: str) -> bool:
        """Whether a digest was stated of a file; `no digest` of a single listing is not remembered apart."""
        return side.held.digests and not self.history.faults.rates.get("no digest")

    # --- what we do ----------------------------------------------------------------------------------------------

    def before_write(self, method: str, writer: str, targets: Sequence[object]) -> None:
        """S5: nothing is written again while an earlier write of it, without an answer, may still land."""
        self.checks["write"] += 1
        if self.planning:
            self.broken("S4", f"a plan asked the destination to {method}")
        for target in targets:
            since = self.offsets.get((writer, target), 0)
            is_right = self.history.clock.offset_ms <= since and not self.history.ahead_runs  # else any wait is over
            if self.under_way[writer, target] and is_right:
                self.broken("S5", f"{method} while an earlier one may still land")

    def before_store(self, owner: Owner, key: ResourceKey, name: str, data: bytes) -> None:
        """S6: what is sent is what the source has, or had a moment ago."""
        self.checks["store"] += 1
        if data and data not in self.ever:
            self.broken("S6", f"bytes that the source never had were sent as {key.label}/{name}")

    def before_session(self, described: Described) -> None:
        """S3: no session is created beside its study, or where an upload waits that was there when we looked."""
        if described.kind is not ThingKind.SESSION:
            return
        uid = dict(described.fields).get("UID", "")
        began = self.history.looked_ms
        for since, label, waiting in self.uploads:
            is_there = any(one.name == label for one in self.history.there.uploads)
            if is_there and since < began and (label == described.label or (uid and waiting == uid)):
                self.broken("S3", "a session was created where somebody's upload waits")
        for other in self.history.there.things.values():
            same = other.kind is ThingKind.SESSION and uid and other.fields.get("UID") == uid
            if same and other.label != described.label and ((other.id, "", "field", "UID") in self.by_people):
                born = self.history.there.given.born.get(int(other.id.rpartition("_")[2][1:]), -1)
                if 0 <= born < began - 8_000 or born < 0:
                    self.broken("S3", "a session was created whose study is there under another label")

    def effect(self, writer: str, act: Callable[[], object], *, is_late: bool = False) -> object:
        """S3, S10: does something at the destination, and judges what it changed."""
        before = flat(self.history.there)
        result = act()
        after = flat(self.history.there)
        self.checks["effect"] += 1
        for key, value in before.items():
            if key not in after:
                self.broken("S3", f"{key[2]} {key[3]} of {key[0]} was removed")
            if after[key] == value:
                continue
            is_theirs = self.by_people.get(key) == value and value not in self.ever
            if is_theirs and not is_late and self.shown.get((writer, key[0]), {}).get(key) == value:
                self.broken("S3", f"{key[2]} {key[3]} of {key[0]} was somebody's, and is overwritten")
            self.by_people.pop(key, None)
        for key in after.keys() - before.keys():
            self._made(writer, key)
        return result

    def _made(self, writer: str, key: tuple[str, str, str, str]) -> None:
        known = self.removed.pop(key, set())
        if writer in known and not self.history.repairing:
            self.broken("S3", f"{key[2]} {key[3]} of {key[0]} had been deleted there, and was sent again")
        number, part, kind, name = key
        thing = self.history.there.things.get(number)
        session = thing if thing is not None and thing.kind is ThingKind.SESSION else None
        if session is not None and (number, "", "thing", session.label) in self.by_people:
            uid = session.fields.get("UID", "")
            if uid and uid not in self.ever:
                self.broken("S3", f"{kind} {name} is put into the session of another study")
        if kind in {"resource", "file"} and not self.takes_place(number, part, name.partition("/")[0]):
            self.broken("S10", f"{kind} {name} of {part or number} was left out, and is sent")
        if session is not None and kind == "thing" and part == "" and not self._takes_session(session):
            self.broken("S10", f"session {number} was left out, and is sent")

    def will_land(self, writer: str, targets: Sequence[object]) -> None:
        """Notes that a write has had no answer, and happens later."""
        for target in targets:
            self.under_way[writer, target] += 1
            self.offsets[writer, target] = self.history.clock.offset_ms

    # --- filters -------------------------------------------------------------------------------------------------

    def _takes_session(self, thing: Thing) -> bool:
        return self.history.taken.session(thing.xsi_type)

    def takes_place(self, number: str, part: str, label: str) -> bool:
        """Whether a resource of something at the destination goes."""
        there = self.history.there
        thing = there.projects.get(number) or there.things[number]
        where = Part.parse(part)
        inner = next((one for one in thing.parts if one.kind is where.kind and one.name == where.name), None)
        return self.history.taken.resource(thing, inner, label)

    # --- what is written down ------------------------------------------------------------------------------------

    def before_versions(self, coordinator: Any, begun: Sequence[NewVersion]) -> None:
        """S9: what is called agreed is at the destination, as it was last shown."""
        for version in begun:
            self.checks["version"] += 1
            rows = coordinator.questions(
                "select there_id from counterpart where owner_id = ? and part = ''", version.owner_id
            )
            if not rows or self.history.lied:
                continue
            number = rows[0][0]
            shown = {
                value
                for key, value in self.shown.get((coordinator.name, number), {}).items()
                if key[2] == "file" and key[3] == f"{version.label}/{version.name}"
            }
            digests = {hashlib.md5(one, usedforsecurity=False).hexdigest() for one in shown if isinstance(one, bytes)}
            if version.md5 and version.md5 not in digests:
                self.broken("S9", f"o{version.owner_id} {version.label}/{version.name} is called agreed, and is not")

    def before_gone(self, row: Any) -> None:
        """S7: nothing is called gone that is there."""
        self.checks["gone"] += 1
        if row.server_id in self.history.source.things or row.server_id in self.history.source.projects:
            self.broken("S7", f"o{row.id} is called gone at the source, and is there")

    def after_run(self, coordinator: Any) -> None:
        """S8, L1: after each run."""
        self.checks["run"] += 1
        for text, data in coordinator.questions("select text, coalesce(data, '') from event"):
            if SECRET in text or VALUE in text or SECRET in data or VALUE in data:
                self.broken("S8", f"the diary says {text}")
        for number, hold, code, detail, advice in coordinator.questions(
            "select id, hold, code, detail, advice from owner where hold is not null"
        ):
            if not (code and detail and advice):
                self.broken("L1", f"o{number} is held ({hold}) without a reason or an advice")
            if VALUE in detail:
                self.broken("S8", f"o{number} is held, and its reason repeats a value")
        for number, path, detail in coordinator.questions("select owner_id, path, detail from trouble"):
            if VALUE in detail or VALUE in path:
                self.broken("S8", f"a trouble of o{number} repeats a value")

    def certified(self, before: tuple[Facts, Facts], *, is_complete: bool) -> None:
        """T2: a certificate says complete only where nothing differs."""
        self.checks["certificate"] += 1
        history = self.history
        if not is_complete or history.lied or before != (flat(history.source), flat(history.there)):
            return  # the destination states a wrong digest, or somebody changed a side meanwhile
        self.checks["complete"] += 1
        project = history.there.projects.get("Q")
        found = list(self._all_differences(with_silent=True))
        if project is None or found:
            self.broken("T2", f"a certificate says complete: {found[:3]}")

    def _all_differences(self, *, with_silent: bool) -> Iterator[str]:
        history = self.history
        main = history.coordinators[0]
        for thing in (history.source.projects["P"], *history.source.things.values()):
            if thing.project != "P" or (thing.kind is ThingKind.SESSION and not self._takes_session(thing)):
                continue
            there = main.stand_in(thing)
            if there is None:
                yield f"{thing.id} is not there"
                continue
            label = thing.shares.get("P2") if history.shares else None
            if label is not None and there.shares.get("R2") != label:
                yield f"{thing.id}: its share"
            if with_silent or there.id not in self.silent:
                yield from (f"{thing.id}: {one}" for one in differences(thing, there, history.taken))

    # --- in the end ----------------------------------------------------------------------------------------------

    def agrees(self) -> None:
        """L1: in the end everything that goes is there as it is."""
        history = self.history
        if found := list(self._all_differences(with_silent=False)):
            self.broken("L1", f"in the end: {found[:3]}")
        history.marks["agrees"] += 1

    def agreed_is_the_same(self, coordinator: Any) -> None:
        """S5: what the ledger calls agreed, without any trouble, is the same on both sides."""
        history = self.history
        if history.lied or history.hidden:
            return
        troubled = {number for (number,) in coordinator.questions("select owner_id from trouble")}
        for number, server_id in coordinator.questions(
            "select id, server_id from owner where phase = 'agreed' and hold is null and kind <> 'project'"
        ):
            here = history.source.things.get(server_id)
            if here is None or number in troubled:
                continue
            there = coordinator.stand_in(here)
            if there is None:
                self.broken("S5", f"o{number} is called agreed, and is not there")
            elif there.id not in self.silent and (found := differences(here, there, history.taken)):
                self.broken("S5", f"o{number} is called agreed: {found[:3]}")


def differences(here: Thing, there: Thing, taken: Any, entity: Thing | None = None) -> list[str]:
    """What of the source is not there as it is; what is there alone is no difference."""
    entity = entity or here
    found = [f"field {path}" for path, value in here.fields.items() if value and there.fields.get(path) != value]
    found += [f"custom {path}" for path, value in here.custom.items() if there.custom.get(path) != value]
    for (side, label), res in here.resources.items():
        if not taken.resource(entity, None if here is entity else here, label):
            continue
        theirs = there.resources.get((side, label))
        if theirs is None:
            found.append(f"resource {label}")
            continue
        found += [f"file {label}/{name}" for name, data in res.files.items() if theirs.files.get(name) != data]
    for part in here.parts:
        if not taken.part(entity, part):
            continue
        other = next((one for one in there.parts if one.kind is part.kind and one.name == part.name), None)
        found += [f"part {part.name}"] if other is None else differences(part, other, taken, entity)
    return found
