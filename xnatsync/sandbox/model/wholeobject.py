"""A script on a whole object: the data set is read by pydicom, changed, and written again."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING

from xnatsync.sandbox.dicomedit.object_functions import Edited
from xnatsync.sandbox.dicomedit.parse import path_of
from xnatsync.sandbox.dicomedit.run import run
from xnatsync.sandbox.dicomedit.syntax import Script, ScriptError
from xnatsync.sandbox.model import dicomhead
from xnatsync.sandbox.model.dicomhead import Head
from xnatsync.sandbox.model.dicomstream import Opened

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset

_PREFIX = bytes(128) + b"DICM"
_BROKEN = (  # what pydicom raises for damaged or unwritable elements
    *(ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, TypeError, ValueError),
    struct.error,
)


def edited(script: Script, item: Opened, names: Mapping[str, str]) -> Opened:
    """Run a script and return the new object; its head must have been read to its end."""
    head = item.head
    dataset, meta = _dataset(head), _meta(head)
    syntax = str(meta.get("TransferSyntaxUID", ""))
    run(script, Edited(dataset, meta, path_of), names)
    for keyword, source in (("MediaStorageSOPClassUID", 0x00080016), ("MediaStorageSOPInstanceUID", 0x00080018)):
        if keyword in meta and source in dataset:
            setattr(meta, keyword, dataset[source].value)
    explicit = head.explicit or str(meta.get("TransferSyntaxUID", "")) != syntax
    data = _written_meta(head, meta) + _written(dataset, head, explicit=explicit)
    return Opened(dicomhead.parse(data, final=True, stop=1 << 32), item.rest)


def _dataset(head: Head) -> Dataset:
    from pydicom.charset import convert_encodings
    from pydicom.filereader import read_dataset

    try:
        dataset = read_dataset(BytesIO(head.data[head.dataset :]), not head.explicit, head.little)
        codecs = convert_encodings(dataset.get("SpecificCharacterSet"))  # names are read by codec, not by term
        dataset.set_original_encoding(not head.explicit, head.little, codecs)
    except _BROKEN as error:
        raise ScriptError(f"the object cannot be read as a whole: {error}") from error
    return dataset


def _meta(head: Head) -> FileMetaDataset:
    from pydicom.dataset import FileMetaDataset
    from pydicom.filereader import read_dataset

    start = 132 if head.data[128:132] == b"DICM" else 0
    return FileMetaDataset(read_dataset(BytesIO(head.data[start : head.dataset]), False, True))


def _written_meta(head: Head, meta: FileMetaDataset) -> bytes:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_file_meta_info

    if not len(meta):
        return head.data[: head.dataset]
    target = DicomBytesIO()
    meta.FileMetaInformationGroupLength = 0
    write_file_meta_info(target, meta, enforce_standard=False)
    return _PREFIX + target.getvalue()


def _written(dataset: Dataset, head: Head, *, explicit: bool) -> bytes:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    target = DicomBytesIO()
    target.is_little_endian, target.is_implicit_VR = head.little, not explicit
    try:
        write_dataset(target, dataset, dataset.get("SpecificCharacterSet", "iso8859"))
    except _BROKEN as error:
        raise ScriptError(f"the object cannot be written again: {error}") from error
    return target.getvalue()
