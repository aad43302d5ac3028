"""What has a schedule runs when it is due: by its last run, whatever the clock and the machine did meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.agent.timetable import due_in_s, timetable

BERLIN = ZoneInfo("Europe/Berlin")


def shown(text: str, begin: str, many: int) -> list[str]:
    """The next moments of a schedule, as the clock on a wall in Berlin shows them."""
    table, last = timetable(text, BERLIN), datetime.fromisoformat(begin).replace(tzinfo=BERLIN)
    found = []
    for _ in range(many):
        moment = table.after(last)
        assert moment is not None
        last = moment
        found.append(moment.astimezone(BERLIN).strftime("%d.%m. %H:%M%z"))
    return found


@pytest.mark.parametrize(
    ("text", "begin", "expected"),
    [
        # In autumn the hour from 2 to 3 comes twice: a nightly run is made once, one of every hour in each.
        ("30 2 * * *", "2026-10-24T12:00", ["25.10. 02:30+0200", "26.10. 02:30+0100"]),
        ("15,45 2 * * *", "2026-10-24T12:00", ["25.10. 02:15+0200", "25.10. 02:45+0200", "26.10. 02:15+0100"]),
        ("30 * * * *", "2026-10-25T01:45", ["25.10. 02:30+0200", "25.10. 02:30+0100", "25.10. 03:30+0100"]),
        # In spring it does not come: what was due in it is due at its end, once.
        ("30 2 * * *", "2026-03-28T12:00", ["29.03. 03:30+0200", "30.03. 02:30+0200"]),
        # 0 and 7 are Sunday, and a day of the month or a weekday is enough.
        ("0 0 * * 0", "2026-01-30T12:00", ["01.02. 00:00+0100", "08.02. 00:00+0100"]),
        ("0 0 * * 7", "2026-01-30T12:00", ["01.02. 00:00+0100", "08.02. 00:00+0100"]),
        ("0 0 13 * 5", "2026-02-07T12:00", ["13.02. 00:00+0100", "20.02. 00:00+0100", "27.02. 00:00+0100"]),
        ("every 90m", "2026-10-25T01:00", ["25.10. 02:30+0200", "25.10. 03:00+0100"]),
    ],
)
def test_a_schedule_is_due_as_the_clock_on_the_wall_shows(text: str, begin: str, expected: list[str]) -> None:
    assert shown(text, begin, len(expected)) == expected


@given(st.sampled_from(["30 2 * * *", "*/20 * * * *", "0 3 1 * 1", "every 7h"]), st.integers(0, 400 * 86_400))
def test_what_was_missed_is_due_once_and_at_once(text: str, missed_s: int) -> None:
    """However long nobody ran: after one run nothing more is due now."""
    table, last = timetable(text, BERLIN), datetime(2026, 1, 1, tzinfo=UTC)
    now = last + timedelta(seconds=missed_s)
    wait_s = due_in_s(table, last, now)
    assert wait_s is not None
    moment = table.after(last)
    assert moment is not None

    assert (wait_s == 0) == (moment <= now)
    after = due_in_s(table, now, now)
    assert after is not None
    assert after > 0


def test_a_run_in_the_future_was_told_by_a_clock_that_was_ahead() -> None:
    """Believed, it would keep a nightly run away for as long as the clock was wrong."""
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    wait_s = due_in_s(timetable("30 2 * * *", BERLIN), now + timedelta(days=400), now)

    assert wait_s is not None
    assert wait_s < 86_400


def test_what_never_comes_is_never_due() -> None:
    assert due_in_s(timetable("0 0 31 2 *", BERLIN), datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC)) is None
