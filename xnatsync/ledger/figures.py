"""Numbers for metrics: what was delivered where, when something was last proven, what waits in the outbox."""

from __future__ import annotations

from xnatsync.ledger.connection import Connection


class Figures(Connection):
    """What the ledger can count; receipts are append-only, so what is counted of them never falls."""

    def delivered(self) -> list[tuple[str, str, int, int]]:
        """List, by route and server, how many sessions were proven, and their bytes.

        A session that was proven again, such as after an item was read again, is the same session. Of what one item
        has of it, the largest proof counts, so that neither number ever falls.
        """
        sql = (
            "with proven as ("
            "select u.route, u.server, u.project, u.session, u.study_uid, max(u.bytes) as bytes "
            "from receipt r join unit u on u.id = r.unit_id "
            "group by u.route, u.server, u.project, u.session, u.study_uid, u.item_id) "
            "select route, server, count(distinct json_array(project, session, study_uid)), sum(bytes) "
            "from proven group by 1, 2 order by 1, 2"
        )
        return [(str(route), str(server), int(many), int(size)) for route, server, many, size in self._fetch(sql)]

    def last_proofs(self) -> dict[str, str]:
        """Return, by route, when a session was last proven."""
        sql = "select u.route, max(r.at) from receipt r join unit u on u.id = r.unit_id group by 1"
        return {str(route): str(at) for route, at in self._fetch(sql)}

    def unsent(self) -> dict[str, int]:
        """Return, by target, how many messages wait."""
        sql = "select target, count(*) from notification where next_at is not null group by 1"
        return {str(target): int(many) for target, many in self._fetch(sql)}
