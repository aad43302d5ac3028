"""Whatever the program prints as a command can be pasted, and whatever it advises can be followed and loses nothing."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_world import REPOSITORY, World
from xnatsync.cli import tree
from xnatsync.cli.everywhere import spreading
from xnatsync.cli.program import build, run
from xnatsync.core.errors import XnatsyncError
from xnatsync.core.pasting import Calling, command_line, operand

PRODUCT = sorted(path for path in (REPOSITORY / "xnatsync").rglob("*.py") if "sandbox" not in path.parts)
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])
SPAN = re.compile(r"`(xnatsync [^`]+)`")
HOLE = "1"  # what stands for a value that is only known when the program runs
MADE = re.compile(r"xnatsync(?![./\w])|\\[xuN0-7]|\b(command_line|Command|Step)\b")  # or a text written with escapes
NOT_A_CALL = re.compile(r"(\.\.\.|…|\[|\||<)")  # a synopsis of a manual, no command to be pasted


def texts(source: str) -> Iterator[str]:
    """Every text of a module, with `1` for each value; `command_line("a", x)` is read as the command that it makes."""
    inside: set[ast.AST] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            inside |= {part for value in node.values for part in ast.walk(value)}
            yield "".join(_piece(part) for part in node.values)
        elif isinstance(node, ast.Call) and _name(node.func) in {"command_line", "Command", "Step"}:
            made = _made(node)
            yield "" if made.split()[1:2] == [HOLE] else f"`{made}`"  # made of what was given
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside:
            yield node.value


def _piece(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    call = part.value if isinstance(part, ast.FormattedValue) else part
    if not (isinstance(call, ast.Call) and _name(call.func) == "command_line"):
        return HOLE
    made = _made(call)
    return made if made.split()[1] != HOLE else "xnatsync dismiss 1"  # `order` of `one_item`


def _made(call: ast.Call) -> str:
    words = call.args
    if (place := {"Command": 1, "Step": 2}.get(_name(call.func))) is not None:
        made = words[place] if len(words) > place else ast.Tuple([])
        words = made.elts if isinstance(made, ast.Tuple) else [ast.Constant("1")]  # made elsewhere, where it is read
    return shlex.join(["xnatsync", *(str(word.value) if isinstance(word, ast.Constant) else HOLE for word in words)])


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else ""


def commands_of(source: str) -> set[str]:
    return {span for text in texts(source) for span in SPAN.findall(text) if not NOT_A_CALL.search(span)}


def parser() -> Any:
    return tree.parser(build(), _disarming)


def _disarming(program: Any) -> tree.Finish:
    """Let every command be parsed as in a run, and do nothing."""
    give = spreading(program)

    def finish(command: Any, path: tuple[str, ...]) -> None:
        give(command, path)
        if not hasattr(command, "commands"):
            command.callback = lambda **given: 0

    return finish


def faults(line: str, program: Any) -> list[str]:
    """What a person who pastes a command would stumble over."""
    words = shlex.split(line.replace("xnatsync COMMAND", "xnatsync sync"))
    found = []
    if len(words) != len(shlex.split(line, comments=True)):
        found.append("a part of it is a comment for the shell")
    if any(character in word for word in line.split() if "'" not in word for character in "*?[]{}~$<>|&;()!"):
        found.append("the shell would change it")
    if words[1:2] == ["retry"] and len(words) == 2:
        found.append("it names nothing: it would release everything")
    try:
        program(args=words[1:], prog_name="xnatsync", standalone_mode=False)
    except Exception as error:
        found.append(f"it is not understood: {error!r}")
    return found


def _in_the_program() -> set[str]:
    """Every command in the texts of the program; a module in which no word of the reader's stands has none."""
    said = (path.read_text("utf-8") for path in PRODUCT)
    return {line for source in said if MADE.search(source) for line in commands_of(source)}


EVERY = sorted(_in_the_program() - {"xnatsync why"})
PRINTED = sorted(
    {line for path in PAGES for line in SPAN.findall(path.read_text("utf-8")) if not NOT_A_CALL.search(line)}
    - {
        "xnatsync why",
        "xnatsync dismiss",
        "xnatsync sandbox",
        "xnatsync session download --unzip",
    }  # the names of commands
)


def test_the_reader_finds_commands() -> None:
    """In advice, in f-strings, in what is printed on a line of its own."""
    source = """
advice = "See `xnatsync status`."
advice = f"Say `{command_line('why', name)}` or `xnatsync retry {number}`."
block = Command("then: ", ("dismiss", name))
"""

    assert commands_of(source) == {"xnatsync status", "xnatsync why 1", "xnatsync retry 1", "xnatsync dismiss 1"}
    assert len(EVERY) > 15


@pytest.mark.parametrize("line", EVERY)
def test_every_command_of_the_program_can_be_pasted(line: str) -> None:
    """The parser understands it, the shell changes nothing of it, and a bare `retry` is never advised."""
    assert faults(line, parser()) == []  # placeholders such as FILE are words too


@pytest.mark.parametrize("line", PRINTED)
def test_every_command_of_the_manual_can_be_pasted(line: str) -> None:
    """The same for what docs/ and README advise in a sentence."""
    assert line == "xnatsync retry NAME" or faults(line, parser()) == []


@pytest.mark.parametrize(
    "line",
    ["xnatsync retry #4", "xnatsync retry", "xnatsync dismiss", "xnatsync fly", "xnatsync sync --setle 3",
     "xnatsync session lst", "xnatsync why a*b", "xnatsync scan list", "xnatsync dismiss --prearchive"],
)  # fmt: skip
def test_a_command_that_cannot_is_found(line: str) -> None:
    """Comments, wildcards, unknown words, missing ones, and the one that releases everything."""
    assert faults(line, parser())


# --- the catalogue -----------------------------------------------------------------------------------------------


def catalogue(root: type[XnatsyncError] = XnatsyncError) -> Iterator[type[XnatsyncError]]:
    yield root
    for below in root.__subclasses__():
        yield from catalogue(below)


PROMISES = re.compile(r"by itself|goes on at once|work goes on|is tried again\b")
LOSSES = re.compile(r"\b(remove|delete|take)\b", re.IGNORECASE)
KEEPS = {  # advice that speaks of removing, and why nothing is lost by it
    "XS-LEDGER-OPEN": "a right, and not a file",
    "XS-NOT-EMPTY": "it asks for a look first, and says that --force deletes everything",
    "XS-OBJECTS-DIFFER": "it forbids it",
    "XS-NOT-OURS": "only what its sender still has",
    "XS-PREARCHIVE-OCCUPIED": "only what its sender still has",
    "XS-MISROUTED": "the stray upload of what still lies in the drop folder",
    "XS-MAX-DELETE": "it speaks of who removed it",
    "XS-LEDGER-DAMAGED": "it forbids it",
    "XS-LINK-IN-OUR-WAY": "the link, not what it leads to",
}


@pytest.mark.parametrize(
    "error", sorted(set(catalogue()), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__
)
def test_no_advice_promises_what_nobody_does(error: type[XnatsyncError]) -> None:
    """There is no service in this version: what is tried again is tried by the next run, and advice says so."""
    assert not PROMISES.search(error.advice)
    assert "xnatsync retry" not in error.advice  # whoever holds something prints its command, with its name


@pytest.mark.parametrize(
    "error", sorted(set(catalogue()), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__
)
def test_following_an_advice_loses_nothing(error: type[XnatsyncError]) -> None:
    """What is in the way is moved and kept; where advice speaks of removing, the table says why that is safe."""
    if LOSSES.search(error.advice):
        assert error.code in KEEPS, error.advice


def test_an_advice_that_loses_is_seen() -> None:
    """The same patterns find what the reviews found."""
    assert LOSSES.search("Remove it here as well; or rename it, if it shall be sent again.")
    assert PROMISES.search("Free some space; work goes on by itself.")


# --- what is really printed --------------------------------------------------------------------------------------


def in_bash(line: str) -> list[str]:
    """The words that bash makes of a line."""
    done = subprocess.run(
        ["bash", "-c", f"set -- {line}\nprintf '%s\\0' \"$@\""], capture_output=True, check=True, timeout=60
    )
    return done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8), max_size=3))
def test_a_command_line_means_its_words(words: list[str]) -> None:
    """Blanks, quotes, wildcards, comments: a shell reads exactly the words that were meant, and all of it is seen."""
    line = command_line(*words)

    assert line.isprintable()
    if all(word.isprintable() for word in words):
        assert shlex.split(line) == ["xnatsync", *words]
    else:
        assert in_bash(line) == ["xnatsync", *words]


@pytest.mark.parametrize(
    "word", ["#4", "a b", "$HOME", "*", "it's", '"', "`id`", "!x", "~", "-x", "é\n", "", "it's\t\\ é\x1b[31m", "\udcff"]
)
def test_bash_reads_the_same(word: str) -> None:
    """The real shell, with what shells change."""
    assert in_bash(command_line("why", word)) == ["xnatsync", "why", word]


def test_a_name_is_never_read_as_an_option() -> None:
    """`why -- -x` asks for what is called `-x`."""
    assert (operand("-x"), operand("x")) == (("--", "-x"), ("x",))


NAMES = ["plain", "two words", "#4", "it's *", "-rf", "$HOME"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_printed_of_a_held_item_does_what_it_says(name: str, box: World) -> None:
    """Each `then:` of sync, plan, status and why is run as bash reads it, and is about that item."""
    box.study("other", "", seed=2)
    box.study(name, "", seed=3)
    shown = [box.run("sync"), box.run("status"), box.run("why", "--", name)]

    lines = [line for ran in shown for line in ran.out.splitlines() if "xnatsync" in line]
    pasted = {
        tuple(in_bash(found[1])) for line in lines if (found := re.search(r"(xnatsync .*(?:retry|dismiss) \S+)", line))
    }

    assert {words[-2:] for words in pasted} >= {("retry", "u2"), ("dismiss", "2")}
    number = next(
        part["item"] for part in box.run("retry", "--all", "-o", "json").document["released"] if part["path"] == name
    )
    assert f"dismiss {number}" in shown[0].out
    ran = box.run("dismiss", str(number), "--yes", "-o", "json")
    assert (ran.code, ran.document["item"]["path"]) == (0, name)


def test_a_printed_command_names_the_configuration_that_was_named(box: World, tmp_path: Path) -> None:
    """With `--config` on the command line the printed command has it too: else it would be about another item 2."""
    box.study("unnamed", "")

    printed = next(line.split("then: ")[1] for line in box.run("sync").out.splitlines() if "then: " in line)

    assert in_bash(printed) == ["xnatsync", "--config", str(box.config), "retry", "u1"]


PASTED = re.compile(r"xnatsync(?: --?[a-z]+ \S+)* [a-z-]+")  # whatever looks like a command of ours, marked or not


def printed(text: str) -> Iterator[list[str]]:
    """Every command in what was printed, as bash reads it: between backticks, or to the end of its line."""
    for found in PASTED.finditer(text):
        rest = text[found.start() :]
        marked = text[: found.start()].endswith("`")
        line = rest.partition("`")[0] if marked else rest.partition("\n")[0]
        yield in_bash(" ".join(line.split()))


def strings(value: object) -> Iterator[str]:
    """Every text of a document."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)
    elif isinstance(value, str):
        yield value


def _everything(box: World) -> Iterator[tuple[str, ...]]:
    """Commands over a world in which something is held, waits, was left, is done, was never there."""
    for words in (
        ["plan"], ["sync"], ["status"], ["why", "unnamed"], ["why", "notes"], ["why", "good"], ["why", "late"],
        ["history"], ["doctor"], ["retry", "nobody"], ["retry"], ["retry", "unnamed"], ["accept", "unnamed"],
        ["accept"], ["dismiss", "u2"], ["dismiss", "notes", "--yes"], ["verify", "--repair"], ["verify"],
        ["config", "check"], ["sync", "nowhere"], ["sync", "--nothing"], ["session", "show", "-E", "X", "-P", "DEMO"],
        ["session", "show", "-E", "P1_MR_20260302", "-P", "NONE"], ["scan", "list", "-E", "X", "-P", "DEMO"],
        ["resource", "list", "P1_MR_20260302", "--scan", "9", "-P", "DEMO"],
        ["resource", "download", "P1_MR_20260302", "NONE", "-P", "DEMO", "--file", str(box.root / "a.zip")],
        ["scan", "download", "-E", "P1_MR_20260302", "-P", "DEMO", "-s", "77"], ["project", "show", "NONE"],
        ["audit", str(box.root / "none.json"), "-P", "DEMO"], ["mirror", "ls", "scanner"], ["whoami", "-p", "nobody"],
    ):  # fmt: skip
        yield tuple(words)
        yield (*words, "-o", "json")


def test_every_printed_command_carries_the_configuration(box: World) -> None:
    """With `--config` elsewhere, whatever any command prints means that one: on the screen, in errors, in JSON."""
    box.study("good", seed=1)
    box.study("unnamed", "", seed=2)
    box.study("late", seed=1, slices=5)
    (box.drop / "notes").mkdir()
    (box.drop / "notes" / "a.txt").write_text("words", encoding="utf-8")
    program, named = parser(), set()

    for words in _everything(box):
        ran = box.run(*words)
        told = "\n".join(strings(ran.document)) if words[-1] == "json" and ran.out.startswith("{") else ran.out
        for command in printed(f"{told}\n{ran.err}"):
            if command[-1] == "--help":
                continue
            assert command[1:3] == ["--config", str(box.config)], (words, command)
            program(args=command[1:], prog_name="xnatsync", standalone_mode=False)
            named.add(command[3])

    assert named >= {"retry", "dismiss", "sync", "status", "config", "why", "session"}


def test_a_printed_command_names_the_server_that_was_named(box: World) -> None:
    """With `-p` the command that an error advises asks the same server."""
    ran = box.run("session", "show", "-p", "box", "-P", "DEMO", "-E", "X")

    assert list(printed(ran.err)) == [
        ["xnatsync", "--config", str(box.config), "session", "list", "-p", "box", "-P", "DEMO"]
    ]


def test_a_relative_configuration_is_named_whole(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed can be pasted in another folder, and holds when the variable is no longer set."""
    box.study("unnamed", "")
    monkeypatch.chdir(box.root)
    monkeypatch.setenv("XNATSYNC_CONFIG", box.config.name)
    box.read()

    run(["sync"])

    assert ["xnatsync", "--config", str(box.config), "retry", "u1"] in list(printed(box.read()[0]))


def test_data_is_never_changed(box: World) -> None:
    """A name that looks like a command of ours is told as it is."""
    name = "`xnatsync retry 4`"
    box.study(name, "")

    document = box.run("sync", "-o", "json").document

    assert document["items"][0]["path"] == name


def test_the_demonstration_prints_commands_about_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """What is held in it is never released in the installation of who watches."""
    assert run(["demo", "-q"]) == 0

    lines = [
        line for line in capsys.readouterr().out.splitlines() if re.search("(then|give it up|let them be): ", line)
    ]
    assert [line for line in lines if "xnatsync --config" not in line] == [
        line for line in lines if line.startswith("The administrator")
    ]
    assert len(lines) > 3


def test_a_command_is_never_broken_in_two(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the narrowest terminal a command stands on one line, and one in a sentence is not torn."""
    from xnatsync.cli.render import _layout
    from xnatsync.views.blocks import Command, Line

    blocks = [Command("then: ", ("retry", "u2")), Line("a long sentence that says `xnatsync mirror ls ROUTE` in it")]

    lines = [text for text, _ in _layout(blocks, 24, Calling("/a/long/path/of/a/configuration.toml"))]

    assert lines[0] == "then: xnatsync --config /a/long/path/of/a/configuration.toml retry u2"
    assert any("`xnatsync --config /a/long/path/of/a/configuration.toml mirror ls ROUTE`" in line for line in lines)
