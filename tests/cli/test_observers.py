"""Who watches a run cannot stop it: broken pipes, full disks and closed descriptors, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from cli_world import REPOSITORY, World, plain_environment
from xnatsync.engine.observers import tell
from xnatsync.report.log import LogFile
from xnatsync.report.streams import Loss, LossyStream

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")

End = Callable[[ExitStack], int | IO[Any]]


def _nobody_reads(stack: ExitStack) -> IO[Any]:
    read, write = os.pipe()
    os.close(read)
    return stack.enter_context(os.fdopen(write, "w"))


def _full(stack: ExitStack) -> IO[Any]:
    return stack.enter_context(FULL.open("w"))


ENDS: dict[str, End] = {"nobody reads": _nobody_reads, "full": _full}


@contextmanager
def _streams(out: End | None, err: End | None) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        yield {
            "stdout": out(stack) if out is not None else subprocess.PIPE,
            "stderr": err(stack) if err is not None else subprocess.PIPE,
        }


def _run(box: World, *arguments: str, out: End | None = None, err: End | None = None) -> subprocess.CompletedProcess:  # type: ignore[type-arg]
    with _streams(out, err) as given:
        return subprocess.run(
            box.command(*arguments),
            text=True,
            timeout=60,
            cwd=REPOSITORY,
            env=plain_environment(),
            check=False,
            **given,
        )


def _is_delivered(box: World, name: str = "good") -> None:
    assert not (box.drop / name).exists()
    ran = box.run("why", name, "-o", "json")
    assert [story["item"]["phase"] for story in ran.document["stories"]] == ["done"]
    assert not [story for story in ran.document["stories"] if story["item"]["code"]]


@pytest.mark.parametrize("options", [(), ("-v",)], ids=["progress", "log on stderr"])
@pytest.mark.parametrize("end", ENDS)
def test_a_stderr_that_cannot_be_written_stops_nothing(end: str, options: tuple[str, ...], box: World) -> None:
    """`2>/dev/full`, `2>&1 | head -1`: everything is delivered, the exit code says so, the result is on stdout."""
    box.study("good")

    ran = _run(box, *options, "sync", err=ENDS[end])

    assert ran.returncode == 0
    assert "1 item done" in ran.stdout
    _is_delivered(box)


@pytest.mark.parametrize("end", ENDS)
def test_a_stdout_that_cannot_be_written_stops_nothing(end: str, box: World) -> None:
    """The run is what was asked for: its exit code says how it went, whoever heard of it."""
    box.study("good")

    ran = _run(box, "sync", out=ENDS[end])

    assert ran.returncode == 0
    assert "Exception ignored" not in ran.stderr
    _is_delivered(box)


def test_neither_stream_can_be_written(box: World) -> None:
    """Both at once, and a log that cannot be written either."""
    box.study("good")

    ran = _run(box, "--log-file", str(FULL), "sync", out=_nobody_reads, err=_nobody_reads)

    assert ran.returncode == 0
    _is_delivered(box)


def test_a_held_item_is_3_whoever_hears_of_it(box: World) -> None:
    """The exit code of what happened, not of what could not be said."""
    box.study("unnamed", "")

    assert _run(box, "sync", out=_full, err=_full).returncode == 3


def test_an_error_is_told_by_its_exit_code_alone(box: World) -> None:
    """The report of an error fails as little as the run does."""
    box.config.unlink()

    assert _run(box, "sync", out=_full, err=_full).returncode == 2
    assert _run(box, "--log-file", str(FULL), "sync", out=_nobody_reads, err=_nobody_reads).returncode == 2


@pytest.mark.parametrize("asked", ["--help", "sync --help", "--show-completion bash", "mirror"])
def test_help_that_cannot_be_written_is_no_mistake_of_ours(
    asked: str, box: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser prints it, before any command runs."""
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # it is the shell that was named
    ran = _run(box, *asked.split(), out=_full)

    assert (ran.returncode, "XS-BUG" in ran.stderr) == (5, False), ran.stderr


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_stop_nothing(redirection: str, box: World) -> None:
    """A process that was started without stdout or stderr; no file of ours gets their numbers."""
    box.study("good")
    line = " ".join(f"'{part}'" for part in box.command("sync")) + " " + redirection

    ran = subprocess.run(["bash", "-c", line], timeout=60, cwd=REPOSITORY, env=plain_environment(), check=False)

    assert ran.returncode == 0
    _is_delivered(box)


def test_a_log_on_a_full_disk_stops_nothing(box: World) -> None:
    """`--log-file /dev/full`: the run goes on without a log."""
    box.study("good")

    ran = _run(box, "--log-file", str(FULL), "sync")

    assert ran.returncode == 0
    _is_delivered(box)


def test_a_log_that_cannot_be_opened_is_told_and_stops_nothing(box: World) -> None:
    """A folder where the log shall be."""
    box.study("good")

    ran = _run(box, "--log-file", str(box.drop), "sync", "-o", "json")

    assert ran.returncode == 0
    assert f"the log {box.drop} cannot be written: Is a directory" in " ".join(ran.stderr.split())
    assert json.loads(ran.stdout)["exit_code"] == 0
    _is_delivered(box)


@pytest.mark.parametrize("out", [None, _full, _nobody_reads], ids=["stderr", "full", "nobody reads"])
def test_verify_is_not_stopped(out: End | None, box: World) -> None:
    """The same verdict, and the ledger remembers the run."""
    box.study("good")
    box.run("sync")

    assert _run(box, "--log-file", str(FULL), "verify", out=out, err=_full).returncode == 0


def test_a_result_that_is_lost_is_no_success_of_a_command_that_only_tells(box: World) -> None:
    """`status >/dev/full` told nothing: 5, with a reason on stderr."""
    ran = _run(box, "status", out=_full)

    assert ran.returncode == 5
    assert ran.stderr.startswith("error: the result could not be written: No space left on device")


def test_mirror_and_push_are_not_stopped(box: World, tmp_path: Path) -> None:
    """Trees are brought into agreement, and pushed, with nobody to hear of it."""
    box.study("good")
    box.run("sync")
    (tmp_path / "tree").mkdir()
    with box.config.open("a", encoding="utf-8") as config:
        config.write(
            f'\n[routes.copy]\nkind = "mirror"\nfolder = "{tmp_path / "tree"}"\nserver = "box"\nproject = "DEMO"\n'
        )

    ran = _run(box, "--log-file", str(FULL), "sync", "copy", out=_full, err=_nobody_reads)

    assert ran.returncode == 0
    assert len(list((tmp_path / "tree").rglob("*.dcm"))) == 4


def test_an_observer_that_fails_concerns_nobody() -> None:
    """Whatever it raises; but not a wish to end the process."""

    def broken(text: str) -> None:
        raise RuntimeError(text)

    def interrupted() -> None:
        raise KeyboardInterrupt

    assert tell(str, "x")
    assert not tell(broken, "x")
    with pytest.raises(KeyboardInterrupt):
        tell(interrupted)


def test_a_lost_text_is_noted_once_and_a_mistake_of_ours_is_not_hidden(tmp_path: Path) -> None:
    """The first failure is kept; text without an encoding is raised, not lost."""
    loss = Loss()
    with FULL.open("w") as full:
        stream = LossyStream(full, loss)
        stream.write("x" * 100_000)
        stream.flush()
        first = loss.error
        stream.write("y")
        stream.flush()
    assert isinstance(first, OSError)
    assert loss.error is first
    with (tmp_path / "file").open("w", encoding="ascii") as file, pytest.raises(UnicodeEncodeError):
        LossyStream(file).write("ü")


def test_a_log_goes_on_when_its_disk_has_room_again(tmp_path: Path) -> None:
    """A line that is lost takes no other line with it."""
    full = os.open(FULL, os.O_WRONLY)
    room = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    log = LogFile(full)
    try:
        assert log.write("one\n") == 0
        os.dup2(room, full)
        assert log.write("two\n") == 4
    finally:
        os.close(full)
        os.close(room)

    about, two = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert (json.loads(about)["code"], json.loads(about)["lines"]) == ("log.lost", 1)
    assert two == "two"
