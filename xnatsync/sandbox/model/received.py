"""What is known of the objects of a session that is arriving: all a build needs, without reading the files again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from xnatsync.sandbox.model import dicomstream
from xnatsync.sandbox.model.dicomhead import Head, NotDicomError
from xnatsync.sandbox.model.dicomrewrite import Changes
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.store import Store

FACTS: Final = {
    "study_date": 0x00080020,
    "series_date": 0x00080021,
    "acquisition_date": 0x00080022,
    "study_time": 0x00080030,
    "series_time": 0x00080031,
    "acquisition_time": 0x00080032,
    "accession": 0x00080050,
    "modality": 0x00080060,
    "manufacturer": 0x00080070,
    "institution": 0x00080080,
    "station": 0x00081010,
    "study_description": 0x00081030,
    "series_description": 0x0008103E,
    "operator": 0x00081070,
    "model": 0x00081090,
    "image_type": 0x00080008,
    "derivation": 0x00082111,
    "patient_name": 0x00100010,
    "patient_id": 0x00100020,
    "birth_date": 0x00100030,
    "weight": 0x00101030,
    "body_part": 0x00180015,
    "scanning_sequence": 0x00180020,
    "sequence_variant": 0x00180021,
    "scan_options": 0x00180022,
    "acquisition_type": 0x00180023,
    "sequence_name": 0x00180024,
    "slice_thickness": 0x00180050,
    "kvp": 0x00180060,
    "tr": 0x00180080,
    "te": 0x00180081,
    "ti": 0x00180082,
    "field_strength": 0x00180087,
    "collection_diameter": 0x00180090,
    "pixel_bandwidth": 0x00180095,
    "protocol": 0x00181030,
    "distance_to_detector": 0x00181110,
    "distance_to_patient": 0x00181111,
    "gantry_tilt": 0x00181120,
    "table_height": 0x00181130,
    "rotation_direction": 0x00181140,
    "exposure_time": 0x00181150,
    "tube_current": 0x00181151,
    "exposure": 0x00181152,
    "filter": 0x00181160,
    "generator_power": 0x00181170,
    "kernel": 0x00181210,
    "coil": 0x00181250,
    "flip": 0x00181314,
    "single_collimation": 0x00189306,
    "total_collimation": 0x00189307,
    "table_speed": 0x00189309,
    "table_feed": 0x00189310,
    "pitch": 0x00189311,
    "dose_modulation": 0x00189323,
    "dose_saving": 0x00189324,
    "dose_index": 0x00189345,
    "study_uid": 0x0020000D,
    "series_uid": 0x0020000E,
    "study_id": 0x00200010,
    "series_number": 0x00200011,
    "acquisition_number": 0x00200012,
    "orientation": 0x00200037,
    "rows": 0x00280010,
    "columns": 0x00280011,
    "pixel_spacing": 0x00280030,
    "intercept": 0x00281052,
    "slope": 0x00281053,
    "requested_procedure": 0x00321060,
    "study_comments": 0x00324000,
}
"""What is kept of one object per series."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An object's values as they are stored: those of its head, or those a script has put in their place."""

    head: Head
    changes: Changes

    def text(self, tag: int) -> str:
        """Return a value as text."""
        new = self.changes.get(tag)
        return str(new or "") if tag in self.changes else self.head.text(tag)

    def facts(self) -> dict[str, str]:
        """Return all facts the object states."""
        return {name: text for name, tag in FACTS.items() if (text := self.text(tag))}


@dataclass(slots=True)
class Received:
    """One object; `folder` is relative to the session's, e.g. SCANS/5/DICOM."""

    folder: str
    name: str
    size: int
    digest: str
    sop_uid: str
    sop_class: str
    series_uid: str
    instance: str
    frames: int
    modality: str

    @property
    def path(self) -> str:
        """The path below the session's folder."""
        return f"{self.folder}/{self.name}"

    @property
    def order(self) -> tuple[int, str]:
        """The place within the series, so that the same files always give the same session."""
        return (int(self.instance) if self.instance.isdecimal() else sys.maxsize, self.sop_uid)


@dataclass(slots=True)
class Series:
    """One series: the facts of its first object."""

    uid: str
    order: tuple[int, str]
    facts: dict[str, str]


@dataclass(slots=True)
class Content:
    """The objects of one session, and the session once it is built; not kept over a restart, but read again."""

    objects: dict[str, Received] = field(default_factory=dict)  # by path
    series: dict[str, Series] = field(default_factory=dict)  # by SeriesInstanceUID
    busy: set[str] = field(default_factory=set)  # paths being written at this moment
    session: Experiment | None = None

    def note(self, item: Received, seen: Seen) -> None:
        """Take an object into account; the facts of a series are those of its first object."""
        self.objects[item.path] = item
        series = self.series.get(item.series_uid)
        if series is None or item.order <= series.order:
            self.series[item.series_uid] = Series(item.series_uid, item.order, seen.facts())

    def forget(self, path: str) -> None:
        """Forget an object that is gone; a series without objects goes with its last one."""
        gone = self.objects.pop(path, None)
        if gone is not None and all(item.series_uid != gone.series_uid for item in self.objects.values()):
            self.series.pop(gone.series_uid, None)


def received(seen: Seen, folder: str, name: str, size: int, digest: str) -> Received:
    """Make the record of an object from its head."""
    frames = seen.text(0x00280008)
    return Received(
        sys.intern(folder),
        name,
        size,
        digest,
        seen.text(0x00080018),
        sys.intern(seen.text(0x00080016)),
        sys.intern(seen.text(0x0020000E)),
        seen.text(0x00200013),
        int(frames) if frames.isdecimal() else 1,
        sys.intern(seen.text(0x00080060)),
    )


def load(store: Store, folder: str) -> Content:
    """Read the objects of a session from disk, as after a restart."""
    content = Content()
    for path, size in store.list(folder):
        scan_folder, _, name = path.rpartition("/")
        if not path.startswith("SCANS/") or path.endswith("_catalog.xml"):
            continue
        try:
            seen = Seen(read_head(store, f"{folder}/{path}"), {})
        except NotDicomError:
            continue
        content.note(received(seen, scan_folder, name, size, ""), seen)
    return content


def read_head(store: Store, path: str) -> Head:
    """Read the head of a stored object."""
    with store.open(path) as file:
        return dicomstream.opened(iter(lambda: file.read(1 << 18), b"")).head


def chunks(store: Store, path: str) -> Iterator[bytes]:
    """Return the content of a stored file in pieces."""
    with store.open(path) as file:
        while piece := file.read(1 << 20):
            yield piece
