"""`verify` and the other commands that only look, beside a `sync` in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mirror_world import MirrorWorld, some_bytes
from ports_between import app_between
from verify_world import flip, look, only, untouched
from xnatsync.core.verification import Verdict
from xnatsync.ledger.lock import hold
from xnatsync.ledger.open import open_ledger

PATIENCE_S = 120.0
HELD_S = 1800.0  # an answer is held for as long as other commands take, on however busy a machine
FIRST = "P1/S1/S1_MR/scans/1/resources/NIFTI/files/1.nii"
URL = "experiments/{number}/scans/1/resources/NIFTI/files/{name}"


@contextmanager
def started(world: MirrorWorld, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Runs the program in a process of its own, which does not outlive the block."""
    arguments = [sys.executable, "-m", "xnatsync", "--config", str(world.config), *command]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def ended(world: MirrorWorld, *command: str) -> tuple[int, str, str]:
    """Runs a command to its end, in a process of its own."""
    with started(world, *command) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in err, err
    return process.returncode, out, err


@contextmanager
def held(world: MirrorWorld, path: str) -> Iterator[threading.Event]:
    """Lets the first such request wait as long as the block lasts; the event tells that it has come."""
    came, go_on = threading.Event(), threading.Event()

    def wait(_request: Any) -> None:
        came.set()
        assert go_on.wait(HELD_S)

    fault = world.fault("GET", path, "call", before=wait, times=1)
    try:
        yield came
    finally:
        fault.times = 0
        go_on.set()


@pytest.fixture
def replica(pulled: MirrorWorld) -> MirrorWorld:
    """A mirror that takes over what the server replaced, at rest."""
    pulled.configure(policy="replica", max_delete=100)
    text = pulled.config.read_text()
    pulled.config.write_text(text.replace("[servers.s]\n", f'[servers.s]\ntimeout = "{HELD_S:.0f}s"\n'))
    assert pulled.mirror().exit_code == 0
    return pulled


def test_verify_and_all_that_look_work_beside_a_running_sync(replica: MirrorWorld, tmp_path: Path) -> None:
    """They answer, and the run comes to its end; what would change something is refused (8)."""
    replica.upload(URL.format(number=replica.number, name="new.nii"), b"new")
    expected = tmp_path / "expected.json"
    expected.write_text(json.dumps({"S1_MR": 2}))
    looking = [
        ("verify",), ("verify", "--level", "bytes"), ("verify", "--repair", "--dry-run"), ("status",), ("why", FIRST),
        ("audit", str(expected), "-P", "P1"), ("mirror", "ls", "m"), ("mirror", "diff", "m", "1h ago"),
        ("mirror", "manifest", "m"), ("history",),
    ]  # fmt: skip
    with held(replica, "new.nii|format=zip") as came, started(replica, "sync") as running:
        assert came.wait(PATIENCE_S)
        looks = {command: ended(replica, *command) for command in looking}
        refused = ended(replica, "verify", "--repair")
        assert running.poll() is None
        with pytest.raises(Exception, match="another xnatsync works"), hold(replica.root / "ledger.db"):
            pass

    with started(replica, "sync") as second:
        second.communicate(timeout=PATIENCE_S)
    assert {command: found[0] for command, found in looks.items()} == dict.fromkeys(looking, 0), looks
    assert (refused[0], f"process {running.pid} on " in refused[2]) == (8, True), refused
    assert replica.mirror().exit_code == 0
    assert replica.files()[FIRST.replace("1.nii", "new.nii")] == b"new"
    assert untouched(look(replica))


def changes(world: MirrorWorld) -> dict[str, Callable[[], None]]:
    """What may happen on the server while we look, to be followed by a run."""
    where = URL.format(number=world.number, name="1.nii")
    session = "/data/projects/P1/subjects/S1/experiments/S1_MR"
    return {
        "replaced": lambda: world.upload(where, some_bytes("other", 777), overwrite=True),
        "new": lambda: world.upload(where.replace("1.nii", "new.nii"), b"new"),
        "removed": lambda: world.delete(where),
        "renamed": lambda: world.put(f"{session}?label=N_MR"),
        "a new scan": lambda: (
            world.put(f"{session}/scans/9?xsiType=xnat:mrScanData&type=T9"),
            world.upload(f"experiments/{world.number}/scans/9/resources/NIFTI/files/1.nii", b"nine"),
        )[0],
    }


@pytest.mark.parametrize("moment", ["between the looks", "while files are read"])
@pytest.mark.parametrize("change", ["replaced", "new", "removed", "renamed", "a new scan"])
def test_a_whole_sync_in_the_middle_of_verify_makes_no_difference(
    replica: MirrorWorld, change: str, moment: str
) -> None:
    """What both sides agree on meanwhile is the same; what we saw of either before counts for nothing."""
    codes: list[int] = []

    def meanwhile() -> None:
        changes(replica)[change]()
        codes.append(ended(replica, "sync")[0])

    if moment == "between the looks":  # the project is listed, the session is not
        replica.after("GET", "/data/(projects/P1|archive/projects/P1).*", meanwhile)
        report = look(replica, workers=1)
    else:

        def first(call: Callable[..., Any], *args: Any, **more: Any) -> Any:
            if not codes:
                meanwhile()
            return call(*args, **more)

        report = look(replica, app=app_between(replica.config, trees={"read": first}), workers=1)

    assert codes == [0]
    assert report.counts[Verdict.SAME] > 0
    assert [finding for _, finding in report.findings if finding.verdict is not Verdict.EXTRA] == []
    assert report.exit_code == 0, report.findings
    assert untouched(look(replica))


def test_damage_is_found_beside_a_run_too(replica: MirrorWorld) -> None:
    """A second look shows it as well: it is a difference, whoever is at work."""
    flip(replica.tree / FIRST)
    (replica.tree / FIRST.replace("1.nii", "2.nii")).unlink()
    replica.upload(f"experiments/{replica.number}/scans/2/resources/NIFTI/files/new.nii", b"new")

    with held(replica, "new.nii|format=zip") as came, started(replica, "sync") as running:
        assert came.wait(PATIENCE_S)
        report = look(replica)
        assert running.poll() is None

    assert report.exit_code == 4
    assert {(finding.key, finding.verdict) for _, finding in report.findings if finding.side == "tree"} == {
        (FIRST, Verdict.DIFFERS),
        (FIRST.replace("1.nii", "2.nii"), Verdict.MISSING),
    }


def test_what_a_run_has_announced_is_neither_missing_nor_different(replica: MirrorWorld) -> None:
    """It is in the trash and not written down yet: nobody can say whether that run lives."""
    with replica.opened_ledger() as ledger:
        version = ledger.find_living("m", FIRST)
        assert version is not None
    ledger = open_ledger(replica.root / "ledger.db")
    try:
        run = ledger.start_run("command", 1, "boot", "0", "2026-01-01T00:00:00.000Z")
        ledger.announce_trash({version.id: f"2026-01-01/{version.id}/1.nii"})
        (replica.tree / FIRST).unlink()

        report = look(replica)
        assert (only(report).verdict, report.exit_code) == (Verdict.UNVERIFIABLE, 5)

        ledger.end_run(run, "interrupted", {}, "2026-01-01T00:00:01.000Z")
        report = look(replica)
        assert (only(report).verdict, report.exit_code) == (Verdict.MISSING, 4)
    finally:
        ledger.close()


def test_an_older_ledger_is_not_brought_up_to_date_under_the_hands_of_a_run(replica: MirrorWorld) -> None:
    """Whoever works with it knows other tables: 8, and nothing is changed."""
    import sqlite3

    from xnatsync.core.errors import LedgerHeld

    path = replica.root / "ledger.db"
    raw = sqlite3.connect(path, isolation_level=None)
    version = raw.execute("pragma user_version").fetchone()[0]
    raw.execute(f"pragma user_version = {version - 1}")
    try:
        with hold(path), pytest.raises(LedgerHeld):
            open_ledger(path, beside=True)
        assert raw.execute("pragma user_version").fetchone()[0] == version - 1
    finally:
        raw.execute(f"pragma user_version = {version}")
        raw.close()
    with hold(path):
        open_ledger(path, beside=True).close()
