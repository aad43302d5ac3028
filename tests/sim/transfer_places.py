"""Which fault can meet which method of the two servers of a transfer, and why the others never do."""

from __future__ import annotations

from collections.abc import Mapping

from sim.grid import Cell, Grid, Reason, Table

SOURCE = ("inventory", "part_stamps", "describe", "all_files", "fetch_resources", "fetch_file")
THERE = ("inventory", "part_stamps", "describe", "all_files", "fetch_file", "sessions", "prearchive")
STORES = ("put_resource_file", "put_resource_files")
CREATIONS = ("create_project", "create_subject", "create_experiment", "create_part", "create_resource")
WRITES = (*CREATIONS, "overlay", "set_custom", "share", "catalogue", *STORES)

_READ_FAULTS = (
    "503", "500", "401", "login page", "refused", "cut", "slow", "stale", "short", "uncounted", "fewer", "no digest",
    "wrong digest", "wrong bytes", "cut body", "401 within", "not sent", "range ignored",
)  # fmt: skip
_WRITE_FAULTS = (
    "503", "500", "401", "login page", "refused", "cut", "slow", "reply lost", "delayed", "lost", "lost in limbo",
    "twice", "busy", "conflict", "truncated", "full", "unwilling",
)  # fmt: skip

TABLES: tuple[Table, ...] = (
    ("source", "source.", _READ_FAULTS, SOURCE),
    ("destination, reads", "there.", _READ_FAULTS, THERE),
    ("destination, writes", "there.", _WRITE_FAULTS, WRITES),
    ("ledger", "ledger.", ("ledger busy", "ledger full", "ledger io"), ("write",)),
    ("runs", "", ("clock ahead", "observer"), ("run",)),
)


def _reads(title: str) -> dict[Cell, Reason]:
    streams = tuple(one for one in ("fetch_resources", "fetch_file") if title == "source" or one != "fetch_resources")
    lists = ("inventory", "all_files") if title == "source" else ("inventory", "all_files", "sessions")
    found: dict[Cell, Reason] = {
        (title, "stale"): (lists, "what was just made may not be listed yet; the others do not list what is made"),
        (title, "short"): (("inventory", "all_files"), "only these say whether they are whole"),
        (title, "uncounted"): (("inventory",), "only the inventory counts"),
        (title, "fewer"): (("all_files",), "only a listing of files can be shorter than what was counted"),
        (title, "no digest"): (("all_files",), "only listings of files state digests"),
        (title, "wrong digest"): (("all_files",), "only listings of files state digests"),
        (title, "wrong bytes"): (streams, "only these fetch the bytes of files, of which a digest was stated"),
        (title, "cut body"): (streams, "the others are answered whole or not at all, which is `cut`"),
        (title, "401 within"): (streams, "the others are answered whole or not at all, which is `401`"),
    }
    if title == "source":
        found[title, "not sent"] = (("fetch_resources",), "only what fetches many files can leave some out")
        found[title, "range ignored"] = (("fetch_file",), "only single files are asked for from an offset on")
    else:
        found[title, "not sent"] = ((), "only what fetches many files can leave some out")
        found[title, "range ignored"] = ((), "a file of the destination is compared from its beginning")
    return found


ONLY: Mapping[Cell, Reason] = {
    **_reads("source"),
    **_reads("destination, reads"),
    ("destination, writes", "cut"): (STORES, "the others have no body that could be cut, which is `lost`"),
    ("destination, writes", "conflict"): (
        ("create_subject", "create_experiment", "create_part", *STORES),
        "somebody else makes the same just before; the others make nothing, or something that nobody else does",
    ),
    ("destination, writes", "truncated"): (STORES, "the others carry no content"),
}
LATER = frozenset({"observer", "unwilling"})
GRID = Grid(TABLES, ONLY)
