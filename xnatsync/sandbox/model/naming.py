"""Names: labels, folders and files as XNAT makes them (import.md §4.4–4.6)."""

from __future__ import annotations

import re
from typing import Final

from xnatsync.sandbox.model.dicomhead import Head

_NOT_LABEL: Final = re.compile(r"[^\w-]", re.ASCII)
_NOT_FILE: Final = re.compile(r"[^\w.-]", re.ASCII)
_FOLDER: Final = re.compile(r"[\w.-]+", re.ASCII)
_CLEANED: Final = str.maketrans(dict.fromkeys("`~@#$%^&*()+=[]{}|\\/?:;',.<> ", "_"))
_VALID: Final = re.compile(r"[A-Za-z0-9\-_]+")


def dicom_label(text: str) -> str:
    """Make a label of a DICOM value."""
    return _NOT_LABEL.sub("_", text.strip())


def archive_label(text: str) -> str:
    """Clean a label at archive; some characters survive this and make the archive fail."""
    return text.translate(_CLEANED)


def valid_label(text: str) -> bool:
    """Return whether a label may be saved."""
    return _VALID.fullmatch(text) is not None


def file_name(sent: str) -> str:
    """Keep the sender's base name, without its folders and without odd characters."""
    return _NOT_FILE.sub("_", sent.rsplit("/", 1)[-1])


def template_name(head: Head) -> str:
    """Name a file by the default template; computed before anonymisation."""
    parts = [
        head.text(0x0020000D) or "no-value-for-StudyInstanceUID",
        head.text(0x00200011) or "no-value-for-SeriesNumber",
        head.text(0x00200013) or "no-value-for-InstanceNumber",
        _base36(37 * _java_hash(head.text(0x00080016)) + _java_hash(head.text(0x00080018))),
    ]
    return _NOT_FILE.sub("_", "-".join(parts)) + ".dcm"


def receiving_folder(series_number: str, series_uid: str) -> str:
    """Name the folder of a scan while its files arrive."""
    if series_number and _FOLDER.fullmatch(series_number) and series_number not in {".", ".."}:
        return series_number
    return _NOT_LABEL.sub("_", series_uid) or "NA"


def _java_hash(text: str) -> int:
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return value


def _base36(number: int) -> str:
    digits, value = "", number & 0xFFFFFFFF
    while value:
        value, digit = divmod(value, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"
