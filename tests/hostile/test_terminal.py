"""What somebody else named never steers a terminal, and never reaches a log or the diary."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import unicodedata
from contextlib import closing
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_world import PASSWORD, World, plain_environment
from draws import examples
from hostile.oracle import Caught
from hostile.wicked import LONG, STEERING
from xnatsync.cli.live import _drawn
from xnatsync.cli.render import Screen
from xnatsync.ledger.open import open_ledger
from xnatsync.report.progress import Note, Snapshot
from xnatsync.views.blocks import Line, Table

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="there are no such names, and no pseudo terminals")
OWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # what the program itself draws with
EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp"


def calm(shown: str) -> None:
    """Catches a character that a terminal would obey, the line end apart."""
    for char in shown:
        if char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            raise Caught(f"a terminal would obey {char!r}")


class _Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


TEXTS = st.one_of(st.sampled_from([*STEERING, *LONG, EVIL]), st.text(max_size=60))


@examples(200)
@given(TEXTS, TEXTS)
def test_no_text_reaches_the_screen_raw(one: str, other: str) -> None:
    """In lines, tables, talk, errors and questions, on a terminal and elsewhere."""
    before = sys.stdout, sys.stderr, sys.stdin
    terminal = _Terminal()
    try:
        sys.stdout = sys.stderr = terminal
        sys.stdin = io.StringIO("y\n")
        screen = Screen(colour=False)
        screen.result([Line(one), Table((one[:0] + "x", "y"), [(one, other)])])
        screen.say(one, Line(other, indent=2, hang=4))
        screen.complain([Line(other)])
        screen.ask(one)
    finally:
        sys.stdout, sys.stderr, sys.stdin = before
    calm(terminal.getvalue())


@examples(100)
@given(TEXTS, TEXTS)
def test_no_text_reaches_the_moving_lines_raw(name: str, text: str) -> None:
    """The library that draws them lets escapes through."""
    from rich.console import Console

    out = io.StringIO()
    notes = (Note("item", 1, name, "seen", None, text),)
    Console(file=out, force_terminal=True, no_color=True, width=100).print(
        _drawn(Snapshot(1.0, 1, 1, 1, 2, 0, 1.0, None, notes))
    )
    calm(OWN.sub("", out.getvalue()))


def test_the_judge_sees_what_rich_lets_through() -> None:
    """The planted weakness: a name that is drawn as it is."""
    from rich.console import Console
    from rich.text import Text

    out = io.StringIO()
    Console(file=out, force_terminal=True, no_color=True).print(Text(f"  {EVIL}: settled"))
    with pytest.raises(Caught):
        calm(OWN.sub("", out.getvalue()).replace("gnp", ""))
    with pytest.raises(Caught):
        calm("a\x1bb")


@POSIX
@pytest.mark.parametrize("command", [("sync",), ("plan",), ("status",), ("history",), ("why", "#1"), ("why", EVIL)])
def test_a_real_terminal_stays_as_it_was(box: World, command: tuple[str, ...]) -> None:
    """Items, files and header values with escapes, through every command that shows them, on a pseudo terminal."""
    _wicked_drop(box)
    if command[0] not in {"sync", "plan"}:
        box.run("sync", "--patience", "1s")

    shown = _on_a_terminal(box.command(*command))

    assert "x1b" in shown  # it is told, and told harmlessly
    rest = re.sub(r"\x1b\[(?:[0-9;]*m|2K|[0-9]*[AG]|\?25[hl])", "", shown)
    calm(rest.replace("\r", "").replace("\x1b[?7l", ""))
    assert "\x1b[2J" not in shown


@POSIX
def test_log_and_diary_hold_no_names(box: World) -> None:
    """Neither what was dropped nor what is in the headers, however it ends; `why` shows it to the person who asks."""
    _wicked_drop(box)
    log = box.root / "log.jsonl"

    ran = box.run("--log-file", str(log), "sync", "--patience", "1s")

    assert ran.code == 3, ran
    with closing(open_ledger(box.root / "ledger.db", read_only=True)) as ledger:
        diary = [f"{event.text} {event.data}" for event in ledger.events()]
        assert any(item.hold == "person" for item in ledger.items())
    lines = log.read_text(encoding="utf-8")
    assert diary
    assert lines
    for text in (lines, "\n".join(diary)):
        calm(text)
        for secret in ("owned", "Nomen", "EVILID", "evil", "Secret", "2J", PASSWORD, str(box.root)):
            assert secret.lower() not in text.lower(), secret
    for line in lines.splitlines():
        json.loads(line)


def _wicked_drop(box: World) -> None:
    """A good study and a broken archive under names that steer; header values that steer too."""
    study = box.study("evil one")
    for path in study.rglob("*.dcm"):
        data = pydicom.dcmread(path)
        data.PatientName, data.PatientID = "Nomen^Evil", "EVILID"
        data.SeriesDescription = "evil \\x1b[2J series"
        data.save_as(path, enforce_file_format=True)
    raw = next(study.rglob("*.dcm"))
    raw.write_bytes(raw.read_bytes().replace(b"evil \\x1b[2J", b"evil \x1b[2J\x07\x07\x07"))
    shutil.move(study, box.drop / f"evil {EVIL}")
    (box.drop / f"evil {EVIL}" / f"note {EVIL}.txt").write_text("x")
    (box.drop / f"evil {EVIL}.zip").write_bytes(b"PK no archive")
    link = box.drop / f"link {EVIL}"
    link.symlink_to(EVIL.replace("\x07", ""))


def _on_a_terminal(command: list[str]) -> str:
    import pty
    import subprocess

    ours, theirs = pty.openpty()
    environment = {**plain_environment(), "TERM": "xterm-256color", "COLUMNS": "150"}
    with subprocess.Popen(
        [*command], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=Path(__file__).parents[2]
    ):
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # Linux: the other end is closed
            pass
        finally:
            os.close(ours)
    return shown.decode("utf-8", "replace")
