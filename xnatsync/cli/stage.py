"""Where the demonstration speaks: the terminal, with the same words and the same progress as the real commands."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync.cli.live import watching
from xnatsync.cli.render import Screen
from xnatsync.core.pasting import Calling
from xnatsync.views.blocks import Line, Tone
from xnatsync.views.sync import sync_blocks
from xnatsync.views.why import why_blocks

if TYPE_CHECKING:
    from xnatsync.app.story import Tale
    from xnatsync.app.sync import SyncReport
    from xnatsync.engine.progress import Progress


class Record:
    """Writes down, for a program, what went as announced and what did not; shows nothing."""

    def __init__(self) -> None:
        self._expectations: list[dict[str, object]] = []
        self._config: Path | None = None

    def fields(self, *, keep: bool) -> dict[str, object]:
        """Return what is told at the end."""
        return {"expectations": self._expectations, "config": str(self._config) if keep and self._config else None}

    def chapter(self, text: str) -> None:
        """Ignored."""

    def say(self, text: str) -> None:
        """Ignored."""

    def good(self, text: str) -> None:
        """Note that something went as it should."""
        self._expectations.append({"text": text, "met": True})

    def bad(self, text: str) -> None:
        """Note that something did not."""
        self._expectations.append({"text": text, "met": False})

    def at(self, config: Path) -> None:
        """Note the configuration."""
        self._config = self._config or config

    def report(self, report: SyncReport) -> None:
        """Ignored."""

    def tale(self, tale: Tale) -> None:
        """Ignored."""

    def progress(self) -> AbstractContextManager[Progress]:
        """Show nothing."""
        from xnatsync.engine.progress import Progress

        return nullcontext(Progress())


class Stage:
    """Shows what the demonstration does."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def chapter(self, text: str) -> None:
        """Begin a part."""
        self._screen.result([Line(""), Line(text, Tone.HEAD)])

    def say(self, text: str) -> None:
        """Say a sentence."""
        self._screen.result([Line(text, indent=2)])

    def good(self, text: str) -> None:
        """Say that something went as it should."""
        self._screen.result([Line(f"✓ {text}", Tone.GOOD, indent=2)])

    def bad(self, text: str) -> None:
        """Say that something did not."""
        self._screen.result([Line(f"✗ {text}", Tone.BAD, indent=2)])

    def at(self, config: Path) -> None:
        """Let the commands that are printed name the demonstration's configuration: never touch anything else."""
        self._screen.calling = Calling(str(config))

    def report(self, report: SyncReport) -> None:
        """Show how a run went, as `sync` does."""
        self._screen.result(sync_blocks(report))

    def tale(self, tale: Tale) -> None:
        """Tell a story, as `why` does."""
        self._screen.result(why_blocks(tale))

    def progress(self) -> AbstractContextManager[Progress]:
        """Show the progress of a run."""
        return watching(self._screen)
