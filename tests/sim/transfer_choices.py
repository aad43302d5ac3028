"""What the filters of a history take, and what that means for each thing: the judge's own view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.faults import Chance
from transfer.model import Thing
from xnatsync.config.transfers import FilteringConfig
from xnatsync.core.described import ThingKind
from xnatsync.core.transfer_filter import TransferFilter


def _always(*_: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Taken:
    """One filter as the route has it, and whether it takes a session, a part of an entity, a resource of either."""

    told: dict[str, Any]
    session: Callable[[str], bool] = _always
    part: Callable[[Thing, Thing], bool] = _always
    of: Callable[[Thing, Thing | None, str], bool] = _always

    @property
    def filter(self) -> TransferFilter:
        return FilteringConfig.model_validate(self.told).filter

    def resource(self, entity: Thing, part: Thing | None, label: str) -> bool:
        """Whether a resource goes: its entity and its part do, and it is not left out itself."""
        return (part is None or self.part(entity, part)) and self.of(entity, part, label)


def _is_session(entity: Thing, part: Thing | None) -> bool:
    return entity.kind is ThingKind.SESSION and part is None


EVERYTHING = Taken({})
CHOICES = (
    Taken(
        {"session_resources": {"sync_type": "exclude", "items": ["NOTES"]}},
        of=lambda entity, part, label: not (_is_session(entity, part) and label == "NOTES"),
    ),
    Taken(
        {"imaging_sessions": {"sync_type": "include", "items": ["xnat:petSessionData"]}},
        session=lambda xsi_type: xsi_type == "xnat:petSessionData",
    ),
    Taken(
        {"scan_types": {"sync_type": "exclude", "items": ["T2"]}},
        part=lambda _, part: not (part.kind is ThingKind.SCAN and part.fields.get("type") == "T2"),
    ),
    Taken({"subject_assessors": {"sync_type": "none"}}, part=lambda _, part: part.kind is not ThingKind.RECORD),
    Taken(
        {
            "project_resources": {"sync_type": "none"}, "subject_resources": {"sync_type": "none"},
            "scan_resources": {"sync_type": "include", "items": ["DICOM"]},
        },
        of=lambda entity, part, label: (
            label == "DICOM" if part is not None and part.kind is ThingKind.SCAN
            else part is not None or entity.kind is ThingKind.SESSION
        ),
    ),
    Taken(
        {"session_assessors": {"sync_type": "include", "items": ["xnat:other"]}},
        part=lambda _, part: part.kind is not ThingKind.ASSESSOR,
    ),
)  # fmt: skip


def draw(chance: Chance) -> Taken:
    """Draws a filter; most take everything."""
    return EVERYTHING if chance.random() < 0.6 else chance.choice(CHOICES)
