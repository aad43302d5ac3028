"""Scans of a session: list, look into, delete one, some or all, and what people say of their quality.

A scan is meant by its ID alone.  Elsewhere XNAT takes an ID for a type too, and then means several (hierarchy.md §3.6).
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any, Final

from xnatsync.core.errors import EffectMissing, NotThere, Usage, XnatsyncError
from xnatsync.core.pasting import command_line
from xnatsync.core.wording import counted
from xnatsync.fetch.threads import abreast
from xnatsync.services import fields, finding
from xnatsync.services.base import BaseService, further
from xnatsync.services.models import Fields, Scan
from xnatsync.services.progress import Teller
from xnatsync.services.spelling import also
from xnatsync.xnat import asked, edits
from xnatsync.xnat.scans import natural

__all__ = ["ScanService"]

EVERY: Final = "*"
_COLUMNS: Final = ("ID", "type", "quality", "xsiType", "note", "series_description", "frames", "UID")


class ScanService(BaseService):
    """The scans of sessions."""

    @also(session="session_id", experiment="session_id")
    def list(
        self,
        session_id: str,
        project: str | None = None,
        columns: Sequence[str] | None = None,
        *,
        counted: bool = True,
    ) -> list[Scan]:
        """List the scans of a session as a person counts, with how many files they have if `counted`: one request more.

        Further columns of XNAT are attributes of the scans under the names that were asked for.
        """
        held = finding.session(self.client, session_id, project).id
        return self._listed(held, columns or (), has_counts=counted)

    @also(session="session_id", experiment="session_id", scan="scan_id")
    def get(self, session_id: str, scan_id: str, project: str | None = None) -> Scan:
        """Look into a scan; ResourceNotFoundError when the session has none of this ID."""
        held = finding.session(self.client, session_id, project).id
        found = next((scan for scan in self._listed(held, ()) if scan.scan_id == scan_id), None)
        if found is None:
            raise _not_there(held, [scan_id])
        return found

    @also(session="session_id", experiment="session_id", scan="scan_id")
    def delete(self, session_id: str, scan_id: str, project: str | None = None, remove_files: bool = False) -> bool:
        """Delete a scan.  True when it is gone; its files always go with it, whatever `remove_files` says (XNAT)."""
        held = finding.session(self.client, session_id, project).id
        if scan_id not in self._ids(held):
            raise _not_there(held, [scan_id])
        with self.written_down("scan.deleted", f"delete scan {scan_id} of session {held}", session=held):
            self._delete(held, scan_id)
        return True

    @also(session="session_id", experiment="session_id", scans="scan_ids")
    def delete_multiple(
        self,
        session_id: str,
        scan_ids: Sequence[str],
        project: str | None = None,
        remove_files: bool = False,
        parallel: bool = True,
        workers: int = 4,
        progress_callback: Callable[[int, int, str], object] | None = None,
    ) -> dict[str, Any]:
        """Delete scans, `["*"]` for all.  Return `deleted`, `failed` (their IDs) and `errors` (`scan_id`, `error`).

        What is not in the session is among the failed.  A callback that returns False cancels: what is at work comes to
        its end, nothing new begins, and OperationCancelled is raised.  Files always go with a scan, as in XNAT.
        """
        named = list_of(scan_ids)
        if not named:
            raise Usage("no scan was named", advice="Give their IDs, or `*` for all.")
        held = finding.session(self.client, session_id, project).id
        there = self._ids(held)
        wanted = there if named == [EVERY] else named
        summary = Fields(deleted=[], failed=[], errors=[])
        deed = f"delete {counted(len(wanted), 'scan')} of session {held}"
        with self.written_down("scan.deleted", deed, session=held, scans=wanted) as told:
            told |= {"deleted": summary["deleted"], "failed": summary["failed"]}
            self._delete_all(held, wanted, set(there), summary, workers if parallel else 1, progress_callback)
        return summary

    @also(session="session_id", experiment="session_id", scans="scan_ids")
    def named(self, session_id: str, scan_ids: Sequence[str], project: str | None = None) -> builtins.list[str]:
        """Return the scans that are meant, `*` for all; ResourceNotFoundError when one of them is not there."""
        named, there = list_of(scan_ids), self._ids(finding.session(self.client, session_id, project).id)
        if not named:
            raise Usage("no scan was named", advice="Give their IDs, or `*` for all.")
        if named == [EVERY]:
            return there
        if strangers := [scan_id for scan_id in named if scan_id not in there]:
            raise _not_there(session_id, strangers)
        return named

    @also(session="session_id", experiment="session_id", scan="scan_id")
    def get_resources(self, session_id: str, scan_id: str, project: str | None = None) -> builtins.list[dict[str, Any]]:
        """List the resources of a scan, under XNAT's names of the columns; never those of another one."""
        held = finding.session(self.client, session_id, project).id
        if scan_id not in self._ids(held):
            raise _not_there(held, [scan_id])
        rows = [row for row in asked.resources(self.client.low, held, everything=True) if _is_of(row, scan_id)]
        return [Fields(row) for row in sorted(rows, key=lambda row: row["label"])]

    @also(session="session_id", experiment="session_id", scan="scan_id")
    def set_quality(self, session_id: str, scan_id: str, quality: str, project: str | None = None) -> bool:
        """Say how good a scan is: usable, questionable, unusable, or a word of the site.  True when it is shown."""
        if not quality.strip():
            raise Usage("no quality was given", advice="Such as usable, questionable, unusable.")
        return self._set(session_id, scan_id, "quality", quality, project)

    @also(session="session_id", experiment="session_id", scan="scan_id")
    def set_note(self, session_id: str, scan_id: str, note: str, project: str | None = None) -> bool:
        """Write a note to a scan, instead of the one it has.  True when it is shown."""
        return self._set(session_id, scan_id, "note", note, project)

    # --- parts ---------------------------------------------------------------------------------------------------

    def _set(self, session_id: str, scan_id: str, field: str, value: str, project: str | None) -> bool:
        held = finding.session(self.client, session_id, project).id
        if scan_id not in self._ids(held):
            raise _not_there(held, [scan_id])
        shows = edits.scan_held(held, scan_id)
        kind = asked.item(self.client.low, shows).xsi_type
        deed = f"set the {field} of scan {scan_id} of session {held}"
        with self.written_down("scan.changed", deed, session=held, scan=scan_id, fields=[field]):
            fields.Setting(self, shows, edits.scan(held, scan_id), kind).apply({field: value}, {})
        return True

    def _delete(self, session_id: str, scan_id: str) -> None:
        self.do(edits.scan_gone(session_id, scan_id), seen=lambda: scan_id not in self._ids(session_id))

    def _delete_all(
        self,
        session_id: str,
        wanted: Sequence[str],
        there: set[str],
        summary: dict[str, Any],
        workers: int,
        progress_callback: Callable[[int, int, str], object] | None,
    ) -> None:
        teller: Teller[tuple[int, int, str]] = Teller(_spread(progress_callback))

        def act(scan_id: str) -> tuple[str, XnatsyncError | None]:
            try:
                if scan_id not in there:
                    raise _not_there(session_id, [scan_id])
                self._delete(session_id, scan_id)
            except XnatsyncError as error:
                return scan_id, error
            return scan_id, None

        total = len(wanted)
        for number, (scan_id, error) in enumerate(abreast(wanted, act, max(1, min(workers, 8))), start=1):
            if error is None:
                summary["deleted"].append(scan_id)
            else:
                summary["failed"].append(scan_id)
                summary["errors"].append({"scan_id": scan_id, "error": str(error), "code": error.code})
            teller.tell((number, total, scan_id))
        if others := there - set(wanted) - set(self._ids(session_id)):
            raise EffectMissing(f"session {session_id} lost scans that were not named: {', '.join(sorted(others))}")

    def _ids(self, session_id: str) -> builtins.list[str]:
        rows = asked.scans(self.client.low, session_id, ("ID",))
        return sorted({row["ID"] for row in rows}, key=natural)

    def _listed(self, session_id: str, columns: Sequence[str], *, has_counts: bool = True) -> builtins.list[Scan]:
        wanted = [*_COLUMNS, *(column for column in columns if column not in _COLUMNS)]
        rows = asked.scans(self.client.low, session_id, wanted)
        resources = asked.resources(self.client.low, session_id, everything=True) if rows and has_counts else []
        found = []
        for row in rows:
            own = [each for each in resources if _is_of(each, row["ID"])]
            more = further(row, columns, _COLUMNS)
            found.append(
                Scan(
                    scan_id=row["ID"],
                    type=row.get("type", ""),
                    series_description=row.get("series_description", ""),
                    quality=row.get("quality", ""),
                    note=row.get("note", ""),
                    frames=_number(row.get("frames", "")),
                    xsi_type=row.get("xsiType", ""),
                    uid=row.get("UID") or None,
                    file_count=_total(own, "file_count") if has_counts else None,
                    file_size=_total(own, "file_size") if has_counts else None,
                    **more,
                )
            )
        return sorted(found, key=lambda scan: natural(scan.scan_id))


def list_of(scan_ids: Sequence[str]) -> builtins.list[str]:
    """Return IDs once each, in their order; a text such as `1,2` is read as several."""
    parts = scan_ids.split(",") if isinstance(scan_ids, str) else scan_ids
    return builtins.list(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _not_there(session_id: str, scan_ids: Sequence[str]) -> NotThere:
    return NotThere(
        f"session {session_id} has no scan {', '.join(scan_ids)}",
        advice=f"`{command_line('scan', 'list', '-E', session_id)}` lists its scans.",
    )


def _spread(callback: Callable[[int, int, str], object] | None) -> Callable[[tuple[int, int, str]], object] | None:
    return None if callback is None else lambda told: callback(*told)


def _is_of(row: dict[str, str], scan_id: str) -> bool:
    return row.get("category", "").startswith("scans") and row.get("cat_id") == scan_id


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _total(rows: Sequence[dict[str, str]], name: str) -> int | None:
    """Add up what the server counted; None where it never counted one of them."""
    amounts = [_number(row.get(name, "")) for row in rows]
    return None if None in amounts else sum(amount for amount in amounts if amount is not None)
