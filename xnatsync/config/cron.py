"""Schedules as cron writes them: minute, hour, day of the month, month, day of the week."""

from __future__ import annotations

import re
from typing import Final

from xnatsync.config.words import seconds

MOST_S: Final = 31 * 86400.0
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final = (  # name, least, most, words for them
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART: Final = re.compile(r"(?:\*|(\w{1,3})(?:-(\w{1,3}))?)(?:/(\d{1,2}))?")


LEAST_S: Final = 60.0  # between two runs of a schedule


def interval_s(text: str) -> float | None:
    """Return the seconds of `every 15m`; None for a schedule of another form; ValueError where it is too short."""
    word, _, rest = text.strip().partition(" ")
    if word.lower() != "every":
        return None
    found = seconds(rest)
    if not LEAST_S <= found <= MOST_S:
        raise ValueError(f"{text!r} is not a schedule: from every 1m to every 31d")
    return found


def check_schedule(text: str) -> None:
    """Refuse with ValueError what is neither an interval nor written as cron does."""
    if interval_s(text) is None:
        check_cron(text)


def check_cron(text: str) -> tuple[frozenset[int], ...]:
    """Return the minutes, hours, days, months and weekdays (0 is Sunday) of a schedule; ValueError when it is none."""
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            f'{text!r} is not a schedule: write minute, hour, day, month and weekday, such as "0 2 * * *" (each '
            'night), or an interval, such as "every 15m"'
        )
    return tuple(_field(part, *facts) for part, facts in zip(parts, _FIELDS, strict=True))


def _field(text: str, name: str, least: int, most: int, words: tuple[str, ...]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        shape = _PART.fullmatch(part)
        if shape is None:
            raise ValueError(f"{part!r} is no {name}: write a number, 1-5, */15, or several with commas")
        first, last, step = shape.groups()
        if first is None:
            begin, end = least, most
        else:
            begin = _number(first, name, least, most, words)
            end = _number(last, name, least, most, words) if last else (most if step else begin)
        if begin > end or step == "0" or (step and not int(step)):
            raise ValueError(f"{part!r} is no {name}: it goes backwards, or nowhere")
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(number % 7 for number in found) if words is _DAYS else frozenset(found)


def _number(text: str, name: str, least: int, most: int, words: tuple[str, ...]) -> int:
    if text.lower() in words:
        return words.index(text.lower()) + (least if words is _MONTHS else 0)
    if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
        raise ValueError(f"{text!r} is no {name}: {least} to {most}")
    return int(text)
