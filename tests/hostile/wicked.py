"""Inputs that are made to do harm: names, archives, texts."""

from __future__ import annotations

import gzip
import io
import tarfile
import warnings
import zipfile

from hypothesis import strategies as st

RESERVED = ("CON", "con.txt", "NUL", "aux.dcm", "COM1", "LPT9.x", "a.", "a ", "a:b", "a<b", 'a"b', "a|b", "a*b", "a?b")
CLIMBING = (
    *("../x", "a/../../x", "..", "/etc/x", "//host/x", "C:x", "C:\\x", "c:/x", "..\\x", "a\\..\\..\\x", "\\\\host\\x"),
    *("./x", "a/./x", "a//x", "a/", "~/x", "%2e%2e/x", "..%2fx", "．．/x", "\u2024\u2024/x", "..\0/x", "x\0.dcm"),
)
STEERING = (
    "\x1b[2J",
    "\x1b]0;title\x07",
    "a\rb",
    "a\nb",
    "\u202egnp.exe",
    "\x9b31m",
    "\u2028",
    "\x7f",
    "\x08\x08",
    "\ufeff",
)
LONG = ("x" * 300, "x" * 5000, "x/" * 3000, "é" * 200, "1" * 5000)
NO_TEXT = ("\udcff", "\ud800", "a\udc80b")

NAMES = st.one_of(
    st.sampled_from([*RESERVED, *CLIMBING, *STEERING, *LONG]),
    st.text(max_size=40),
    st.lists(st.sampled_from(["..", ".", "", "a", "A", "\u0301e", "é", "CON", "C:"]), max_size=6).map("/".join),
    st.lists(st.sampled_from(["..", ".", "", "a", "C:"]), max_size=5).map("\\".join),
)  # fmt: skip


def zip_of(*members: tuple[str, bytes], packing: int = zipfile.ZIP_DEFLATED, mode: int = 0) -> bytes:
    """A zip with these names, exactly as they are, a zero byte and all."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name is there twice is the point
        for name, content in members:
            info = zipfile.ZipInfo("x", (2024, 1, 2, 3, 4, 6))
            info.filename, info.external_attr, info.compress_type = name, mode << 16, packing
            if len(_encoded(name)) <= 0xFFFF:
                archive.writestr(info, content)
    return stream.getvalue()


def tar_of(
    *members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE, form: int = tarfile.PAX_FORMAT, packed: bool = False
) -> bytes:
    """A tar with these names, exactly as they are."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mtime = kind, "../../target", 1_700_000_000
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0) if packed else stream.getvalue()


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
