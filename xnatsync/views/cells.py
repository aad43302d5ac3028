"""Tables for spreadsheets and line tools: a line of headings, then one line for each row.

Columns are named as the fields of the JSON document, in an order that stays; new ones only come at the end.  Text that
would begin a formula is marked as text, and what would not be seen (a line end in a name) is escaped: a row is a line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from xnatsync.core.cells import cell
from xnatsync.views.printable import printable

SEPARATORS = {"csv": ",", "tsv": "\t"}
_ITEM = (
    "id", "route", "place", "path", "phase", "hold", "code", "detail", "advice", "retry_at", "command", "files",
    "bytes", "seen_at", "moved_at", "filed_as",
)  # fmt: skip
_PIPELINE = (
    "name", "engine", "id", "command", "command_id", "image", "version", "description", "contexts", "enabled_site",
    "enabled_project",
)  # fmt: skip
_TARGET = ("route", "server", "project", "subject", "session", "session_id")
# Of each command that prints a table: where its rows are in the document, and the columns.  `version.since` is the
# column `version_since`: a field of an object in the row.
TABLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "project-list": ("", ("id", "name", "pi", "description", "secondary_id")),
    "project-users": ("", ("login", "role", "group", "firstname", "lastname", "email")),
    "project-transfer-history": (
        "",
        (
            "id", "status", "started_at", "ended_at", "source_server", "source_project", "dest_server", "dest_project",
            "subjects_synced", "subjects_failed", "subjects_skipped", "experiments_synced", "experiments_failed",
            "experiments_skipped", "files", "bytes", "route",
        ),
    ),
    "project-transfer-check": ("checks", ("name", "state", "text", "code", "advice")),
    "notify-list": (
        "", ("id", "made_at", "target", "state", "tries", "sent_at", "next_at", "title", "body", "failed")
    ),
    "certificate-list": ("", ("id", "route", "run", "made_at", "outcome", "json_sha256", "html_sha256", "path",)),
    "subject-list": ("", ("id", "label", "sessions")),
    "session-list": (
        "", ("id", "label", "subject", "date", "modality", "subject_id", "project", "xsi_type")
    ),
    "scan-list": ("", ("id", "type", "series_description", "quality", "frames", "note", "xsi_type")),
    "resource-list": ("", ("label", "format", "file_count", "file_size", "content")),
    "prearchive-list": (
        "",
        (
            "project", "timestamp", "folderName", "name", "subject", "status", "uploaded", "scan_date", "tag",
            "autoarchive", "url",
        ),
    ),
    "prearchive-scans": ("", ("id", "series_description", "file_count", "file_size", "xsi_type")),
    "pipeline-list": ("", _PIPELINE),
    "wrapper-list": ("", _PIPELINE),
    "pipeline-jobs": (
        "",
        (
            "job_id", "status", "state", "pipeline", "engine", "experiment", "project", "started", "user", "details",
            "container_id", "percent",
        ),
    ),
    "command-list": ("", ("id", "name", "version", "image", "type", "description", "wrappers")),
    "container-list": ("", ("id", "job_id", "status", "wrapper_id", "project", "user", "image")),
    "dicom-list-tags": ("", ("tag", "vr", "keyword", "value")),
    "admin-audit": (
        "", ("at", "user", "action", "type", "status", "reason", "project", "item", "event_id")
    ),
    "admin-user-list": (
        "", ("username", "id", "first_name", "last_name", "email", "enabled", "verified", "group")
    ),
    "admin-user-groups": ("", ("id",)),
    "admin-plugins": ("", ("id", "name", "version", "description")),
    "status": ("routes.items", _ITEM),
    "ledger-list": ("", ("table", "rows", "columns")),
    "ledger-export": ("files", ("table", "path", "rows", "bytes")),
    "history": (
        "events", ("id", "at", "level", "code", "text", "route", "run", "item", "unit", "path", "data")
    ),
    "doctor": ("checks", ("name", "state", "text", "code", "advice")),
    "auth-status": (
        "sessions", ("server", "profile", "username", "created_at", "used_at", "age_s", "problem")
    ),
    "audit": (
        "findings",
        ("verdict", "session", "session_id", "subject", "expected_scans", "scans", "day", "age_days", "text"),
    ),
    "verify": ("findings", (*_TARGET, "side", "verdict", "key", "count", "detail")),
    "mirror-ls": (
        "entries",
        ("path", "folder", "files", "bytes", "where", "place", "version.since", "version.sha256", "version.md5"),
    ),
    "mirror-diff": (
        "changes",
        ("change", "path", "before.path", "before.bytes", "before.sha256", "after.bytes", "after.sha256"),
    ),
}  # fmt: skip


OF_ITS_OWN = "ledger-query"  # prints a table whose columns are those of a question


def columns_of(command: str) -> tuple[str, ...]:
    """Return the headings of a command's table."""
    return tuple(column.replace(".", "_") for column in TABLES[command][1])


def cells_text(
    form: str, rows: Iterable[Mapping[str, object]], columns: Sequence[str], *, has_headings: bool = True
) -> str:
    """Return a table of flat rows as text, `csv` or `tsv`, a line a row."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=SEPARATORS[form], lineterminator="\n")
    if has_headings:
        writer.writerow(columns)
    writer.writerows([_cell(row[column]) for column in columns] for row in rows)
    return out.getvalue()


def flat(command: str, row: Mapping[str, object]) -> dict[str, object]:
    """Return a row of a command's document by the headings of its table."""
    return {column.replace(".", "_"): _value(row, column) for column in TABLES[command][1]}


def is_listing(command: str) -> bool:
    """Return whether columns, order and rows of a command's table can be chosen."""
    return command in {OF_ITS_OWN, "mirror-ls"} or (command in TABLES and not TABLES[command][0])


def rows_of(command: str, fields: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Return the rows of a command's document."""
    yield from _rows(fields, TABLES[command][0].split("."))


def _rows(value: object, path: Sequence[str]) -> Iterator[Mapping[str, object]]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _rows(part, path)
    elif isinstance(value, Mapping):
        if path:
            yield from _rows(value[path[0]], path[1:])
        else:
            yield value


def _value(row: Mapping[str, object], column: str) -> object:
    name, _, below = column.partition(".")
    value = row[name]
    return _value(value, below) if below and isinstance(value, Mapping) else None if below else value


def _cell(value: object) -> str | int | float:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case str():
            return printable(cell(value))
        case _:
            return printable(cell(json.dumps(value)))
