"""Makes a small MR study of nobody: for the demonstration, and for every test that needs DICOM."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from xnatsync.dicom.phantom import draw_head, samples

ROOT = "2.25."  # UIDs made from random numbers
MAKER = UID("2.25.308137917561478120377436311547281846325")  # this program, as the writer of the files
_SPACING_MM, _THICKNESS_MM = 240.0, 4.0


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """One series: its number is drawn into the pictures, and chooses their contrast."""

    number: int
    description: str
    slices: int


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """One study.  `size` is rows and columns; 256 × 256 makes objects of about 130 kB."""

    patient_id: str
    patient_name: str
    study_date: str
    series: tuple[SeriesPlan, ...]
    study_uid: str | None = None
    size: tuple[int, int] = (128, 128)


def make_study(folder: Path, plan: StudyPlan, *, seed: int | None = None) -> list[Path]:
    """Write a study, one folder per series, and return the files in the order of the slices.

    The same plan with the same seed gives the same bytes; without a seed every study is another one.
    """
    chance = Random(seed)  # noqa: S311 no secret is made of it
    study_uid = UID(plan.study_uid) if plan.study_uid else _uid(chance)
    frame_uid = _uid(chance)
    written = []
    for series in plan.series:
        place = folder / f"{series.number:02d}_{series.description.replace(' ', '_')}"
        place.mkdir(parents=True, exist_ok=True)
        image = _image(plan, series, study_uid, _uid(chance), frame_uid)
        for index in range(series.slices):
            _set_slice(image, plan, series, index, _uid(chance), chance)
            written.append(place / f"{index + 1:04d}.dcm")
            image.save_as(written[-1], enforce_file_format=True)
    return written


def _uid(chance: Random) -> UID:
    return UID(f"{ROOT}{chance.getrandbits(122) | 1 << 121}")


def _image(plan: StudyPlan, series: SeriesPlan, study_uid: UID, series_uid: UID, frame_uid: UID) -> FileDataset:
    """Everything that the slices of a series have in common."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = MAKER
    meta.ImplementationVersionName = "XNATSYNC"
    common = Dataset()
    common.SpecificCharacterSet = "ISO_IR 192"
    common.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    common.SOPClassUID = MRImageStorage
    common.StudyDate = common.SeriesDate = common.AcquisitionDate = common.ContentDate = plan.study_date
    common.StudyTime = "100000"
    common.SeriesTime = common.AcquisitionTime = common.ContentTime = f"10{series.number % 60:02d}00"
    common.AccessionNumber = ""
    common.Modality = "MR"
    common.Manufacturer = "xnatsync"
    common.ManufacturerModelName = "Phantom"
    common.ReferringPhysicianName = ""
    common.StudyDescription = "Phantom head"
    common.SeriesDescription = common.ProtocolName = series.description
    common.PatientName = plan.patient_name
    common.PatientID = plan.patient_id
    common.PatientBirthDate = common.PatientSex = ""
    common.ScanningSequence, common.SequenceVariant, common.ScanOptions = "SE", "NONE", ""
    common.MRAcquisitionType = "2D"
    common.SliceThickness = common.SpacingBetweenSlices = _THICKNESS_MM
    common.RepetitionTime, common.EchoTime, common.EchoTrainLength = 2000, 30, 1
    common.MagneticFieldStrength, common.FlipAngle, common.PatientPosition = 3, 90, "HFS"
    common.StudyInstanceUID, common.SeriesInstanceUID = study_uid, series_uid
    common.FrameOfReferenceUID, common.PositionReferenceIndicator = frame_uid, ""
    common.StudyID, common.SeriesNumber = "1", series.number
    common.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    common.SamplesPerPixel, common.PhotometricInterpretation = 1, "MONOCHROME2"
    common.Rows, common.Columns = plan.size
    common.PixelSpacing = [round(_SPACING_MM / plan.size[0], 4), round(_SPACING_MM / plan.size[1], 4)]
    common.BitsAllocated, common.BitsStored, common.HighBit, common.PixelRepresentation = 16, 12, 11, 0
    common.WindowCenter, common.WindowWidth = 2000, 4000
    return FileDataset("", common, file_meta=meta, preamble=bytes(128))


def _set_slice(
    image: FileDataset, plan: StudyPlan, series: SeriesPlan, index: int, sop_uid: UID, chance: Random
) -> None:
    rows, columns = plan.size
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = sop_uid
    image.AcquisitionNumber, image.InstanceNumber = 1, index + 1
    image.ImagePositionPatient = [-_SPACING_MM / 2, -_SPACING_MM / 2, round(index * _THICKNESS_MM, 3)]
    image.SliceLocation = round(index * _THICKNESS_MM, 3)
    canvas = draw_head(rows, columns, series=series.number, height=index / max(1, series.slices - 1))
    image.add_new("PixelData", "OW", samples(canvas, chance))
