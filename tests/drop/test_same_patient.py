"""The guard against the wrong patient, in whole runs."""

from __future__ import annotations

import pytest

from drop_pieces import edit, held
from drop_world import DropWorld, uids
from xnatsync.app.assign import assign
from xnatsync.config.load import load
from xnatsync.core.group import Assigned

JANE = {"PatientName": "Secret^Jane", "PatientBirthDate": "19330303", "PatientSex": "F"}


def drop(world: DropWorld, name: str, seed: int, **elements: object) -> set[str]:
    files = world.study(name, series=(1,), seed=seed, date=f"202603{seed:02}")
    for file in files:
        edit(file, **elements)
    return uids(files)


@pytest.fixture
def guarded(world: DropWorld) -> DropWorld:
    """A route that compares patients, and a first study under SUB1."""
    world.configure(same_patient="hold")
    drop(world, "first", 1, **JANE)
    assert world.sync().exit_code == 0
    return world


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("PatientName", "Secret^Judith", "name"),
        ("PatientBirthDate", "19330304", "birth date"),
        ("PatientSex", "M", "sex"),
    ],
)
def test_a_contradiction_is_held_and_a_person_says_where_it_belongs(
    guarded: DropWorld, field: str, value: str, word: str
) -> None:
    """Nothing of it is sent; the field is told and no value; their word counts, for either way on."""
    sent = drop(guarded, "second", 2, **{**JANE, field: value})
    before = len(guarded.server.log)

    row = held(guarded.sync())

    assert row.code == "XS-PATIENT-DIFFERS"
    assert f"of another {word} (item 1)" in (row.detail or "")
    assert guarded.writes(before) == []
    other = "SUB9" if field == "PatientSex" else None
    assign(load(guarded.config), "second", Assigned("P1", other))
    assert guarded.sync().exit_code == 0
    assert guarded.archived("SUB1_MR_20260302") == sent
    for path in guarded.root.glob("ledger.db*"):
        if path.is_file():
            assert not any(text in path.read_bytes() for text in (b"Secret", b"Jane", b"19330303", b"1933-03-03"))


def test_the_same_patient_goes_and_so_does_one_who_says_nothing(guarded: DropWorld) -> None:
    drop(guarded, "again", 2, PatientName="SECRET^JANE^^Dr", PatientBirthDate="19330303", PatientSex="F")
    drop(guarded, "silent", 3, PatientName="", PatientBirthDate="", PatientSex="O")

    assert guarded.sync().exit_code == 0


def test_what_a_person_let_be_is_let_be_from_then_on(guarded: DropWorld) -> None:
    """A corrected birth date: after one word, studies with either of them pass, and a third one does not."""
    drop(guarded, "second", 2, **{**JANE, "PatientBirthDate": "19330304"})
    held(guarded.sync())
    assign(load(guarded.config), "second", Assigned("P1"))
    drop(guarded, "third", 3, **{**JANE, "PatientBirthDate": "19330304"})
    drop(guarded, "fourth", 4, **JANE)
    assert guarded.sync().exit_code == 0

    drop(guarded, "fifth", 5, **{**JANE, "PatientBirthDate": "19330305"})

    assert held(guarded.sync()).code == "XS-PATIENT-DIFFERS"


def test_two_patients_in_one_item_are_not_both_taken(world: DropWorld) -> None:
    """Neither was delivered before: the second is held."""
    world.configure(same_patient="hold")
    drop(world, "exam/a", 1, **JANE)
    drop(world, "exam/b", 2, **{**JANE, "PatientSex": "M"})

    assert held(world.sync()).code == "XS-PATIENT-DIFFERS"


def test_without_the_key_nothing_is_compared_or_kept(world: DropWorld) -> None:
    drop(world, "first", 1, **JANE)
    drop(world, "second", 2, **{**JANE, "PatientSex": "M"})

    assert world.sync().exit_code == 0
    with world.ledger() as ledger:
        assert ledger.database["patient"].count == 0
