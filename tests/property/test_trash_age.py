"""The trash and clocks that are wrong: one run whose clock is far ahead empties nothing that is young."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.moment import stamp
from xnatsync.core.trashage import APART_S, older_than

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 86_400.0
YEARS_AHEAD = st.floats(2 * DAYS, 40 * 365 * DAYS)


def at(seconds: float) -> str:
    return stamp(BEGIN + timedelta(seconds=seconds))


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[float, float]], float]:
    """Runs as (true time, how far the clock is ahead), never two of them ahead in a row; and what the route keeps."""
    keep_s = draw(st.sampled_from([0.0, 3600.0, 30 * DAYS, 400 * DAYS]))
    runs, true_s, was_ahead = [], 0.0, False
    for _ in range(draw(st.integers(1, 12))):
        true_s += draw(st.floats(1.0, 60 * DAYS))
        ahead_s = 0.0 if was_ahead else draw(st.just(0.0) | YEARS_AHEAD)
        was_ahead = ahead_s > 0
        runs.append((true_s, ahead_s))
    return runs, keep_s


@given(histories())
def test_one_run_that_is_ahead_throws_nothing_young_away(history: tuple[list[tuple[float, float]], float]) -> None:
    """Whatever is removed has truly been there as long as the route keeps it, if it came by a clock that was right."""
    runs, keep_s = history
    told: list[str] = []
    for true_s, ahead_s in runs:
        moment = older_than(at(true_s + ahead_s), reversed(told), keep_s)
        if moment is not None:
            assert moment <= at(true_s - keep_s)
        told.append(at(true_s + ahead_s))


@given(st.lists(st.floats(1.0, 20 * DAYS), min_size=1, max_size=20), st.sampled_from([3600.0, 30 * DAYS]))
def test_with_a_clock_that_is_right_the_trash_is_emptied(waits: list[float], keep_s: float) -> None:
    """By the first run that begins long enough after another: nothing stays for ever."""
    told: list[float] = []
    true_s = 0.0
    for wait_s in waits:
        true_s += wait_s
        apart_s = min(APART_S, keep_s)
        earlier = [began for began in told if began <= true_s - apart_s - 0.001]
        moment = older_than(at(true_s), [at(began) for began in reversed(told)], keep_s)
        if earlier:
            assert moment is not None
            assert moment >= at(max(earlier) - keep_s)
        told.append(true_s)


def test_what_is_not_kept_at_all_goes_at_once() -> None:
    """With nothing to keep there is nothing to be careful about, but the first run has no other to agree with it."""
    assert older_than(at(5.0), [], 0.0) is None
    assert older_than(at(5.0), [at(1.0)], 0.0) == at(1.0)


def test_a_clock_that_was_set_back_begins_anew() -> None:
    """What runs told before is belied; a day later two agree again."""
    runs = [at(100 * DAYS), at(0.0)]
    assert older_than(at(100 * DAYS + 60), runs, 30 * DAYS) == at(-30 * DAYS)
    assert older_than(at(60.0), [at(0.0), at(100 * DAYS)], 30 * DAYS) is None
    assert older_than(at(DAYS), [at(0.0), at(100 * DAYS)], 30 * DAYS) == at(-30 * DAYS)
