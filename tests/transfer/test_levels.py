"""Files of every level arrive byte for byte: projects, subjects, records, sessions, scans, and what is made of them."""

from __future__ import annotations

from transfer_world import SOURCE, fill, two_servers
from xnatsync.core.inventory import OwnerKind, ResourceKey
from xnatsync.core.remote import RemoteFile
from xnatsync.routes.transfer.carry import Carrier, Reading
from xnatsync.routes.transfer.load import Load
from xnatsync.routes.transfer.proof import prove


def test_files_of_every_level_arrive_byte_for_byte() -> None:
    """Case 12: beside what is there, in a resource of another label; the source is only read."""
    with two_servers() as pair:
        fill(pair.target)
        writes = pair.source.writes()
        source, target = pair.source.server, pair.target.server
        there = {(one.kind, one.subject, one.session): one for one in target.inventory(SOURCE, _ALL).owners}
        levels = set()
        for owner in source.inventory(SOURCE, _ALL).owners:
            of_key: dict[ResourceKey, list[RemoteFile]] = {}
            for file in source.all_files([owner])[owner].files:
                of_key.setdefault(ResourceKey(file.scan, file.resource), []).append(file)
            loads = [
                Load(key, ResourceKey(key.scan, f"{key.label}_2"), tuple(files), tuple(files))
                for key, files in of_key.items()
            ]
            goal = there[owner.kind, owner.subject, owner.session]
            with Reading(source, owner, loads) as reading:
                for number, load in enumerate(loads):
                    carrier = Carrier(target, goal, load, f"level-{owner.id}-{number}")
                    carried = carrier.carry(reading.of(load))
                    assert carried.complete, carried
                    assert prove(target, goal, load.target, carried.arrived).complete
                    levels.add((owner.kind, load.target.scan.partition("/")[0]))
                    for file in load.files:
                        ours = b"".join(source.fetch_file(owner, load.source, file.name))
                        assert b"".join(target.fetch_file(goal, load.target, file.name)) == ours
        assert {scan for kind, scan in levels if kind is OwnerKind.SESSION} >= {"", "1", "reconstructions", "assessors"}
        assert {scan for kind, scan in levels if kind is OwnerKind.SUBJECT} == {"", "records"}
        assert (OwnerKind.PROJECT, "") in levels
        assert pair.source.writes() == writes


_ALL = frozenset(OwnerKind)
