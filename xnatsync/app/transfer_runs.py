"""What the ledger knows of the runs of transfers."""

from __future__ import annotations

from xnatsync.app.status import reading
from xnatsync.config.model import Config
from xnatsync.core.errors import NothingFound
from xnatsync.ledger.certificates import CertificateRow
from xnatsync.ledger.counterparts import TransferRunRow


def runs_of(config: Config, project: str) -> list[TransferRunRow]:
    """List the transfers of a project, the newest first."""
    with reading(config) as ledger:
        return ledger.transfer_runs(project=project) if ledger is not None else []


def last_run(config: Config, project: str) -> tuple[TransferRunRow, CertificateRow | None]:
    """Return the newest transfer of a project and the newest certificate of its route; NothingFound for none."""
    with reading(config) as ledger:
        runs = ledger.transfer_runs(project=project, limit=1) if ledger is not None else []
        if ledger is None or not runs:
            raise NothingFound(
                f"project {project} was never transferred with this ledger",
                advice="`xnatsync project transfer-history` takes the ID of the source project.",
            )
        signed = ledger.certificates(runs[0].route)
        return runs[0], signed[0] if signed else None
