"""What DICOM receivers confirmed to have."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from xnatsync.ledger.connection import Connection


class Confirmations(Connection):
    """What the ledger knows of objects that were stored by C-STORE."""

    def confirmed(self, peer: str, called: str, sop_uids: Sequence[str]) -> dict[tuple[str, bytes], str]:
        """List what a receiver confirmed of some objects: (SOP Instance UID, SHA-256 of the file) -> when."""
        sql = (
            "select sop_uid, sha256, at from confirmed "
            "where peer = ? and called = ? and sop_uid in (select value from json_each(?))"
        )
        rows = self._fetch(sql, [peer, called, json.dumps(list(sop_uids))])
        return {(str(uid), bytes(sha256)): str(at) for uid, sha256, at in rows}

    def confirm(self, peer: str, called: str, rows: Iterable[tuple[str, bytes, int]], now: str) -> None:
        """Note what a receiver answered for some objects: (SOP Instance UID, SHA-256, status)."""
        with self.write():
            self._run_many(
                "insert into confirmed (peer, called, sop_uid, sha256, status, at) values (?, ?, ?, ?, ?, ?) "
                "on conflict (peer, called, sop_uid, sha256) do update set status = excluded.status, at = excluded.at",
                ((peer, called, uid, sha256, status, now) for uid, sha256, status in rows),
            )
