"""Objects without pixel data, of every kind that carries its content elsewhere; and what may become of a head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from xnatsync.dicom.make import MAKER

_STORAGE = "1.2.840.10008.5.1.4.1.1."


def _report(data: Dataset, text: str) -> None:
    part = Dataset()
    part.RelationshipType, part.ValueType, part.TextValue = "CONTAINS", "TEXT", text
    data.ValueType, data.ContinuityOfContent, data.CompletionFlag = "CONTAINER", "SEPARATE", "COMPLETE"
    data.ContentSequence = [part]


def _structures(data: Dataset, text: str) -> None:
    part = Dataset()
    part.ROINumber, part.ROIName = 1, text
    data.StructureSetROISequence = [part]


def _plan(data: Dataset, text: str) -> None:
    data.RTPlanLabel, data.RTPlanGeometry, data.RTPlanDescription = "plan", "PATIENT", text


def _document(data: Dataset, text: str) -> None:
    data.MIMETypeOfEncapsulatedDocument = "application/pdf"
    data.EncapsulatedDocument = (text.encode() + b" ")[: len(text) + len(text) % 2]


def _spectrum(data: Dataset, text: str) -> None:
    data.add_new(0x56000020, "OF", (text.encode() * 4)[: 4 * len(text)])


def _waveform(data: Dataset, text: str) -> None:
    part = Dataset()
    part.NumberOfWaveformChannels, part.NumberOfWaveformSamples = 1, len(text)
    part.WaveformBitsAllocated, part.WaveformSampleInterpretation = 8, "SB"
    part.add_new(0x54001010, "OB", text.encode() + b"\0" * (len(text) % 2))
    data.WaveformSequence = [part]


def _private(data: Dataset, text: str) -> None:
    block = data.private_block(0x7FE1, "MAKER", create=True)
    block.add_new(0x10, "OB", text.encode() + b"\0" * (len(text) % 2))


# kind -> (SOP class, modality, how its content is written); the same lengths of text make files of the same size
KINDS: dict[str, tuple[str, str, Callable[[Dataset, str], None]]] = {
    "report": (f"{_STORAGE}88.11", "SR", _report),
    "structures": (f"{_STORAGE}481.3", "RTSTRUCT", _structures),
    "plan": (f"{_STORAGE}481.5", "RTPLAN", _plan),
    "document": (f"{_STORAGE}104.1", "DOC", _document),
    "spectrum": (f"{_STORAGE}4.2", "MR", _spectrum),
    "waveform": (f"{_STORAGE}9.1.1", "ECG", _waveform),
    "private": ("1.3.12.2.1107.5.9.1", "MR", _private),
}


def without_pixels(path: Path, kind: str, text: str, *, study: str, sop_uid: str, patient: str = "SUB1") -> Path:
    """Writes an object of a kind that has no pixel data."""
    sop_class, modality, fill = KINDS[kind]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, sop_uid
    meta.TransferSyntaxUID, meta.ImplementationClassUID = ExplicitVRLittleEndian, MAKER
    data = FileDataset("", Dataset(), file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = sop_class, sop_uid, modality
    data.StudyInstanceUID, data.SeriesInstanceUID = study, f"{study}.9"
    data.StudyDate, data.SeriesNumber, data.InstanceNumber = "20260301", 9, 1
    data.PatientID, data.PatientName, data.PatientBirthDate = patient, "Nobody^Nomen", "19700101"
    data.SeriesDescription = kind
    fill(data, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path
