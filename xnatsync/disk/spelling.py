"""File names that are not valid text, in a spelling that is.

A POSIX name is bytes.  Python shows bytes that are no UTF-8 as lone surrogates, which neither SQLite nor JSON can hold,
so we show them as private characters (U+F480 to U+F4FF) outside this package.  A name that really holds one of these is
shown by the private characters of its bytes: two names are never shown alike, and each is found again by its spelling.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

_SHIFT = 0xF480 - 0xDC80
_ODD = {code: code + _SHIFT for code in range(0xDC80, 0xDD00)}
_SHOW: dict[int, int | str] = {
    **_ODD,
    **{code: "".join(chr(byte - 0x80 + 0xF480) for byte in chr(code).encode()) for code in _ODD.values()},
}
_REAL = {shown: code for code, shown in _ODD.items()}
_SHOWN = re.compile("[\uf480-\uf4ff]")


def shown(name: str) -> str:
    """Spell a name as the system gives it in characters that can be stored; most names stay as they are."""
    return name if name.isascii() else name.translate(_SHOW)


def real_name(name: str) -> str:
    """Give the name that a shown one stands for, as the system takes it."""
    if name.isascii() or _SHOWN.search(name) is None:
        return name
    odd = name.translate(_REAL).encode("utf-8", "surrogateescape")
    return odd.decode("utf-8", "surrogateescape")  # bytes that are a character together become it again


def real(path: Path) -> Path:
    """Find the path that a shown one stands for; a step that is there only as it is spelled stands for itself.

    A folder that a person named is spelled as the person spells it.
    """
    if _SHOWN.search(str(path)) is None:
        return path
    found = Path(path.anchor)
    for step in path.parts[len(found.parts) :]:
        meant = found / real_name(step)
        found = found / step if os.path.lexists(found / step) and not os.path.lexists(meant) else meant
    return found


def told(name: str) -> str:
    """Spell a name in a tree, where names of a server come to lie as they are: those with private characters too."""
    return name if name.isascii() else name.translate(_ODD)


def is_odd(name: str) -> bool:
    """Tell whether a name, as it is told, may be that of another file too."""
    return _SHOWN.search(name) is not None


def respelled(name: str, exists: Callable[[str], bool]) -> str:
    """Give the name that a shown one stands for in a folder; one that exists as it is spelled stands for itself."""
    if name.isascii() or _SHOWN.search(name) is None or exists(name):
        return name
    other = name.translate(_REAL)
    return other if exists(other) else name
