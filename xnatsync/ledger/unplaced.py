"""Files in the trees of pushes that belong to nothing on the server, and so to no owner."""

from __future__ import annotations

from collections.abc import Sequence

from xnatsync.ledger.connection import Connection
from xnatsync.ledger.tree_rows import NewTrouble, UnplacedRow


class Unplaced(Connection):
    """What the ledger knows of them."""

    def set_unplaced(self, route: str, files: Sequence[NewTrouble], now: str) -> None:
        """Replace what is known of a route; what stays keeps the moment since when, and no news is no write."""
        old = {(row.path, row.code): row for row in self.unplaced(route)}
        new = {(file.path, file.code): file for file in files}
        if {key: (row.detail, row.person, row.many) for key, row in old.items()} == {
            key: (file.detail, file.person, file.many) for key, file in new.items()
        }:
            return
        with self.write():
            self._run("delete from unplaced where route = ?", [route])
            self._insert_rows(
                "unplaced (route, path, code, detail, person, at, many)",
                [
                    (
                        *(route, file.path, file.code, file.detail, int(file.person)),
                        *(old[key].at if key in old else now, file.many),
                    )
                    for key, file in new.items()
                ],
            )

    def unplaced(self, route: str | None = None) -> list[UnplacedRow]:
        """List those of a route, or of all, by path."""
        sql = (
            "select route, path, code, detail, person, at, many from unplaced where :route is null or route = :route "
            "order by route, path, code"
        )
        return [
            UnplacedRow(name, path, code, detail, bool(person), at, many)
            for name, path, code, detail, person, at, many in self._fetch(sql, {"route": route})
        ]

    def find_unplaced(self, tail: str) -> list[UnplacedRow]:
        """Find those at a path, below it as a folder, or whose path ends so."""
        return [
            row
            for row in self.unplaced()
            if tail and row.path and (f"/{row.path}".endswith(f"/{tail}") or row.path.startswith(f"{tail}/"))
        ]
