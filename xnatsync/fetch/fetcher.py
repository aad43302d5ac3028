"""Brings files of one owner into a store: many small ones as few zips, big ones alone, an interrupted one resumed.

Nothing leaves the store unless it has the size and the digest that the listing states.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from xnatsync.core.errors import ContentDiffers, DiskFull, NotThere, ReplyStrange, Stopped, XnatsyncError
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.sides import ServerFile
from xnatsync.core.streams import at_most, closed_after
from xnatsync.core.wording import counted, size_words
from xnatsync.fetch.read_ahead import Big, Group, read_ahead
from xnatsync.fetch.store import Staged, Store
from xnatsync.fetch.threads import abreast
from xnatsync.ports.tree import Archive

SINGLE_MAX: Final = 3  # so few small files are fetched one by one
WORTH_A_ZIP: Final = 0.5  # the share of a resource's bytes that must be wanted: the rest would come in vain

_Named = tuple[ResourceKey, str]
_Waiting = dict[_Named, ServerFile]
_Outcome = tuple[ServerFile, Staged | XnatsyncError]
_StagesSome = Callable[[], list[_Outcome]]


@dataclass(slots=True)
class Fetcher:
    """Fetches for one owner."""

    archive: Archive
    owner: Owner
    store: Store
    called: str  # the owner in messages
    big_file: int = 64 << 20  # bytes: from here on a file is fetched alone, and an interrupted one is resumed
    threads: bool = True  # the same files in the same order, sooner
    piecemeal: bool = False  # no zips: one that broke twice may break at the same file for ever
    stopping: Callable[[], bool] = lambda: False
    moved: Callable[[int], None] = lambda size_bytes: None  # so many bytes came, or were thrown away again
    had: Callable[[int], None] = lambda size_bytes: None  # so many lay there from an interrupted try, or no longer
    wrong: list[tuple[ServerFile, XnatsyncError]] = field(default_factory=list)
    _sizes: dict[_Named, int | None] = field(default_factory=dict)  # as listed: nothing bigger is taken
    _left: threading.Event = field(default_factory=threading.Event)  # nobody wants what is still coming

    def fetch(self, wanted: Sequence[ServerFile], listed: Sequence[ServerFile]) -> Generator[Staged]:
        """Stage what is wanted; what did not come, or came as something else, is in `wrong` when this ends.

        One such file does not keep the others from arriving.  DiskFull at its end when not all of it fits: what fits,
        in the order given, was staged.
        """
        fitting, full = self._fitting(wanted)
        if full is not None and not fitting:
            raise full
        singles, zipped = self._shared_out(fitting, listed)
        self._sizes = {(file.key, file.name): file.size for file in listed}
        with closing(self._singles(singles)) as alone:
            yield from self._right(alone)
        if zipped:
            with closing(self._zipped(zipped)) as unpacked:
                yield from self._right(unpacked)
        if full is not None:
            raise full

    def fetch_all(self, wanted: Sequence[ServerFile], listed: Sequence[ServerFile]) -> Generator[Staged]:
        """Do the same, and raise ContentDiffers at its end when something is in `wrong`."""
        yield from self.fetch(wanted, listed)
        if self.wrong:
            more = f" (and {len(self.wrong) - 1} more)" if len(self.wrong) > 1 else ""
            raise ContentDiffers(f"{self.wrong[0][1]}{more}")

    def _fitting(self, wanted: Sequence[ServerFile]) -> tuple[Sequence[ServerFile], DiskFull | None]:
        """Part off what cannot be kept before it is fetched: a disk filled to its brim harms others too."""
        needs = [max((file.size or 0) - self.store.begun(file), 0) for file in wanted]
        left = free = self.store.free()
        if sum(needs) <= free:
            return wanted, None
        fitting: list[ServerFile] = []
        for file, need in zip(wanted, needs, strict=True):
            if self.store.apart and need <= left:
                fitting.append(file)
                left -= need
        over = counted(len(wanted) - len(fitting), "file")
        words = f"{size_words(sum(needs))} to fetch of {self.called}, {size_words(free)} free: no room for {over}"
        return fitting, DiskFull(words)

    def _right(self, came: Iterator[_Outcome]) -> Iterator[Staged]:
        for file, one in came:
            if isinstance(one, Staged):
                yield one
            else:
                self.wrong.append((file, one))

    def _shared_out(
        self, wanted: Sequence[ServerFile], listed: Sequence[ServerFile]
    ) -> tuple[list[ServerFile], dict[ResourceKey, list[ServerFile]]]:
        """Decide what comes alone and which resources come whole."""
        singles = [file for file in wanted if (file.size or 0) >= self.big_file]
        small: dict[ResourceKey, list[ServerFile]] = {}
        for file in wanted:
            if (file.size or 0) < self.big_file:
                small.setdefault(file.key, []).append(file)
        if self.piecemeal or sum(map(len, small.values())) <= SINGLE_MAX:
            return singles + [file for files in small.values() for file in files], {}
        totals: dict[ResourceKey, int] = {}
        for file in listed:
            totals[file.key] = totals.get(file.key, 0) + (file.size or 0)
        zipped: dict[ResourceKey, list[ServerFile]] = {}
        for key, files in small.items():
            if sum(file.size or 0 for file in files) >= WORTH_A_ZIP * totals[key]:
                zipped[key] = files
            else:
                singles += files
        return singles, zipped

    # --- many in a zip ----------------------------------------------------------------------------------------------

    def _zipped(self, resources: dict[ResourceKey, list[ServerFile]]) -> Generator[_Outcome]:
        waiting = {(key, file.name): file for key, files in resources.items() for file in files}
        with closing(self._unpacked(list(resources), waiting)) as unpacked:
            yield from unpacked
        for file in waiting.values():
            yield file, ContentDiffers(f"{told(file)} of {self.called} did not come with the zip")

    def _unpacked(self, resources: Sequence[ResourceKey], waiting: _Waiting) -> Generator[_Outcome]:
        """Stage what is waited for of what comes; what is held already, or was not selected, is passed over."""
        if self.threads:
            with closing(read_ahead(self._came(resources))) as ahead:
                groups = self._groups(ahead, waiting)
                with closing(abreast(groups, lambda act: act(), self.store.at_once, self._left.set)) as together:
                    for staged in together:
                        yield from staged
            return
        with closing(self._came(resources)) as came:
            for name, content in came:
                if (file := waiting.pop(name, None)) is not None:
                    yield self._member(file, content)

    def _came(self, resources: Sequence[ResourceKey]) -> Generator[tuple[_Named, Iterator[bytes]]]:
        with closed_after(self.archive.fetch_resources(self.owner, resources, sizes=self._sizes)) as files:
            for key, name, content in files:
                yield (key, name), content

    def _groups(self, came: Iterator[Group[_Named] | Big[_Named]], waiting: _Waiting) -> Iterator[_StagesSome]:
        """Return what is to be done with each group of small files; a big one is staged at once, as it comes."""
        for one in came:
            if isinstance(one, Big):
                big = waiting.pop(one.key, None)
                yield partial(list, [self._member(big, one.content)] if big is not None else [])
            else:
                files = [(waiting.pop(name, None), pieces) for name, pieces in one.files]
                yield partial(self._group, [(file, pieces) for file, pieces in files if file is not None])

    def _group(self, files: Sequence[tuple[ServerFile, list[bytes]]]) -> list[_Outcome]:
        return [self._member(file, iter(pieces)) for file, pieces in files]

    def _member(self, file: ServerFile, content: Iterator[bytes]) -> _Outcome:
        self._go_on()
        try:
            return file, self._checked(file, content)
        except ContentDiffers as error:
            return file, error

    # --- one alone --------------------------------------------------------------------------------------------------

    def _singles(self, files: Sequence[ServerFile]) -> Generator[_Outcome]:
        """Several at once: one connection rarely fills a line, and one core does not keep up with a fast one."""
        if self.threads and len(files) > 1:
            yield from abreast(files, self._single, self.store.at_once, self._left.set)
        else:
            yield from map(self._single, files)

    def _single(self, file: ServerFile) -> _Outcome:
        self._go_on()
        try:
            return file, self._alone(file)
        except (ContentDiffers, NotThere) as error:  # replaced or deleted since it was listed, or damaged
            return file, error

    def _alone(self, file: ServerFile) -> Staged:
        """Fetch one file, from where an interrupted try ended when the server's digest says it is still the same."""
        have = self.store.begun(file)
        if have and file.size is not None and have < file.size:
            try:
                return self._whole(file, have)
            except (ReplyStrange, ContentDiffers):
                self.store.drop(file)  # anew, whole
        return self._whole(file, 0)

    def _whole(self, file: ServerFile, offset: int) -> Staged:
        with closed_after(self.archive.fetch_file(self.owner, file.key, file.name, offset=offset)) as pieces:
            return self._checked(file, pieces, begun=offset)

    # --- both -------------------------------------------------------------------------------------------------------

    def _checked(self, file: ServerFile, content: Iterator[bytes], *, begun: int = 0) -> Staged:
        """Put a file into the store and compare it; what is not right is not kept, and its bytes do not count."""
        size = 0
        self.had(begun)
        most = None if file.size is None else file.size - begun

        def longer(_: int) -> XnatsyncError:
            return ContentDiffers(
                f"{told(file)} of {self.called}: more than the {file.size} bytes that are listed came; "
                "it was thrown away"
            )

        def measured() -> Iterator[bytes]:
            nonlocal size
            for piece in at_most(content, most, longer):
                size += len(piece)
                self.moved(len(piece))
                yield piece
                self._go_on()

        try:
            staged = replace(self.store.put(file, measured(), append=bool(begun)), begun=begun)
            self._compare(staged)
        except ContentDiffers:
            self.store.drop(file)
            self._lost(size, begun)
            raise
        except XnatsyncError:
            self._lost(size, begun)
            raise
        return staged

    def _lost(self, size: int, begun: int) -> None:
        self.moved(-size)
        self.had(-begun)

    def _compare(self, staged: Staged) -> None:
        compare(staged.file, staged.content.size, staged.content.md5, self.called)

    def _go_on(self) -> None:
        if self.stopping() or self._left.is_set():
            raise Stopped(_STOPPED)


def compare(file: ServerFile, size: int, md5: str, called: str) -> None:
    """Compare what came with what the server lists; ContentDiffers."""
    if file.size is not None and size != file.size:
        what = f"{size} bytes came and {file.size} are listed"
    elif file.md5 and md5 != file.md5:
        what = "its digest is not the one that is listed"
    else:
        return
    raise ContentDiffers(f"{told(file)} of {called}: {what}; it was thrown away")


def told(file: ServerFile) -> str:
    """Say which file it is, as the server addresses it."""
    scan = f"scans/{file.key.scan}/" if file.key.scan else ""
    return f"{scan}resources/{file.key.label}/files/{file.name}"


_STOPPED = "asked to stop; a later run goes on where this one ended"
