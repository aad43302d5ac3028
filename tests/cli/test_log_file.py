"""`--log-file` holds when a run began, how it ended, and the code of each failure; never a name or a path."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest

from cli_world import World
from xnatsync.ledger.open import open_ledger
from xnatsync.sandbox.http.faults import Fault


def _log(box: World) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (box.root / "log").read_text(encoding="utf-8").splitlines()]


def _run(box: World, *arguments: str) -> list[dict[str, Any]]:
    code = box.run("--log-file", str(box.root / "log"), *arguments).code
    lines = _log(box)
    assert (lines[0]["code"], lines[0]["command"]) == ("run.began", arguments[0])
    assert (lines[-1]["code"], lines[-1]["exit_code"]) == ("run.ended", code)
    return lines


def _codes(lines: list[dict[str, Any]]) -> set[str]:
    return {str(line[key]) for line in lines for key in ("code", "cause") if line.get(key)}


def test_a_good_run_begins_and_ends(box: World) -> None:
    """With its exit code; nothing in between is a failure."""
    box.study("good")

    lines = _run(box, "sync")

    assert lines[-1]["exit_code"] == 0
    assert not [code for code in _codes(lines) if code.startswith("XS-")]


def test_every_line_of_the_diary_is_in_it(box: World) -> None:
    """By its number, once, in the order of the diary; no name, label or UID with it."""
    box.study("good")

    lines = [line for line in _run(box, "sync") if "event" in line]

    with closing(open_ledger(box.root / "ledger.db", read_only=True)) as ledger:
        events = {event.id: event for event in ledger.events()}
    assert [line["event"] for line in lines] == list(events)
    assert [line["code"] for line in lines] == [event.code for event in events.values()]
    assert {"item.seen", "unit.verified", "item.done"} <= {line["code"] for line in lines}
    for line in lines:
        about = events[line["event"]]
        told = {"code", "event", "level", "route", "run", "item", "unit", "at"}
        assert set(line) <= told, line
        assert (line["item"], line.get("unit")) == (about.item_id, about.unit_id)


def test_a_refused_password_is_in_it(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the whole server, and of the run."""
    box.study("good")
    monkeypatch.setenv("XNATSYNC_BOX_PASSWORD", "wrong")

    lines = _run(box, "sync")

    assert {"code": "XS-AUTH-REFUSED", "about": "server box"}.items() <= lines[-3].items() | lines[-2].items()
    assert lines[-1]["exit_code"] == 6


@pytest.mark.parametrize(
    ("status", "code"), [(502, "XS-OUTCOME-UNKNOWN"), (507, "XS-SERVER-UNWELL"), (403, "XS-ACCESS-DENIED")]
)
def test_each_failed_write_is_in_it(status: int, code: str, box: World) -> None:
    """Whatever becomes of the unit: looked at again, tried again, or held."""
    box.study("good")
    box.server.faults.add(Fault("POST", "/data/services/import", "status", times=1000, status=status))

    assert code in _codes(_run(box, "sync", "--patience", "3s"))


def test_what_is_held_is_in_it_and_no_name_is(box: World) -> None:
    """By number and code; neither the folder, the patient, the session nor the project."""
    box.study("Secret^Folder", "")
    box.study("good", "P77")

    lines = _run(box, "sync")

    assert "XS-LABEL-UNUSABLE" in _codes(lines)
    text = (box.root / "log").read_text(encoding="utf-8")
    assert not [word for word in ("Secret", "P77", "DEMO", str(box.root)) if word in text]


def test_what_fails_before_anything_begins_is_in_it(box: World) -> None:
    """A route that is not there, a ledger that is locked: code and exit code."""
    lines = _run(box, "sync", "nowhere")

    assert "XS-ROUTE-UNKNOWN" in _codes(lines)
    assert lines[-1]["exit_code"] == 2


def test_a_mirror_that_fails_is_in_it(box: World) -> None:
    """Failures of trees have codes too."""
    (box.root / "tree").mkdir()
    with box.config.open("a", encoding="utf-8") as config:
        config.write(
            f'\n[routes.copy]\nkind = "mirror"\nfolder = "{box.root / "tree"}"\nserver = "box"\nproject = "GONE"\n'
        )

    assert "XS-NOT-THERE" in _codes(_run(box, "sync", "copy"))
