"""What `rules test` and `rules replay` say, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xnatsync.core.rules import rule_name
from xnatsync.core.wording import counted
from xnatsync.views.blocks import Block, Line, Tone

if TYPE_CHECKING:
    from xnatsync.app.rules_rehearsed import Outcome, Place, Rehearsed


def rules_blocks(found: Sequence[Rehearsed]) -> Iterator[Block]:
    """Tell a person what would become of each study."""
    if not found:
        yield Line("no item of that time is in the ledger")
    for one in found:
        item = f" (item {one.item})" if one.item is not None else ""
        yield Line(f"{one.path}{item}, route {one.route}:", Tone.HEAD)
        if one.error is not None:
            yield Line(f"it cannot be read: {one.error}  [{one.error.code}]", Tone.BAD, indent=2)
        elif not one.outcomes:
            yield Line("no DICOM object", Tone.WARN, indent=2)
        for outcome in one.outcomes:
            yield from _outcome(outcome)


def _outcome(one: Outcome) -> Iterator[Block]:
    yield Line(f"study {one.study_uid}, {counted(one.objects, 'object')}: {_then(one)}", _tone(one), indent=2)
    if one.differs:
        before = _place(one.before) if one.before is not None else ""
        yield Line(f"differs: it went to {before}", Tone.WARN, indent=4)
    yield Line(f"{_by(one)}", indent=4)
    for rule in one.passed:
        yield Line(f"{rule_name(rule.number, rule.name)} did not: {' and '.join(rule.why)}", Tone.DIM, indent=4)


def _tone(one: Outcome) -> Tone:
    return {"send": Tone.GOOD, "hold": Tone.BAD}.get(one.then, Tone.WARN)


def _then(one: Outcome) -> str:
    if one.error is not None:
        return f"held for a person: {one.error}  [{one.error.code}]"
    if one.place is not None:
        return f"{_place(one.place)}, to the {one.destination}"
    return "left out, as the rule says" if one.then == "ignore" else f"left out by `{one.left_by}` of the selection"


def _by(one: Outcome) -> str:
    if not one.rule:
        return "no rule took it"
    behind = (
        f"; {counted(one.not_asked, 'rule')} behind it not asked" if one.not_asked and one.rule != "a person" else ""
    )
    return f"taken by {one.rule}{behind}" if one.rule != "a person" else "as a person assigned it"


def _place(place: Place) -> str:
    return f"project {place.project}, subject {place.subject}, session {place.session}"


def rules_fields(found: Sequence[Rehearsed]) -> dict[str, object]:
    """The same for programs."""
    return {
        "paths": [
            {
                "path": one.path,
                "route": one.route,
                "item": one.item,
                "code": one.error.code if one.error is not None else None,
                "detail": str(one.error) if one.error is not None else None,
                "studies": [_fields(outcome) for outcome in one.outcomes],
            }
            for one in found
        ]
    }


def _fields(one: Outcome) -> dict[str, object]:
    return {
        "study_uid": one.study_uid,
        "objects": one.objects,
        "then": one.then,
        "rule": one.rule or None,
        "not_asked": one.not_asked,
        "passed": [{"rule": rule_name(rule.number, rule.name), "why": list(rule.why)} for rule in one.passed],
        **_place_fields(one.place, ""),
        "destination": one.destination,
        "left_by": one.left_by or None,
        "code": one.error.code if one.error is not None else None,
        "detail": str(one.error) if one.error is not None else None,
        "differs": one.differs,
        **_place_fields(one.before, "was_"),
    }


def _place_fields(place: Place | None, before: str) -> dict[str, object]:
    return {
        f"{before}project": place.project if place is not None else None,
        f"{before}subject": place.subject if place is not None else None,
        f"{before}session": place.session if place is not None else None,
    }
