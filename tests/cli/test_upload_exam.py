"""`session upload-exam`: objects as a session, everything else as its resources, byte for byte, or a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.test_upload import TO, contents, held, imports, plain, study, writes
from noun_world import NounWorld

__all__ = ["plain"]


def exam(root: Path) -> tuple[list[Path], dict[str, dict[str, bytes]]]:
    """An examination; gives its objects, and what its resources are to hold."""
    files = study(root / "dicom")
    (root / "physio" / "deep").mkdir(parents=True)
    (root / "physio" / "pulse.log").write_bytes(b"pulse" * 100)
    (root / "physio" / "deep" / "resp.log").write_bytes(b"resp")
    (root / "dicom" / "protocol.pdf").write_bytes(b"%PDF-1.4 a protocol")
    (root / "2").mkdir()
    (root / "2" / "raw.zip").write_bytes(b"PK\x03\x04 nobody unpacks it")
    (root / "notes.txt").write_bytes(b"fine")
    return files, {
        "physio": {"pulse.log": b"pulse" * 100, "deep/resp.log": b"resp"},
        "dicom": {"protocol.pdf": b"%PDF-1.4 a protocol"},
        "_2": {"raw.zip": b"PK\x03\x04 nobody unpacks it"},
        "MISC": {"notes.txt": b"fine"},
    }


def resources(world: NounWorld, label: str = "SUB01_MR1") -> dict[str, dict[str, bytes]]:
    """What the session's own resources hold."""
    session = next(one for one in world.site.experiments.values() if one.label == label)
    found: dict[str, dict[str, bytes]] = {}
    for name, resource in session.resources.items():
        base = f"/data/experiments/{session.id}/resources/{name}/files"
        found[name] = {path: world.ask("GET", f"{base}/{path}")[1].encode() for path in resource.entries}
    return found


def test_everything_of_an_exam_arrives_and_again_nothing_is_sent(plain: NounWorld) -> None:
    files, rest = exam(plain.root / "exam")

    ran = plain.run("session", "upload-exam", str(plain.root / "exam"), *TO, "-o", "json")

    assert ran.code == 0, ran.out + ran.err
    assert held(plain) == contents(files)
    assert resources(plain) == rest
    assert ran.document["dicom"]["proven"] == len(files)
    since = len(plain.server.log)
    again = plain.run("session", "upload-exam", str(plain.root / "exam"), *TO, "-o", "json")
    assert again.code == 0, again.out + again.err
    assert writes(plain, since) == []


def test_parts_of_it_can_be_left_out(plain: NounWorld) -> None:
    """The objects alone, and later the rest alone, under another name for what lies at the top."""
    files, rest = exam(plain.root / "exam")
    source = str(plain.root / "exam")

    assert plain.run("session", "upload-exam", source, *TO, "--skip-resources").code == 0
    assert resources(plain) == {}
    sent = imports(plain)
    assert plain.run("session", "upload-exam", source, *TO, "--attach-only", "--misc-label", "TOP").code == 0
    assert imports(plain) == sent
    assert resources(plain) == {**{key: value for key, value in rest.items() if key != "MISC"}, "TOP": rest["MISC"]}
    assert held(plain) == contents(files)


def test_the_plan_changes_nothing(plain: NounWorld) -> None:
    files, rest = exam(plain.root / "exam")
    ran = plain.run("session", "upload-exam", str(plain.root / "exam"), *TO, "--dry-run", "-o", "json")

    assert (ran.code, writes(plain)) == (0, []), ran.out + ran.err
    assert ran.document["dicom"]["totals"]["send_objects"] == len(files)
    assert {one["resource"]: one["sent_files"] for one in ran.document["resources"]} == {
        name: len(held_there) for name, held_there in rest.items()
    }


def test_a_session_that_is_not_archived_is_waited_for_and_then_told(plain: NounWorld) -> None:
    """In the prearchive there are no resources: nothing passes for stored, and the way on is said."""
    exam(plain.root / "exam")
    source = str(plain.root / "exam")

    ran = plain.run("session", "upload-exam", source, *TO, "--prearchive", "--wait", "0.3", "--wait-interval", "0.1")

    assert ran.code == 3
    assert "--attach-only" in ran.out
    assert [row.status for row in plain.site.prearchive.rows.values()] == ["READY"]
    assert plain.run("session", "upload-exam", source, *TO, "--attach-only", "--no-wait-for-archive").code == 3


@pytest.mark.parametrize("options", [(), ("--attach-only",)], ids=str)
def test_what_is_refused_is_refused_before_anything_is_sent(plain: NounWorld, options: tuple[str, ...]) -> None:
    """Two folders of one label, two studies, no folder at all; a resource is not stored where the objects are not."""
    exam(plain.root / "exam")
    (plain.root / "exam" / "_2").mkdir()
    (plain.root / "exam" / "_2" / "x").write_text("x")
    two = plain.root / "two"
    study(two / "a", seed=3)
    study(two / "b", seed=4)
    (two / "notes.txt").write_text("x")

    assert plain.run("session", "upload-exam", str(plain.root / "exam"), *TO, *options).code == 2
    assert plain.run("session", "upload-exam", str(two / "notes.txt"), *TO, *options).code == 2
    assert plain.run("session", "upload-exam", str(two), *TO, *options, "--wait", "0").code == 3
    assert writes(plain) == []
