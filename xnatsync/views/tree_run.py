"""What a run did with a mirror or a push, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from xnatsync.core.errors import NoPlace, NotThere
from xnatsync.core.wording import counted, counted_kinds, share_of_kinds, size
from xnatsync.views.blocks import Block, Line, Tone
from xnatsync.views.errors import error_blocks
from xnatsync.views.jsonout import error_fields
from xnatsync.views.troubles import Case, case_fields, held_blocks, owner_fields, owner_name, trouble_blocks

if TYPE_CHECKING:
    from xnatsync.app.trees import MirrorReport
    from xnatsync.core.mirror_decision import Trouble
    from xnatsync.ledger.tree_rows import MirrorCounts, TroubleRow

# What the run counted: sigil, key, what it counts, and the words after that.
_DONE = (
    ("+", "new", "file", "new"),
    ("+", "restored", "file", "fetched again that was missing here"),
    ("+", "sent", "file", "sent to the server"),
    ("=", "proven", "file", "proven there"),
    ("~", "replaced", "file", "replaced (the old version is kept)"),
    ("~", "metadata", "metadata file", "fetched"),
    ("-", "removed", "file", "moved to the trash, gone from the server"),
    ("-", "ended", "file", "gone on both sides"),
    ("=", "adopted", "file", "that were here already"),
    (">", "renamed", "folder", "renamed, as its session or subject was"),
    ("!", "unselected", "session", "on the server, and the selection takes none of them"),
    ("-", "forgotten", "file", "in the trash removed for good: its time was over"),
)
_WAITING_SHOWN = 5
_TONES = {"+": Tone.GOOD, "~": Tone.WARN, "-": Tone.WARN, "=": Tone.DIM, ">": Tone.PLAIN, "!": Tone.WARN}


def is_idle(report: MirrorReport) -> bool:
    """Return whether there is nothing at all to tell of a run."""
    done = any(report.counts.get(key) for _, key, *_ in _DONE)
    return not (done or report.errors or report.troubles or report.held or report.exit_code)


def mirror_blocks(report: MirrorReport) -> Iterator[Block]:
    """Tell a person what a run did with a tree, how it stands, and what is in trouble."""
    if is_idle(report):
        return
    looked = f"{share_of_kinds(report.due_kinds, report.owner_kinds)} looked at"
    if not report.owners:
        looked = (
            "not looked at"
            if report.errors
            else "nothing to send"
            if report.kind == "push"
            else "the project has nothing"
        )
    if volume := report.counts.get("bytes"):
        looked += f", {size(volume)} {'fetched' if report.kind == 'mirror' else 'sent'}"
    yield Line(f"{report.route}  {report.folder}: {looked}", Tone.HEAD)
    for sigil, key, one, rest in _DONE:
        if many := report.counts.get(key):
            yield Line(f"{sigil} {counted(many, one)} {rest}", _TONES[sigil], indent=2)
    yield Line(f"now {standing_words(report.standing)}", indent=2)
    if many := report.counts.get("unverified"):
        words = f"{counted(many, 'file')} without a digest on the server: another of equal size is not seen"
        yield Line(words, Tone.WARN, indent=2)
    yield from trouble_blocks(trouble_cases(report.troubles), indent=2)
    yield from trouble_blocks(unplaced_cases(report.unplaced, report.astray), indent=2)
    yield from held_blocks(report.held, {row.owner_id for row in report.troubles if row.person}, indent=2)
    for error in report.errors:
        yield from error_blocks(error)
    for row, why in report.waiting[:_WAITING_SHOWN]:
        yield Line(f"{owner_name(row)} is not finished: {why}; the next run goes on", Tone.WARN, indent=2)
    if (more := report.unfinished - len(report.waiting[:_WAITING_SHOWN])) > 0:
        yield Line(f"{more} {'more ' if report.waiting else ''}not finished: the next run goes on", Tone.WARN, indent=2)


def done_words(counts: Mapping[str, int]) -> str:
    """Say in one line what was done with a tree: `14 files new, 2 files replaced (the old version is kept), 3.1 MB`."""
    parts = [f"{counted(many, one)} {rest}" for _, key, one, rest in _DONE if (many := counts.get(key))]
    return ", ".join([*parts, size(counts["bytes"])] if parts and counts.get("bytes") else parts)


def standing_words(standing: MirrorCounts) -> str:
    """Say how a tree stands."""
    words = f"{counted_kinds(standing.kinds)}, {counted(standing.files, 'file')}, {size(standing.bytes)}"
    if standing.trash_files:
        words += f"; {counted(standing.trash_files, 'file')}, {size(standing.trash_bytes)} in the trash"
    return words


def mirrors_closing(reports: Sequence[MirrorReport]) -> list[str]:
    """Sum up all mirrors of a run, in parts of a sentence."""
    total = {key: sum(report.counts.get(key, 0) for report in reports) for _, key, *_ in _DONE}
    brought = total["new"] + total["restored"] + total["replaced"]
    volume = sum(report.counts.get("bytes", 0) for report in reports if report.kind == "mirror")
    sent = sum(report.counts.get("bytes", 0) for report in reports if report.kind == "push")
    parts = [f"{counted(brought, 'file')} fetched ({size(volume)})"] if brought else []
    parts += [f"{counted(total['sent'], 'file')} sent ({size(sent)})"] if total["sent"] else []
    pushed = all(report.kind == "push" for report in reports)
    parts += [f"no file {'sent' if pushed else 'fetched'}"] if not parts else []
    parts += [f"{total['removed']} to the trash"] if total["removed"] else []
    held = sum(report.standing.held for report in reports)
    parts += [f"{held} held"] if held else []
    unplaced = sum(len(report.unplaced) for report in reports)
    parts += [f"{counted(unplaced, 'file')} without a place on the server"] if unplaced else []
    unseen = sum(one.many for report in reports for one in report.astray if one.code != NoPlace.code)
    parts += [f"{unseen} not sent, as nothing is read there"] if unseen else []
    waiting = sum(report.unfinished or report.standing.retrying for report in reports)
    return parts + ([f"{waiting} not finished yet"] if waiting else [])


def trouble_cases(rows: Sequence[TroubleRow]) -> list[Case]:
    """Return the ledger's troubles as the page of troubles wants them."""
    return [Case(row.path, row.code, row.detail, row.person, row.owner_id, row.many) for row in rows]


def unplaced_cases(files: Sequence[tuple[str, str]], astray: Sequence[Trouble] = ()) -> list[Case]:
    """Return the files of a push that belong to nothing on the server, in the same form."""
    cases = [Case(path, NotThere.code, why, person=True) for path, why in files]
    return cases + [Case(one.path, one.code, one.detail, one.person, many=one.many) for one in astray]


def trouble_fields(rows: Sequence[TroubleRow]) -> list[dict[str, object]]:
    """The troubles for programs, each of them."""
    return [case_fields(case, row.at) for case, row in zip(trouble_cases(rows), rows, strict=True)]


def mirror_fields(report: MirrorReport) -> dict[str, object]:
    """The same for programs."""
    return {
        "route": report.route,
        "kind": report.kind,
        "folder": report.folder,
        "exit_code": report.exit_code,
        "interrupted": report.interrupted,
        "entities": report.owners,
        "looked_at": report.due,
        "unfinished": report.unfinished,
        "waiting": [{"entity": row.id, "why": why} for row, why in report.waiting],
        "counts": dict(sorted(report.counts.items())),
        "standing": standing_fields(report.standing),
        "troubles": trouble_fields(report.troubles),
        "unplaced": [case_fields(case, None) for case in unplaced_cases(report.unplaced, report.astray)],
        "held": [owner_fields(row) for row in report.held],
        "errors": [error_fields(error) for error in report.errors],
    }


def standing_fields(standing: MirrorCounts) -> dict[str, object]:
    """How a tree stands, for programs."""
    return {
        "entities": standing.owners,
        "agreed": standing.agreed,
        "gone": standing.gone,
        "held": standing.held,
        "retrying": standing.retrying,
        "files": standing.files,
        "bytes": standing.bytes,
        "trash_files": standing.trash_files,
        "trash_bytes": standing.trash_bytes,
        "troubles": standing.troubles,
        "told": standing.told,
    }
