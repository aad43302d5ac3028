"""`mirror ls`, `diff` and `restore`, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from xnatsync.core.moment import clock_words
from xnatsync.core.wording import counted, size
from xnatsync.views.blocks import Block, Line, Table, Tone
from xnatsync.views.jsonout import error_fields
from xnatsync.views.printable import printable

if TYPE_CHECKING:
    from xnatsync.app.history import Changed, Comparison, Entry, Sight
    from xnatsync.app.restore import RestoreReport
    from xnatsync.ledger.tree_rows import VersionRow

_SIGILS = {"added": "+", "removed": "-", "changed": "~", "moved": ">"}
_TONES = {"added": Tone.GOOD, "removed": Tone.BAD, "changed": Tone.WARN, "moved": Tone.PLAIN}
_SHOWN = 20  # files that are not handed out, of each kind; JSON has all


# --- ls ----------------------------------------------------------------------------------------------------------


def sight_lines(seen: Sight) -> Iterator[str]:
    """One path a line, for a person or a pipe."""
    for entry in seen.entries:
        yield printable(f"{entry.path}/" if entry.is_folder else entry.path)


def sight_blocks(seen: Sight) -> Iterator[Block]:
    """Tell a person what lay there."""
    if not seen.entries:
        yield Line(f"there was nothing in the tree of {seen.route} at {clock_words(seen.moment)}", Tone.DIM)
        return
    yield Table(
        ("size", "since", "now in", "path"),
        [
            (size(entry.bytes), _since(entry), _where(entry), f"{entry.path}/" if entry.is_folder else entry.path)
            for entry in seen.entries
        ],
        right=frozenset({0}),
    )
    yield Line(f"{counted(seen.files, 'file')}, {size(seen.bytes)} at {clock_words(seen.moment)}", Tone.HEAD)


def _since(entry: Entry) -> str:
    if entry.is_folder:
        return counted(len(entry.files), "file")
    return entry.files[0].version.since[:19].replace("T", " ")


def _where(entry: Entry) -> str:
    return ", ".join(sorted({placed.where for placed in entry.files}))


def sight_fields(seen: Sight) -> dict[str, object]:
    """The same for programs."""
    return {
        "route": seen.route,
        "moment": seen.moment,
        "path": seen.path,
        "files": seen.files,
        "bytes": seen.bytes,
        "entries": [_entry_fields(entry) for entry in seen.entries],
    }


def _entry_fields(entry: Entry) -> dict[str, object]:
    placed = None if entry.is_folder else entry.files[0]
    return {
        "path": entry.path,
        "folder": entry.is_folder,
        "files": len(entry.files),
        "bytes": entry.bytes,
        "version": version_fields(placed.version) if placed is not None else None,
        "where": placed.where if placed is not None else None,
        "place": placed.place if placed is not None else None,
    }


def version_fields(version: VersionRow) -> dict[str, object]:
    """What lay at a path, from when until when."""
    return {
        "id": version.id,
        "entity": version.owner_id,
        "scan": version.scan,
        "resource": version.label,
        "name": version.name,
        "path": version.path,
        "bytes": version.size,
        "sha256": version.sha256.hex(),
        "md5": version.md5,
        "origin": version.origin,
        "since": version.since,
        "until": version.until,
        "ended": version.ended,
    }


# --- diff --------------------------------------------------------------------------------------------------------


def comparison_blocks(found: Comparison) -> Iterator[Block]:
    """Tell a person what was another."""
    for folders, alike in groupby(found.changes, key=_folders):
        changes = list(alike)
        if folders is None or len(changes) == 1:
            yield from (Line(f"{_SIGILS[change.change]} {_what(change)}", _TONES[change.change]) for change in changes)
            continue
        whole = f"{counted(len(changes), 'file')}, {size(sum(c.after.size for c in changes if c.after is not None))}"
        yield Line(f"> {folders[0]}/ -> {folders[1]}/  {whole}", _TONES["moved"])
    counts = ", ".join(f"{many} {word}" for word, many in _counts(found).items() if many)
    yield Line(
        f"{counts or 'nothing was another'}, from {clock_words(found.before)} to {clock_words(found.after)}", Tone.HEAD
    )


def _folders(change: Changed) -> tuple[str, str] | None:
    """Return the folder that was renamed and what it is called now, for a file that was moved with it; else None."""
    if change.change != "moved" or change.before is None:
        return None
    before, after = change.before.path.split("/"), change.path.split("/")
    while len(before) > 1 and len(after) > 1 and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    moved_alone = before[-1] == change.before.name.rpartition("/")[2]  # it was renamed itself
    return None if moved_alone else ("/".join(before), "/".join(after))


def _what(change: Changed) -> str:
    match change.before, change.after:
        case before, after if before is not None and after is not None:
            if change.change == "moved":
                return f"{before.path} -> {change.path}  {size(after.size)}"
            return f"{change.path}  {size(before.size)} -> {size(after.size)}"
        case before, after:
            row = after if after is not None else before
            return f"{change.path}  {size(row.size if row is not None else 0)}"


def _counts(found: Comparison) -> dict[str, int]:
    return {word: sum(change.change == word for change in found.changes) for word in _SIGILS}


def comparison_fields(found: Comparison) -> dict[str, object]:
    """The same for programs."""
    return {
        "route": found.route,
        "from": found.before,
        "to": found.after,
        "counts": _counts(found),
        "changes": [
            {
                "sigil": _SIGILS[change.change],
                "change": change.change,
                "path": change.path,
                "before": version_fields(change.before) if change.before is not None else None,
                "after": version_fields(change.after) if change.after is not None else None,
            }
            for change in found.changes
        ],
    }


# --- restore -----------------------------------------------------------------------------------------------------


def restore_blocks(report: RestoreReport) -> Iterator[Block]:
    """Tell a person what came, and what did not."""
    for where, words in (("tree", "from the tree"), ("trash", "from the trash"), ("there", "there already")):
        files = [part.version for part in report.restored if part.where == where]
        if files:
            sigil, tone = ("=", Tone.DIM) if where == "there" else ("+", Tone.GOOD)
            total = size(sum(version.size for version in files))
            yield Line(f"{sigil} {counted(len(files), 'file')} {words}, {total}", tone, indent=2)
    for part in report.refused[:_SHOWN]:
        yield Line(f"! {part.error}  [{part.error.code}]", Tone.BAD, indent=2)
        yield Line(f"what to do: {part.error.remedy}", indent=4, hang=12)
    if len(report.refused) > _SHOWN:
        yield Line(f"! and {counted(len(report.refused) - _SHOWN, 'file')} more (JSON has all)", Tone.BAD, indent=2)
    done = f"{counted(len(report.restored), 'file')} as of {clock_words(report.moment)} in {report.folder}"
    left = f", {counted(len(report.refused), 'file')} not restored" if report.refused else ""
    cut = " (interrupted: run it again to go on)" if report.interrupted else ""
    yield Line(f"{done}{left}{cut}", Tone.HEAD)


def restore_fields(report: RestoreReport) -> dict[str, object]:
    """The same for programs."""
    return {
        "route": report.route,
        "moment": report.moment,
        "folder": str(report.folder),
        "interrupted": report.interrupted,
        "restored": [{"where": part.where, "version": version_fields(part.version)} for part in report.restored],
        "refused": [
            {"error": error_fields(part.error), "version": version_fields(part.version)} for part in report.refused
        ],
    }
