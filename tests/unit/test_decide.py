"""What now?  Every situation of a unit before its server, and the one answer to it (architecture §6, §7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from property.strategies import (
    FLOOR,
    NOON,
    OTHER,
    SESSION,
    SIZE,
    STUDY,
    attempt,
    objects,
    row,
    session,
    sources,
    view,
    wish,
)
from xnatsync.core.diff3 import BaseNode, BaseState
from xnatsync.core.drop_decision import (
    AGAIN_S,
    LAG_S,
    POLL_S,
    SENDS_MAX,
    WORK_MAX_S,
    Again,
    Build,
    Commit,
    Landed,
    Relabel,
    Send,
    Step,
    Stop,
    Wait,
    decide,
)
from xnatsync.core.drop_view import LastAttempt, ServerView, Wish, quiet_s
from xnatsync.core.errors import (
    AccessDenied,
    ForeignContent,
    NotThere,
    ObjectsDiffer,
    ObjectsExtra,
    ObjectsMissing,
    PrearchiveOccupied,
    PrearchiveStuck,
    ReadFailed,
    ServerBusy,
    SessionCollision,
    StudyElsewhere,
    XnatsyncError,
)
from xnatsync.core.labels import MAX_LABEL, suffixed
from xnatsync.core.moment import later
from xnatsync.core.phases import UnitPhase
from xnatsync.core.remote import PrearchiveState, ProjectSeen
from xnatsync.core.tree import Node, Problem, Tree

KEYS = ("1.1", "1.2", "1.3")
SOURCE = sources(KEYS)
HELD = objects(KEYS)
PART = objects(KEYS[:1])
RECEIVING, READY, WORKING, CONFLICT, ERROR = (
    PrearchiveState.RECEIVING,
    PrearchiveState.READY,
    PrearchiveState.WORKING,
    PrearchiveState.CONFLICT,
    PrearchiveState.ERROR,
)
URI = row(READY).uri
STRANGE = "/prearchive/projects/P/20200101_1/X"


def now_what(
    seen: ServerView,
    *,
    phase: str = "planned",
    wanted: Wish | None = None,
    sends: int = 0,
    last: LastAttempt | None = None,
    base: Mapping[str, BaseNode] | None = None,
    now: str = NOON,
    source: Tree = SOURCE,
) -> Step:
    return decide(wanted or wish(), UnitPhase(phase), sends, last, seen, source, base or {}, now)


def stopped(step: Step, kind: type[XnatsyncError]) -> str:
    assert isinstance(step, Stop), step
    assert type(step.error) is kind, step.error
    return str(step.error)


# --- nothing was sent yet ----------------------------------------------------------------------------------------


def test_a_fresh_unit_is_sent() -> None:
    """All of it."""
    assert now_what(view()) == Send(KEYS)


def test_of_a_session_that_is_there_only_the_rest_is_sent() -> None:
    """The same study under the same label: late files of it are added, what is there is not sent again."""
    assert now_what(view(sessions=(session(),), archive=PART)) == Send(KEYS[1:])


def test_what_is_there_whole_is_not_sent() -> None:
    """It goes on to the proof, more on the server or not."""
    assert now_what(view(sessions=(session(),), archive=HELD)) == Landed("E1")
    assert now_what(view(sessions=(session(),), archive=objects([*KEYS, "9.9"]))) == Landed("E1")


@pytest.mark.parametrize(
    "changes",
    [
        {"may_edit": False},
        {"strangers": (row(READY, uri=STRANGE),)},
        {"strangers": (row(WORKING, uri=STRANGE),)},
        {"sessions": (session(project="ELSEWHERE"),)},
        {"row": row(CONFLICT)},
    ],
    ids=["read only", "stranger", "busy stranger", "shared", "our row in conflict"],
)
def test_what_is_there_whole_needs_nothing_that_only_sending_needs(changes: dict[str, Any]) -> None:
    """No right to edit, no empty prearchive: nothing is going to be mixed."""
    facts: dict[str, Any] = {"sessions": (session(),), "archive": HELD} | changes

    step = now_what(view(**facts))

    assert isinstance(step, Landed)
    assert step.leftover == (URI if "row" in changes else "")


@pytest.mark.parametrize(
    ("project", "expected"),
    [(None, "not on the server"), (ProjectSeen("NEURO-1"), "another name of the project NEURO-1")],
)
def test_a_project_that_is_missing_hidden_or_called_otherwise_stops(project: Any, expected: str) -> None:
    """An upload under an alias would come out under the real name, and be taken for misrouted."""
    assert expected in stopped(now_what(view(project=project)), NotThere)


def test_a_project_we_may_not_edit_stops_before_sending() -> None:
    """XNAT would take the upload without a word and put it elsewhere (import.md §1.6); not knowing is no reason."""
    stopped(now_what(view(may_edit=False)), AccessDenied)
    assert now_what(view(may_edit=None)) == Send(KEYS)


# --- labels ------------------------------------------------------------------------------------------------------


def test_the_same_study_under_another_label_is_delivered_there() -> None:
    """The study UID decides: no second session of it."""
    there = session(label="RENAMED")

    assert now_what(view(sessions=(there,), archive=PART)) == Relabel("RENAMED", ANY)
    assert now_what(view(sessions=(there,), archive=HELD)) == Relabel("RENAMED", ANY)
    assert now_what(view(sessions=(there,), archive=PART), wanted=wish(session="RENAMED")) == Send(KEYS[1:])


@pytest.mark.parametrize("subject", ["S2", ""])
def test_the_same_study_of_another_subject_stops(subject: str) -> None:
    """Two patients must not share a study; upper and lower case are one subject to XNAT."""
    stopped(now_what(view(sessions=(session(subject=subject),), archive=HELD)), StudyElsewhere)
    assert now_what(view(sessions=(session(subject="s1"),), archive=HELD)) == Landed("E1")


def test_a_study_that_is_there_twice_stops() -> None:
    """Both labels are named."""
    there = (session(), session(id="E2", label="AGAIN"))

    assert "AGAIN, S1_MR" in stopped(now_what(view(sessions=there, archive=PART)), StudyElsewhere)


def test_nothing_is_added_to_a_session_that_is_only_shared() -> None:
    """The archive would refuse it after the upload; the project that owns it is named."""
    step = now_what(view(sessions=(session(project="OWNER"),), archive=PART))

    assert "OWNER" in stopped(step, StudyElsewhere)


COLLISIONS: dict[str, dict[str, Any]] = {
    "archive": {"sessions": (session(study_uid=OTHER),)},
    "archive, UID unknown": {"sessions": (session(study_uid=""),)},
    "prearchive": {"strangers": (row(READY, uri=STRANGE, study_uid=OTHER),)},
    "prearchive, UID unknown": {"strangers": (row(RECEIVING, uri=STRANGE, study_uid=""),)},
}


@pytest.mark.parametrize("changes", COLLISIONS.values(), ids=COLLISIONS)
def test_another_study_with_our_label_is_held_with_both_sides_named(changes: dict[str, Any]) -> None:
    """Whether it is archived already or waits in the prearchive, and also when nobody knows its UID."""
    text = stopped(now_what(view(**changes)), SessionCollision)

    assert STUDY in text
    assert SESSION in text
    assert OTHER in text or "unknown" in text
    assert ("prearchive" in text) is ("strangers" in changes)


@pytest.mark.parametrize("changes", COLLISIONS.values(), ids=COLLISIONS)
def test_or_gets_a_number_where_the_route_says_so(changes: dict[str, Any]) -> None:
    """The first that nobody has: on the server, in the prearchive, or planned by another unit."""
    wanted = wish(collision="suffix")
    taken = frozenset({suffixed(SESSION, 2)})

    assert now_what(view(**changes), wanted=wanted) == Relabel("S1_MR_2", ANY)
    assert now_what(view(**changes, claimed=taken), wanted=wanted) == Relabel("S1_MR_3", ANY)
    assert now_what(view(**changes, labels=taken), wanted=wanted) == Relabel("S1_MR_3", ANY)


def test_a_number_is_found_for_the_longest_label_too() -> None:
    """The label is shortened, and never becomes one that is taken."""
    label = "a" * (MAX_LABEL - 2) + "_2"
    taken = view(sessions=(session(label=label, study_uid=OTHER),))

    step = now_what(taken, wanted=wish(collision="suffix", session=label))

    assert isinstance(step, Relabel)
    assert step.session != label
    assert len(step.session) <= MAX_LABEL


# --- somebody else's upload --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [RECEIVING, READY, CONFLICT, ERROR])
@pytest.mark.parametrize("label", [SESSION, "OTHER_LABEL"])
def test_an_upload_of_our_study_that_is_not_ours_is_not_mixed_with_ours(state: PrearchiveState, label: str) -> None:
    """XNAT adds to a row of the same study and label, whoever made it."""
    stranger = row(state, uri=STRANGE, name=label)

    assert STRANGE in stopped(now_what(view(strangers=(stranger,))), PrearchiveOccupied)


def test_while_the_server_works_on_it_we_try_again_later() -> None:
    """With the growing waits of a retry, so that a row which XNAT forgot ends with a person."""
    stopped(now_what(view(strangers=(row(READY, uri=URI), row(WORKING, uri=STRANGE)))), ServerBusy)


# --- the archive holds something else ----------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["planned", "sent"])
@pytest.mark.parametrize(
    ("state", "kind"),
    [(None, ForeignContent), (BaseState.VERIFIED, ForeignContent), (BaseState.SENT, ObjectsDiffer)],
)
def test_an_object_that_cannot_be_ours_is_never_sent_over(phase: str, state: Any, kind: Any) -> None:
    """Smaller than its own pixels: foreign, changed since it was proven, or our own damaged upload."""
    base = {KEYS[0]: BaseNode(KEYS[0], state)} if state is not None else {}
    archive = Tree([Node(KEYS[0], FLOOR - 1), *objects(KEYS[1:]).values()], complete=True)

    step = now_what(view(sessions=(session(),), archive=archive), phase=phase, base=base)

    assert KEYS[0] in stopped(step, kind)


@pytest.mark.parametrize("phase", ["planned", "sent"])
@pytest.mark.parametrize(
    "archive",
    [
        objects(KEYS[:1], complete=False),
        Tree([*PART.values(), Problem(KEYS[1], "?"), Problem(KEYS[2], "?")], complete=True),
        objects(KEYS, size=None),
        Tree([*HELD.values(), Node(KEYS[0], SIZE + 5)], complete=True),
    ],
    ids=["cut", "problems", "without sizes", "one listed twice"],
)
def test_a_listing_that_does_not_tell_concludes_nothing(phase: str, archive: Tree) -> None:
    """Neither sent nor landed."""
    stopped(now_what(view(sessions=(session(),), archive=archive), phase=phase), ReadFailed)


def test_a_listing_that_is_cut_may_show_all_we_need() -> None:
    """It proves presence."""
    assert now_what(view(sessions=(session(),), archive=objects(KEYS, complete=False))) == Landed("E1")


def test_what_is_wrong_with_objects_of_others_does_not_stop_ours() -> None:
    """A foreign object listed twice is the concern of whoever put it there."""
    archive = Tree([*HELD.values(), Node("9.9", 1), Node("9.9", 2)], complete=True)

    assert now_what(view(sessions=(session(),), archive=archive)) == Landed("E1")


# --- our own row -------------------------------------------------------------------------------------------------


def sent(state: PrearchiveState, **changes: Any) -> ServerView:
    return view(row=row(state), **changes)


@pytest.mark.parametrize("phase", ["planned", "sent"])
@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (sent(RECEIVING), Build(URI)),
        (sent(READY, staged=HELD), Commit(URI)),
        (sent(READY, staged=PART), Send(KEYS[1:])),
        (sent(READY, staged=objects([])), Send(KEYS)),
        (
            sent(READY, staged=Tree([*PART.values(), Node("1.2", FLOOR - 1), Node("1.3", SIZE)], complete=True)),
            Send(("1.2",)),
        ),
        (sent(READY, staged=objects(KEYS[1:]), sessions=(session(),), archive=PART), Commit(URI)),
        (sent(READY, staged=objects(KEYS[1:2]), sessions=(session(),), archive=PART), Send(("1.3",))),
        (sent(READY, staged=HELD, strangers=(row(READY, uri=STRANGE, study_uid=OTHER),)), Commit(URI)),
    ],
    ids=[
        "received",
        "whole",
        "part",
        "empty",
        "one damaged",
        "the rest of a session",
        "a part of the rest",
        "rival row",
    ],
)
def test_our_row_is_built_completed_and_archived(phase: str, seen: ServerView, expected: Step) -> None:
    """Also by a unit that finds the row of its former life."""
    assert now_what(seen, phase=phase) == expected


def test_a_route_that_ends_in_the_prearchive_does_not_archive() -> None:
    """Built, proven complete, and left there."""
    assert now_what(sent(READY, staged=HELD), wanted=wish(destination="prearchive"), phase="sent") == Landed(None)


@pytest.mark.parametrize("state", [CONFLICT, ERROR])
def test_a_row_that_the_server_refused_waits_for_a_person_with_the_log(state: PrearchiveState) -> None:
    """What the server wrote is repeated."""
    text = stopped(now_what(sent(state, log="session already exists"), phase="sent"), PrearchiveStuck)

    assert URI in text
    assert text.endswith("session already exists")


def test_a_row_that_failed_after_an_interrupted_upload_is_filled_again_once() -> None:
    """The server was killed in the middle: nothing was ever acknowledged, and what is there cannot be built."""
    built = LastAttempt("build", "failed", NOON, NOON)

    assert now_what(sent(ERROR), phase="sent", last=built) == Send(KEYS)
    stopped(now_what(sent(ERROR), phase="sent", last=built, sends=1), PrearchiveStuck)
    stopped(now_what(sent(CONFLICT), phase="sent", last=built), PrearchiveStuck)
    stopped(now_what(sent(ERROR), phase="sent", last=LastAttempt("commit", "failed", NOON, NOON)), PrearchiveStuck)


@pytest.mark.parametrize("where", [{}, {"sessions": (session(),), "archive": PART}], ids=["new", "merged"])
def test_a_contaminated_row_is_never_archived(where: dict[str, Any]) -> None:
    """An object that we did not send, beside all of ours."""
    staged = objects([*KEYS[1:], *([] if where else KEYS[:1]), "9.9"])

    assert "9.9" in stopped(now_what(sent(READY, staged=staged, **where), phase="sent"), ObjectsExtra)


def test_a_late_part_of_another_item_of_ours_is_no_stranger_when_it_is_whole() -> None:
    """Its upload had lost its answer, and arrived when this one had been sent."""
    staged = objects([*KEYS, "2.1"])

    assert now_what(sent(READY, staged=staged, kin=sources(["2.1"])), phase="sent") == Commit(URI)
    cut = Tree([*HELD.values(), Node("2.1", 1)], complete=True)
    assert "2.1" in stopped(now_what(sent(READY, staged=cut, kin=sources(["2.1"])), phase="sent"), ObjectsExtra)
    merged = {"sessions": (session(),), "archive": objects(["2.1"])}
    assert "2.1" in stopped(
        now_what(sent(READY, staged=staged, kin=sources(["2.1"]), **merged), phase="sent"), ObjectsExtra
    )


def test_what_the_archive_got_from_elsewhere_is_not_archived_again() -> None:
    """The server would refuse the whole row; a person is told before."""
    seen = sent(READY, staged=HELD, sessions=(session(),), archive=PART)

    assert KEYS[0] in stopped(now_what(seen, phase="sent"), PrearchiveStuck)


@pytest.mark.parametrize(
    "staged",
    [None, objects(KEYS, complete=False), objects(KEYS[:1], complete=False), objects(KEYS, size=None)],
    ids=["unlisted", "cut, all shown", "cut", "without sizes"],
)
def test_a_row_that_is_not_listed_whole_is_not_archived(staged: Tree | None) -> None:
    """What a cut listing hides could be somebody else's."""
    stopped(now_what(sent(READY, staged=staged), phase="sent"), ReadFailed)


@pytest.mark.parametrize(
    ("row_facts", "seen", "kind"),
    [
        ({"name": "EDITED"}, {}, StudyElsewhere),
        ({"subject": "S2"}, {}, StudyElsewhere),
        ({}, {"sessions": (session(label="RENAMED"),), "archive": PART}, StudyElsewhere),
        ({}, {"sessions": (session(project="OWNER"),), "archive": PART}, StudyElsewhere),
        ({}, {"sessions": (session(study_uid=OTHER),)}, SessionCollision),
        ({}, {"sessions": (session(study_uid=""),)}, SessionCollision),
    ],
    ids=["other label", "other subject", "study archived elsewhere", "shared", "label taken", "taken by an unknown"],
)
@pytest.mark.parametrize("state", [RECEIVING, READY])
def test_a_row_that_would_end_in_the_wrong_place_goes_no_further(
    state: PrearchiveState, row_facts: dict[str, Any], seen: dict[str, Any], kind: Any
) -> None:
    """Archiving follows the row as it is now, and a person can edit it; `suffix` is of no use any more."""
    for wanted in (wish(), wish(collision="suffix")):
        found = view(row=row(state, **row_facts), staged=HELD, **seen)
        stopped(now_what(found, wanted=wanted, phase="sent"), kind)


def test_what_an_upload_without_an_answer_may_have_cut_is_sent_again_before_archiving() -> None:
    """All of its pixel data may be there, and its end be wanting; what was acknowledged may have a shorter head."""
    cut = Tree([Node(KEYS[0], FLOOR), *objects(KEYS[1:]).values()], complete=True)
    unanswered = {KEYS[0]: BaseNode(KEYS[0], BaseState.SENT)}
    answered = {KEYS[0]: BaseNode(KEYS[0], BaseState.SENT, acknowledged=True)}

    assert now_what(sent(READY, staged=cut), phase="sent", base=unanswered) == Send(KEYS[:1])
    assert now_what(sent(READY, staged=cut), phase="sent") == Send(KEYS[:1])
    assert now_what(sent(READY, staged=cut), phase="sent", base=answered) == Commit(URI)
    waiting = wish(destination="prearchive")
    assert now_what(sent(READY, staged=cut), phase="sent", base=unanswered, wanted=waiting) == Send(KEYS[:1])


def test_a_row_whose_labels_are_not_shown_is_ours_as_it_was_sent() -> None:
    """And the case of a subject does not count."""
    for facts in ({"name": "", "subject": ""}, {"subject": "s1"}):
        assert now_what(view(row=row(READY, **facts), staged=HELD), phase="sent") == Commit(URI)


FORMER = {key: BaseNode(key, BaseState.SENT, "digest of the former version") for key in KEYS[:1]}


def test_a_version_that_was_sent_before_is_not_archived_as_the_new_one() -> None:
    """The item has another version of the object now; the row, or the archive, has the former."""
    waiting = now_what(sent(READY, staged=HELD), phase="sent", base=FORMER)
    archived = now_what(view(sessions=(session(),), archive=HELD), base=FORMER)

    assert KEYS[0] in stopped(waiting, PrearchiveStuck)
    assert KEYS[0] in stopped(archived, ForeignContent)
    assert now_what(view(), base=FORMER) == Send(KEYS)


def test_what_an_earlier_item_proved_in_the_row_is_no_stranger() -> None:
    """A study may come in parts and wait as one; what was only sent, or is archived already, is not excused."""
    staged = objects([*KEYS, "1.9"])
    proven = {"1.9": BaseNode("1.9", BaseState.VERIFIED)}
    unproven = {"1.9": BaseNode("1.9", BaseState.SENT)}
    merged: dict[str, Any] = {"sessions": (session(),), "archive": objects(["1.9"])}

    assert now_what(sent(READY, staged=staged), phase="sent", base=proven) == Commit(URI)
    stopped(now_what(sent(READY, staged=staged), phase="sent", base=unproven), ObjectsExtra)
    stopped(now_what(sent(READY, staged=staged, **merged), phase="sent", base=proven), ObjectsExtra)


# --- bounds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seen",
    [view(), sent(READY, staged=PART), view(sessions=(session(),), archive=PART)],
    ids=["gone", "staged", "part"],
)
def test_what_the_server_takes_and_does_not_keep_ends_with_a_person(seen: ServerView) -> None:
    """However it gets lost: in the row, with the row, or in the archive."""
    assert isinstance(now_what(seen, sends=SENDS_MAX - 1), Send)
    assert str(SENDS_MAX) in stopped(now_what(seen, sends=SENDS_MAX), ObjectsMissing)


def test_what_is_there_is_archived_however_often_it_was_sent() -> None:
    """The bound is on sending."""
    assert now_what(sent(READY, staged=HELD), phase="sent", sends=99) == Commit(URI)


# --- time --------------------------------------------------------------------------------------------------------

UNSURE = attempt("import", "unknown", quiet_at=later(NOON, 60))


@pytest.mark.parametrize(
    "seen",
    [
        view(),
        sent(RECEIVING),
        sent(READY, staged=PART),
        sent(READY, staged=HELD),
        sent(READY, staged=objects([*KEYS, "9.9"])),
        sent(CONFLICT),
        view(sessions=(session(),), archive=HELD),
        view(sessions=(session(study_uid=OTHER),)),
        view(sessions=(session(),), archive=objects(KEYS, size=1)),
        view(project=None),
    ],
)
@pytest.mark.parametrize("destination", ["archive", "prearchive"])
def test_nothing_is_concluded_in_the_quiet_time_of_an_upload(seen: ServerView, destination: Any) -> None:
    """Not even a conflict: a late import may still land on top of whatever is shown."""
    step = now_what(seen, phase="sent", last=UNSURE, wanted=wish(destination=destination), now=later(NOON, 45))

    assert step == Wait(15.0, ANY)


def test_after_the_quiet_time_it_is_looked_at_again() -> None:
    """The row and the archive tell what came of it."""
    for seen, expected in (
        (view(), Again(ANY)),
        (sent(RECEIVING), Build(URI)),
        (sent(READY, staged=PART), Send(KEYS[1:])),
    ):
        assert now_what(seen, phase="sent", last=UNSURE, now=later(NOON, 60)) == expected


def test_an_archiving_without_an_answer_has_shown_itself_when_everything_is_there() -> None:
    """Then there is nothing to wait for; before, there is."""
    unsure = attempt("commit", "unknown", quiet_at=later(NOON, 60))

    assert now_what(view(sessions=(session(),), archive=HELD), phase="sent", last=unsure) == Landed("E1")
    assert now_what(sent(READY, staged=HELD), phase="sent", last=unsure) == Wait(60.0, ANY)
    assert now_what(sent(READY, staged=HELD), phase="sent", last=unsure, now=later(NOON, 61)) == Commit(URI)


@pytest.mark.parametrize("outcome", ["ok", "failed", "refused"])
def test_only_an_unknown_outcome_has_a_quiet_time(outcome: str) -> None:
    """What was answered is over."""
    assert quiet_s(attempt("import", outcome, quiet_at=later(NOON, 60)), NOON) == 0
    assert quiet_s(UNSURE, NOON) == 60
    assert quiet_s(UNSURE, later(NOON, 61)) == 0
    assert quiet_s(None, NOON) == 0


@pytest.mark.parametrize(
    "seen",
    [
        sent(WORKING),
        sent(WORKING, sessions=(session(study_uid=OTHER),)),
        sent(WORKING, sessions=(session(),), archive=objects(KEYS, size=1)),
        sent(WORKING, project=None),
    ],
)
@pytest.mark.parametrize(
    "last", [attempt("commit"), attempt("commit", "unknown", quiet_at=later(NOON, 60)), attempt("build")]
)
def test_nothing_is_concluded_while_the_server_is_at_work_on_our_row(seen: ServerView, last: LastAttempt) -> None:
    """What it shows meanwhile is half of it."""
    assert now_what(seen, phase="sent", last=last, now=later(NOON, 10)) == Wait(2.5, ANY)


@pytest.mark.parametrize(("age", "wait"), [(0, POLL_S[0]), (40, 10), (1000, POLL_S[1]), (-100, POLL_S[0])])
def test_the_longer_the_server_works_the_seldomer_it_is_asked(age: float, wait: float) -> None:
    """Within bounds, and also when the clock was set back."""
    assert now_what(sent(WORKING), phase="sent", last=attempt("commit"), now=later(NOON, age)) == Wait(wait, ANY)


@pytest.mark.parametrize("last", [None, attempt("commit")])
def test_a_row_that_is_worked_on_for_ever_ends_with_a_person(last: LastAttempt | None) -> None:
    """XNAT forgets rows in the queue when it is restarted; the retry's own bound counts them."""
    step = now_what(sent(WORKING), phase="sent", last=last, now=later(NOON, WORK_MAX_S + 1))

    assert URI in stopped(step, ServerBusy)


@pytest.mark.parametrize("effect", ["import", "build", "commit"])
def test_what_was_acknowledged_a_moment_ago_is_not_missing_yet(effect: str) -> None:
    """A listing may lag; then it is planned anew."""
    seen = view(sessions=(session(),), archive=PART)

    assert isinstance(now_what(seen, phase="sent", last=attempt(effect), now=later(NOON, LAG_S - 1)), Wait)
    assert isinstance(now_what(seen, phase="sent", last=attempt(effect), now=later(NOON, LAG_S)), Again)
    assert isinstance(now_what(seen, phase="sent", last=attempt(effect, "failed")), Again)


def test_what_was_built_or_archived_a_moment_ago_is_not_asked_for_again() -> None:
    """An effect that was acknowledged and does not show is repeated after a while, and each time counts as a try."""
    for effect, seen, step in (
        ("build", sent(RECEIVING), Build(URI)),
        ("commit", sent(READY, staged=HELD), Commit(URI)),
    ):
        assert isinstance(now_what(seen, phase="sent", last=attempt(effect)), Wait)
        stopped(now_what(seen, phase="sent", last=attempt(effect), now=later(NOON, LAG_S)), ServerBusy)
        assert now_what(seen, phase="sent", last=attempt(effect), now=later(NOON, AGAIN_S)) == step
        assert now_what(seen, phase="sent", last=attempt(effect, "failed")) == step


def test_a_row_that_received_more_is_built_again_at_once() -> None:
    """The build before the last upload says nothing about it."""
    assert now_what(sent(RECEIVING), phase="sent", last=attempt("import")) == Build(URI)


# --- a unit that was sent never asks for another label -----------------------------------------------------------


@pytest.mark.parametrize("collision", ["hold", "suffix"])
@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (view(sessions=(session(label="RENAMED"),), archive=HELD), Landed("E1")),
        (view(sessions=(session(label="RENAMED"),), archive=PART), Again("not arrived: 2 objects")),
        (view(sessions=(session(study_uid=OTHER),)), Again("not arrived: 3 objects")),
    ],
    ids=["archived by hand elsewhere", "in part", "label taken meanwhile"],
)
def test_a_unit_that_was_sent_is_planned_anew_before_it_is_relabelled(
    collision: Any, seen: ServerView, expected: Step
) -> None:
    """Its lease is on the old target."""
    assert now_what(seen, phase="sent", wanted=wish(collision=collision)) == expected


def test_a_unit_without_a_study_uid_is_a_mistake_of_ours() -> None:
    """It would be taken for every session whose UID nobody knows."""
    with pytest.raises(AssertionError):
        now_what(view(sessions=(replace(session(), study_uid=""),)), wanted=wish(study_uid=""))


class _Any:
    """Equal to every text."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)

    __hash__ = None  # type: ignore[assignment]


ANY: Any = _Any()
