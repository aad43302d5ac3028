"""A project with every kind of thing goes from one stand-in XNAT to another, over sockets."""

from __future__ import annotations

from pathlib import Path

from transfer.engine_world import EngineWorld
from transfer.inline import inline
from transfer_world import SOURCE, TARGET, Side, two_servers
from xnatsync.core.described import Described
from xnatsync.core.inventory import OwnerKind
from xnatsync.routes.transfer.run import TransferRun, run


def transferred(world: EngineWorld) -> TransferRun:
    bugs: list[str] = []
    with inline():
        done = run(world.world(), world.route, workers=1, patience_s=60.0, on_bug=bugs.append)
    assert bugs == []
    return done


def told(thing: Described) -> object:
    """What a thing is, without the server's own keys."""
    return thing.kind, thing.name, thing.xsi_type, thing.fields, thing.custom, sorted(map(told_name, thing.parts))


def told_name(part: Described) -> str:
    return repr((part.kind.value, part.name, part.xsi_type, part.fields, part.custom))


def shown(side: Side, project: str) -> dict[str, object]:
    """Subjects and sessions, with the files of all their resources."""
    found: dict[str, object] = {}
    for owner in side.server.inventory(project, frozenset({OwnerKind.SUBJECT, OwnerKind.SESSION})).owners:
        if not owner.home:
            listing = side.server.all_files([owner])[owner].files
            files = sorted((one.scan, one.resource, one.name, one.size, one.digest) for one in listing)
            found[owner.session or owner.subject] = (told(side.server.describe(owner)), files)
    return found


def test_everything_arrives_and_nothing_is_repeated(tmp_path: Path) -> None:
    """The source is only read; a second run writes nothing at either."""
    with two_servers() as pair:
        ends = {"a": pair.source.server, "b": pair.target.server}
        world = EngineWorld(tmp_path / "one", project=SOURCE, to_project=TARGET, quiet_s=1.0)
        world.source, world.there = ends["a"], ends["b"]  # type: ignore[assignment]
        before = len(pair.source.writes())

        done = transferred(world)

        assert (done.outcome, done.errors) == ("complete", [])
        assert {trouble.code for trouble in world.troubles()} == {"XS-NOT-CARRIED"}  # a share that does not travel
        assert shown(pair.target, TARGET) == shown(pair.source, SOURCE)
        written = len(pair.target.writes())
        assert transferred(world).outcome == "complete"
        assert (len(pair.source.writes()), len(pair.target.writes())) == (before, written)
        world.ledger.close()
