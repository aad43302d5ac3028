"""Good inputs, made here: from them the fuzzer finds its way into the depths of each format."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study

CONFIG = b"""[ledger]
path = "/var/lib/x/ledger.db"
[servers.prod]
url = "https://xnat.example.org"
user = "agent"
timeout = "60s"
[routes.r]
kind = "drop"
folder = "/data/in"
server = "prod"
project = "NEURO"
subject = "{PatientID}"
settle = "1h30m"
ignore = ["*.tmp", 'x']
[[routes.r.rules]]
when = { Modality = "MR" }
project = "B"
"""
PREARCHIVE_URL = "/prearchive/projects/P1/20260301_120000000/S1"


@cache
def objects() -> tuple[bytes, ...]:
    """Small DICOM objects: explicit, implicit, big endian, deflated, encapsulated, nested sequences, text in UTF-8."""
    import pydicom
    from pydicom.dataset import Dataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

    with tempfile.TemporaryDirectory() as folder:
        plan = StudyPlan("SUB1", "Nobody^Nomen", "20260301", (SeriesPlan(1, "t1", 1),), None, (4, 4))
        (path,) = make_study(Path(folder), plan, seed=1)
        found = [path.read_bytes()]
    for syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
        data = pydicom.dcmread(io.BytesIO(found[0]))
        data.SpecificCharacterSet = "ISO_IR 192"
        data.PatientName = "Grüße^日本"
        item = Dataset()
        item.CodeValue, item.ReferencedSOPSequence = "x", [Dataset()]
        data.ReferencedImageSequence = [item]
        data["ReferencedImageSequence"].is_undefined_length = True
        data.NumberOfFrames = 1
        data.file_meta.TransferSyntaxUID = syntax
        stream = io.BytesIO()
        if syntax.is_little_endian:
            data.save_as(stream, enforce_file_format=True)
        else:
            data.PixelData = bytes(len(data.PixelData))
            pydicom.dcmwrite(
                stream, data, implicit_vr=False, little_endian=False, force_encoding=True, enforce_file_format=False
            )
        found.append(stream.getvalue())
    found.append(found[1][132:])
    return tuple(found)


def dicom() -> Iterator[bytes]:
    yield from objects()


MEMBERS = {"a/b.dcm": b"x" * 200, "é.txt": b"text", "empty": b"", "n" * 120 + "/" + "m" * 90: b"y"}


def zips() -> Iterator[bytes]:
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", packing) as archive:
            archive.writestr("object.dcm", objects()[0])
            for name, content in MEMBERS.items():
                archive.writestr(name, content)
            with archive.open("streamed", "w", force_zip64=True) as member:
                member.write(b"z" * 50)
        yield stream.getvalue()


def tars() -> Iterator[bytes]:
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
            for name, content in MEMBERS.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                info.mtime = 1_700_000_000.25 if kind == tarfile.PAX_FORMAT else 1_700_000_000
                archive.addfile(info, io.BytesIO(content))
            folder = tarfile.TarInfo("folder")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
        yield stream.getvalue()[: -8 * 512]
        yield gzip.compress(stream.getvalue(), mtime=0)


def rows() -> Iterator[tuple[int, object]]:
    """An answer for each parser of `targets.PARSERS`, by its number."""
    files = "/data/experiments/E1/scans/4/resources/DICOM/files/1.2.3.dcm"
    listing = [{"Name": "1.2.3.dcm", "Size": "30", "URI": files, "collection": "DICOM", "digest": "ab" * 16}]
    session = {"label": "S1", "URI": "/data/experiments/XNAT_E1", "project": "P1", "subject_label": "A"}
    waiting = {"project": "P1", "name": "S1", "subject": "A", "tag": "1.2.3", "status": "READY"}
    waiting |= {"url": PREARCHIVE_URL, "uploaded": "2026-03-01 12:00:00.0"}
    yield 1, listing
    yield 2, [session | {"UID": "1.2.3", "xsiType": "xnat:mrSessionData"}]
    yield 5, [{"ID": "P1"}]
    yield 6, [{"id": "P1", "user_role_3": "Owners"}]
    yield 7, [{"ID": "4"}]
    yield 8, [{"ID": "4", "type": "T1"}]
    yield 9, [{"label": "DICOM"}]
    yield 10, [{"category": "scans/4", "cat_id": "4", "label": "DICOM"}]
    yield 11, [{"Name": "1.2.3.dcm", "Size": "30"}]
    yield 12, [waiting]


CATALOG = (
    b'<?xml version="1.0" encoding="UTF-8"?><cat:DCMCatalog UID="1.2" xmlns:cat="http://nrg.wustl.edu/catalog">'
    b'<cat:entries><cat:entry URI="1.2.3.dcm" ID="x/1.2.3.dcm" UID="1.2.3" format="DICOM"/></cat:entries>'
    b"</cat:DCMCatalog>"
)


def answers() -> Iterator[bytes]:
    yield b"\x00User 'agent' is logged in"
    for number, listed in rows():
        yield bytes([number]) + json.dumps({"ResultSet": {"Result": listed, "totalRecords": "1"}}).encode()
    yield b"\x03" + json.dumps({"items": [{"data_fields": {"ID": "P1"}, "children": []}]}).encode()
    yield b"\x044"
    yield b"\x0d/data" + PREARCHIVE_URL.encode() + b"\r\n"
    yield b"\x0d/archive/projects/P1/subjects/S/experiments/E\n"
    yield b'\x0e{"duplicates":["a"]}'


def catalogues() -> Iterator[bytes]:
    yield CATALOG


def refusals() -> Iterator[bytes]:
    page = b"<html><head><title>Status page</title></head><body><h3>Session &amp; processing in progress</h3></body>"
    yield b"\x01\x90\x01Wed, 21 Oct 2026 07:28:00 GMT\n\n" + page
    yield b"\x00\x64\x030120\n\n/archive/projects/P1/subjects/S/experiments/E"
    yield b"\x00\xc9\x03http://x/data/archive/experiments/E\n\n"
    yield b'\x00\x64\x00Wed, 21 Oct 2026 07:28:00 +0100\n\n{"version":"1.9.1"}'


def fetched() -> Iterator[bytes]:
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", packing) as archive:
            archive.writestr("E1/scans/1/resources/DICOM/files/1.2.3.dcm", objects()[0])
            archive.writestr("E1/scans/2-T1/resources/DICOM/files/a/b.dcm", b"x")
        yield stream.getvalue()


def configuration() -> Iterator[bytes]:
    yield CONFIG
    for path in sorted((Path(__file__).parents[2] / "config_examples").glob("*.toml")):
        yield path.read_bytes()


def words() -> Iterator[bytes]:
    yield b"1h30m"
    yield b" 1.5 d 3ms "


def ledgers() -> Iterator[bytes]:
    yield bytes([0, 0, 18, 1])
    yield bytes([0, 0x20, 5, 9, 0, 0x40, 7, 200])


def sandbox() -> Iterator[bytes]:
    yield b"\x00GET /data/version HTTP/1.1\r\nHost: x\r\n\r\n"
    yield b"\x0d3\r\nabc\r\n0\r\n\r\n"
    for content in fetched():
        yield b"\x01" + content
        yield b"\x06" + content
    for content in tars():
        yield b"\x02" + content[:4096]
    yield b"\x03" + objects()[0]
    yield b'\x05--B\r\nContent-Disposition: form-data; name="f"; filename="a.zip"\r\n\r\nPK\r\n--B--\r\n'
    for number, text in ((7, b"a/../b"), (8, b"E2?xsiType=xnat:mrSessionData&label=x"), (11, b"projects?format=xml")):
        yield bytes([number]) + text
    yield b'\x09<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" label="E1"/>'
    search = b'<xdat:search xmlns:xdat="http://nrg.wustl.edu/security"><xdat:root_element_name>xnat:mrSessionData'
    yield b"\x0a" + search + b"</xdat:root_element_name></xdat:search>"
    yield b'\x0c{"siteId":"x"}'
