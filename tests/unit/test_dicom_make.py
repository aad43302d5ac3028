"""The phantom study is valid, the same every time it is asked to be, and different where it should be."""

from __future__ import annotations

from pathlib import Path

import pydicom

from xnatsync.core.manifest import Kind
from xnatsync.dicom.classify import Classifier
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.dicom.phantom import draw_head

PLAN = StudyPlan("P1", "Nobody^Nina", "20240102", (SeriesPlan(1, "T1 axial", 3), SeriesPlan(12, "T2 axial", 2)))


def test_a_study_is_readable_and_complete(tmp_path: Path) -> None:
    """pydicom reads it without a warning, and every slice is deliverable."""
    paths = make_study(tmp_path, PLAN, seed=1)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "01_T1_axial/0001.dcm",
        "01_T1_axial/0002.dcm",
        "01_T1_axial/0003.dcm",
        "12_T2_axial/0001.dcm",
        "12_T2_axial/0002.dcm",
    ]
    datasets = [pydicom.dcmread(path) for path in paths]
    assert {dataset.PatientID for dataset in datasets} == {"P1"}
    assert len({dataset.StudyInstanceUID for dataset in datasets}) == 1
    assert len({dataset.SeriesInstanceUID for dataset in datasets}) == 2
    assert len({dataset.SOPInstanceUID for dataset in datasets}) == 5
    assert len({bytes(dataset.PixelData) for dataset in datasets}) == 5
    assert [dataset.SeriesNumber for dataset in datasets] == [1, 1, 1, 12, 12]
    assert all(len(dataset.PixelData) == 2 * 128 * 128 for dataset in datasets)
    assert all(dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID for dataset in datasets)
    classifier = Classifier((), pixels=True)
    assert {classifier.read([path.read_bytes()]).kind for path in paths} == {Kind.DICOM}


def test_a_seed_makes_the_same_bytes(tmp_path: Path) -> None:
    """Tests and demonstrations can be repeated to the byte; without a seed every study is a new one."""
    first = [path.read_bytes() for path in make_study(tmp_path / "a", PLAN, seed=7)]
    assert [path.read_bytes() for path in make_study(tmp_path / "b", PLAN, seed=7)] == first
    assert [path.read_bytes() for path in make_study(tmp_path / "c", PLAN, seed=8)] != first
    loose = {pydicom.dcmread(make_study(tmp_path / name, PLAN)[0]).StudyInstanceUID for name in "de"}
    assert len(loose) == 2


def test_a_study_can_have_a_given_uid_and_size(tmp_path: Path) -> None:
    """So that a study can arrive in two drops, and objects have the size of a benchmark's."""
    plan = StudyPlan("P1", "N", "20240102", (SeriesPlan(1, "a", 1),), study_uid="1.2.3", size=(256, 256))
    path = make_study(tmp_path, plan, seed=1)[0]
    assert pydicom.dcmread(path).StudyInstanceUID == "1.2.3"
    assert 130_000 < path.stat().st_size < 135_000


def test_a_person_can_tell_series_and_slices_apart() -> None:
    """The number stands in the corner, contrasts differ, the head shrinks towards the crown, the eyes are below."""
    low, high = (draw_head(128, 128, series=1, height=height) for height in (0.0, 1.0))
    other = draw_head(128, 128, series=2, height=0.0)
    corner = [row * 128 + column for row in range(6, 28) for column in range(6, 22)]
    assert {low.grey[at] for at in corner} == {0, 255}
    assert [low.grey[at] for at in corner] != [other.grey[at] for at in corner]
    assert low.grey[64 * 128 + 40] != other.grey[64 * 128 + 40]
    assert sum(map(bool, high.grey)) < sum(map(bool, low.grey)) / 2
    assert low.grey[19 * 128 + 45] != 0
    assert high.grey[19 * 128 + 45] == 0
