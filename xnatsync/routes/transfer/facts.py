"""What is compared of a thing besides its files: fields, values of custom forms and shares, each by one path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from xnatsync.core.described import Described, Part, ThingKind
from xnatsync.core.imported import identifies
from xnatsync.core.transfer_decision import fact_digest
from xnatsync.ledger.counterparts import CounterpartRow

CUSTOM: Final = "custom:"
SHARE: Final = "share:"
NOTHING: Final[Mapping[str, str]] = {}
_OF_THE_SITE: Final = ("name", "secondary_ID", "@secondary_ID", "aliases")  # no second project of a server has them


def facts_here(thing: Described, projects: Mapping[str, str], *, one_server: bool) -> dict[str, str]:
    """Return what the destination should show of a thing of the source.

    `projects` says what each project that is transferred is called there; a share with another one cannot travel.
    """
    facts = _values(beside(thing) if one_server else thing)
    for share in thing.shares:
        if share.project in projects:
            facts[f"{SHARE}{projects[share.project]}"] = share.label or thing.label
    return facts


def beside(thing: Described) -> Described:
    """Return what a thing can have on the server where it is already.

    XNAT refuses a second project of its names; IDs of reconstructions are the whole site's (hierarchy.md §4.3, §19).
    """
    if thing.kind is ThingKind.SESSION:
        return replace(thing, parts=tuple(part for part in thing.parts if part.kind is not ThingKind.RECONSTRUCTION))
    if thing.kind is not ThingKind.PROJECT:
        return thing
    fields = tuple((path, text) for path, text in thing.fields if path.partition("/")[0] not in _OF_THE_SITE)
    return replace(thing, fields=fields)


def facts_there(thing: Described) -> dict[str, str]:
    """Return what the destination shows of a thing."""
    return _values(thing) | {f"{SHARE}{share.project}": share.label or thing.label for share in thing.shares}


def without_identity(thing: Described) -> Described:
    """Return a session or scan without what says whose it is: no transfer by import writes that by itself."""
    fields = tuple((path, text) for path, text in thing.fields if not identifies(thing.kind, path))
    return replace(thing, fields=fields, parts=tuple(without_identity(part) for part in thing.parts))


def _values(thing: Described) -> dict[str, str]:
    fields = {path: value for path, value in thing.fields if value}
    return fields | {f"{CUSTOM}{name}": value for name, value in thing.custom if value}


def text_of(part: Described) -> str:
    """Say which part of an entity something is, as the ledger writes it."""
    return str(Part(part.kind, part.name))


def stand_ins(
    here: Described,
    there: Described | None,
    known: Mapping[str, CounterpartRow],
    imported: Mapping[str, str] = NOTHING,
) -> dict[str, Described | None]:
    """Return what stands at the destination for each part: by its ID where it is known, else by its name.

    `imported` says which scan of the destination holds the objects of one of the source: an import gives IDs of its
    own (import.md §4.5), so what has the name of another is not it.
    """
    by_id = {(part.kind, part.id): part for part in there.parts} if there is not None else {}
    by_name = {(part.kind, part.name): part for part in there.parts} if there is not None else {}
    taken = set(imported.values())
    found: dict[str, Described | None] = {}
    for part in here.parts:
        text = text_of(part)
        if text in imported:
            found[text] = by_id.get((part.kind, imported[text]))
            continue
        row = known.get(text)
        mine = by_id.get((part.kind, row.there_id)) if row is not None and row.there_id else None
        stand = mine or by_name.get((part.kind, part.name))
        is_anothers = stand is not None and part.kind is ThingKind.SCAN and stand.id in taken
        found[text] = None if is_anothers else stand
    return found


def digests(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the facts as the ledger keeps them."""
    return {path: fact_digest(value) for path, value in facts.items()}
