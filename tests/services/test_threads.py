"""One client in many threads, and one that is closed while it works: what is told is true, and nothing hangs."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from noun_world import PASSWORD, PROJECT, USER, NounWorld
from xnatsync import XNATClient
from xnatsync.services import errors
from xnatsync.services.progress import DownloadProgress

MANY = 16


def at_once(work: Callable[[int], object]) -> list[str]:
    """How the same call ended in each of many threads."""

    def ended(number: int) -> str:
        try:
            work(number)
        except errors.XNATError as error:
            return type(error).__name__
        return "done"

    with ThreadPoolExecutor(MANY) as pool:
        return sorted(pool.map(ended, range(MANY)))


def test_sixteen_threads_do_everything_with_one_login(client: XNATClient, far: NounWorld, tmp_path: Path) -> None:
    """Reads, downloads, uploads and effects beside each other: each its own, and none twice."""
    (tmp_path / "notes.txt").write_text("notes")

    def work(number: int) -> None:
        assert client.sessions.get("MR001", PROJECT).label == "MR001"
        assert client.downloads.download_session("MR002", tmp_path / f"{number}", project=PROJECT).success
        client.subjects.create(PROJECT, f"T{number}")
        client.resources.upload_file("MR001", f"R{number}", tmp_path / "notes.txt", project=PROJECT)

    assert at_once(work) == ["done"] * MANY
    assert {f"T{number}" for number in range(MANY)} < {one.label for one in far.site.subjects.values()}
    assert len([line for line in far.server.log if "JSESSION" in str(line["path"])]) == 1


@pytest.mark.parametrize("what", ["project", "subject", "session", "resource"])
def test_what_many_make_at_once_is_made_by_one(client: XNATClient, far: NounWorld, what: str) -> None:
    """The others are told that it is there: XNAT would take each further making for an edit of the first."""
    make: dict[str, Callable[[int], object]] = {
        "project": lambda n: client.projects.create("SAME", name=f"title {n}"),
        "subject": lambda n: client.subjects.create(PROJECT, "SAME", yob=1950 + n),
        "session": lambda n: client.sessions.create(PROJECT, "SUB001", "SAME", date=f"2026-03-{n + 1:02}"),
        "resource": lambda n: client.resources.create("MR001", "SAME", project=PROJECT, content=f"content {n}"),
    }

    told = at_once(make[what])

    assert told.count("done") == 1
    assert len(set(told)) == 2
    assert len([line for line in far.writes() if "SAME" in line and line.startswith("PUT")]) == 1


def test_many_may_download_into_one_folder(client: XNATClient, tmp_path: Path) -> None:
    """Each file is fetched, proven and there; nobody blames the disk for the others."""
    told = at_once(lambda _: client.downloads.download_session("MR001", tmp_path / "same", project=PROJECT))

    assert told == ["done"] * MANY
    assert len([one for one in (tmp_path / "same").rglob("*.dcm") if ".xnatsync" not in one.parts]) == 6


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a connection that was being made
@pytest.mark.parametrize("by", ["another thread", "its callback"])
def test_a_client_that_is_closed_while_it_works_says_so(far: NounWorld, tmp_path: Path, by: str) -> None:
    """As what was interrupted, never as success nor as the library's own error; a new client goes on with it."""
    began, closed = threading.Event(), threading.Event()
    told: list[BaseException] = []

    def watch(progress: DownloadProgress) -> None:
        if progress.phase == "downloading" and not began.is_set():
            began.set()
            if by == "its callback":
                first.close()
            else:
                assert closed.wait(10)

    def work() -> None:
        try:
            first.downloads.download_session("MR001", tmp_path, project=PROJECT, workers=4, progress_callback=watch)
        except BaseException as error:
            told.append(error)

    with XNATClient(far.server.url, USER, PASSWORD) as first:
        thread = threading.Thread(target=work)
        thread.start()
        assert began.wait(10)
    closed.set()
    thread.join(20)

    assert [type(error) for error in told] == [errors.OperationCancelled]
    with pytest.raises(errors.OperationCancelled, match="the client was closed"):
        first.sessions.get("MR001", PROJECT)
    with XNATClient(far.server.url, USER, PASSWORD) as second:
        assert second.downloads.download_session("MR001", tmp_path, project=PROJECT).success
    gc.collect()
