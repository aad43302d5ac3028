"""Which fault can meet which method of a port, and why the others never do: the table of docs/testing.md."""

from __future__ import annotations

from collections.abc import Mapping

from sim.grid import Cell as Cell
from sim.grid import Grid, Reason, Table

READS = ("project", "may_edit", "sessions", "session_files", "resource_files", "prearchive", "prearchive_files",
         "prearchive_log", "fetch_scans", "site_setting")  # fmt: skip
WRITES = ("import_zip", "import_object", "build", "commit", "put_file")
DISK_METHODS = ("entries", "look", "read_manifest", "stream", "move", "remove", "prune", "exists",
                "look_at", "study_of", "gather", "write_mark")  # fmt: skip

READ_FAULTS = ("503", "500", "401", "login page", "cut", "stale", "short", "doubled", "slow", "refused")
WRITE_FAULTS = (
    "503", "500", "401", "login page", "cut", "reply lost", "delayed", "long delayed", "lost", "lost in limbo", "twice",
    "conflict", "busy", "slow", "dropped", "truncated", "refused", "unwilling", "elsewhere", "turned away",
)  # fmt: skip
DISK_FAULTS = ("eio", "enospc", "unreadable", "exdev", "stuck")
LEDGER_FAULTS = ("ledger busy", "ledger full", "ledger io")

TABLES: tuple[Table, ...] = (
    ("reads", "xnat.", READ_FAULTS, READS),
    ("writes", "xnat.", WRITE_FAULTS, WRITES),
    ("disk", "disk.", DISK_FAULTS, DISK_METHODS),
    ("ledger", "ledger.", LEDGER_FAULTS, ("write",)),
    ("runs", "", ("clock ahead", "observer"), ("run",)),
)
# The faults of some methods only: where they can be met, and why nowhere else.
ONLY: Mapping[Cell, Reason] = {
    ("reads", "stale"): (
        ("sessions", "session_files", "resource_files", "prearchive"),
        "what was just received, archived or stored may not be listed yet; the others do not list anything new",
    ),
    ("reads", "short"): (
        ("session_files", "resource_files", "prearchive_files"),
        "only listings of files say whether they are whole",
    ),
    ("reads", "doubled"): (
        ("sessions", "session_files", "resource_files", "prearchive", "prearchive_files"),
        "only listings can name something twice",
    ),
    ("writes", "conflict"): (("commit",), "a conflict is what archiving finds"),
    ("writes", "dropped"): (
        ("import_zip", "import_object"),
        "an object is dropped on its way in; the others send one file or none",
    ),
    ("writes", "truncated"): (("import_zip", "import_object", "commit", "put_file"), "building moves no content"),
    ("writes", "elsewhere"): (("import_object",), "an object that comes alone may come out in another place"),
    ("writes", "turned away"): (("import_object",), "one object is refused in the middle, and its request alone"),
    ("writes", "long delayed"): (
        ("import_zip", "import_object"),
        "that an effect comes within the route's `quiet` time is what the operator promises us, but for uploads",
    ),
    ("disk", "eio"): (
        ("read_manifest", "stream", "move", "remove", "prune", "exists", "study_of", "gather", "write_mark"),
        "where it is listed and looked at, it is `unreadable`",
    ),
    ("disk", "enospc"): (("move", "remove", "prune", "gather", "write_mark"), "the others write nothing to our disk"),
    ("disk", "unreadable"): (("entries", "look", "look_at"), "what fails while it is read is EIO"),
    ("disk", "exdev"): (("move",), "only a rename can cross devices, and custody is in the drop folder"),
    ("disk", "stuck"): (
        ("move", "gather"),
        "a dropped thing that cannot be renamed (rights, a mount point) is met there",
    ),
}  # fmt: skip


GRID = Grid(TABLES, ONLY)
possible, empty, unexpected = GRID.possible, GRID.empty, GRID.unexpected
table, anywhere = GRID.table, GRID.anywhere
