"""`doctor` finds what is wrong, all of it at once, each with its advice."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_world import REPOSITORY, World, silent_port
from rights import CAN_BE_BOUND, bound_by_modes
from xnatsync.sandbox.http.faults import Fault


def states(box: World) -> tuple[int, dict[str, tuple[str, str | None]]]:
    ran = box.run("doctor", "-o", "json")
    return ran.code, {check["name"]: (check["state"], check["code"]) for check in ran.document["checks"]}


def test_all_is_well(box: World) -> None:
    """In a sound world every check is ok, and doctor changes nothing."""
    ran = box.run("doctor")

    assert ran.code == 0
    assert "everything is well" in ran.out
    assert "is XNAT 1." in ran.out
    assert "logged in as admin" in ran.out
    assert [box.drop] == list(box.root.glob("drop"))
    assert not list(box.drop.iterdir())
    assert not list(box.root.glob("ledger.db*"))


def test_everything_is_found_at_once(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password and a missing folder are found in one go; the exit code is the gravest."""
    monkeypatch.setenv("XNATSYNC_BOX_PASSWORD", "wrong")
    box.drop.rename(box.root / "elsewhere")

    code, found = states(box)

    assert code == 7
    assert found["server box"] == ("problem", "XS-AUTH-REFUSED")
    assert found["route scanner"] == ("problem", "XS-FOLDER-MISSING")
    assert found["ledger"] == ("ok", None)


def test_a_wrong_configuration_ends_it(box: World) -> None:
    """Without a configuration nothing else can be looked at."""
    box.configure(route='colour = "red"')

    code, found = states(box)

    assert (code, found) == (2, {"configuration": ("problem", "XS-CONFIG")})


def test_a_missing_password_is_found(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No password anywhere: 6."""
    monkeypatch.delenv("XNATSYNC_BOX_PASSWORD")

    code, found = states(box)

    assert (code, found["server box"]) == (6, ("problem", "XS-AUTH-MISSING"))


def test_an_unreachable_server_is_found(box: World) -> None:
    """Nothing listens there: 5."""
    with silent_port() as port:
        box.configure(url=f"http://127.0.0.1:{port}")
        code, found = states(box)

    assert (code, found["server box"]) == (5, ("problem", "XS-SERVER-UNREACHABLE"))


def test_a_missing_project_is_found(box: World) -> None:
    """A project that is not there: 3."""
    box.configure(project="NOWHERE")

    code, found = states(box)

    assert (code, found["project NOWHERE on box"]) == (3, ("problem", "XS-NOT-THERE"))


def test_a_project_that_may_only_be_read_is_found(box: World) -> None:
    """A collaborator cannot add to a project: 6, before anything is uploaded and misrouted."""
    site = box.server.site
    site.accounts.add("reader", "a-password-of-the-test", admin=False)
    site.projects["DEMO"].members["reader"] = "collaborator"
    box.config.write_text(box.config.read_text(encoding="utf-8").replace('"admin"', '"reader"'), encoding="utf-8")

    code, found = states(box)

    assert (code, found["project DEMO on box"]) == (6, ("problem", "XS-ACCESS-DENIED"))


def test_a_clock_that_is_wrong_is_a_warning(box: World) -> None:
    """A server whose clock is an hour off is worth a warning, and no failure."""

    true = box.server.site.clock
    box.server.site.clock = lambda: true() - 3600

    ran = box.run("doctor")

    assert ran.code == 0
    assert re.search(r"its clock differs from ours by -360[01] s", " ".join(ran.out.split()))


def test_a_server_that_does_not_tell_its_version_is_no_problem(box: World) -> None:
    """Strange build information is not taken for a version."""
    box.server.faults.add(Fault("GET", "buildInfo", "body", body="{}"))

    ran = box.run("doctor")

    assert ran.code == 0
    assert "is XNAT of unknown version" in ran.out


def test_a_damaged_ledger_is_found(box: World) -> None:
    """A ledger whose bytes were changed is found, and not touched."""
    box.study("good")
    box.run("sync")
    ledger = box.root / "ledger.db"
    spoiled = b"not a database at all" + ledger.read_bytes()[21:]
    ledger.write_bytes(spoiled)

    code, found = states(box)

    assert (code, found["ledger"]) == (7, ("problem", "XS-LEDGER-DAMAGED"))
    assert spoiled == ledger.read_bytes()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_found(box: World) -> None:
    """Filing needs the right to write in the drop folder."""
    box.drop.chmod(0o500)
    try:
        code, found = states(box)
    finally:
        box.drop.chmod(0o700)

    assert (code, found["route scanner"]) == (5, ("problem", "XS-DISK-UNWELL"))


@pytest.mark.parametrize("shut", ["ledger.db", ".", "tree/.xnatsync", "tree/.xnatsync/staging"])
def test_what_only_a_run_writes_to_is_looked_at_too(box: World, monkeypatch: pytest.MonkeyPatch, shut: str) -> None:
    """The ledger, its folder, and what is ours in the tree of a mirror: a run would fail there, and name `doctor`."""
    (box.root / "tree").mkdir()
    box.configure(
        route=f'[routes.m]\nkind = "mirror"\nfolder = "{box.root / "tree"}"\nserver = "box"\nproject = "DEMO"\n'
    )
    assert box.run("sync").code == 0
    place, allowed = (box.root / shut).resolve(), os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode, **more: allowed(path, mode, **more) and (Path(path) != place or not mode & 2)
    )

    code, found = states(box)

    told = found["ledger" if "tree" not in shut else "route m"]
    assert (code, told) == (5, ("problem", "XS-DISK-UNWELL")), found


@pytest.fixture
def elsewhere(box: World) -> Iterator[Path]:
    """A folder on another file system than the drop folder."""
    for place in ("/dev/shm", "/run", "/var/tmp", str(REPOSITORY)):
        if os.path.isdir(place) and os.access(place, os.W_OK) and os.stat(place).st_dev != box.drop.stat().st_dev:
            with tempfile.TemporaryDirectory(dir=place) as made:
                yield Path(made)
            return
    pytest.skip("this machine has one file system only")


def test_another_file_system_for_done_is_found(box: World, elsewhere: Path) -> None:
    """Filing is a rename: a done folder on another file system is found before the first item is."""
    box.configure(route=f'done = "{elsewhere}"')

    code, found = states(box)

    assert (code, found["route scanner"]) == (5, ("problem", "XS-DISK-UNWELL"))


@pytest.mark.parametrize("name", ["done", ".xnatsync", ".xnatsync/custody"])
def test_a_file_where_a_folder_of_ours_is_to_be_is_named(box: World, name: str) -> None:
    """It was called a folder that this account may not write to, or everything was well."""
    place = box.drop / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"of another program")

    code, found = states(box)

    assert (code, found["route scanner"]) == (3, ("problem", "XS-PLACE-TAKEN"))
    place.rename(box.root / "away")
    assert states(box)[0] == 0


@pytest.mark.skipif(not CAN_BE_BOUND and os.geteuid() == 0, reason="root may enter everything")
@pytest.mark.parametrize("mode", [0o000, 0o500])
@pytest.mark.parametrize("name", [".xnatsync", ".xnatsync/custody", "done", "done/today"])
def test_a_folder_of_ours_that_is_shut_is_named(box: World, name: str, mode: int) -> None:
    """Each in which a run files: it was an internal error, or everything was well while the run held each item."""
    box.study("exam")
    assert box.run("sync", "--settle", "0s").code == 0
    day = next(path for path in (box.drop / "done").iterdir())
    (box.drop / ".xnatsync/custody").mkdir(exist_ok=True)
    place = day if name == "done/today" else box.drop / name
    place.chmod(mode)
    try:
        with bound_by_modes():
            code, found = states(box)
    finally:
        place.chmod(0o700)

    needed = name != ".xnatsync" or mode == 0
    assert (code, found["route scanner"]) == ((5, ("problem", "XS-DISK-UNWELL")) if needed else (0, ("ok", None)))


def test_little_room_is_found(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly any room for the ledger: 5."""
    monkeypatch.setattr("xnatsync.disk.space.free_bytes", lambda *_: 1000)

    code, _ = states(box)

    assert code == 5


def test_a_route_that_keeps_needs_no_right_to_write(box: World, elsewhere: Path) -> None:
    """Under `keep` nothing is written in the drop folder, so nothing about writing is asked."""
    box.configure(route=f'after = "keep"\ndone = "{elsewhere}"')

    code, found = states(box)

    assert (code, found["route scanner"]) == (0, ("ok", None))


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_a_ledger_and_a_configuration_that_are_open_to_others_are_named(box: World) -> None:
    """A restore with `cp` leaves 0644: a warning with what to type. What anybody may write is refused by a run."""
    assert box.run("sync").code == 0
    ledger = box.root / "ledger.db"
    assert ledger.stat().st_mode & 0o777 == 0o600
    ledger.chmod(0o644)
    box.config.chmod(0o666)
    ran = box.run("doctor")
    words = " ".join(ran.out.split())
    assert ran.code == 0
    assert f"{ledger} can be read by others (mode 0644)" in words
    assert f"chmod 600 {ledger}" in words
    assert f"{box.config} can be changed by others (mode 0666)" in words

    ledger.chmod(0o666)
    refused = box.run("sync")
    assert (refused.code, "[XS-LEDGER-OPEN]" in refused.err) == (6, True)
    ledger.chmod(0o600)
    before = box.root.stat().st_mode
    box.root.chmod(0o777)
    refused = box.run("sync")
    assert (refused.code, "[XS-LEDGER-OPEN]" in refused.err) == (6, True)
    box.root.chmod(0o1777)
    assert box.run("sync").code == 0
    box.root.chmod(before & 0o7777)
    assert box.run("sync").code == 0
