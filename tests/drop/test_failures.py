"""A server that misbehaves in the middle: the end state is the same, nothing is lost, doubled or archived twice."""

from __future__ import annotations

from typing import Any

import pytest

from drop_pieces import LABEL, held
from drop_world import DropWorld, only, uids, unit_of
from xnatsync.app.resolve import release
from xnatsync.config.load import load

IMPORT, BUILD, COMMIT = "/data/services/import", "action=build", "action=commit"
LISTING = "/prearchive/projects/P1|/data/experiments|/data/projects/P1"


def _commits(world: DropWorld) -> int:
    return sum(
        entry["method"] == "POST"
        and "action=commit" in str(entry["query"])
        and str(entry["status"]) in {"301", "200", "303"}
        for entry in world.server.log
    )


def _arrives(world: DropWorld, **more: Any) -> None:
    sent = uids(world.study())

    report = world.sync(**more)

    part = unit_of(only(report))
    assert report.exit_code == 0, (report.errors, part.unit)
    assert world.archived("SUB1_MR_20260301") == sent
    assert part.receipt is not None
    assert part.receipt.held == len(sent)
    assert world.in_drop() == set()
    assert not world.site.prearchive.rows


@pytest.mark.parametrize("where", [IMPORT, BUILD, COMMIT])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 503, "headers": {"Retry-After": "1"}},
        {"kind": "status", "status": 502},
        {"kind": "login_page"},
        {"kind": "cut_request", "bytes": 1000},
        {"kind": "cut_response"},
        {"kind": "lost_reply"},
    ],
    ids=lambda fault: f"{fault['kind']}{fault.get('status', '')}",
)
def test_a_write_that_fails_once_ends_in_the_same_state(world: DropWorld, where: str, fault: dict[str, Any]) -> None:
    struck = world.fault("POST", where, **fault)

    _arrives(world)

    assert struck.hits == 1
    assert len(world.site.experiments) == 1


@pytest.mark.parametrize("fault", ["login_page", "cut_response", "lost_reply"])
@pytest.mark.parametrize("after", range(8))
def test_a_read_that_fails_once_ends_in_the_same_state(world: DropWorld, fault: Any, after: int) -> None:
    struck = world.fault("GET", LISTING, fault, after=after)

    _arrives(world)

    assert struck.hits == 1


def test_a_lost_reply_to_the_archiving_is_not_asked_twice(world: DropWorld) -> None:
    struck = world.fault("POST", COMMIT, "lost_reply")

    _arrives(world)

    assert struck.hits == 1
    assert sum("action=commit" in str(entry["query"]) for entry in world.server.log) == 1


@pytest.mark.parametrize("status", [400, 405, 406, 409, 413, 415, 417, 422, 451])
def test_a_final_refusal_of_the_archiving_is_asked_for_once(world: DropWorld, status: int) -> None:
    """The row shows no conflict: nothing else will, and a person's `retry` asks once more."""
    sent = uids(world.study())
    fault = world.fault("POST", COMMIT, "status", status=status, times=1000, body="<html><h3>No.</h3></html>")

    report = world.sync()

    row = held(report)
    assert (report.exit_code, row.code, fault.hits) == (3, "XS-REQUEST-REFUSED", 1)
    assert f"answered {status}" in (row.detail or "")
    assert world.sync().exit_code == 3
    assert fault.hits == 1
    release(load(world.config), ["1"])
    assert world.sync().exit_code == 3
    assert fault.hits == 2
    world.server.faults.clear()
    release(load(world.config), ["1"])
    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == sent
    assert _commits(world) == 1


def test_a_wrong_password_is_told_once_and_holds_nothing(world: DropWorld) -> None:
    world.study()
    world.monkeypatch.setenv("XNATSYNC_S_PASSWORD", "wrong")

    report = world.sync()

    assert report.exit_code == 6
    assert [error.code for error in report.errors] == ["XS-AUTH-REFUSED"]
    world.monkeypatch.setenv("XNATSYNC_S_PASSWORD", "secret")
    assert world.sync().exit_code == 0


def test_a_server_that_is_away_is_temporary_and_counts_no_try(world: DropWorld) -> None:
    world.study()
    world.server.stop()

    report = world.sync(patience_s=0.5)

    assert report.exit_code == 5
    assert unit_of(only(report)).unit.tries == 0
    assert unit_of(only(report)).unit.hold is None


def test_a_project_that_was_deleted_meanwhile_is_not_a_missing_right(world: DropWorld) -> None:
    """XNAT answers 403 for the prearchive of a project that is gone: nobody is told to ask its owners for a right."""
    world.study("exam", series=(1,))
    world.fault("POST", "/data/services/import", "status", times=1, status=503)
    assert world.sync(patience_s=0.0).exit_code == 5
    world.delete("/data/projects/P1")

    report = world.sync(patience_s=20.0)

    unit = unit_of(only(report)).unit
    assert (unit.code, report.exit_code) == ("XS-NOT-THERE", 3)
    assert "the project P1 is not on the server" in (unit.detail or "")
