"""`service`, `status --healthy` and `run --check-config`: what an administrator sets the agent up with."""

from __future__ import annotations

import json
import os
import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli_world import World
from xnatsync.app.running import boot
from xnatsync.app.service_install import marked, state_of
from xnatsync.core.moment import stamp
from xnatsync.ledger.agents import AgentRow
from xnatsync.ledger.open import open_ledger


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def units(box: World) -> tuple[str, ...]:
    return ("--manager", "systemd", "--system", "--folder", str(box.root / "units"))


def unit(box: World) -> Path:
    return box.root / "units" / "xnatsync.service"


def diary(box: World) -> list[str]:
    with closing(open_ledger(box.root / "ledger.db", read_only=True)) as ledger:
        return [event.code for event in ledger.events()]


def test_what_is_installed_is_what_a_dry_run_prints_and_the_diary_has_it(box: World) -> None:
    """Nothing is written by a dry run; a second installation changes nothing, and a changed configuration renews it."""
    box.study("good")
    assert box.run("sync").code == 0
    dry = box.run("service", "install", *units(box), "--dry-run")
    assert (dry.code, unit(box).exists()) == (0, False)
    assert "systemctl enable --now xnatsync" in dry.err

    ran = box.run("service", "install", *units(box), "-o", "json")
    assert (ran.code, ran.document["changed"], unit(box).read_text("utf-8")) == (0, True, dry.out)
    assert oct(unit(box).stat().st_mode & 0o777) == "0o644"
    assert f"ReadWritePaths=-{box.root}\n" in dry.out  # the folder of the ledger, and with it the drop folder
    assert not box.run("service", "install", *units(box), "-o", "json").document["changed"]
    assert box.run("service", "status", *units(box)).code == 0

    box.config.write_text(box.config.read_text("utf-8").replace(str(box.drop), "/srv/other"), "utf-8")
    assert box.run("service", "status", *units(box)).code == 4
    assert box.run("service", "install", *units(box)).code == 0
    assert "ReadWritePaths=-/srv/other\n" in unit(box).read_text("utf-8")
    assert diary(box).count("service.installed") == 2


def test_a_unit_reaches_the_file_of_metrics_and_the_addresses_of_notifications(box: World) -> None:
    """It may write beside the metrics, and systemd loads the secrets that lie among its credentials."""
    place = "/run/credentials/xnatsync.service"
    lines = f'[agent]\nmetrics_file = "/srv/prom/x.prom"\nheartbeat_file = "{place}/beat.url"\n'
    lines += f'[notify.ops]\nurl_file = "{place}/ops.url"\n[notify.other]\nurl_file = "/etc/other.url"\n'
    box.config.write_text(box.config.read_text("utf-8") + lines, "utf-8")

    made = box.run("service", "install", *units(box), "--dry-run").out

    assert "ReadWritePaths=-/srv/prom\n" in made
    loaded = [line for line in made.splitlines() if line.startswith("LoadCredential=")]
    assert loaded == [f"LoadCredential={name}:/etc/xnatsync/{name}" for name in ("beat.url", "ops.url")]


@pytest.mark.parametrize("what", ["edited", "foreign"])
def test_a_unit_that_is_not_ours_any_more_stays(what: str, box: World) -> None:
    """Neither replaced nor removed, but with --force; `status` says so."""
    assert box.run("service", "install", *units(box)).code == 0
    text = unit(box).read_text("utf-8").replace("Nice=5", "Nice=1")
    unit(box).write_text(text if what == "edited" else "[Service]\nExecStart=/bin/true\n", "utf-8")
    before = unit(box).read_bytes()

    for words in ("install", "uninstall"):
        ran = box.run("service", words, *units(box))
        assert (ran.code, "[XS-PLACE-TAKEN]" in ran.err) == (3, True), ran.err
        assert "drop-in" in ran.err
    assert unit(box).read_bytes() == before
    seen = box.run("service", "status", *units(box), "-o", "json")
    assert (seen.code, seen.document["state"]) == (4, what)
    assert box.run("service", "uninstall", *units(box), "--force").code == 0
    assert not unit(box).exists()


def test_a_unit_that_is_enabled_is_stopped_before_it_is_removed(box: World) -> None:
    """Else systemd would go on with what no file describes; the command for it is printed."""
    assert box.run("service", "install", *units(box)).code == 0
    wants = box.root / "units" / "multi-user.target.wants"
    wants.mkdir()
    (wants / "xnatsync.service").symlink_to(unit(box))
    assert box.run("service", "status", *units(box), "-o", "json").document["enabled"] is True

    refused = box.run("service", "uninstall", *units(box))
    assert (refused.code, "systemctl disable --now xnatsync" in refused.err) == (2, True)
    assert unit(box).exists()
    (wants / "xnatsync.service").unlink()
    assert box.run("service", "uninstall", *units(box)).code == 0
    assert box.run("service", "uninstall", *units(box)).code == 0  # nothing is there any more


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "what is in the environment"),
        ('password_source = "prompt"', "asks a person"),
        ('password_source = "keyring"', "keyring of a person"),
        ('password_source = "file"\npassword_file = "/run/credentials/xnatsync.service/box.password"',
         "/etc/xnatsync/box.password is not there"),
        ('password_file = "/nowhere/password"', "/nowhere/password is not there"),
    ],
)  # fmt: skip
def test_how_the_password_reaches_the_service_is_said(lines: str, words: str, box: World) -> None:
    """And what lies in the unit's own folder of credentials is loaded by systemd."""
    box.configure(server=lines)
    ran = box.run("service", "install", *units(box), "--dry-run", "-o", "json")

    assert [note for note in ran.document["notes"] if note.startswith("server box: ") and words in note]
    loads = "LoadCredential=box.password:/etc/xnatsync/box.password" in ran.document["text"]
    assert loads == ("/run/credentials" in lines)


@pytest.mark.parametrize("words", [["--name", "a/b"], ["--account", "a b"], ["--user", "--account", "x"]])
def test_what_no_manager_takes_is_refused(words: list[str], box: World) -> None:
    assert box.run("service", "install", "--folder", str(box.root / "units"), *words).code == 2
    assert not (box.root / "units").exists()


@pytest.mark.parametrize("text", ["[Unit]\nA=1\n", '<?xml version="1.0"?>\n<plist/>\n', "@echo off\r\nshawl add\r\n"])
def test_a_mark_tells_what_was_changed(text: str) -> None:
    """Any byte of it, in each kind of file."""
    ours = marked(text)
    assert state_of(ours) == "ours"
    assert state_of(text) == "foreign"
    assert {state_of(ours + " "), state_of(ours.replace(text[-3:], "x" + text[-3:]))} == {"edited"}
    assert ours.startswith((text[:2], "# "))


# --- health ------------------------------------------------------------------------------------------------------


def told(box: World, *, pid: int | None = None, silent_s: float = 0.0, **more: object) -> None:
    """What an agent last said of itself."""
    now = datetime.now(UTC) - timedelta(seconds=silent_s)
    words = {"state": "at work", "well": True, "watching": {}, "refused": None, "next": {}, **more}
    with closing(open_ledger(box.root / "ledger.db", beside=True)) as ledger:
        since, beat = stamp(datetime.now(UTC)), stamp(now)
        ledger.beat(AgentRow(os.getpid() if pid is None else pid, boot(), since, beat, json.dumps(words)))


def test_health_is_one_sentence_and_an_exit_code(box: World) -> None:
    """Whatever is wrong with the agent; a configuration that was broken since is not the agent's fault."""
    ran = box.run("status", "--healthy")
    assert (ran.code, "none ever worked" in ran.out) == (5, True)
    box.study("good")
    assert box.run("sync").code == 0
    for more, code, words in (
        ({}, 0, "the agent is at work as process"),
        ({"pid": 2**22 + 7}, 5, "no agent runs: the last one"),
        ({"silent_s": 100.0}, 5, "has not said since"),
        ({"silent_s": -100.0}, 5, "has not said since"),
        ({"well": False}, 5, "has not gone forward"),
        ({"refused": {"since": "2026-01-01T00:00:00.000Z", "why": "x"}}, 0, "configuration was refused"),
    ):
        told(box, **more)  # type: ignore[arg-type]
        ran = box.run("status", "--healthy")
        assert (ran.code, len(ran.out.splitlines())) == (code, 1), (more, ran)
        assert words in ran.out
    told(box)
    box.config.write_text(box.config.read_text("utf-8").replace('"drop"', '"drip"'), "utf-8")
    assert box.run("status", "--healthy").code == 0
    box.config.write_text("[ledger\n", "utf-8")
    assert box.run("status", "--healthy").code == 2
    assert box.run("status", "--healthy", "scanner").code == 2


# --- run ---------------------------------------------------------------------------------------------------------


def test_check_config_looks_at_all_that_the_agent_needs_and_asks_no_server(box: World) -> None:
    """Only what the agent refuses makes it fail: a drive may be away while the agent reloads."""
    box.server.stop()
    table, manifest = box.root / "worklist.csv", box.root / "expected.json"
    table.write_text("id,project\n1,A\n1,B\n", "utf-8")
    box.configure(
        route='[[routes.scanner.rules]]\nwhen = { PatientID = "(?P<id>.*)" }\nproject = "X"\n',
        server='password_source = "file"\npassword_file = "/nowhere/password"',
    )
    with box.config.open("a", encoding="utf-8") as config:
        config.write(
            '[jobs.weekly]\nrun = "audit"\nschedule = "0 3 * * 0"\nserver = "box"\nproject = "DEMO"\n'
            f'manifest = "{manifest}"\n'
        )
    before = len(box.server.log)
    text = box.config.read_text("utf-8")
    box.config.write_text(re.sub(r"\[\[routes.scanner.rules\]\]\n.*\n.*\n", "", text), "utf-8")
    box.drop.rename(box.root / "away")

    ran = box.run("run", "--check-config", "-o", "json")

    assert ran.code == 0, ran.err
    wrong = {check["name"] for check in ran.document["checks"] if check["state"] == "problem"}
    assert wrong == {"server box", "route scanner", "job weekly"}
    assert len(box.server.log) == before
    assert not (box.root / "ledger.db").exists()
    box.config.write_text(text.replace('"drop"', '"drip"'), "utf-8")
    assert box.run("run", "--check-config").code == 2


def test_a_place_of_the_log_that_makes_no_sense_is_refused_before_anything_begins(box: World) -> None:
    one, two = str(box.root / "one"), str(box.root / "two")
    for words in (["--log", one, "--log-file", two], ["--log-size", "much"], ["--log-keep", "0"], ["--log-level", "x"]):
        assert box.run("run", "--check-config", *words).code == 2
    assert not (box.root / "ledger.db").exists()
