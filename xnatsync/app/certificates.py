"""Certificates of transfers: both sides compared anew, signed for in two files, and known again by their digests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from xnatsync.app.named_files import refuse_taken, write_whole
from xnatsync.core.errors import SourceGone
from xnatsync.core.fidelity import Fate
from xnatsync.disk.failures import our_disk
from xnatsync.ledger.certificates import CertificateRow
from xnatsync.ledger.ledger import Ledger
from xnatsync.verify.transfers import Examined

State = Literal["unchanged", "changed", "unknown"]
ID: Final = re.compile(rb"XSC-[0-9a-f]{32}")
_AT_ONCE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two servers, or a folder that stands for one."""

    server: str
    url: str
    project: str
    version: str = ""  # as the server tells it


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was planned, moved and verified of one transfer, what differs and why."""

    id: str
    route: str
    run_id: int
    made_at: str
    program: str
    source: Side
    destination: Side
    dicom: str
    filtering: Mapping[str, object]  # as it was asked for; empty: everything
    planned: Mapping[str, int]  # entities of the source that the filter takes, by kind
    moved: Mapping[str, int]  # what the run did
    entities: tuple[Examined, ...] = ()
    outcome_of_run: str = ""  # of the run whose counts these are; "": no run
    manifest: Mapping[str, object] = field(default_factory=dict)  # of a folder that was a stop on the way

    @property
    def is_complete(self) -> bool:
        """Return whether nothing differs and nothing is lost."""
        whole = bool(self.entities) and all(one.is_complete for one in self.entities if not one.source.home)
        return whole and self.first_leg.get("outcome", "complete") == "complete"

    @property
    def first_leg(self) -> Mapping[str, Any]:
        """What was certified of the way into a folder that was the source; empty where there was none."""
        leg = self.manifest.get("first_leg", {})
        return leg if isinstance(leg, Mapping) else {}

    @property
    def outcome(self) -> str:
        """Return the one word."""
        return "complete" if self.is_complete else "incomplete"

    def counts(self) -> dict[Fate, int]:
        """Count the differences of each kind."""
        found = dict.fromkeys(Fate, 0)
        for one in self.entities:
            for difference in one.comparison.differences:
                found[difference.fate] += max(1, difference.count)
        return found


@dataclass(frozen=True, slots=True)
class Written:
    """Where a certificate lies, and its row in the ledger."""

    row: CertificateRow
    json: Path
    html: Path


def usual_folder(ledger: Path) -> Path:
    """Return where certificates lie when nobody says: beside the ledger."""
    return ledger.parent / "certificates"


Sign = Callable[[Ledger, Certificate, Path], Written]


def sign(ledger: Ledger, certificate: Certificate, folder: Path, text: str, page: Callable[[str], str]) -> Written:
    """Write both files, and note their digests before they get their names.

    `page` makes the page from the digest of the JSON file, which it names.  PlaceTaken when such a file is there.
    """
    name = f"{_word(certificate.destination.project)}-{certificate.made_at[:10]}-{certificate.id[4:12]}"
    json_file, html_file = folder / f"{name}.json", folder / f"{name}.html"
    digest = hashlib.sha256(text.encode()).hexdigest()
    shown = page(digest)
    refuse_taken([json_file, html_file], force=False)
    row = CertificateRow(
        certificate.id, certificate.run_id, certificate.route, certificate.made_at, certificate.outcome, digest,
        hashlib.sha256(shown.encode()).hexdigest(), str(json_file),
    )  # fmt: skip
    ledger.note_certificate(row)
    write_whole(json_file, text, force=False)
    write_whole(html_file, shown, force=False)
    return Written(row, json_file, html_file)


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a file that may be a certificate."""

    state: State
    sha256: str
    row: CertificateRow | None


def check(ledger: Ledger, path: Path) -> Checked:
    """Say whether a file is a certificate of this ledger, and unchanged."""
    digest, number = _read(path)
    row = ledger.certificate_of(sha256=digest)
    if row is not None:
        return Checked("unchanged", digest, row)
    row = ledger.certificate_of(number=number) if number is not None else None
    return Checked("changed" if row is not None else "unknown", digest, row)


def _read(path: Path) -> tuple[str, str | None]:
    """Return the digest of a file, and the first number of a certificate in it."""
    found, digest, before = None, hashlib.sha256(), b""
    try:
        with path.open("rb") as file:
            while piece := file.read(_AT_ONCE):
                digest.update(piece)
                if found is None and (match := ID.search(before + piece)) is not None:
                    found = match.group().decode()
                before = piece[-64:]
    except FileNotFoundError:
        raise SourceGone(f"{path} is not there", advice="Name the JSON file or the page of a certificate.") from None
    except OSError as error:
        raise our_disk(error, f"reading {path}") from error
    return digest.hexdigest(), found
