"""The program starts fast, and every command is helped and documented."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from cli_world import REPOSITORY
from xnatsync import __version__
from xnatsync.cli.program import build, run
from xnatsync.cli.tree import parser

HEAVY = {"pydicom", "httpx", "pydantic", "sqlite_utils", "rich", "httpcore", "multipart"}
START = """
import sys
import xnatsync.cli
from xnatsync.cli.program import run
assert run(["--help"]) == 0
print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""

UPLOAD = """
import contextlib, sys
import xnatsync.cli
sys.argv = ["xnatsync", "--version"]
with contextlib.suppress(SystemExit):
    xnatsync.cli.main()
import httpx, xnatsync.app.profile, xnatsync.app.upload, xnatsync.views.upload
from xnatsync.core.group import ORDER_TAGS
from xnatsync.core.otherwise import OTHERWISE
from xnatsync.dicom.classify import Classifier
Classifier({*ORDER_TAGS, *OTHERWISE, "PatientID", "PatientName"}, pixels=False)
print("loaded:", *sorted(sys.modules))
"""
# Of a session's upload, none of this is needed: it takes longer to import than 2,000 objects take to send.
# Nor does a run, a plan or a status without transfers need their engine.
ROUTES = """
import sys
import xnatsync.app.plan, xnatsync.app.sync, xnatsync.views.plan, xnatsync.views.status, xnatsync.views.sync
print("loaded:", *sorted(sys.modules))
"""
UNNEEDED = {"pydicom", "pynetdicom", "numpy", "requests", "rich", "click", "xnatsync.routes.tree.run", "sqlite_utils"}


def commands() -> Iterator[tuple[str, ...]]:
    yield from below(typer.main.get_command(build()), ())


def below(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every command of a tree, however deep."""
    for name, command in tree.commands.items():
        if hasattr(command, "commands"):
            yield from below(command, (*path, name))
        else:
            yield (*path, name)


ALL = sorted(commands())


def test_help_loads_nothing_heavy() -> None:
    """Importing the command line and building its help imports none of the heavy libraries."""
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, timeout=60, cwd=REPOSITORY)

    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert done.returncode == 0, done.stderr
    assert "typer" in loaded
    assert set() == loaded & HEAVY


def test_the_check_for_heavy_imports_sees_one() -> None:
    """The same check fails when one of them is imported."""
    done = subprocess.run(
        [sys.executable, "-c", "import xnatsync.config.model\n" + START], capture_output=True, text=True, timeout=60,
        cwd=REPOSITORY,
    )  # fmt: skip

    assert "pydantic" in set(done.stdout.splitlines()[-1].split()) & HEAVY


def test_an_upload_loads_nothing_that_it_does_not_need() -> None:
    """Neither the program, nor its HTTP client, nor the reading of headers imports what others may need."""
    done = subprocess.run([sys.executable, "-c", UPLOAD], capture_output=True, text=True, timeout=60, cwd=REPOSITORY)

    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert done.returncode == 0, done.stderr
    assert {"httpx", "xnatsync.app.upload"} < loaded
    assert set() == loaded & UNNEEDED


def test_a_run_without_transfers_does_not_load_their_engine() -> None:
    """It took longer to import than all that `status` does."""
    done = subprocess.run([sys.executable, "-c", ROUTES], capture_output=True, text=True, timeout=60, cwd=REPOSITORY)

    loaded = set(done.stdout.split())
    assert done.returncode == 0, done.stderr
    assert {"xnatsync.views.sync", "xnatsync.app.sync"} < loaded
    assert not {"xnatsync.routes.transfer.run", "xnatsync.views.transfer"} & loaded


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_command_has_help(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """`COMMAND --help` explains the command and each of its options."""
    code = run([*command, "--help"])

    text = capsys.readouterr().out
    assert code == 0
    assert f"Usage: xnatsync {' '.join(command)}" in text
    assert len(text.split("\n\n")[1].strip()) > 20


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_command_is_documented(command: tuple[str, ...]) -> None:
    """docs/commands.md has a section for each command, and names each of its own options."""
    page = (REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")
    tree = parser(build(), lambda program: lambda made, path: None)
    for name in command:
        tree = tree.commands[name]

    section = page.split(f"\n## {command[0]}\n")[1].split("\n## ")[0]

    assert f"xnatsync {' '.join(command)}" in section
    for option in (name for part in tree.params for name in part.opts if name.startswith("--")):
        assert option in section or f"`{option}`" in page.split("\n## demo\n")[0], option


def test_the_page_documents_no_command_that_is_not_there() -> None:
    """Every section of docs/commands.md after the first belongs to a command."""
    page = (REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")

    sections = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]

    assert sorted({command[0] for command in ALL}) == sorted(sections[1:])


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` says name and version."""
    code = run(["--version"])

    assert (0, f"xnatsync {__version__}\n") == (code, capsys.readouterr().out)


def test_without_a_command_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """`xnatsync` alone shows the commands."""
    code = run([])

    assert code == 0
    assert "Commands:" in capsys.readouterr().out


def test_it_runs_as_a_module() -> None:
    """`python -m xnatsync` is the program."""
    done = subprocess.run(
        [sys.executable, "-m", "xnatsync", "--version"], capture_output=True, text=True, timeout=60, cwd=REPOSITORY
    )

    assert (0, f"xnatsync {__version__}\n") == (done.returncode, done.stdout)
