"""What DICOM files on this disk are, and what of them would hold an item: read as a drop is, and nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xnatsync.core.errors import SourceDamaged, SourceGone, SourceUnreadable, Usage
from xnatsync.core.manifest import Doubt, Kind, ManifestFile
from xnatsync.disk.manifest import read_manifest

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

HIDDEN: Final = "(hidden)"
_LONG: Final = 80  # characters of a value that are shown
_PATIENT: Final = 0x0010
_NAMES_AND_TEXTS: Final = frozenset({"PN", "LT", "ST", "UT", "UN"})  # values that may hold a name
_TELLING: Final = frozenset(  # further values that point to a person, or to a visit
    {0x00080050, 0x00200010, 0x00380010, 0x00380500, 0x00400253, 0x00401001, 0x00321060, 0x00321032}
)


@dataclass(frozen=True, slots=True)
class Tag:
    """One element of a header."""

    tag: str  # (0010,0010)
    vr: str
    keyword: str  # "" of a private one
    value: str  # as text, what is long is cut


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found at a path."""

    path: Path
    files: tuple[ManifestFile, ...]

    @property
    def objects(self) -> tuple[ManifestFile, ...]:
        """The imaging objects that can be delivered."""
        return tuple(file for file in self.files if file.kind is Kind.DICOM)

    @property
    def holding(self) -> tuple[ManifestFile, ...]:
        """The files for which an item with them would be held."""
        return tuple(
            file for file in self.files if file.kind is Kind.BROKEN or file.doubt not in {Doubt.NONE, Doubt.ACCEPTED}
        )

    @property
    def studies(self) -> frozenset[str]:
        """The Study Instance UIDs."""
        return frozenset(file.identity.study_uid for file in self.files if file.identity is not None)

    @property
    def series(self) -> frozenset[str]:
        """The Series Instance UIDs."""
        return frozenset(file.identity.series_uid for file in self.files if file.identity is not None)


def examine(path: Path) -> Examined:
    """Read every file of a folder or an archive, or one file, once; nothing of a patient is kept."""
    if not path.exists():
        raise SourceGone(f"{path} is not there", advice="Check the path.")
    return Examined(path, read_manifest(path, tags=frozenset(), pixels=False))


def tags_of(path: Path, *, private: bool, show_patient: bool, wanted: Sequence[str] = ()) -> list[Tag]:
    """List the elements of one object's header, those of sequences indented by their depth; pixel data aside.

    What names the patient, a person or a visit is hidden unless it is asked for.  `wanted`: keywords, or numbers such
    as 0008,0060.
    """
    asked = frozenset(_number(word) for word in wanted)
    return [
        tag
        for part in _read(path)
        for number, tag in _walk(part, 0, private=private, show_patient=show_patient)
        if not asked or number in asked
    ]


def _walk(dataset: Dataset, depth: int, *, private: bool, show_patient: bool) -> Iterator[tuple[int, Tag]]:
    from pydicom.datadict import keyword_for_tag

    for element in dataset:
        if element.tag.is_private and not private:
            continue
        number = int(element.tag)
        name = "  " * depth + f"({element.tag.group:04X},{element.tag.element:04X})"
        yield number, Tag(name, element.VR, keyword_for_tag(number), _shown(element, show_patient=show_patient))
        if element.VR == "SQ":
            for item in element.value:
                for _, inner in _walk(item, depth + 1, private=private, show_patient=show_patient):
                    yield number, inner


def _shown(element: DataElement, *, show_patient: bool) -> str:
    if element.VR == "SQ":
        return f"{len(element.value)} items"
    number = int(element.tag)
    tells = element.tag.group == _PATIENT or element.VR in _NAMES_AND_TEXTS or number in _TELLING
    if (tells or element.tag.is_private) and not show_patient and not element.is_empty:
        return HIDDEN
    if isinstance(element.value, bytes):
        return f"{len(element.value)} bytes"
    text = str(element.value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def _read(path: Path) -> tuple[Dataset, Dataset]:
    """Return the group of the file itself, and the data set."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    if path.is_dir():
        raise Usage(f"{path} is a folder", advice="Name one file; `dicom validate` reads folders.")
    try:
        read = dcmread(path, stop_before_pixels=True, force=False)
    except FileNotFoundError as error:
        raise SourceGone(f"{path} is not there", advice="Check the path.") from error
    except OSError as error:
        raise SourceUnreadable(f"{path} cannot be read") from error
    except (InvalidDicomError, ValueError, EOFError, AttributeError, KeyError, NotImplementedError) as error:
        raise SourceDamaged(
            f"{path} cannot be read as a DICOM file", advice=f"`xnatsync dicom validate {path}` says what it is."
        ) from error
    return read.file_meta, read


def _number(word: str) -> int:
    from pydicom.datadict import tag_for_keyword

    plain = word.strip("()").replace(",", "").replace("x", "")
    if len(plain) == 8:
        try:
            return int(plain, 16)
        except ValueError:
            pass
    number = tag_for_keyword(word)
    if number is None:
        raise Usage(f"{word} is no DICOM keyword", advice="Give one such as SeriesDescription, or 0008,103E.")
    return int(number)
