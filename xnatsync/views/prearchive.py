"""The prearchive for people and programs: rows, what is in one, and what was done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from xnatsync.views.blocks import Block, Line, Table, Tone

if TYPE_CHECKING:
    from xnatsync.app.prearchive_needs import Need

COLUMNS = {
    "project": "project",
    "timestamp": "timestamp",
    "folderName": "session",
    "subject": "subject",
    "status": "status",
    "uploaded": "uploaded",
}
_FIELDS = (
    "project", "timestamp", "folderName", "name", "subject", "status", "uploaded", "scan_date", "tag", "autoarchive",
    "url",
)  # fmt: skip
SCAN_COLUMNS = {"id": "id", "series_description": "series description", "file_count": "files", "file_size": "bytes"}


def prearchive_row(row: Mapping[str, object]) -> dict[str, object]:
    """A row of `prearchive list`, under XNAT's own names."""
    return {key: row.get(key, "") for key in _FIELDS}


def prearchive_scan_row(scan: Mapping[str, object]) -> dict[str, object]:
    """A row of `prearchive scans`."""
    return {
        "id": scan["ID"],
        "series_description": scan["series_description"],
        "file_count": scan["file_count"],
        "file_size": scan["file_size"],
        "xsi_type": scan["xsiType"],
    }


def shown_fields(row: Mapping[str, object], scans: list[dict[str, object]]) -> dict[str, object]:
    """`prearchive show`, for programs."""
    return {**prearchive_row(row), "scan_count": row["scan_count"], "log": row["log"], "scans": scans}


def shown_blocks(row: Mapping[str, object], scans: list[dict[str, object]]) -> Iterator[Block]:
    """`prearchive show`, for people."""
    yield from row_blocks(row)
    if row["log"]:
        yield Line(f"the server's last words: {row['log']}", indent=2)
    if row["scan_count"] is None:
        yield Line("its scans are not known: it is not built", Tone.DIM, indent=2)
    else:
        yield Line(f"scans: {row['scan_count']}", indent=2)
    if scans:
        cells = [["" if scan[key] is None else str(scan[key]) for key in SCAN_COLUMNS] for scan in scans]
        yield Table(list(SCAN_COLUMNS.values()), cells, indent=4, right=frozenset({2, 3}))


def row_blocks(row: Mapping[str, object]) -> Iterator[Block]:
    """One row, for people."""
    yield Line(f"{row['project']} {row['timestamp']} {row['folderName']}", Tone.HEAD)
    for word, key in (("label", "name"), ("subject", "subject"), ("status", "status"), ("uploaded", "uploaded")):
        if row.get(key):
            yield Line(f"{word}: {row[key]}", indent=2)


def archived_blocks(done: Mapping[str, object]) -> Iterator[Block]:
    """`prearchive archive`, for people."""
    kind = "added to the session that was there" if done["merged"] else "archived"
    yield Line(f"{kind}: {done['session']} of subject {done['subject']}, {done['session_id']}", Tone.GOOD)


def need_blocks(needs: Iterable[Need]) -> Iterator[Block]:
    """Show a person the items of ours that count on a row."""
    for need in needs:
        yield Line(need.words, Tone.WARN, indent=2, hang=2)


def deleted_fields(row: Mapping[str, object], needs: Sequence[Need], *, dry_run: bool) -> dict[str, object]:
    """`prearchive delete`, for programs."""
    told = {"dry_run": dry_run, "deleted": not dry_run, "items": [need.item for need in needs]}
    return {**told, **prearchive_row(row), "scan_count": row["scan_count"]}


def deleted_blocks(row: Mapping[str, object], needs: Iterable[Need], *, dry_run: bool) -> Iterator[Block]:
    """`prearchive delete`, for people; the plan and its end."""
    if not dry_run:
        yield Line(f"deleted: {row['project']} {row['timestamp']} {row['folderName']}", Tone.GOOD)
        return
    count = row["scan_count"]
    yield Line("would be deleted for good:", Tone.WARN)
    yield from row_blocks(row)
    yield Line("scans: not known" if count is None else f"scans: {count}", indent=2)
    yield from need_blocks(needs)


def settings_fields(project: str, mode: str, before: str | None, *, dry_run: bool = False) -> dict[str, object]:
    """`prearchive settings`, for programs."""
    return {"dry_run": dry_run, "project": project, "mode": mode, "before": before}


def settings_blocks(project: str, mode: str, before: str | None, *, dry_run: bool = False) -> Iterator[Block]:
    """`prearchive settings`, for people."""
    if dry_run:
        yield Line(f"project {project}: what arrives would be treated as {mode}, today as {before}")
    else:
        was = f" (was {before})" if before not in {None, mode} else ""
        yield Line(f"project {project}: {mode}{was}")
