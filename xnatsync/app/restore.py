"""Hands out what lay in a tree at a moment: from the tree or its trash, each file proven, none overwritten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync.app.history import history, tree_config, tree_path
from xnatsync.core.errors import (
    ContentDiffers,
    DiskError,
    DiskRefused,
    Exit,
    NothingFound,
    PlaceTaken,
    SourceError,
    Usage,
    XnatsyncError,
)
from xnatsync.core.moment import clock_words
from xnatsync.disk.atomic import make_folder
from xnatsync.disk.failures import our_disk
from xnatsync.disk.handing_out import hand_out, handed_out
from xnatsync.disk.tree_paths import Ways
from xnatsync.ledger.tree_rows import PlacedVersion, VersionRow

if TYPE_CHECKING:
    from xnatsync.app.app import App
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger

Where = tuple[str, str]  # "tree" or "trash", and the place there


@dataclass(frozen=True, slots=True)
class Restored:
    """A file that was handed out, and where it was found."""

    version: VersionRow
    where: str  # "tree" | "trash" | "there": it lay in the target already


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that could not be handed out."""

    version: VersionRow
    error: XnatsyncError


@dataclass(slots=True)
class RestoreReport:
    """What was handed out, and what was not."""

    route: str
    moment: str
    folder: Path
    restored: list[Restored] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """0 only when all that was asked for lies in the target now."""
        if self.refused:
            return Exit.HELD
        return Exit.TEMPORARY if self.interrupted else Exit.OK


def restore(app: App, route: str, paths: Sequence[str], moment: str, target: Path, *, now: str) -> RestoreReport:
    """Copy what lay at or below some paths at a moment to the same paths below a folder.

    Usage when the folder is one of a route's, or holds one; NothingFound when one of the paths was not there: then
    nothing is copied at all.  DiskFull, DiskUnwell: what came before stays, and a second call goes on.  The ledger is
    only read, so this works beside a run.
    """
    folder = _target(app.config, target)
    with history(app.config, route) as ledger:
        wanted: dict[str, PlacedVersion] = {}
        for text in paths:
            prefix = tree_path(app.config, route, text)
            found = ledger.versions_at(route, moment, prefix, now=now)
            if not found:
                where = f"at {prefix}" if prefix else f"in the tree of {route}"
                raise NothingFound(f"there was nothing {where} at {clock_words(moment)}")
            wanted |= {placed.version.path: placed for placed in found}
        try:
            make_folder(folder)
        except OSError as error:
            raise our_disk(error, f"making {folder}") from error
        report = RestoreReport(route, moment, folder)
        copying = _Copying(app, ledger, route, folder)
        for placed in wanted.values():
            if app.stop.is_set():
                report.interrupted = True
                break
            try:
                report.restored.append(Restored(placed.version, copying.copy(placed)))
            except (PlaceTaken, DiskRefused) as error:
                report.refused.append(Refused(placed.version, error))
            except DiskError:  # the next file would fare no better
                raise
            except XnatsyncError as error:
                report.refused.append(Refused(placed.version, error))
        return report


def _target(config: Config, target: Path) -> Path:
    folder = target.expanduser().resolve()
    for name, place in config.folders.items():
        own = place.resolve()
        if folder.is_relative_to(own) or own.is_relative_to(folder):
            raise Usage(
                f"--to {target}: it is inside the folder of route {name}, or holds it",
                advice="Restore beside it, look at what came, and copy it by hand where it shall be.",
            )
    return folder


class _Copying:
    def __init__(self, app: App, ledger: Ledger, route: str, folder: Path) -> None:
        self.ledger, self.route, self.folder = ledger, route, folder
        self.root = Path(tree_config(app.config, route).folder)
        self.disk = app.make_tree_disk()
        self.ways = Ways()
        self._places: dict[bytes, list[Where]] | None = None

    def copy(self, placed: PlacedVersion) -> str:
        """Copy one file from the first place that holds it; say which."""
        version = placed.version
        lies = handed_out(self.ways, self.folder, version.path, version.size, version.sha256)
        if lies:
            return "there"
        if lies is not None:
            raise PlaceTaken(
                f"{version.path}: something else exists there already; nothing was overwritten",
                advice="Restore into another folder, or move away what is there.",
            )
        failures: list[XnatsyncError] = []
        for where, place in self._candidates(placed):
            try:
                hand_out(self.ways, self.folder, version.path, self._pieces(where, place, version.size), version.sha256)
            except (SourceError, ContentDiffers) as error:
                failures.append(_found_other(version, where, place, error))
            else:
                return where
        raise self._lost(version, failures)

    def _candidates(self, placed: PlacedVersion) -> Iterator[Where]:
        """First where the ledger says it lies, then wherever else the same content was put."""
        first = (placed.where, placed.place)
        if placed.where != "nowhere":
            yield first
        if self._places is None:
            self._places = self.ledger.whereabouts(self.route)
        yield from (other for other in self._places.get(placed.version.sha256, ()) if other != first)

    def _pieces(self, where: str, place: str, size: int) -> Iterator[bytes]:
        if where == "trash":
            return self.disk.open_trash(self.root, place, size)
        return self.disk.open(self.root, place, size)

    @staticmethod
    def _lost(version: VersionRow, failures: Sequence[XnatsyncError]) -> XnatsyncError:
        if not failures:
            return NothingFound(
                f"{version.path}: its bytes are in the tree no longer, and in the trash no longer",
                advice="`trash_keep` says how long they stay. A backup of the tree may have them, or the server.",
            )
        return failures[0]


def _found_other(version: VersionRow, where: str, place: str, error: XnatsyncError) -> XnatsyncError:
    changed = "was changed there" if isinstance(error, ContentDiffers) else f"is not what was agreed: {error}"
    return ContentDiffers(
        f"{version.path}: what is in the {where} as {place} {changed}",
        advice="It was not handed out, and its bytes are nowhere else here. A backup may have them, or the server.",
    )
