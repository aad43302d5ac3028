"""Small DICOM objects and archives of them, for the tests of import, prearchive and archive."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable

import httpx
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, SecondaryCaptureImageStorage

MR, CT, SC = MRImageStorage, CTImageStorage, SecondaryCaptureImageStorage
ROOT = "1.2.826.0.1.3680043.8.498.8"
ZIP = {"Content-Type": "application/zip"}


def mr_object(
    series: int = 1, instance: int = 1, *, study: int = 1, uid: str = "", sop_class: str = MR, **fields: object
) -> bytes:
    """Makes one small object; `fields` are DICOM keywords that replace or add values (None removes one)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = uid or f"{ROOT}.{study}.{series}.{instance}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = f"{ROOT}.{study}", f"{ROOT}.{study}.{series}"
    data.Modality, data.PatientID, data.PatientName = "MR", "SESS01", "SUB01"
    data.StudyDate, data.StudyTime, data.StudyDescription = "20240102", "101112", "P1"
    data.SeriesDescription, data.SeriesNumber, data.InstanceNumber = f"series {series}", series, instance
    data.Manufacturer, data.ManufacturerModelName, data.StationName = "SIEMENS", "Prisma", "MR01"
    data.RepetitionTime, data.PixelSpacing, data.SliceThickness = "2300", [1, 1], "2"
    data.Rows = data.Columns = 4
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 0, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelData = bytes([series % 256, instance % 256]) * 16
    for name, value in fields.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data, enforce_file_format=True)
    return stream.getvalue()


def study(series: Iterable[int] = (1, 2), instances: int = 2, **options: object) -> dict[str, bytes]:
    """Makes the objects of a study, by name."""
    return {
        f"s{number}/{number}-{instance}.dcm": mr_object(number, instance, **options)
        for number in series
        for instance in range(1, instances + 1)
    }


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Packs members in their order."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def send(client: httpx.Client, body: bytes, query: str = "", kind: str = "application/zip") -> httpx.Response:
    """Posts to the import service with the handler DICOM-zip; the query may say otherwise."""
    path = f"/data/services/import?inbody=true&{query}"
    if "import-handler" not in query:
        path += "&import-handler=DICOM-zip"
    return client.post(path, content=body, headers={"Content-Type": kind})


def landed(client: httpx.Client, members: dict[str, bytes], query: str = "project=P1&subject=S1&session=E1") -> str:
    """Imports a study and gives the URI it landed at, with /data."""
    answer = send(client, zipped(members), query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/uri-list")
    return answer.text.strip()


def message(answer: httpx.Response) -> str:
    """Gives the words of a refusal."""
    found = re.search(r"<h3>(.*)</h3>", answer.text, re.DOTALL)
    return found[1] if found else answer.text


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    """Gives the rows of a listing."""
    assert answer.status_code == 200, answer.text
    return answer.json()["ResultSet"]["Result"]


def files(client: httpx.Client, uri: str) -> list[dict[str, str]]:
    """Lists the files of everything below a URI's scans."""
    found = []
    for resource in rows(client.get(f"{uri}/resources?format=json")):
        place = f"{uri}/scans/{resource['cat_id']}/resources/{resource['label']}/files?format=json"
        found += [{**row, "scan": resource["cat_id"], "label": resource["label"]} for row in rows(client.get(place))]
    return found


def stored(client: httpx.Client, row: dict[str, str]) -> pydicom.FileDataset:
    """Fetches a listed file and reads it."""
    answer = client.get(row["URI"])
    assert answer.status_code == 200, answer.text
    return pydicom.dcmread(io.BytesIO(answer.content))


def project(client: httpx.Client, name: str = "P1", code: int = 0) -> None:
    """Makes a project with a prearchive code."""
    client.put(f"/data/projects/{name}").raise_for_status()
    client.put(f"/data/projects/{name}/prearchive_code/{code}").raise_for_status()


def logs(client: httpx.Client, uri: str) -> str:
    """Gives the newest log entry of a session."""
    return client.get(f"{uri}/logs/last").text
