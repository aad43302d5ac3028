"""The commands of xnatctl's page on transferring, as they are written there, with only the program's name replaced."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from transfer.commands_world import Desk, a_desk
from workflows.conftest import manual
from xnatsync.core.inventory import OwnerKind


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with a_desk(tmp_path, monkeypatch, lambda: tuple(capsys.readouterr())) as found:  # type: ignore[arg-type,return-value]
        monkeypatch.chdir(tmp_path)
        yield found


def commands(page: str) -> list[list[str]]:
    """Every command of the page that is whole, in its order."""
    lines = re.findall(r"^\$ xnatctl ((?:.*\\\n)*.*)$", page, re.MULTILINE)
    found = [shlex.split(line.replace("\\\n", " ")) for line in lines]
    return [words for words in found if "[options]" not in words]


def test_the_commands_of_the_manual_do_what_they_say(desk: Desk) -> None:
    """In the order of the page: check, preview, transfer; then the others, on the project that is there."""
    page = manual("transferring.txt")
    (desk.root / "transfer.yaml").write_text(
        "filtering:\n  imaging_sessions:\n    sync_type: include\n    xsi_types:\n"
        '      - xsi_type: "xnat:mrSessionData"\n'
    )
    named = {"SRC": "NEURO", "MYPROJECT": "NEURO", "DST": "NEURO_DEV"}
    ran = list[str]()
    for words in commands(page):
        if words[0] == "config" or words[:2] == ["auth", "login"]:
            continue  # the profiles are there, and their passwords are configured
        if "-f" in words:
            (desk.root / "transfer.yaml").unlink()
        given = [named.get(word, word) for word in words]
        if given[1:2] == ["transfer-check"] and "-p" not in given:
            given += ["-p", "prod"]
        done = desk.run(*given)
        assert done.code == 0, (given, done)
        ran.append(given[1])
        if given[1] == "transfer-history" and "json" in given:
            assert json.loads(done.out)[0]["dest_project"] == "NEURO_DEV"
    assert {"transfer", "transfer-check", "transfer-status", "transfer-history", "transfer-init"} <= set(ran)
    there = desk.pair.target.server.inventory("NEURO_DEV", frozenset(OwnerKind)).owners
    assert {one.session for one in there} == {"", "S1_MR", "S2_CT", "S2_PET"}
