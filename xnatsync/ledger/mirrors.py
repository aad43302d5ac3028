"""Mirrors and pushes as the ledger knows them: owners, versions and deeds, and how each route stands."""

from __future__ import annotations

from xnatsync.ledger.audits import Audits
from xnatsync.ledger.deeds import Deeds
from xnatsync.ledger.owners import Owners
from xnatsync.ledger.tree_rows import MirrorCounts
from xnatsync.ledger.unplaced import Unplaced
from xnatsync.ledger.versions import Versions


class Mirrors(Owners, Versions, Deeds, Audits, Unplaced):
    """What was agreed between trees and servers."""

    def mirror_counts(self, route: str | None = None) -> dict[str, MirrorCounts]:
        """Count the owners, files and troubles of each route that has owners."""
        found: dict[str, dict[str, int]] = {}
        for sql in (_OWNERS, _FILES, _TRASH, _TROUBLES):
            names, query = sql
            for name, *numbers in self._fetch(query, {"route": route}):
                found.setdefault(name, {}).update(zip(names, map(int, numbers), strict=True))
        return {name: MirrorCounts(**numbers) for name, numbers in found.items()}


_OWNERS = (
    ("owners", "agreed", "gone", "held", "retrying", "session", "subject", "project"),
    (
        "select route, sum(phase <> 'gone'), sum(phase = 'agreed'), sum(phase = 'gone'), sum(hold is 'person'), "
        "sum(hold is 'retry'), sum(kind = 'session' and phase <> 'gone'), sum(kind = 'subject' and phase <> 'gone'), "
        "sum(kind = 'project' and phase <> 'gone') from owner where :route is null or route = :route group by route"
    ),
)
_FILES = (
    ("files", "bytes"),
    (
        "select route, count(*), sum(size) from version "
        "where until is null and (:route is null or route = :route) group by route"
    ),
)
_TRASH = (
    ("trash_files", "trash_bytes"),
    (
        "select route, count(*), sum(size) from version "
        "where until is not null and trash is not null and (:route is null or route = :route) group by route"
    ),
)
_TROUBLES = (
    ("troubles", "told"),
    (
        "select o.route, sum(t.person), sum(not t.person) from trouble t join owner o on o.id = t.owner_id "
        "where :route is null or o.route = :route group by o.route"
    ),
)
