"""The log of a service: rotated without a loss whoever else writes to it, reopened, and never in the way."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from xnatsync.report.journal import Journal
from xnatsync.report.log import Log, open_lasting_log
from xnatsync.report.log_files import RotatingFile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="names of open files")
LINE = '{"at": "2026-01-01T00:00:00.000Z", "level": "info", "code": "test", "number": %d}\n'


def numbers(folder: Path) -> list[int]:
    """What is in a log and its former files, in the order of the files."""
    found: list[int] = []
    for file in sorted(folder.glob("log*"), key=lambda path: -int(path.suffix[1:] or 0)):
        found += [json.loads(line)["number"] for line in file.read_text("utf-8").splitlines()]
    return found


def test_a_log_is_rotated_by_size_and_so_many_files_are_kept(tmp_path: Path) -> None:
    """Each for its owner alone; nothing is missing between the oldest that is kept and the newest."""
    file = tmp_path / "log"
    log = RotatingFile(file, 200, 3)
    for number in range(20):
        log.write(LINE % number)
    log.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2", "log.3"]
    kept = numbers(tmp_path)
    assert kept == list(range(kept[0], 20))
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tmp_path.iterdir())
    assert all(path.stat().st_size <= 200 for path in tmp_path.iterdir())

    again = RotatingFile(file, 200, 1)  # fewer are kept from now on
    for number in range(20, 24):
        again.write(LINE % number)
    again.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]


def test_two_that_write_to_one_log_lose_nothing(tmp_path: Path) -> None:
    """As when one life drains while the next one has begun, and commands append to the same file."""
    file, each, writers = tmp_path / "log", 150, 4

    def work(who: int) -> None:
        log = RotatingFile(file, 1_000, 1_000)
        for number in range(each):
            log.write(LINE % (who * each + number))
        log.close()

    threads = [threading.Thread(target=work, args=[who]) for who in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers(tmp_path)) == list(range(writers * each))
    assert len(list(tmp_path.iterdir())) > 1  # one that finds another at it writes on, and rotates later


def test_a_file_that_was_moved_away_is_left_at_once(tmp_path: Path) -> None:
    """By logrotate or a person: the next line is in a file of the old name, whether a signal came or not."""
    file = tmp_path / "log"
    log = RotatingFile(file, 10_000, 3)
    log.write(LINE % 1)
    file.rename(tmp_path / "moved")
    log.write(LINE % 2)
    file.unlink()
    log.write(LINE % 3)
    file.unlink()
    file.write_text("of somebody else\n")
    assert log.write(LINE % 4) == 0
    assert file.read_text("utf-8") == "of somebody else\n"
    file.unlink()
    log.write(LINE % 5)
    log.close()

    about, five = map(json.loads, file.read_text("utf-8").splitlines())
    assert (about["code"], about["lines"], five["number"]) == ("log.lost", 1, 5)
    assert '"number": 1}' in (tmp_path / "moved").read_text("utf-8")


def test_a_file_that_cannot_be_renamed_grows_on(tmp_path: Path) -> None:
    """Nothing is lost, and nothing fails; a folder in the way is never removed."""
    file = tmp_path / "log"
    (tmp_path / "log.1").mkdir()
    log = RotatingFile(file, 100, 1)
    for number in range(30):
        log.write(LINE % number)
    log.close()

    assert file.read_text("utf-8").count("\n") == 30


def test_a_full_disk_stops_nobody_and_how_much_was_lost_is_told(tmp_path: Path) -> None:
    """The next line that can be written says how many could not."""
    full, file = Path("/dev/full"), tmp_path / "log"
    if not full.exists():
        pytest.skip("there is no such device")
    file.symlink_to(full)
    log = RotatingFile(file, 1_000_000, 2)
    assert [log.write(LINE % number) for number in range(3)] == [0, 0, 0]
    file.unlink()
    assert log.write(LINE % 3)
    log.close()

    about, line = map(json.loads, file.read_text("utf-8").splitlines())
    assert (about["code"], about["lines"], about["level"]) == ("log.lost", 3, "error")
    assert line["number"] == 3


def test_a_line_that_was_cut_does_not_spoil_the_next(tmp_path: Path) -> None:
    """The rest of the disk took a part of it."""
    resource = pytest.importorskip("resource")
    file = tmp_path / "log"
    log = RotatingFile(file, 1_000_000, 2)
    log.write(LINE % 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 10, hard))
    try:
        log.write(LINE % 2)
        log.write(LINE % 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)
    log.write(LINE % 4)
    log.close()

    one, torn, about, four = file.read_text("utf-8").splitlines()
    assert (json.loads(one)["number"], json.loads(four)["number"]) == (1, 4)
    assert json.loads(about)["lines"] == 2
    with pytest.raises(ValueError, match=r".*"):
        json.loads(torn)


@pytest.mark.parametrize(("level", "codes"), [("info", 4), ("warning", 3), ("error", 2)])
def test_what_is_less_grave_than_asked_for_is_left_out(level: Any, codes: int, tmp_path: Path) -> None:
    with open_lasting_log(str(tmp_path / "log"), level, 1_000_000, 2) as log:
        log.began("run")
        log._moved("unit", 7, "planned", "person", "XS-LABEL-UNUSABLE")
        log.failed("XS-DISK-FULL", "unit 7")
        log.bug('Traceback\n  File "x.py", line 1, in f\nValueError: Nomen^Nescio')
    text = (tmp_path / "log").read_text("utf-8")

    assert text.count("\n") == codes
    assert "Nomen" not in text


def test_the_journal_gets_each_line_with_its_priority(tmp_path: Path) -> None:
    """As a datagram in its own protocol; a journal that went away is no failure."""
    place = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(place))
        server.settimeout(5)
        journal = Journal(place)
        log = Log(journal)
        log.began("run")
        log.failed("XS-DISK-FULL", "unit 7")
        told = [dict(line.split("=", 1) for line in server.recv(65_536).decode().splitlines()) for _ in range(2)]
    os.unlink(place)
    log.ended("run", 0)
    journal.close()

    assert [(one["PRIORITY"], one["XNATSYNC_CODE"], one["SYSLOG_IDENTIFIER"]) for one in told] == [
        ("6", "run.began", "xnatsync"), ("3", "XS-DISK-FULL", "xnatsync"),
    ]  # fmt: skip
    assert json.loads(told[1]["MESSAGE"])["about"] == "unit 7"
    with pytest.raises(OSError, match=r".*"):
        Journal(tmp_path / "none")


def test_a_log_that_cannot_be_opened_is_told_and_goes_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of that name; another's file."""
    (tmp_path / "theirs").write_text("a thesis\n")
    for place in (tmp_path, tmp_path / "theirs"):
        failures: list[OSError] = []
        with open_lasting_log(str(place), "info", 1_000, 2, failures.append) as log:
            log.began("run")
        assert len(failures) == 1
        assert json.loads(capsys.readouterr().err)["code"] == "run.began"
    assert (tmp_path / "theirs").read_text() == "a thesis\n"
