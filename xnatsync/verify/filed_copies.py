"""The filed copy of an item, file by file, against its manifest: does the disk still give what was proven?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from xnatsync.core.errors import FolderMissing, SourceChanged, SourceDamaged, SourceUnreadable
from xnatsync.core.judging import judge_bytes
from xnatsync.core.manifest import Kind, Level
from xnatsync.core.verification import Finding, Tally, Verdict
from xnatsync.core.wording import counted
from xnatsync.dicom.identity import pixel_digest
from xnatsync.ledger.rows import FileRow, ItemRow
from xnatsync.ports.drop import DropEntry
from xnatsync.routes.drop.fetch_back import told
from xnatsync.routes.drop.members import as_manifest
from xnatsync.routes.drop.settings import OWN_FOLDER, DropRoute
from xnatsync.verify.examiner import Looking

NO_CONTENT = bytes(32)  # links and special files are in a manifest by name alone
Digests = dict[str, dict[str, str]]  # SOP Instance UID -> name of a digest -> digest


@dataclass(slots=True)
class Copy:
    """What was found of one filed copy."""

    tally: Tally = field(default_factory=Tally)
    findings: list[Finding] = field(default_factory=list)
    gone: bool = False  # nothing of it is there: it is no longer kept
    whole: set[str] = field(default_factory=set)  # paths that are what the manifest says
    digests: Digests = field(default_factory=dict)  # of objects that were read


def examine_copy(
    looking: Looking, route: DropRoute, item: ItemRow, files: Sequence[FileRow], level: Level, *, contents: bool
) -> Copy:
    """Look at some files of a filed copy; with `contents`, what they hold is digested on the way.

    Names: they are there, with the right size.  Bytes: read to the end.  Nothing is expected where nothing was filed,
    nor of a copy that is wholly gone: whoever empties the done folder takes copies, and proofs stay what they are.
    """
    wanted = [file for file in files if file.sha256 != NO_CONTENT]
    if item.filed_as is None or not wanted:
        return Copy()
    place = filed_place(looking, route, item)
    assert place is not None
    look = looking.disk.look(place)
    if look is None or not (look.files or look.problems):
        _refuse_unmounted(looking, route, item)
        return Copy(gone=True)
    judging = _Judging(looking, item, place, contents)
    if is_folder(looking, place):
        sizes = {file.path: file.size for file in look.files}
        unread = {problem.path: problem.reason for problem in look.problems if problem.unreadable}
        odd = {problem.path: problem.reason for problem in look.problems if not problem.unreadable}
        for file in wanted:
            judging.one_of_folder(file, sizes, unread, odd, level)
    elif level.rank < Level.PIXELS.rank:
        judging.whole_by_size(wanted, sum(file.size for file in look.files))
    else:
        judging.in_order(wanted)
    return judging.copy


def filed_place(looking: Looking, route: DropRoute, item: ItemRow) -> Path | None:
    """Return where the filed copy of an item is: it moves along when its drop folder, or its done folder, is moved.

    That is so where the done folder of its time is gone, and the one of now has it, and no other item was filed there.
    """
    place = route.filed(item)
    if place is None or item.filed_as is None or item.filed_in in {None, str(route.done)}:
        return place
    moved = route.done / item.filed_as
    if _entries(looking, Path(item.filed_in or route.done)) is not None:
        return place
    if looking.ledger.is_filed(route.name, item.filed_as, str(route.done)) or not looking.disk.exists(moved):
        return place
    return moved


def _refuse_unmounted(looking: Looking, route: DropRoute, item: ItemRow) -> None:
    """FolderMissing when nothing shows that the disk is mounted: then nothing is known of what is on it.

    A folder that was emptied is there; one that is not may be a mount point of another system that is away.
    Filing is a rename: the disk of the done folder is that of the drop folder, where our own folder always stays.
    """
    done = Path(item.filed_in or route.done)
    entries = _entries(looking, done)
    if entries is None:
        raise FolderMissing(
            f"{done} is gone: perhaps its disk is not mounted",
            advice=f"Mount the disk. If it was removed on purpose, make it again: `mkdir -p {quote(str(done))}`.",
        )
    if entries or _is_home(looking, route, done):
        return
    raise FolderMissing(
        f"{done} is empty, and the drop folder is not there with our own folder in it: perhaps its disk is not mounted",
        advice="Mount the disk, or put back what was filed; nothing is concluded about it.",
    )


def _is_home(looking: Looking, route: DropRoute, done: Path) -> bool:
    own = any(entry.name == OWN_FOLDER for entry in _entries(looking, route.folder) or ())
    return own and looking.disk.same_device(route.folder, done)


def _entries(looking: Looking, folder: Path) -> list[DropEntry] | None:
    try:
        return looking.disk.entries(folder)
    except FolderMissing:
        return None


def is_folder(looking: Looking, place: Path) -> bool:
    """Return whether a filed copy is a folder, and not one file."""
    return any(entry.name == place.name and entry.kind == "folder" for entry in looking.disk.entries(place.parent))


@dataclass(slots=True)
class _Judging:
    """One filed copy while it is looked at."""

    looking: Looking
    item: ItemRow
    place: Path
    contents: bool
    copy: Copy = field(default_factory=Copy)

    def one_of_folder(
        self, file: FileRow, sizes: dict[str, int], unread: dict[str, str], odd: dict[str, str], level: Level
    ) -> None:
        """Judge one file of a folder by itself: what is wrong with it says nothing of the next one."""
        if file.path not in sizes:
            blind = next((why for path, why in unread.items() if _covers(path, file.path)), None)
            other = next((why for path, why in odd.items() if _covers(path, file.path)), "")
            self._note(file, *((Verdict.MISSING, other) if blind is None else (Verdict.UNREADABLE, blind)))
        elif sizes[file.path] != file.stored_size:
            self._note(file, Verdict.DIFFERS, f"it has {sizes[file.path]} bytes instead of {file.stored_size}")
        elif level.rank < Level.PIXELS.rank:
            self._note(file, Verdict.SAME)
        else:
            self.in_order([file])

    def whole_by_size(self, files: Sequence[FileRow], size_bytes: int) -> None:
        """Judge a single file or an archive, of which a cheap look shows the size alone."""
        if size_bytes == self.item.bytes:
            for file in files:
                self._note(file, Verdict.SAME)
            return
        detail = f"it has {size_bytes} bytes instead of {self.item.bytes}"
        self.copy.tally += Tally(len(files))
        self.copy.findings.append(Finding("filed", Verdict.DIFFERS, self.item.filed_as, detail, len(files)))

    def in_order(self, files: Sequence[FileRow]) -> None:
        """Read files in the manifest's order, which is that of an archive; one that fails does not end it."""
        left = list(files)
        try:
            for wanted, pieces in self.looking.disk.stream(self.place, [as_manifest(file) for file in files]):
                while left and left[0].path != wanted.path:
                    self._note(left.pop(0), Verdict.MISSING)
                self._judged(left.pop(0), pieces)
        except SourceUnreadable as error:
            self._rest(left, Verdict.UNREADABLE, str(error))
        except (SourceChanged, SourceDamaged) as error:
            self._rest(left, Verdict.DIFFERS, str(error))

    def _judged(self, file: FileRow, pieces: Iterator[bytes]) -> None:
        passing = self.looking.digested(pieces, self._told())
        try:
            if self.contents and file.kind == Kind.DICOM:
                facts = pixel_digest(passing, content=True)
                passing.drain()
                if not facts.problem:
                    self.copy.digests[file.key] = told(facts)
            else:
                passing.drain()
        except SourceUnreadable as error:
            self._note(file, Verdict.UNREADABLE, str(error), read=passing.size)
            return
        except (SourceChanged, SourceDamaged):
            self._note(file, Verdict.DIFFERS, "its content is not what was proven", read=passing.size)
            return
        verdict, detail = judge_bytes(file.size, file.sha256.hex(), passing.size, passing.sha256)
        self._note(file, verdict, detail, read=passing.size)

    def _told(self) -> Callable[[int], None]:
        """Tell whoever watches how much of the item was read."""
        before = self.copy.tally
        read = before.read_bytes

        def tell(size: int) -> None:
            nonlocal read
            read += size
            self.looking.progress.read("item", self.item.id, before.expected + 1, read)

        return tell

    def _rest(self, files: Sequence[FileRow], verdict: Verdict, detail: str) -> None:
        if len(files) == 1:
            self._note(files[0], verdict, detail)
        elif files:
            self.copy.tally += Tally(len(files))
            text = f"{detail}; what comes after it could not be judged either: {counted(len(files), 'file')}"
            self.copy.findings.append(Finding("filed", verdict, self.item.filed_as, text, len(files)))

    def _note(self, file: FileRow, verdict: Verdict, detail: str = "", read: int = 0) -> None:
        same = verdict is Verdict.SAME
        self.copy.tally += Tally(1, int(same), read)
        if same:
            self.copy.whole.add(file.path)
            return
        self.copy.digests.pop(file.key, None)
        single = self.place.name == file.path  # an item may be a file
        key = self.item.filed_as if single else f"{self.item.filed_as}/{file.path}"
        self.copy.findings.append(Finding("filed", verdict, key, detail))


def _covers(folder: str, path: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
