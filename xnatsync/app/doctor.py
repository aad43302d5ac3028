"""Every check at once: what a person would find out one after the other, and what to do about each."""

from __future__ import annotations

import os
import shlex
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from xnatsync.core.errors import (
    AccessDenied,
    DiskFull,
    DiskRefused,
    DiskUnwell,
    Exit,
    FolderMissing,
    NotThere,
    PlaceTaken,
    XnatsyncError,
)
from xnatsync.core.moment import clock_words, stamp
from xnatsync.core.paths import OWN_FOLDER
from xnatsync.core.wording import counted, size_words
from xnatsync.disk.tree_paths import STAGING, TRASH

if TYPE_CHECKING:
    from xnatsync.app.app import App
    from xnatsync.config.load import Problem
    from xnatsync.config.model import Config, DropConfig, MirrorConfig, PushConfig, ServerConfig

FREE_BYTES = 100_000_000  # less room than this for the ledger or a mirror is worth a warning
SKEW_S = 300.0  # clocks that differ by more confuse people who compare logs; nothing else depends on them

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str  # what was looked at: `server prod`, `route prisma`
    state: State
    text: str
    code: str | None = None
    advice: str | None = None
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Checks:
    """All findings, in the order in which they were made."""

    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        """0 when nothing is a problem, else the gravest code."""
        return max((check.exit_code for check in self.checks), default=0)


def examine(config_file: Path | None, *, asks_servers: bool = True) -> Checks:
    """Look at everything, or only at what is here.  Reads only; nothing is changed here or on a server."""
    from xnatsync.app.app import App
    from xnatsync.config.load import check, default_path

    path = config_file if config_file is not None else default_path()
    try:
        config, warnings = check(path)
    except XnatsyncError as error:
        return Checks((problem("configuration", error),))
    app = App(config)
    try:
        return Checks((*_writable(path), *map(_warning, warnings), *_checks(app, config, asks_servers)))
    finally:
        app.close()


def _writable(path: Path) -> Iterator[Check]:
    """Warn of a configuration that others may change: it says where files, and a password, are sent."""
    mode = stat.S_IMODE(path.stat().st_mode) if os.name != "nt" else 0
    if mode & 0o022:
        yield Check(
            "configuration", "warning", f"{path} can be changed by others (mode {mode:04o})",
            advice=f"chmod go-w {shlex.quote(str(path))}",
        )  # fmt: skip


def _warning(problem: Problem) -> Check:
    return Check("configuration", "warning", f"line {problem.line}: {problem.key}: {problem.text}")


def _checks(app: App, config: Config, asks_servers: bool) -> Iterator[Check]:
    from xnatsync.app.readiness import account, lookups, manifest

    yield Check(
        "configuration", "ok", f"{counted(len(config.servers), 'server')}, {counted(len(config.routes), 'route')}"
    )
    yield from _told("ledger", _ledger(config))
    yield from _left_alone(config)
    for name, server in config.servers.items():
        yield from _server(app, name, server) if asks_servers else account(name, server)
    for name, route in config.drop_routes.items():
        yield from _told(f"route {name}", _folders(app, name, route))
        yield from _told(f"route {name}", lookups(config, name, route))
    yield from _told("custody", _strays(app, config))
    for name, tree in config.tree_routes.items():
        yield from _told(f"route {name}", _tree(name, tree))
    for name, job in config.jobs.items():
        yield from manifest(name, job)


def _may(place: Path, mode: int) -> bool:
    """Return whether this process has such rights: those that it has at work, not those of whoever called it."""
    return os.access(place, mode, effective_ids=os.access in os.supports_effective_ids)


def _told(name: str, checks: Iterator[Check]) -> Iterator[Check]:
    """Give all checks; what this account may not even look at is a problem, and ends only the checks of that thing."""
    from xnatsync.disk.failures import our_disk

    try:
        yield from checks
    except OSError as error:
        yield problem(name, our_disk(error, f"looking at {error.filename or 'it'}"))


def problem(name: str, error: XnatsyncError) -> Check:
    """Return a failure as a finding."""
    return Check(name, "problem", str(error), error.code, error.remedy, error.exit_code)


# --- here --------------------------------------------------------------------------------------------------------


def _ledger(config: Config) -> Iterator[Check]:
    from xnatsync.app.status import reading
    from xnatsync.disk.space import free_bytes, nearest
    from xnatsync.ledger.place import shown_to_others

    path = config.ledger.path
    try:
        with reading(config) as ledger:
            if ledger is None:
                place = nearest(path.parent)
                if not _may(place, os.W_OK):
                    raise DiskUnwell(f"{path} is not there yet, and nothing can be written in {place}")
                yield Check("ledger", "ok", f"{path} is made by the first run")
            else:
                ledger.examine()
                _refuse_unwritable((path, path.parent))
                items = sum(count for count, _ in ledger.phase_counts().values())
                trees = sum(counts.files for counts in ledger.mirror_counts().values())
                kept = f" and {counted(trees, 'file')} of trees" if trees else ""
                yield Check("ledger", "ok", f"{path} is intact and knows {counted(items, 'item')}{kept}")
                for place, mode in shown_to_others(path):
                    yield Check(
                        "ledger", "warning", f"{place} can be read by others (mode {mode:04o}): it holds labels",
                        advice=f"chmod 600 {shlex.quote(str(place))}",
                    )  # fmt: skip
        free = free_bytes(path.parent)
    except XnatsyncError as error:
        yield problem("ledger", error)
        return
    if free < FREE_BYTES:
        yield problem("ledger", DiskFull(f"only {size_words(free)} are free where the ledger is"))


def _left_alone(config: Config) -> Iterator[Check]:
    """Name what a run left alone, and has not found well since."""
    from xnatsync.app.status import overview

    try:
        seen = overview(config)
    except XnatsyncError:  # told by the ledger's own check
        return
    for row in seen.pauses:
        state: State = "problem" if seen.alive else "warning"
        text = f"left alone since {clock_words(row.since)}: {row.detail}"
        yield Check(row.what, state, text, row.code, row.advice, Exit.TEMPORARY if seen.alive else Exit.OK)


def _folders(app: App, name: str, route: DropConfig) -> Iterator[Check]:
    what = f"route {name}"
    folder, done = Path(route.folder), Path(route.done_folder)
    try:
        if not folder.is_dir():
            raise FolderMissing(f"{folder} is not there, or is not a folder")
        if not _may(folder, os.R_OK | os.X_OK):
            raise DiskUnwell(
                f"{folder} cannot be read by this account", advice="Give this account the right to read it."
            )
        entries = len(app.make_disk().entries(folder))
        if route.after == "keep":
            yield Check(what, "ok", f"{folder} can be read: {counted(entries, 'entry')}, which stay there")
            return
        _refuse_shut(folder, done)
        if not app.make_disk().same_device(folder, done):
            raise DiskUnwell(
                f"{done} is on another file system than {folder}: filing is a rename and cannot cross",
                advice="Set `done` to a folder on the file system of the drop folder.",
            )
    except XnatsyncError as error:
        yield problem(what, error)
        return
    yield from _stuck(what, folder)
    yield Check(
        what, "ok", f"{folder} can be read and written: {counted(entries, 'entry')}; {done} is on the same file system"
    )


def _refuse_shut(folder: Path, done: Path) -> None:
    """Raise for a folder in which a run files and this account cannot; the outer ones come first."""
    own = folder / OWN_FOLDER
    today = done / stamp(datetime.now(UTC))[:10]
    for place, right in ((folder, os.W_OK), (own, 0), (own / "custody", os.W_OK), (done, os.W_OK), (today, os.W_OK)):
        nearest = _nearest(place)
        if not nearest.is_dir():
            raise PlaceTaken(
                f"{nearest} is no folder, and a folder of ours is to be there",
                advice="Move away, or rename, what is there.",
            )
        if not _may(nearest, (right if nearest == place else os.W_OK) | os.X_OK):
            raise DiskUnwell(
                f"{nearest} cannot be written by this account",
                advice='Give this account the right to write there, or set `after = "keep"`.',
            )


def _stuck(what: str, folder: Path) -> Iterator[Check]:
    """Name what is delivered and proven by a run, and then cannot be filed."""
    from xnatsync.disk.probing import immovable

    try:
        found = immovable(folder)
    except OSError:  # it went this moment: the next run tells
        return
    if found:
        name, why = found[0]
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        yield problem(what, DiskRefused(f"{name} in {folder} cannot be moved by this account: {why}{more}"))


def _strays(app: App, config: Config) -> Iterator[Check]:
    """Tell of what lies in custody and is no item's, and of done folders of former times."""
    from xnatsync.app.settings import drop_route
    from xnatsync.app.status import reading
    from xnatsync.app.strays import strays

    try:
        with reading(config) as ledger:
            found = {
                name: strays(app.make_disk(), drop_route(name, route), ledger)
                for name, route in config.drop_routes.items()
            }
    except XnatsyncError:  # told as a problem of the ledger
        return
    for name, part in found.items():
        what = f"route {name}"
        if part.found:
            text = f"{counted(len(part.found), 'thing')} in custody of which the ledger knows nothing"
            yield Check(what, "warning", text, advice="`xnatsync sync` takes them up and delivers them.")
        for claim in sorted({one.rival for one in part.rivals if one.rival is not None}, key=str):
            many = sum(one.rival == claim for one in part.rivals)
            yield Check(
                what,
                "warning",
                f"{counted(many, 'thing')} in custody of the ledger {claim.path} on {claim.host}",
                advice=f"It files them when it runs. If it is gone for good, remove .xnatsync/ledgers/{claim.ledger} "
                "in the drop folder.",
            )
        for folder in part.done:
            yield Check(what, "ok", f"{folder} is a former done folder: nothing in it is delivered again")


def _tree(name: str, route: MirrorConfig | PushConfig) -> Iterator[Check]:
    from xnatsync.app.kinds import TREES
    from xnatsync.disk.space import free_bytes

    what, folder = f"route {name}", Path(route.folder)
    writes = TREES[route.kind].writes == "tree"
    rights = "read and written" if writes else "read"
    try:
        if not folder.is_dir():
            raise FolderMissing(f"{folder} is not there, or is not a folder")
        if not _may(folder, os.R_OK | os.X_OK | (os.W_OK if writes else 0)):
            raise DiskUnwell(f"{folder} cannot be {rights} by this account", advice="Give this account the right.")
        own = folder / OWN_FOLDER
        if route.kind == "mirror" and own.is_dir():
            _refuse_unwritable((own, own / STAGING, own / TRASH))
        free = free_bytes(folder)
    except XnatsyncError as error:
        yield problem(what, error)
        return
    yield Check(what, "ok", f"{folder} can be {rights}")
    if writes and free < FREE_BYTES:
        text = f"{size_words(free)} free in {folder}: a file that does not fit is not fetched"
        yield Check(what, "warning", text, advice="`xnatsync plan` shows whether everything fits.")


def _refuse_unwritable(places: Iterable[Path]) -> None:
    """Raise DiskUnwell for what a run writes to and this account may not: only the run itself would say so."""
    for place in places:
        if place.exists() and not _may(place, os.W_OK):
            raise DiskUnwell(f"{place} cannot be written by this account", advice="Give this account the right.")


def _nearest(path: Path) -> Path:
    from xnatsync.disk.space import nearest

    return nearest(path)


# --- there -------------------------------------------------------------------------------------------------------


def _server(app: App, name: str, config: ServerConfig) -> Iterator[Check]:
    what = f"server {name}"
    try:
        server = app.server(name)
        user = server.whoami()
        began = time.time()
        about = server.about()
        skew_s = about.clock - (began + time.time()) / 2 if about.clock is not None else 0.0
    except XnatsyncError as error:
        yield problem(what, error)
        return
    yield Check(what, "ok", f"{config.url} is XNAT {about.version or 'of unknown version'}, logged in as {user}")
    if abs(skew_s) > SKEW_S:
        yield Check(
            what, "warning", f"its clock differs from ours by {skew_s:.0f} s", advice="Synchronise both with NTP."
        )
    written, read = _projects(app, name)
    for project in sorted(written | read):
        yield _project(app, name, project, write=project in written)


def _projects(app: App, server: str) -> tuple[set[str], set[str]]:
    """Return the projects that are added to, and those that are read."""
    from xnatsync.app.kinds import TREES
    from xnatsync.config.values import is_name

    drops = [route for route in app.config.drop_routes.values() if route.server == server]
    written = {route.project for route in drops if route.project is not None}
    written |= {name for route in drops for name in route.ruled if is_name(name)}
    for drop in app.config.drop_routes.values():
        for also in drop.also:
            project = also.project or drop.project
            written.update({project} if also.server == server and project is not None else ())
    read: set[str] = set()
    for route in app.config.tree_routes.values():
        if route.server == server:
            (written if TREES[route.kind].writes == "server" else read).update(route.all_projects)
    for transfer in app.config.transfer_routes.values():
        read.update({transfer.project} if transfer.server == server else ())
        written.update({transfer.to_project} if transfer.to_server == server else ())
    return written, read


def _project(app: App, name: str, project: str, *, write: bool) -> Check:
    what = f"project {project} on {name}"
    server = app.server(name)
    try:
        seen = server.project(project)
        if seen is None:
            raise NotThere(f"{project} is not on the server, or this account may not see it")
        if not write:
            return Check(what, "ok", "it is there and may be read")
        may_edit = server.may_edit(project)
        if may_edit is False:
            raise AccessDenied("this account may read it, but not add to it")
    except XnatsyncError as error:
        return problem(what, error)
    if may_edit is None:
        return Check(what, "warning", "it is there; the server does not say whether this account may add to it")
    return Check(what, "ok", "it is there and may be edited")
