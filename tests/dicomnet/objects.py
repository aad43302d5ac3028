"""Small DICOM files of any class in any transfer syntax, written byte by byte: no codec is needed to carry one."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

IMPLICIT, EXPLICIT, DEFLATED, BIG = (f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".1.99", ".2"))
JPEG, JPEG_LOSSLESS, JPEG_LS, JPEG_2000, RLE = (
    f"1.2.840.10008.1.2.{end}" for end in ("4.50", "4.70", "4.80", "4.90", "5")
)
HTJ2K = "1.2.840.10008.1.2.4.201"
MR, CT, SC = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7"
CSA = "1.3.12.2.1107.5.9.1"
ROOT = "1.2.826.0.1.3680043.8.498.77"
_NATIVE = {IMPLICIT, EXPLICIT, DEFLATED, BIG}
_LONG = {b"OB", b"OW", b"SQ", b"UN"}


def dicom_file(
    number: int,
    *,
    sop_class: str = MR,
    syntax: str = EXPLICIT,
    study: int = 1,
    project: str = "P1",
    pixels: bytes = b"\1\2\3\4" * 8,
) -> bytes:
    """One file: preamble, meta group and data set, which is deflated or encapsulated where the syntax wants it."""
    uid = f"{ROOT}.{study}.1.{number}"
    meta = b"".join(
        (
            _element(0x00020001, b"OB", b"\0\1", EXPLICIT),
            *(_element(0x00020000 + tag, b"UI", _uid(text), EXPLICIT) for tag, text in
              ((2, sop_class), (3, uid), (16, syntax), (18, "1.2.3"))),
        )
    )  # fmt: skip
    data = data_set(number, sop_class=sop_class, syntax=syntax, study=study, project=project, pixels=pixels)
    return b"\0" * 128 + b"DICM" + _element(0x00020000, b"UL", struct.pack("<L", len(meta)), EXPLICIT) + meta + data


def data_set(number: int, *, sop_class: str, syntax: str, study: int, project: str, pixels: bytes) -> bytes:
    """What is sent of it."""
    inner = EXPLICIT if syntax == DEFLATED else syntax
    order = ">" if inner == BIG else "<"
    values: list[tuple[int, bytes, bytes]] = [
        (0x00080016, b"UI", _uid(sop_class)),
        (0x00080018, b"UI", _uid(f"{ROOT}.{study}.1.{number}")),
        (0x00080060, b"CS", b"MR"),
        (0x00081030, b"LO", _text(project)),
        (0x00100010, b"PN", b"SUB01 "),
        (0x00100020, b"LO", _text(f"SESS{study:02d}")),
        (0x0020000D, b"UI", _uid(f"{ROOT}.{study}")),
        (0x0020000E, b"UI", _uid(f"{ROOT}.{study}.1")),
        (0x00200011, b"IS", b"1 "),
        (0x00200013, b"IS", _text(str(number))),
        (0x00280010, b"US", struct.pack(f"{order}H", 4)),
        (0x00280011, b"US", struct.pack(f"{order}H", min(len(pixels) // 8, 60_000))),
        (0x00280100, b"US", struct.pack(f"{order}H", 16)),
    ]
    whole = b"".join(_element(tag, vr, value, inner) for tag, vr, value in values)
    if syntax in _NATIVE:
        whole += _element(0x7FE00010, b"OW", pixels, inner)
    else:
        whole += b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\0\0\0\0"
        whole += b"\xfe\xff\x00\xe0" + struct.pack("<L", len(pixels)) + pixels + b"\xfe\xff\xdd\xe0\0\0\0\0"
    if syntax == DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        whole = deflater.compress(whole) + deflater.flush()
        whole += b"\0" * (len(whole) % 2)
    return whole


def write_study(folder: Path, count: int, **options: object) -> dict[str, bytes]:
    """Writes a study; gives the content of each file by its name."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {f"{number:04d}.dcm": dicom_file(number, **options) for number in range(1, count + 1)}  # type: ignore[arg-type]
    for name, content in made.items():
        (folder / name).write_bytes(content)
    return made


def sent_part(content: bytes) -> bytes:
    """The data set of a file with a meta group."""
    return content[144 + int.from_bytes(content[140:144], "little") :]


def _element(tag: int, vr: bytes, value: bytes, syntax: str) -> bytes:
    order = ">" if syntax == BIG else "<"
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT:
        return head + struct.pack("<L", len(value)) + value
    if vr in _LONG:
        return head + vr + b"\0\0" + struct.pack(f"{order}L", len(value)) + value
    return head + vr + struct.pack(f"{order}H", len(value)) + value


def _uid(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


def _text(text: str) -> bytes:
    return text.encode() + b" " * (len(text) % 2)
