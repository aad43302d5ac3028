"""The whole state of a sandbox: everything an XNAT knows, behind one lock, without HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from xnatsync.sandbox.model.accounts import AccountBook, Accounts, User
from xnatsync.sandbox.model.logins import Logins
from xnatsync.sandbox.model.objects import Experiment, Investigator, Project, Scan, Stamps, Subject
from xnatsync.sandbox.model.persist import Documents
from xnatsync.sandbox.model.prearchive import Prearchive
from xnatsync.sandbox.model.processing import Processing
from xnatsync.sandbox.model.settings import Settings, Value
from xnatsync.sandbox.model.store import FolderStore, MemoryStore, Store

_RIGHTS = {
    "owner": frozenset({"read", "edit", "create", "delete"}),
    "member": frozenset({"read", "edit", "create"}),
    "collaborator": frozenset({"read"}),
}


@dataclass(slots=True)
class SiteRecord:
    """What the site itself keeps over a restart."""

    settings: dict[str, Value] = field(default_factory=dict)
    subjects: int = 0  # the last accession number given out; never given twice, even after a delete
    experiments: int = 0
    keys: int = 0
    events: int = 0  # workflows and events count together
    retired_projects: list[str] = field(default_factory=list)  # deleted ids cannot be used again (hierarchy.md §4.3)
    configs: dict[str, dict[str, object]] = field(default_factory=dict)  # the config service, by "project/tool/path"
    workflows: list[dict[str, str]] = field(default_factory=list)
    investigators: dict[str, Investigator] = field(default_factory=dict)  # by id


class Site:
    """The state.  `lock` guards all metadata and is never held while content is streamed."""

    def __init__(
        self, store: Store, state: Path | None = None, clock: Callable[[], float] = time.time, cache: Path | None = None
    ) -> None:
        self.lock = threading.RLock()
        self.store = store
        self.clock = clock
        self.cache = cache  # a folder for whatever must be on disk for a while; None in memory
        self.logins = Logins()
        self.started = clock()
        self.documents = Documents(state, self.lock)
        self.record = (self.documents.register(SiteRecord, "site", lambda _: "site") or [SiteRecord()])[0]
        self.settings = Settings(self.record.settings)
        books = self.documents.register(AccountBook, "accounts", lambda _: "accounts")
        self.accounts = Accounts(books[0] if books else None)
        self.projects = {item.id: item for item in self.documents.register(Project, "projects", lambda item: item.id)}
        self.subjects = {item.id: item for item in self.documents.register(Subject, "subjects", lambda item: item.id)}
        self.experiments = {
            item.id: item for item in self.documents.register(Experiment, "experiments", lambda item: item.id)
        }
        self.prearchive = Prearchive(self)
        self.processing = Processing(self)

    @classmethod
    def on_disk(cls, root: Path, clock: Callable[[], float] = time.time) -> Site:
        """Open the site kept in a folder, or starts a new one there."""
        return cls(FolderStore(root / "store"), root / "state", clock, root / "cache")

    @classmethod
    def in_memory(cls, clock: Callable[[], float] = time.time) -> Site:
        """Start a site that leaves nothing behind, for simulations."""
        return cls(MemoryStore(clock), None, clock)

    def close(self) -> None:
        """Write everything that is not yet on disk."""
        self.documents.close()

    # -- persistence ---------------------------------------------------------------------------------------------------

    def save(self, obj: object) -> None:
        """Keep a project, subject, experiment or prearchive row over a restart."""
        self.documents.save(obj)

    def forget(self, obj: object) -> None:
        """Remove the document of a deleted object."""
        self.documents.forget(obj)

    def save_site(self) -> None:
        """Keep settings and counters."""
        self.record.settings = self.settings.changed()
        self.documents.save(self.record)

    def save_accounts(self) -> None:
        """Keep users and tokens."""
        self.documents.save(self.accounts.book)

    # -- identities and stamps -----------------------------------------------------------------------------------------

    def next_subject_id(self) -> str:
        """Return the next accession ID of a subject."""
        with self.lock:
            self.record.subjects += 1
            self.save_site()
            return f"XNAT_S{self.record.subjects:05d}"

    def next_experiment_id(self) -> str:
        """Return the next accession ID of a session or assessor."""
        with self.lock:
            self.record.experiments += 1
            while f"XNAT_E{self.record.experiments:05d}" in self.experiments:  # a client may have brought this ID
                self.record.experiments += 1
            self.save_site()
            return f"XNAT_E{self.record.experiments:05d}"

    def next_event(self) -> int:
        """Return the next id of a workflow or an event of a history."""
        with self.lock:
            self.record.events = max(self.record.events, len(self.record.workflows)) + 1
            self.save_site()
            return self.record.events

    def next_key(self) -> int:
        """Return the next database key of a scan or resource."""
        with self.lock:
            self.record.keys += 1
            self.save_site()
            return self.record.keys

    def now_text(self) -> str:
        """Return the time as XNAT shows timestamps: local, without zone, as short as Java writes it (§3.1)."""
        return time_text(self.clock())

    def stamp(self, user: User | str) -> Stamps:
        """Return the stamps of a row that is being inserted; a bubbled stamp exists from the start."""
        now = self.now_text()
        return Stamps(now, user if isinstance(user, str) else user.login, bubbled=now)

    def changed(self, obj: Project | Subject | Experiment | Scan) -> None:
        """Stamp a row that was itself modified (hierarchy.md §3.9); call `bubble` for what is above it."""
        obj.stamps.last_modified = obj.stamps.bubbled = self.now_text()

    def bubble(self, *chain: Project | Subject | Experiment | Scan | None) -> None:
        """Stamp the ancestors of something that changed: only what `{type}/meta/last_modified` shows moves (§3.9)."""
        now = self.now_text()
        for obj in chain:
            if obj is not None:
                obj.stamps.bubbled = now

    # -- permissions ---------------------------------------------------------------------------------------------------

    def can(self, user: User, project_id: str, right: str, kind: str = "") -> bool:
        """Return whether a user may "read", "edit", "create" or "delete" data of a type in a project.

        Without a type it is about the project itself: a group of its own makes that readable, no more.
        """
        if user.admin or "ALL_DATA_ADMIN" in user.groups:
            return True
        project = self.projects.get(project_id)
        if project is None:
            return False
        if right == "read" and "ALL_DATA_ACCESS" in user.groups:
            return True
        if right == "read" and project.accessibility == "public":
            return True
        role = project.members.get(user.login, "")
        if (group := project.groups.get(role)) is not None:
            return right in group.rights.get(kind.lower(), ()) if kind else right == "read"
        return right in _RIGHTS.get(role, frozenset())

    def may(self, user: User, item: Subject | Experiment, right: str, project_id: str = "") -> bool:
        """Return whether a user has a right on a subject or experiment, in its own project or in a named one."""
        return self.can(user, project_id or item.project, right, kind_of(item))

    def can_see(self, user: User, project: Project) -> bool:
        """Return whether a project itself may be read: a protected one by everybody, its data by members (§18)."""
        return project.accessibility in {"public", "protected"} or self.can(user, project.id, "read")

    def can_any(self, user: User, project_ids: Iterable[str], right: str, kind: str = "") -> bool:
        """Return whether a user has a right through at least one of several projects: owner and shares."""
        return user.admin or any(self.can(user, project_id, right, kind) for project_id in project_ids)

    def can_read(self, user: User, obj: Subject | Experiment) -> bool:
        """Return whether a user may read a subject or experiment, in its own project or where it is shared."""
        return self.can_any(user, (obj.project, *obj.shares), "read", kind_of(obj))


def kind_of(item: Subject | Experiment) -> str:
    """Return the type whose rights a subject or experiment has."""
    return item.xsi_type if isinstance(item, Experiment) else "xnat:subjectData"


def time_text(when: float) -> str:
    """Write a time as `java.sql.Timestamp` does: fractions without trailing zeros, but at least one digit."""
    whole, millis = divmod(round(when * 1000), 1000)
    fraction = f"{millis:03d}".rstrip("0") or "0"
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(whole))}.{fraction}"
