"""`session upload-dicom`: objects to a DICOM receiver, an outcome for each, and what was confirmed in the ledger."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from xnatsync.app.store_proof import Proof, prove
from xnatsync.app.store_survey import Left, Survey, survey
from xnatsync.core.errors import Exit, XnatsyncError
from xnatsync.core.moment import stamp
from xnatsync.core.store_plan import Pair, Sendable
from xnatsync.core.store_status import Outcome
from xnatsync.dicomnet.peer import Patience, Peer, trust
from xnatsync.report.gauge import Gauge

if TYPE_CHECKING:
    import ssl

    from xnatsync.dicomnet.sending import Sent
    from xnatsync.ledger.ledger import Ledger
    from xnatsync.xnat.server import XnatServer

_TOGETHER, _TOGETHER_S = 200, 2.0  # confirmations of one transaction
_ASKED = 2000  # objects of which the ledger is asked at a time
_LATER = frozenset({Outcome.NO_ROOM, Outcome.UNKNOWN, Outcome.CHANGED, Outcome.NOT_SENT})


@dataclass(frozen=True, slots=True)
class StoreOrder:
    """What is wanted."""

    source: Path
    peer: Peer
    workers: int = 4
    again: bool = False  # also what the receiver confirmed before
    odd: bool = False  # also objects that are not as the standard wants them
    dry_run: bool = False
    patience: Patience = field(default_factory=Patience)
    project: str | None = None  # where arrival is looked for; None: everywhere
    wait_s: float = 600.0  # for the server to list what arrived


@dataclass(slots=True)
class StoreReport:
    """What became of it."""

    order: StoreOrder
    objects: int = 0
    size: int = 0
    before: int = 0  # confirmed by an earlier run, and not sent
    before_at: str = ""  # the newest of these
    stored: int = 0
    sent_bytes: int = 0
    warned: list[Sent] = field(default_factory=list)
    failed: list[Sent] = field(default_factory=list)
    refused: list[Pair] = field(default_factory=list)  # with a rehearsal: what the receiver would not take
    refused_objects: int = 0
    echo: int | None = None
    copies: int = 0
    others: list[Left] = field(default_factory=list)
    doubtful: list[Left] = field(default_factory=list)
    associations: int = 0
    ended: XnatsyncError | None = None
    proof: Proof | None = None
    seconds: float = 0.0

    @property
    def confirmed(self) -> int:
        """Count the objects that the receiver says it has."""
        return self.before + self.stored + len(self.warned)

    @property
    def exit_code(self) -> int:
        """Return 0 only when every object is confirmed, and listed where that was asked for."""
        if self.ended is not None:
            return self.ended.exit_code
        if any(sent.outcome in _LATER for sent in self.failed):
            return Exit.TEMPORARY
        if self.failed or self.doubtful or self.refused:
            return Exit.HELD
        if self.proof is not None and self.proof.missing:
            return Exit.TEMPORARY if self.proof.waiting else Exit.DIFFERENT
        return Exit.OK


def ledger_path(config_file: Path | None = None) -> Path:
    """Return where the ledger is: as the configuration says, or at its usual place where there is none."""
    from xnatsync.config.load import default_path, load
    from xnatsync.config.model import Config

    path = config_file if config_file is not None else default_path()
    config = load(path) if config_file is not None or path.exists() else Config()
    return config.ledger.path


def store(
    order: StoreOrder,
    ledger_path: Path,
    *,
    server: XnatServer | None = None,
    gauge: Gauge | None = None,
    stop: threading.Event | None = None,
) -> StoreReport:
    """Send what the receiver has not confirmed, and look for it on the server where one is given.

    Errors are raised for what is wrong before the first object: the source, the ledger, the receiver's C-ECHO.
    """
    began, stop, gauge = monotonic(), stop or threading.Event(), gauge or Gauge()
    trusted = trust(order.peer.tls)
    found = survey(order.source, odd=order.odd, stopping=stop.is_set)
    report = _begun(order, found)
    if order.dry_run:
        _rehearse(report, found, trusted)
    elif found.objects and not stop.is_set():
        _transfer(report, found, ledger_path, trusted, gauge, stop)
        if server is not None and not stop.is_set():
            _prove(report, found, server, gauge, stop)
    report.seconds = monotonic() - began
    return report


def _begun(order: StoreOrder, found: Survey) -> StoreReport:
    return StoreReport(
        order,
        objects=len(found.objects),
        size=found.size,
        copies=len(found.copies),
        others=found.others,
        doubtful=found.doubtful,
    )


def _rehearse(report: StoreReport, found: Survey, trusted: ssl.SSLContext | None) -> None:
    from xnatsync.dicomnet.probe import probe

    seen = probe(report.order.peer, (one.pair for one in found.objects), report.order.patience, trusted)
    report.echo = seen.echo
    report.refused = sorted(seen.refused)
    report.refused_objects = sum(one.pair in seen.refused for one in found.objects)


def _transfer(
    report: StoreReport,
    found: Survey,
    ledger_path: Path,
    trusted: ssl.SSLContext | None,
    gauge: Gauge,
    stop: threading.Event,
) -> None:
    from xnatsync.dicomnet.probe import probe
    from xnatsync.dicomnet.sending import Sending

    order = report.order
    with _confirming(report, ledger_path, gauge) as confirming:
        wanted = confirming.left(found.objects)
        gauge.aim(len(wanted), sum(one.size for one in wanted))
        if not wanted:
            return
        report.echo = probe(order.peer, (), order.patience, trusted).echo
        sending = Sending(
            order.peer,
            found.content,
            confirming.told,
            trusted=trusted,
            workers=order.workers,
            patience=order.patience,
            stopping=stop.is_set,
            wait=stop.wait,
        )
        sending.send(wanted)
        report.associations, report.ended = sending.associations, sending.ended


def _prove(report: StoreReport, found: Survey, server: XnatServer, gauge: Gauge, stop: threading.Event) -> None:
    missing = {sent.object.sop_uid for sent in report.failed}
    expected = [one for one in found.objects if one.sop_uid not in missing]
    order = report.order
    report.proof = prove(server, expected, project=order.project, wait_s=order.wait_s, wait=stop.wait, told=gauge.note)


class _Confirming:
    """Takes outcomes in, and writes down what the receiver confirmed, some at a time."""

    def __init__(self, report: StoreReport, ledger: Ledger, gauge: Gauge) -> None:
        self._report, self._ledger, self._gauge = report, ledger, gauge
        self._rows: list[tuple[str, bytes, int]] = []
        self._written = monotonic()

    def left(self, objects: list[Sendable]) -> list[Sendable]:
        """Return what is to be sent."""
        report, peer = self._report, self._report.order.peer
        if report.order.again:
            return objects
        left: list[Sendable] = []
        for at in range(0, len(objects), _ASKED):
            some = objects[at : at + _ASKED]
            known = self._ledger.confirmed(peer.address, peer.called, [one.sop_uid for one in some])
            new = [one for one in some if (one.sop_uid, one.sha256) not in known]
            left += new
            report.before += len(some) - len(new)
            report.before_at = max(report.before_at, *(known.get((one.sop_uid, one.sha256), "") for one in some))
        return left

    def told(self, sent: Sent) -> None:
        """Take one outcome in."""
        report = self._report
        if not sent.outcome.confirmed or sent.status is None:
            report.failed.append(sent)
            return
        if sent.outcome is Outcome.WARNED:
            report.warned.append(sent)
        else:
            report.stored += 1
        report.sent_bytes += sent.object.size
        self._gauge.moved(sent.object.size)
        self._gauge.done()
        self._rows.append((sent.object.sop_uid, sent.object.sha256, sent.status))
        if len(self._rows) >= _TOGETHER or monotonic() - self._written > _TOGETHER_S:
            self.write()

    def write(self) -> None:
        """Write down what was confirmed since the last time."""
        rows, self._rows, self._written = self._rows, [], monotonic()
        if rows:
            peer = self._report.order.peer
            self._ledger.confirm(peer.address, peer.called, rows, stamp(datetime.now(UTC)))


@contextmanager
def _confirming(report: StoreReport, path: Path, gauge: Gauge) -> Iterator[_Confirming]:
    from xnatsync.ledger.open import open_ledger

    ledger = open_ledger(path, beside=True)
    try:
        confirming = _Confirming(report, ledger, gauge)
        yield confirming
        confirming.write()
    finally:
        ledger.close()
