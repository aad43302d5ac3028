"""What DICOM files are, for people and for programs; nothing of a patient but what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xnatsync.core.wording import counted, size
from xnatsync.views.blocks import Block, Line, Table, Tone

if TYPE_CHECKING:
    from xnatsync.app.dicom_files import Examined, Tag
    from xnatsync.core.manifest import ManifestFile

TAG_COLUMNS = {"tag": "tag", "vr": "vr", "keyword": "keyword", "value": "value"}


def tag_row(tag: Tag) -> dict[str, object]:
    """A row of `dicom list-tags`."""
    return {"tag": tag.tag, "vr": tag.vr, "keyword": tag.keyword, "value": tag.value}


def file_fields(file: ManifestFile) -> dict[str, object]:
    """One file, for programs."""
    own = file.identity
    return {
        "path": file.path,
        "bytes": file.size,
        "kind": file.kind.value,
        "doubt": file.doubt.value,
        "reason": file.reason,
        "modality": own.modality if own else "",
        "series_number": own.series_number if own else "",
        "series_description": own.description if own else "",
        "transfer_syntax": own.transfer_syntax if own else "",
        "sop_class_uid": own.sop_class if own else "",
        "sop_instance_uid": own.sop_uid if own else "",
        "series_instance_uid": own.series_uid if own else "",
        "study_instance_uid": own.study_uid if own else "",
    }


def inspected_fields(seen: Examined, tags: Sequence[Tag]) -> dict[str, object]:
    """`dicom inspect`, for programs."""
    return {"files": [file_fields(file) for file in seen.files], "tags": [tag_row(tag) for tag in tags]}


def inspected_blocks(seen: Examined, tags: Sequence[Tag]) -> Iterator[Block]:
    """`dicom inspect`, for people."""
    for file in seen.files:
        yield Line(f"{file.path}: {file.kind.value}, {size(file.size)}", Tone.HEAD)
        if file.reason:
            yield Line(file.reason, Tone.WARN, indent=2)
        for name, value in file_fields(file).items():
            if value and name not in {"path", "bytes", "kind", "doubt", "reason"}:
                yield Line(f"{name.replace('_', ' ')}: {value}", indent=2)
    if tags:
        yield Table(tuple(TAG_COLUMNS.values()), [(tag.tag, tag.vr, tag.keyword, tag.value) for tag in tags], indent=2)


def validated_fields(seen: Examined, code: int) -> dict[str, object]:
    """`dicom validate`, for programs."""
    return {
        "exit_code": code,
        "files": len(seen.files),
        "objects": len(seen.objects),
        "studies": len(seen.studies),
        "series": len(seen.series),
        "bytes": sum(file.size for file in seen.files),
        "holding": [file_fields(file) for file in seen.holding],
        "others": [file_fields(file) for file in seen.files if file not in seen.holding and file not in seen.objects],
    }


def validated_blocks(seen: Examined) -> Iterator[Block]:
    """`dicom validate`, for people."""
    total = sum(file.size for file in seen.files)
    yield Line(f"{seen.path}: {counted(len(seen.files), 'file')}, {size(total)}", Tone.HEAD)
    whole = f"{counted(len(seen.objects), 'object')} in {counted(len(seen.series), 'series', 'series')}"
    yield Line(f"{whole}, {counted(len(seen.studies), 'study', 'studies')}", indent=2)
    for file in seen.holding:
        yield Line(f"! {file.path}: {file.reason}", Tone.BAD, indent=2)
    others = len(seen.files) - len(seen.objects) - len(seen.holding)
    if others > 0:
        yield Line(f"{counted(others, 'other file')}, which would hold nothing", Tone.DIM, indent=2)
    if not seen.objects:
        yield Line("there is no object that could be delivered", Tone.BAD, indent=2)
    elif not seen.holding:
        yield Line("nothing would hold an item of these files", Tone.GOOD, indent=2)
