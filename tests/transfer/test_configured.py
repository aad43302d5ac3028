"""A transfer as a route of the configuration: `sync`, `plan`, `status`, `verify` and the agent's schedule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli_fields import document_faults
from transfer.commands_world import Desk, a_desk
from xnatsync.agent.deeds import jobs_of
from xnatsync.agent.jobs import Ended
from xnatsync.app.app import App
from xnatsync.config.load import load
from xnatsync.engine.progress import Progress
from xnatsync.views.certificate_page import signed

ROUTE = """
[routes.to_dev]
kind = "transfer"
server = "prod"
project = "NEURO"
to_server = "staging"
to_project = "NEURO_DEV"
schedule = "every 1h"
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with a_desk(tmp_path, monkeypatch, lambda: tuple(capsys.readouterr())) as found:  # type: ignore[arg-type,return-value]
        yield found


def configure(desk: Desk, text: str) -> None:
    place = desk.root / "config/xnatsync/xnatsync.toml"
    place.write_text(place.read_text() + text)


def document(desk: Desk, *words: str) -> dict[str, Any]:
    """What programs read, and every field of it is in the manual."""
    ran = desk.run(*words, "-o", "json")
    found: dict[str, Any] = json.loads(ran.out)
    assert document_faults(found) == []
    assert found.get("exit_code", ran.code) == ran.code
    return found


def written(desk: Desk) -> list[str]:
    return [one for one in desk.pair.target.writes() if "JSESSION" not in one]


def test_a_configured_transfer_is_run_by_sync(desk: Desk) -> None:
    """Planned, run, signed for, verified; the second run writes nothing; what is changed over there is found."""
    configure(desk, ROUTE)
    before = desk.pair.source.writes()
    (foreseen,) = document(desk, "plan")["transfers"]
    assert (foreseen["route"], foreseen["dry_run"], len(foreseen["steps"]) > 3) == ("to_dev", True, True)
    assert written(desk) == []

    (first,) = document(desk, "sync")["transfers"]

    assert (first["exit_code"], first["outcome"], first["certificate"]["outcome"]) == (0, "complete", "complete")
    many = len(written(desk))
    assert many > 10
    (again,) = document(desk, "sync", "to_dev")["transfers"]
    assert (again["certificate"]["new"], again["counts"].get("files", 0)) == (False, 0)
    assert len(written(desk)) == many
    assert document(desk, "plan", "to_dev")["transfers"][0]["files"] == 0
    (standing,) = [one for one in document(desk, "status")["routes"] if one["name"] == "to_dev"]
    assert standing["kind"] == "transfer"
    assert document(desk, "verify", "to_dev")["exit_code"] == 0
    assert len(written(desk)) == many

    desk.pair.target.put(
        "/data/projects/NEURO_DEV/subjects/S1/experiments/S1_MR", xsiType="xnat:mrSessionData", note="other"
    )
    many = len(written(desk))

    found = document(desk, "verify", "to_dev")

    assert (found["exit_code"], len(written(desk))) == (4, many)
    assert document(desk, "sync")["exit_code"] == 3
    assert [one for one in desk.pair.source.writes()[len(before) :] if "JSESSION" not in one] == []


def test_the_agent_runs_a_transfer_by_its_schedule(desk: Desk) -> None:
    """Its job does what `sync` does, and its exit code is noted."""
    configure(desk, ROUTE)
    app = App(load(desk.root / "config/xnatsync/xnatsync.toml"), sign=signed)
    bugs: list[str] = []

    with app.world({}, Progress(), cause="watch") as world:
        (job,) = jobs_of(app, world, Progress(), bugs.append)
        ended = job.act()
        signed_for = [row.outcome for row in world.ledger.certificates("to_dev")]

    assert (job.name, job.table is not None, ended) == ("to_dev", True, Ended(0))
    assert (bugs, signed_for) == ([], ["complete"])
    assert len(written(desk)) > 10


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('to_server = "staging"', 'to_server = "stagign"', "did you mean staging"),
        ('to_server = "staging"\n', "", "this key is required"),
        ('"staging"\nto_project = "NEURO_DEV"', '"prod"\nto_project = "NEURO"', "the source itself"),
    ],
)  # fmt: skip
def test_a_transfer_that_goes_nowhere_is_refused(desk: Desk, old: str, new: str, words: str) -> None:
    """Before anything is asked of a server."""
    configure(desk, ROUTE.replace(old, new))

    ran = desk.run("sync", "to_dev")

    assert ran.code == 2
    assert words in ran.err
    assert written(desk) == []


def test_what_verify_cannot_do_with_a_transfer_is_refused(desk: Desk) -> None:
    """Not passed over: another level and a repair are errors that say what to do."""
    configure(desk, ROUTE)
    assert desk.run("sync").code == 0
    many = len(written(desk))

    for words in (("--level", "bytes"), ("--repair",)):
        found = document(desk, "verify", "to_dev", *words)
        assert found["exit_code"] not in {0, 4}
        assert "to_dev" in found["errors"][0]["message"]
    assert len(written(desk)) == many


def test_a_source_that_is_not_there_is_told(desk: Desk) -> None:
    """As an error of the run, whose exit code counts it."""
    configure(desk, ROUTE.replace('"NEURO"', '"NOWHERE"'))

    for command in ("sync", "plan"):
        found = document(desk, command)
        assert found["exit_code"] != 0
        assert "NOWHERE" in found["errors"][0]["message"]
    assert written(desk) == []


def test_what_is_shown_of_a_transfer_speaks_of_both_sides(desk: Desk) -> None:
    """A route of the configuration is not called gone from it, and no tree holds what a server has."""
    configure(desk, ROUTE)
    assert desk.run("sync").code == 0

    status, why = desk.run("status"), desk.run("why", "S1_MR")

    assert (status.code, why.code) == (0, 0)
    assert "no longer configured" not in status.out
    assert "The destination holds 10 files of it" in why.out
    assert "tree" not in why.out
