"""Workers of a cluster in this thread: what is asked and answered is packed as it is for another machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfer.engine_world import EngineWorld
from transfer.model import Archive
from xnatsync.app.dask_worker import End, Reply, Task, pack, unpack
from xnatsync.core.errors import WorkerLost
from xnatsync.routes.transfer.errand import Answer, Errand, Place
from xnatsync.routes.transfer.perform import Performing
from xnatsync.routes.transfer.world import TransferWorld


class Dead(BaseException):
    """A worker was killed: no handler of the product sees it."""


@dataclass
class Workers:
    """They die when `Dead` is raised within a call of an archive, and what they answer can be tampered with."""

    source: Archive
    there: Archive
    before: Callable[[Errand], None] = lambda errand: None
    tamper: Callable[[Errand, Answer], Answer] = lambda errand, answer: answer
    errands: list[Errand] = field(default_factory=list)
    deaths: int = 0

    @contextmanager
    def place(self) -> Iterator[Place]:
        yield self

    def do(self, errand: Errand) -> Answer:
        task = unpack(Task, pack(Task("", End("a", "{}"), End("b", "{}"), 1, errand)))
        assert task.errand == errand
        self.errands.append(errand)
        self.before(errand)
        try:
            answer = Performing(task.errand, self.source, self.there, threads=False).perform()  # type: ignore[arg-type]
        except Dead:
            self.deaths += 1
            raise WorkerLost("a worker ended without an answer") from None
        answer = self.tamper(errand, answer)
        reply = unpack(Reply, pack(Reply("", "", answer)))
        assert reply.answer == answer
        return answer


class AfarWorld(EngineWorld):
    """A coordinator whose work is done by workers."""

    def __init__(self, folder: Path, *archives: Archive, **keys: Any) -> None:
        super().__init__(folder, *archives, **keys)
        self.workers = Workers(self.source, self.there)

    def world(self, ledger: Any = None) -> TransferWorld:
        world = super().world(ledger)
        world.cluster = self.workers
        return world
