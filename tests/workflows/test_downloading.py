"""Every command of the page "Downloading Data" of xnatctl's manual, with only the program's name replaced."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from noun_world import content
from workflows.conftest import Workplace, blocks, manual

PROJECT, LABEL, DEFAULT = "MYPROJECT", "SUB001_MR_20240115", "default"


def commands() -> list[str]:
    page = manual("downloading.rst")
    return [
        line.removeprefix("$ ")
        for _, text in blocks(page, "console")
        for line in text.splitlines()
        if line.startswith("$ ")
    ]


def furnished(place: Workplace) -> None:
    """Gives the archive what the page speaks of: XNAT_E00001 is its session, also by label in MYPROJECT."""
    world = place.world
    assert world.ask("PUT", f"/data/projects/{PROJECT}")[0] == 200
    share = f"/data/experiments/XNAT_E00001/projects/{PROJECT}?label={LABEL}"
    assert world.ask("PUT", share)[0] == 200
    world.store("XNAT_E00001", "DICOM", {"summary.dcm": content("summary")})
    created = world.session("MR003", scans=3)
    assert created != "XNAT_E00001"
    third = world.site.experiments["XNAT_E00001"]
    from xnatsync.sandbox.model.creation import create_scan

    create_scan(world.site, third, "3", "xnat:mrScanData", world.owner)
    world.store("XNAT_E00001", "DICOM", {"0001.dcm": content("third")}, "3")


def test_every_command_of_the_page_works_one_after_the_other(place: Workplace) -> None:
    """In the order in which they stand there, in one folder; each ends with 0."""
    furnished(place)
    listed = commands()
    assert len(listed) > 20

    ended = {command: place.script(command) for command in listed}

    assert {command: ran.err for command, ran in ended.items() if ran.code} == {}
    files = place.files("data")
    assert "XNAT_E00001/scans.zip" in files
    assert "SESSION01/scans.zip" in files
    assert f"{LABEL}/scans.zip" in files
    assert {
        "XNAT_E00001/scans/1/resources/DICOM/files/0001.dcm",
        "XNAT_E00001/scans/3/resources/DICOM/files/0001.dcm",
    } <= {*files}
    assert {"dicoms.zip", "scan1_dicoms.zip"} <= {*place.files()}


def test_each_command_of_the_page_works_alone(place: Workplace) -> None:
    """In an empty folder each."""
    furnished(place)
    failed = {}
    for command in dict.fromkeys(commands()):
        shutil.rmtree(place.folder)
        place.folder.mkdir()

        ran = place.script(command)

        words = shlex.split(command)
        wanted = "download" in words and "--dry-run" not in words
        if ran.code or bool(place.files()) != wanted:
            failed[command] = (ran, place.files())
    assert failed == {}


def test_the_folders_are_those_of_the_page(place: Workplace) -> None:
    """`{session}/scans/{scan_id}/resources/{resource_label}/files/`, and `resources_QC/` beside `scans/`."""
    page = manual("downloading.rst")
    assert "{output_dir}/{session}/scans/{scan_id}/resources/{resource_label}/files/" in page
    assert "+-- resources_QC/" in page

    ran = place.script("xnatctl session download -E XNAT_E00001 --out ./data --workers 8 --include-resources")

    assert ran.code == 0, ran.err
    assert place.files("data") == [
        "XNAT_E00001/resources_NIFTI/bids/t1.json",
        "XNAT_E00001/resources_NIFTI/t1.nii.gz",
        "XNAT_E00001/resources_QC/report.txt",
        *(f"XNAT_E00001/scans/{scan}/resources/DICOM/files/{number:04}.dcm" for scan in (1,) for number in (1, 2, 3)),
        "XNAT_E00001/scans/1/resources/NIFTI/files/t1.nii.gz",
        *(f"XNAT_E00001/scans/2/resources/DICOM/files/{number:04}.dcm" for number in (1, 2, 3)),
    ]
    one = Path(place.folder / "data/XNAT_E00001/scans/2/resources/DICOM/files/0002.dcm")
    assert one.read_bytes() == content("MR001/2/2")
