"""Pixels alone remove nothing: somebody may have given an object another head before it was ever proven (ADR 8)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from drop_pieces import LABEL, edit
from drop_world import DropWorld, only, unit_of
from xnatsync.core.manifest import Compared

STRIPS = 'version "6.6"\nremoveAllPrivateTags\n(0010,4000) := "a script ran"\n'


def with_private(path: Path, *, nested: bool = True) -> None:
    """Gives an object private elements, also inside of a sequence."""
    data = pydicom.dcmread(path)
    data.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", b"gradients!")
    if nested:
        inner = Dataset()
        inner.CodeValue = "1"
        inner.private_block(0x0021, "SIEMENS INNER", create=True).add_new(0x01, "LO", "nested")
        data.AnatomicRegionSequence = [inner]  # in group 0008, which servers rewrite
        other = Dataset()
        other.StopTrim = "3"
        other.private_block(0x0021, "SIEMENS INNER", create=True).add_new(0x01, "LO", "nested")
        data.PlanePositionSequence = [other]
    data.save_as(path)


def without_private(path: Path) -> None:
    data = pydicom.dcmread(path)
    data.remove_private_tags()
    data.save_as(path)


def strips(world: DropWorld) -> None:
    """The site's script removes private elements, as many do."""
    world.site.settings.update({"enableSitewideAnonymizationScript": True, "sitewideAnonymizationScript": STRIPS})


def proven(world: DropWorld) -> dict[Compared, int]:
    report = world.sync()
    assert report.exit_code == 0, report
    receipt = unit_of(only(report)).receipt
    assert receipt is not None
    return dict(receipt.compared)


OTHERS: dict[str, Callable[[Path], object]] = {
    "a correction": lambda path: edit(path, PatientPosition="FFS"),
    "an element more": lambda path: edit(path, ImagePositionPatient=[1, 2, 3]),
    "an element less": lambda path: edit(path, PatientPosition=None),
    "no private elements": without_private,
}


@pytest.mark.parametrize("script", [False, True])
@pytest.mark.parametrize("many", [1, 3])
@pytest.mark.parametrize("how", OTHERS)
def test_another_head_at_the_first_proof_is_filed(world: DropWorld, how: str, many: int, script: bool) -> None:
    """Of one object, or of all: what the server holds is another head, and ours is kept."""
    if (how, many, script) == ("no private elements", 3, True):
        pytest.skip("all of a session without private elements, and a script that says it ran: that is its work")
    world.site.settings.update({"enableSitewideAnonymizationScript": script})
    world.configure(after="delete")
    sent = {path.name: path for path in world.study(series=(3,))}
    for path in sent.values():
        edit(path, PatientPosition="HFS")
        with_private(path)
    before = {name: path.read_bytes() for name, path in sent.items()}

    def change() -> None:
        for path in world.stored(LABEL)[:many]:
            OTHERS[how](path)

    world.after("POST", "action=commit", change)

    counts = proven(world)

    assert counts[Compared.PIXELS] == many
    filed = {path.name: path.read_bytes() for path in (world.folder / "done").rglob("*.dcm")}
    assert len(filed) == many
    assert filed.items() <= before.items()
    assert world.in_drop() == set()


def test_what_a_script_stripped_is_removed(world: DropWorld) -> None:
    """All of the session lost its private elements, and says so: nobody gave it another head."""
    strips(world)
    world.configure(after="delete")
    for path in world.study(series=(3,)):
        with_private(path)

    assert proven(world) == {Compared.PIXELS: 3}
    assert (world.filed(), world.in_drop()) == (set(), set())


@pytest.mark.parametrize("how", sorted(set(OTHERS) - {"no private elements"}))
def test_an_odd_one_among_what_a_script_stripped_is_filed(world: DropWorld, how: str) -> None:
    """Two are removed; that one is not."""
    strips(world)
    world.configure(after="delete")
    for path in world.study(series=(3,)):
        edit(path, PatientPosition="HFS")
        with_private(path)
    world.after("POST", "action=commit", lambda: OTHERS[how](world.stored(LABEL)[0]))

    assert proven(world) == {Compared.PIXELS: 3}
    assert len(world.filed()) == 1


def test_where_some_keep_their_private_elements_no_script_ran(world: DropWorld) -> None:
    """What was stripped there is then the odd one, and filed."""
    strips(world)
    world.configure(after="delete")
    files = world.study(series=(3,))
    for path in files:
        with_private(path)
    world.after("POST", "action=commit", lambda: with_private(world.stored(LABEL)[0]))

    assert proven(world)[Compared.PIXELS] >= 2
    assert len(world.filed()) >= 2


def test_what_says_of_no_script_is_filed(world: DropWorld) -> None:
    """The same heads, without the record that a script leaves."""
    strips(world)
    world.configure(after="delete")
    for path in world.study(series=(2,)):
        with_private(path)

    def forget() -> None:
        for path in world.stored(LABEL):
            data = pydicom.dcmread(path)
            del data[0x0012, 0x0064]
            data.save_as(path)

    world.after("POST", "action=commit", forget)

    assert proven(world) == {Compared.PIXELS: 2}
    assert len(world.filed()) == 2


@pytest.mark.parametrize("after", ["move", "keep"])
def test_filing_asks_for_no_second_reading(world: DropWorld, after: str) -> None:
    """Only a removal needs the head: elsewhere the pixels are proof enough."""
    world.configure(after=after, verify="pixels")
    world.study(series=(2,))

    assert proven(world) == {Compared.PIXELS: 2}


@pytest.mark.parametrize("script", [STRIPS, 'version "6.6"\n-(7FE1,1001)\n', 'version "6.6"\n(7FE1,0010) := "X"\n'])
def test_what_stands_behind_the_pixel_data_is_no_head(world: DropWorld, script: str) -> None:
    """A scanner's volume in a private element there, of which a script takes away or changes something, is filed."""
    world.site.settings.update({"enableSitewideAnonymizationScript": True, "sitewideAnonymizationScript": script})
    world.configure(after="delete")
    files = world.study(series=(3,))
    for path in files:
        data = pydicom.dcmread(path)
        data.add_new(0x7FE10010, "LO", "KRETZ_US")
        data.add_new(0x7FE11001, "OB", b"a volume")
        data.save_as(path)

    assert world.sync().exit_code == 0
    assert len([path for path in (world.folder / "done").rglob("*") if path.is_file()]) == len(files)
