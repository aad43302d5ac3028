"""How many objects of a series its scanner announced, where a header field means that; and how many there are.

Which field means what was measured on public series of each vendor; a field that means something else elsewhere is not
used.  Only original images count: derived ones repeat the numbers of their sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xnatsync.core.manifest import Kind, ManifestFile

MANUFACTURER, IMAGE_TYPE, INSTANCE = "Manufacturer", "ImageType", "InstanceNumber"
TEMPORAL, ACQUIRED = "NumberOfTemporalPositions", "ImagesInAcquisition"
SLICES, DYNAMICS = "(2001,1018)", "(2001,1081)"  # of Philips
KEYWORDS = frozenset({MANUFACTURER, IMAGE_TYPE, INSTANCE, TEMPORAL, ACQUIRED, SLICES, DYNAMICS})
_ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
_GAPS_OF = 4  # numbers of which less than one in so many is missing were meant to be consecutive


@dataclass(frozen=True, slots=True)
class Series:
    """One series as it is there: `expected` is 0 where nobody announced anything."""

    number: str
    have: int
    expected: int = 0
    source: str = ""
    firm: bool = False  # reaching it may end the wait

    @property
    def is_short(self) -> bool:
        """Return whether fewer are there than were announced."""
        return self.have < self.expected

    @property
    def is_reached(self) -> bool:
        """Return whether exactly those are there that were announced, by a field that can be relied on."""
        return self.firm and self.have == self.expected

    @property
    def words(self) -> str:
        """Say it for people."""
        return f"series {self.number or 'without a number'} has {self.have:,} of {self.expected:,} ({self.source})"


def series_of(files: Iterable[ManifestFile]) -> tuple[Series, ...]:
    """Count the objects of each series, and compare with what was announced."""
    found: dict[tuple[str, str], list[ManifestFile]] = {}
    for file in files:
        if file.kind is Kind.DICOM and file.identity is not None:
            found.setdefault((file.identity.study_uid, file.identity.series_uid), []).append(file)
    return tuple(_one(parts) for _, parts in sorted(found.items()))


def cut_off(files: Iterable[ManifestFile]) -> tuple[str, ...]:
    """List the files that end before their own lengths say: the plainest sign that they are still being written."""
    return tuple(
        sorted(file.path for file in files if file.kind is Kind.BROKEN and file.reason.startswith("truncated"))
    )


def _one(files: list[ManifestFile]) -> Series:
    identity = files[0].identity
    assert identity is not None
    have = len({file.key for file in files})
    expected, source, firm = _announced(files)
    if have >= expected and (gap := _gap(files, have)):
        return Series(identity.series_number, have, have + gap, f"instance numbers up to {have + gap:,}")
    return Series(identity.series_number, have, expected, source, firm and expected > 0)


def _announced(files: list[ManifestFile]) -> tuple[int, str, bool]:
    tags = _common(files)
    if not tags.get(IMAGE_TYPE, "").upper().startswith("ORIGINAL"):
        return 0, "", False
    maker = tags.get(MANUFACTURER, "").upper()
    if maker.startswith("GE"):
        images, times = _number(tags, ACQUIRED), _number(tags, TEMPORAL)
        if times > 1:
            return images * times, f"GE announces {images:,} × {times:,}", True
        return images, f"GE announces {images:,}", True
    if maker.startswith("PHILIPS"):
        slices, dynamics = _number(tags, SLICES), _number(tags, DYNAMICS)
        return slices * dynamics, f"Philips announces {slices:,} × {dynamics:,}", False
    enhanced = all(file.identity is not None and file.identity.sop_class == _ENHANCED_MR for file in files)
    if maker.startswith("SIEMENS") and enhanced:
        volumes = _number(tags, TEMPORAL)
        return volumes, f"Siemens announces {volumes:,} volumes", True
    return 0, "", False


def _common(files: list[ManifestFile]) -> Mapping[str, str]:
    """Return what all objects of a series say alike: a field that differs announces nothing of the series."""
    first = files[0].tags
    kinds = {file.tags.get(IMAGE_TYPE, "").partition("\\")[0].upper() for file in files}
    same = {
        key: value
        for key, value in first.items()
        if key in KEYWORDS and key != IMAGE_TYPE and all(file.tags.get(key, "") == value for file in files)
    }
    return same | ({IMAGE_TYPE: next(iter(kinds))} if len(kinds) == 1 else {})


def _number(tags: Mapping[str, str], key: str) -> int:
    text = tags.get(key, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def _gap(files: list[ManifestFile], have: int) -> int:
    """Return how many numbers are missing among numbers that were plainly meant to be consecutive; else 0."""
    numbers = [_number(file.tags, INSTANCE) for file in files]
    if min(numbers, default=0) != 1 or len(set(numbers)) != len(numbers) or len(numbers) != have:
        return 0
    missing = max(numbers) - len(numbers)
    return missing if 0 < missing * _GAPS_OF <= len(numbers) else 0
