"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Says how many: `1 object`, `2 objects`, `3 studies`; `many` for what has a plural of its own."""
    if number == 1:
        return f"1 {one}"
    return f"{number} {many or (f'{one[:-1]}ies' if one.endswith('y') else f'{one}s')}"
