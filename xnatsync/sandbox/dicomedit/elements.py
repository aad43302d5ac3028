"""Values of a data set's elements as text, and texts as values of the element's representation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from xnatsync.sandbox.dicomedit.syntax import ScriptError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_INTEGERS: Final = {"US", "SS", "UL", "SL", "UV", "SV"}
_DECIMALS: Final = {"FL", "FD"}
_OPAQUE: Final = {"SQ", "OB", "OD", "OF", "OL", "OV", "OW", "UN"}


def text_of(dataset: Dataset, tag: int) -> str | None:
    """Return an element's value as text, its values separated by backslashes; None when it is absent."""
    if tag not in dataset:
        return None
    element = dataset[tag]
    value = element.value
    if element.VR == "SQ" or value is None:
        return ""
    if isinstance(value, bytes):
        return _shown(value) if element.VR == "UN" else ""
    if isinstance(value, str):
        return value.strip(" \0")
    if element.VR == "AT":
        return "\\".join(f"{int(str(one), 0) if not isinstance(one, int) else one:08X}" for one in _several(value))
    return "\\".join(_one_text(one) for one in _several(value))


def comparable(dataset: Dataset, tag: int) -> str | None:
    """Return what `blankValues` compares: nothing for sequences, bytes and unknown representations."""
    return None if dataset[tag].VR in _OPAQUE else text_of(dataset, tag)


def put(dataset: Dataset, tag: int, text: str) -> None:
    """Give an element a value; its representation stays, a new one has that of the dictionary."""
    from pydicom.dataelem import DataElement

    kept = tag in dataset and (dataset[tag].VR != "UN" or tag >> 16 & 1)
    vr = dataset[tag].VR if kept else representation(dataset, tag)
    if vr == "SQ":
        raise ScriptError(f"a sequence has no text: {tag:08X}")
    dataset[tag] = DataElement(tag, vr, _value(vr, text), validation_mode=_unchecked())


def representation(dataset: Dataset, tag: int) -> str:
    """Return the representation that a new element gets."""
    from pydicom.datadict import dictionary_VR, private_dictionary_VR

    from xnatsync.sandbox.dicomedit.places import creator_of

    try:
        if tag >> 16 & 1:
            return "LO" if tag & 0xFFFF < 0x100 else private_dictionary_VR(tag, creator_of(dataset, tag)).split(" ")[0]
        return dictionary_VR(tag).split(" ")[0]
    except KeyError:
        return "LO" if tag >> 16 & 1 else "UN"


def _several(value: object) -> Iterable[object]:
    if isinstance(value, Iterable) and not isinstance(value, str | bytes) and not hasattr(value, "components"):
        return value
    return [value]


def _shown(value: bytes) -> str:
    """Return bytes as text as DicomEdit 6 shows them: what is no printable ASCII by its two digits."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:02X}" for byte in value)


def _one_text(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and not hasattr(value, "original_string"):
        return str(int(value))
    return str(value).strip(" \0")


def _value(vr: str, text: str) -> object:
    if not text:
        return None if vr in _INTEGERS | _DECIMALS | {"AT"} else b"" if vr in _OPAQUE else ""
    try:
        if vr in _INTEGERS:
            return [int(part) for part in text.split("\\")]
        if vr in _DECIMALS:
            return [float(part) for part in text.split("\\")]
        if vr == "AT":
            return [int(part, 16) for part in text.split("\\")]
    except ValueError as error:
        raise ScriptError(f"{text!r} is no value of {vr}") from error
    if vr in _OPAQUE:
        raw = text.encode("utf-8")
        return raw + b"\0" * (len(raw) % 2)
    return text


def _unchecked() -> int:
    from pydicom.config import IGNORE

    return int(IGNORE)
