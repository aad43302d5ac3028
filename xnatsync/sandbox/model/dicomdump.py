"""The rows of `dicomdump`: the elements of a stored object, by pydicom, which knows every name (hierarchy.md §9)."""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.store import Store

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

_LONGEST = 255


def rows(store: Store, path: str, fields: Iterable[str] = ()) -> list[dict[str, str]]:
    """Return one row per element, those of the first nesting level too; `fields` are keywords or tags."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    with store.open(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old files break rules of their own time; that is not our reader's affair
        try:
            dataset = dcmread(file, stop_before_pixels=True, force=True)
        except (InvalidDicomError, ValueError, EOFError) as error:
            raise ModelError(500, f"unable to read DICOM object {path}") from error
        wanted = {_tag(field) for field in fields}
        found = [*_rows(dataset.file_meta), *_rows(dataset)]
    return [row for tag, row in found if not wanted or tag in wanted]


def _tag(field: str) -> int:
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(field)
    if tag is None:
        try:
            tag = int(field.replace(",", "").strip("() "), 16)
        except ValueError as error:
            raise ModelError(400, f"Unknown DICOM field {field}") from error
    return tag


def _rows(dataset: Dataset) -> Iterator[tuple[int, dict[str, str]]]:
    for element in dataset:
        yield int(element.tag), _row(element, _text(element.tag), "")
        if element.VR == "SQ":
            for item in element.value:
                for inner in item:
                    yield int(element.tag), _row(inner, _text(element.tag), _text(inner.tag))


def _row(element: DataElement, tag: str, inner: str) -> dict[str, str]:
    value = "" if element.VR in {"SQ", "OB", "OW", "OF", "OD", "OL", "UN"} or element.value is None else element.value
    several = "\\".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    shown = several if element.VM < 2 or isinstance(value, list | tuple) else "\\".join(str(part) for part in value)
    return {"tag1": tag, "tag2": inner, "vr": element.VR, "value": html.escape(shown)[:_LONGEST], "desc": element.name}


def _text(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def summary(many: Iterable[list[dict[str, str]]]) -> list[dict[str, str]]:
    """Return the distinct values of several objects, one row per element."""
    merged: dict[tuple[str, str], dict[str, str]] = {}
    values: dict[tuple[str, str], list[str]] = {}
    for found in many:
        for row in found:
            key = (row["tag1"], row["tag2"])
            merged.setdefault(key, dict(row))
            if row["value"] not in values.setdefault(key, []):
                values[key].append(row["value"])
    return [{**row, "value": ",".join(values[key])[:_LONGEST]} for key, row in merged.items()]
