"""The whole story of something that was dropped, in sentences, from the ledger alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnatsync.app.account import Account, account_of, held_words
from xnatsync.app.lookup import look_up
from xnatsync.app.status import reading
from xnatsync.app.tree_story import TreeTale, tell_trees
from xnatsync.app.uploads_known import again_words, is_upload
from xnatsync.app.waits import left_alone, phase_words, waits_now
from xnatsync.core.errors import ACCEPTABLE, NothingFound
from xnatsync.core.manifest import Kind
from xnatsync.core.moment import clock_words
from xnatsync.core.pasting import Step
from xnatsync.core.phases import DISMISSED, UNDER_WAY, ItemPhase, UnitPhase
from xnatsync.core.receipt import compared_words
from xnatsync.core.wording import counted, size
from xnatsync.ledger.rows import AttemptRow, EventRow, FileRow, ItemRow, PauseRow, ReceiptRow, UnitRow

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger

STORIES_MAX = 5  # items of that name that are told, the newest first
_PATHS_SHOWN = 5
_EFFECTS = {
    "import": "sent {detail}",
    "build": "asked the server to build what it had received, to list it before it is archived",
    "commit": "asked the server to archive it",
    "attach": "attached {detail}",
}
_TOLD_OF_ITEMS = {
    "labels.otherwise",
    "item.changed",
    "item.dismissed",
    "item.accepted",
    "item.assigned",
    "custody.strangers",
    "item.left",
}
_TOLD_BY_ROWS = {"unit.verified"}  # the receipt tells it better than the diary


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a story."""

    at: str | None
    text: str
    kind: str  # seen | settled | content | aside | planned | sent | landed | proven | filed | held | note


@dataclass(frozen=True, slots=True)
class Story:
    """One item, from its arrival to its end or to where it stands."""

    item: ItemRow
    sentences: tuple[Sentence, ...]
    next_steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Tale:
    """The answer to `why`: what was asked for, and the stories it belongs to, the newest first."""

    asked: str
    stories: tuple[Story, ...]
    more: int
    trees: TreeTale


def tell(config: Config, what: str) -> Tale:
    """Tell everything about a path, a UID, a session, `12`, `u7` or `o3`; NothingFound when the ledger knows none."""
    with reading(config) as ledger:
        if ledger is None:
            raise NothingFound("there is no ledger yet: nothing was ever synchronised")
        found = look_up(config, ledger, what)
        return Tale(
            found.asked,
            tuple(_story(config, ledger, item, found.asked) for item in found.items[:STORIES_MAX]),
            max(0, len(found.items) - STORIES_MAX),
            tell_trees(ledger, found),
        )


def _story(config: Config, ledger: Ledger, item: ItemRow, what: str) -> Story:
    files = ledger.files(item.id)
    units = ledger.units(item_id=item.id, living=False)
    events = ledger.events(item_id=item.id)
    account = account_of(ledger, item.id)
    sentences = [
        *_asked_file(files, units, what),
        _seen(item),
        *_settled(item, files, units, events),
        *_asides(files),
        *(sentence for unit in units for sentence in _unit(ledger, unit, events, account)),
        *_item_events(events),
        *_end(item),
        *_after_filing(ledger, item, events),
    ]
    waits = waits_now(config, ledger, item, units, pauses=False)
    left_out = any(file.left_by for file in files)
    return Story(item, tuple(sentences), tuple(_next_steps(item, units, left_out, ledger.pauses(), waits)))


# --- the item ----------------------------------------------------------------------------------------------------


def _asked_file(files: Iterable[FileRow], units: Iterable[UnitRow], what: str) -> Iterator[Sentence]:
    """When one file was asked for, the story begins with it."""
    tail = what.rstrip("/").replace("\\", "/")
    sessions = {unit.id: unit for unit in units if unit.twin_of is None}
    for file in files:
        if not (tail in {file.key, file.path} or tail.endswith("/" + file.path)):
            continue
        unit = sessions.get(file.unit_id) if file.unit_id is not None else None
        if file.kind == Kind.DICOM and unit is not None:
            text = f"{file.path} is the DICOM object {file.key}: it travels as {file.member} to {_place(unit)}."
        else:
            text = f"{file.path} is not delivered by itself: {file.reason}."
        yield Sentence(None, text, "aside")


def _seen(item: ItemRow) -> Sentence:
    if item.flat and not is_upload(item):
        text = f"{counted(item.files, 'file')} at the top of the drop folder of route {item.route} belong to one study"
        return Sentence(item.seen_at, f"{text}, and are one item: {size(item.bytes)}.", "seen")
    if is_upload(item):
        text = f"{item.path} was given to be sent: {counted(item.files, 'file')} on disk, {size(item.bytes)}."
        return Sentence(item.seen_at, text, "seen")
    where = "the drop folder" if item.place == "drop" else "custody, where no item knew of it"
    return Sentence(
        item.seen_at,
        f"{item.path} was seen in {where} of route {item.route}: "
        f"{counted(item.files, 'file')} on disk, {size(item.bytes)}.",
        "seen",
    )


def _settled(item: ItemRow, files: list[FileRow], units: list[UnitRow], events: list[EventRow]) -> Iterator[Sentence]:
    if item.phase is ItemPhase.SEEN:
        yield Sentence(item.steady_at, "It has not changed since, and is waited for until it is quiet.", "settled")
        return
    at = next((event.at for event in reversed(events) if event.code in {"item.settled", "item.left"}), None)
    objects = [file for file in files if file.kind == Kind.DICOM]
    living = [unit for unit in units if unit.phase is not UnitPhase.DISMISSED]
    series = {file.series_uid for file in objects}
    found = [
        f"{counted(len(objects), 'DICOM object')} in {counted(len(series), 'series', 'series')}",
        f"of {counted(len({unit.study_uid for unit in living or units}), 'study')}",
    ]
    if not objects:
        found = [
            "no DICOM object" + (" that the route's selection takes" if any(file.left_by for file in files) else "")
        ]
    yield Sentence(at, "It settled: nothing had changed for the settle time, and every file of it was read.", "settled")
    others = len(files) - len(objects)
    rest = f", and {counted(others, 'file')} that do not travel as objects" if others else ""
    yield Sentence(at, f"In it were {' '.join(found)}{rest}.", "content")


def _asides(files: Iterable[FileRow]) -> Iterator[Sentence]:
    reasons: dict[str, list[str]] = {}
    for file in files:
        if file.reason:
            what = "An odd object" if file.kind == Kind.DICOM else "Not delivered"
            reasons.setdefault(f"{what} ({file.reason})", []).append(file.path)
    for reason, paths in reasons.items():
        more = f" and {len(paths) - _PATHS_SHOWN} more" if len(paths) > _PATHS_SHOWN else ""
        yield Sentence(None, f"{reason}: {', '.join(paths[:_PATHS_SHOWN])}{more}.", "aside")


def _item_events(events: Iterable[EventRow]) -> Iterator[Sentence]:
    for event in events:
        if event.unit_id is None and event.code in _TOLD_OF_ITEMS:
            yield Sentence(event.at, f"{event.text[:1].upper()}{event.text[1:]}.", "note")


def _end(item: ItemRow) -> Iterator[Sentence]:
    if item.phase is ItemPhase.DONE:
        words = (
            f"It was filed under the done folder as {item.filed_as}."
            if item.filed_as
            else "It is done; its source stays where it is."
            if is_upload(item)
            else "It is done; its source stays where it was dropped, or was removed, as `after` of the route says."
        )
        yield Sentence(item.moved_at, words, "filed")
    elif item.hold is not None:
        yield _held(item, "It")


def _after_filing(ledger: Ledger, item: ItemRow, events: Iterable[EventRow]) -> Iterator[Sentence]:
    """Tell what became of the filed copy: that it was let go, or why it was not."""
    for event in events:
        if event.code == "copy.let_go":
            yield Sentence(event.at, f"Its filed copy was let go: {event.text}.", "note")
    last = ledger.retention(item.id)
    if last is not None and last.outcome == "kept":
        yield Sentence(last.at, f"Its filed copy stays although its time is over: {last.detail}.", "note")


# --- a unit ------------------------------------------------------------------------------------------------------


def _unit(ledger: Ledger, unit: UnitRow, events: list[EventRow], account: Account) -> Iterator[Sentence]:
    receipt = ledger.receipt(unit.id)
    yield Sentence(
        unit.planned_at,
        f"Study {unit.study_uid} was planned as {_place(unit)} (u{unit.id}): "
        f"{counted(unit.files, 'object')}, {size(unit.bytes)}."
        + (f" It was taken by {unit.ruled}; the rules behind it were not asked." if unit.ruled else "")
        + (" That plan was given up." if unit.phase is UnitPhase.DISMISSED else ""),
        "planned",
    )
    told = [*(_attempt(attempt) for attempt in ledger.attempts(unit.id)), *_unit_events(unit, events)]
    yield from sorted(told, key=lambda sentence: sentence.at or "")
    if receipt is not None:
        yield _proven(unit, receipt, account)
    if unit.hold is not None:
        yield _held(unit, "This session")
    elif unit.phase in UNDER_WAY:
        yield Sentence(unit.moved_at, f"It is {phase_words(unit)}, and goes on with the next run.", "note")


def _place(unit: UnitRow) -> str:
    if not unit.session:
        return f"a session of project {unit.project}" if unit.project else "a session that has no name yet"
    return f"session {unit.session} of subject {unit.subject} in project {unit.project} on {unit.server}"


def _attempt(attempt: AttemptRow) -> Sentence:
    ok = attempt.outcome == "ok"
    done = _EFFECTS[attempt.effect].format(detail=attempt.detail if ok and attempt.detail else "objects")
    http = f", HTTP {attempt.http}" if attempt.http else ""
    match attempt.outcome:
        case "ok":
            answer = "the server agreed"
        case "unknown":
            why = attempt.detail or "cut short"
            answer = f"no usable answer came ({why}): the server is looked at before anything else is sent"
        case "refused" | "failed":
            answer = f"the server {attempt.outcome} it{http}: {attempt.detail} [{attempt.code}]"
            if attempt.outcome == "failed":
                answer = f"it failed{http}: {attempt.detail} [{attempt.code}]"
        case None:
            answer = "no answer yet"
    return Sentence(attempt.began_at, f"We {done}; {answer}. (request {attempt.request_id})", "sent")


def _unit_events(unit: UnitRow, events: list[EventRow]) -> Iterator[Sentence]:
    for event in events:
        if event.unit_id == unit.id and event.code not in _TOLD_BY_ROWS and not event.is_hold:
            if event.code == "unit.landed":
                yield Sentence(event.at, "The server listed everything where it belongs.", "landed")
                continue
            code = f" [{event.code}]" if event.code.startswith("XS-") else ""
            yield Sentence(event.at, f"{event.text[:1].upper()}{event.text[1:]}{code}.", "note")


def _proven(unit: UnitRow, receipt: ReceiptRow, account: Account) -> Sentence:
    where = f"as {unit.session_id}" if unit.session_id else f"at {unit.prearchive}"
    by = compared_words(receipt.compared)
    what = "" if by in {"", receipt.level} else f" ({by})"
    return Sentence(
        receipt.at,
        f"Receipt {receipt.id}: {held_words(receipt, account)} proven at level "
        f"{receipt.level}{what} in the {receipt.place} {where}.",
        "proven",
    )


def _held(row: ItemRow | UnitRow, who: str) -> Sentence:
    until = (
        f"until {clock_words(row.retry_at or '')}, then it is tried again" if row.hold == "retry" else "for a person"
    )
    return Sentence(None, f"{who} is held {until}: {row.detail} [{row.code}].", "held")


# --- what to do --------------------------------------------------------------------------------------------------


def _next_steps(
    item: ItemRow, units: Sequence[UnitRow], left_out: bool, pauses: Sequence[PauseRow], waits: Sequence[str]
) -> Iterator[Step]:
    held = [unit for unit in units if unit.hold == "person" and unit.phase is not UnitPhase.DISMISSED]
    if item.hold == "person":
        order, way = ("accept", "To let them be:") if item.code in ACCEPTABLE else ("retry", "Then:")
        yield Step(item.advice or "", way, (order, str(item.id)))
    for unit in held:
        again = again_words(item, units)
        yield Step(unit.advice or "", "Then:", again or ("retry", f"u{unit.id}"))
    give_up = ("dismiss", str(item.id))
    if held or item.hold == "person":
        yield Step("", "Or give it up, leaving its files where they are:", give_up)
    elif item.phase is ItemPhase.LEFT:
        what = (
            "the route's selection takes nothing of it, until it is another" if left_out else "it holds no DICOM object"
        )
        yield Step(f"Nothing: {what}. Take it away, or dismiss it:", "", give_up)
    elif item.phase is ItemPhase.DISMISSED and item.place == "drop" and not item.flat:
        yield Step("Nothing: it was given up. To have it delivered all the same: rename it in the drop folder.")
    elif item.phase is ItemPhase.DONE and left_out:
        how = "put it back into the drop folder" if item.filed_as is not None else "run `xnatsync sync`"
        yield Step(f"Nothing. To have sent what was left out: widen the route's selection, and {how}")
    elif item.phase not in {ItemPhase.DONE, ItemPhase.DISMISSED}:
        yield from _waiting(item, units, pauses, waits)


def _waiting(
    item: ItemRow, units: Sequence[UnitRow], pauses: Sequence[PauseRow], waits: Sequence[str]
) -> Iterator[Step]:
    about = {f"route {item.route}", "the ledger"} | {f"server {unit.server}" for unit in units}
    about |= {f"writes to {unit.server}" for unit in units}
    for row in pauses:
        if row.what in about:
            yield Step(
                f"It waits: {left_alone(row.what)} since {clock_words(row.since)}, because {row.detail} [{row.code}]. "
                f"{row.advice}"
            )
    every: list[ItemRow | UnitRow] = [item, *units]
    retried = [row for row in every if row.hold == "retry" and row.phase not in DISMISSED]
    for held in retried:
        name = f"u{held.id}" if isinstance(held, UnitRow) else str(held.id)
        text = f"It waits until {clock_words(held.retry_at or '')}: {held.detail} [{held.code}]. {held.advice}"
        yield Step(text, "Or have it tried at once:", ("retry", name))
    for words in waits:
        yield Step(f"It waits: {words}.")
    if not is_upload(item):
        yield Step(f"Nothing{' else' if retried or waits else ''}: `xnatsync sync` goes on with it.")
