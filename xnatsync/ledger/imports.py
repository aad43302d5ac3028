"""What the ledger keeps of transfers by DICOM import: our upload on its way, and what each file of the source is."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from xnatsync.core.import_decision import OurRow
from xnatsync.core.inventory import ResourceKey
from xnatsync.ledger.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRow:
    """A file of the source among those that go by import."""

    owner_id: int
    scan: str
    label: str
    name: str
    seen: bytes  # digest of the size and MD5 that the source listed when it was read
    sop_uid: str  # "" when it cannot be imported
    origin: str  # who said so: `catalogue` or `bytes`
    code: str = ""  # why it cannot be imported
    detail: str = ""
    sha256: bytes | None = None  # of what was sent; None: it was not sent from here
    md5: str = ""
    pixels: bytes | None = None
    content: bytes | None = None  # of what else it says, but for what servers rewrite
    syntax: str = ""
    proof: str = ""  # by what it is known at the destination: `pixels`, `content` or `uid`; "" while it is not
    there: bytes | None = None  # digest of what the destination listed of it then

    @property
    def place(self) -> tuple[ResourceKey, str]:
        """Return which file it is."""
        return ResourceKey(self.scan, self.label), self.name


OBJECT = tuple(field.name for field in fields(ObjectRow))
_KEY = ("owner_id", "scan", "label", "name")


class Imports(Connection):
    """What the ledger knows of transfers by import alone."""

    def note_import(self, owner_id: int, row: OurRow | None) -> None:
        """Note how our upload of a session stands; None: there is none on its way any more."""
        with self.write():
            self._run("delete from import_row where owner_id = ?", [owner_id])
            if row is not None:
                self._insert(
                    "import_row", owner_id=owner_id, uri=row.uri, sends=row.sends, broken=int(row.broken),
                    before=json.dumps(sorted(row.before)),
                )  # fmt: skip

    def import_row(self, owner_id: int) -> OurRow | None:
        """Return how our upload of a session stands; None when there is none on its way."""
        sql = "select uri, sends, broken, before from import_row where owner_id = ?"
        for uri, sends, broken, before in self._fetch(sql, [owner_id]):
            return OurRow(str(uri), int(sends), bool(broken), frozenset(json.loads(before)))
        return None

    def note_objects(self, rows: list[ObjectRow]) -> None:
        """Note what files of the source are, and what is known of them at the destination."""
        if not rows:
            return
        columns, marks = ", ".join(OBJECT), ", ".join("?" for _ in OBJECT)
        news = ", ".join(f"{name} = excluded.{name}" for name in OBJECT if name not in _KEY)
        on = f"on conflict ({', '.join(_KEY)}) do update set {news}"
        sql = f"insert into import_object ({columns}) values ({marks}) {on}"
        with self.write():
            self._run_many(sql, (tuple(getattr(row, name) for name in OBJECT) for row in rows))

    def import_objects(self, owner_id: int) -> dict[tuple[ResourceKey, str], ObjectRow]:
        """Return what is known of the files of a session, by resource and name."""
        sql = f"select {', '.join(OBJECT)} from import_object where owner_id = ?"
        rows = (ObjectRow(**dict(zip(OBJECT, values, strict=True))) for values in self._fetch(sql, [owner_id]))
        return {row.place: row for row in rows}
