"""Sends objects one request each, several at a time, by XNAT's importer gradual-DICOM (import.md §1.8, §1.9).

Each object is acknowledged by itself, so an upload that was broken off goes on where it was.  The first object of each
series goes alone: parallel requests for a session or scan that is not there yet are refused by real servers.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from xnatsync.core.errors import XnatsyncError
from xnatsync.core.landing_place import landing_place
from xnatsync.core.remote import ImportReply, ImportTarget
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.rows import AttemptRow, FileRow, UnitRow
from xnatsync.routes.drop.members import members_of
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World

ACKNOWLEDGED_AT_ONCE = 25  # objects that are noted in one transaction: so many at most are asked about again
Numbered = Sequence[tuple[int, FileRow]]


class Landing:
    """Where the objects of a unit come out: written down whenever it is another place, not for each object."""

    def __init__(self, ledger: Ledger, unit: UnitRow) -> None:
        self._ledger, self._unit = ledger, unit
        self._noted = ""
        self._lock = threading.Lock()

    def note(self, reply: ImportReply) -> None:
        """Read where an object came out, which alone tells whether it was understood (import.md §1.5, §1.6)."""
        place = landing_place(reply, self._unit.project)
        with self._lock:
            if place != self._noted:
                self._ledger.set_unit(self._unit.id, prearchive=place)
                self._noted = place


def send_one_by_one(
    world: World, route: DropRoute, unit: UnitRow, attempt: AttemptRow, files: Sequence[FileRow]
) -> list[XnatsyncError]:
    """Send objects one request each; what goes wrong is returned, and nothing further is sent then."""
    failures: list[XnatsyncError] = []
    first, rest = _first_of_each_series(files)
    landing = Landing(world.ledger, unit)
    _send_part(world, route, unit, attempt, first, landing, failures)
    if rest and not failures:
        workers = min(max(1, route.streams), len(rest))
        size = -(-len(rest) // workers)
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="send") as pool:
            parts = [
                pool.submit(_send_part, world, route, unit, attempt, rest[at : at + size], landing, failures)
                for at in range(0, len(rest), size)
            ]
        for part in parts:
            part.result()  # a mistake of ours in a thread must not pass for a success
    return failures


def _first_of_each_series(files: Sequence[FileRow]) -> tuple[Numbered, Numbered]:
    seen: set[str] = set()
    first, rest = list[tuple[int, FileRow]](), list[tuple[int, FileRow]]()
    for number, file in enumerate(files):
        (rest if file.series_uid in seen else first).append((number, file))
        seen.add(file.series_uid)
    return first, rest


def _send_part(
    world: World,
    route: DropRoute,
    unit: UnitRow,
    attempt: AttemptRow,
    part: Numbered,
    landing: Landing,
    failures: list[XnatsyncError],
) -> None:
    """Send some objects in the manifest's order, so that an archive is gone through once."""
    target = ImportTarget(unit.project, unit.subject, unit.session)
    numbers = {file.member: (number, file.key) for number, file in part}
    done: list[str] = []
    try:
        for name, file, content in members_of(world, route, unit, [file for _, file in part]):
            if failures:
                break
            number, key = numbers[name]
            reply = world.server(unit.server).import_object(
                target, name, file, content, request_id=f"{attempt.request_id}.{number}"
            )
            landing.note(reply)
            done.append(key)
            if len(done) >= ACKNOWLEDGED_AT_ONCE:
                world.acknowledge(unit, done)
                done.clear()
    except XnatsyncError as error:
        failures.append(error)
    if done:
        world.acknowledge(unit, done)
