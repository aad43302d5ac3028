"""From a call of UploadService to the engine and back: the order, the account, the callback, the summary."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xnatsync.app.upload import UploadOrder, UploadReport, server_name, upload_of
from xnatsync.core.errors import Exit, Stopped, Usage
from xnatsync.engine.progress import Happening, ItemAt, Progress, Read, Sent, UnitAt
from xnatsync.report import streams
from xnatsync.services.client import XNATClient
from xnatsync.services.progress import UploadProgress, UploadSummary

if TYPE_CHECKING:
    from xnatsync.app.app import App
    from xnatsync.config.model import Config, ServerConfig

Callback = Callable[[UploadProgress], object] | None
Account = tuple[str | None, str | None]
_WORKERS_MAX = 32
_PHASES = {"planned": "uploading", "sent": "archiving", "landed": "verifying"}


def order_of(
    sources: Sequence[Path], project: str, subject: str, session: str, *, direct: bool, workers: int, transport: str,
    overwrite: str, unparsable: str,
) -> UploadOrder:  # fmt: skip
    """Return the order of a call; Usage for a number of workers that cannot be meant."""
    if workers < 1:
        raise Usage(f"workers is {workers}", advice="Give 1 or more.")
    words: dict[str, Any] = {"transport": transport, "overwrite": overwrite, "unparsable": unparsable}
    place: Any = "archive" if direct else "prearchive"
    return UploadOrder(
        sources=tuple(sources), project=project, subject=subject, session=session, place=place,
        workers=min(workers, _WORKERS_MAX), **words,
    )  # fmt: skip


def send(
    client: XNATClient, order: UploadOrder, callback: Callback, *, shown: bool, account: Account,
    timeout_s: float | None,
) -> UploadSummary:  # fmt: skip
    """Carry an order out; what concerns the server or the call as a whole is raised, everything else is in the summary.

    A callback that returns False cancels: what was acknowledged stays, and the same call goes on with it.
    """
    stop = threading.Event()
    listener = _Listener(_and_shown(callback) if shown else callback, stop)
    bugs: list[str] = []
    uploads = upload_of(*where(client), order, lambda config: application(client, config, stop, account, timeout_s))
    report = uploads.run(progress=Progress(listener.hear), on_bug=bugs.append)
    if listener.error is not None:
        raise listener.error
    if stop.is_set() and not report.is_done:
        raise Stopped("the progress callback cancelled the upload; the same call goes on with it")
    if report.run.errors and not report.sent:
        raise report.run.errors[0]
    listener.tell("done")
    return summary_of(report)


def summary_of(report: UploadReport) -> UploadSummary:
    """Return what became of an upload."""
    part = report.item
    units = part.units if part is not None else ()
    total = part.account.objects if part is not None else 0
    told = [f"{row.unit.detail} [{row.unit.code}]" for row in units if row.unit.hold is not None]
    if part is not None and part.item.hold is not None:
        told.append(f"{part.item.detail} [{part.item.code}]")
    return UploadSummary(
        success=report.exit_code == Exit.OK,
        total=total,
        succeeded=report.sent,
        failed=total - report.objects,
        skipped=max(0, report.objects - report.sent),
        total_bytes=sum(unit.unit.bytes for unit in units),
        duration=report.elapsed_s,
        session_id=next((unit.unit.session_id for unit in units if unit.unit.session_id), ""),
        errors=(*told, *map(str, report.run.errors)),
        receipt=",".join(str(unit.receipt.id) for unit in units if unit.receipt is not None),
    )


def where(client: XNATClient) -> tuple[Config, str, ServerConfig]:
    """Return the configuration of a client, and its server as the ledger calls it."""
    from xnatsync.config.model import Config, ServerConfig

    if client.profile is None:
        return Config(), client.base_url, ServerConfig(url=client.base_url)
    return client.profile.config, server_name(client.profile), client.profile.server


def application(
    client: XNATClient,
    config: Config,
    stop: threading.Event,
    account: Account = (None, None),
    timeout_s: float | None = None,
) -> App:
    """Return the application on the client's own connection, or on one as somebody else, or with another patience."""
    from xnatsync.app.app import App
    from xnatsync.config.secrets import Credentials

    user, password = account
    name = where(client)[1]
    if user is None and password is None:
        return App(config, stop, servers={name: client.server})
    if password is None or not (user or client.username):
        raise Usage("a user and a password belong together", advice="Give username= and password=, or neither.")
    login = Credentials(client.base_url, user or client.username or "", password, "given")
    server = config.servers[name]
    wider = server.model_copy(update={"long_timeout": timeout_s or server.long_timeout})
    return App(config.model_copy(update={"servers": {**config.servers, name: wider}}), stop, logins={name: login})


class _Listener:
    """An observer that calls a callback, in whatever thread: one call at a time."""

    def __init__(self, callback: Callback, stop: threading.Event) -> None:
        self._callback, self._stop = callback, stop
        self._lock = threading.Lock()
        self._told = UploadProgress("reading")
        self.error: Exception | None = None

    def hear(self, happening: Happening) -> None:
        """Tell the callback of what happened; what it raises ends the upload, and is raised to the caller."""
        with self._lock:
            told = self._told
            match happening:
                case Read(files=files, size_bytes=size_bytes):
                    told = replace(told, completed=files, completed_bytes=size_bytes)
                case ItemAt(item=item, note=note):
                    told = replace(told, total=item.files, total_bytes=item.bytes, message=note)
                case UnitAt(unit=unit, note=note):
                    phase = _PHASES.get(unit.phase, "verifying")
                    start = told.completed_bytes if told.phase == "uploading" else 0
                    told = replace(
                        told, phase=phase, total=unit.files, total_bytes=unit.bytes, completed=0,
                        completed_bytes=start if phase == "uploading" else unit.bytes, message=note,
                    )  # fmt: skip
                case Sent(size_bytes=size_bytes):
                    told = replace(told, phase="uploading", completed_bytes=told.completed_bytes + size_bytes)
                case _:
                    return
            self._told = told
            self._call(told)

    def tell(self, phase: str) -> None:
        """Tell the callback of the end."""
        self._call(replace(self._told, phase=phase, completed=self._told.total))

    def _call(self, told: UploadProgress) -> None:
        if self._callback is None or self._stop.is_set():
            return
        try:
            if self._callback(told) is False:
                self._stop.set()
        except Exception as error:
            self.error = error
            self._stop.set()
            raise


def _and_shown(callback: Callback) -> Callback:
    last = [""]

    def told(progress: UploadProgress) -> object:
        line = f"{progress.phase}: {progress.message}".rstrip(": ")
        if line != last[0]:
            last[0] = line
            stream = streams.stderr()
            stream.write(f"{line}\n")
            stream.flush()
        return callback(progress) if callback is not None else None

    return told
