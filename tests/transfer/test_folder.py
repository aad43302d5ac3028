"""A project goes over a disk: filled from one server, carried, and sent to another; each leg is signed for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli_fields import document_faults
from transfer.commands_world import HERE, THERE, Desk, a_desk
from transfer.test_whole import held
from transfer_world import SOURCE, TARGET
from xnatsync.cli.program import run


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with a_desk(tmp_path, monkeypatch, lambda: tuple(capsys.readouterr())) as found:  # type: ignore[arg-type,return-value]
        yield found


def document(desk: Desk, *words: str) -> dict[str, Any]:
    """What programs read, and every field of it is in the manual."""
    ran = desk.run(*words, "-o", "json")
    found: dict[str, Any] = json.loads(ran.out)
    assert document_faults(found) == []
    assert found.get("exit_code", ran.code) == ran.code
    return found


def fill(desk: Desk, *words: str) -> dict[str, Any]:
    """The first leg."""
    return document(desk, "project", "transfer", *HERE, "--to-folder", str(desk.root / "disk"), "--yes", *words)


def send(desk: Desk, name: str = "disk", *words: str) -> dict[str, Any]:
    """The second leg."""
    return document(desk, "project", "transfer", "--from-folder", str(desk.root / name), *THERE, "--yes", *words)


def written(side: Any) -> list[str]:
    return [one for one in side.writes() if "JSESSION" not in one]


def test_a_project_goes_over_a_disk(desk: Desk) -> None:
    """All of it, with the folder under another name by then; the last certificate speaks of both legs."""
    before = written(desk.pair.source)
    words = (*HERE, "--to-folder", str(desk.root / "disk"))
    assert desk.run("project", "transfer-check", *words).code == 0
    assert document(desk, "project", "transfer", *words, "--dry-run")["files"] == 14
    assert not (desk.root / "disk").exists()

    first = fill(desk)

    assert (first["exit_code"], first["certificate"]["outcome"], first["folder"]["from"]["project"]) == (
        0, "complete", SOURCE,
    )  # fmt: skip
    of_first = desk.certificate()
    assert written(desk.pair.source) == before
    (desk.root / "disk").rename(desk.root / "came by post")

    second = send(desk, "came by post")

    assert (second["exit_code"], second["certificate"]["outcome"]) == (0, "complete")
    assert held(desk.pair.target, TARGET) == held(desk.pair.source, SOURCE)
    signed = desk.certificate()
    assert signed["source"] == of_first["source"]
    assert signed["manifest"]["digest"] == first["folder"]["digest"] == second["folder"]["digest"]
    leg = signed["manifest"]["first_leg"]
    assert (leg["certificate"], leg["outcome"], leg["files"]) == (of_first["id"], "complete", 14)
    assert of_first["id"] in Path(second["certificate"]["path"]).with_suffix(".html").read_text()
    many = written(desk.pair.target)
    assert send(desk, "came by post")["certificate"]["new"] is False
    assert written(desk.pair.target) == many
    assert desk.run("certificate", "write", second["route"]).code == 0


def test_a_gap_of_the_first_leg_is_no_complete_transfer(desk: Desk) -> None:
    """What the source lists and could not give is missing in the folder; all of the folder arrives, and it is told."""
    store = desk.pair.source.site.store
    (lost,) = [path for path in store._files if path.endswith("/protocol.txt")]  # type: ignore[attr-defined]
    store.delete(lost)  # the catalogue goes on listing it
    first = fill(desk)
    assert (first["exit_code"], first["certificate"]["outcome"]) == (3, "incomplete")
    (desk.root / "disk/sessions/S1_MR/own/NOTES/added.txt").write_text("by whom?")

    second = send(desk)

    assert (second["exit_code"], second["certificate"]["outcome"]) == (3, "incomplete")
    assert {one["code"] for one in second["troubles"]} == {"XS-NOT-CARRIED"}
    signed = desk.certificate()
    assert all(one["complete"] for one in signed["entities"])
    assert signed["manifest"]["first_leg"]["differences"]["lost at the source"] == 1
    assert [one["fate"] for one in signed["manifest"]["first_leg"]["grave"]] == ["lost at the source"]
    assert signed["manifest"]["strangers"] == ["sessions/S1_MR/own/NOTES/added.txt"]
    assert "added.txt" in Path(second["certificate"]["path"]).with_suffix(".html").read_text()


ROUTES = """
[routes.out]
kind = "transfer"
server = "prod"
project = "NEURO"
to_folder = "{disk}"

[routes.in]
kind = "transfer"
project = "NEURO"
from_folder = "{disk}"
to_server = "staging"
to_project = "NEURO_DEV"
"""


def configure(desk: Desk, text: str) -> None:
    place = desk.root / "config/xnatsync/xnatsync.toml"
    place.write_text(place.read_text() + text)


def test_both_legs_may_be_routes(desk: Desk) -> None:
    """Run by `sync`, verified; a change in the folder is found, and another folder in its place is refused."""
    configure(desk, ROUTES.replace("{disk}", str(desk.root / "disk")))
    assert desk.run("config", "check").code == 0
    assert desk.run("sync", "in").code != 0  # nothing was put into it yet
    assert not written(desk.pair.target)

    (first,) = document(desk, "sync", "out")["transfers"]
    (second,) = document(desk, "sync", "in")["transfers"]

    assert [one["certificate"]["outcome"] for one in (first, second)] == ["complete", "complete"]
    assert held(desk.pair.target, TARGET) == held(desk.pair.source, SOURCE)
    assert document(desk, "verify", "out", "in")["exit_code"] == 0
    (desk.root / "disk/sessions/S1_MR/own/NOTES/readme.txt").unlink()
    assert document(desk, "verify", "out")["exit_code"] == 4
    (desk.root / "disk").rename(desk.root / "away")
    found = document(desk, "sync", "out")
    assert (found["exit_code"], found["errors"][0]["code"]) == (7, "XS-FOLDER-MISSING")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('server = "prod"', 'server = "prod"\nfrom_folder = "/x"', "there is `from_folder` in its place"),
        ('to_folder = "{disk}"', 'to_folder = "/x"\nto_server = "staging"', "there is `to_folder` in its place"),
        ('to_folder = "{disk}"', 'to_folder = "/x"\nto_project = "X"', "keeps the ID of the project"),
        ('to_folder = "{disk}"', 'to_folder = "/x"\ndicom = "import"', "keeps names and bytes"),
        ('to_folder = "{disk}"', 'to_folder = "/x"\nverify = false', "sealed with what was compared"),
        ('to_folder = "{disk}"', 'to_folder = "x"', "absolute"),
        ('to_folder = "{disk}"\n', "", "to_server"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_meant_is_an_error_of_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, words: str
) -> None:
    text = '[servers.prod]\nurl = "https://a.example.org"\n' + ROUTES.partition("[routes.in]")[0]
    assert old in text
    place = tmp_path / "xnatsync.toml"
    place.write_text(text.replace(old, new).replace("{disk}", "/disk"))

    assert run(("--config", str(place), "config", "check")) == 2

    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("-p", "prod", "-P", "NEURO", "--to-folder", "/x", "--dest-profile", "staging"),
        ("-p", "prod", "-P", "NEURO", "--to-folder", "/x", "--dest-project", "OTHER"),
        ("-p", "prod", "--from-folder", "/x", "--dest-profile", "staging", "--dest-project", "X"),
        ("--from-folder", "/x", "--to-folder", "/y"),
        ("--from-folder", "/x"),
    ],
)
def test_words_that_contradict_each_other_are_refused(desk: Desk, words: tuple[str, ...]) -> None:
    """Before any folder is looked at, and before anything is asked of a server."""
    assert desk.run("project", "transfer", *words, "--yes").code in {2, 7}
    assert not written(desk.pair.target)
