"""The progress of a download on stderr: a line that moves on a terminal; elsewhere only what is worth a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from xnatsync.cli.render import Screen
from xnatsync.report import streams
from xnatsync.report.bar import drawing
from xnatsync.report.gauge import Gauge
from xnatsync.views.blocks import Line, Tone
from xnatsync.views.printable import printable


@contextmanager
def gauging(screen: Screen) -> Iterator[Gauge]:
    """Show how far the download inside the block is."""
    if not screen.is_live:
        yield Gauge(lambda text: screen.say(Line(text, Tone.DIM)))
        return
    from rich.console import Console

    console = Console(file=cast("IO[str]", streams.stderr()), no_color=not screen.has_colour, highlight=False)
    gauge = Gauge(lambda text: console.print(printable(text), style="dim", markup=False))
    from xnatsync.app.connecting import METERS

    with drawing(gauge, console, lambda: METERS.rate):
        yield gauge
