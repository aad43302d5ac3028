"""Every command's document is exactly what docs/json.md says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cli_fields import TABLES, document_faults
from cli_world import Ran, World


def busy(box: World) -> Ran:
    """A world in which something was delivered, left aside and held."""
    good = box.study("good")
    (good / "notes.txt").write_text("note", encoding="utf-8")
    (good / "copy.dcm").write_bytes(next(good.rglob("0001.dcm")).read_bytes())
    box.study("unnamed", "", seed=2)
    (box.drop / "words").mkdir()
    (box.drop / "words" / "a.txt").write_text("nothing but words", encoding="utf-8")
    return box.run("sync", "-o", "json")


def cut(box: World) -> None:
    """A world in which an item is held by a file of nothing."""
    (box.study("cut") / "IM0003").write_bytes(b"")
    assert box.run("sync").code == 3


DOCUMENTS: dict[str, tuple[list[str], Callable[[World], object]]] = {
    "plan": (["plan"], lambda box: box.study("good")),
    "sync": (["sync", "--dry-run"], lambda box: box.study("unnamed", "")),
    "status": (["status"], busy),
    "verify": (["verify"], lambda box: (box.study("good"), box.run("sync"))),
    "history": (["history"], busy),
    "why": (["why", "good"], busy),
    "retry": (["retry", "--all"], busy),
    "pause": (["pause"], busy),
    "resume": (["resume"], busy),
    "metrics": (["metrics"], busy),
    "run": (["run", "--check-config"], busy),
    "prune": (["prune", "--older-than", "0s", "--dry-run"], lambda box: (box.study("good"), box.run("sync"))),
    "status-healthy": (["status", "--healthy"], busy),
    "service-install": (["service", "install", "--dry-run"], busy),
    "service-uninstall": (["service", "uninstall", "--dry-run"], busy),
    "service-status": (["service", "status"], busy),
    "accept": (["accept", "cut", "--yes"], lambda box: cut(box)),
    "assign": (["assign", "unnamed", "-P", "DEMO", "-S", "S9", "--session", "S9_MR", "--yes"], busy),
    "rules-replay": (["rules", "replay"], busy),
    "dismiss": (["dismiss", "unnamed"], busy),
    "config-check": (["config", "check"], lambda box: None),
    "config-show": (["config", "show"], lambda box: None),
    "doctor": (["doctor"], lambda box: None),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_has_exactly_the_fields_described(name: str, box: World) -> None:
    """The document of each command, in a world where much has happened, has every described field and no other."""
    arguments, prepare = DOCUMENTS[name]
    prepare(box)
    if name == "dismiss":
        held = next(
            item for item in box.run("status", "-o", "json").document["routes"][0]["items"] if item["path"] == "unnamed"
        )
        arguments = ["dismiss", str(held["id"]), "--yes"]

    ran = box.run(*arguments, "-o", "json")

    assert ran.code == {"status-healthy": 5, "service-status": 4}.get(name, 0), ran.err
    assert document_faults(ran.document) == []


def test_the_document_of_sync_tells_everything(box: World) -> None:
    """Delivered, left aside and held: all of it is in the document, each with its reason."""
    ran = busy(box)

    assert document_faults(ran.document) == []
    items = {item["path"]: item for item in ran.document["items"]}
    assert (ran.code, ran.document["exit_code"]) == (3, 3)
    assert tuple(items["good"]["units"][0]["receipt"][key] for key in ("held", "level", "place")) == (
        4,
        "names",
        "archive",
    )
    assert {f["path"]: f["kind"] for f in items["good"]["not_delivered"]} == {
        "notes.txt": "other",
        "copy.dcm": "duplicate",
    }
    assert all(file["reason"] for item in items.values() for file in item["not_delivered"])
    held = items["unnamed"]["units"][0]
    assert ("person", "XS-LABEL-UNUSABLE", f"xnatsync --config {box.config} retry u{held['id']}") == (
        held["hold"],
        held["code"],
        held["command"],
    )
    assert items["words"]["phase"] == "left"


@pytest.mark.parametrize(
    ("arguments", "code", "command"),
    [
        (["sync", "nowhere"], "XS-ROUTE-UNKNOWN", "sync"),
        (["why", "nothing"], "XS-NOTHING-FOUND", "why"),
        (["retry", "x"], "XS-NOTHING-FOUND", "retry"),
        (["retry"], "XS-USAGE", "retry"),
        (["dismiss", "#9"], "XS-NOTHING-FOUND", "dismiss"),
        (["sync", "--workers", "many"], "XS-USAGE", "error"),
        (["fly"], "XS-USAGE", "error"),
    ],
)
def test_an_error_is_a_document_too(arguments: list[str], code: str, command: str, box: World) -> None:
    """A command that fails prints exactly one document, with the error."""
    ran = box.run(*arguments, "-o", "json")

    assert document_faults(ran.document) == []
    assert (code, f"xnatsync/{command}/1") == (ran.document["error"]["code"], ran.document["schema"])
    assert 2 == ran.code == ran.document["error"]["exit_code"]
    assert f"[{code}]" in ran.err


def test_the_output_may_be_asked_for_before_the_command(box: World) -> None:
    """`-o json` before the command is the same as after it."""
    before, after = box.run("-o", "json", "config", "check"), box.run("config", "check", "-o", "json")

    assert before.document == after.document


def test_a_wrong_configuration_is_checked_into_one_document(box: World) -> None:
    """Every problem of a configuration is in the document of `config check`."""
    box.configure(route='colour = "red"\nafter = "burn"')

    ran = box.run("config", "check", "-o", "json")

    assert document_faults(ran.document) == []
    assert (ran.code, ran.document["valid"]) == (2, False)
    assert {"routes.scanner.colour", "routes.scanner.after"} == {part["key"] for part in ran.document["problems"]}


def test_stdout_holds_the_document_alone(box: World) -> None:
    """With progress and a log on stderr, stdout is one document and nothing else."""
    box.study("good")

    ran = box.spawn("-v", "sync", "-o", "json")

    assert ran.code == 0
    assert json.loads(ran.out)["schema"] == "xnatsync/sync/1"
    assert ran.err


def test_no_header_value_is_in_a_document(box: World) -> None:
    """The patient's name is in no document, and neither is the password."""
    busy(box)
    told = [
        box.run(*arguments, "-o", "json").out
        for arguments in (["status"], ["history"], ["why", "good"], ["config", "show"])
    ]

    assert not [text for text in told if "Secret" in text or "a-password-of-the-test" in text]


def spoil_type(document: dict[str, Any]) -> None:
    document["items"][0]["units"][0]["receipt"]["held"] = "4"


def spoil_missing(document: dict[str, Any]) -> None:
    del document["items"][0]["phase"]


def spoil_more(document: dict[str, Any]) -> None:
    document["items"][0]["units"][0]["colour"] = "red"


def spoil_flag(document: dict[str, Any]) -> None:
    document["exit_code"] = True


@pytest.mark.parametrize("spoil", [spoil_type, spoil_missing, spoil_more, spoil_flag])
def test_the_comparison_with_the_page_sees_a_wrong_document(
    spoil: Callable[[dict[str, Any]], None], box: World
) -> None:
    """A field of another type, a missing or a further one is caught."""
    box.study("good")
    document = box.run("sync", "-o", "json").document
    assert document_faults(document) == []

    spoil(document)

    assert len(document_faults(document)) == 1


def test_every_part_on_the_page_is_used() -> None:
    """No table of docs/json.md describes something that no document has."""
    used = {word for fields in TABLES.values() for kind in fields.values() for word in kind.split()}

    assert set() == {name for name in TABLES if "/" not in name} - used - {"error", "unit", "item"}
