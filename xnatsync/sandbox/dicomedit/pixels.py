"""`alterPixels`: a rectangle of one value over every frame; the object is written in explicit little endian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xnatsync.sandbox.dicomedit.syntax import ScriptError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_NATIVE: Final = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"}
_EXPLICIT: Final = "1.2.840.10008.1.2.1"
_PIXELS: Final = 0x7FE00010


def blank_rectangle(dataset: Dataset, meta: Dataset, where: str, what: str) -> None:
    """Fill the pixels of a rectangle in each frame; what lies outside of the image is left out.

    Compressed and big-endian pixels are not understood here and fail the object (docs/sandbox.md).
    """
    syntax = str(meta.get("TransferSyntaxUID", "1.2.840.10008.1.2"))
    if syntax not in _NATIVE or _PIXELS not in dataset:
        raise ScriptError(f"alterPixels does not decode {syntax} here")
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    box, value = _numbers(where, "ltrb"), _numbers(what, "v")["v"]
    width = int(dataset.BitsAllocated) // 8
    samples = int(dataset.get("SamplesPerPixel", 1))
    if width not in {1, 2, 4}:
        raise ScriptError("alterPixels wants whole bytes")
    left, right = max(box["l"], 0), min(box["r"], columns)
    top, bottom = max(box["t"], 0), min(box["b"], rows)
    pixels = bytearray(dataset[_PIXELS].value)
    planes = samples if int(dataset.get("PlanarConfiguration", 0) or 0) else 1
    pixel = width * (samples // planes)
    fill = value.to_bytes(width, "little", signed=value < 0) * (samples // planes) * max(0, right - left)
    plane = rows * columns * pixel
    for start in range(0, len(pixels) - plane + 1, plane):
        for row in range(top, bottom):
            at = start + (row * columns + left) * pixel
            pixels[at : at + len(fill)] = fill
    dataset[_PIXELS].value = bytes(pixels)
    meta.TransferSyntaxUID = _EXPLICIT


def _numbers(text: str, wanted: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        try:
            found[name.strip()] = int(number)
        except ValueError as error:
            raise ScriptError(f"alterPixels does not understand {text!r}") from error
    if set(found) != set(wanted):
        raise ScriptError(f"alterPixels does not understand {text!r}")
    return found
