"""An upload of a killed process that the server digests after the quiet time, beside another part of the study."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import httpx
import pydicom
import pytest

from crash.crash_world import Arena, CrashWorld
from crash.processes import PASSWORD
from xnatsync.sandbox.http.exchange import Request, Response
from xnatsync.sandbox.http.faults import Fault


def _packed(files: list[Path]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in files:
            archive.write(path, f"{_uid(path)}.dcm")
    return stream.getvalue()


def _uid(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def _push(world: CrashWorld, content: bytes) -> None:
    """What the server had still in its hands when the process died."""
    label = next(iter(world.labels))
    httpx.post(
        f"{world.client.base_url}/data/services/import?import-handler=DICOM-zip&inbody=true&PROJECT_ID={world.project}"
        f"&SUBJECT_ID={label.split('_')[0]}&EXPT_LABEL={label}&prevent_auto_commit=true&SOURCE=uploader",
        content=content, headers={"Content-Type": "application/zip"}, auth=("agent", PASSWORD), timeout=60,
    ).raise_for_status()  # fmt: skip


@pytest.mark.parametrize("late", ["01_*", "03_*"], ids=["of the first", "of the second"])
def test_a_late_upload_of_another_part_is_taken_for_what_it_is(arena: Arena, late: str) -> None:
    """A study comes as two items; while one is delivered, an upload of the other arrives that nobody waits for."""
    with arena.world("plain") as world:
        world.drop_study("first", (1, 2))
        assert world.run(until="before xnat.import_zip").code == -9  # announced: from here on it may arrive any time
        world.drop_study("rest", (3,))
        content = _packed(sorted(world.folder.glob(f"*/{late}/*.dcm")))

        def arrive(_request: Request, _response: Response) -> None:
            _push(world, content)

        fault = arena.server.faults.add(
            Fault("POST", f"PROJECT_ID={world.project}&", "call", times=1, after_call=arrive)
        )

        ended = world.run(workers=2)

        assert ended.code == 0, arena.messages()
        assert fault.hits == 1
        assert world.complaints_at_the_end() == []


def test_a_late_upload_of_somebody_else_waits_for_a_person(arena: Arena) -> None:
    """The same study and label, an object that no item of ours holds: it is not archived with ours."""
    with arena.world("plain") as world, arena.world("plain") as other:
        world.drop_study("first", (1, 2))
        other.drop_study("foreign", (9,))
        content = _packed(sorted(other.folder.rglob("*.dcm")))

        def arrive(_request: Request, _response: Response) -> None:
            _push(world, content)

        arena.server.faults.add(Fault("POST", f"PROJECT_ID={world.project}&", "call", times=1, after_call=arrive))

        ended = world.run()

        assert ended.code == 3
        assert "XS-OBJECTS-EXTRA" in arena.messages()
        assert world.complaints_after_a_kill() == []
