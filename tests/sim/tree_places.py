"""Which fault can meet which method of the ports of mirrors and pushes, and why the others never do."""

from __future__ import annotations

from collections.abc import Mapping

from sim.grid import Cell, Grid, Reason, Table

READS = ("inventory", "owner_files", "fetch_resources", "fetch_file", "metadata")
READERS = ("sentinel", "look_tree", "stat", "read", "open")
MUTATORS = ("mark", "stage", "flush", "land", "keep", "copy", "discard", "rename", "settle_files", "settle_folders",
            "clear_staging", "empty_trash")  # fmt: skip

_READ_FAULTS = (
    "503", "500", "401", "login page", "refused", "cut", "slow", "stale", "short", "uncounted", "fewer", "no digest",
    "wrong digest", "wrong bytes", "cut body", "not sent", "range ignored",
)  # fmt: skip
_STORE_FAULTS = (
    "503", "500", "401", "login page", "refused", "cut", "slow", "reply lost", "delayed", "lost", "lost in limbo",
    "twice", "truncated", "unwilling",
)  # fmt: skip

TABLES: tuple[Table, ...] = (
    ("archive", "archive.", _READ_FAULTS, READS),
    ("stores", "archive.", _STORE_FAULTS, ("put_resource_file", "put_resource_files")),
    ("tree, reading", "disk.", ("eio",), READERS),
    ("tree, writing", "disk.", ("eio", "enospc", "stuck"), MUTATORS),
    ("ledger", "ledger.", ("ledger busy", "ledger full", "ledger io"), ("write",)),
    ("runs", "", ("clock ahead", "observer"), ("run",)),
)
ONLY: Mapping[Cell, Reason] = {
    ("archive", "stale"): (READS[:2], "what was just made may not be listed yet; the others do not list"),
    ("archive", "short"): (READS[:2], "only listings say whether they are whole"),
    ("archive", "uncounted"): (("inventory",), "only the inventory counts"),
    ("archive", "fewer"): (("owner_files",), "only a listing of files can be shorter than what was counted"),
    ("archive", "no digest"): (("owner_files",), "only listings of files state digests"),
    ("archive", "wrong digest"): (("owner_files",), "only listings of files state digests"),
    ("archive", "wrong bytes"): (READS[2:4], "only these fetch the bytes of files, of which a digest was stated"),
    ("archive", "cut body"): (READS[2:4], "the others are answered whole or not at all, which is `cut`"),
    ("archive", "not sent"): (("fetch_resources",), "only what fetches many files can leave some out"),
    ("archive", "range ignored"): (("fetch_file",), "only single files are asked for from an offset on"),
    ("tree, writing", "enospc"): (
        tuple(method for method in MUTATORS if method not in {"clear_staging", "empty_trash"}),
        "what only removes needs no room",
    ),
    ("tree, writing", "stuck"): (
        ("land", "keep", "copy", "discard", "rename", "empty_trash"),
        "what one file or folder may refuse is to be renamed, linked or removed; the others work in our own folder",
    ),
}
LATER = frozenset({"stuck", "unwilling", "observer"})  # drawn apart from what was drawn before them
GRID = Grid(TABLES, ONLY)
