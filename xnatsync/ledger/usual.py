"""Which kinds of series came with earlier exams of a route, as salted digests of their descriptions."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection

from xnatsync.core.usual_series import EXAMS_MAX
from xnatsync.ledger.patients import DIGEST_BYTES, Patients


class Usual(Patients):
    """What the ledger knows of what usually comes."""

    def kind_digests(self, route: str, kinds: Collection[str]) -> frozenset[bytes]:
        """Make digests of descriptions that can be compared within one route, and nowhere else."""
        salt = self._salt()
        texts = ("\0".join(("series", route, kind)).encode() for kind in kinds)
        return frozenset(hmac.digest(salt, text, hashlib.sha256)[:DIGEST_BYTES] for text in texts)

    def note_kinds(self, unit_id: int, kinds: Collection[bytes]) -> None:
        """Write down which kinds of series a session has."""
        with self.write():
            rows = ((unit_id, kind) for kind in sorted(kinds))
            self._run_many("insert into series_kind values (?, ?) on conflict do nothing", rows)

    def kinds_so_far(self, route: str, study_uid: str) -> frozenset[bytes]:
        """Return the kinds of series that other items of a route brought of a study."""
        sql = (
            "select digest from series_kind where unit_id in "
            "(select id from unit where route = ? and study_uid = ? and phase <> 'dismissed')"
        )
        return frozenset(bytes(row[0]) for row in self._fetch(sql, [route, study_uid]))

    def earlier_kinds(self, route: str, study_uid: str) -> list[frozenset[bytes]]:
        """List the kinds of series of other studies that a route delivered, the newest first.

        What came of a study in several parts counts as one.
        """
        sql = (
            "with newest as (select study_uid, max(id) as late from unit where route = ? and study_uid <> ? "
            "and phase in ('verified', 'closed') and exists (select 1 from series_kind where unit_id = unit.id) "
            "group by study_uid order by late desc limit ?) "
            "select n.late, k.digest from newest n join unit u on u.study_uid = n.study_uid and u.route = ? "
            "join series_kind k on k.unit_id = u.id order by n.late desc"
        )
        found: dict[int, set[bytes]] = {}
        for late, digest in self._fetch(sql, [route, study_uid, EXAMS_MAX, route]):
            found.setdefault(int(late), set()).add(bytes(digest))
        return [frozenset(kinds) for kinds in found.values()]
