"""Brings files of one owner into staging: many small ones as few zips, big ones alone, an interrupted one resumed.

Nothing leaves staging unless it has the size and the digest that the listing states.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final

from xnatsync.core.errors import ContentDiffers, NotThere, ReplyStrange, Stopped, XnatsyncError
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.sides import ServerFile
from xnatsync.mirror.abreast import abreast
from xnatsync.mirror.ahead import Big, Group, read_ahead
from xnatsync.mirror.world import TreeWorld
from xnatsync.routes.mirror import MirrorRoute
from xnatsync.tree_ports import Archive, Content

SINGLE_MAX: Final = 3  # so few small files are fetched one by one
AT_ONCE: Final = 3  # files fetched alone, or groups of small ones written, at the same time
WORTH_A_ZIP: Final = 0.5  # the share of a resource's bytes that must be wanted: the rest would come in vain


@dataclass(frozen=True, slots=True)
class Staged:
    """A file in staging that is what the server listed."""

    file: ServerFile
    name: str  # in staging
    content: Content


_Named = tuple[ResourceKey, str]
_Waiting = dict[_Named, ServerFile]
_StagesSome = Callable[[], list[Staged | ContentDiffers]]


class Fetcher:
    """Fetches for one owner of one route."""

    def __init__(self, world: TreeWorld, route: MirrorRoute, owner_id: int, owner: Owner) -> None:
        self._world, self._route = world, route
        self._owner_id, self._owner = owner_id, owner
        self._archive: Archive = world.archive(route.server)

    def fetch(self, wanted: Sequence[ServerFile], listed: Sequence[ServerFile]) -> Generator[Staged]:
        """Stages what is wanted; ContentDiffers at the end when something did not come, or came as something else.

        One such file does not keep the others from arriving.
        """
        singles, zipped = self._shared_out(wanted, listed)
        wrong: list[XnatsyncError] = []
        for came in self._singles(singles):
            if isinstance(came, Staged):
                yield came
            else:
                wrong.append(came)
        if zipped:
            yield from self._as_zips(zipped, wrong)
        if wrong:
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            raise ContentDiffers(f"{wrong[0]}{more}")

    def _shared_out(
        self, wanted: Sequence[ServerFile], listed: Sequence[ServerFile]
    ) -> tuple[list[ServerFile], dict[ResourceKey, list[ServerFile]]]:
        """Decides what comes alone and which resources come whole."""
        singles = [file for file in wanted if (file.size or 0) >= self._route.big_file]
        small: dict[ResourceKey, list[ServerFile]] = {}
        for file in wanted:
            if (file.size or 0) < self._route.big_file:
                small.setdefault(file.key, []).append(file)
        totals: dict[ResourceKey, int] = {}
        for file in listed:
            totals[file.key] = totals.get(file.key, 0) + (file.size or 0)
        if sum(map(len, small.values())) <= SINGLE_MAX:
            return singles + [file for files in small.values() for file in files], {}
        zipped: dict[ResourceKey, list[ServerFile]] = {}
        for key, files in small.items():
            if sum(file.size or 0 for file in files) >= WORTH_A_ZIP * totals[key]:
                zipped[key] = files
            else:
                singles += files
        return singles, zipped

    def _as_zips(self, resources: dict[ResourceKey, list[ServerFile]], wrong: list[XnatsyncError]) -> Iterator[Staged]:
        waiting = {(key, file.name): file for key, files in resources.items() for file in files}
        for came in self._unpacked(list(resources), waiting):
            if isinstance(came, Staged):
                yield came
            else:
                wrong.append(came)
        wrong += [
            ContentDiffers(f"{_told(file)} of owner {self._owner_id} did not come with the zip")
            for file in waiting.values()
        ]

    def _unpacked(self, resources: Sequence[ResourceKey], waiting: _Waiting) -> Iterator[Staged | ContentDiffers]:
        """Stages what is waited for of what comes; what is held already, or was not selected, is passed over."""
        came = (((key, name), content) for key, name, content in self._archive.fetch_resources(self._owner, resources))
        if self._world.reads_ahead:
            with closing(read_ahead(came)) as ahead:
                for staged in abreast(self._groups(ahead, waiting), lambda act: act(), AT_ONCE):
                    yield from staged
            return
        for name, content in came:
            if (file := waiting.pop(name, None)) is not None:
                yield self._member(file, content)

    def _groups(self, came: Iterator[Group[_Named] | Big[_Named]], waiting: _Waiting) -> Iterator[_StagesSome]:
        """Gives what is to be done with each group of small files; a big one is staged at once, as it comes."""
        for one in came:
            if isinstance(one, Big):
                big = waiting.pop(one.key, None)
                staged = [self._member(big, one.content)] if big is not None else []
                yield partial(list, staged)
            else:
                files = [(waiting.pop(name, None), pieces) for name, pieces in one.files]
                yield partial(self._group, [(file, pieces) for file, pieces in files if file is not None])

    def _group(self, files: Sequence[tuple[ServerFile, list[bytes]]]) -> list[Staged | ContentDiffers]:
        return [self._member(file, iter(pieces)) for file, pieces in files]

    def _member(self, file: ServerFile, content: Iterator[bytes]) -> Staged | ContentDiffers:
        self._go_on()
        try:
            return self._checked(file, self._stage(file, content, append=False))
        except ContentDiffers as error:
            return error

    def _singles(self, files: Sequence[ServerFile]) -> Iterator[Staged | XnatsyncError]:
        """Several at once: one connection rarely fills a line, and one core does not keep up with a fast one."""
        if self._world.reads_ahead and len(files) > 1:
            return abreast(files, self._single, AT_ONCE)
        return map(self._single, files)

    def _single(self, file: ServerFile) -> Staged | XnatsyncError:
        self._go_on()
        try:
            return self._alone(file)
        except (ContentDiffers, NotThere) as error:  # replaced or deleted since it was listed, or damaged
            return error

    def _alone(self, file: ServerFile) -> Staged:
        """Fetches one file, from where an interrupted try ended when the server's digest says it is still the same."""
        root, name = self._route.folder, self._name(file)
        have = self._world.disk.staged_size(root, name) if file.md5 and file.size is not None else 0
        if have and file.size is not None and have < file.size:
            try:
                return self._checked(file, self._stage(file, self._stream(file, have), append=True))
            except (ReplyStrange, ContentDiffers):
                self._world.disk.clear_staging(root, name)  # anew, whole
        return self._checked(file, self._stage(file, self._stream(file, 0), append=False))

    def _stream(self, file: ServerFile, offset: int) -> Iterator[bytes]:
        return self._archive.fetch_file(self._owner, file.key, file.name, offset=offset)

    def _stage(self, file: ServerFile, content: Iterator[bytes], *, append: bool) -> Content:
        return self._world.disk.stage(self._route.folder, self._name(file), self._counted(content), append=append)

    def _checked(self, file: ServerFile, content: Content) -> Staged:
        if (file.size is not None and content.size != file.size) or (file.md5 and content.md5 != file.md5):
            self._world.disk.clear_staging(self._route.folder, self._name(file))
            raise ContentDiffers(
                f"{_told(file)} of owner {self._owner_id} is not what the server lists: {content.size} bytes came"
            )
        return Staged(file, self._name(file), content)

    def _name(self, file: ServerFile) -> str:
        """Names it in staging: another content on the server is another name, so nothing is resumed with it."""
        told = f"{file.key.scan}\n{file.key.label}\n{file.name}\n{file.md5}"
        return f"{self._owner_id}-{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"

    def _counted(self, content: Iterator[bytes]) -> Iterator[bytes]:
        for piece in content:
            self._world.progress.fetched(self._owner_id, len(piece))
            yield piece

    def _go_on(self) -> None:
        if self._world.stopping():
            raise Stopped("asked to stop")


def _told(file: ServerFile) -> str:
    scan = f"scans/{file.key.scan}/" if file.key.scan else ""
    return f"{scan}resources/{file.key.label}/files/{file.name}"
