"""Moments as people write them mean one thing each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from xnatsync.config.moments import moment
from xnatsync.core.moment import stamp

NOW = datetime(2026, 3, 5, 12, 30, 1, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-03-01", "2026-03-01T23:59:59.999Z"),
        ("2026-03-05", "2026-03-05T12:30:01.123Z"),
        ("yesterday", "2026-03-04T23:59:59.999Z"),
        ("Yesterday", "2026-03-04T23:59:59.999Z"),
        ("today", "2026-03-05T12:30:01.123Z"),
        ("0 days ago", "2026-03-05T12:30:01.123Z"),
        ("2 days ago", "2026-03-03T23:59:59.999Z"),
        ("a week ago", "2026-02-26T23:59:59.999Z"),
        ("3 weeks ago", "2026-02-12T23:59:59.999Z"),
        ("last wednesday", "2026-03-04T23:59:59.999Z"),
        ("thursday", "2026-02-26T23:59:59.999Z"),
        ("last  monday", "2026-03-02T23:59:59.999Z"),
        ("3 hours ago", "2026-03-05T09:30:01.123Z"),
        ("an hour ago", "2026-03-05T11:30:01.123Z"),
        ("2024-02-29", "2024-02-29T23:59:59.999Z"),
        ("2026-03-01T12:00", "2026-03-01T12:00:00.000Z"),
        ("2026-03-01 12:00:30", "2026-03-01T12:00:30.000Z"),
        ("2026-03-01T12:00:30.25", "2026-03-01T12:00:30.250Z"),
        ("2026-03-01T12:00:30,250", "2026-03-01T12:00:30.250Z"),
        ("2026-03-01T12:00Z", "2026-03-01T12:00:00.000Z"),
        ("2026-03-01T12:00+01:00", "2026-03-01T11:00:00.000Z"),
        ("2026-03-01 12:00 -0530", "2026-03-01T17:30:00.000Z"),
        ("2h ago", "2026-03-05T10:30:01.123Z"),
        ("1h30m ago", "2026-03-05T11:00:01.123Z"),
        ("7d  ago", "2026-02-26T12:30:01.123Z"),
        (" now ", "2026-03-05T12:30:01.123Z"),
    ],
)
def test_a_moment_is_read(text: str, meant: str) -> None:
    """A day is its end, or now while it lasts; without a zone it is UTC."""
    assert moment(text, NOW) == meant


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "tomorrow",
            "next monday",
            "last",
            "last week",
            "0x2 days ago",
            "ago",
            "2 ago",
            "-2h ago",
            "99999999999w ago",
            "2026",
            "2026-03",
            "2026-3-1",
            "1.3.2026",
        ),
        *("2026-13-01", "2026-02-30", "2026-03-01T25:00", "2026-03-01T12", "2026-03-01T12:00+99:00", "20260301"),
        *("2026-03-01T12:00Europe/Berlin", "0000-00-00", "2026-03-01T12:00:00Z ago", "٢٠٢٦-٠٣-٠١x"),
    ],
)
def test_what_is_no_moment_is_refused_with_the_ways_to_write_one(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="is not a time that is understood: write 2026-03-01"):
        moment(text, NOW)


@pytest.mark.parametrize("text", ["2026-03-06", "2026-03-05T12:31", "2026-03-05T12:30:02Z", "9999-12-31"])
def test_what_is_still_to_come_is_refused(text: str) -> None:
    """A list of then would be another one when it is asked for again."""
    with pytest.raises(ValueError, match="in the future"):
        moment(text, NOW)


def test_what_the_program_writes_it_reads() -> None:
    """Every moment of the ledger, to the millisecond."""
    for milliseconds in range(0, 100_000, 7):
        told = stamp(NOW - timedelta(milliseconds=milliseconds))
        assert moment(told, NOW) == told
