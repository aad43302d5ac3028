"""The coordinator's side of a Dask cluster: who its workers are, a place at one of them, and an errand sent there.

Every task is bound to one process of one worker, so the scheduler cannot give it to another when that one dies: only
the coordinator, which looks at the destination first, does it again.
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from xnatsync import __version__
from xnatsync.app import dask_worker
from xnatsync.app.dask_worker import End, Hail, Reply, Task, pack, unpack
from xnatsync.core.errors import (
    ClusterUnreachable,
    ConfigError,
    Disposition,
    Stopped,
    WorkerLost,
    WorkersMissing,
    XnatsyncError,
)
from xnatsync.routes.transfer.errand import Answer, Errand, Place

T = TypeVar("T")
CONNECT_S: Final = 20.0
WORKERS_S: Final = 60.0  # so long it is waited for a first worker, or for another when the last has gone
LOOK_S: Final = 0.5  # how often the scheduler is asked who its workers are
AGAIN_S: Final = 10.0  # before a worker is greeted again that could not reach a server
DRAIN_S: Final = 10.0  # so long a worker may take to answer for what it did when we are asked to stop
PLACES_MAX: Final = 64  # errands on their way at the same time, on all workers together
_BROKEN: Final = (OSError, ValueError, TypeError, RuntimeError, AttributeError, ImportError, FutureTimeout)


@dataclass(slots=True)
class Worker:
    """A process of the cluster that can take errands."""

    address: str
    places: int
    name: str = ""  # as its cluster calls it
    token: str = ""
    taken: int = 0
    lost: bool = False


@dataclass(slots=True)
class _Greeted:
    """A worker that was asked who it is."""

    worker: Worker
    future: Any = None
    refused: str = ""
    again_at: float | None = None


@dataclass(slots=True)
class DaskCluster:
    """A connection to a scheduler, to be left like a file."""

    address: str
    source: End
    destination: End
    stopping: Callable[[], bool]
    users: tuple[str, ...] = ()  # whom the coordinator is logged in as, where that is known
    told: Callable[[str, str], None] = lambda code, text: None  # of a worker that is not used, and why
    connect_s: float = CONNECT_S
    workers_s: float = WORKERS_S
    drain_s: float = DRAIN_S
    workers: dict[str, Worker] = field(default_factory=dict)
    greeted: dict[str, _Greeted] = field(default_factory=dict)
    lost: XnatsyncError | None = None
    _client: Any = None
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _closing: threading.Event = field(default_factory=threading.Event)
    _watching: threading.Thread | None = None
    _numbers: int = 0

    def __enter__(self) -> Self:
        """Connect, and begin to look who is there."""
        self._client = connect(self.address, self.connect_s)
        try:
            _check_version(self._ask(lambda: self._client.run_on_scheduler(dask_worker.version)))
        except BaseException:
            self._close()
            raise
        self._watching = threading.Thread(target=self._watch, name="dask", daemon=True)
        self._watching.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the workers log out, and disconnect."""
        self._closing.set()
        if self._watching is not None:
            self._watching.join(CONNECT_S)
        if self.lost is None and self.workers:
            with suppress(*_BROKEN):
                self._client.run(dask_worker.let_go, workers=list(self.workers), on_error="ignore")
        self._close()

    def _close(self) -> None:
        with suppress(*_BROKEN):
            self._client.close(timeout=2)

    # --- places ------------------------------------------------------------------------------------------------------

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Wait for a free place at a worker, and keep it within the block."""
        worker = self._take()
        try:
            yield _AtWorker(self, worker)
        finally:
            with self._changed:
                worker.taken -= 1
                self._changed.notify_all()

    def _take(self) -> Worker:
        since = time.monotonic()
        with self._changed:
            while True:
                if self.stopping():
                    raise Stopped("asked to stop")
                if self.lost is not None:
                    raise self.lost
                free = [one for one in self.workers.values() if one.taken < one.places and not one.lost]
                if free and sum(one.taken for one in self.workers.values()) < PLACES_MAX:
                    worker = min(free, key=lambda one: one.taken / one.places)
                    worker.taken += 1
                    return worker
                if self.workers:
                    since = time.monotonic()
                elif time.monotonic() - since > self.workers_s:
                    raise self._none()
                self._changed.wait(LOOK_S)

    def _none(self) -> WorkersMissing:
        """Say why there is no worker."""
        refused = sorted({one.refused for one in self.greeted.values() if one.refused})
        if not refused:
            return WorkersMissing(f"the scheduler {self.address} had no worker for {self.workers_s:.0f} s")
        more = f" (and {len(refused) - 3} more)" if len(refused) > 3 else ""
        return WorkersMissing(f"no worker of {self.address} can be used: {'; '.join(refused[:3])}{more}")

    # --- who is there ------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_S if self.greeted else 0.05):
            try:
                self._look()
            except XnatsyncError as error:
                with self._changed:
                    self.lost = error
                    self._changed.notify_all()
                return

    def _look(self) -> None:
        found = self._ask(lambda: self._client.scheduler_info(n_workers=-1)["workers"])
        for address in self.greeted.keys() - found.keys():
            self._gone(address)
        for address, about in found.items():
            greeted = self.greeted.get(address)
            if greeted is None:
                self._greet(Worker(address, max(1, int(about.get("nthreads", 1))), str(about.get("name", ""))))
            elif greeted.future is not None:
                self._hear(greeted)
            elif greeted.again_at is not None and time.monotonic() >= greeted.again_at:
                self._greet(greeted.worker)

    def _greet(self, worker: Worker) -> None:
        self._numbers += 1
        hail = pack(Hail(self.source, self.destination, worker.places))
        key = f"xnatsync-hello-{id(self)}-{self._numbers}"
        self.greeted[worker.address] = _Greeted(worker, self._submit(dask_worker.hello, hail, key, worker))

    def _hear(self, greeted: _Greeted) -> None:
        """Take a worker that answered rightly; name the others."""
        if not greeted.future.done():
            return
        worker, future, greeted.future = greeted.worker, greeted.future, None
        try:
            reply = unpack(Reply, self._result(future))
            if reply.version != __version__:
                raise ConfigError(f"it has xnatsync {reply.version}, and this is {__version__}")
            if reply.fault is not None:
                raise reply.fault.error()
            if any(mine and mine != theirs for mine, theirs in zip(self.users, reply.users, strict=False)):
                raise ConfigError("it logs in as another user than this machine")
        except (XnatsyncError, ValueError) as error:
            code = error.code if isinstance(error, XnatsyncError) else ConfigError.code
            why = str(error) if isinstance(error, XnatsyncError) else "it has another version of xnatsync"
            passing = isinstance(error, XnatsyncError) and error.disposition in {Disposition.RETRY, Disposition.PAUSE}
            greeted.again_at = time.monotonic() + AGAIN_S if passing else None
            why = f"worker {worker.address}: {why}"
            if greeted.refused != why:
                greeted.refused = why
                self.told(code, greeted.refused)
            return
        worker.token, worker.lost, greeted.refused = reply.token, False, ""
        with self._changed:
            self.workers[worker.address] = worker
            self._changed.notify_all()

    def _gone(self, address: str) -> None:
        greeted = self.greeted.pop(address)
        with self._changed:
            greeted.worker.lost = True
            self.workers.pop(address, None)
            self._changed.notify_all()

    def suspect(self, worker: Worker) -> None:
        """Take nobody at this address for the worker that was there, until it was greeted again."""
        with self._changed:
            worker.lost = True
            if self.workers.get(worker.address) is worker:
                del self.workers[worker.address]
                self.greeted.pop(worker.address, None)
            self._changed.notify_all()

    # --- talking to the scheduler ------------------------------------------------------------------------------------

    def submit(self, errand: Errand, worker: Worker) -> Any:
        """Send an errand to a worker, and return what will have its answer."""
        task = Task(worker.token, self.source, self.destination, worker.places, errand)
        return self._submit(dask_worker.work, pack(task), dask_worker.key_of(errand.attempt), worker)

    def _submit(self, function: Callable[[bytes], bytes], packed: bytes, key: str, worker: Worker) -> Any:
        return self._ask(
            lambda: self._client.submit(
                function, packed, key=key, workers=[worker.address], allow_other_workers=False, pure=False, retries=0
            )
        )

    def _result(self, future: Any) -> bytes:
        if future.status != "finished":
            raise WorkerLost("a worker ended without an answer")
        try:
            found = future.result(timeout=CONNECT_S)
        except Exception as error:
            raise WorkerLost(f"the answer of a worker was lost ({type(error).__name__})") from None
        if not isinstance(found, bytes):
            raise WorkerLost("a worker answered something that is no answer")
        return found

    def answer(self, future: Any, errand: Errand) -> Answer:
        """Return what a worker answered; whatever is not just the answer to this attempt counts as none."""
        try:
            reply = unpack(Reply, self._result(future))
        except ValueError:
            raise WorkerLost("a worker answered something that is no answer") from None
        if reply.version != __version__:
            raise WorkerLost(f"a worker answered with xnatsync {reply.version}, and this is {__version__}")
        if reply.fault is not None:
            raise WorkerLost(f"a worker could not do it: {reply.fault.text}")
        if reply.answer is None or reply.answer.attempt != errand.attempt:
            raise WorkerLost("a worker answered to another attempt")
        return reply.answer

    def ask_to_stop(self, errand: Errand, worker: Worker) -> None:
        """Let a worker end an errand at its next piece."""
        with suppress(*_BROKEN):
            self._client.run(dask_worker.stop, errand.attempt, workers=[worker.address], on_error="ignore", wait=False)

    def cancel(self, future: Any) -> None:
        """Tell the scheduler that nobody waits for a task any more: the worker that has it stops."""
        with suppress(*_BROKEN):
            self._client.cancel([future], force=True)

    def _ask(self, act: Callable[[], T]) -> T:
        """Ask the scheduler; whatever goes wrong, it is lost."""
        try:
            if self._client.status == "running":
                return act()
        except ModuleNotFoundError:
            raise ConfigError(
                f"the scheduler {self.address} has no xnatsync",
                advice="Install `xnatsync[dask]` in the environment of the scheduler and of its workers.",
            ) from None
        except _BROKEN as error:
            raise ClusterUnreachable(f"the scheduler {self.address} was lost ({type(error).__name__})") from None
        raise ClusterUnreachable(f"the connection to the scheduler {self.address} was lost")


@dataclass(slots=True)
class _AtWorker:
    """A place at a worker."""

    cluster: DaskCluster
    worker: Worker

    def do(self, errand: Errand) -> Answer:
        """Send an errand, wait for its answer, and give up on a worker that has gone."""
        cluster, worker = self.cluster, self.worker
        if worker.lost:
            raise WorkerLost("a worker ended before it was asked")
        future, ended = cluster.submit(errand, worker), threading.Event()
        future.add_done_callback(lambda _: ended.set())
        try:
            self._await(ended, errand)
            return cluster.answer(future, errand)
        except WorkerLost:
            cluster.suspect(worker)
            raise
        finally:
            if not ended.is_set():
                cluster.cancel(future)
            future.release()

    def _await(self, ended: threading.Event, errand: Errand) -> None:
        """Return when there is an answer; an error where there will be none."""
        cluster, until = self.cluster, float("inf")
        while not ended.wait(LOOK_S / 2):
            if cluster.lost is not None:
                raise cluster.lost
            if self.worker.lost:
                raise WorkerLost("a worker ended without an answer")
            if until == float("inf") and cluster.stopping():
                cluster.ask_to_stop(errand, self.worker)
                until = time.monotonic() + cluster.drain_s
            if time.monotonic() > until:
                raise Stopped("asked to stop, and a worker did not answer in time")


def _check_version(found: object) -> None:
    if found != __version__:
        raise ConfigError(
            f"the scheduler has xnatsync {found}, and this is {__version__}",
            advice=f"Install xnatsync {__version__} where the scheduler and its workers run.",
        )


def connect(address: str, timeout_s: float = CONNECT_S) -> Any:
    """Connect to a scheduler; what TLS needs is taken from Dask's own configuration."""
    try:
        import distributed
    except ImportError:
        raise ConfigError(
            'engine = "dask" needs Dask, which is not installed',
            advice="pip install 'xnatsync[dask]'",
        ) from None
    for name in ("distributed", "distributed.client", "distributed.core"):  # what matters is told in our own words
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions are compared, and what differs is refused
            return distributed.Client(address, timeout=timeout_s, set_as_default=False, name="xnatsync")
    except _BROKEN as error:
        raise ClusterUnreachable(f"no connection to the scheduler {address} ({type(error).__name__})") from None
