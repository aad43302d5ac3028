"""`UploadService`: what the server holds afterwards is what was named, and the summary says so, or why not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from cli.test_upload import contents, held, imports, packed, study, writes
from noun_world import PASSWORD, PROJECT, USER, NounWorld
from xnatsync import XNATClient
from xnatsync.sandbox.http.faults import Fault
from xnatsync.services import uploads
from xnatsync.services.errors import InvalidInputError, OperationCancelled, ResourceNotFoundError
from xnatsync.services.progress import UploadProgress, UploadSummary
from xnatsync.services.uploads import UploadService

TO = {"project": PROJECT, "subject": "SUB01", "session": "SUB01_MR1"}
Call = Callable[[UploadService, Path, list[Path]], UploadSummary]
WAYS: dict[str, Call] = {
    "upload_dicom": lambda service, source, _: service.upload_dicom(**TO, source_path=source),
    "upload_dicom by position": lambda service, source, _: service.upload_dicom(*TO.values(), source, True, False, 10),
    "files": lambda service, _, files: service.upload_dicom(
        **TO, files=[str(file) for file in files], workers=8, show_progress=True
    ),
    "parallel": lambda service, source, _: service.upload_dicom_parallel(source, *TO.values(), upload_workers=2),
    "parallel zip": lambda service, source, _: service.upload_dicom_parallel(
        source, **TO, archive_format="zip", username=USER, password=PASSWORD
    ),
    "gradual": lambda service, source, _: service.upload_dicom_gradual(source, **TO, workers=8),
    "gradual files": lambda service, _, files: service.upload_dicom_gradual_files(files=files, **TO),
}


@pytest.fixture
def service(far: NounWorld, client: XNATClient) -> UploadService:
    far.site.settings.update({"enableSitewideAnonymizationScript": False})
    return UploadService(client)


@pytest.mark.parametrize("way", WAYS)
def test_every_method_brings_every_byte_and_the_same_call_again_nothing(
    far: NounWorld, service: UploadService, way: str
) -> None:
    """With a receipt in the ledger; the second call looks, and says that everything is there."""
    files = study(far.root / "exam")
    (far.root / "exam" / "notes.txt").write_text("no object")

    done = WAYS[way](service, far.root / "exam", files)

    assert (done.success, done.total, done.succeeded, done.failed, done.skipped) == (True, 6, 6, 0, 0), done
    assert held(far) == contents(files)
    assert done.receipt == "1"
    assert done.session_id in far.site.experiments
    since = len(far.server.log)
    again = WAYS[way](service, far.root / "exam", files)
    assert (again.success, again.succeeded, again.skipped) == (True, 0, 6)
    assert writes(far, since) == []
    assert service.client.whoami() == USER  # the caller's connection is as it was


def test_left_for_review_and_of_an_archive(far: NounWorld, service: UploadService) -> None:
    """`quarantine` leaves it in the prearchive."""
    files = study(far.root / "exam")
    (far.root / "exam.zip").write_bytes(packed(files, "zip"))

    assert service.upload_dicom(**TO, source_path=far.root / "exam.zip", quarantine=True).success

    assert [row.status for row in far.site.prearchive.rows.values()] == ["READY"]
    assert held(far) == []
    assert service.upload_dicom_gradual(far.root / "exam.zip", **TO).succeeded == 0
    assert held(far) == contents(files)


def test_what_is_not_proven_is_no_success(far: NounWorld, service: UploadService) -> None:
    """Two studies, a damaged object, a file that is none where none is wanted: nothing passes for arrived."""
    study(far.root / "two" / "a", seed=3)
    study(far.root / "two" / "b", seed=4)
    files = study(far.root / "exam")
    files[-1].write_bytes(files[-1].read_bytes()[:-50])

    two = service.upload_dicom(PROJECT, "SUB01", "TWO", far.root / "two")
    strict = service.upload_dicom_parallel(far.root / "exam", **TO, ignore_unparsable=False)
    assert imports(far) == 0
    damaged = service.upload_dicom(**TO, source_path=far.root / "exam")

    assert [one.success for one in (two, strict, damaged)] == [False, False, False]
    assert (two.succeeded, two.failed) == (0, two.total)
    assert all(one.errors for one in (two, strict, damaged))
    assert held(far) == contents(files[:-1])


def test_what_cannot_be_meant_is_raised_before_anything_is_sent(far: NounWorld, service: UploadService) -> None:
    files = study(far.root / "exam")
    wrong: list[tuple[type[Exception], Callable[[], object]]] = [
        (ResourceNotFoundError, lambda: service.upload_dicom("NOWHERE", "S", "E", far.root / "exam")),
        (TypeError, lambda: service.upload_dicom(**TO)),
        (TypeError, lambda: service.upload_dicom(**TO, source_path=far.root, files=files)),
        (InvalidInputError, lambda: service.upload_dicom(**TO, files=[])),
        (InvalidInputError, lambda: service.upload_dicom(**TO, source_path=far.root, batch_size=0)),
        (InvalidInputError, lambda: service.upload_dicom_gradual(far.root, **TO, workers=0)),
        (InvalidInputError, lambda: service.upload_dicom_parallel(far.root, **TO, import_handler="SI")),
        (InvalidInputError, lambda: service.upload_dicom_parallel(far.root, **TO, archive_format="rar")),
        (InvalidInputError, lambda: service.upload_dicom_parallel(far.root, **TO, overwrite="all")),
        (InvalidInputError, lambda: service.upload_dicom_parallel(far.root, **TO, username="other")),
        (Exception, lambda: service.upload_dicom(PROJECT, "a b", "E", far.root / "exam")),
        (Exception, lambda: service.upload_dicom(**TO, source_path=far.root / "absent")),
    ]
    for kind, call in wrong:
        with pytest.raises(kind):
            call()
    assert imports(far) == 0


def test_a_callback_sees_it_and_cancels(far: NounWorld, service: UploadService) -> None:
    """Phases come in their order; False ends it, an error of the callback is raised; the same call goes on."""
    files = study(far.root / "exam", slices=(3, 3))
    seen: list[UploadProgress] = []

    def cancel(told: UploadProgress) -> object:
        seen.append(told)
        return told.phase != "uploading"

    with pytest.raises(OperationCancelled):
        service.upload_dicom(**TO, source_path=far.root / "exam", progress_callback=cancel)
    assert [one.phase for one in seen][-1] == "uploading"
    assert held(far) == []

    def fail(told: UploadProgress) -> None:
        raise LookupError(told.phase)

    with pytest.raises(LookupError):
        service.upload_dicom(PROJECT, "SUB02", "OTHER", far.root / "exam", progress_callback=fail)
    seen.clear()
    other = study(far.root / "more", seed=9)
    assert service.upload_dicom(PROJECT, "SUB09", "NINE", far.root / "more", progress_callback=seen.append).success
    phases = list(dict.fromkeys(one.phase for one in seen))
    assert phases[0] == "reading"
    assert phases[-1] == "done"
    assert seen[-1].total_bytes == sum(path.stat().st_size for path in other)
    assert files


def test_an_upload_that_the_server_refuses_is_no_success(far: NounWorld, service: UploadService) -> None:
    """A 200 that kept nothing, and a 403: the summary has the reason."""
    study(far.root / "exam", slices=(2,))
    far.server.faults.add(Fault("POST", "/services/import", "status", status=403, times=99))

    refused = service.upload_dicom(**TO, source_path=far.root / "exam")

    assert (refused.success, refused.succeeded, held(far)) == (False, 0, [])
    assert refused.errors


# --- the functions around it -------------------------------------------------------------------------------------


def test_dicom_files_are_told_by_content(tmp_path: Path) -> None:
    files = study(tmp_path / "exam")
    odd = [files[0].with_name("1.2.840.113619"), files[1].with_name("noending"), files[2].with_name("photo.jpg")]
    for path, name in zip(files, odd, strict=False):
        path.rename(name)
    (tmp_path / "exam" / "fake.dcm").write_bytes(b"no object at all" * 100)
    (tmp_path / "exam" / "link.dcm").symlink_to(files[3])
    expected = sorted([*odd, *files[3:]])

    assert uploads.collect_dicom_files(tmp_path) == expected
    assert uploads.collect_dicom_files(tmp_path, include_extensionless=False) == [
        path for path in expected if path.name != "noending"
    ]
    with pytest.raises(ValueError, match="not a folder"):
        uploads.collect_dicom_files(files[3])


def test_files_are_split_as_documented() -> None:
    paths = [Path(str(number)) for number in range(7)]
    assert [len(part) for part in uploads.split_into_batches(paths, 3)] == [3, 3, 1]
    assert [*chain(*uploads.split_into_batches(paths, 3))] == paths
    dealt = uploads.split_into_n_batches(paths, 3)
    assert dealt[0] == [paths[0], paths[3], paths[6]]
    assert sorted(chain(*dealt)) == paths
    assert uploads.split_into_n_batches(paths[:2], 5) == [[paths[0]], [paths[1]]]
    assert uploads.split_into_batches([], 5) == uploads.split_into_n_batches([], 5) == []
    for split in (uploads.split_into_batches, uploads.split_into_n_batches):
        with pytest.raises(ValueError, match="0"):
            split(paths, 0)


def test_destinations_and_statuses_are_as_documented() -> None:
    assert uploads.archive_destination_params("P", True) == {"Direct-Archive": "true"}
    assert uploads.archive_destination_params("P", False) == {"dest": "/prearchive/projects/P"}
    retried = {status for status in range(100, 700) if uploads.is_retryable_status(status)}
    assert retried == {400, 429, *range(500, 600)}


def test_a_retry_ends() -> None:
    """With the first answer that is final, with the last one, or with the error of the last try."""

    class Answer:
        def __init__(self, status: int) -> None:
            self.status_code = status

    def answering(*outcomes: int | Exception) -> tuple[Callable[[], Answer], list[int]]:
        left, asked = list(outcomes), list[int]()

        def once() -> Answer:
            asked.append(1)
            outcome = left.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return Answer(outcome)

        return once, asked

    for outcomes, status, calls in (((503, 400, 200), 200, 3), ((401, 200), 401, 1), ((500, 500, 500), 500, 3)):
        once, asked = answering(*outcomes)
        assert uploads.upload_with_retry(once, max_retries=2, backoff_base=0).status_code == status
        assert len(asked) == calls
    once, asked = answering(OSError("cut"), OSError("cut again"))
    with pytest.raises(OSError, match="again"):
        uploads.upload_with_retry(once, max_retries=1, backoff_base=0)
    once, _ = answering(LookupError("ours"))
    with pytest.raises(LookupError):
        uploads.upload_with_retry(once, backoff_base=0)


def test_resources_are_stored_by_the_same_service(far: NounWorld, service: UploadService) -> None:
    """`upload_resource` is the resource service's own."""
    (far.root / "notes").mkdir()
    shutil.copy(__file__, far.root / "notes" / "a.txt")
    session = next(one.id for one in far.site.experiments.values() if one.label == "MR001")
    assert service.upload_resource(session, "NOTES", far.root / "notes").success
    assert "a.txt" in far.ask("GET", f"/data/experiments/{session}/resources/NOTES/files?format=json")[1]
