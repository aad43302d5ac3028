"""The prearchive: sessions that have arrived and are not yet in the archive (import.md §2).

Rows are kept over a restart; what is known of their objects is read again from disk when it is needed.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from xnatsync.sandbox.model import received
from xnatsync.sandbox.model.jobs import Jobs
from xnatsync.sandbox.model.naming import archive_label
from xnatsync.sandbox.model.received import Content

if TYPE_CHECKING:
    from xnatsync.sandbox.model.accounts import User
    from xnatsync.sandbox.model.site import Site

STATUSES: Final = frozenset(
    [
        "RECEIVING",
        "RECEIVING_INTERRUPT",
        "QUEUED_BUILDING",
        "BUILDING",
        "READY",
        "QUEUED_ARCHIVING",
        "ARCHIVING",
        "CONFLICT",
        "ERROR",
        "QUEUED_MOVING",
        "MOVING",
        "QUEUED_DELETING",
        "DELETING",
        "SEPARATING",
        "QUEUED_SEPARATING",
    ],
)
UNASSIGNED: Final = "Unassigned"
_STALE: Final = 15.0  # seconds before lastmod is worth a new value (import.md §1.9)
_SAFE_FOLDER: Final = re.compile(r"[^/\\\0]+")


@dataclass(slots=True)
class LogEntry:
    """One entry of a session's log; the id is the time in milliseconds."""

    id: str
    date: str
    entry: str


@dataclass(slots=True, eq=False)
class Row:
    """One session of the prearchive, or of the direct archive while it is arriving there."""

    project: str  # "" = Unassigned
    timestamp: str
    folder: str
    name: str
    subject: str
    tag: str  # StudyInstanceUID
    status: str
    uploaded: str
    lastmod: str
    touched: float
    scan_date: str = ""
    scan_time: str = ""
    autoarchive: str = ""
    prevent_anon: bool = False
    prevent_auto_commit: bool = False
    source: str = ""
    visit: str = ""
    protocol: str = ""
    timezone: str = ""
    built: bool = False
    logs: list[LogEntry] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)  # XML paths given by the sender
    destination: str = ""  # the archive folder that files are being moved to
    direct: str = ""  # the archive folder of a direct-archive session
    id: int = 0  # of a direct-archive session
    part: str = ""  # PET or MR when it was separated from a PET/MR session

    @property
    def locked(self) -> bool:
        """Return whether some operation is under way: the status begins with an underscore."""
        return self.status.startswith("_")

    @property
    def path(self) -> str:
        """The folder below the store's root."""
        return self.direct or f"prearchive/{self.project or UNASSIGNED}/{self.timestamp}/{self.folder}"

    @property
    def uri(self) -> str:
        """The URI without /data."""
        if self.direct:
            return f"/xapi/direct-archive/{self.project}/{self.tag}/{self.name}"
        return f"/prearchive/projects/{self.project or UNASSIGNED}/{self.timestamp}/{self.folder}"

    @property
    def key(self) -> str:
        """What identifies the row's document."""
        return f"{self.project or UNASSIGNED}~{self.timestamp}~{self.folder}"

    def columns(self) -> dict[str, str]:
        """Return the 19 columns of the listing, in their order (import.md §2.1)."""
        return {
            "project": self.project or UNASSIGNED,
            "timestamp": self.timestamp,
            "lastmod": self.lastmod,
            "uploaded": self.uploaded,
            "scan_date": self.scan_date,
            "scan_time": self.scan_time,
            "subject": self.subject,
            "folderName": self.folder,
            "name": self.name,
            "tag": self.tag,
            "status": self.status,
            "url": self.uri,
            "autoarchive": self.autoarchive,
            "prevent_anon": str(self.prevent_anon).lower(),
            "prevent_auto_commit": str(self.prevent_auto_commit).lower(),
            "SOURCE": self.source,
            "VISIT": self.visit,
            "PROTOCOL": self.protocol,
            "TIMEZONE": self.timezone,
        }


class Prearchive:
    """All rows.  Methods take the site's lock themselves; `changed` is notified at every change of a status."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.changed = threading.Condition(site.lock)
        self.archiving: set[str] = set()  # rows and destinations under way (import.md §2.6)
        self.rows: dict[str, Row] = {
            row.key: row for row in site.documents.register(Row, "prearchive", lambda row: row.key)
        }
        self._contents: dict[str, Content] = {}
        self.jobs = Jobs()
        self._last_stamp = ""

    # -- finding -------------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Row]:
        with self.site.lock:
            return iter([row for row in self.rows.values() if not row.direct])

    def find(self, project: str, timestamp: str, folder: str) -> Row | None:
        """Find a row by the parts of its URI."""
        project = UNASSIGNED if project in {"", UNASSIGNED} else project
        with self.site.lock:
            row = self.rows.get(f"{project}~{timestamp}~{folder}")
            return row if row is not None and not row.direct else None

    def by_identity(self, project: str, tag: str, name: str) -> Row | None:
        """Find the row of a study under a label in a project; the newest when there are several."""
        with self.site.lock:
            found = [row for row in self if (row.project, row.tag, row.name) == (project, tag, name)]
            return max(found, key=lambda row: row.timestamp, default=None)

    def directly(self) -> list[Row]:
        """Return the sessions of the direct archive (import.md §3)."""
        with self.site.lock:
            return [row for row in self.rows.values() if row.direct]

    def visible(self, user: User, projects: list[str] | None) -> list[Row]:
        """Return the rows a user sees: of the named projects, or of all the user may edit; admins see Unassigned."""
        return [
            row
            for row in self
            if (
                (not row.project and user.admin)
                or (
                    row.project
                    and (row.project in projects if projects is not None else self.site.can(user, row.project, "edit"))
                )
            )
        ]

    def content(self, row: Row) -> Content:
        """Return what is known of a row's objects; read them from disk if this process has not seen them arrive."""
        with self.site.lock:
            found = self._contents.get(row.key)
        if found is not None:
            return found
        loaded = received.load(self.site.store, row.path)
        with self.site.lock:
            return self._contents.setdefault(row.key, loaded)

    # -- changing ------------------------------------------------------------------------------------------------------

    def add(self, row: Row) -> Row:
        """Take in a new row."""
        with self.site.lock:
            self.rows[row.key] = row
            self._contents.setdefault(row.key, Content())
            self.save(row)
            return row

    def remove(self, row: Row) -> None:
        """Forget a row; its files are the caller's affair."""
        with self.site.lock:
            self.rows.pop(row.key, None)
            self._contents.pop(row.key, None)
            self.site.forget(row)
            self.changed.notify_all()

    def moved(self, row: Row, old_key: str) -> None:
        """Keep what is known of a row whose project or folder has changed."""
        with self.site.lock:
            self.rows.pop(old_key, None)
            content = self._contents.pop(old_key, None)
            if content is not None:
                self._contents[row.key] = content
            self.rows[row.key] = row
            self.save(row)

    def save(self, row: Row) -> None:
        """Keep a changed row."""
        with self.site.lock:
            if self.rows.get(row.key) is row:
                self.site.save(row)
            self.changed.notify_all()

    def set_status(self, row: Row, status: str) -> None:
        """Set a status, whatever it was."""
        with self.site.lock:
            row.status = status
            self.touch(row)
            self.save(row)

    def touch(self, row: Row, *, stale_only: bool = False) -> None:
        """Note the time of the last change; receiving files does so only every 15 seconds (import.md §1.9)."""
        now = self.site.clock()
        if not stale_only or now - row.touched > _STALE:
            row.touched = now
            row.lastmod = date_text(now)

    def log(self, row: Row, entry: str) -> None:
        """Write into a session's log."""
        with self.site.lock:
            millis = int(self.site.clock() * 1000)
            while row.logs and int(row.logs[-1].id) >= millis:
                millis += 1
            row.logs.append(LogEntry(str(millis), date_text(self.site.clock()), entry))
            self.save(row)

    def timestamp(self) -> str:
        """Return a timestamp nobody has had yet: 20240611_142301123."""
        with self.site.lock:
            when = self.site.clock()
            while (stamp := _stamp_text(when)) <= self._last_stamp:
                when += 0.001
            self._last_stamp = stamp
            return stamp

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until a condition holds that depends on rows; say whether it does."""
        with self.changed:
            return self.changed.wait_for(condition, timeout)


def new_row(prearchive: Prearchive, project: str, name: str, subject: str, tag: str) -> Row:
    """Make a row that is receiving, with a new timestamp."""
    site = prearchive.site
    now = site.clock()
    folder = name if _SAFE_FOLDER.fullmatch(name) and name not in {".", ".."} else archive_label(name)
    text = date_text(now)
    return Row(project, prearchive.timestamp(), folder, name, subject, tag, "RECEIVING", text, text, now)


def date_text(when: float) -> str:
    """Write a time as the listing shows it."""
    return time.strftime("%Y-%m-%d %H:%M:%S.0", time.localtime(when))


def _stamp_text(when: float) -> str:
    millis = round(when * 1000)
    return time.strftime("%Y%m%d_%H%M%S", time.localtime(millis // 1000)) + f"{millis % 1000:03d}"
