"""What a person assigned, and which lookup tables are in force."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.core.group import Assigned
from xnatsync.ledger.connection import Connection


@dataclass(frozen=True, slots=True)
class LookupRow:
    """A lookup table of a route: the digest of what is in force, and why its file is refused, if it is."""

    file: str
    digest: str
    refused: str
    at: str


class Assignments(Connection):
    """What the ledger knows of where people said that studies belong."""

    def assign(self, route: str, study_uid: str, to: Assigned, now: str) -> None:
        """Write down where a study belongs; the newest word counts."""
        with self.write():
            self._run(
                "insert into assignment values (?, ?, ?, ?, ?, ?) on conflict (route, study_uid) do update set "
                "project = excluded.project, subject = excluded.subject, session = excluded.session, at = excluded.at",
                [route, study_uid, to.project, to.subject, to.session, now],
            )

    def assigned(self, route: str) -> dict[str, Assigned]:
        """Return where people said that studies of a route belong, by Study Instance UID."""
        sql = "select study_uid, project, subject, session from assignment where route = ?"
        return {
            str(uid): Assigned(str(project), _text(subject), _text(session))
            for uid, project, subject, session in self._fetch(sql, [route])
        }

    def lookups(self, route: str) -> dict[str, LookupRow]:
        """Return the lookup tables of a route by their files."""
        sql = "select file, digest, refused, at from lookup where route = ?"
        return {row.file: row for row in self._all(LookupRow, sql, [route])}

    def note_lookup(self, route: str, row: LookupRow) -> None:
        """Write down what is in force of a lookup table."""
        with self.write():
            self._run(
                "insert into lookup values (?, ?, ?, ?, ?) on conflict (route, file) do update set "
                "digest = excluded.digest, refused = excluded.refused, at = excluded.at",
                [route, row.file, row.digest, row.refused, row.at],
            )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
