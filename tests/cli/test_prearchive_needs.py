"""`prearchive` beside our own deliveries: no row is taken from under one without a word, and never from a run."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cli_fields import document_faults
from cli_world import World
from xnatsync import XNATClient
from xnatsync.core.errors import Exit
from xnatsync.ledger.lock import hold
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.model.creation import create_project
from xnatsync.services import errors

DEEDS = ("delete", "archive", "rebuild", "move")


def delivered(box: World, *, refused: bool = True, released: bool = False) -> tuple[str, ...]:
    """A delivery whose archiving was refused, so that it waits for a person, or that is to end in the prearchive.

    `released`: the person has said that it may go on, and no run has begun.
    """
    box.configure(route="" if refused else 'destination = "prearchive"\nafter = "keep"')
    box.study("one")
    if refused:
        box.server.faults.add(Fault("POST", "action=commit", "status", status=403, times=99))
    box.run("sync")
    box.server.faults.clear()
    if released:
        assert box.run("retry", "1").code == 0
    return tuple(box.run("prearchive", "list", "-q").out.strip().split("/")[-3:])


def acted(box: World, mark: int) -> list[str]:
    """What was asked of the server that changes a row of the prearchive."""
    asked = [(str(line["method"]), str(line["path"])) for line in box.server.log[mark:]]
    return [f"{method} {path}" for method, path in asked if method in {"POST", "DELETE"} and "JSESSION" not in path]


@pytest.mark.parametrize("deed", DEEDS)
def test_a_row_of_a_delivery_under_way_is_not_taken_by_the_way(box: World, deed: str) -> None:
    """The item is named, with the command that tells more; with a yes it is done, and the item comes to its end."""
    place = delivered(box, released=True)
    create_project(box.server.site, "OTHER", next(iter(box.server.site.accounts)))
    command = ("prearchive", deed, *place, *(["OTHER"] if deed == "move" else []))
    mark = len(box.server.log)

    refused = box.run(*command, "-o", "json")

    assert refused.code == 2
    assert "item 1" in refused.err or "item 1" in refused.out
    assert "why 1" in refused.out
    assert acted(box, mark) == []
    with hold(box.root / "ledger.db"):  # a run is at work
        locked = box.run(*command, "--yes")
        assert (locked.code, "XS-LEDGER-HELD" in locked.err) == (Exit.LOCKED, True), locked
        assert acted(box, mark) == []

    assert box.run(*command, "--yes").code == 0
    assert len(acted(box, mark)) == 1


@pytest.mark.parametrize("deed", ["archive", "delete"])
def test_what_waits_for_a_person_is_the_persons(box: World, deed: str) -> None:
    """With a yes, also while a run is at work: no run touches it before it is released."""
    place = delivered(box)
    command = ("prearchive", deed, *place)

    refused = box.run(*command)
    with hold(box.root / "ledger.db"):
        done = box.run(*command, "--yes")

    assert refused.code == 2
    assert "waits there for a decision (XS-ACCESS-DENIED" in " ".join(refused.err.split())
    assert done.code == 0, done.err
    released = box.run("retry", "1")
    ran = box.run("sync")
    assert (released.code, ran.code) == (0, 0), (released, ran)
    assert len(box.server.site.experiments) == 1


def test_what_was_proven_there_is_told_before_it_is_deleted(box: World) -> None:
    """It may be the only copy; archiving it is what it waits for, and needs no word."""
    place = delivered(box, refused=False)

    planned = box.run("prearchive", "delete", *place, "--dry-run", "-o", "json")
    people = box.run("prearchive", "delete", *place, "--dry-run")
    refused = box.run("prearchive", "delete", *place)

    assert (planned.code, planned.document["items"], document_faults(planned.document)) == (0, [1], [])
    assert "item 1 was delivered into it and proven there" in people.out
    assert "item 1 was delivered into it and proven there" in " ".join(refused.err.split())
    assert refused.code == 2
    assert box.run("prearchive", "archive", *place).code == 0


def test_a_row_that_our_upload_may_have_made_counts_too(box: World) -> None:
    """No run has looked since: the ledger does not know the address yet, or knows another study's."""
    place = delivered(box, released=True)
    with closing(sqlite3.connect(box.root / "ledger.db")) as ledger, ledger:
        ledger.execute("update unit set prearchive = null")

    refused = box.run("prearchive", "delete", *place)
    box.server.site.prearchive.find(*place).tag = "1.2.3"  # type: ignore[union-attr]
    by_label = box.run("prearchive", "delete", *place)

    for ran in (refused, by_label):
        assert (ran.code, "goes perhaps on through it" in " ".join(ran.err.split())) == (2, True), ran


def test_scripts_are_told_as_well(box: World) -> None:
    """The service refuses what the command asks about; a row of nobody of ours is deleted as ever."""
    place = delivered(box, released=True)
    with XNATClient.from_profile("box", config_file=box.config) as client:
        with pytest.raises(errors.XnatsyncError, match="item 1") as refused:
            client.prearchive.delete(*place)
        assert refused.value.code == "XS-DECLINED"
        assert [need.item for need in client.prearchive.needs(*place)] == [1]
        assert client.prearchive.delete(*place, although_needed=True)


def test_a_ledger_that_cannot_be_read_stops_the_deed(box: World) -> None:
    """Nothing is taken from a delivery that cannot be asked about."""
    place = delivered(box, released=True)
    for file in Path(box.root).glob("ledger.db-*"):
        file.unlink()
    (box.root / "ledger.db").write_bytes(b"no ledger" * 1000)
    mark = len(box.server.log)

    ran = box.run("prearchive", "delete", *place, "--yes", "-o", "json")

    assert json.loads(ran.out)["error"]["code"] == "XS-LEDGER-DAMAGED"
    assert acted(box, mark) == []
