"""The scripts of the page "Common Workflows" of xnatctl's manual, with only the program's name replaced."""

from __future__ import annotations

import json
import zipfile

import pytest

from noun_world import content
from workflows.conftest import Workplace, blocks, manual


def script(title: str) -> str:
    (text,) = [text for found, text in blocks(manual("workflows.rst"), "bash") if found == title]
    assert text.startswith("#!/usr/bin/env bash\nset -euo pipefail\n")
    return text


def test_all_sessions_of_a_subject_are_exported(place: Workplace) -> None:
    """`session list --subject --output json | jq -r '.[].id'`, and one download each."""
    ran = place.script(script("Export All Sessions for a Subject"))

    assert ran.code == 0, ran.err
    assert ran.out.startswith("Downloading XNAT_E00001...\n")
    files = place.files("exports/SUB001")
    assert {name.split("/")[0] for name in files} == {place.ids["MR001"], place.ids["MR002"]}
    assert len(files) == 7 + 3
    one = place.folder / "exports/SUB001" / place.ids["MR002"] / "scans/1/resources/DICOM/files/0003.dcm"
    assert one.read_bytes() == content("MR002/1/3")


def test_the_export_is_repeated_without_fetching_anything(place: Workplace) -> None:
    """A nightly job costs listings alone."""
    text = script("Export All Sessions for a Subject")
    place.script(text)
    before = len(place.world.server.log)

    ran = place.script(text)

    asked = [f"{entry['path']}?{entry['query']}" for entry in list(place.world.server.log)[before:]]
    assert ran.code == 0, ran.err
    assert asked
    assert not [path for path in asked if "format=zip" in path or "/files/" in path]


def test_only_nifti_is_downloaded_where_there_is_one(place: Workplace) -> None:
    """Sessions without the resource are skipped."""
    ran = place.script(script("Download Only NIFTI Resources If Present"))

    assert ran.code == 0, ran.err
    assert place.files("nifti_exports") == [f"{place.ids['MR001']}_NIFTI.zip"]
    with zipfile.ZipFile(place.folder / "nifti_exports" / f"{place.ids['MR001']}_NIFTI.zip") as found:
        assert found.testzip() is None
        assert found.read("MR001/resources/NIFTI/files/t1.nii.gz") == content("nifti", 9000)


def manifest(place: Workplace, **expected: int) -> None:
    (place.folder / "manifest.json").write_text(json.dumps(expected), encoding="utf-8")


def test_the_audit_of_the_manual_finds_all_well(place: Workplace) -> None:
    """`scan list -P -E --output json | jq length`."""
    manifest(place, MR001=2, MR002=1, PET001=1)

    ran = place.script(script("Auditing a Project"))

    assert ran.code == 0, ran.err
    assert ran.out == (
        "Auditing project: NEUROIMAGING\nOK: MR001 (2 scans)\nOK: MR002 (1 scans)\nOK: PET001 (1 scans)\n\n"
        "Audit complete: all sessions match the manifest.\n"
    )


def test_the_audit_of_the_manual_finds_a_mismatch(place: Workplace) -> None:
    """And ends with 1."""
    manifest(place, MR001=12, MR002=1)

    ran = place.script(script("Auditing a Project"))

    assert ran.code == 1, ran.err
    assert "MISMATCH: MR001 has 2 scans (expected 12)\nOK: MR002 (1 scans)\n" in ran.out


def test_the_audit_of_the_manual_never_takes_a_missing_session_for_an_empty_one(place: Workplace) -> None:
    """Under `pipefail` and `-e` the script ends at once, as with xnatctl; without them it says MISSING."""
    manifest(place, MR001=2, NOPE=0)
    text = script("Auditing a Project")

    strict = place.script(text)
    lenient = place.script(text.replace("set -euo pipefail", "set -u"))

    assert strict.code == 3
    assert "NOPE" not in strict.out
    assert lenient.code == 1
    assert "OK: MR001 (2 scans)\nMISSING: session NOPE not found on server\n" in lenient.out


def test_our_own_audit_says_the_same_in_one_command(place: Workplace) -> None:
    """With the very manifest of the manual."""
    (text,) = [text for found, text in blocks(manual("workflows.rst"), "json") if found == "Auditing a Project"]
    (place.folder / "manifest.json").write_text(text, encoding="utf-8")

    ran = place.script("xnatsync audit manifest.json -P NEUROIMAGING")

    assert ran.code == 4
    assert ran.out.splitlines()[1:] == [
        "MISMATCH: MR001: 2 scans on the server (expected 12)",
        "MISMATCH: MR002: 1 scan on the server (expected 12)",
        "MISMATCH: PET001: 1 scan on the server (expected 8)",
        "3 differences found",
    ]


def test_the_nightly_export_of_the_manual_works(place: Workplace) -> None:
    """The step of its continuous integration: no project option but -P, credentials from the environment alone."""
    page = manual("workflows.rst")
    (text,) = [text for found, text in blocks(page, "yaml") if "Export sessions" in text]
    _, _, body = text.partition("- name: Export sessions\n      run: |\n")
    if not body:
        _, _, body = text.partition("run: |\n")
    lines = []
    for line in body.splitlines():
        if line.strip().startswith("- name:"):
            break
        lines.append(line.strip())
    step = "\n".join(lines).replace("\\\n", "\\\n")
    assert "session download" in step

    ran = place.script("set -e\n" + step)

    assert ran.code == 0, ran.err
    assert place.files("export") == [f"{session}/scans.zip" for session in sorted(place.ids.values())]


def test_the_reader_of_the_manual_sees_blocks_where_they_are() -> None:
    """With their section, and not what follows them."""
    page = "Title\n=====\n\n.. code-block:: bash\n\n   one\n\n   two\n\nText.\n\n"
    page += "Next\n----\n\n.. code-block:: json\n\n   {}\n"

    assert blocks(page, "bash") == [("Title", "one\n\ntwo\n")]
    assert blocks(page, "json") == [("Next", "{}\n")]


@pytest.mark.parametrize("bad", ["missing-command", "exit 3"])
def test_a_script_that_fails_is_seen_to_fail(bad: str, place: Workplace) -> None:
    """The shell's exit code is the script's."""
    assert place.script(bad).code != 0
