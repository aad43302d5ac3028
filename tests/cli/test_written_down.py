"""What a person changes on a server is in the diary, with its outcome, where there is a ledger; and nothing else is."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cli_world import World
from xnatsync.app.profile import Profile, choose
from xnatsync.app.written_down import NotWrittenDown, written_down
from xnatsync.core.errors import LedgerDamaged, OutcomeUnknown


@pytest.fixture
def profile(box: World) -> Profile:
    """Of a configuration whose ledger is begun."""
    box.study("one")
    assert box.run("sync").code == 0
    return choose(box.config, None)


def lines(box: World) -> list[dict[str, Any]]:
    document = json.loads(box.run("history", "-o", "json").out)
    return [event for event in document["events"] if event["code"] == "session.deleted"]


def test_what_was_done_is_written_down(box: World, profile: Profile) -> None:
    """To what, where, and as whom; with what the effect told."""
    with written_down(profile, "session.deleted", "delete session XNAT_E00001", project="DEMO") as told:
        told["scans"] = 2

    (line,) = lines(box)
    assert line["text"] == "delete session XNAT_E00001, as admin on server box: done"
    assert (line["level"], line["data"]["scans"], line["data"]["outcome"]) == ("warning", 2, "done")


def test_a_failure_is_written_down_and_goes_on(box: World, profile: Profile) -> None:
    """With its code, never as done; an interruption too."""
    for failure in (OutcomeUnknown("no answer"), KeyboardInterrupt()):
        with (
            pytest.raises(type(failure)),
            written_down(profile, "session.deleted", "delete session XNAT_E00001"),
        ):
            raise failure

    assert {line["data"]["outcome"] for line in lines(box)} == {"KeyboardInterrupt", "XS-OUTCOME-UNKNOWN"}
    assert "done" not in str([line["text"] for line in lines(box)])


def test_no_ledger_is_begun(box: World) -> None:
    """Nor is anything written for a client without a configuration."""
    for profile in (choose(box.config, None), None):
        with written_down(profile, "session.deleted", "delete session XNAT_E00001"):
            pass

    assert not (box.root / "ledger.db").exists()


def test_a_damaged_ledger_stops_the_effect(box: World, profile: Profile) -> None:
    """Before it: nothing is done that could not be written down."""
    Path(profile.config.ledger.path).write_bytes(b"no ledger" * 1000)
    for beside in box.root.glob("ledger.db-*"):
        beside.unlink()
    done = []

    with pytest.raises(LedgerDamaged), written_down(profile, "session.deleted", "delete session XNAT_E00001"):
        done.append(1)
    assert not done


def test_a_line_that_cannot_be_written_denies_nothing(
    box: World, profile: Profile, recwarn: pytest.WarningsRecorder
) -> None:
    """The effect has happened: it is told as a warning, and the command does not fail."""
    with written_down(profile, "session.deleted", "delete session XNAT_E00001") as told:
        with sqlite3.connect(profile.config.ledger.path) as other:
            other.execute("create trigger refuse before insert on event begin select raise(abort, 'full'); end")
        other.close()
        told["scans"] = 1

    assert [str(warning.message) for warning in recwarn if warning.category is NotWrittenDown]
    assert lines(box) == []


def edits(box: World) -> list[tuple[str, str, object]]:
    """The lines that tell of edits of the configuration, in the order of time."""
    events = json.loads(box.run("history", "-o", "json").out)["events"]
    found = [event for event in events if event["code"].startswith("config.")]
    return [(event["code"], event["data"]["server"], event["data"].get("fields")) for event in found]


def test_edits_of_the_configuration_are_written_down(box: World, profile: Profile) -> None:
    """One line for each that was made, with the names of keys and no value; none for a dry run or a refusal."""
    assert box.run("config", "add-profile", "far", "--url", "https://x.example.org", "--user", "jane").code == 0
    assert box.run("config", "add-profile", "far", "--project", "NEURO").code == 0
    assert box.run("config", "add-profile", "far", "--url", "https://me:secret@x.example.org").code == 2
    assert box.run("config", "use-context", "far").code == 0
    assert box.run("config", "use-context", "nobody").code == 2
    assert box.run("config", "remove-profile", "far", "--dry-run").code == 0
    assert box.run("config", "remove-profile", "far", "--yes").code == 0
    assert box.run("config", "remove-profile", "box", "--yes").code == 2  # a route needs it

    assert edits(box) == [
        ("config.server-added", "far", ["url", "user"]),
        ("config.server-changed", "far", ["project"]),
        ("config.default-server", "far", None),
        ("config.server-removed", "far", None),
    ]
    told = box.run("history", "-o", "json").out
    assert not [word for word in ("secret", "jane", "NEURO") if word in told]


def test_an_edit_stands_where_the_ledger_does_not(box: World, profile: Profile) -> None:
    """A damaged one is told, and may be what is to be mended; where there is none, none is begun."""
    Path(profile.config.ledger.path).write_bytes(b"no ledger" * 1000)
    for beside in box.root.glob("ledger.db-*"):
        beside.unlink()

    ran = box.run("config", "use-context", "box")

    assert (ran.code, 'server = "box"' in box.config.read_text()) == (0, True)
    assert "not written into the diary" in ran.err
    Path(profile.config.ledger.path).unlink()
    assert box.run("config", "use-context", "box").code == 0
    assert not Path(profile.config.ledger.path).exists()
