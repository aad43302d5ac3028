"""Whom sessions show, as salted digests: enough to see that two are not the same, and nothing more."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from xnatsync.core.errors import PatientDiffers
from xnatsync.ledger.connection import Connection

DIGEST_BYTES = 16
Traits = Mapping[str, Collection[bytes]]


@dataclass(frozen=True, slots=True)
class KnownPatient:
    """What one session says of its patient, and the item that it came with."""

    item_id: int
    traits: Traits


class Patients(Connection):
    """What the ledger knows of patients."""

    def patient_digests(
        self, server: str, project: str, subject: str, traits: Mapping[str, Collection[str]]
    ) -> dict[str, frozenset[bytes]]:
        """Make digests that can be compared under one label of a subject, and nowhere else."""
        salt = self._salt()
        return {
            field: frozenset(
                hmac.digest(salt, "\0".join((server, project, subject, field, text)).encode(), hashlib.sha256)[
                    :DIGEST_BYTES
                ]
                for text in texts
            )
            for field, texts in traits.items()
        }

    def note_patient(self, unit_id: int, traits: Traits) -> None:
        """Write down whom a session shows."""
        with self.write():
            rows = ((unit_id, field, digest) for field, digests in sorted(traits.items()) for digest in sorted(digests))
            self._run_many("insert into patient values (?, ?, ?) on conflict do nothing", rows)

    def known_patients(self, server: str, project: str, subject: str, study_uid: str) -> list[KnownPatient]:
        """List what other studies under a label said of their patient, the oldest first.

        Those that were given up, and those that are held because they contradicted another, say nothing.
        """
        sql = (
            "select u.item_id, u.id, p.field, p.digest from unit u join patient p on p.unit_id = u.id "
            "where u.server = ? and u.project = ? and u.subject = ? and u.study_uid <> ? and u.phase <> 'dismissed' "
            "and coalesce(u.code, '') <> ? order by u.id"
        )
        found: dict[int, tuple[int, dict[str, set[bytes]]]] = {}
        for item_id, unit_id, field, digest in self._fetch(
            sql, [server, project, subject, study_uid, PatientDiffers.code]
        ):
            found.setdefault(int(unit_id), (int(item_id), {}))[1].setdefault(str(field), set()).add(bytes(digest))
        return [KnownPatient(item_id, traits) for item_id, traits in found.values()]

    def _salt(self) -> bytes:
        with self.write():
            self._run("insert into salt select randomblob(32) where not exists (select 1 from salt)")
            return bytes(self._scalar("select value from salt"))
