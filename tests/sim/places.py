"""Which fault can meet which method of a port, and why the others never do: the table of docs/testing.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

READS = ("project", "may_edit", "sessions", "session_files", "resource_files", "prearchive", "prearchive_files",
         "prearchive_log", "fetch_scans")  # fmt: skip
WRITES = ("import_zip", "build", "commit", "put_file")
DISK_METHODS = ("entries", "look", "read_manifest", "stream", "move", "remove", "prune", "exists")

READ_FAULTS = ("503", "500", "401", "login page", "cut", "stale", "short", "doubled", "slow", "refused")
WRITE_FAULTS = (
    "503", "500", "401", "login page", "cut", "reply lost", "delayed", "long delayed", "lost", "lost in limbo", "twice",
    "conflict", "busy", "slow", "dropped", "truncated", "refused",
)  # fmt: skip
DISK_FAULTS = ("eio", "enospc", "unreadable", "exdev")
LEDGER_FAULTS = ("ledger busy", "ledger full", "ledger io")

Cell = tuple[str, str]  # a fault, and the method with its port
TABLES: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("reads", "xnat.", READ_FAULTS, READS),
    ("writes", "xnat.", WRITE_FAULTS, WRITES),
    ("disk", "disk.", DISK_FAULTS, DISK_METHODS),
    ("ledger", "ledger.", LEDGER_FAULTS, ("write",)),
)
# The faults of some methods only: where they can be met, and why nowhere else.
ONLY: Mapping[Cell, tuple[tuple[str, ...], str]] = {
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
    ("writes", "dropped"): (("import_zip",), "an object is dropped on its way in; the others bring one file or none"),
    ("writes", "truncated"): (("import_zip", "commit", "put_file"), "building moves no content"),
    ("writes", "long delayed"): (
        ("import_zip",),
        "that an effect comes within the route's `quiet` time is what the operator promises us, but for uploads",
    ),
    ("disk", "eio"): (
        ("read_manifest", "stream", "move", "remove", "prune", "exists"),
        "where it is listed and looked at, it is `unreadable`",
    ),
    ("disk", "enospc"): (("move", "remove", "prune"), "the others write nothing to our disk"),
    ("disk", "unreadable"): (("entries", "look"), "what fails while it is read is EIO"),
    ("disk", "exdev"): (("move",), "only a rename can cross devices"),
}  # fmt: skip


def possible() -> tuple[Cell, ...]:
    """Every cell that must be filled."""
    return tuple(
        (fault, prefix + method)
        for title, prefix, faults, methods in TABLES
        for fault in faults
        for method in methods
        if (title, fault) not in ONLY or method in ONLY[title, fault][0]
    )


def empty(fired: Mapping[Cell, int]) -> list[Cell]:
    """The cells that ought to be filled and are not."""
    return [cell for cell in possible() if not fired.get(cell)]


def unexpected(fired: Mapping[Cell, int]) -> list[Cell]:
    """The cells that are filled although we explain why they are empty."""
    prefixes = tuple(prefix for _, prefix, _, _ in TABLES)
    return sorted(cell for cell in fired if cell[1].startswith(prefixes) and cell not in _possible and _tabled(cell))


def _tabled(cell: Cell) -> bool:
    return any(
        cell[0] in faults and cell[1] in {prefix + method for method in methods}
        for _, prefix, faults, methods in TABLES
    )


_possible = frozenset(possible())


def table(fired: Counter[Cell]) -> str:
    """Fault by port method in Markdown, and a reason for each row that has empty cells."""
    lines = []
    for title, prefix, faults, methods in TABLES:
        lines += ["", f"| {title} | " + " | ".join(f"`{method}`" for method in methods) + " |"]
        lines += ["|---|" + "---:|" * len(methods)]
        for fault in faults:
            cells = (f"{fired[fault, prefix + method] or '–'}" for method in methods)
            lines.append(f"| {fault} | " + " | ".join(cells) + " |")
        reasons = [(fault, why) for (one, fault), (_, why) in ONLY.items() if one == title]
        lines += [""] if reasons else []
        lines += [f"* {fault}: {why}." for fault, why in reasons]
    return "\n".join(lines).lstrip("\n")


def anywhere(fired: Counter[Cell]) -> str:
    """What happens at any boundary: how often, and at how many different ones."""
    tabled = {fault for _, _, faults, _ in TABLES for fault in faults}
    kinds = sorted({fault for fault, _ in fired if fault not in tabled})
    return ", ".join(
        f"{kind} {sum(count for (one, _), count in fired.items() if one == kind)} times at "
        f"{len({where for one, where in fired if one == kind})} boundaries"
        for kind in kinds
    )
