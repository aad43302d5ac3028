"""Progress on stderr: a line that moves on a terminal, one plain line for each change of phase elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from xnatsync.cli.render import Screen
from xnatsync.core.wording import size, span
from xnatsync.engine.progress import Observer, Progress
from xnatsync.report import streams
from xnatsync.report.progress import Meter, Note, Snapshot
from xnatsync.views.blocks import Line, Tone
from xnatsync.views.printable import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

_BAR = 28  # columns
_NOTES_MAX = 6
_PER_SECOND = 8


@contextmanager
def watching(screen: Screen, *others: Observer) -> Iterator[Progress]:
    """Show the progress of the run inside the block; `others` hear of it too."""
    if not screen.is_live:
        yield Progress(Meter(lambda note: screen.say(_plain(note))).hear, *others)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=cast("IO[str]", streams.stderr()), no_color=not screen.has_colour, highlight=False)
    meter = Meter()
    with Live(
        get_renderable=lambda: _drawn(meter.snapshot()), console=console, refresh_per_second=_PER_SECOND, transient=True
    ):
        yield Progress(meter.hear, *others)


def _plain(note: Note) -> Line:
    tone = Tone.BAD if note.hold == "person" else Tone.WARN if note.hold == "retry" else Tone.DIM
    return Line(f"{note.name}: {note.text}", tone)


def headline(seen: Snapshot) -> str:
    """Say in one line how far a run is, or what it waits for and how long still."""
    if seen.wait_s is not None and seen.wait_s >= 1:
        return f"waiting, again in {seen.wait_s:.0f} s: {printable(seen.wait_why)}"
    if seen.goal_bytes == 0 and seen.fetch_bytes:
        return ", ".join([f"{size(seen.fetched_bytes)} of {size(seen.fetch_bytes)} fetched", *_pace(seen)])
    if seen.goal_bytes == 0:
        return f"reading: {seen.read_files} files, {size(seen.read_bytes)}" if seen.read_files else "looking"
    parts = [f"{size(seen.sent_bytes)} of {size(seen.goal_bytes)} sent"]
    if seen.fetched_bytes:
        parts.append(f"{size(seen.fetched_bytes)} fetched back")
    return ", ".join([*parts, *_pace(seen)])


def _pace(seen: Snapshot) -> list[str]:
    from xnatsync.app.connecting import METERS

    parts = [f"{size(round(seen.rate_bytes_s))}/s"] if seen.rate_bytes_s else []
    parts += [f"at most {size(rate)}/s"] if (rate := METERS.rate) is not None else []
    return [*parts, f"{span(seen.eta_s)} left"] if seen.eta_s is not None else parts


def bar(seen: Snapshot) -> str:
    """Draw the share that was sent, or fetched where nothing is sent; nothing that is full while there is a wait."""
    if seen.wait_s is not None and seen.wait_s >= 1:
        return "┄" * _BAR
    done, goal = (seen.sent_bytes, seen.goal_bytes) if seen.goal_bytes else (seen.fetched_bytes, seen.fetch_bytes)
    share = min(1.0, done / goal) if goal else 0.0
    full = round(share * _BAR)
    return "━" * full + "╌" * (_BAR - full)


def _drawn(seen: Snapshot) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    lines = [Text.assemble((bar(seen), "green"), " ", headline(seen), no_wrap=True, overflow="ellipsis")]
    lines += [
        Text(f"  {printable(f'{note.name}: {note.text}')}", style="dim", no_wrap=True, overflow="ellipsis")
        for note in seen.notes[-_NOTES_MAX:]
    ]
    return Group(*lines)
