"""What usually comes: three exams that are like this one make a habit, and nothing less."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from property.strategies import dicom
from xnatsync.core.usual_series import ALIKE_MAX, ALIKE_MIN, absent, kinds_of, words

KINDS = st.frozensets(st.sampled_from([b"loc", b"t1", b"t2", b"dwi", b"bold"]))
WHOLE = frozenset({b"loc", b"t1", b"bold"})


def test_a_habit_needs_three_exams() -> None:
    here = {b"loc", b"t1"}

    assert absent(here, [WHOLE] * (ALIKE_MIN - 1)) == (0, 2)
    assert absent(here, [WHOLE] * ALIKE_MIN) == (1, 3)
    assert words(*absent(here, [WHOLE] * ALIKE_MIN)) == "1 series not there yet that the last 3 exams like it had"


def test_what_not_every_one_of_them_had_is_no_habit() -> None:
    assert absent({b"loc"}, [WHOLE, WHOLE, frozenset({b"loc"})]) == (0, 3)
    assert absent({b"loc"}, [WHOLE, WHOLE, frozenset({b"loc", b"bold"})]) == (1, 3)


def test_exams_of_another_kind_say_nothing() -> None:
    """A knee between brains; and an exam with a series that none of them had is like none of them."""
    knee = frozenset({b"knee"})
    assert absent({b"loc"}, [knee, WHOLE, knee, WHOLE, WHOLE]) == (2, 3)
    assert absent({b"loc", b"new"}, [WHOLE] * 5) == (0, 0)
    assert absent((), [WHOLE] * 5) == (0, 0)


def test_a_protocol_that_changed_is_forgotten() -> None:
    former = frozenset({b"loc", b"t1", b"gone"})
    assert absent({b"loc"}, [WHOLE] * ALIKE_MAX + [former]) == (2, ALIKE_MAX)


@given(KINDS, st.lists(KINDS, max_size=12))
def test_it_never_asks_for_more_than_the_smallest_exam_like_it_had(
    here: frozenset[bytes], earlier: list[frozenset[bytes]]
) -> None:
    missing, exams = absent(here, earlier)

    alike = [exam for exam in earlier if exam >= here][:ALIKE_MAX]
    assert missing <= min((len(exam - here) for exam in alike), default=0)
    assert missing == 0 or exams >= ALIKE_MIN


def test_descriptions_are_compared_as_people_read_them() -> None:
    files = [
        dicom("a", study="1.2", series="1.2.1", SeriesDescription="T1  MPRAGE "),
        dicom("b", study="1.2", series="1.2.2", SeriesDescription="t1 mprage"),
        dicom("c", study="1.2", series="1.2.3", SeriesDescription=" "),
    ]
    assert kinds_of(files) == {"1.2": frozenset({"t1 mprage"})}
