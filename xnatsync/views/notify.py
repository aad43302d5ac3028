"""Notifications, for people and for programs: what targets took, the outbox, and what fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xnatsync.core.moment import clock_words
from xnatsync.core.wording import counted
from xnatsync.views.blocks import Block, Line, Tone

if TYPE_CHECKING:
    from xnatsync.app.notify import Tried
    from xnatsync.ledger.outbox import NotificationRow

COLUMNS = {
    "made_at": "made",
    "target": "target",
    "state": "state",
    "tries": "tries",
    "title": "message",
    "failed": "why",
}


def tried_blocks(found: Sequence[Tried]) -> Iterator[Block]:
    """Say which targets took a test message."""
    for one in found:
        if one.error is None:
            yield Line(f"{one.target}: sent, and taken ({one.id})", Tone.GOOD)
        else:
            yield Line(f"{one.target}: {one.error}  [{one.error.code}]", Tone.BAD)
            yield Line(f"what to do: {one.error.remedy}", Tone.DIM, indent=2, hang=12)


def tried_fields(found: Sequence[Tried]) -> dict[str, object]:
    """Give the same for programs."""
    return {
        "targets": [
            {
                "target": one.target,
                "id": one.id,
                "sent": one.error is None,
                "code": one.error.code if one.error is not None else None,
                "detail": str(one.error) if one.error is not None else None,
                "advice": one.error.remedy if one.error is not None else None,
            }
            for one in found
        ]
    }


def outbox_rows(found: Sequence[NotificationRow]) -> list[dict[str, object]]:
    """Give messages as rows of a table."""
    return [
        {
            "id": row.id, "made_at": row.made_at, "target": row.target,
            "state": "sent" if row.sent_at is not None else "failing" if row.failed is not None else "waiting",
            "tries": row.tries, "sent_at": row.sent_at, "next_at": row.next_at, "title": row.title, "body": row.body,
            "failed": row.failed,
        }
        for row in found
    ]  # fmt: skip


def failing_blocks(found: Sequence[tuple[NotificationRow, int]]) -> Iterator[Block]:
    """Say which targets take no messages."""
    for row, many in found:
        yield Line(
            f"! notifications to {row.target} fail since {clock_words(row.made_at)}: {row.failed} "
            f"({counted(many, 'message')} waiting)",
            Tone.BAD,
        )
        yield Line("what to do: `xnatsync notify test`", Tone.DIM, indent=2)


def failing_fields(found: Sequence[tuple[NotificationRow, int]]) -> list[dict[str, object]]:
    """Give the same for programs."""
    return [
        {
            "target": row.target, "since": row.made_at, "detail": row.failed, "tries": row.tries,
            "next_at": row.next_at, "waiting": many,
        }
        for row, many in found
    ]  # fmt: skip
