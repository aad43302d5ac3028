"""What people drop: real DICOM objects of a few kilobytes, made once for all histories, and what is known of them."""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import pydicom
from pydicom.uid import UID, CTImageStorage

from dicom_pieces import without_pixels
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.dicom.classify import Classifier, Reading
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study

SECRET_NAME = "Geheimnis^Greta"  # must never be seen in a ledger (S8)
PASSWORD = "pass-Geheimnis-word"
SERIES, SLICES = 2, 2
# The third study wants the label of the first one.
PLANS = (("SUB1", "20260301"), ("SUB1", "20260302"), ("SUB1", "20260301"))
LABELS = tuple(f"{patient}_MR_{date}" for patient, date in PLANS)


@dataclass(frozen=True, slots=True)
class Thing:
    """One object of one study."""

    study: int
    series: int
    slice: int
    data: bytes

    @property
    def path(self) -> str:
        """Where it lies in a dropped folder: names repeat from series to series, as on scanners."""
        return f"{self.series}/{self.slice:04d}.dcm"


@lru_cache(maxsize=1)
def studies() -> tuple[tuple[Thing, ...], ...]:
    """All objects of all studies, as first exported."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (patient, date) in enumerate(PLANS):
            series = tuple(SeriesPlan(n + 1, f"series {n + 1}", SLICES) for n in range(SERIES))
            plan = StudyPlan(patient, SECRET_NAME, date, series, None, (32, 32))
            files = make_study(Path(folder) / str(number), plan, seed=number + 1)
            made.append(
                tuple(
                    Thing(number, 1 + place // SLICES, 1 + place % SLICES, file.read_bytes())
                    for place, file in enumerate(files)
                )
            )
    return tuple(made)


@lru_cache(maxsize=1)
def others() -> dict[str, Thing]:
    """What may come late of the first study: a report, which has no pixel data, and a picture of another modality."""
    first = studies()[0][0]
    known = pydicom.dcmread(io.BytesIO(first.data))
    study = str(known.StudyInstanceUID)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "report.dcm"
        report = without_pixels(place, "report", "what it says to whom", study=study, sop_uid=f"{study[:40]}.9.1")
        found = {"report": Thing(first.study, 9, 1, report.read_bytes())}
    known.Modality, known.SOPClassUID = "CT", CTImageStorage
    known.SeriesInstanceUID, known.SeriesNumber, known.SeriesDescription = f"{study[:40]}.5", 5, "series 5"
    known.SOPInstanceUID = known.file_meta.MediaStorageSOPInstanceUID = UID(f"{study[:40]}.5.1")
    known.file_meta.MediaStorageSOPClassUID = CTImageStorage
    sink = io.BytesIO()
    known.save_as(sink, enforce_file_format=True)
    return found | {"picture": Thing(first.study, 5, 1, sink.getvalue())}


def edited(data: bytes, number: int) -> bytes:
    """The same object with another picture of the same size."""
    changed = bytearray(data)
    changed[-3 - 2 * number] ^= 0x5A
    return bytes(changed)


@cache
def packed(things: tuple[tuple[str, bytes], ...]) -> bytes:
    """A zip archive of these files."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in things:
            archive.writestr(zipfile.ZipInfo(name), data)
    return sink.getvalue()


def is_archive(data: bytes) -> bool:
    """Tells an archive by its content: filed beside one of the same name, it has another ending."""
    return data.startswith(b"PK")


@cache
def members(data: bytes) -> tuple[tuple[str, bytes], ...]:
    """The files of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return tuple((info.filename, archive.read(info)) for info in archive.infolist())


@cache
def _reading(data: bytes, tags: frozenset[str], pixels: bool, name: str = "") -> Reading:
    return Classifier(tags, pixels=pixels).read(iter([data]), name)


@cache
def manifest_file(path: str, mtime_ns: int, data: bytes, tags: frozenset[str], pixels: bool) -> ManifestFile:
    """What the product's own reader says of a file; the same bytes are read once for all histories."""
    reading = _reading(data, tags, pixels, path)
    return ManifestFile(
        path=path,
        size=len(data),
        mtime_ns=mtime_ns,
        sha256=sha(data),
        crc32=zlib.crc32(data),
        md5=b"" if reading.kind is Kind.DICOM else hashlib.md5(data, usedforsecurity=False).digest(),
        kind=reading.kind,
        reason=reading.reason,
        identity=reading.identity,
        pixels=reading.pixels,
        pixel_bytes=reading.pixel_bytes,
        tags=reading.tags,
        doubt=reading.doubt,
    )


JUNK = ("empty", "zeroed", "zeroed head", "cut in the preamble", "cut in the head", "noise")


@cache
def junk(data: bytes, how: str) -> bytes:
    """What a full disk or a power cut leaves of an object."""
    match how:
        case "empty":
            return b""
        case "zeroed":
            return bytes(len(data))
        case "zeroed head":
            return data[:132] + bytes(len(data) - 132)
        case "cut in the preamble":
            return data[:130]
        case "cut in the head":
            return data[:400]
        case _:
            return bytes((7 * byte + 3) % 251 or 1 for byte in data[:900])


@dataclass(frozen=True, slots=True)
class Facts:
    """What an object is, as the judge sees it."""

    sop_uid: str
    study_uid: str
    sop_class: str
    modality: str
    pixels: bytes | None
    floor: int


@cache
def facts(data: bytes) -> Facts | None:
    """The facts of a whole object; None for anything else."""
    found = _reading(data, frozenset(), True)
    if found.kind is not Kind.DICOM or found.identity is None:
        return None
    known = found.identity
    return Facts(known.sop_uid, known.study_uid, known.sop_class, known.modality, found.pixels, found.pixel_bytes)


@cache
def sha(data: bytes) -> bytes:
    """The digest that the ledger keeps."""
    return hashlib.sha256(data).digest()
