"""What there is to send by C-STORE below a path: every file ends in exactly one of four heaps, by its content alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from xnatsync.core.errors import SourceChanged, SourceError, Usage
from xnatsync.core.manifest import Doubt, Kind
from xnatsync.core.store_plan import Pair, Sendable
from xnatsync.dicom.classify import Classifier, Reading
from xnatsync.dicom.identity import is_uid
from xnatsync.disk.item import Way, archive_kind, pieces_at
from xnatsync.disk.scan import look
from xnatsync.disk.spelling import real
from xnatsync.ports.drop import FileSeen

_PLAIN = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})
_UID_MAX = 64
_CONFLICT = "another file has the same SOP Instance UID and another content"
_UNKNOWN = "its pixel data are compressed, and its transfer syntax does not say how"


@dataclass(frozen=True, slots=True)
class Left:
    """A file that is not sent, and why."""

    path: str
    why: str


@dataclass(slots=True)
class Survey:
    """All files: objects to send, copies of them, files that are no objects, and those that need a person."""

    way: Way
    objects: list[Sendable] = field(default_factory=list)
    copies: list[Left] = field(default_factory=list)
    others: list[Left] = field(default_factory=list)
    doubtful: list[Left] = field(default_factory=list)
    seen: dict[str, FileSeen] = field(default_factory=dict)
    is_folder: bool = True

    @property
    def size(self) -> int:
        """Count the bytes of the objects."""
        return sum(one.size for one in self.objects)

    def content(self, one: Sendable) -> Iterator[bytes]:
        """Read an object's file to its end; SourceChanged when it is not what was looked at."""
        return self.pieces(self.seen[one.path])

    def pieces(self, file: FileSeen) -> Iterator[bytes]:
        """Read a file to its end."""
        find = partial(self.way.to, file.path) if self.is_folder else self.way.itself
        return pieces_at(find, file.path, (file.size, file.mtime_ns))


def survey(
    root: Path,
    *,
    odd: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    told: Callable[[int, int], None] = lambda files, size: None,
) -> Survey:
    """Read every file once.  `odd`: send objects too that are not as the standard wants them.

    Usage when nothing is there, or it is an archive; objects of one UID with different contents are sent neither.
    """
    root = root.absolute()
    found = Survey(Way(root), is_folder=real(root).is_dir())
    seen = look(root)
    if seen is None:
        raise Usage(f"{root} is not there", advice="Name a folder with DICOM files, or one file.")
    if archive_kind(root) is not None:
        raise Usage(f"{root} is an archive", advice="Unpack it, and name the folder; or send it with `session upload`.")
    found.doubtful += [Left(problem.path, problem.reason) for problem in seen.problems]
    classifier, count, size = Classifier((), pixels=False), 0, 0
    by_uid: dict[str, Sendable] = {}
    conflicts: set[str] = set()
    for file in seen.files:
        if stopping():
            break
        _sort_in(found, file, classifier, by_uid, conflicts, odd=odd)
        count, size = count + 1, size + file.size
        told(count, size)
    found.objects = [one for uid, one in by_uid.items() if uid not in conflicts]
    found.doubtful += [Left(by_uid[uid].path, _CONFLICT) for uid in sorted(conflicts)]
    return found


def _sort_in(
    found: Survey,
    file: FileSeen,
    classifier: Classifier,
    by_uid: dict[str, Sendable],
    conflicts: set[str],
    *,
    odd: bool,
) -> None:
    found.seen[file.path] = file
    try:
        reading, sha256 = _read(found, file, classifier)
    except SourceChanged as error:
        found.doubtful.append(Left(file.path, f"{error}: it may still be written to"))
        return
    except SourceError as error:
        found.doubtful.append(Left(file.path, str(error)))
        return
    identity = reading.identity
    if identity is None or (reading.doubt is Doubt.ODD and not odd) or reading.kind is Kind.OTHER:
        heap = found.others if reading.kind is Kind.OTHER and reading.doubt is not Doubt.CLOSED else found.doubtful
        heap.append(Left(file.path, reading.reason))
        return
    if reading.fragments and identity.transfer_syntax in _PLAIN:
        found.doubtful.append(Left(file.path, _UNKNOWN))
        return
    pair = Pair(identity.sop_class, identity.transfer_syntax)
    if not (is_uid(pair.sop_class) and is_uid(pair.syntax) and len(identity.sop_uid) <= _UID_MAX):
        found.doubtful.append(Left(file.path, "no message can name its class, its transfer syntax or its instance"))
        return
    one = Sendable(file.path, pair, identity.sop_uid, identity.study_uid, file.size, sha256, reading.data_at)
    first = by_uid.setdefault(identity.sop_uid, one)
    if first is one:
        return
    if first.sha256 == sha256:
        found.copies.append(Left(file.path, f"the same as {first.path}"))
    else:
        conflicts.add(identity.sop_uid)
        found.doubtful.append(Left(file.path, _CONFLICT))


def _read(found: Survey, file: FileSeen, classifier: Classifier) -> tuple[Reading, bytes]:
    digest = hashlib.sha256()

    def chunks() -> Iterator[bytes]:
        for piece in found.pieces(file):
            digest.update(piece)
            yield piece

    reading = classifier.read(chunks(), file.path.rsplit("/", 1)[-1])
    return reading, digest.digest()
