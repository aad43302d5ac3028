"""The two servers of a transfer: an archive in memory each, and the port on it with what can go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from sim.invariants import Violation
from transfer.model import Archive, Res
from xnatsync.core.described import Described, Part
from xnatsync.core.errors import (
    ForeignContent,
    LoginLost,
    NotThere,
    OutcomeUnknown,
    ReadFailed,
    ReplyStrange,
    ServerUnreachable,
    XnatsyncError,
)
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey, ResourceSeen
from xnatsync.core.remote import FileListing, PrearchiveSeen, RemoteFile, SessionSeen
from xnatsync.ports.tree import SmallFile
from xnatsync.xnat.failures import Verb, from_status

if TYPE_CHECKING:
    from sim.faults import Chance
    from sim.transfer_world import TransferHistory

LAG_MS: Final = 8_000
UNWILLING: Final = (500, 502, 503, 504, 507)
UNWILLING_MS: Final = (60_000, 3_600_000, 40_000_000)
FATES: Final = ("login page", "cut", "reply lost", "delayed", "lost", "lost in limbo", "twice", "500")
Facts = dict[tuple[str, str, str, str], object]  # ID of the entity, part, kind of fact, name


class Numbers:
    """Keys of a server, and when each was given: what is young may not be listed yet."""

    def __init__(self, history: TransferHistory) -> None:
        self.history, self.last = history, 0
        self.born: dict[int, int] = {}

    def __next__(self) -> int:
        self.last += 1
        self.born[self.last] = self.history.clock.ms
        return self.last


class Held(Archive):
    """A server as it is, whoever asks."""

    def __init__(self, history: TransferHistory, name: str, *, digests: bool) -> None:
        super().__init__(name, digests=digests)
        self.given = Numbers(history)
        self.numbers = self.given  # type: ignore[assignment]
        self.parts_left: set[tuple[int, str]] = set()  # what a cut store left on the disk, in no catalogue
        self.down_ms = 0  # until when nothing answers
        self.unwilling = (0, 0)  # until when it takes nothing, and what it says

    def is_young(self, number: int, now_ms: int) -> bool:
        """Whether something may not be listed yet; what was shown once stays shown."""
        if now_ms - self.given.born.get(number, -LAG_MS) < LAG_MS:
            return True
        self.given.born.pop(number, None)
        return False

    def shown(self, number: int) -> None:
        self.given.born.pop(number, None)


def number_of(server_id: str) -> int:
    """The key in an accession ID."""
    return int(server_id.rpartition("_")[2][1:])


class SimSide:
    """A server as one process of ours sees it."""

    def __init__(self, history: TransferHistory, held: Held, side: Literal["source", "there"], writer: str) -> None:
        self.history, self.held, self.side, self.writer = history, held, side, writer
        self.calls: list[str] = []

    # --- listings ------------------------------------------------------------------------------------------------

    def inventory(self, project: str, kinds: frozenset[OwnerKind]) -> Inventory:
        stale = self._read("inventory")
        short, uncounted = self._fires("short", "inventory"), self._fires("uncounted", "inventory")
        owners: dict[Owner, tuple[ResourceSeen, ...]] = {}
        for owner, seen in self.held.inventory(project, kinds).owners.items():
            if owner.kind is not OwnerKind.PROJECT:
                if (stale and self._is_young(number_of(owner.id))) or (short and short.random() < 0.4):
                    continue
                self.held.shown(number_of(owner.id))
            found = []
            for one in seen:
                if (stale and self._is_young(int(one.id))) or (short and short.random() < 0.3):
                    continue
                self.held.shown(int(one.id))
                found.append(self._counted(owner, one, uncounted))
            owners[owner] = tuple(found)
        return Inventory(project, owners, complete=short is None)

    def _counted(self, owner: Owner, one: ResourceSeen, uncounted: Chance | None) -> ResourceSeen:
        if uncounted and uncounted.random() < 0.5:
            return replace(one, files=None, size=None)
        return replace(one, files=len(self.held._res(owner, one.key).files))

    def part_stamps(self, project: str) -> Mapping[str, str]:
        self._read("part_stamps")
        return self.held.part_stamps(project)

    def describe(self, owner: Owner) -> Described:
        self._read("describe")
        found = self.held.describe(owner)
        self.history.judge.looked(self, owner.id, files=False)
        return found

    def all_files(self, owners: Sequence[Owner]) -> Mapping[Owner, FileListing]:
        stale = self._read("all_files")
        short, fewer, unsaid, wrong = (
            self._fires(kind, "all_files") for kind in ("short", "fewer", "no digest", "wrong digest")
        )
        found = {}
        for owner, listing in self.held.all_files(owners).items():
            files, hidden = list[RemoteFile](), list[RemoteFile]()
            for file in listing.files:
                res = self.held._res(owner, ResourceKey(file.scan, file.resource))
                if any(one is not None and one.random() < 0.3 for one in (short, fewer)) or (
                    stale and self._is_young(res.number)
                ):
                    hidden.append(file)
                    continue
                self.held.shown(res.number)
                digest = file.digest
                if unsaid and unsaid.random() < 0.5:
                    digest = ""
                elif wrong and digest and wrong.random() < 0.2:
                    digest = "0" * 32
                    self.history.lied = self.history.lied or self.side == "there"
                is_sized = not (self.history.sizeless and self.side == "source" and file.name.endswith("z"))
                files.append(replace(file, digest=digest, size=file.size if is_sized else None))
            if hidden and (fewer or stale):
                self.history.hidden = True
            found[owner] = FileListing(tuple(files), complete=short is None)
            self.history.judge.looked(self, owner.id, files=True, hidden=hidden)
        return found

    def sessions(
        self, project: str, *, label: str | None = None, study_uid: str | None = None
    ) -> tuple[SessionSeen, ...]:
        stale = self._read("sessions")
        found = self.held.sessions(project, label=label, study_uid=study_uid)
        return tuple(one for one in found if not (stale and self._is_young(number_of(one.id))))

    def prearchive(self, project: str) -> tuple[PrearchiveSeen, ...]:
        self._read("prearchive")
        return self.held.prearchive(project)

    # --- contents ------------------------------------------------------------------------------------------------

    def fetch_resources(
        self,
        owner: Owner,
        resources: Sequence[ResourceKey],
        *,
        sizes: Mapping[tuple[ResourceKey, str], int | None] | None = None,
    ) -> Iterator[tuple[ResourceKey, str, Iterator[bytes]]]:
        self._read("fetch_resources")
        for key, name, content in self.held.fetch_resources(owner, resources, sizes=sizes):
            if not self._fires("not sent", "fetch_resources"):
                yield key, name, self._pieces(owner, key, name, b"".join(content), "fetch_resources")

    def fetch_file(self, owner: Owner, resource: ResourceKey, name: str, *, offset: int = 0) -> Iterator[bytes]:
        self._read("fetch_file")
        whole = b"".join(self.held.fetch_file(owner, resource, name))
        if offset and self._fires("range ignored", "fetch_file"):
            raise ReplyStrange("the server sent the whole file")
        yield from self._pieces(owner, resource, name, whole, "fetch_file", offset)

    def _pieces(
        self, owner: Owner, key: ResourceKey, name: str, data: bytes, method: str, offset: int = 0
    ) -> Iterator[bytes]:
        """Wrong bytes come only where the listing stated a digest: without one, nobody could tell."""
        if (
            data and self.history.judge.has_digest(self, owner.id, key, name)
            and (chance := self._fires("wrong bytes", method)) is not None
        ):  # fmt: skip
            at = chance.randrange(len(data))
            data = chance.choice((data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :], data[:at]))
        half = max(offset, len(data) // 2)
        if data[offset:half]:
            yield data[offset:half]
        self.history.boundary(f"{self.side}.{method}, within")
        if self._fires("cut body", method):
            raise ReadFailed("the answer was cut")
        if self._fires("401 within", method):
            raise LoginLost("the login ended in mid-stream")
        if data[half:]:
            yield data[half:]

    # --- writing -------------------------------------------------------------------------------------------------

    def create_project(self, described: Described, project: str) -> None:
        self._write("create_project", lambda: self.held.create_project(described, project), project)

    def create_subject(self, project: str, described: Described) -> str:
        self.history.conflict_of = lambda: self.held.subject(project, described.label, note=self.history.value())
        made = self._write(
            "create_subject", lambda: self.held.create_subject(project, described), described.label, limbo="b_S99999"
        )
        return str(made)

    def create_experiment(self, project: str, subject_id: str, described: Described) -> str:
        def conflict() -> object:
            subject = self.held.things[subject_id]
            if described.label in {part.name for part in subject.parts}:
                return None
            return self.held.session(subject, described.label, note=self.history.value())

        self.history.conflict_of = conflict
        self.history.judge.before_session(described)

        def act() -> str:
            if subject_id not in self.held.things:
                raise NotThere("the subject is gone")
            return self.held.create_experiment(project, subject_id, described)

        return str(self._write("create_experiment", act, described.label, limbo="b_E99999"))

    def create_part(self, session_id: str, described: Described) -> str:
        def conflict() -> object:
            session = self.held.things[session_id]
            return self.held.part_of(
                session, described.kind, described.name, described.xsi_type, note=self.history.value()
            )

        self.history.conflict_of = conflict

        def act() -> str:
            if session_id not in self.held.things:
                raise NotThere("the session is gone")
            return self.held.create_part(session_id, described)

        return str(self._write("create_part", act, (session_id, described.kind, described.name), limbo=described.id))

    def overlay(self, owner: Owner, part: Part, described: Described, paths: frozenset[str]) -> None:
        self._write(
            "overlay", lambda: self.held.overlay(owner, part, described, paths), (owner.id, str(part), "fields")
        )

    def set_custom(self, owner: Owner, part: Part, values: Mapping[str, str]) -> None:
        self._write("set_custom", lambda: self.held.set_custom(owner, part, values), (owner.id, str(part), "custom"))

    def share(self, owner: Owner, part: Part, project: str, label: str) -> None:
        self._write("share", lambda: self.held.share(owner, part, project, label))

    def create_resource(self, owner: Owner, part: Part, label: str, *, format_: str, content: str) -> None:
        self._write(
            "create_resource", lambda: self.held.create_resource(owner, part, label, format_=format_, content=content)
        )

    def catalogue(self, owner: Owner, part: Part, label: str) -> None:
        self._write("catalogue", lambda: self.held.catalogue(owner, part, label))

    def put_resource_file(
        self,
        owner: Owner,
        resource: ResourceKey,
        name: str,
        content: Iterator[bytes],
        *,
        size: int,
        overwrite: bool,
        request_id: str,
    ) -> None:
        def act(data: bytes) -> None:
            res = self._found(owner, resource)
            if (res.number, name) in self.held.parts_left and not overwrite:
                raise ForeignContent(f"{name} is there")
            self.held.parts_left.discard((res.number, name))
            self.held.put_resource_file(
                owner, resource, name, iter([data]), size=len(data), overwrite=overwrite, request_id=request_id
            )

        def store(fate: str) -> Callable[[], object]:
            came: list[bytes] = []
            try:
                for piece in content:
                    came.append(piece)
            except XnatsyncError:
                if came:
                    self._leave(owner, resource, name)
                raise
            data = b"".join(came)
            if len(data) != size:
                raise OutcomeUnknown("the body was cut")
            self.history.judge.before_store(owner, resource, name, data)
            if fate == "cut":
                self._leave(owner, resource, name)
                raise _unknown("the connection was reset")
            if data and self._fires("truncated", "put_resource_file"):
                self.history.lied = True
                data = data[: len(data) // 2]
            return lambda: act(data)

        self.history.conflict_of = lambda: self._somebodys(owner, resource, name)
        self._write("put_resource_file", store, (owner.id, resource, name))

    def put_resource_files(
        self, owner: Owner, resource: ResourceKey, files: Sequence[SmallFile], *, overwrite: bool, request_id: str
    ) -> frozenset[str]:
        def act(contents: Mapping[str, bytes]) -> frozenset[str]:
            res = self._found(owner, resource)
            blocked = {name for name in contents if (res.number, name) in self.held.parts_left and not overwrite}
            self.held.parts_left -= {(res.number, name) for name in contents.keys() - blocked}
            sent = [
                SmallFile(name, len(data), lambda data=data: data)  # type: ignore[misc]
                for name, data in contents.items()
                if name not in blocked
            ]
            left = self.held.put_resource_files(owner, resource, sent, overwrite=overwrite, request_id=request_id)
            return frozenset({*left, *blocked})

        def store(fate: str) -> Callable[[], object]:
            contents = {file.name: file.read() for file in files}
            for name, data in contents.items():
                self.history.judge.before_store(owner, resource, name, data)
            if fate == "cut":
                for name in list(contents)[: self.history.faults.next("parts").randrange(len(contents) + 1)]:
                    self._leave(owner, resource, name)
                raise _unknown("the connection was reset")
            if chance := self._fires("truncated", "put_resource_files"):
                self.history.lied = True
                name = chance.choice(sorted(contents))
                contents[name] = contents[name][: len(contents[name]) // 2]
            return lambda: act(contents)

        self.history.conflict_of = lambda: self._somebodys(owner, resource, files[0].name)
        of = [(owner.id, resource, file.name) for file in files]
        found = self._write("put_resource_files", store, *of, limbo=frozenset())
        return found if isinstance(found, frozenset) else frozenset()

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _found(self, owner: Owner, key: ResourceKey) -> Res:
        return self.held._res(owner, key, make=True)

    def _somebodys(self, owner: Owner, key: ResourceKey, name: str) -> None:
        res = self._found(owner, key)
        res.files.setdefault(name, self.history.content())
        res.changes += 1

    def _leave(self, owner: Owner, key: ResourceKey, name: str) -> None:
        """A part of a file lies there, in no catalogue (hierarchy.md §6.1)."""
        with suppress(XnatsyncError):
            res = self._found(owner, key)
            if name not in res.files:
                self.held.parts_left.add((res.number, name))

    def _write(self, method: str, act: Callable[..., object], *of: object, limbo: object = None) -> object:
        """Does something, or not; `of` says what is changed by it."""
        history, where = self.history, f"{self.side}.{method}"
        self.calls.append(method)
        history.boundary(where)
        if self.side == "source":
            raise Violation("S4", f"the source was asked to {method}")
        history.judge.before_write(method, self.writer, of)
        self._answers(method)
        if self.held.unwilling[0] <= history.clock.ms and (chance := self._fires("unwilling", method)):
            self.held.unwilling = history.clock.ms + chance.choice(UNWILLING_MS), chance.choice(UNWILLING)
        if history.clock.ms < self.held.unwilling[0]:
            raise from_status(self.held.unwilling[1], "", Verb.CHANGE, "writing")
        for kind, status, said in (
            ("503", 503, ""), ("401", 401, ""), ("full", 507, ""), ("busy", 409, "operation already in progress"),
        ):  # fmt: skip
            if self._fires(kind, method):
                raise from_status(status, said, Verb.CHANGE, "writing")
        conflict, history.conflict_of = history.conflict_of, None
        if conflict is not None and self._fires("conflict", method):
            history.people(conflict)
        fates = FATES if method.startswith("put_") else (*FATES[:1], *FATES[2:])
        fate = next((kind for kind in fates if self._fires(kind, method)), "")
        if fate in {"login page", "500"}:
            fate = history.faults.next("page").choice(["lost", "reply lost"])
        done = act(fate) if method.startswith("put_") else act
        assert callable(done)
        if fate == "delayed":
            wait_ms = int(history.faults.next("delay").uniform(0.01, 0.95) * history.route.quiet_s * 1000)
            history.judge.will_land(self.writer, of)
            history.at(wait_ms, lambda: self._late(done, of))
        if fate in {"delayed", "lost"}:
            raise _unknown("the connection was reset")
        if fate == "lost in limbo":
            history.limbo = True
            return limbo
        result = history.judge.effect(self.writer, done)
        if fate == "twice":
            self._late(done)
        if fate == "reply lost":
            raise _unknown("no answer")
        if chance := self._fires("slow", method):
            history.clock.ms += chance.randrange(40_000)
        history.boundary(f"{where}, done")
        return result

    def _late(self, act: Callable[[], object], of: Sequence[object] = ()) -> None:
        """An effect that nobody waits for: what it meets is told to nobody."""
        self.history.judge.under_way.subtract((self.writer, one) for one in of)
        with suppress(XnatsyncError, KeyError):
            self.history.judge.effect(self.writer, act, is_late=True)

    def _read(self, method: str) -> bool:
        history, where = self.history, f"{self.side}.{method}"
        self.calls.append(method)
        history.boundary(where)
        self._answers(method)
        for kind, status in (("503", 503), ("500", 500), ("401", 401), ("login page", 401)):
            if self._fires(kind, method):
                raise from_status(status, "", Verb.READ, "reading")
        if self._fires("cut", method):
            raise ReadFailed("the answer was cut")
        if chance := self._fires("slow", method):
            history.clock.ms += chance.randrange(30_000)
        return method in {"inventory", "all_files", "sessions"} and self._fires("stale", method) is not None

    def _answers(self, method: str) -> None:
        if self.history.clock.ms < self.held.down_ms or self._fires("refused", method):
            raise ServerUnreachable("no connection to the server")

    def _fires(self, kind: str, method: str) -> Chance | None:
        return self.history.faults.fires(kind, f"{self.side}.{method}")

    def _is_young(self, number: int) -> bool:
        return self.held.is_young(number, self.history.clock.ms)


def flat(held: Archive) -> Facts:
    """Everything that a server holds, one by one."""
    found: Facts = {}
    for thing in (*held.projects.values(), *held.things.values()):
        _flat(found, thing.id, thing, "")
    return found


def _flat(found: Facts, number: str, thing: Any, part: str) -> None:
    found[number, part, "thing", thing.label] = thing.xsi_type
    for kind, values in (("field", thing.fields), ("custom", thing.custom), ("share", thing.shares)):
        for name, value in values.items():
            found[number, part, kind, name] = value
    for (side, label), res in thing.resources.items():
        place = f"{part}/{side}" if side else part
        found[number, place, "resource", label] = ""
        for name, data in res.files.items():
            found[number, place, "file", f"{label}/{name}"] = data
    for one in thing.parts:
        _flat(found, number, one, str(Part(one.kind, one.name)))


def _unknown(why: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"no usable answer came, so it may or may not have happened ({why})")
