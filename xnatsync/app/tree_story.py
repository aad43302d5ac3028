"""The story of a file of a tree, or of a project, subject or session that is kept there, from the ledger alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnatsync.core.advice import advice_of
from xnatsync.core.moment import clock_words
from xnatsync.core.pasting import Step, operand
from xnatsync.core.wording import counted, size
from xnatsync.ledger.tree_rows import OwnerRow, TroubleRow, UnplacedRow, VersionRow

if TYPE_CHECKING:
    from xnatsync.app.lookup import Found
    from xnatsync.ledger.ledger import Ledger

PATHS_MAX = 5  # paths, and owners, that are told
_TOLD_MAX = 10  # troubles of an owner
_ENDS = {
    "replaced": "Another version took its place",
    "removed": "It was gone on the server, and was removed here",
    "moved": "Its folder was renamed with the label on the server",
    "edited": "The server's version took the place of an edit that was made here",
}


@dataclass(frozen=True, slots=True)
class TreeSentence:
    """One sentence of such a story."""

    at: str | None
    text: str
    kind: str  # known | brought | sent | ended | agreed | gone | held | trouble | note


@dataclass(frozen=True, slots=True)
class TreeStory:
    """A path or an owner, from when it was first known to how it stands."""

    route: str
    path: str | None  # None: a whole owner
    owner: OwnerRow
    sentences: tuple[TreeSentence, ...]
    next_steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class TreeTale:
    """All stories of trees that belong to what was asked for."""

    stories: tuple[TreeStory, ...]
    more: int
    unplaced: tuple[UnplacedRow, ...] = ()  # files of pushes that nobody owns; the first of them


def tell_trees(ledger: Ledger, found: Found) -> TreeTale:
    """Tell of every path that is called so, or ends so, and of every owner of that label or ID."""
    stories = [_path_story(ledger, rows) for rows in found.versions[:PATHS_MAX]]
    stories += [_owner_story(ledger, row) for row in found.owners[:PATHS_MAX]]
    more = sum(max(0, len(part) - PATHS_MAX) for part in (found.versions, found.owners, found.unplaced))
    return TreeTale(tuple(stories), more, found.unplaced[:PATHS_MAX])


# --- a path ------------------------------------------------------------------------------------------------------


def _path_story(ledger: Ledger, rows: Sequence[VersionRow]) -> TreeStory:
    last = rows[-1]
    owner = ledger.owner(last.owner_id)
    troubles = [row for row in ledger.troubles(owner_id=owner.id) if row.path == last.path]
    sentences = [sentence for row in rows for sentence in _version(row, owner)]
    if last.until is None:
        sentences.append(TreeSentence(None, "That is what tree and server last agreed to hold.", "agreed"))
    sentences += [_trouble(row) for row in troubles]
    return TreeStory(last.route, last.path, owner, tuple(sentences), tuple(_next_steps(owner, troubles, last)))


def _version(row: VersionRow, owner: OwnerRow) -> Iterator[TreeSentence]:
    of = f"{row.name} of resource {row.label}" if row.label else "the metadata"
    scan = f" of scan {row.scan}" if row.scan else ""
    came = "came from the server" if row.origin == "server" else "was sent to the server from here"
    yield TreeSentence(
        row.since,
        f"{of}{scan} of {_called(owner)} {came}: {size(row.size)}, SHA-256 {row.sha256.hex()}.",
        "brought" if row.origin == "server" else "sent",
    )
    if row.until is None or row.ended is None:
        return
    where = f" Its bytes are in the trash as {row.trash}." if row.trash else ""
    yield TreeSentence(row.until, f"{_ENDS[row.ended]}.{where}", "ended")


# --- an owner ----------------------------------------------------------------------------------------------------


def _owner_story(ledger: Ledger, row: OwnerRow) -> TreeStory:
    living, past = ledger.living_of(row.id), ledger.count_past(row.id)
    troubles = ledger.troubles(owner_id=row.id)
    is_transfer = bool(ledger.counterparts(row.id))
    holder, other = ("The destination", "the destination's") if is_transfer else ("The tree", "the server's")
    sentences = [
        TreeSentence(row.seen_at, f"{_called(row)} ({row.server_id}) was first seen on the server.", "known"),
        TreeSentence(
            None,
            f"{holder} holds {counted(len(living), 'file')} of it, {size(sum(v.size for v in living))}, "
            f"of {counted(len({v.key for v in living if v.label}), 'resource')}.",
            "brought",
        ),
    ]
    if past:
        words = ", ".join(f"{many} {why}" for why, many in sorted(past.items()))
        sentences.append(TreeSentence(None, f"What was there before and no longer is: {words}.", "ended"))
    if row.agreed_at is not None:
        text = f"Its files were last compared with {other}, one by one."
        sentences.append(TreeSentence(row.agreed_at, text, "agreed"))
    if row.gone_at is not None:
        sentences.append(TreeSentence(row.gone_at, "The server no longer has it.", "gone"))
    sentences += [_trouble(trouble) for trouble in troubles[:_TOLD_MAX]]
    if len(troubles) > _TOLD_MAX:
        sentences.append(TreeSentence(None, f"And {len(troubles) - _TOLD_MAX} more like these.", "trouble"))
    if row.hold is not None and not any(trouble.person for trouble in troubles):
        until = (
            f"until {clock_words(row.retry_at or '')}, then it is tried again"
            if row.hold == "retry"
            else "for a person"
        )
        sentences.append(TreeSentence(None, f"It is held {until}: {row.detail} [{row.code}].", "held"))
    return TreeStory(row.route, None, row, tuple(sentences), tuple(_next_steps(row, troubles, None)))


def _called(row: OwnerRow) -> str:
    match row.kind:
        case "project":
            return f"project {row.project}"
        case "subject":
            return f"subject {row.subject} of project {row.project}"
        case _:
            return f"session {row.session} of subject {row.subject} of project {row.project}"


def _trouble(row: TroubleRow) -> TreeSentence:
    what = f"{row.path}: " if row.path else ""
    waits = "It waits for a person" if row.person else "It is reported, and holds nothing up"
    return TreeSentence(row.at, f"{waits}: {what}{row.detail} [{row.code}].", "trouble")


def _next_steps(owner: OwnerRow, troubles: Sequence[TroubleRow], version: VersionRow | None) -> Iterator[Step]:
    for code in dict.fromkeys(trouble.code for trouble in troubles if trouble.person):
        yield Step(f"{advice_of(code)} It is looked at again in every run.")
    if version is None and owner.hold == "person" and not any(trouble.person for trouble in troubles):
        yield Step(f"{owner.advice} It is looked at again in every run.")
    if version is not None and version.until is not None and version.trash is not None:
        words = ("mirror", "restore", "--at", version.since, "--to", "FOLDER", owner.route, *operand(version.path))
        yield Step("", "To have it back:", words)
