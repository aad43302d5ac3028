"""Which troubles of an entity are written down one by one, and which by their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from xnatsync.core.mirror_decision import Trouble
from xnatsync.core.wording import counted
from xnatsync.ledger.tree_rows import NewTrouble

TOLD_MAX: Final = 50  # troubles of one kind that are written down one by one for an owner; then their number


def told(troubles: Sequence[Trouble]) -> list[NewTrouble]:
    """What is written down of troubles, so many of each kind: of a session that is gone nobody wants thousands."""
    found: list[NewTrouble] = []
    many: Counter[str] = Counter()
    for trouble in troubles:
        many[trouble.code] += 1
        if many[trouble.code] <= TOLD_MAX or trouble.person:
            found.append(NewTrouble(trouble.path, trouble.code, trouble.detail, trouble.person))
    for code, count in many.items():
        if count > TOLD_MAX:
            found.append(NewTrouble("", code, f"{counted(count, 'file')} in all", person=False, many=count))
    return found
