"""Kept sessions and their end; nothing of a session itself is in them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xnatsync.core.moment import stamp
from xnatsync.core.wording import counted, span
from xnatsync.views.blocks import Block, Command, Line, Tone

if TYPE_CHECKING:
    from pathlib import Path

    from xnatsync.app.from_xnatctl import Import
    from xnatsync.app.sign_in import Ended, KeptNow


def kept_fields(kept: Sequence[KeptNow]) -> dict[str, object]:
    """`auth status`, for programs."""
    return {"sessions": [_kept(one) for one in kept]}


def _kept(one: KeptNow) -> dict[str, object]:
    return {
        "server": one.url,
        "profile": one.profile,
        "username": one.user,
        "created_at": _stamp(one.created),
        "used_at": _stamp(one.used),
        "age_s": max(0, round(time.time() - one.created)) if one.created else None,
        "problem": one.problem,
    }


def kept_blocks(kept: Sequence[KeptNow]) -> Iterator[Block]:
    """`auth status`, for people."""
    if not kept:
        yield Line("no session is kept; `xnatsync auth login` keeps one", Tone.DIM)
    now = time.time()
    for one in kept:
        if one.problem:
            yield Line(f"! {one.problem}", Tone.WARN)
            yield Line(f"what to do: {one.remedy}", indent=2, hang=12)
            continue
        called = f" ({one.profile})" if one.profile else ""
        ages = f"logged in {span(now - one.created)} ago, last used {span(now - one.used)} ago"
        yield Line(f"{one.user} at {one.url}{called}: {ages}")


def ended_fields(ended: Sequence[Ended]) -> dict[str, object]:
    """`auth logout`, for programs."""
    rows = [
        {
            "server": one.url,
            "username": one.user,
            "ended": one.problem is None,
            "problem": one.problem.code if one.problem is not None else None,
        }
        for one in ended
    ]
    return {"sessions": rows}


def ended_blocks(ended: Sequence[Ended]) -> Iterator[Block]:
    """`auth logout`, for people."""
    if not ended:
        yield Line("no session is kept", Tone.DIM)
    for one in ended:
        if one.problem is None:
            yield Line(f"the session of {one.user} at {one.url} was ended and removed", Tone.GOOD)
            continue
        words = "was removed here; the server was not reached, and ends it when it has been idle"
        yield Line(f"! the session of {one.user} at {one.url} {words}", Tone.WARN)
        yield Line(f"{one.problem}  [{one.problem.code}]", indent=2)


def import_fields(planned: Import, file: Path, stored: Sequence[str], *, done: bool) -> dict[str, object]:
    """`config import-xnatctl`, for programs; no password is in it."""
    return {
        "source": str(planned.source),
        "file": str(file),
        "written": done,
        "default": planned.default or None,
        "servers": [
            {
                "profile": one.profile,
                "name": one.name,
                "state": one.state,
                "url": one.values.get("url"),
                "notes": list(one.notes),
                "password": "stored" if one.name in stored else "not copied" if one.password else "none",
            }
            for one in planned.servers
        ],
    }


def import_blocks(planned: Import, file: Path, stored: Sequence[str], *, done: bool) -> Iterator[Block]:
    """`config import-xnatctl`, for people."""
    new = [one for one in planned.servers if one.state == "new"]
    words = f"{counted(len(new), 'server')} of {planned.source} {'added to' if done else 'would be added to'} {file}"
    yield Line(words, Tone.GOOD if new else Tone.PLAIN)
    for one in planned.servers:
        sigil = {"new": "+", "present": "=", "refused": "!"}[one.state]
        yield Line(f"{sigil} {one.name} {one.values.get('url', '')}".rstrip(), indent=2)
        for note in one.notes:
            yield Line(note, indent=4)
        if one.name in stored:
            yield Line("its password is in the keyring now; remove it from the file of xnatctl", indent=4)
        elif one.password:
            yield Line(
                "its password is in that file, and was not copied; to store it in the keyring:", Tone.WARN, indent=4
            )
            yield Command("", ("config", "set-password", one.name), indent=6)
    if planned.default:
        yield Line(f"{'commands mean' if done else 'commands would mean'} server {planned.default}", indent=2)


def _stamp(seconds: float) -> str | None:
    return stamp(datetime.fromtimestamp(seconds, UTC)) if seconds else None
