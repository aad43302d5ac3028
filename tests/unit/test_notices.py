"""Which messages go out: one decision, never more than the rate, each cause once, a reminder, and its end."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from xnatsync.core.causes import State
from xnatsync.core.moment import later
from xnatsync.core.notices import Before, Draft, Episode, Settings, plan

NOW = "2026-03-02T12:00:00.000Z"
LONG_AGO = later(NOW, -3600)


def episode(number: int = 1, state: State = State.HELD, place: str = "route r", **more: object) -> Episode:
    one = Episode(number, state, place, "XS-BUG", 3, LONG_AGO, "", LONG_AGO, NOW)
    return replace(one, **more)  # type: ignore[arg-type]


def kinds(drafts: list[Draft]) -> list[str]:
    return [what for draft in drafts for _, what in draft.parts]


def test_what_is_new_waits_for_its_grace_but_for_what_is_urgent() -> None:
    young = later(NOW, -599)

    assert plan(NOW, Settings(), [episode(opened_at=young)], {}, []) == []
    assert kinds(plan(NOW, Settings(), [episode(opened_at=later(NOW, -600))], {}, [])) == ["new"]
    assert kinds(plan(NOW, Settings(), [episode(state=State.DISK, opened_at=young)], {}, [])) == ["new"]


def test_what_was_over_before_anybody_heard_of_it_is_never_said() -> None:
    assert plan(NOW, Settings(), [episode(ended_at=NOW)], {}, []) == []
    assert kinds(plan(NOW, Settings(), [episode(state=State.STOPPED, ended_at=NOW)], {}, [])) == ["new"]


def test_a_cause_is_said_once_then_as_a_reminder_then_as_over() -> None:
    said = {1: Before(later(NOW, -86_399))}

    assert plan(NOW, Settings(), [episode()], said, []) == []
    assert kinds(plan(NOW, Settings(), [episode()], {1: Before(later(NOW, -86_400))}, [])) == ["reminder"]
    assert plan(NOW, Settings(remind_s=0), [episode()], {1: Before(later(NOW, -9e6))}, []) == []
    assert plan(NOW, Settings(), [episode()], {1: Before(later(NOW, -9e6))}, [], is_behind=True) == []
    (over,) = plan(NOW, Settings(), [episode(ended_at=NOW)], said, [])
    assert (kinds([over]), over.is_good_news) == (["resolved"], True)
    assert plan(NOW, Settings(), [episode(ended_at=NOW)], {1: Before(NOW, is_closed=True)}, []) == []
    assert plan(NOW, Settings(resolved=False), [episode(ended_at=NOW)], said, []) == []


def test_causes_of_one_place_are_one_message_and_of_many_places_one_digest() -> None:
    here = [episode(1), episode(2, code="XS-NO-RULE")]
    many = [episode(number, place=f"route r{number}") for number in range(9)]

    assert len(plan(NOW, Settings(), here, {}, [])) == 1
    assert len(plan(NOW, Settings(), many[:5], {}, [])) == 5
    (digest,) = plan(NOW, Settings(), many, {}, [])
    assert len(digest.parts) == 9
    assert "9 places" in digest.title
    (digest,) = plan(NOW, Settings(), many, {}, [NOW] * 5)
    assert len(digest.parts) == 9
    assert plan(NOW, Settings(), many, {}, [NOW] * 6) == []
    assert plan(NOW, Settings(), many, {}, [later(NOW, -3601)] * 6) != []


def test_a_target_hears_of_its_states_and_places_alone_and_of_the_agent() -> None:
    mine = Settings(states=frozenset({State.HELD}), places=frozenset({"route r"}))

    assert plan(NOW, mine, [episode(place="route s"), episode(state=State.TABLE)], {}, []) == []
    assert kinds(plan(NOW, mine, [episode(), episode(2, place="agent")], {}, [])) == ["new", "new"]


def test_no_word_of_the_error_is_in_a_message_unless_that_is_allowed() -> None:
    words = {1: "/data/in/DOE^JANE.dcm cannot be read"}

    (quiet,) = plan(NOW, Settings(), [episode()], {}, [], details=words)
    (open_,) = plan(NOW, Settings(details=True), [episode()], {}, [], details=words)

    assert "DOE" not in quiet.title + quiet.body
    assert "DOE" in open_.body
    assert "since 2026-03-02 11:00:00 UTC" in quiet.body
    assert "what to do: " in quiet.body


def test_what_needs_no_person_is_never_said() -> None:
    assert plan(NOW, Settings(), [episode(state=State.RETRIED), episode(2, State.PAUSED)], {}, []) == []


@given(st.data())
@examples(60)
def test_in_no_hour_more_messages_than_the_rate_and_no_cause_is_lost(data: st.DataObject) -> None:
    """A history of looks a minute apart: causes come and go; what was sent before decides what is sent next."""
    settings = Settings(grace_s=120.0, per_hour=data.draw(st.integers(1, 4)))
    known: dict[int, Episode] = {}
    before: dict[int, Before] = {}
    sent: list[str] = []
    new: list[int] = []
    for minute in range(data.draw(st.integers(60, 150))):
        now = later(NOW, minute * 60)
        for number in data.draw(st.lists(st.integers(0, 7), max_size=3)) if minute < 40 else []:
            one = known.get(number)
            if one is None:
                known[number] = episode(number, place=f"route r{number % 4}", opened_at=now, seen_at=now)
            elif one.ended_at is None:
                known[number] = replace(one, ended_at=now)
        for draft in plan(now, settings, known.values(), before, sent):
            sent.append(now)
            for number, what in draft.parts:
                new += [number] * (what == "new")
                before[number] = Before(now, what == "resolved")
    for at in sent:
        assert sum(at <= other < later(at, 3600) for other in sent) <= settings.per_hour
    assert len(new) == len(set(new))
    if minute >= 40 + 62:  # then the rate has let everything out
        assert set(new) >= {number for number, one in known.items() if one.ended_at is None}
        assert all(before[number].is_closed for number in new if known[number].ended_at is not None)
