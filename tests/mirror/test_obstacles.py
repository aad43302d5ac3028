"""Things in the way in the tree, before a run or suddenly in the middle of it: told, never followed or lost."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

import pytest

from mirror_world import Hurried, HurriedApp, MirrorWorld, some_bytes
from rights import CAN_BE_BOUND, bound_by_modes
from xnatsync.core.conflict import conflict_path

FOLDER = "P1/S1/S1_MR/scans/1/resources/NIFTI/files"
FIRST = f"{FOLDER}/1.nii"


@pytest.fixture
def fresh(world: MirrorWorld) -> MirrorWorld:
    """A session that was not pulled yet."""
    world.make_app = HurriedApp
    world.number = world.session_with()
    world.fill(world.number, files=5)
    return world


def codes(report: Any) -> set[str]:
    """Every code that a report tells."""
    found = {trouble.code for trouble in report.troubles} | {error.code for error in report.errors}
    return found | {row.code for row in report.held}


def link(world: MirrorWorld) -> None:
    (world.root / "elsewhere").mkdir()
    (world.tree / FOLDER).parent.mkdir(parents=True)
    (world.tree / FOLDER).symlink_to(world.root / "elsewhere")


def link_to_a_file(world: MirrorWorld) -> None:
    (world.root / "elsewhere").write_bytes(b"not ours")
    (world.tree / FOLDER).mkdir(parents=True)
    (world.tree / FIRST).symlink_to(world.root / "elsewhere")


def dangling_link(world: MirrorWorld) -> None:
    (world.tree / FOLDER).mkdir(parents=True)
    (world.tree / FIRST).symlink_to(world.root / "elsewhere")


def folder_for_a_file(world: MirrorWorld) -> None:
    (world.tree / FIRST).mkdir(parents=True)
    (world.tree / FIRST / "mine.txt").write_bytes(b"mine")


def empty_folder_for_a_file(world: MirrorWorld) -> None:
    (world.tree / FIRST).mkdir(parents=True)


def file_for_a_folder(world: MirrorWorld) -> None:
    (world.tree / FOLDER).parent.mkdir(parents=True)
    (world.tree / FOLDER).write_bytes(b"mine")


OBSTACLES = [link, link_to_a_file, dangling_link, folder_for_a_file, empty_folder_for_a_file, file_for_a_folder]


@pytest.mark.parametrize("policy", ["add", "replica"])
@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_something_in_the_way_is_told_and_all_else_comes(
    fresh: MirrorWorld, obstacle: Callable[[MirrorWorld], None], policy: str
) -> None:
    """The run comes to an end; nothing is written elsewhere; it goes on once the way is free."""
    fresh.configure(policy=policy)
    obstacle(fresh)
    outside = (fresh.root / "elsewhere").read_bytes() if (fresh.root / "elsewhere").is_file() else b""
    mark = len(fresh.server.log)

    report = fresh.mirror(patience_s=30.0)

    if (fresh.tree / FIRST).is_symlink():  # of what a link leads to nothing is said
        assert (report.exit_code, codes(report)) == (5, {"XS-SOURCE-UNREADABLE"}), report
    else:
        assert report.exit_code == 3, report
        assert codes(report) <= {"XS-PLACE-TAKEN", "XS-NAME-CLASH"}, report
    assert len(fresh.requests(mark)) < 20
    fetches = [request for request in fresh.requests(mark) if "/scans/" in request]
    assert len(fetches) == len(set(fetches))  # what is in the way stays there: nothing is fetched for it in vain
    assert {path for path in fresh.files() if "/scans/2/" in path} == {
        f"{FOLDER.replace('/1/', '/2/')}/{number}.nii" for number in range(1, 6)
    }
    if (fresh.root / "elsewhere").is_dir():
        assert list((fresh.root / "elsewhere").iterdir()) == []
    elif outside:
        assert (fresh.root / "elsewhere").read_bytes() == outside
    place = fresh.tree / (FIRST if (fresh.tree / FIRST).is_symlink() or (fresh.tree / FIRST).is_dir() else FOLDER)
    place.rename(fresh.root / "aside")
    assert fresh.mirror(patience_s=30.0).exit_code == 0
    assert fresh.files()[FIRST] == some_bytes(f"{fresh.number}/1/1", 100)
    assert len(fresh.files()) == 10


@pytest.mark.skipif(not CAN_BE_BOUND and os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_may_not_be_listed_is_reported(fresh: MirrorWorld) -> None:
    """The run ended with 5 and named nothing; nothing in it is fetched again, and it goes on when it is open."""
    assert fresh.mirror().exit_code == 0
    fresh.upload(f"experiments/{fresh.number}/scans/2/resources/NIFTI/files/6.nii", b"new")
    place = fresh.tree / FOLDER
    place.chmod(0)
    mark = len(fresh.server.log)
    try:
        with bound_by_modes():
            report = fresh.mirror(recheck=True)
    finally:
        place.chmod(0o755)
    assert report.exit_code == 5
    assert [(one.path, one.code) for one in report.troubles] == [(FOLDER, "XS-SOURCE-UNREADABLE")]
    assert not any("/scans/1" in request for request in fresh.requests(mark))
    assert fresh.mirror().exit_code == 0
    assert len(fresh.files()) == 11


def during(world: MirrorWorld, act: Callable[[], None]) -> None:
    """Does something in the tree while the server sends a zip."""

    def call(_request: Any, _response: Any) -> None:
        act()

    world.fault("GET", "format=zip", "call", after_call=call)


@pytest.mark.parametrize("policy", ["add", "replica"])
def test_a_stranger_that_comes_while_files_are_fetched(fresh: MirrorWorld, policy: str) -> None:
    """It is not overwritten unseen."""

    def act() -> None:
        (fresh.tree / FOLDER).mkdir(parents=True)
        (fresh.tree / FIRST).write_bytes(b"a stranger's")

    fresh.configure(policy=policy)
    during(fresh, act)

    report = fresh.mirror(patience_s=30.0)

    assert (report.exit_code, len(codes(report))) == (3, 1), report
    assert b"a stranger's" in fresh.files().values()
    assert (fresh.files()[FIRST] == b"a stranger's") == (policy == "add")


def test_an_edit_that_is_made_while_its_new_version_is_fetched(fresh: MirrorWorld) -> None:
    """Neither is lost."""
    fresh.configure(policy="replica")
    assert fresh.mirror().exit_code == 0
    for number in range(1, 6):
        where = f"experiments/{fresh.number}/scans/1/resources/NIFTI/files/{number}.nii"
        fresh.upload(where, b"version %d of the server" % number, overwrite=True)
    during(fresh, lambda: (fresh.tree / FIRST).write_bytes(b"my own work"))

    report = fresh.mirror(patience_s=30.0)

    assert (report.exit_code, codes(report)) == (3, {"XS-TREE-EDITED"}), report
    assert b"my own work" in fresh.files().values()
    assert fresh.files()[FIRST] == b"version 1 of the server"


def test_something_lies_where_the_copy_of_an_edit_is_to_go(fresh: MirrorWorld) -> None:
    """The edit stays in its place and a person is asked; all else comes (simulation, 9496)."""
    fresh.configure(policy="replica")
    assert fresh.mirror().exit_code == 0
    edit = b"an edit"
    (fresh.tree / FIRST).write_bytes(edit)
    copy = fresh.tree / conflict_path(FIRST, hashlib.sha256(edit).digest())
    copy.write_bytes(b"an edit of the copy")
    where = f"experiments/{fresh.number}/scans/1/resources/NIFTI/files"
    fresh.upload(f"{where}/1.nii", b"replaced there", overwrite=True)
    fresh.upload(f"{where}/6.nii", b"new")

    report = fresh.mirror()

    assert (report.exit_code, "XS-PLACE-TAKEN" in codes(report)) == (3, True), report
    assert ((fresh.tree / FIRST).read_bytes(), copy.read_bytes()) == (edit, b"an edit of the copy")
    assert (fresh.tree / FOLDER / "6.nii").read_bytes() == b"new"
    copy.unlink()
    fresh.mirror()
    assert ((fresh.tree / FIRST).read_bytes(), copy.read_bytes()) == (b"replaced there", edit)


def test_an_edit_that_is_made_before_its_file_is_removed(fresh: MirrorWorld) -> None:
    """It stays, and a person is asked."""
    fresh.configure(policy="replica")
    assert fresh.mirror().exit_code == 0
    fresh.delete(f"experiments/{fresh.number}/scans/1?removeFiles=true")
    for number in range(1, 6):
        where = f"experiments/{fresh.number}/scans/2/resources/NIFTI/files/{number}0.nii"
        fresh.upload(where, b"new")
    fresh.fault("GET", "0.nii", "call", before=lambda _: (fresh.tree / FIRST).write_bytes(b"my own work") and None)

    assert fresh.mirror(patience_s=30.0).exit_code == 5
    Hurried.gone_s += 60.0
    report = fresh.mirror(patience_s=30.0)

    assert (report.exit_code, codes(report)) == (3, {"XS-TREE-EDITED"}), report
    assert fresh.files()[FIRST] == b"my own work"
