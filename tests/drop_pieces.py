"""What people do to a drop folder and to a server: edited objects, packed archives, sessions of somebody else."""

from __future__ import annotations

import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pydicom

from drop_world import DropWorld
from xnatsync.app.app import App
from xnatsync.app.resolve import release
from xnatsync.app.sync import SyncReport, sync
from xnatsync.config.load import load
from xnatsync.core.errors import DiskUnwell
from xnatsync.disk.local import LocalDisk
from xnatsync.engine.progress import Progress
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.ports.drop import Disk

LABEL = "SUB1_MR_20260301"


def edit(path: Path, **elements: Any) -> Path:
    """Rewrites an object with other values; None takes an element out."""
    data = pydicom.dcmread(path)
    for keyword, value in elements.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    if "SOPInstanceUID" in elements:
        data.file_meta.MediaStorageSOPInstanceUID = elements["SOPInstanceUID"]
    data.save_as(path, enforce_file_format=True)
    return path


def other_pixels(path: Path) -> Path:
    """Changes one sample of the picture; everything else stays, the length too."""
    data = bytearray(path.read_bytes())
    data[-5] ^= 0x40
    path.write_bytes(bytes(data))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def packed(files: Mapping[str, bytes], suffix: str) -> bytes:
    """An archive of these members, of the kind that the suffix says."""
    stream = io.BytesIO()
    if suffix == ".zip":
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return stream.getvalue()
    with tarfile.open(fileobj=stream, mode="w" if suffix == ".tar" else "w:gz") as tar:
        for name, data in files.items():
            head = tarfile.TarInfo(name)
            head.size = len(data)
            tar.addfile(head, io.BytesIO(data))
    return stream.getvalue()


def as_archive(world: DropWorld, name: str, **study: Any) -> list[Path]:
    """Drops a study packed as `name`; gives the files that went into it, which lie outside the drop folder."""
    written = elsewhere(world, **study)
    folder = written[0].parents[1]
    suffix = next(ending for ending in (".tar.gz", ".tgz", ".tar", ".zip") if name.lower().endswith(ending))
    (world.folder / name).write_bytes(packed(contents(folder), suffix))
    return written


def elsewhere(world: DropWorld, name: str = "made", **study: Any) -> list[Path]:
    """Makes a study outside the drop folder."""
    folder = world.folder
    world.folder = world.root / "elsewhere"
    try:
        return world.study(name, **study)
    finally:
        world.folder = folder


def upload(world: DropWorld, files: list[Path], label: str = LABEL, subject: str = "SUB1", *, archive: bool) -> str:
    """Somebody else uploads objects; gives the URI of their prearchive row, or of the session when it is archived."""
    members = {f"{number}.dcm": path.read_bytes() for number, path in enumerate(files)}
    wanted = f"PROJECT_ID=P1&SUBJECT_ID={subject}&EXPT_LABEL={label}&prevent_auto_commit=true&SOURCE=uploader"
    url = f"/data/services/import?import-handler=DICOM-zip&inbody=true&{wanted}"
    uri = post(world, url, content=packed(members, ".zip"), media="application/zip").text.strip().removeprefix("/data")
    post(world, f"/data{uri}?action=build")
    if archive:
        post(world, f"/data{uri}?action=commit&AA=true&SOURCE=uploader")
    return uri


def post(world: DropWorld, url: str, content: bytes = b"", media: str = "text/plain") -> httpx.Response:
    """Posts as somebody else would."""
    answer = _ask(world, "POST", url, content=content, headers={"Content-Type": media})
    assert answer.status_code in {200, 301, 303}, answer.text
    return answer


def delete(world: DropWorld, url: str) -> None:
    """Deletes as somebody else would."""
    _ask(world, "DELETE", url).raise_for_status()


def _ask(world: DropWorld, method: str, url: str, **more: Any) -> httpx.Response:
    """The second question on the same connection is taken up when the first is in the server's log."""
    with httpx.Client(base_url=world.server.url, auth=("agent", "secret"), timeout=60) as client:
        answer = client.request(method, url, **more)
        client.get("/xapi/siteConfig/buildInfo")
        return answer


def retry(world: DropWorld) -> None:
    """Does what `xnatsync retry` does."""
    release(load(world.config), [], everything=True)


def imports(world: DropWorld, since: int = 0) -> list[str]:
    """The uploads that were asked for."""
    return [path for method, path in world.writes(since) if path.startswith("/data/services/import")]


def held(report: SyncReport) -> ItemRow | UnitRow:
    """The one thing that is held for a person."""
    rows: list[ItemRow | UnitRow] = [item.item for item in report.items if item.item.hold == "person"]
    rows += [part.unit for item in report.items for part in item.units if part.unit.hold == "person"]
    assert len(rows) == 1, rows
    return rows[0]


class QuickClock:
    """A clock whose waits cost nothing: the time they ask for has passed at once."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._ahead = timedelta()
        self.waited: list[float] = []
        self.on_wait: Callable[[float], None] = lambda seconds: None

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def elapsed_s(self) -> float:
        return self.now().timestamp()

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self._ahead += timedelta(seconds=seconds)
        self.on_wait(seconds)
        return self._stop.is_set()


class QuickApp(App):
    """The application on such a clock; it is the same one in every run, so that time never goes back."""

    clock: QuickClock

    def make_clock(self) -> QuickClock:
        return self.clock


def quick_sync(world: DropWorld, clock: QuickClock | None = None, **more: Any) -> SyncReport:
    """Like `world.sync`, on a clock that never keeps anybody waiting."""
    app = QuickApp(load(world.config))
    app.clock = clock or world.__dict__.setdefault("clock", QuickClock(threading.Event()))
    more.setdefault("patience_s", 15_000.0)  # all waits together
    report = sync(app, [], progress=Progress(), on_bug=world.bugs.append, **more)
    assert world.bugs == []
    return report


class Meddled(LocalDisk):
    """The local disk, with somebody acting at one moment: before or after the n-th call of a method."""

    def __init__(self, method: str, act: Callable[[Any], None], *, after: bool = False, nth: int = 1) -> None:
        super().__init__()
        self._act, self._after, self._left = act, after, nth
        self.struck = False
        self._real: Any = getattr(super(), method)
        setattr(self, method, self._call)

    def _call(self, *args: Any, **more: Any) -> Any:
        self._left -= 1
        if self._left == 0 and not self._after:
            self._strike(args[0])
        result = self._real(*args, **more)
        if self._left == 0 and self._after:
            self._strike(args[0])
        return result

    def _strike(self, path: Any) -> None:
        self.struck = True
        self._act(path)


class FilesAndFails(Meddled):
    """A disk that fails after its n-th rename, and notes which folders are flushed."""

    def __init__(self, nth: int) -> None:
        super().__init__("move", self._fail, after=True, nth=nth)
        self.settled: list[Path] = []

    def _fail(self, _source: Path) -> None:
        raise DiskUnwell("it failed after the rename")

    def settle(self, folder: Path) -> None:
        self.settled.append(folder)
        super().settle(folder)


class MeddledApp(QuickApp):
    """The application on such a disk."""

    disk: Disk

    def make_disk(self) -> Disk:
        return self.disk


def meddled_sync(
    world: DropWorld, disk: Disk, clock: QuickClock | None = None, patience_s: float = 3600.0
) -> SyncReport:
    """Like `quick_sync`, on such a disk."""
    app = MeddledApp(load(world.config))
    app.disk = disk
    app.clock = clock or world.__dict__.setdefault("clock", QuickClock(threading.Event()))
    report = sync(app, [], progress=Progress(), on_bug=world.bugs.append, patience_s=patience_s)
    assert world.bugs == []
    return report
