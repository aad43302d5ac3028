"""What was signed for transfers: the digests by which a certificate is known again."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

from xnatsync.ledger.connection import Connection


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """One certificate: two files of the same content, for programs and for people."""

    id: str
    run_id: int
    route: str
    made_at: str
    outcome: str  # complete | incomplete
    json_sha256: str
    html_sha256: str
    path: str  # of the JSON file, when it was written


CERTIFICATE = ", ".join(field.name for field in fields(CertificateRow))


class Certificates(Connection):
    """The certificates that were ever made with this ledger."""

    def note_certificate(self, row: CertificateRow) -> None:
        """Note a certificate, before its files get their names."""
        with self.write():
            marks = ", ".join("?" for _ in fields(CertificateRow))
            self._run(f"insert into certificate ({CERTIFICATE}) values ({marks})", list(astuple(row)))

    def certificates(self, route: str | None = None) -> list[CertificateRow]:
        """List certificates, the newest first; of one route, if it is named."""
        condition, values = ("where route = ?", [route]) if route is not None else ("", [])
        sql = f"select {CERTIFICATE} from certificate {condition} order by made_at desc, id"
        return self._all(CertificateRow, sql, values)

    def certificate_of(self, *, sha256: str | None = None, number: str | None = None) -> CertificateRow | None:
        """Return the certificate of which a file has a digest, or that has an ID; None when there is none."""
        sql = f"select {CERTIFICATE} from certificate where json_sha256 = ? or html_sha256 = ? or id = ?"
        return self._one(CertificateRow, sql, [sha256, sha256, number])
