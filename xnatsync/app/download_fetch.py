"""Brings files of one session for a download: the mirror's own fetching, tried again while that may help."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from xnatsync.core.errors import Disposition, LoginLost, ServerError, Stopped, XnatsyncError
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.sides import ServerFile
from xnatsync.fetch.fetcher import Fetcher
from xnatsync.fetch.store import Staged, Store
from xnatsync.ports.tree import Archive
from xnatsync.report.gauge import Gauge

TRIES = 3  # of the whole, after the client's own retries of each request
_PASSING = frozenset({Disposition.RETRY, Disposition.PAUSE})
_STOPPED = "the download was asked to stop; a later one goes on where it ended"

Take = Callable[[Generator[Staged]], None]


@dataclass(slots=True)
class Bringer:
    """Brings files of one owner into a store."""

    archive: Archive
    owner: Owner
    gauge: Gauge
    listed: Sequence[ServerFile]  # everything that the server has of it
    stopping: Callable[[], bool] = lambda: False

    def bring(self, wanted: Sequence[ServerFile], store: Store, take: Take) -> list[XnatsyncError]:
        """Hand everything that can be brought to `take`; return the reasons why the rest was not.

        Trouble of our own disk, of access, or a wish to stop is raised: nothing more would come.
        """
        left = {(file.key, file.name): file for file in wanted}
        wrong: dict[tuple[ResourceKey, str], XnatsyncError] = {}
        for attempt in range(1, TRIES + 1):
            fetcher = self._fetcher(store, piecemeal=attempt == TRIES)
            try:
                with closing(self._counted(fetcher.fetch(list(left.values()), self.listed), left)) as came:
                    take(came)
            except XnatsyncError as error:
                self._go_on_after(error, attempt)
            wrong.update(((file.key, file.name), error) for file, error in fetcher.wrong)
            if not left:
                break
        return [wrong[name] for name in left]

    def _fetcher(self, store: Store, *, piecemeal: bool) -> Fetcher:
        """Who sends no whole zip may still send files one by one."""
        return Fetcher(
            self.archive,
            self.owner,
            store,
            f"session {self.owner.id}",
            piecemeal=piecemeal,
            stopping=self.stopping,
            moved=self.gauge.moved,
            had=self.gauge.had,
        )

    def _counted(self, staged: Generator[Staged], left: dict[tuple[ResourceKey, str], ServerFile]) -> Generator[Staged]:
        with closing(staged):
            for one in staged:
                del left[one.file.key, one.file.name]
                self.gauge.done()
                yield one

    def _go_on_after(self, error: XnatsyncError, attempt: int) -> None:
        """Raise what would come again: our own disk would not be better for asking the server again."""
        if self.stopping():
            raise Stopped(_STOPPED) from error
        passing = isinstance(error, ServerError | LoginLost) and error.disposition in _PASSING
        if not passing or attempt == TRIES:
            raise error
        self.gauge.note(f"trying again: {error}")
