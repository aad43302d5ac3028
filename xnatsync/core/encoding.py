"""In what a text file is written, when it is not UTF-8."""

from __future__ import annotations

SAVE_AS_UTF8 = "Save it as UTF-8 (in PowerShell: `Out-File -Encoding utf8`, or `Set-Content -Encoding utf8`)."
_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_LOOKED_AT = 64  # bytes


def wide_encoding(raw: bytes) -> str | None:
    """Return `UTF-16` or `UTF-32` where a file is written so, by its mark or by a zero in every other byte; else None.

    Windows programs write so, PowerShell's `>` among them.
    """
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return name
    head = raw[:_LOOKED_AT]
    for start in (0, 1):
        part = head[start::2]
        if len(head) > 1 and part.count(0) == len(part) and any(head[1 - start :: 2]):
            return "UTF-16"
    return None


def not_utf8(raw: bytes) -> str:
    """Say what a file is that is not UTF-8."""
    wide = wide_encoding(raw)
    return f"it is written in {wide}, and not in UTF-8" if wide else "it is not a text in UTF-8"
