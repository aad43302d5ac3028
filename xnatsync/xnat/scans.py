"""The order of the scans of a session."""

from __future__ import annotations

import re


def natural(scan_id: str) -> tuple[tuple[int, str], ...]:
    """The order in which a person counts: 2 before 10, 10 before 10-MR1."""
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]+)", scan_id))
