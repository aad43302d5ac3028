"""What of a project a transfer takes, and how: the keys of a transfer's YAML file, and of its route."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from xnatsync.config.lines import Key
from xnatsync.config.values import Cron, Folder, Name, Part, Seconds, quarrel
from xnatsync.core.transfer_filter import Inside, Names, SyncType, Things, TransferFilter

Dicom = Literal["copy", "import"]
FOLDER = "(folder)"  # in the place of a server's name; none is called so
Item = Annotated[StrictStr, Field(min_length=1, max_length=255)]
WORKERS_MAX = 32
DELAY_MAX_S = 3600.0

Failures = Annotated[StrictInt, Field(ge=1, le=10**6)]
Retries = Annotated[StrictInt, Field(ge=0, le=100)]
Delay = Annotated[StrictFloat, Field(ge=0, le=DELAY_MAX_S, allow_inf_nan=False)]
Workers = Annotated[StrictInt, Field(ge=1, le=WORKERS_MAX)]


_SCHEDULER = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")


def scheduler_address(address: str) -> str:
    """Return the address of a Dask scheduler; ValueError for what is none."""
    if not _SCHEDULER.fullmatch(address) or int(address.rpartition(":")[2]) not in range(1, 65536):
        raise ValueError("write the address of a scheduler as tls://host:port, or tcp://host:port")
    return address


Scheduler = Annotated[StrictStr, AfterValidator(scheduler_address)]


class NamesConfig(Part):
    """A level whose members have a name alone."""

    sync_type: Literal["all", "none", "include", "exclude"] = "all"
    items: tuple[Item, ...] = ()

    @property
    def names(self) -> Names:
        """What it takes."""
        return Names(SyncType(self.sync_type), frozenset(self.items))


class AssessorTypeConfig(Part):
    """A type of assessors, and what of them goes."""

    xsi_type: Item
    resources: NamesConfig = NamesConfig()

    @property
    def inside(self) -> Inside:
        """What of it goes."""
        return Inside(resources=self.resources.names)


class AssessorsConfig(Part):
    """A level of assessors: of subjects, or of sessions."""

    sync_type: Literal["all", "none", "include", "exclude"] = "all"
    items: tuple[Item, ...] = ()
    xsi_types: tuple[AssessorTypeConfig, ...] = ()
    resources: NamesConfig = NamesConfig()

    @property
    def things(self) -> Things:
        """What it takes."""
        types = tuple((one.xsi_type, one.inside) for one in self.xsi_types)
        return Things(SyncType(self.sync_type), frozenset(self.items), types, Inside(resources=self.resources.names))


class InsideConfig(Part):
    """What goes of the inside of sessions."""

    scan_types: NamesConfig = NamesConfig()
    scan_resources: NamesConfig = NamesConfig()
    resources: NamesConfig = NamesConfig()
    session_assessors: AssessorsConfig = AssessorsConfig()

    @property
    def inside(self) -> Inside:
        """What of it goes."""
        assessors = self.session_assessors.things
        return Inside(
            self.scan_types.names,
            self.scan_resources.names,
            self.resources.names,
            None if assessors == Things() else assessors,
        )


class SessionTypeConfig(InsideConfig):
    """A type of sessions, and what of them goes."""

    xsi_type: Item


class SessionsConfig(InsideConfig):
    """The level of imaging sessions; what stands here of their inside is meant for every type."""

    sync_type: Literal["all", "none", "include", "exclude"] = "all"
    items: tuple[Item, ...] = ()
    xsi_types: tuple[SessionTypeConfig, ...] = ()

    @property
    def things(self) -> Things:
        """What it takes."""
        types = tuple((one.xsi_type, one.inside) for one in self.xsi_types)
        return Things(SyncType(self.sync_type), frozenset(self.items), types, self.inside)


class FilteringConfig(Part):
    """`filtering`: what of a project goes, level by level; the scan levels are those of every session."""

    project_resources: NamesConfig = NamesConfig()
    subject_resources: NamesConfig = NamesConfig()
    subject_assessors: AssessorsConfig = AssessorsConfig()
    imaging_sessions: SessionsConfig = SessionsConfig()
    scan_types: NamesConfig = NamesConfig()
    scan_resources: NamesConfig = NamesConfig()
    session_resources: NamesConfig = NamesConfig()
    session_assessors: AssessorsConfig = AssessorsConfig()

    @property
    def filter(self) -> TransferFilter:
        """What of a project goes."""
        shared = InsideConfig(
            scan_types=self.scan_types,
            scan_resources=self.scan_resources,
            resources=self.session_resources,
            session_assessors=self.session_assessors,
        )
        return TransferFilter(
            self.project_resources.names,
            self.subject_resources.names,
            self.subject_assessors.things,
            self.imaging_sessions.things,
            shared.inside,
        )


class TransferFile(Part):
    """The YAML file of `project transfer --config`."""

    source_project: Name | None = None
    dest_project: Name | None = None
    sync_new_only: StrictBool = True
    max_failures: Failures = 5
    scan_retry_count: Retries = 3
    scan_retry_delay: Delay = 5.0
    verify_after_transfer: StrictBool = True
    scan_workers: Workers = 4
    dicom: Dicom = "copy"
    filtering: FilteringConfig = FilteringConfig()


class TransferConfig(Part):
    """`[routes.NAME]` with `kind = "transfer"`: a project of one server to a project of another, or of the same."""

    kind: Literal["transfer"] = "transfer"
    server: str
    project: Name
    to_server: str
    to_project: Name
    from_folder: Folder | None = None
    to_folder: Folder | None = None
    dicom: Dicom = "copy"
    filters: FilteringConfig = FilteringConfig()
    sync_new_only: StrictBool = True
    max_failures: Failures = 5
    retries: Retries = 3
    retry_delay: Seconds = 5.0
    verify: StrictBool = True
    workers: Workers = 4
    quiet: Seconds = 60.0
    engine: Literal["local", "dask"] = "local"
    scheduler: Scheduler | None = None
    schedule: Cron | None = None

    @model_validator(mode="before")
    @classmethod
    def _ends(cls, data: object) -> object:
        """Let a folder stand for a server, and for its project, which keeps its ID in there."""
        if not isinstance(data, dict):
            return data
        for folder, key in (("from_folder", "server"), ("to_folder", "to_server")):
            if data.get(folder) is not None:
                if data.get(key) not in {None, FOLDER}:
                    raise quarrel([(key, f"there is `{folder}` in its place: leave one of them out")])
                data = {**data, key: FOLDER}
        return {"to_project": data.get("project"), **data} if data.get("to_folder") is not None else data

    @model_validator(mode="after")
    def _fits_a_folder(self) -> Self:
        found = []
        if self.from_folder is not None and self.to_folder is not None:
            found.append(("to_folder", "a folder is filled from a server: leave `from_folder` out"))
        if self.to_folder is not None and self.to_project != self.project:
            found.append(("to_project", "a folder keeps the ID of the project: leave this key out"))
        if self.to_folder is not None and self.dicom == "import":
            found.append(("dicom", "a folder keeps names and bytes; the import is for the way from it to a server"))
        if self.to_folder is not None and not self.verify:
            found.append(("verify", "a folder is sealed with what was compared"))
        if found:
            raise quarrel(found)
        return self

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if (self.server, self.project) == (self.to_server, self.to_project):
            raise quarrel([("to_project", "is the source itself: name another project, or another server")])
        return self

    @model_validator(mode="after")
    def _has_workers(self) -> Self:
        if self.engine == "dask" and self.scheduler is None:
            raise quarrel([("engine", '"dask" needs the address of a scheduler as `scheduler`')])
        if self.engine == "local" and self.scheduler is not None:
            raise quarrel([("scheduler", 'has no effect without engine = "dask"')])
        if self.engine == "dask" and self.dicom == "import":
            raise quarrel([("engine", '"dask" carries DICOM as it is, and imports none')])
        if self.engine == "dask" and (self.from_folder is not None or self.to_folder is not None):
            raise quarrel([("engine", '"dask" reaches no folder of this machine')])
        return self


def idle(config: FilteringConfig, above: Key = ()) -> Iterator[tuple[Key, str]]:
    """Find what stands in the filters and has no effect, which is allowed and hardly meant: its key, and why."""
    sessions = config.imaging_sessions
    yield from _names(config.project_resources, (*above, "project_resources"))
    yield from _names(config.subject_resources, (*above, "subject_resources"))
    yield from _typed(config.subject_assessors, (*above, "subject_assessors"))
    yield from _names(config.subject_assessors.resources, (*above, "subject_assessors", "resources"))
    for name in ("scan_types", "scan_resources", "session_resources"):
        yield from _names(getattr(config, name), (*above, name))
    yield from _typed(config.session_assessors, (*above, "session_assessors"))
    yield from _names(config.session_assessors.resources, (*above, "session_assessors", "resources"))
    yield from _typed(sessions, (*above, "imaging_sessions"))
    yield from _inside(sessions, (*above, "imaging_sessions"))
    for number, one in enumerate(sessions.xsi_types):
        yield from _inside(one, (*above, "imaging_sessions", "xsi_types", number))


def _inside(config: InsideConfig, above: Key) -> Iterator[tuple[Key, str]]:
    yield from _names(config.scan_types, (*above, "scan_types"))
    yield from _names(config.scan_resources, (*above, "scan_resources"))
    yield from _names(config.resources, (*above, "resources"))
    yield from _typed(config.session_assessors, (*above, "session_assessors"))
    yield from _names(config.session_assessors.resources, (*above, "session_assessors", "resources"))


def _names(config: NamesConfig, above: Key) -> Iterator[tuple[Key, str]]:
    if config.sync_type in {"all", "none"} and config.items:
        yield (
            (*above, "items"),
            f'has no effect below sync_type "{config.sync_type}"; "include" and "exclude" ask for it',
        )
    if config.sync_type == "include" and not config.items:
        yield (*above, "sync_type"), _NOTHING


def _typed(config: AssessorsConfig | SessionsConfig, above: Key) -> Iterator[tuple[Key, str]]:
    kind = config.sync_type
    if kind in {"all", "none"} and config.items:
        yield (*above, "items"), _IDLE.format(kind)
    if kind == "include" and not config.items and not config.xsi_types:
        yield (*above, "sync_type"), _NOTHING
    types: tuple[AssessorTypeConfig | SessionTypeConfig, ...] = config.xsi_types
    for number, one in enumerate(types):
        if (kind == "none") or (kind == "all" and one.inside == Inside()):
            yield (*above, "xsi_types", number), f'{one.xsi_type} has no effect below sync_type "{kind}"'
        elif kind == "exclude" and one.inside != Inside():
            yield (*above, "xsi_types", number), f"{one.xsi_type} is excluded: filters of its inside have no effect"


_IDLE = 'has no effect below sync_type "{}": "include" and "exclude" ask for it'
_NOTHING = '"include" without names takes nothing, as "none" does'
