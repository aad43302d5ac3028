"""The line that shows how far something is, drawn on a terminal's stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from xnatsync.core.wording import size, span
from xnatsync.report import streams
from xnatsync.report.gauge import Gauge, Reading

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_BAR = 28  # columns
_PER_SECOND = 8


@contextmanager
def drawing(
    gauge: Gauge, console: Console | None = None, limit: Callable[[], int | None] = lambda: None
) -> Iterator[None]:
    """Draw the line while the block runs; where stderr is no terminal, nothing is drawn."""
    if console is None:
        from rich.console import Console as OfRich

        console = OfRich(file=cast("IO[str]", streams.stderr()), highlight=False)
    if not console.is_terminal:
        yield
        return
    from rich.live import Live

    with Live(
        get_renderable=lambda: _drawn(gauge.reading(), limit()),
        console=console,
        refresh_per_second=_PER_SECOND,
        transient=True,
    ):
        yield


def headline(seen: Reading, limit: int | None = None) -> str:
    """Say in one line how far a download is; `limit` is what may go in a second."""
    if not seen.goal_files:
        return "looking"
    parts = [f"{seen.files} of {seen.goal_files} files", f"{size(max(seen.bytes, 0))} of {size(seen.goal_bytes)}"]
    if seen.rate_bytes_s > 0:
        parts.append(f"{size(round(seen.rate_bytes_s))}/s")
    if limit is not None:
        parts.append(f"at most {size(limit)}/s")
    if seen.eta_s is not None:
        parts.append(f"{span(seen.eta_s)} left")
    return ", ".join(parts)


def bar(seen: Reading) -> str:
    """Draw the share that came."""
    share = min(1.0, max(0.0, seen.bytes / seen.goal_bytes)) if seen.goal_bytes else 0.0
    full = round(share * _BAR)
    return "━" * full + "╌" * (_BAR - full)


def _drawn(seen: Reading, limit: int | None) -> Text:
    from rich.text import Text

    return Text.assemble((bar(seen), "green"), " ", headline(seen, limit), no_wrap=True, overflow="ellipsis")
