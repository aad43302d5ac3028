"""Every way out has its exit code, its code and its advice."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from cli_world import REPOSITORY, World, plain_environment, silent_port
from xnatsync.core.errors import Bug
from xnatsync.ledger.lock import hold
from xnatsync.sandbox.http.faults import Fault


def test_nothing_held_is_0(box: World) -> None:
    """Everything delivered: 0."""
    box.study("good")

    assert box.run("sync").code == 0


def test_something_held_is_3(box: World) -> None:
    """Something waits for a person: 3, in this run and in the next."""
    box.study("unnamed", "")

    assert (box.run("sync").code, box.run("sync").code) == (3, 3)


def test_a_missing_configuration_is_2(box: World) -> None:
    """No configuration file: 2, and how to name one."""
    box.config.unlink()

    ran = box.run("sync")

    assert ran.code == 2
    assert "[XS-CONFIG]" in ran.err
    assert "--config FILE" in ran.err


def test_a_wrong_configuration_is_2(box: World) -> None:
    """Each problem is named with its line."""
    box.configure(route='setle = "1s"')

    ran = box.run("sync")

    assert ran.code == 2
    assert "routes.scanner.setle: there is no such key; did you mean settle?" in ran.err
    assert "what to do: " in ran.err


def test_an_unknown_route_is_2(box: World) -> None:
    """A route that is not configured: 2."""
    ran = box.run("sync", "scaner")

    assert ran.code == 2
    assert "error: no route is called scaner; configured: scanner  [XS-ROUTE-UNKNOWN]" in ran.err


@pytest.mark.parametrize(
    "arguments", [["sync", "--settle", "soon"], ["sync", "--patience", "1parsec"], ["sync", "--fast"]]
)
def test_a_wrong_option_is_2(arguments: list[str], box: World) -> None:
    """What is no duration or no option: 2."""
    ran = box.run(*arguments)

    assert ran.code == 2
    assert "[XS-USAGE]" in ran.err


def test_an_unreachable_server_is_5(box: World) -> None:
    """No connection: 5, and the item is left as it is."""
    box.study("good")
    with silent_port() as port:
        box.configure(url=f"http://127.0.0.1:{port}")
        ran = box.run("sync", "--patience", "0s")

    assert ran.code == 5
    assert "[XS-SERVER-UNREACHABLE]" in ran.err + ran.out
    assert (box.drop / "good").is_dir()


def test_a_wrong_password_is_6(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused credentials: 6, asked once, nothing held."""
    box.study("good")
    monkeypatch.setenv("XNATSYNC_BOX_PASSWORD", "wrong")

    ran = box.run("sync")

    assert ran.code == 6
    assert "[XS-AUTH-REFUSED]" in ran.out + ran.err
    assert "wrong" not in ran.out + ran.err


def test_a_missing_drop_folder_is_7(box: World) -> None:
    """The drop folder is not there: 7, and nothing is concluded about its items."""
    box.study("unnamed", "")
    box.run("sync")
    box.drop.rename(box.root / "elsewhere")

    ran = box.run("sync")

    assert ran.code == 7
    assert "[XS-FOLDER-MISSING]" in ran.out + ran.err
    assert "unnamed" in box.run("status").out


def test_a_ledger_in_use_is_8(box: World) -> None:
    """Another instance is at work: 8; reading works meanwhile."""
    box.study("good")
    with hold(box.root / "ledger.db"):
        ran = box.run("sync")
        plan = box.run("plan")
        status = box.run("status")

    assert ran.code == 8
    assert "[XS-LEDGER-HELD]" in ran.err
    assert (plan.code, status.code) == (0, 0)


def test_our_own_mistake_is_1(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception: 1, XS-BUG, where it happened, no trace and not its message; `-v` shows the trace."""

    def broken(*_: object) -> None:
        raise KeyError("Secret^Name")

    monkeypatch.setattr("xnatsync.app.status.overview", broken)

    plain, verbose = box.run("status"), box.run("-v", "status")

    assert (plain.code, verbose.code) == (1, 1)
    assert "unexpected KeyError in test_exits.py, line " in plain.err
    assert f"[{Bug.code}]" in plain.err
    assert "Secret^Name" not in plain.err
    assert "Traceback" not in plain.err
    assert "Traceback" in verbose.err


def test_the_log_of_our_own_mistake_holds_no_message(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log says where, and the class of the exception, never its message."""

    def broken(*_: object) -> None:
        raise KeyError("Secret^Name")

    monkeypatch.setattr("xnatsync.app.status.overview", broken)

    box.run("--log-file", str(box.root / "log"), "status")

    log = (box.root / "log").read_text(encoding="utf-8")
    assert "in broken" in log
    assert "KeyError" in log
    assert "Secret" not in log


def test_an_interrupt_is_130(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in a command that has nothing to bring to an end: 130, without a word."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("xnatsync.app.status.overview", interrupted)

    ran = box.run("status")

    assert (ran.code, ran.out) == (130, "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_ends_in_order_when_told_to(number: signal.Signals, code: int, box: World) -> None:
    """A signal ends a waiting run: its summary is printed, its exit code is the signal's, and the next run goes on."""
    box.study("good")
    with subprocess.Popen(
        box.command("sync", "--settle", "1h"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=REPOSITORY, env=plain_environment(),
    ) as process:  # fmt: skip
        assert process.stderr is not None
        while "settles after" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)

    assert code == process.returncode
    assert "interrupted: run it again to go on" in out
    assert box.run("sync").code == 0


def test_a_reader_that_goes_away_is_no_mistake(box: World) -> None:
    """Output into a closed pipe ends quietly."""
    box.study("good")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(
            box.command("plan", "-q"), stdout=closed, stderr=subprocess.PIPE, text=True, timeout=60, cwd=REPOSITORY,
            env=plain_environment(),
        )  # fmt: skip

    assert "Traceback" not in done.stderr
    assert "XS-BUG" not in done.stderr


def test_a_server_that_is_unwell_is_5(box: World) -> None:
    """503 until the patience ends: 5; when it is well again the same item goes through."""
    box.study("good")
    box.server.faults.add(Fault("ANY", "/data/", "status", times=1000, status=503))

    ran = box.run("sync", "--patience", "0s")
    box.server.faults.clear()

    assert ran.code == 5
    assert "[XS-SERVER-UNWELL]" in ran.out + ran.err
    assert box.run("sync").code == 0
