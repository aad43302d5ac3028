"""What the rules of now would do with what a path holds, or with items of the past.  Nothing is sent or changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync.app.settings import drop_route
from xnatsync.core.accounting import Rules, examined
from xnatsync.core.drop_selection import choose
from xnatsync.core.errors import DeliveryError, Usage, XnatsyncError
from xnatsync.core.group import Assigned, Study, Surroundings, studies_of
from xnatsync.core.manifest import ManifestFile
from xnatsync.core.moment import stamp
from xnatsync.core.phases import ItemPhase, UnitPhase
from xnatsync.core.rules import Passed, TableState
from xnatsync.disk.local import LocalDisk
from xnatsync.disk.tables import LocalTables, kept_beside
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.routes.drop.ruled import folder_of
from xnatsync.routes.drop.settings import DropRoute

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Place:
    """Where a study went, or would go."""

    project: str
    subject: str
    session: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the rules would do with a study: `then` is send, hold, ignore (by a rule) or leave (by the selection)."""

    study_uid: str
    objects: int
    then: str
    rule: str  # that took it; "" = none
    passed: tuple[Passed, ...]  # asked before, and why they did not take it
    not_asked: int  # rules behind it
    place: Place | None
    destination: str
    error: DeliveryError | None
    left_by: str = ""
    before: Place | None = None  # where it went, for what is replayed

    @property
    def differs(self) -> bool:
        """Return whether a study of the past would go elsewhere than it went, or not at all."""
        return self.before is not None and self.before != self.place


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A path or an item, and its studies; `error`: why it could not be read."""

    path: str
    route: str
    item: int | None
    outcomes: tuple[Outcome, ...]
    error: XnatsyncError | None = None


def rehearse(config: Config, paths: Sequence[Path], route: str | None = None) -> list[Rehearsed]:
    """Tell what would become of what lies at these paths, as if it were dropped.

    Usage where it cannot be told which route is meant: a path in a drop folder means that one's.
    """
    from xnatsync.app.status import reading

    with reading(config) as ledger:
        return [_test(config, ledger, path, route) for path in paths]


def replay(config: Config, since_s: float, route: str | None = None) -> list[Rehearsed]:
    """Tell what the rules of today would do with the items of the last so many seconds, as far as their files exist."""
    from xnatsync.app.status import reading

    config.refuse_unknown([route] if route is not None else [])
    since = stamp(datetime.now(UTC) - timedelta(seconds=since_s))
    found = []
    with reading(config) as ledger:
        for name, one in config.drop_routes.items() if ledger is not None else ():
            if route in {None, name} and ledger is not None:
                settings = drop_route(name, one)
                items = [item for item in ledger.items(route=name, living=False) if item.seen_at >= since]
                found += [_replay(config, ledger, settings, item) for item in items]
    return found


def _test(config: Config, ledger: Ledger | None, path: Path, route: str | None) -> Rehearsed:
    settings = _route_of(config, path, route)
    path = path.absolute()
    try:
        files = _read(settings, path)
    except XnatsyncError as error:
        return Rehearsed(str(path), settings.name, None, (), error)
    inside = path.is_relative_to(settings.folder) and path != settings.folder
    folder = path.relative_to(settings.folder).as_posix() if inside else path.name
    if path.is_file() and [file.path for file in files] == [path.name]:
        folder = folder.rpartition("/")[0]
    outcomes = _outcomes(config, ledger, settings, files, folder, path)
    return Rehearsed(str(path), settings.name, None, tuple(outcomes))


def _replay(config: Config, ledger: Ledger, route: DropRoute, item: ItemRow) -> Rehearsed:
    path = route.filed(item) or route.source(item)
    only = [row.name for row in ledger.loose_of(item.id)] if item.flat and item.filed_as is None else None
    try:
        files = _read(route, path, only)
    except XnatsyncError as error:
        return Rehearsed(item.path, route.name, item.id, (), error)
    went = {unit.study_uid: Place(unit.project, unit.subject, unit.session) for unit in _told(ledger, item)}
    outcomes = [
        replace(one, before=went.get(one.study_uid))
        for one in _outcomes(config, ledger, route, files, folder_of(item), path)
    ]
    return Rehearsed(item.path, route.name, item.id, tuple(outcomes))


def _told(ledger: Ledger, item: ItemRow) -> Iterator[UnitRow]:
    """List the sessions of an item that had a place, the newest word of each study last."""
    for unit in ledger.units(item_id=item.id, living=False):
        if unit.session and (unit.phase is not UnitPhase.DISMISSED or item.phase is ItemPhase.DISMISSED):
            yield unit


def _route_of(config: Config, path: Path, name: str | None) -> DropRoute:
    drops = config.drop_routes
    if name is not None:
        config.refuse_unknown([name])
        if name not in drops:
            raise Usage(f"{name} is no drop route: only these have rules")
        return drop_route(name, drops[name])
    inside = [key for key, one in drops.items() if path.absolute().is_relative_to(one.folder)]
    meant = inside or list(drops)
    if len(meant) != 1:
        known = ", ".join(sorted(drops)) or "none"
        raise Usage(f"which route is meant? configured: {known}", advice="Name it with `--route NAME`.")
    return drop_route(meant[0], drops[meant[0]])


def _read(route: DropRoute, path: Path, only: Sequence[str] | None = None) -> tuple[ManifestFile, ...]:
    return LocalDisk().read_manifest(path, tags=route.keywords, pixels=False, only=only)


def _outcomes(
    config: Config,
    ledger: Ledger | None,
    route: DropRoute,
    files: Sequence[ManifestFile],
    folder: str,
    path: Path,
) -> Iterator[Outcome]:
    tables = LocalTables(kept_beside(config.ledger.path), keeps=False)
    seen = {use.file: tables(use) for use in route.tables}
    states: dict[str, TableState] = {
        file: one.table if one.table is not None else one.refused for file, one in seen.items()
    }
    assigned: dict[str, Assigned] = ledger.assigned(route.name) if ledger is not None else {}
    around = Surroundings(folder, states, assigned)
    looked = examined(files, Rules(route.odd, route.dicomdir, route.other))
    wanted = route.wanted.on(_day(path).date())
    chosen = choose(looked, route.routing, route.collision, wanted, attaching=False, around=around)
    taken = {study.study_uid: study for study in chosen.studies}
    left = {file.identity.study_uid: file.left_by for file in chosen.files if file.left_by and file.identity}
    for study in studies_of(looked, route.routing, around):
        yield _outcome(route, taken.get(study.study_uid, study), left.get(study.study_uid, ""), assigned)


def _day(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return datetime.now(UTC)


def _outcome(route: DropRoute, study: Study, left_by: str, assigned: dict[str, Assigned]) -> Outcome:
    ruling = study.ruling
    then = "hold" if study.error is not None else "ignore" if study.is_ignored else "leave" if left_by else "send"
    rule = ruling.rule
    behind = len(route.routing.rules) - (ruling.number or len(ruling.passed))
    return Outcome(
        study.study_uid,
        len(study.files),
        then,
        "a person" if study.study_uid in assigned else ruling.called,
        ruling.passed,
        behind,
        Place(study.project, study.subject, study.session) if then == "send" else None,
        (rule.destination if rule is not None else None) or route.destination,
        study.error,
        left_by if then == "leave" else "",
    )
