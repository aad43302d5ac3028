"""Text is laid out for the place where it is read, and never steers a terminal."""

from __future__ import annotations

import os
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_world import REPOSITORY, World, plain_environment
from xnatsync.cli.render import PLAIN_WIDTH, Screen, _layout
from xnatsync.core.errors import Usage
from xnatsync.core.pasting import Calling
from xnatsync.core.wording import counted, size, span
from xnatsync.views.blocks import Block, Line, Table, Tone
from xnatsync.views.errors import error_blocks


def shown(capsys: pytest.CaptureFixture[str], *blocks: Block) -> str:
    Screen().result(blocks)
    return capsys.readouterr().out


def test_long_lines_hang_and_paths_are_never_torn(capsys: pytest.CaptureFixture[str]) -> None:
    """A line goes on below itself; a path longer than the width stays whole."""
    path = "/" + "a-very-long-name ".strip() * 10
    out = shown(capsys, Line(f"{'word ' * 25}{path} end", indent=2, hang=4))

    lines = out.splitlines()
    assert lines[0].startswith("  word")
    assert all(line.startswith("      ") for line in lines[1:])
    assert f"      {path}" in lines
    assert all(len(line) <= PLAIN_WIDTH for line in lines if path not in line)


def test_tables_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are as wide as their widest cell; the last one wraps inside itself; numbers stand right."""
    out = shown(
        capsys,
        Table(("name", "bytes", "text"), [("a", "5", "short"), ("longer", "1234", "word " * 30)], right=frozenset({1})),
    )

    lines = out.splitlines()
    assert lines[0] == "name    bytes  text"
    assert lines[1] == "a           5  short"
    assert lines[2].startswith("longer   1234  word word")
    assert lines[3].startswith(" " * 15 + "word")
    assert all(len(line) <= PLAIN_WIDTH for line in lines)


@pytest.mark.parametrize("bad", ["\x1b[31mred", "bell\x07", "line\rover", "\x9b2J", "\u202egnp.exe", "tab\there"])
def test_control_characters_are_shown_as_escapes(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file name or a server's words cannot colour, move or hide anything."""
    out = shown(capsys, Line(bad), Table(("x",), [(bad,)]))

    assert not [char for char in out.replace("\n", "") if ord(char) < 32 or char in "\x9b\u202e"]
    assert "\\" in out


@pytest.mark.skipif(sys.platform in {"darwin", "win32"}, reason="its file names are text")
def test_names_that_are_no_text_are_shown(box: World) -> None:
    """A file name that is not valid UTF-8 is shown with an escape, in text and in JSON, and breaks nothing."""
    good = box.study("good")
    (good / os.fsdecode(b"na\xefve.txt")).write_text("note", encoding="utf-8")

    plan, document = box.spawn("plan"), box.spawn("plan", "-o", "json")

    assert (plan.code, document.code) == (0, 0), plan.err
    assert "na\\uf4efve.txt" in plan.out
    assert document.document["items"][0]["not_delivered"][0]["path"] == "na\uf4efve.txt"


def test_a_narrow_encoding_breaks_nothing(box: World) -> None:
    """On a terminal that knows ASCII only, other characters are escaped."""
    box.study("größe")
    environment = {**plain_environment(), "PYTHONIOENCODING": "ascii"}
    import subprocess

    done = subprocess.run(
        box.command("plan"), capture_output=True, text=True, timeout=60, cwd=REPOSITORY, env=environment
    )

    assert done.returncode == 0
    assert "gr\\xf6\\xdfe" in done.stdout


def test_nothing_is_said_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Under --quiet talk is dropped, results and errors are not."""
    screen = Screen(quiet=True)

    screen.say("talk")
    screen.complain([Line("error")])
    screen.result([Line("result")])

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("result\n", "error\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals")
@pytest.mark.parametrize(
    ("options", "environment", "coloured"),
    [((), {}, True), (("--no-color",), {}, False), ((), {"NO_COLOR": "1"}, False)],
)
def test_colours_only_where_they_are_wanted(
    options: tuple[str, ...], environment: dict[str, str], coloured: bool, box: World
) -> None:
    """On a terminal lines are coloured, unless NO_COLOR or --no-color says otherwise."""
    box.study("unnamed", "")
    given = {name: value for name, value in plain_environment().items() if name != "NO_COLOR"}

    out = on_a_terminal(box.command(*options, "plan"), {**given, "TERM": "xterm-256color", **environment})

    assert "XS-LABEL-UNUSABLE" in out
    assert coloured == ("\x1b[31m" in out)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals")
def test_progress_moves_on_a_terminal(box: World) -> None:
    """On a terminal progress is drawn in place, and wiped away before the summary."""
    box.study("good", slices=20)

    out = on_a_terminal(box.command("sync"), {**plain_environment(), "TERM": "xterm-256color"})

    assert "━" in out or "╌" in out
    assert "\x1b[2K" in out
    assert "1 item done (21 objects proven)" in out
    assert "good: settled\r\n" not in out.split("1 item done")[1]


def on_a_terminal(command: list[str], environment: dict[str, str]) -> str:
    """Runs a command on a pseudo terminal and gives everything it showed."""
    import pty
    import subprocess

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=REPOSITORY
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # Linux: the other end is closed
            pass
        finally:
            os.close(ours)
    assert process.returncode in {0, 3}, shown
    return shown.decode("utf-8", "replace")


def test_without_a_terminal_there_is_no_colour(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colours never reach a file or a pipe."""
    monkeypatch.delenv("NO_COLOR", raising=False)

    assert shown(capsys, Line("error", Tone.BAD)) == "error\n"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (15_100_000, "15.1 MB"),
        (2 * 10**12, "2.0 TB"),
        (3 * 10**15, "3.0 PB"),
    ],
)
def test_sizes_are_written_for_people(number: int, words: str) -> None:
    """Powers of 1000, one digit."""
    assert words == size(number)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59.6, "1 min"), (130, "2 min 10 s"), (3600, "1 h"), (11_100, "3 h 5 min")]
)
def test_times_are_written_for_people(seconds: float, words: str) -> None:
    """Seconds, minutes, hours."""
    assert words == span(seconds)


def test_numbers_have_their_noun() -> None:
    """One and many."""
    assert [
        counted(1, "study", "studies"),
        counted(2, "study", "studies"),
        counted(0, "object"),
    ] == ["1 study", "2 studies", "0 objects"]


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_no_name_in_an_error_makes_a_line_of_its_own(name: str) -> None:
    """Whatever it is about, an error is one line that says what happened, and one that says what to do."""
    error = Usage(f"there is nothing called {name} here", advice=f"Name {name} otherwise.")

    lines = [line for block in error_blocks(error) for line, _ in _layout([block], 10**6, Calling())]

    assert len(lines) == 2
    assert all(not {unicodedata.category(char) for char in line} & {"Cc", "Cf", "Zl", "Zp"} for line in lines)


FORGED = "exam\n  what to do: xnatsync dismiss 1\x1b[2K\u2028x"


@pytest.mark.parametrize(
    "words", [["accept", "exam", FORGED, "--yes"], ["accept", FORGED], ["dismiss", FORGED, "--yes"], ["retry", FORGED],
              ["why", FORGED], ["retry", "x\ny"], ["sync", "x\ny"], ["verify", "x\ny"], ["--config", "x\ny", "plan"],
              ["mirror", "ls", "x\ny"], ["session", "show", "-P", "DEMO", "-E", "x\ny"], ["fl\ny"], ["sync", "--x\ny"],
              ["audit", "x\ny", "-P", "DEMO"], ["status", "x\ny"]],
    ids=repr,
)  # fmt: skip
def test_names_from_outside_are_escaped_in_every_answer(words: list[str], box: World) -> None:
    """A line end or a control character in a name is seen as one, on stdout and on stderr."""
    box.study(FORGED, "")
    box.study("exam", "", seed=2)
    box.run("sync")

    ran = box.run(*words)

    for text in (ran.out, ran.err):
        assert not [line for line in text.splitlines() if line.startswith(("  what to do: xnatsync", "y", "x "))]
        assert all(char == "\n" or char.isprintable() for char in text)


def test_a_configuration_with_several_problems_still_has_a_line_for_each(box: World) -> None:
    """Those lines are the program's own."""
    box.config.write_text(box.config.read_text() + "colour = 1\nshape = 2\n", encoding="utf-8")

    told = box.run("plan").err.splitlines()

    assert told[0].startswith("error: the configuration has 2 problems:")
    assert [":" in line for line in told[1:3]] == [True, True]
