"""One effect on a server: done once, and seen afterwards, whatever was answered.

XNAT answers 200 to requests that it ignores, a proxy gives up on what goes on behind it, and a project-scoped address
creates what was mistyped.  So an effect counts when the server shows it, and never because of its answer.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from xnatsync.core.errors import EffectMissing, OutcomeUnknown
from xnatsync.services.client import WORK_S, XNATClient
from xnatsync.xnat import raw
from xnatsync.xnat.exchange import Body
from xnatsync.xnat.wire import Call


def do(
    client: XNATClient, call: Call, *, seen: Callable[[], bool], body: Body | None, settle_s: float, cache_s: float
) -> None:
    """Send one write once, and return when its effect is seen.

    EffectMissing when the server said yes and does not show it within `cache_s`.  OutcomeUnknown when no usable answer
    came and it is not seen within `settle_s`; it may still come, so nothing is sent again.
    """
    try:
        raw.change(client.low, call, request_id=str(uuid.uuid4()), timeout_s=WORK_S, body=body)
    except OutcomeUnknown:
        if _seen_within(settle_s, seen):
            return
        raise
    if not _seen_within(cache_s, seen):
        raise EffectMissing(f"{call.what}: the server said that it was done, and does not show it")


def _seen_within(patience_s: float, seen: Callable[[], bool]) -> bool:
    """Look at once, and again with growing waits."""
    until, wait_s = time.monotonic() + patience_s, 0.2
    while not seen():
        left_s = until - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(wait_s, left_s))
        wait_s = min(wait_s * 2, 10.0)
    return True
