"""Numbers for metrics: what was delivered where, when something was last proven, what waits in the outbox."""

from __future__ import annotations

from xnatsync.ledger.connection import Connection


class Figures(Connection):
    """What the ledger can count; receipts are append-only, so what is counted of them never falls."""

    def delivered(self) -> list[tuple[str, str, int, int]]:
        """List, by route and server, how many sessions were proven, and their bytes."""
        sql = (
            "select u.route, u.server, count(*), sum(u.bytes) from receipt r join unit u on u.id = r.unit_id "
            "group by 1, 2 order by 1, 2"
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
