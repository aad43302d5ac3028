"""The guard against the wrong patient: a study that contradicts what came before under its subject's label is held.

A person who assigns it has looked: their word lets it be.
"""

from __future__ import annotations

from collections.abc import Sequence

from xnatsync.core.errors import PatientDiffers
from xnatsync.core.group import Study
from xnatsync.core.patient import WORDS, contradicting, traits
from xnatsync.ledger.patients import KnownPatient, Traits
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World


def guard(world: World, route: DropRoute, item: ItemRow, studies: Sequence[Study]) -> dict[str, Traits]:
    """Give each study that may be of another patient its error; returns what each of them says, by its UID."""
    if route.same_patient == "ignore":
        return {}
    assigned = world.ledger.assigned(route.name)
    found: dict[str, Traits] = {}
    here: dict[tuple[str, str], list[KnownPatient]] = {}
    for study in studies:
        if study.error is not None or not study.subject:
            continue
        mine = world.ledger.patient_digests(route.server, study.project, study.subject, traits(study.files))
        found[study.study_uid] = mine
        before = world.ledger.known_patients(route.server, study.project, study.subject, study.study_uid)
        beside = here.setdefault((study.project, study.subject), [])
        if study.study_uid not in assigned:
            study.error = _contradiction(mine, [*before, *beside])
        if study.error is None:
            beside.append(KnownPatient(item.id, mine))
    return found


def note_patients(world: World, units: Sequence[UnitRow], found: dict[str, Traits]) -> None:
    """Write down whom the sessions of an item show."""
    for unit in units:
        if unit.study_uid in found:
            world.ledger.note_patient(unit.id, found[unit.study_uid])


def _contradiction(mine: Traits, known: Sequence[KnownPatient]) -> PatientDiffers | None:
    """Return why a study may be of another patient; None where what it says was let be under that label before."""
    for other in known:
        fields = contradicting(mine, other.traits)
        if fields and not any(_agrees(mine, fields, one.traits) for one in known):
            words = " and another ".join(WORDS[field] for field in fields)
            return PatientDiffers(
                f"under the label of its subject another study was taken before, of another {words} (item "
                f"{other.item_id}): it may be of another patient"
            )
    return None


def _agrees(mine: Traits, fields: Sequence[str], other: Traits) -> bool:
    return not contradicting(mine, other) and all(field in other for field in fields)
