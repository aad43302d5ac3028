"""Brings files of one session from the server, each proven before it counts: size and digest as the server lists them.

Many files come as one zip, unpacked on the fly; what a zip lacks or spoils, and single files, come one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from xnatsync.core.errors import ContentDiffers, Disposition, LoginLost, NotThere, ServerError, Stopped, XnatsyncError
from xnatsync.core.fetching import Placed, of_resource
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.report.gauge import Gauge
from xnatsync.tree_ports import Archive

TRIES = 3  # of the whole, after the client's own retries of each request
ALONE_MOST = 4  # up to so many files of a resource come one by one, if they are the smaller part of it
_PASSING = frozenset({Disposition.RETRY, Disposition.PAUSE})

Check = Callable[[int, str], None]
Sink = Callable[[Placed, Iterator[bytes], Check], None]
Left = dict[tuple[ResourceKey, str], Placed]
Reasons = dict[tuple[ResourceKey, str], XnatsyncError]

_STOPPED = "the download was asked to stop; a later one goes on where it ended"


@dataclass(slots=True)
class Brought:
    """How bringing some files ended."""

    failures: list[tuple[Placed, XnatsyncError]] = field(default_factory=list)


@dataclass(slots=True)
class Bringer:
    """Brings files of one owner into a sink, which stores each.

    A sink reads the pieces to their end and calls the check with size and MD5 before it keeps anything.
    """

    archive: Archive
    owner: Owner
    gauge: Gauge
    listed: dict[ResourceKey, int]  # how many files each resource has on the server
    stopping: Callable[[], bool] = lambda: False

    def bring(self, wanted: Sequence[Placed], sink: Sink) -> Brought:
        """Brings everything that can be brought; what cannot is told, with the reason.

        Trouble of our own disk, of access, or a wish to stop is raised: nothing more would come.
        """
        left: Left = {(each.key, each.file.name): each for each in wanted}
        reasons: Reasons = {}
        for attempt in range(1, TRIES + 1):
            try:
                if attempt < TRIES:  # who sends no whole zip may still send files one by one
                    self._together(left, sink, reasons)
                self._alone(left, sink, reasons)
            except XnatsyncError as error:
                if self.stopping():
                    raise Stopped(_STOPPED) from error
                if (
                    not isinstance(error, ServerError | LoginLost)
                    or error.disposition not in _PASSING
                    or attempt == TRIES
                ):
                    raise  # our own disk would not be better for asking the server again
                self.gauge.note(f"trying again: {error}")
                continue
            if not left or attempt == TRIES:
                break
        return Brought([(each, reasons.get(name) or _never_came(each)) for name, each in left.items()])

    def _together(self, left: Left, sink: Sink, reasons: Reasons) -> None:
        keys = [
            key for key, count in _counted(left).items() if count > ALONE_MOST or count * 2 > self.listed.get(key, 0)
        ]
        if not keys:
            return
        for key, name, content in self.archive.fetch_resources(self.owner, sorted(keys)):
            if (each := left.get((key, name))) is None:
                continue
            try:
                self._stored(each, content, sink)
            except ContentDiffers as error:
                reasons[key, name] = error  # and for the rest of the zip it says nothing
            else:
                del left[key, name]

    def _alone(self, left: Left, sink: Sink, reasons: Reasons) -> None:
        for (key, name), each in list(left.items()):
            try:
                content = self.archive.fetch_file(self.owner, key, name)
                self._stored(each, content, sink)
            except (ContentDiffers, NotThere) as error:
                reasons[key, name] = error
            else:
                del left[key, name]

    def _stored(self, each: Placed, content: Iterator[bytes], sink: Sink) -> None:
        """Lets the sink store one file; what is not what the server lists is thrown away, and its bytes not counted."""
        moved = 0

        def passing() -> Iterator[bytes]:
            nonlocal moved
            for piece in content:
                if self.stopping():
                    raise Stopped(_STOPPED)
                moved += len(piece)
                self.gauge.moved(len(piece))
                yield piece

        try:
            sink(each, passing(), lambda size, md5: check(each, size, md5))
        except XnatsyncError:
            self.gauge.moved(-moved)
            raise
        self.gauge.done()


def check(each: Placed, size: int, md5: str) -> None:
    """Compares what came with what the server lists; ContentDiffers."""
    if each.file.size is not None and size != each.file.size:
        raise ContentDiffers(f"{each.path}: {size} bytes came and {each.file.size} are listed; it was thrown away")
    if each.file.digest and md5 != each.file.digest:
        raise ContentDiffers(f"{each.path}: its digest is not the one that is listed; it was thrown away")


def _counted(left: Left) -> dict[ResourceKey, int]:
    counts: dict[ResourceKey, int] = {}
    for key, _ in left:
        counts[key] = counts.get(key, 0) + 1
    return counts


def _never_came(each: Placed) -> XnatsyncError:
    return ContentDiffers(
        f"{each.path}: the server lists it in {of_resource(each.file.scan, each.file.resource)} and does not send it"
    )
