"""Each level of proof, and what it must catch: real bytes and catalogues are tampered with before the proof."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drop_world import DropWorld, only, uids, unit_of

LABEL = "SUB1_MR_20260301"
COMMIT = "action=commit"
BUILD = "action=build"


def _tamper_pixels(path: Path) -> None:
    """Changes one sample of the picture; length and header stay."""
    data = bytearray(path.read_bytes())
    data[-5] ^= 0x40
    path.write_bytes(bytes(data))


def _tamper_header(path: Path) -> None:
    """Changes one byte of a header value; pixels and length stay."""
    data = path.read_bytes()
    at = data.index(b"series 1")
    path.write_bytes(data[:at] + b"Series 1" + data[at + 8 :])


def _truncate(path: Path) -> None:
    """Cuts most of the picture off."""
    path.write_bytes(path.read_bytes()[:1500])


def _archived_file(world: DropWorld) -> Path:
    return world.stored(LABEL)[0]


def _forget(world: DropWorld, path: Path) -> None:
    """Takes an object out of the archive: file and catalogue entry."""
    session = world.session(LABEL)
    assert session is not None
    for scan in session.scans.values():
        for resource in scan.resources.values():
            resource.entries.pop(path.name, None)
    path.unlink()


def _resize(world: DropWorld, path: Path) -> None:
    """Lets the catalogue tell the size the truncated file has."""
    session = world.session(LABEL)
    assert session is not None
    for scan in session.scans.values():
        for resource in scan.resources.values():
            if path.name in resource.entries:
                resource.entries[path.name].size = path.stat().st_size


@pytest.mark.parametrize("level", ["names", "pixels", "bytes"])
def test_an_untouched_session_is_proven(world: DropWorld, level: str) -> None:
    if level == "bytes":
        _site_leaves_bytes_alone(world)
    world.configure(verify=level)
    sent = uids(world.study())

    report = world.sync()

    part = unit_of(only(report))
    assert report.exit_code == 0, part.unit
    assert part.receipt is not None
    assert (part.receipt.level, part.receipt.expected, part.receipt.held) == (level, len(sent), len(sent))


def _site_leaves_bytes_alone(world: DropWorld) -> None:
    world.site.settings.values["enableSitewideAnonymizationScript"] = False


CASES: list[tuple[str, str, Callable[[DropWorld], None], str]] = [
    ("pixels", "changed pixels", lambda world: _tamper_pixels(_archived_file(world)), "XS-OBJECTS-DIFFER"),
    ("bytes", "changed pixels", lambda world: _tamper_pixels(_archived_file(world)), "XS-OBJECTS-DIFFER"),
    ("bytes", "changed header", lambda world: _tamper_header(_archived_file(world)), "XS-OBJECTS-DIFFER"),
    ("pixels", "truncated", lambda world: _truncate(_archived_file(world)), "XS-OBJECTS-DIFFER"),
    ("bytes", "truncated", lambda world: _truncate(_archived_file(world)), "XS-OBJECTS-DIFFER"),
]


@pytest.mark.parametrize(("level", "what", "tamper", "code"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_an_object_that_was_damaged_in_the_archive_is_caught(
    world: DropWorld, level: str, what: str, tamper: Callable[[DropWorld], None], code: str
) -> None:
    if level == "bytes":
        _site_leaves_bytes_alone(world)
    world.configure(verify=level)
    world.study()
    world.after("POST", COMMIT, lambda: tamper(world))

    report = world.sync()

    unit = unit_of(only(report)).unit
    assert (report.exit_code, unit.code, unit.hold) == (3, code, "person"), unit
    assert unit_of(only(report)).receipt is None
    assert world.in_drop() == {"exam"}


def test_names_catches_an_object_that_is_shorter_than_its_pixels(world: DropWorld) -> None:
    world.study()

    def tamper() -> None:
        path = _archived_file(world)
        _truncate(path)
        _resize(world, path)

    world.after("POST", COMMIT, tamper)

    report = world.sync()

    unit = unit_of(only(report)).unit
    assert (report.exit_code, unit.code) == (3, "XS-OBJECTS-DIFFER")
    assert world.in_drop() == {"exam"}


@pytest.mark.parametrize("level", ["names", "pixels"])
def test_an_object_that_is_missing_in_the_archive_is_sent_again(world: DropWorld, level: str) -> None:
    world.configure(verify=level)
    sent = uids(world.study())
    struck = world.after("POST", COMMIT, lambda: _forget(world, _archived_file(world)))

    report = world.sync()

    assert struck.hits == 1
    assert report.exit_code == 0
    assert world.archived(LABEL) == sent
    commits = [entry for entry in world.server.log if COMMIT in str(entry["query"])]
    assert len(commits) == 2  # the second adds the one that was missing


def test_an_object_that_the_server_drops_each_time_is_held_after_three_sends(world: DropWorld) -> None:
    """As a series import filter or a rejecting anonymisation script does: accepted with 200, and never stored."""
    files = world.study()
    lost = next(iter(uids([files[0]])))

    def drop_one(_request: object) -> None:
        for row in world.site.prearchive.rows.values():
            content = world.site.prearchive.content(row)
            for path, received in list(content.objects.items()):
                if received.sop_uid == lost:
                    content.forget(path)

    world.fault("POST", BUILD, "call", before=drop_one, times=99)

    report = world.sync()

    unit = unit_of(only(report)).unit
    assert (report.exit_code, unit.code, unit.sends) == (3, "XS-OBJECTS-MISSING", 3)
    assert world.session(LABEL) is None
    assert world.in_drop() == {"exam"}


def test_an_object_we_did_not_send_is_caught_before_it_is_archived(world: DropWorld) -> None:
    """Somebody sends the same study at the same moment: their object would be archived with ours."""
    import httpx

    world.study("exam", series=(2,), uid="2.25.77", seed=1)
    stranger = world.study("other", series=(1,), uid="2.25.77", seed=2)[0]
    foreign = stranger.read_bytes()
    stranger.unlink()
    stranger.parent.rmdir()
    stranger.parent.parent.rmdir()

    def push() -> None:
        url = (
            "/data/services/import?import-handler=gradual-DICOM&inbody=true&PROJECT_ID=P1&SUBJECT_ID=SUB1"
            f"&EXPT_LABEL={LABEL}&prevent_auto_commit=true&SOURCE=uploader"
        )
        httpx.post(
            world.server.url + url,
            content=foreign,
            headers={"Content-Type": "application/dicom"},
            auth=("agent", "secret"),
        ).raise_for_status()

    world.after("POST", "import-handler=DICOM-zip", push)

    report = world.sync()

    unit = unit_of(only(report)).unit
    assert (report.exit_code, unit.code) == (3, "XS-OBJECTS-EXTRA"), unit
    assert world.session(LABEL) is None
    assert world.in_drop() == {"exam"}


def test_an_extra_object_in_the_archive_is_told_and_blocks_nothing_of_ours(world: DropWorld) -> None:
    """A session may grow in other ways; what is foreign there is listed, and never taken for ours."""
    world.study()

    def add() -> None:
        session = world.session(LABEL)
        assert session is not None
        scan = next(iter(session.scans.values()))
        resource = scan.resources["DICOM"]
        some = next(iter(resource.entries.values()))
        from dataclasses import replace

        resource.entries["2.25.99.dcm"] = replace(some, path="2.25.99.dcm", uid="2.25.99")
        original = next(path for path in world.stored(LABEL) if path.name == some.path)
        original.with_name("2.25.99.dcm").write_bytes(original.read_bytes())

    world.after("POST", COMMIT, add)

    report = world.sync()

    part = unit_of(only(report))
    assert report.exit_code == 0
    assert part.receipt is not None
    assert '"extra": 1' in part.receipt.evidence
    with world.ledger() as ledger:
        assert "session.extra" in {event.code for event in ledger.events()}
