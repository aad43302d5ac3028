"""Numbers in sentences."""

from __future__ import annotations

from collections.abc import Mapping


def counted(number: int, one: str, many: str = "") -> str:
    """Say how many: `1 object`, `2 objects`, `3 studies`; `many` for what has a plural of its own."""
    if number == 1:
        return f"1 {one}"
    return f"{number} {many or (f'{one[:-1]}ies' if one.endswith('y') else f'{one}s')}"


def left_out_words(counts: Mapping[str, int], before: str = "") -> str:
    """Say what a selection left out, by key: `12 files left out by modalities, 3 by scans`; "" when nothing was."""
    parts = [f"{count} by {key}" for key, count in counts.items()]
    if not parts:
        return ""
    first = next(iter(counts))
    parts[0] = f"{counted(counts[first], 'file')} left out by {first}"
    return before + ", ".join(parts)


_KINDS = ("session", "subject", "project")


def counted_kinds(counts: Mapping[str, int]) -> str:
    """Say how many of each kind: `3 sessions, 2 subjects, 1 project`; `0 sessions` when there is none of any."""
    parts = [counted(counts[kind], kind) for kind in _KINDS if counts.get(kind)]
    return ", ".join(parts) or "0 sessions"


def share_of_kinds(some: Mapping[str, int], of: Mapping[str, int]) -> str:
    """Say how many of how many: `2 of 41 sessions, 1 of 12 subjects`; kinds of which there is none are left out."""
    parts = [f"{some[kind]} of {counted(of.get(kind, 0), kind)}" for kind in _KINDS if some.get(kind)]
    return ", ".join(parts) or f"0 of {counted_kinds(of)}"


def size_words(size_bytes: int) -> str:
    """Write a number of bytes for people: `0 B`, `950 B`, `1.5 MB`; powers of 1000, as disks are sold."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    amount = float(size_bytes)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:.1f} PB"


def size(size_bytes: int) -> str:
    """Write a number of bytes for people: `0 B`, `950 B`, `1.5 MB`; powers of 1000, as disks are sold."""
    return size_words(size_bytes)


def span(seconds: float) -> str:
    """Write a length of time for people: `4 s`, `2 min 10 s`, `3 h 5 min`, `12 days`."""
    whole = max(0, round(seconds))
    if whole >= 72 * 3600:
        return f"{whole // 86400} days"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(whole // 60, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
