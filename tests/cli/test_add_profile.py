"""`config add-profile` writes a server and leaves the rest of the file alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_fields import document_faults
from cli_world import REPOSITORY, World
from xnatsync.config.edit import set_server

ODD_LINES = ["# a \u2028 comment", "   # [servers.prod]", 'user = "url = x"', "connections = 3 # no", "\t", "# \x85"]

HAND = """# mine
[defaults]
project = "ALL"  # ours

[servers.prod]
# the old one
url = "https://xnat.example.org"
user = "me"
"""


@pytest.fixture
def file(box: World) -> Path:
    box.config.write_text(HAND, encoding="utf-8")
    return box.config


def test_a_new_server_is_added_below_what_is_there(box: World, file: Path) -> None:
    """Comments stay."""
    ran = box.run("config", "add-profile", "dev", "--url", "https://dev.example.org", "-P", "NEURO", "-o", "json")

    assert (ran.code, ran.document["added"]) == (0, True), ran.err
    assert document_faults(ran.document) == []
    assert file.read_text(encoding="utf-8") == HAND + (
        '\n[servers.dev]\nurl = "https://dev.example.org"\nproject = "NEURO"\n'
    )
    assert box.run("config", "check").code == 0


def test_a_known_server_is_changed_where_it_stands(box: World, file: Path) -> None:
    """One key is replaced, one is added, comments stay."""
    ran = box.run("config", "add-profile", "prod", "--project", "NEURO", "--user", "you")

    assert ran.code == 0, ran.err
    assert file.read_text(encoding="utf-8") == HAND.replace('user = "me"', 'user = "you"').replace(
        "[servers.prod]\n", '[servers.prod]\nproject = "NEURO"\n'
    )
    assert box.run("config", "add-profile", "prod", "--project", "OTHER").code == 0
    assert file.read_text(encoding="utf-8").count("project = ") == 2


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("first", ["", "\ufeff"])
def test_every_other_character_stays(end: str, first: str, box: World, file: Path) -> None:
    """Comments behind a value, line ends, a byte order mark, line separators that are none in TOML, foreign tables."""
    lines = [
        "# by hand\u2028 and \x85 more",
        "[servers.prod]   # the head",
        'url = "https://xnat.example.org"   # do not change',
        "user = 'me'\t# of the cluster",
        "",
        "# [servers.dev]",
        "[defaults]",
        'project = "ALL"   # ours',
    ]
    file.write_bytes((first + end.join(lines)).encode())

    assert box.run("config", "add-profile", "prod", "--user", "you", "--project", "NEURO").code == 0

    lines[1:4] = [lines[1], 'project = "NEURO"', lines[2], lines[3].replace("'me'", '"you"')]
    assert file.read_bytes().decode() == first + end.join(lines)


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_several_at_once_lose_nothing(box: World, file: Path) -> None:
    """Each adds its server: all of them are there."""
    commands = [
        box.command("config", "add-profile", f"s{number}", "--url", f"https://s{number}.example.org")
        for number in range(4)
    ]
    running = [subprocess.Popen(command, cwd=REPOSITORY) for command in commands]

    assert [process.wait(timeout=60) for process in running] == [0] * len(commands)
    text = file.read_text(encoding="utf-8")
    assert text.startswith(HAND)
    assert all(f"[servers.s{number}]" in text for number in range(len(commands)))


@given(st.lists(st.sampled_from(ODD_LINES), max_size=6, unique=True), st.sampled_from(["\n", "\r\n"]))
def test_whatever_stands_around_it_stays(around: list[str], end: str) -> None:
    """A property: only the value is another, whatever else a person wrote."""
    before = end.join(["[servers.prod]", 'url = "https://a.example.org"'])
    behind = end.join(["", *around])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.toml"
        file.write_bytes((before + behind).encode())
        set_server(file, "prod", {"url": "https://b.example.org"})
        assert file.read_bytes().decode() == before.replace("//a.", "//b.") + behind


def test_the_environment_tells_the_address_of_a_new_one(
    box: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the manual of xnatctl: `config add-profile default --project MYPROJECT`.  The password stays outside."""
    monkeypatch.setenv("XNAT_URL", "https://env.example.org")
    monkeypatch.setenv("XNAT_USER", "someone")
    monkeypatch.setenv("XNAT_PASS", "a-secret")
    file.unlink()

    ran = box.run("config", "add-profile", "default", "--project", "MYPROJECT")

    assert ran.code == 0, ran.err
    assert file.read_text(encoding="utf-8") == (
        '[servers.default]\nurl = "https://env.example.org"\nuser = "someone"\nproject = "MYPROJECT"\n'
    )


@pytest.mark.parametrize(
    "words",
    [
        ["dev"],
        ["dev", "--url", "ftp://x"],
        ["dev", "--url", "https://me:secret@x.example.org"],
        ["a b", "--url", "https://x.example.org"],
        ["prod"],
        ["prod", "--project", "not a project"],
    ],
)
def test_what_would_be_wrong_is_not_written(
    words: list[str], box: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file stays as it is, and nothing lies beside it."""
    monkeypatch.delenv("XNAT_URL", raising=False)
    beside = sorted(path.name for path in file.parent.iterdir())

    ran = box.run("config", "add-profile", *words)

    assert ran.code == 2
    assert "secret" not in ran.err
    assert file.read_text(encoding="utf-8") == HAND
    assert sorted(path.name for path in file.parent.iterdir()) == beside


def test_a_file_that_is_broken_already_is_not_touched(box: World, file: Path) -> None:
    """Whoever broke it knows better."""
    file.write_text(HAND + "[servers.prod\n", encoding="utf-8")

    assert box.run("config", "add-profile", "prod", "--project", "NEURO").code == 2
    assert file.read_text(encoding="utf-8") == HAND + "[servers.prod\n"


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_configuration_that_is_a_link_stays_one(box: World, mode: int) -> None:
    """What it leads to is changed, its rights stay, whatever the umask; and nothing is left beside either."""
    real = box.root / "etc" / "real.toml"
    real.parent.mkdir()
    real.write_text(HAND, encoding="utf-8")
    real.chmod(mode)
    box.config.unlink(missing_ok=True)
    box.config.symlink_to(real)
    before = os.umask(0o077)
    try:
        ran = box.run("config", "add-profile", "dev", "--url", "https://dev.example.org")
    finally:
        os.umask(before)
    assert ran.code == 0, ran.err
    assert box.config.is_symlink()
    assert "[servers.dev]" in real.read_text(encoding="utf-8")
    assert real.stat().st_mode & 0o777 == mode
    assert [path.name for path in real.parent.iterdir()] == ["real.toml"]
    assert [path.name for path in box.root.glob(".*.new")] == []
