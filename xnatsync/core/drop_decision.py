"""What now?  The pure answer for one unit of a drop route, from what the ledger knows and what the server showed.

The order of the questions is the safety of the product (architecture §7): a server at work on our row and an attempt
inside its quiet time come before any conclusion, conflicts before any sending, the prearchive before the archive, the
receipt at the very end.  Whatever is there whole needs nothing further: not the right to edit, not an empty prearchive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xnatsync.core.diff3 import ActionKind, BaseNode, BaseState, diff3, may_be_cut, sent_otherwise
from xnatsync.core.drop_view import LastAttempt, ServerView, Wish, quiet_s
from xnatsync.core.errors import (
    AccessDenied,
    ForeignContent,
    NotThere,
    ObjectsDiffer,
    ObjectsExtra,
    ObjectsMissing,
    PrearchiveStuck,
    ReadFailed,
    ServerBusy,
    SessionCollision,
    StudyElsewhere,
    XnatsyncError,
)
from xnatsync.core.labels import suffixed
from xnatsync.core.manifest import Level
from xnatsync.core.moment import seconds_between
from xnatsync.core.occupied import label_taken, named_otherwise, occupied, stuck
from xnatsync.core.phases import UnitPhase
from xnatsync.core.receipt import examine
from xnatsync.core.remote import PrearchiveSeen, PrearchiveState, SessionSeen
from xnatsync.core.tree import EMPTY, Node, Tree
from xnatsync.core.wording import counted

SENDS_MAX = 3  # so often the server may acknowledge the same objects and not hold them before a person is asked
POLL_S = (0.25, 60.0)  # the shortest and the longest wait between two looks at a server that is working
LAG_S = 10.0  # so long what the server acknowledged may be missing from its listings
AGAIN_S = 60.0  # an effect that was acknowledged and never showed is not repeated sooner
WORK_MAX_S = 3600.0  # work that takes longer is looked at with the growing waits of a retry
SUFFIX_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do for some seconds."""

    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Hold the unit."""

    error: XnatsyncError


@dataclass(frozen=True, slots=True)
class Relabel:
    """Deliver under another label: the study is already there under it, or the wanted one is taken."""

    session: str
    why: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send these objects."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """Let the server build our prearchive row, so that it can be listed."""

    uri: str


@dataclass(frozen=True, slots=True)
class Commit:
    """Archive our prearchive row, which was proven complete."""

    uri: str


@dataclass(frozen=True, slots=True)
class Landed:
    """Everything is listed where it belongs: go on to the proof."""

    session_id: str | None  # None: it waits in the prearchive, as the route wants
    leftover: str = ""  # our prearchive row that is of no use any more


@dataclass(frozen=True, slots=True)
class Again:
    """Whatever was sent has not arrived: plan anew."""

    why: str


Step = Wait | Stop | Relabel | Send | Build | Commit | Landed | Again


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything that is known of a unit, and what follows from it at once."""

    wish: Wish
    sends: int
    last: LastAttempt | None
    view: ServerView
    source: Tree
    now: str
    holder: SessionSeen | None  # the session of our study, under whatever label
    needed: tuple[str, ...]  # what the archive does not hold yet
    base: Mapping[str, BaseNode]  # what we are known to have sent there


def decide(
    wish: Wish,
    phase: UnitPhase,
    sends: int,
    last: LastAttempt | None,
    view: ServerView,
    source: Tree,
    base: Mapping[str, BaseNode],
    now: str,
) -> Step:
    """Decide the next step of a unit that is `planned` or `sent`; `sends` counts the uploads the server acknowledged.

    Never raises an XnatsyncError: what stands in the way is a `Stop`.
    """
    if view.row is not None and view.row.state is PrearchiveState.WORKING:
        return _at_work(view.row, last, now)
    try:
        case = _Case(wish, sends, last, view, source, now, _holder(wish, view), _needed(view, source, base), base)
        step = _conclusion(case, phase)
    except XnatsyncError as error:
        step = Stop(error)
    rest_s = quiet_s(last, now)
    if rest_s <= 0 or (isinstance(step, Landed) and last is not None and last.effect == "commit"):
        return step
    return Wait(rest_s, "a request without an answer may still take effect")


def _conclusion(case: _Case, phase: UnitPhase) -> Step:
    row, holder = case.view.row, case.holder
    if not case.needed and holder is not None and (holder.label == case.wish.session or phase is not UnitPhase.PLANNED):
        return Landed(holder.id, row.uri if row is not None else "")
    if row is not None:
        return _from_row(case, row)
    return _from_nothing(case) if phase is UnitPhase.PLANNED else _vanished(case)


# --- which session -----------------------------------------------------------------------------------------------


def _holder(wish: Wish, view: ServerView) -> SessionSeen | None:
    """Find the session that holds our study, under whatever label; one study has one session and one subject."""
    assert wish.study_uid, "without a study UID nothing can be distinguished"
    if view.project is None:
        raise NotThere(f"the project {wish.project} is not on the server, or this account may not see it")
    if view.project.id != wish.project:  # uploads would come out there, and be taken for misrouted
        raise NotThere(
            f"{wish.project} is only another name of the project {view.project.id}",
            advice=f'Write `project = "{view.project.id}"` in the route.',
        )
    holders = [session for session in view.sessions if session.study_uid == wish.study_uid]
    if len(holders) > 1:
        labels = ", ".join(sorted(session.label for session in holders))
        raise StudyElsewhere(f"study {wish.study_uid} is on the server more than once: {labels}")
    if not holders:
        return None
    if holders[0].subject.casefold() != wish.subject.casefold():
        raise StudyElsewhere(
            f"{wish.where} is already on the server as session {holders[0].label} of another subject than "
            + ("was given" if wish.exact else "the header says")
        )
    return holders[0]


def _rival(case: _Case, *, rows: bool) -> str:
    """Name another study that has our label, in the archive or (with `rows`) in the prearchive; "" when it is free."""
    wish, view = case.wish, case.view
    if case.holder is not None and case.holder.label == wish.session:
        return ""
    for session in view.sessions:
        if session.label == wish.session:
            return f"in the archive of {wish.project} is study {session.study_uid or 'of unknown UID'}"
    for row in view.strangers if rows else ():
        if row.name == wish.session and row.study_uid != wish.study_uid:
            return f"in the prearchive of {wish.project} is study {row.study_uid or 'of unknown UID'}"
    return ""


def _free_label(wish: Wish, view: ServerView) -> str:
    taken = {session.label for session in view.sessions} | {row.name for row in view.strangers}
    taken |= view.claimed | view.labels | {wish.session}
    for number in range(2, SUFFIX_MAX):
        if (label := suffixed(wish.session, number)) not in taken:
            return label
    raise SessionCollision(f"{wish.where} wants the session {wish.session}, and so do {SUFFIX_MAX} others")


def _needed(view: ServerView, source: Tree, base: Mapping[str, BaseNode]) -> tuple[str, ...]:
    """List what the archive does not hold yet; refuse to go on where it holds something else under our keys.

    What is wrong with objects that are none of ours does not concern us.
    """
    plan = diff3(base, source, view.archive if view.archive is not None else EMPTY, policy="add", level=Level.NAMES)
    unclear = [problem.key for problem in plan.problems if problem.key in source] + list(plan.unproven)
    if unclear:
        raise ReadFailed(
            f"could not be listed: {counted(len(unclear), 'object')}, the first is {unclear[0]}; nothing is concluded"
        )
    if plan.conflicts:
        first = plan.conflicts[0]
        raise ForeignContent(f"object {first.key} in the archive: {first.reason} ({len(plan.conflicts)} such objects)")
    if damaged := plan.keys(ActionKind.REPAIR):
        raise ObjectsDiffer(f"the archive holds {len(damaged)} damaged objects, the first is {damaged[0]}")
    return plan.keys(ActionKind.WRITE)


# --- nothing of ours is on its way -------------------------------------------------------------------------------


def _from_nothing(case: _Case) -> Step:
    """Send, once it is certain under which label, and that nothing which is there could be mixed with it."""
    wish, view = case.wish, case.view
    if case.holder is not None and case.holder.label != wish.session:
        if wish.exact:
            raise named_otherwise(wish, case.holder.label)
        return Relabel(case.holder.label, f"the server already holds this study as session {case.holder.label}")
    if rival := _rival(case, rows=True):
        if wish.collision == "hold":
            raise label_taken(wish, view.sessions, f"wants the session {wish.session}, which {rival}")
        return Relabel(_free_label(wish, view), f"the session {wish.session}, {rival}")
    _refuse_shared(case)
    if view.may_edit is False:
        raise AccessDenied(f"this account may read the project {wish.project}, but not add to it")
    if busy := next((row for row in view.strangers if row.state is PrearchiveState.WORKING), None):
        raise ServerBusy(f"the server is at work on {busy.uri} ({busy.status}), which is of this study")
    if view.strangers:
        row = view.strangers[0]
        raise occupied(row)
    return _send(case, case.needed)


def _send(case: _Case, keys: tuple[str, ...]) -> Send:
    if case.sends >= SENDS_MAX:
        raise ObjectsMissing(
            f"the server took {counted(case.sends, 'upload')} and does not hold {counted(len(keys), 'object')}, "
            f"the first is {keys[0]}"
        )
    return Send(keys)


def _refuse_shared(case: _Case) -> None:
    holder, wish = case.holder, case.wish
    if holder is not None and holder.project != wish.project:
        raise StudyElsewhere(
            f"{wish.where} is here only as session {holder.label} shared by project {holder.project}: nothing can be "
            "added to it from here",
            advice=f"Deliver it to project {holder.project}, or end the sharing.",
        )


# --- something of ours is on its way -----------------------------------------------------------------------------


def _vanished(case: _Case) -> Step:
    """Our row is gone and the archive does not hold everything: it may be on its way, or it never came."""
    last = case.last
    if last is not None and last.outcome == "ok" and _age_s(last, case.now) < LAG_S:
        return Wait(_patience_s(last, case.now), "the server does not list everything yet")
    return Again(f"not arrived: {counted(len(case.needed), 'object')}")


def _at_work(row: PrearchiveSeen, last: LastAttempt | None, now: str) -> Step:
    """Wait for a server that is at work on our row; a row that stays so (XNAT forgets some) ends with a person."""
    if last is None or _age_s(last, now) > WORK_MAX_S:
        return Stop(ServerBusy(f"the server has long been at work on {row.uri} ({row.status})"))
    return Wait(_patience_s(last, now), f"the server is at work ({row.status})")


def _from_row(case: _Case, row: PrearchiveSeen) -> Step:
    if row.state is PrearchiveState.ERROR and _is_debris(case):
        _refuse_wrong_end(case, row)
        return _send(case, case.needed)
    if row.state in {PrearchiveState.CONFLICT, PrearchiveState.ERROR}:
        raise stuck(row, case.view.log)
    _refuse_wrong_end(case, row)
    if row.state is PrearchiveState.RECEIVING:
        return _unshown(case, row, "build") or Build(row.uri)
    if absent := _absent(case, row):
        return _send(case, absent)
    if case.wish.destination == "prearchive":
        return Landed(None)
    return _unshown(case, row, "commit") or Commit(row.uri)


def _is_debris(case: _Case) -> bool:
    """Return whether a row that could not be built is what an interrupted upload left: none was ever acknowledged.

    XNAT takes further files into such a row as into any other (import.md §1.9: an existing row is reused in every
    status); one that fails again after an upload that was acknowledged is a matter for a person.
    """
    return not case.sends and case.last is not None and case.last.effect in {"import", "build"}


def _refuse_wrong_end(case: _Case, row: PrearchiveSeen) -> None:
    """Archiving follows the row, not our wish: refuses where that would double a study, or put it in the wrong place.

    A rival that is still in the prearchive is no reason: the label is ours as long as the archive does not know it.
    """
    wish, holder = case.wish, case.holder
    subject = row.subject or wish.subject
    if (row.name or wish.session) != wish.session or subject.casefold() != wish.subject.casefold():
        raise StudyElsewhere(
            f"{row.uri}, our upload of {wish.where}, would be archived under another subject or session than asked for",
            advice="Give it the route's labels in the server's prearchive page. Or dismiss the item with the option "
            "--prearchive, and drop it again.",
        )
    if holder is not None and holder.label != wish.session:
        raise StudyElsewhere(
            f"{wish.where} is on the server as session {holder.label}; {row.uri} would become a second one"
        )
    _refuse_shared(case)
    if rival := _rival(case, rows=False):
        raise label_taken(wish, case.view.sessions, f"waits in {row.uri} for the session {wish.session}, which {rival}")


def _absent(case: _Case, row: PrearchiveSeen) -> tuple[str, ...]:
    """List what our built row lacks; refuse a row that holds anything else, or that the archive would refuse.

    What an earlier item proved there is no stranger: a study may come in parts, and wait as one for a person.
    """
    staged = case.view.staged
    if staged is None:
        raise ReadFailed(f"{row.uri} could not be listed")
    wanted = Tree((case.source[key] for key in case.needed), complete=True)
    findings = examine(wanted, staged, Level.NAMES, "prearchive")
    if findings.unproven or not staged.complete:
        raise ReadFailed(f"not all objects of {row.uri} could be listed; nothing is concluded")
    archive = case.view.archive if case.view.archive is not None else EMPTY
    known = {key for key, node in case.base.items() if node.state is BaseState.VERIFIED} | case.view.kin_staged()
    if extra := [key for key in findings.extra if key not in case.source and key not in known - set(archive)]:
        raise ObjectsExtra(
            f"{row.uri} holds {counted(len(extra), 'object')} that we did not send, the first is {extra[0]}"
        )
    if late := [key for key in findings.extra if key in case.source]:
        raise PrearchiveStuck(
            f"{row.uri} holds {counted(len(late), 'object')} that the archive has got from elsewhere "
            f"meanwhile, the first is {late[0]}: the server would refuse to merge them"
        )
    if stale := [key for key in case.needed if key in staged and _was_sent_otherwise(case, key)]:
        raise PrearchiveStuck(
            f"{row.uri} holds {counted(len(stale), 'object')} as dropped before, the first is {stale[0]}: the item has "
            "another version of it now"
        )
    asked = [key for key in case.needed if key not in findings.differs]
    return (*findings.missing, *findings.differs, *may_be_cut(asked, case.source, staged, case.base))


def _was_sent_otherwise(case: _Case, key: str) -> bool:
    ours = case.source[key]
    return isinstance(ours, Node) and sent_otherwise(case.base.get(key), ours)


# --- patience ----------------------------------------------------------------------------------------------------


def _unshown(case: _Case, row: PrearchiveSeen, effect: str) -> Wait | None:
    """Wait for an effect that was acknowledged and does not show; None when it may be asked for (again).

    Somebody may be sending more, or the server forgot: every further round counts as a try, so it ends some day.
    """
    last = case.last
    if last is None or (last.effect, last.outcome) != (effect, "ok"):
        return None
    age_s = _age_s(last, case.now)
    if age_s < LAG_S:
        return Wait(_patience_s(last, case.now), f"{effect} was acknowledged; the server does not show it yet")
    if age_s < AGAIN_S:
        raise ServerBusy(f"{effect} of {row.uri} was acknowledged, and it is still {row.status}")
    return None


def _age_s(last: LastAttempt, now: str) -> float:
    return max(0.0, seconds_between(last.began_at, now))


def _patience_s(last: LastAttempt, now: str) -> float:
    """Look again after a quarter of the time waited so far, within bounds."""
    return min(max(_age_s(last, now) / 4, POLL_S[0]), POLL_S[1])
