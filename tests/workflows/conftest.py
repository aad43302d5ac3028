"""The world in which the scripts of xnatctl's manual are run, and where that manual is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli_world import REPOSITORY, Ran
from noun_world import NounWorld, furnish, noun_world

_JQ = '''#!{python}
"""The little of jq that the manual's scripts use, for machines without it."""
import json, sys

def main(words):
    raw, names, rest = False, {{}}, []
    while words:
        word = words.pop(0)
        if word == "-r":
            raw = True
        elif word == "--arg":
            name, value = words.pop(0), words.pop(0)
            names[name] = value
        else:
            rest.append(word)
    program, files = rest[0], rest[1:]
    text = open(files[0]).read() if files else sys.stdin.read()
    if not text.strip():
        return 0
    data = json.loads(text)
    known = {{
        ".[].id": lambda: [row["id"] for row in data],
        ".[] | select(.label == \\"NIFTI\\") | .label": lambda: [r["label"] for r in data if r["label"] == "NIFTI"],
        "length": lambda: [len(data)],
        "keys[]": lambda: sorted(data),
        ".[$s]": lambda: [data[names["s"]]],
    }}
    for value in known[program]():
        print(value if raw and isinstance(value, str) else json.dumps(value))
    return 0

sys.exit(main(sys.argv[1:]))
'''


def manual(name: str) -> str:
    """A page of xnatctl's manual; the test is skipped where it is not at hand."""
    page = REPOSITORY.parent / "shared" / "seeds" / name
    if not page.exists():
        pytest.skip(f"xnatctl's manual ({name}) is not at hand")
    return page.read_text(encoding="utf-8")


def blocks(page: str, kind: str) -> list[tuple[str, str]]:
    """The code blocks of a kind, each with the title of the section it stands in."""
    found: list[tuple[str, str]] = []
    title, lines = "", page.splitlines()
    for number, line in enumerate(lines):
        if number and re.fullmatch(r"(=+|-+|~+)", line) and lines[number - 1].strip():
            title = lines[number - 1]
        if line.strip() == f".. code-block:: {kind}":
            body = []
            for below in lines[number + 1 :]:
                if below.strip() and not below.startswith(" " * (len(line) - len(line.lstrip()) + 3)):
                    break
                body.append(below)
            found.append((title, textwrap.dedent("\n".join(body)).strip() + "\n"))
    return found


@dataclass
class Workplace:
    """A world with a shell in which the program answers to its own name."""

    world: NounWorld
    ids: dict[str, str]
    folder: Path

    def script(self, text: str, **environment: str) -> Ran:
        """Runs a script of the manual with only the program's name replaced, and `/data`, `/tmp` below our folder."""
        text = re.sub(r'"/(data|tmp)/', f'"{self.folder}/', text.replace("xnatctl", "xnatsync"))
        done = subprocess.run(
            ["bash", "-c", text],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=self.folder,
            env=self.world.environment
            | {"PATH": f"{self.folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"}
            | environment,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def files(self, where: str = "") -> list[str]:
        """What lies in a folder, without our own."""
        top = self.folder / where
        return sorted(
            path.relative_to(top).as_posix()
            for path in top.rglob("*")
            if path.is_file() and ".xnatsync" not in path.parts
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """The archive of the manual's examples."""
    with noun_world(tmp_path, lambda: ("", "")) as world:
        ids = furnish(world)
        work, programs = tmp_path / "work", tmp_path / "bin"
        work.mkdir()
        programs.mkdir()
        program = programs / "xnatsync"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m xnatsync "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        if shutil.which("jq") is None:
            (programs / "jq").write_text(_JQ.format(python=sys.executable), encoding="utf-8")
            (programs / "jq").chmod(0o755)
        yield Workplace(world, ids, work)
