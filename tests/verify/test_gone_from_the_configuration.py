"""A configuration is edited in the life of a ledger: what it no longer names is told, and is nobody's bug."""

from __future__ import annotations

import json
from typing import Any

import pytest

from drop_world import DropWorld, only, unit_of
from verify_world import LABEL, found, look, untouched
from xnatsync.app.app import App
from xnatsync.app.dismiss import dismiss
from xnatsync.app.plan import plan
from xnatsync.app.resolve import release
from xnatsync.app.status import overview
from xnatsync.config.load import load
from xnatsync.engine.progress import Progress
from xnatsync.views.verify import verify_blocks, verify_fields


def replaced(world: DropWorld, old: str, new: str) -> None:
    world.config.write_text(world.config.read_text().replace(old, new))


def rename_server(world: DropWorld, old: str, new: str) -> None:
    replaced(world, f"servers.{old}]", f"servers.{new}]")
    replaced(world, f'server = "{old}"', f'server = "{new}"')


@pytest.fixture
def halfway(empty: DropWorld, monkeypatch: pytest.MonkeyPatch) -> DropWorld:
    """An exam that was delivered, one that was sent and not archived, and a server that has another name since."""
    monkeypatch.setenv("XNATSYNC_T_PASSWORD", "secret")
    empty.study("first")
    assert empty.sync().exit_code == 0
    empty.study("second", patient="SUB2", seed=2)
    fault = empty.fault("POST", "action=commit", "status", status=503)
    empty.sync(patience_s=0.5)
    fault.times = 0
    rename_server(empty, "s", "t")
    return empty


def test_what_a_server_holds_that_has_another_name_now_is_not_verified(halfway: DropWorld) -> None:
    report = look(halfway)

    assert found(report) == {("server", "unverifiable")}
    assert report.exit_code == 5
    assert all("the server s is not configured any more" in finding.detail for _, finding in report.findings)


def test_what_is_under_way_to_it_waits_for_a_person_and_goes_on_under_its_name(halfway: DropWorld) -> None:
    row = unit_of(only(halfway.sync())).unit
    assert (row.hold, row.code) == ("person", "XS-ROUTE-UNKNOWN")
    assert "[servers.s]" in (row.advice or "")
    assert plan(App(load(halfway.config)), [], progress=Progress()) is not None

    rename_server(halfway, "t", "s")
    release(load(halfway.config), [f"u{row.id}"])

    assert halfway.sync().exit_code == 0


def test_what_is_under_way_to_it_can_be_given_up(halfway: DropWorld) -> None:
    halfway.sync()
    gone = dismiss(App(load(halfway.config)), 2)

    assert "not configured any more" in gone.remains.unknown
    assert gone.item.phase == "dismissed"


def test_what_a_route_delivered_that_is_gone_is_told(world: DropWorld) -> None:
    """`everything is the same` was said of everything but that."""
    replaced(world, "[routes.r]", "[routes.other]")
    report = look(world)

    assert report.unconfigured == {"r": 1}
    assert report.exit_code == 0
    assert "not verified: 1 item that route r delivered" in "\n".join(map(str, verify_blocks(report)))
    assert json.loads(json.dumps(verify_fields(report)))["unconfigured"] == {"r": 1}
    assert look(world, ("other",)).unconfigured == {}


def test_what_waits_of_a_route_that_is_gone_says_so(empty: DropWorld) -> None:
    (empty.folder / "exam").mkdir()
    (empty.folder / "exam" / "IM1.dcm").write_bytes(b"")
    empty.sync()
    replaced(empty, "[routes.r]", "[routes.other]")

    former = next(route for route in overview(load(empty.config)).routes if route.name == "r")

    assert former.folder is None
    assert "not configured any more" in former.standing[0].waits[0]


RENAME = "/data/projects/P1/subjects/SUB1/experiments/SUB1_MR_20260301"
LATER: dict[str, Any] = {"renamed": f"{RENAME}?label=N_MR", "moved": f"{RENAME}/projects/P2?primary=true"}


@pytest.mark.parametrize("how", LATER)
def test_parts_of_a_study_are_each_found_where_they_went(world: DropWorld, how: str) -> None:
    """A late part was called not sent by this route; the first part was missing where others had moved it."""
    assert LABEL == "SUB1_MR_20260301"
    world.put("/data/projects/P2")
    world.put(LATER[how])
    world.study("late", first=9, uid=_study(world))
    assert world.sync().exit_code == 0

    assert untouched(look(world))


def _study(world: DropWorld) -> str:
    with world.ledger() as ledger:
        return ledger.units(item_id=1, living=False)[0].study_uid
