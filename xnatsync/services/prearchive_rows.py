"""Looks at rows of the prearchive for the service of that name: one row, what is in it, and how an effect ends."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass

from xnatsync.core.errors import AccessDenied, NotThere, ReadFailed, ServerBusy, ServerError, Usage
from xnatsync.core.pasting import command_line
from xnatsync.core.remote import PrearchiveState
from xnatsync.services.models import Fields
from xnatsync.xnat import prearchive, prearchive_table
from xnatsync.xnat.client import Client
from xnatsync.xnat.prearchive_table import Row

BUILT = frozenset({PrearchiveState.READY, PrearchiveState.CONFLICT, PrearchiveState.ERROR})
_PAUSES_S = (0.2, 0.4, 0.8, 1.6, 2.0)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one server."""

    client: Client
    sleep: Callable[[float], object]
    patience_s: float  # how long the end of what the server works on is waited for

    def named(self, project: str, timestamp: str, name: str) -> Row:
        """Find a row by its time and its folder or label; NotThere when it is not there (any more)."""
        alike = [row for row in prearchive_table.rows(self.client, project) if row.timestamp == timestamp]
        found = [row for row in alike if row.folder == name] or [row for row in alike if row.seen.name == name]
        if not found:
            raise NotThere(
                f"project {project} has no prearchive session {timestamp}/{name}",
                advice=f"`{command_line('prearchive', 'list', '--project', project)}` lists what waits there.",
            )
        if len(found) > 1:
            raise Usage(f"{len(found)} prearchive sessions are called so", advice="Name one by its folderName.")
        if not found[0].uri:
            raise ServerError("the server lists this prearchive session with an invalid address: nothing can be done")
        return found[0]

    def again(self, row: Row) -> Row | None:
        """Look for a row again, by its address; None when it has gone."""
        seen = prearchive_table.rows(self.client, row.seen.project)
        return next((one for one in seen if one.uri == row.uri), None)

    def moved(self, row: Row, project: str) -> Row | None:
        """Look for a row as it is called after a move: time and folder stay (import.md §2.2)."""
        place = (project, row.timestamp, row.folder)
        seen = prearchive_table.rows(self.client, project)
        return next((one for one in seen if (one.seen.project, one.timestamp, one.folder) == place), None)

    def scans(self, row: Row) -> builtins.list[Fields] | None:
        """List the scans of a row; None while it is not built."""
        if row.seen.state not in BUILT:
            return None
        try:
            seen = prearchive_table.scans(self.client, row.uri)
        except NotThere:
            return None
        return [
            Fields(
                ID=scan.id,
                xsiType=scan.xsi_type,
                series_description=scan.series_description,
                file_count=scan.files,
                file_size=scan.size,
            )
            for scan in seen
        ]

    def scan_count(self, row: Row) -> int | None:
        """Count the scans of a row in a listing; who may list it may not look into it always (§2.3)."""
        try:
            scans = self.scans(row)
        except (AccessDenied, ReadFailed):
            return None
        return None if scans is None else len(scans)

    def log(self, row: Row) -> str:
        """Return the server's last words about a row, "" when there are none for us."""
        try:
            return prearchive.log(self.client, row.uri)
        except (AccessDenied, ReadFailed):
            return ""

    def words(self, row: Row) -> str:
        """Return the same as the tail of a message."""
        said = self.log(row)
        return f": {said}" if said else ""

    def settled(self, row: Row) -> Row | None:
        """Wait until the server no longer works on a row, or patience ends; None when it has gone."""
        left = self.again(row)
        waited_s, pause_s = 0.0, 0.5
        while left is not None and left.seen.state is PrearchiveState.WORKING and waited_s < self.patience_s:
            self.sleep(pause_s)
            waited_s, pause_s = waited_s + pause_s, min(pause_s * 2, 30.0)
            left = self.again(row)
        return left

    def awaited(self, happened: Callable[[], bool]) -> bool:
        """Look a few times: archives and rights settle about a second after the answer (§9)."""
        for pause_s in _PAUSES_S:
            if happened():
                return True
            self.sleep(pause_s)
        return happened()


def refuse_while_working(row: Row, done: str, *, receiving: bool = False) -> None:
    """Raise ServerBusy while the server works on a row, and, unless that is no matter, while files arrive."""
    if row.seen.state in BUILT or (receiving and row.seen.state is PrearchiveState.RECEIVING):
        return
    if row.seen.state is PrearchiveState.RECEIVING:
        raise ServerBusy(
            f"{told(row)} is not {done}: files may still arrive ({row.seen.status})",
            advice=f"When all have arrived, build it with `{build_command(row)}`.",
        )
    raise ServerBusy(
        f"{told(row)} is not {done}: the server works on it ({row.seen.status})", advice="Ask again in a while."
    )


def fields(row: Row, scan_count: int | None) -> Fields:
    """Return a row as scripts read it."""
    return Fields(
        row.columns,
        project=row.seen.project,
        session=row.seen.name,
        study_uid=row.seen.study_uid,
        upload_date=row.columns.get("uploaded", ""),
        scan_count=scan_count,
    )


def told(row: Row) -> str:
    """Name a row by project and time: its folder is a label (S8)."""
    return f"prearchive session {row.seen.project}/{row.timestamp}"


def build_command(row: Row) -> str:
    """Return the command that builds a row, to be typed."""
    return command_line("prearchive", "rebuild", row.seen.project, row.timestamp, row.folder)


def move_command(row: Row) -> str:
    """Return the command that moves a row to a project, to be typed."""
    return command_line("prearchive", "move", row.seen.project, row.timestamp, row.folder, "PROJECT")
