"""How much one run may remove: the rail between a mistake on the server and an empty tree."""

from __future__ import annotations

import re
from typing import Final

LEAST_REMOVALS: Final = 10  # a percentage never means fewer


def removals_allowed(files: int, rule: int | str) -> int:
    """Return how many files one run may remove of a tree of so many; ValueError when the rule is none.

    A rule is a number, which counts as it is, or a percentage such as `10%`, which never means fewer than 10,
    but for `0%`.
    """
    if isinstance(rule, int):
        if rule < 0:
            raise ValueError("fewer than none cannot be removed")
        return rule
    percent = re.fullmatch(r"\s*(\d{1,3}(?:\.\d{1,3})?)\s*%\s*", rule)
    if percent is None or float(percent[1]) > 100:
        raise ValueError(f'{rule!r} is not a rule: write a number, such as 50, or a percentage, such as "10%"')
    thousandths = round(float(percent[1]) * 1000)
    return max(LEAST_REMOVALS, files * thousandths // 100_000) if thousandths else 0


def max_delete(count_removals: int, count_files: int, rule: int | str = "10%") -> bool:
    """Return whether one run may remove so many files of a tree of so many."""
    return count_removals <= removals_allowed(count_files, rule)
