"""`project delete`: by its ID, with what it holds counted, and with a person who knows what is typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noun_world import PROJECT, NounWorld, furnish, here
from xnatsync.sandbox.model.creation import create_experiment, create_project

LABELS = ("MR001", "MR002", "PET001")


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        create_project(found.site, "OTHER", found.owner)
        yield found


class Typing:
    """A person at a terminal, who types a line after something has happened."""

    def __init__(self, text: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.text, self.meanwhile = text, meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        self.meanwhile()
        return self.text


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, person: Typing) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", person)


def sessions(far: NounWorld) -> list[str]:
    return sorted(each.label for each in far.site.experiments.values())


def test_what_goes_along_is_counted(far: NounWorld) -> None:
    """Its own subjects and everything of theirs; what it only shows stays where it belongs, and so does its label."""
    held = next(each for each in far.site.subjects.values() if each.label == "SUB001")
    create_experiment(far.site, PROJECT, held, "FORM", "xnat:subjectVariablesData", far.owner)
    far.ask("PUT", "/data/projects/OTHER/subjects/GUEST")
    guest = next(each for each in far.site.subjects.values() if each.label == "GUEST")
    assert far.ask("PUT", f"/data/subjects/{guest.id}/projects/{PROJECT}")[0] == 200

    told = far.run("project", "delete", PROJECT, "--dry-run", "-o", "json").document["changes"]
    done = far.run("project", "delete", PROJECT, "--yes", "--remove-files")

    assert [change["reason"] for change in told] == [
        "with 2 subjects and 4 experiments; 1 item of other projects, which it only shows, stay there"
    ]
    assert done.code == 0, done.err
    assert (set(far.site.projects), sessions(far)) == ({"OTHER"}, [])
    assert [each.label for each in far.site.subjects.values()] == ["GUEST"]


@pytest.mark.parametrize("name", ["neuroimaging", "NEUROIMAGIN", "Running title", "../OTHER", ""])
def test_no_other_name_deletes(far: NounWorld, name: str) -> None:
    """Not its running title, which XNAT takes for an ID, and not a slip."""
    far.site.projects[PROJECT].secondary_id = "Running title"

    ran = far.run("project", "delete", name, "--yes")

    assert ran.code in {2, 3}, ran
    assert far.writes() == []


@pytest.mark.parametrize("typed", ["", "y", "yes", PROJECT.lower(), f"{PROJECT} {PROJECT}"])
def test_a_yes_by_habit_deletes_nothing(far: NounWorld, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    """The ID has to be typed."""
    at_a_terminal(monkeypatch, Typing(f"{typed}\n"))

    ran = far.run("project", "delete", PROJECT)

    assert (ran.code, far.writes()) == (2, [])
    assert "2 subjects and 3 experiments" in ran.err
    assert f"Type {PROJECT} to do it" in ran.err
    assert "XS-DECLINED" in ran.err


def test_its_id_typed_deletes_it(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once."""
    at_a_terminal(monkeypatch, Typing(f"{PROJECT}\n"))

    ran = far.run("project", "delete", PROJECT)

    assert ran.code == 0, ran.err
    assert far.writes() == [f"DELETE /data/projects/{PROJECT}"]


def test_what_came_while_the_person_read_is_not_deleted(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The yes was to what was shown."""
    at_a_terminal(monkeypatch, Typing(f"{PROJECT}\n", lambda: far.session("MR003", scans=1)))

    ran = far.run("project", "delete", PROJECT)

    assert (ran.code, far.writes()) == (2, [])
    assert "2 subjects and 4 experiments now" in " ".join(ran.err.split())
    assert sessions(far) == sorted([*LABELS, "MR003"])


def test_one_that_is_there_yet_is_no_success(far: NounWorld) -> None:
    """The server says 200 and deletes nothing."""
    far.says_yes("DELETE", f"/data/projects/{PROJECT}")

    ran = far.run("project", "delete", PROJECT, "--yes", "-o", "json")

    assert ran.code == 3
    assert json.loads(ran.out)["error"]["code"] == "XS-EFFECT-MISSING"
    assert PROJECT in far.site.projects
