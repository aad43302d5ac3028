"""The options of the program mean the same before and after every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.test_start import ALL
from cli_world import World
from xnatsync.cli.everywhere import spread
from xnatsync.cli.program import run

NOWHERE = {  # commands that need words of their own, with words that come as far as the configuration
    ("why",): ["x"], ("dismiss",): ["x"], ("retry",): ["x"], ("audit",): ["-P", "X"], ("mirror", "ls"): ["x"],
    ("accept",): ["x"], ("assign",): ["x", "-P", "X"], ("rules", "test"): ["x"], ("ledger", "query"): ["select 1"],
    ("ledger", "export"): ["--to", "x"],
    ("mirror", "diff"): ["x", "now"], ("mirror", "restore"): ["x", ".", "--at", "now", "--to", "x"],
    **{("prearchive", word): ["x", "y", "z"] for word in ("show", "scans", "archive", "delete", "rebuild")},
    ("pipeline", "run"): ["x", "-E", "y"], ("container", "launch"): ["x", "-E", "y"], ("command", "show"): ["x"],
    **{("pipeline", word): ["1"] for word in ("status", "cancel")},
    **{("container", word): ["x"] for word in ("show", "logs", "kill")},
    ("admin", "refresh-catalogs"): ["x"], ("admin", "site-config", "set"): ["x", "y"],
    **{
        ("admin", "user", word): ["x"] for word in ("show", "add", "remove", "enable", "disable", "groups", "roles")
    },
    ("prearchive", "move"): ["x", "y", "z", "q"],
    ("mirror", "manifest"): ["x"], ("session", "show"): ["-E", "x"], ("project", "show"): ["x"],
    ("session", "upload-dicom"): ["x", "--host", "127.0.0.1", "--called-aet", "X"],
    ("session", "download"): ["-E", "x", "--out", "x"], ("scan", "list"): ["-E", "x"], ("resource", "list"): ["x"],
    ("resource", "show"): ["x", "y"], ("resource", "upload"): ["x", "y", "z"], ("resource", "delete"): ["x", "y"],
    ("resource", "refresh"): ["x", "y"], ("api", "get"): ["/data"], ("api", "post"): ["/data"],
    ("api", "put"): ["/data"], ("api", "delete"): ["/data"], ("dicom", "inspect"): ["x"], ("dicom", "validate"): ["x"],
    ("dicom", "list-tags"): ["x"],
    ("config", "use-context"): ["x"], ("config", "remove-profile"): ["x", "--yes"],
    ("config", "import-xnatctl"): ["--dry-run"], ("config", "set-password"): ["x"],
    ("auth", "logout"): [],
    ("session", "upload"): [".", "-S", "x", "-E", "x"], ("session", "upload-exam"): [".", "-S", "x", "-E", "x"],
    ("scan", "download"): ["-E", "x", "-s", "1", "--out", "x"], ("resource", "download"): ["x", "y", "--file", "x"],
}  # fmt: skip
WITHOUT = {
    *(("dicom", word) for word in ("inspect", "validate", "list-tags")),
    ("project", "transfer-init"),
    *(("completion",), ("help",), ("demo",), ("sandbox",), ("config", "add-profile"), ("config", "init")),
}
NOWHERE |= {  # the commands that change things on a server
    ("project", "transfer"): ["-P", "x", "--dest-project", "y", "--dest-profile", "z"],
    ("project", "transfer-check"): ["-P", "x", "--dest-project", "y", "--dest-profile", "z"],
    ("project", "transfer-status"): ["-P", "x"], ("project", "transfer-history"): ["-P", "x"],
    ("certificate", "check"): ["x"], ("certificate", "write"): ["x"],
    ("project", "create"): ["x"], ("project", "access"): ["x"], ("project", "users"): ["x"],
    ("project", "delete"): ["x"],
    ("project", "grant"): ["x", "y"], ("project", "revoke"): ["x", "y"], ("subject", "show"): ["x"],
    ("subject", "create"): ["x"], ("subject", "delete"): ["x"], ("subject", "rename"): ["x", "y"],
    ("subject", "share"): ["x", "--into", "y"], ("subject", "unshare"): ["x", "--from", "y"],
    ("subject", "vars"): ["x"],
    ("session", "create"): ["-E", "x", "-S", "y"], ("session", "set"): ["-E", "x", "note=y"],
    ("session", "delete"): ["-E", "x"], ("session", "share"): ["-E", "x", "--into", "y"],
    ("session", "unshare"): ["-E", "x", "--from", "y"], ("session", "vars"): ["-E", "x"],
    ("scan", "show"): ["1", "-E", "x"], ("scan", "delete"): ["-E", "x", "-s", "1"],
    ("scan", "quality"): ["-E", "x", "-s", "1", "usable"], ("scan", "note"): ["-E", "x", "-s", "1", "fine"],
}  # fmt: skip


@pytest.mark.parametrize("command", [name for name in ALL if name not in WITHOUT], ids=" ".join)
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_configuration_may_be_named_before_and_after(
    command: tuple[str, ...], place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command reads the file that `--config` names, wherever it stands: a missing one is the same error."""
    named = ["--config", str(tmp_path / "none.toml")]
    words = [*command, *NOWHERE.get(command, [])]

    code = run([*named, *words] if place == "before" else [*words, *named])

    told = capsys.readouterr()
    assert code == 2, told
    assert "none.toml" in told.err + told.out


@pytest.mark.parametrize("option", [["--no-color"], ["-v"], ["--verbose"], ["-q"], ["-o", "json"]])
def test_the_others_too(option: list[str], box: World) -> None:
    """Colours, log, quiet and form: accepted after a command that has none of them, and of the same effect."""
    before, after = box.run(*option, "status"), box.run("status", *option)

    assert (before.code, before.out) == (after.code, after.out) == (0, after.out)


def test_the_log_is_written_to_the_file_named_after_the_command(box: World) -> None:
    """`sync --log-file F` logs as `--log-file F sync` does."""
    box.study("good")

    assert box.run("sync", "--log-file", str(box.root / "log")).code == 0

    assert [json.loads(line) for line in (box.root / "log").read_text("utf-8").splitlines()]


def test_an_option_of_the_command_wins(box: World) -> None:
    """Where a command has an option of that name, its own meaning holds."""

    class Option:
        def __init__(self, name: str, *words: str) -> None:
            self.name, self.opts = name, words

    class Command:
        def __init__(self, *options: Option) -> None:
            self.params, self.commands = list(options), {}

    own = Option("output", "-o")
    program = Command(Option("output", "--output", "-o"), Option("quiet", "-q"))
    program.commands = {"sync": Command(own)}

    spread(program)

    assert [option.name for option in program.commands["sync"].params] == ["output", "quiet"]
    assert program.commands["sync"].params[0] is own


# --- help --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["sync"], ["session", "list"], ["config"]])
def test_help_shows_what_the_option_shows(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """`help session list` is `session list --help`."""
    assert run(["help", *words]) == 0
    shown = capsys.readouterr().out

    assert run([*words, "--help"]) == 0
    assert capsys.readouterr().out.strip() == shown.strip()


def test_a_group_alone_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """`xnatsync config` is no error."""
    assert run(["config"]) == 0

    told = capsys.readouterr()
    assert told.out.startswith("Usage: xnatsync config")
    assert "error" not in told.err


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("sesion", "did you mean `session`?"),
        ("transfer", "project transfer`"),
        ("fly", "there is no command `fly`"),
    ],
)
def test_a_command_that_is_not_there(word: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip is corrected; what is only a little alike is not suggested."""
    assert run([word]) == 2

    told = capsys.readouterr().err
    assert expected in told
    assert "audit" not in told


@pytest.mark.parametrize("wanted", ["bash_source", "source_bash", "zsh_source", "fish_source"])
def test_the_shell_can_complete(
    wanted: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A completion script is printed, however it is asked for."""
    monkeypatch.setenv("_XNATSYNC_COMPLETE", wanted)

    code = run([])

    assert code == 0
    assert "_XNATSYNC_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_command_has_examples_that_can_be_pasted(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Shown by its help, understood by the parser, and of that command; no type of Python is shown."""
    from cli.test_advice import faults, parser

    assert run([*command, "--help"]) == 0
    shown = capsys.readouterr().out

    examples = [line.strip() for line in shown.partition("Examples:")[2].splitlines() if "  xnatsync" in line]
    assert examples
    for line in examples:
        assert line.startswith(f"xnatsync {' '.join(command)}"), line
        assert faults(line.replace("~", "/home/me"), parser()) == []
    assert not [word for word in ("<list", "<int", "<str", "<path", "[[", "range>") if word in shown]


def test_a_password_is_asked_for_where_none_is_configured(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal `auth login` asks, and says what was done with the answer; elsewhere it is missing."""
    from cli_world import PASSWORD

    monkeypatch.delenv("XNATSYNC_BOX_PASSWORD")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    assert box.run("auth", "login").code == 6

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: PASSWORD)
    asked = box.run("whoami")  # no session is kept yet: every command asks
    ran = box.run("auth", "login")

    assert (asked.code, ran.code) == (0, 0), ran.err
    assert "was not kept" in ran.err
    assert PASSWORD not in ran.out + ran.err
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert box.run("whoami").code == 0  # by the session that is kept
    assert box.run("auth", "logout").code == 0
    assert box.run("whoami").code == 6


def test_many_items_with_nothing_to_deliver_are_summed_up(box: World) -> None:
    """Some of them, and how many more; JSON has all."""
    for number in range(45):
        (box.drop / f"note{number}").mkdir()
        (box.drop / f"note{number}" / "a.txt").write_text("words", encoding="utf-8")

    ran = box.run("sync", "-q", "--workers", "1")

    assert len(ran.out.splitlines()) < 60
    assert "25 items more with nothing to deliver" in ran.out
