"""`config init` writes a first configuration that is right, for its user alone, and never over another file."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_world import PASSWORD, REPOSITORY, World
from xnatsync.app.first_configuration import Wishes, text_of
from xnatsync.config.load import load
from xnatsync.core.pasting import Calling

KEYS = ("--user", "admin", "--project", "DEMO", "--name", "box")


def begin(box: World, *more: str, file: str = "new/mine.toml") -> tuple[Path, tuple[str, ...]]:
    place = box.root / file
    return place, ("config", "init", "--config", str(place), "--url", box.server.url, *KEYS, *more)


@pytest.mark.parametrize("kind", ["drop", "mirror", "push"])
def test_what_it_writes_is_valid_and_closed(kind: str, box: World) -> None:
    """Loaded without a problem, of mode 0600, with the connection tried."""
    place, words = begin(box, "--folder", str(box.drop), "--kind", kind)

    ran = box.run(*words, "-o", "json")

    assert (ran.code, ran.document["username"], ran.document["problem"]) == (0, "admin", None)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    config = load(place)
    assert [route.kind for route in config.routes.values()] == [kind]
    assert "password" not in tomllib.loads(place.read_text("utf-8"))["servers"]["box"]


def test_the_first_steps_work_with_it(box: World) -> None:
    """`doctor` and `sync`, as it advises."""
    place, words = begin(box, "--folder", str(box.drop))
    ran = box.run(*words)
    assert ran.code == 0
    assert f"xnatsync --config {place} doctor\n" in ran.out
    assert f"`xnatsync --config {place} config check`" in place.read_text("utf-8")
    text = place.read_text("utf-8") + f'\n[ledger]\npath = "{box.root / "new" / "ledger.db"}"\n'
    place.write_text(text, encoding="utf-8")
    box.study("good")

    assert box.run("doctor", "--config", str(place)).code == 0
    assert box.run("sync", "--config", str(place), "--settle", "0s").code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_not_a_wrong_configuration(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left behind, and nobody is told to correct a file."""
    place, words = begin(box, "--folder", str(box.drop))
    opened = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest: _to_nowhere(opened, place, path, rest))

    ran = box.run(*words)

    assert (ran.code, "[XS-DISK-FULL]" in ran.err, place.exists()) == (5, True, False), ran.err


def _to_nowhere(opened: Any, place: Path, path: Any, rest: Any) -> int:
    """Make the file, and give a handle that takes no byte."""
    found: int = opened(path, *rest)
    if os.fspath(path) == str(place):
        os.close(found)
        found = opened("/dev/full", os.O_WRONLY)
    return found


def test_a_file_that_is_there_is_never_overwritten(box: World) -> None:
    """Nor one that cannot be read as a configuration."""
    place, words = begin(box, "--folder", "/data", file="other.toml")
    place.write_text("mine", encoding="utf-8")

    ran = box.run(*words)

    assert ran.code == 2
    assert "is there already" in " ".join(ran.err.split())
    assert place.read_text("utf-8") == "mine"


@pytest.mark.parametrize("wrong", [("--url", "ftp://x"), ("--name", "a b"), ("--kind", "fly"), ("--project", "")])
def test_what_is_wrong_is_said_and_nothing_is_left_behind(wrong: tuple[str, str], box: World) -> None:
    """No half a configuration."""
    place, words = begin(box, "--folder", "/data", *wrong)

    assert box.run(*words).code == 2
    assert not place.exists()


def test_where_nobody_can_be_asked_it_names_what_is_missing(box: World) -> None:
    """The address; and of a route the project."""
    words = ("config", "init", "--config", str(box.root / "x.toml"))

    none, no_project = box.run(*words), box.run(*words, "--url", box.server.url, "--folder", str(box.drop))

    assert (none.code, no_project.code) == (2, 2)
    assert "--url was not given" in none.err
    assert "--folder needs a project" in no_project.err
    assert not (box.root / "x.toml").exists()


def test_without_a_folder_it_is_a_server_alone(box: World) -> None:
    """As users of xnatctl want it: commands work, and there is no route."""
    place, words = begin(box)

    ran = box.run(*words, "-o", "json")

    assert (ran.code, ran.document["username"]) == (0, "admin")
    config = load(place)
    assert (config.routes, config.servers["box"].project) == ({}, "DEMO")
    assert box.run("config", "check", "--config", str(place)).code == 0


class Answers:
    """A person at the terminal."""

    def __init__(self, *lines: str) -> None:
        self.lines = iter(lines)

    def readline(self) -> str:
        return next(self.lines)

    def isatty(self) -> bool:
        return True

    def sits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", self)


def test_on_a_terminal_it_asks(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four questions, and the file."""
    Answers(f"{box.server.url}\n", "admin\n", "DEMO\n", f"{box.drop}\n").sits(monkeypatch)
    place = box.root / "asked.toml"

    ran = box.run("config", "init", "--config", str(place), "--name", "box")

    assert ran.code == 0, ran.err
    assert load(place).servers["box"].user == "admin"


@pytest.mark.parametrize("more", [[], ["--no-login"]])
def test_the_password_that_it_asks_for_is_tried_and_not_kept(
    more: list[str], box: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is, but for `--no-login`: the next command asks nothing."""
    monkeypatch.delenv("XNATSYNC_BOX_PASSWORD")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setattr("getpass.getpass", lambda prompt: PASSWORD)
    Answers(f"{box.server.url}\n", "admin\n", "\n", "\n").sits(monkeypatch)
    place = box.root / "asked.toml"

    ran = box.run("config", "init", "--config", str(place), "--name", "box", "-o", "json", *more)

    assert (ran.code, ran.document["username"], ran.document["session_kept"]) == (0, "admin", not more)
    assert PASSWORD not in place.read_text("utf-8")
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert box.run("whoami", "--config", str(place)).code == (6 if more else 0)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_text_is_written_so_that_it_is_read_again(text: str) -> None:
    """Quotes, backslashes, line ends, control characters."""
    written = text_of(Wishes("box", "https://x.example.org", text, "DEMO", text), Calling(text))

    data = tomllib.loads(written)
    assert (data["servers"]["box"]["user"], data["routes"]["scanner"]["folder"]) == (text, text)


def test_the_server_of_the_defaults_is_meant_where_none_is_named(box: World) -> None:
    """Several servers, and one is the usual one."""
    more = '[servers.other]\nurl = "https://other.example.org"\nuser = "u"\n'
    box.config.write_text(box.config.read_text() + more)
    assert box.run("whoami").code == 2
    box.config.write_text('[defaults]\nserver = "box"\n' + box.config.read_text())

    assert box.run("whoami", "-o", "json").document["profile"] == "box"
    assert json.loads(box.run("project", "list", "-o", "json").out)


def test_the_examples_are_in_the_wheel() -> None:
    """What the documents name is there for whoever installed the package."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    assert included == {"config_examples": "xnatsync/config_examples"}
