"""Waits grow and are bounded, and whoever must act is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.errors import (
    AccessDenied,
    Bug,
    OutcomeUnknown,
    ReadFailed,
    RequestRefused,
    ServerUnwell,
    XnatsyncError,
)
from xnatsync.core.moment import stamp
from xnatsync.core.retry import (
    LONGEST_S,
    PAUSES_S,
    TRIES_MAX,
    WAITS_S,
    asked_words,
    asks_person,
    backoff_s,
    effect_wait_s,
    left_s,
    pause_s,
)


def test_waits_grow_with_every_try_and_then_stay() -> None:
    """From seconds to a day, and never longer than a day and a tenth."""
    waits = [backoff_s(tries, "unit 1") for tries in range(1, 20)]

    assert waits[: len(WAITS_S)] == sorted(waits[: len(WAITS_S)])
    assert all(wait <= WAITS_S[-1] * 1.1 for wait in waits)


@pytest.mark.parametrize("tries", [-1, 0, 1])
def test_a_first_failure_waits_about_five_seconds(tries: int) -> None:
    """A count that is off by one never becomes a wait of nothing."""
    assert 4.5 <= backoff_s(tries, "unit 1") <= 5.5


def test_units_that_failed_together_do_not_come_back_together() -> None:
    """A server that recovers is not met by a hundred uploads in one instant; yet a unit's wait is always the same."""
    waits = [backoff_s(3, f"unit {number}") for number in range(100)]

    assert len(set(waits)) > 90
    assert all(108 <= wait <= 132 for wait in waits)
    assert waits == [backoff_s(3, f"unit {number}") for number in range(100)]


def test_a_server_is_left_alone_for_as_long_as_it_asks_up_to_an_hour() -> None:
    """Its own word counts where it is longer than ours; a proxy that says a year is not believed."""
    assert pause_s(1, None) == PAUSES_S[0]
    assert pause_s(1, 90) == 90
    assert pause_s(7, 1) == PAUSES_S[-1]
    assert pause_s(99, None) == PAUSES_S[-1]
    assert pause_s(1, 10**9) == 3600


@pytest.mark.parametrize("error", [AccessDenied("x"), RequestRefused("x"), Bug("x")])
def test_what_time_cannot_mend_asks_a_person_at_once(error: XnatsyncError) -> None:
    """A permission, a refusal, a mistake of ours: waiting would only hide them."""
    assert asks_person(error, 1)


@pytest.mark.parametrize("error", [ReadFailed("x"), OutcomeUnknown("x"), ServerUnwell("x")])
def test_what_may_pass_asks_a_person_only_when_it_does_not(error: XnatsyncError) -> None:
    """The last try that waits by itself, and the first that does not."""
    assert not asks_person(error, TRIES_MAX)
    assert asks_person(error, TRIES_MAX + 1)


MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1))


@given(until=MOMENTS, now=MOMENTS)
def test_no_wait_is_longer_than_any_can_be(until: datetime, now: datetime) -> None:
    """Whichever way a clock jumped between writing and reading: a wait that no failure can cause is not believed."""
    left = left_s(stamp(until.replace(tzinfo=UTC)), stamp(now.replace(tzinfo=UTC)))

    assert 0.0 <= left <= LONGEST_S
    real = (until - now).total_seconds()
    if 0 < real < LONGEST_S - 1:
        assert abs(left - real) < 0.01


@given(failures=st.integers(-2, 40), asked=st.none() | st.floats(0, 1e12))
def test_no_failure_causes_a_longer_wait(failures: int, asked: float | None) -> None:
    """Whatever a server asks for."""
    assert 0.0 < effect_wait_s(failures, asked) <= LONGEST_S
    assert pause_s(failures, asked) <= LONGEST_S
    assert backoff_s(failures, "unit 1") <= LONGEST_S


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (None, ""),
        (30.0, ""),
        (600.0, "; it asks to be left alone for 10 min"),
        (2.3e9, "; it asks to be left alone for 26620 days, and is asked again after 26 h 24 min at the latest"),
    ],
)
def test_a_wait_that_a_server_asks_for_is_told_with_its_bound(asked: float | None, said: str) -> None:
    """`Retry-After` of the year 2099: nobody waits for it, and the reason of the wait says so."""
    assert asked_words(asked) == said


@given(st.floats(min_value=60, max_value=1e12))
def test_what_is_longer_than_our_longest_wait_names_it(asked: float) -> None:
    """Exactly then."""
    assert ("at the latest" in asked_words(asked)) == (asked > LONGEST_S)
