"""Durations as people write them: `60s`, `2h`, `1h30m`."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_WORD = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def seconds(text: str) -> float:
    """Reads a duration; parts may follow each other, the longer first: `1h30m`."""
    total, position, last = 0.0, 0, float("inf")
    while position < len(text):
        found = _WORD.match(text, position)
        unit = _SECONDS.get(found.group(2)) if found is not None else None
        if found is None or unit is None or unit >= last:
            raise ValueError(f"{text!r} is not a duration: write 60s, 5m, 1h30m or 7d")
        total, position, last = total + float(found.group(1)) * unit, found.end(), unit
    if last == float("inf"):
        raise ValueError("an empty text is not a duration: write 60s, 5m, 1h30m or 7d")
    return total


def duration(value_s: float) -> str:
    """Writes a duration so that `seconds` reads it back, to the millisecond."""
    rest_ms = round(value_s * 1000)
    words = ""
    for unit, size in sorted(_SECONDS.items(), key=lambda pair: -pair[1]):
        count, rest_ms = divmod(rest_ms, round(size * 1000))
        words += f"{count}{unit}" if count else ""
    return words or "0s"
