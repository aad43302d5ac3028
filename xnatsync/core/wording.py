"""Numbers in sentences."""

from __future__ import annotations

from collections.abc import Mapping


def counted(number: int, one: str, many: str = "") -> str:
    """Says how many: `1 object`, `2 objects`, `3 studies`; `many` for what has a plural of its own."""
    if number == 1:
        return f"1 {one}"
    return f"{number} {many or (f'{one[:-1]}ies' if one.endswith('y') else f'{one}s')}"


def left_out_words(counts: Mapping[str, int], before: str = "") -> str:
    """Says what a selection left out, by key: `12 files left out by modalities, 3 by scans`; "" when nothing was."""
    parts = [f"{count} by {key}" for key, count in counts.items()]
    if not parts:
        return ""
    first = next(iter(counts))
    parts[0] = f"{counted(counts[first], 'file')} left out by {first}"
    return before + ", ".join(parts)
