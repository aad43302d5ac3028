"""What is fuzzed: one function of bytes for each parser of outside data, judged by the one oracle.

A target raises `Caught` when an input gets the better of the program; whatever else it does is fine.  The same
functions are driven by the coverage-guided fuzzer (`run.py`), by the corpus of what it found, and by hypothesis.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import cast

import httpx

from hostile.oracle import Caught, judged
from xnatsync.config.load import check
from xnatsync.config.words import seconds
from xnatsync.core.errors import SourceError, XnatsyncError
from xnatsync.core.manifest import Doubt, Kind, ManifestFile
from xnatsync.core.moment import parse
from xnatsync.dicom.classify import Classifier, Reading
from xnatsync.dicom.identity import pixel_digest
from xnatsync.disk.local import LocalDisk
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import copy_apart, open_ledger
from xnatsync.xnat import about, catalog, download, failures, names, prearchive, replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.replies import Reply
from xnatsync.xnat.wire import Call

TAGS = frozenset(
    {"PatientID", "PatientName", "StudyDate", "Modality", "StudyDescription", "SeriesNumber", "(0009,1001)", "Rows"}
)
WHAT = "listing the files of session XNAT_E1"


@cache
def scratch() -> Path:
    """A folder for one process, in memory where the system has such a disk."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="xnatsync-fuzz-", dir=memory if os.access(memory, os.W_OK) else None))
    return made.resolve()


def sweep() -> None:
    """Removes what the targets of this process left in their scratch folder."""
    shutil.rmtree(scratch(), ignore_errors=True)
    scratch.cache_clear()


def demand(good: object, what: str) -> None:
    """Catches an answer that is wrong although nothing was raised."""
    if not good:
        raise Caught(what)


# --- DICOM -------------------------------------------------------------------------------------------------------


def dicom(data: bytes) -> None:
    """Recognition never fails, and says the same however the stream is cut into pieces."""
    readings = [cast("Reading", judged(lambda step=step: _read(data, step))) for step in (len(data) or 1, 61)]
    demand(isinstance(readings[0], Reading), "recognition of a file raised an error")
    reading, other = readings
    # How far what is broken could be read depends on the pieces; what is odd was read to its end.
    broken = reading.kind is Kind.BROKEN is other.kind and reading.identity is other.identity is None
    demand(broken or reading == other, "two ways to cut the stream give two readings")
    whole = reading.kind is Kind.DICOM or reading.doubt is Doubt.ODD  # what is odd can be delivered too
    demand(whole == (reading.identity is not None), "an object without identity")
    demand(reading.kind is Kind.DICOM or reading.reason, "no reason is given")
    judged(lambda: pixel_digest(_pieces(data, 1000)))


def _read(data: bytes, step: int) -> Reading:
    return Classifier(TAGS, pixels=True).read(_pieces(data, step))


def _pieces(data: bytes, step: int) -> Iterator[bytes]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


# --- archives ----------------------------------------------------------------------------------------------------


def zips(data: bytes) -> None:
    """A zip is read whole, or refused."""
    _archive("drop.zip", data)


def tars(data: bytes) -> None:
    """A tar, plain or packed, is read whole, or refused."""
    _archive("drop.tar", data)


def _archive(name: str, data: bytes) -> None:
    path = scratch() / name
    path.write_bytes(data)
    disk = LocalDisk()
    read = judged(lambda: disk.read_manifest(path, tags=TAGS, pixels=False), naming=name)
    if isinstance(read, XnatsyncError):
        demand(isinstance(read, SourceError), f"{read.code} for an archive")
        return
    demand(all(abs(file.mtime_ns) < 1 << 63 and file.size < 1 << 63 for file in read), "a number no ledger can hold")
    paths = [file.path for file in read]
    demand(all(_is_safe(path) for path in paths), "a member's path leads elsewhere")
    folded = {unicodedata.normalize("NFC", path).casefold() for path in paths}
    demand(len(folded) == len(paths), "two members have one name")
    for again in (read, read[::2]):
        streamed = judged(lambda again=again: _digests(disk, path, again), naming=name)
        demand(streamed == [file.sha256 for file in again], "a second reading gives other bytes")


def _digests(disk: LocalDisk, path: Path, files: tuple[ManifestFile, ...]) -> list[bytes]:
    found = []
    for _, content in disk.stream(path, files):
        digest = hashlib.sha256()
        for piece in content:
            digest.update(piece)
        found.append(digest.digest())
    return found


def _is_safe(path: str) -> bool:
    path.encode()  # what is no text could not be stored
    parts = path.split("/")
    return not any(part in {"", ".", ".."} for part in parts) and "\0" not in path and path[1:2] != ":"


# --- the server --------------------------------------------------------------------------------------------------

CALL = Call(Verb.READ, "GET", "/data/x", WHAT)
PARSERS: list[Callable[[Reply], object]] = [
    replies.user,
    replies.files,
    lambda reply: replies.sessions(reply, "P1"),
    lambda reply: replies.item_field(reply, "ID"),
    lambda reply: replies.projects(reply, "ID"),
    lambda reply: replies.role(reply, "P1"),
    replies.scans,
    replies.scan_types,
    replies.labels,
    replies.scan_labels,
    lambda reply: replies.prearchive_files(reply, "1", "DICOM"),
    replies.prearchive,
    replies.destinations,
    replies.duplicates,
    catalog.sop_uids,
]


def answers(data: bytes) -> None:
    """Every parser of an answer: the first byte chooses it."""
    if not data:
        return
    parse = PARSERS[data[0] % len(PARSERS)]
    found = judged(lambda: parse(Reply(CALL, 200, data[1:])), naming=WHAT)
    if not isinstance(found, XnatsyncError):
        for text in _texts(found):
            demand(not names._CONTROL.search(text) and len(text) <= names.PATH_MAX, f"passed on: {text[:80]!r}")
    for row in found if parse in {replies.files, replies.prearchive} and isinstance(found, tuple) else ():
        if parse is replies.files:
            demand(_is_safe(row.name) and "/" not in row.scan + row.resource, "a file's name leads elsewhere")
        else:
            demand(names.prearchive_uri(row.uri, WHAT) == row.uri, "an address that is another one when read again")
            wire.build(row.uri)
            wire.prearchive_log(row.uri)


def catalogues(data: bytes) -> None:
    """The XML of a catalogue alone, for the fuzzer to learn XML."""
    found = judged(lambda: catalog.sop_uids(Reply(CALL, 200, data)), naming=WHAT)
    if not isinstance(found, XnatsyncError):
        demand(all(names.is_uid(uid) for uid in found.values()), "what is no UID was taken for one")


def refusals(data: bytes) -> None:
    """An answer that is not the one asked for: status, headers and body are the server's."""
    if len(data) < 4:
        return
    status, verb = 100 + int.from_bytes(data[:2], "big") % 500, list(Verb)[data[2] % len(Verb)]
    head, _, body = data[3:].partition(b"\n\n")
    value = head.translate(None, b"\r\n\0")
    headers = httpx.Headers([(b"retry-after", value), (b"date", value), (b"location", value)])
    call = Call(verb, "POST", "/data/x", WHAT)
    reply = Reply(call, status, body, headers)
    error = judged(lambda: failures.from_status(status, reply.text, verb, WHAT, headers=headers))
    if isinstance(error, XnatsyncError):
        text = str(error)
        demand(len(text) < 1000, f"a server's words in {len(text)} characters")
        demand(not names._CONTROL.search(text), "control characters in a message")
        wait_s = error.retry_after_s
        demand(wait_s is None or 0 <= wait_s < 1e10, f"a wait of {wait_s} s")
    judged(lambda: about.about(cast("Client", Scripted([body], headers))))
    if verb is Verb.COMMIT:
        client = cast("Client", Scripted([body], headers, status))
        uri = "/prearchive/projects/P1/20260301_120000/S1"
        judged(lambda: prearchive.commit(client, uri, request_id="xs-1", timeout_s=1.0), naming="archiving")
    judged(lambda: prearchive.log(cast("Client", Scripted([body], headers)), "/prearchive/projects/P1/1/S1"))


class Scripted:
    """Answers every question with the same pieces."""

    def __init__(self, pieces: list[bytes], headers: httpx.Headers | None = None, status: int = 200) -> None:
        self._pieces, self._headers, self._status = pieces, headers or httpx.Headers(), status

    def get(self, call: Call) -> Reply:
        if call.path.endswith("/files"):
            rows = [
                {"Name": "1.2.3.dcm", "Size": "3", "collection": "DICOM", "digest": "", "URI": uri}
                for uri in (f"/data/experiments/E1/scans/{scan}/resources/DICOM/files/1.2.3.dcm" for scan in "12")
            ]
            return Reply(call, 200, json.dumps({"ResultSet": {"Result": rows}}).encode())
        return Reply(call, self._status, b"".join(self._pieces), self._headers)

    def write(self, call: Call, **_: object) -> Reply:
        return self.get(call)

    def stream(self, _call: Call) -> Iterator[bytes]:
        yield from self._pieces


def fetched(data: bytes) -> None:
    """A zip that streams from the server, and lies."""
    client = cast("Client", Scripted([data[at : at + 997] for at in range(0, len(data), 997)]))
    judged(lambda: _fetch(client), naming="fetching 2 scans", seconds=20)


def _fetch(client: Client) -> int:
    count = 0
    for scan, resource, name, content in download.fetch_scans(client, "E1", ["1", "2"]):
        demand(_is_safe(name) and scan in {"1", "2"} and "/" not in resource, "a place outside of the scans")
        pixel_digest(content)
        count += 1
    return count


def _texts(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        yield from (text for pair in found.items() for part in pair for text in _texts(part))
    elif isinstance(found, list | tuple | frozenset):
        yield from (text for part in found for text in _texts(part))
    elif is_dataclass(found):
        yield from (text for field in fields(found) for text in _texts(getattr(found, field.name)))


# --- configuration -----------------------------------------------------------------------------------------------


def configuration(data: bytes) -> None:
    """A configuration is accepted, or every problem is told with its line."""
    path = scratch() / "xnatsync.toml"
    path.write_bytes(data)
    ended = judged(lambda: check(path), naming="xnatsync.toml" if data else "", characters=40_000)  # up to 50 problems
    if isinstance(ended, XnatsyncError):
        lines = data.count(b"\n") + data.count(b"\r") + 1
        for problem in getattr(ended, "problems", ()):
            demand(1 <= problem.line <= lines + 1, f"a problem in line {problem.line} of {lines}")


def words(data: bytes) -> None:
    """Durations as people write them."""
    try:
        demand(seconds(data.decode("utf-8", "replace")) >= 0, "a negative duration")
    except ValueError as error:
        demand(len(str(error)) < 6 * len(data) + 200, "more words than were asked for")


# --- the ledger --------------------------------------------------------------------------------------------------


@cache
def intact_ledger() -> bytes:
    """A small ledger with one item at each step, to be damaged."""
    from unit.ledger_example import NOW, fresh, proven, seen, sent, settled

    folder = Path(tempfile.mkdtemp(dir=scratch()))
    ledger = fresh(folder)
    seen(ledger, "new")
    (unit,) = settled(ledger, "planned", label="A")
    (unit,) = settled(ledger, "sent", label="B")
    sent(ledger, unit)
    (unit,) = settled(ledger, "proven", label="C")
    proven(ledger, unit)
    ledger.event("XS-TEST", "something", level="info", now=NOW, data={"a": 1})
    ledger.close()
    return (folder / "ledger.db").read_bytes()


def ledgers(data: bytes) -> None:
    """A ledger with damage: groups of (page, place, byte); what begins with SQLite's own mark is a whole file."""
    content = bytearray(intact_ledger())
    if data.startswith(b"SQLite format 3"):
        content = bytearray(data)
    else:
        for at in range(0, len(data) - 3, 4):
            place = int.from_bytes(data[at : at + 3], "big") % len(content)
            content[place] = data[at + 3]
    folder = scratch() / "ledger"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "ledger.db"
    for open_it in (copy_apart, lambda p: open_ledger(p, read_only=True), open_ledger):
        path.write_bytes(content)
        judged(lambda open_it=open_it: _read_all(open_it, path), root=folder)


def _read_all(open_it: Callable[[Path], Ledger], path: Path) -> None:
    with closing(open_it(path)) as ledger:
        ledger.examine()
        ledger.phase_counts()
        ledger.open_runs()
        ledger.runs(10)
        ledger.events()
        ledger.held_items()
        ledger.find("planned")
        for item in ledger.history():
            parse(item.moved_at)
            for unit in ledger.units(item.id, living=False):
                ledger.attempts(unit.id)
                ledger.unsure_until(unit)
                ledger.strangers_before(unit.server, unit.project, unit.study_uid)
                ledger.entries(unit.route, unit.target)
            ledger.files(item.id)
            ledger.receipts(item.id)


# --- the sandbox -------------------------------------------------------------------------------------------------


def sandbox(data: bytes) -> None:
    """Whatever is sent to the stand-in server: it answers or hangs up, and writes nothing outside its folder."""
    from fuzz.sandbox_target import exchange

    exchange(data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        dicom, zips, tars, answers, catalogues, refusals, fetched, configuration, words, ledgers, sandbox,
    )
}  # fmt: skip


def seeds(name: str) -> Iterator[bytes]:
    """Good inputs to begin from; the fuzzer finds the bad ones."""
    from fuzz import seeds as made

    yield from getattr(made, name, lambda: iter(()))()
