"""Durations and sizes as people write them: `60s`, `2h`, `1h30m`; `64MB`, `1.5GiB`."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DECIMAL = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BYTES = _DECIMAL | {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE = re.compile(r"\s*(\d{1,15})(?:\.(\d{1,12}))?\s*([A-Za-z]+)\s*")
_WORD = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def seconds(text: str) -> float:
    """Read a duration; parts may follow each other, the longer first: `1h30m`."""
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
    """Write a duration so that `seconds` reads it back, to the millisecond."""
    rest_ms = round(value_s * 1000)
    words = ""
    for unit, size in sorted(_SECONDS.items(), key=lambda pair: -pair[1]):
        count, rest_ms = divmod(rest_ms, round(size * 1000))
        words += f"{count}{unit}" if count else ""
    return words or "0s"


def size_bytes(text: str) -> int:
    """Read a size; a decimal unit counts in thousands, a binary one (`MiB`) in 1024s."""
    found = _SIZE.fullmatch(text)
    unit = _BYTES.get(found.group(3)) if found is not None else None
    if found is None or unit is None:
        raise ValueError(f"{text!r} is not a size: write 500kB, 64MB, 1.5GB or 2GiB")
    part = found.group(2) or "0"
    return int(found.group(1)) * unit + int(part) * unit // int("1" + "0" * len(part))


def size(value: int) -> str:
    """Write a size so that `size_bytes` reads back the same number."""
    unit = max((unit for unit in _BYTES if unit != "KB" and value % _BYTES[unit] == 0), key=_BYTES.__getitem__)
    return f"{value // _BYTES[unit]}{unit}" if value else "0B"
